"""What the prompts that asked for commits say of them: a commit is about what was asked for.

A prompt counts as if its words were its commits' message, by the rarity and the length that words and
messages of the shown commits have. So what one prompt says needs no other prompt, and no statistic of prompts
is made.

Invariants:
    1. A prompt that the caller's reader does not give changes nothing in an answer. The reader is asked for
       each prompt in each question.
    2. Of a text only the counts of its words are kept, in memory, under a digest of the text: they count only
       when the reader has given that text again.
    3. Commits, prompts and characters that are looked at for one question are bounded.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.signals.messages import weigh_count
from imprint.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from imprint.semantic.lineage.past import Past
    from imprint.semantic.search.background import Background
    from imprint.semantic.search.signals.messages import Shown

PROMPTS_MAX: Final = 32
"""Prompts that are read for one question."""
CHARACTERS_MAX: Final = 8_000
"""Of one prompt; what is asked for stands at its begin."""
_KEPT: Final = 2_000
"""Prompts of which words are kept: some 5 kB each."""


class _Words(NamedTuple):
    """The terms of a text: how often each, and how many."""

    counts: Counter[str]
    length: int


def score_prompts(
    background: Background, past: Past, numbers: Collection[int], words: Sequence[str], shown: Shown
) -> dict[int, float]:
    """Of commits, by number, how well what asked for them fits; those without a readable prompt are left out.

    Where one prompt asked for several of them, each gets a part.

    Args:
        background: the caller's.
        past: the change log, limited to what the caller is shown.
        numbers: the commits.
        words: the query's.
        shown: the commits by whose messages words are weighed.
    """
    if background.claims is None or background.prompts is None or not numbers:
        return {}
    scores: dict[int, float] = {}
    try:
        asked_for = _find_prompts(background, past, numbers)
    except StoreError:  # what cannot be known just now does not rank
        return {}
    left = PROMPTS_MAX
    for key, caused in asked_for.items():
        text = background.prompts(*key) if left else None
        if not text:
            continue
        left -= 1  # of those that are given: others take nobody's place
        told = _WORDS.of(text[:CHARACTERS_MAX])
        score = sum(_weigh(past, shown, told, words)) / len(caused) ** 0.5
        for number in caused:
            scores[number] = max(scores.get(number, 0.0), score)
    return scores


def _weigh(past: Past, shown: Shown, told: _Words, words: Sequence[str]) -> Iterator[float]:
    for word in words:
        if count := told.counts[word]:
            yield weigh_count(shown.rarity(past, word), count, told.length, shown.mean_length)


def _find_prompts(
    background: Background, past: Past, numbers: Collection[int]
) -> dict[tuple[str, str], set[int]]:
    """Sessions and addresses of prompts, in the order of the commits that each asked for."""
    assert background.claims is not None  # noqa: S101 - the caller has looked
    commits = {number: past.commit(number) for number in numbers}
    claims = background.claims(set(commits.values()))
    found: dict[tuple[str, str], set[int]] = {}
    for number, commit in commits.items():
        for claim in claims.get(commit, ()):
            if claim.session and claim.prompt:
                found.setdefault((claim.session, claim.prompt), set()).add(number)
    return found


class _KeptWords:
    """Words of texts that were read lately. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Words] = OrderedDict()

    def of(self, text: str) -> _Words:
        """The words of a text."""
        key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        found = terms(text)
        told = _Words(Counter(found), len(found))
        with self._lock:
            self._kept[key] = told
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return told


_WORDS: Final = _KeptWords()
