"""Searching prompts: the words that asked for commits.

A prompt is known through the claims of commits, and read through the caller's own reader at the time of the
question: one that was erased, or that the caller may not read, is not there. Nothing of it is kept.

Invariants:
    1. A prompt that the reader does not give changes nothing in an answer: neither hits nor scores.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.messages import commit_hit, newest_first
from imprint.semantic.search.finding.place import TEXT_CHARACTERS_MAX
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.patterns import Pattern
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Query

COMMITS_MAX: Final = 50_000
"""Commits, the newest, whose claims are asked for prompts."""
PROMPTS_MAX: Final = 5_000
"""Prompts that are read, the newest first."""
_BATCH: Final = 500
_CHARACTERS_MAX: Final = 20_000
"""Of one prompt."""
_K1: Final = 1.2
_B: Final = 0.75


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt, its session and the newest commit that it caused."""

    session: str
    number: int
    text: str


def find_prompts(place: Place, query: Query, filters: Filters, wanted: tuple[str, ...] | Pattern) -> Answer:
    """The prompts that fit best; by pattern the newest first."""
    prompts, notes = _read_prompts(place, filters)
    if isinstance(wanted, tuple):
        scores = _score([terms(prompt.text) for prompt in prompts], wanted)
    else:
        scores = [float(wanted.is_in(prompt.text.encode("utf-8", "replace"))) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda place: (-scores[place], -prompts[place].number))
    hits = [_hit(place, prompts[one], scores[one]) for one in order[: query.limit] if scores[one] > 0]
    return Answer(place.commit, place.behind, tuple(hits), is_complete=not notes, notes=tuple(notes))


def _read_prompts(place: Place, filters: Filters) -> tuple[list[_Prompt], list[str]]:
    background = place.background
    if background.claims is None or background.prompts is None:
        raise BadInput("prompts are not known here", hint="ask where sessions are recorded")
    deadline = place.deadline()
    past = place.past()
    seen: set[tuple[str, str]] = set()
    found: list[_Prompt] = []
    numbers = newest_first(filters)
    for start in range(0, COMMITS_MAX, _BATCH):
        batch = list(islice(numbers, _BATCH))
        if not batch:
            return found, []
        claims = background.claims({past.commit(number) for number in batch})
        for number in batch:
            for claim in claims.get(past.commit(number), ()):
                key = claim.session or "", claim.prompt or ""
                if not all(key) or key in seen:
                    continue
                if len(seen) >= PROMPTS_MAX or deadline.is_over():
                    return found, [f"the prompts of the newest {start} commits were looked at"]
                seen.add(key)
                text = background.prompts(*key)
                if text:
                    found.append(_Prompt(key[0], number, text[:_CHARACTERS_MAX]))
    return found, [f"the prompts of the newest {COMMITS_MAX} commits were looked at"]


def _score(texts: Sequence[Sequence[str]], words: Sequence[str]) -> list[float]:
    """BM25 of a few texts."""
    lengths = np.array([len(text) for text in texts], np.float64)
    norm = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()) if len(texts) else 1.0, 1.0))
    counted = [Counter(text) for text in texts]
    scores = np.zeros(len(texts))
    for word in words:
        counts = np.array([counter[word] for counter in counted], np.float64)
        holding = int(np.count_nonzero(counts))
        rarity = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        scores += rarity * counts * (_K1 + 1) / (counts + norm)
    told: list[float] = scores.tolist()
    return told


def _hit(place: Place, prompt: _Prompt, score: float) -> Hit:
    hit = commit_hit(place, prompt.number, score, prompt.text[:TEXT_CHARACTERS_MAX])
    return replace(hit, kind="prompt", session=prompt.session)
