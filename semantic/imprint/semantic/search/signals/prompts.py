"""What the prompts that asked for commits say of them: a commit is about what was asked for.

A prompt counts as if its words were its commits' message, by the rarity and the length that words and
messages of the shown commits have. So what one prompt says needs no other prompt, and no statistic of prompts
is made.

Invariants:
    1. A prompt that the caller's reader does not give changes nothing in an answer. The reader is asked for
       each prompt that counts, in each question.
    2. Of a text only the counts of its words are kept, in memory, under its address, which is made from the
       text: they say which prompts need not be asked for, and never count without the reader.
    3. Commits, prompts and characters that are looked at for one question are bounded.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.signals.messages import weigh_count
from imprint.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.search.background import Background
    from imprint.semantic.search.signals.messages import Shown
    from imprint.store.origins.explain import PromptReader

    Key = tuple[str, str]
    """A session, and the address of a prompt in it."""

PROMPTS_MAX: Final = 8
"""Prompts that count for one question, the best; of those that fit no better than messages none is read."""
CHARACTERS_MAX: Final = 8_000
"""Of one prompt; what is asked for stands at its begin."""
_KEPT: Final = 2_000
"""Prompts of which words are kept: some 5 kB each."""


class _Words(NamedTuple):
    """The terms of a text: how often each, and how many."""

    counts: Counter[str]
    length: int


def score_prompts(
    background: Background,
    past: Past,
    numbers: Collection[int],
    words: Sequence[str],
    shown: Shown,
    messages: Array,
) -> dict[int, float]:
    """Of commits, by number, how well what asked for them fits, where that is better than their messages.

    Where one prompt asked for several of them, each gets a part.

    Args:
        background: the caller's.
        past: the change log, limited to what the caller is shown.
        numbers: the commits.
        words: the query's.
        shown: the commits by whose messages words are weighed.
        messages: of each commit, by number, how well its message fits.
    """
    if background.claims is None or background.prompts is None or not numbers:
        return {}
    try:
        asked_for = _find_prompts(background, past, numbers)
    except StoreError:  # what cannot be known just now does not rank
        return {}
    fitting = _find_fitting(
        background.prompts,
        asked_for,
        {word: shown.rarity(past, word) for word in words},
        shown.mean_length,
        messages,
    )
    scores: dict[int, float] = {}
    left = PROMPTS_MAX
    for score, key, is_given in fitting:
        if not left:
            break
        if is_given or background.prompts(*key):
            left -= 1  # of those that are given: others take nobody's place
            for number in asked_for[key]:
                scores[number] = max(scores.get(number, 0.0), score)
    return scores


def _find_fitting(
    read: PromptReader,
    asked_for: Mapping[Key, Collection[int]],
    rarities: Mapping[str, float],
    mean_length: float,
    messages: Array,
) -> list[tuple[float, Key, bool]]:
    """What fits better than messages, best first: its score, and whether it was given just now."""
    fitting: list[tuple[float, Key, bool]] = []
    for key, caused in asked_for.items():
        told, is_new = _WORDS.find(key), False
        if told is None:
            text = read(*key)
            if not text:
                continue
            told, is_new = _WORDS.learn(key, text[:CHARACTERS_MAX]), True
        score = _weigh(told, rarities, mean_length) / len(caused) ** 0.5
        if any(score > messages[number] for number in caused):
            fitting.append((score, key, is_new))
    return sorted(fitting, key=lambda one: -one[0])


def _weigh(told: _Words, rarities: Mapping[str, float], mean_length: float) -> float:
    return sum(
        weigh_count(rarity, told.counts[word], told.length, mean_length)
        for word, rarity in rarities.items()
        if word in told.counts
    )


def _find_prompts(background: Background, past: Past, numbers: Collection[int]) -> dict[Key, set[int]]:
    """Sessions and addresses of prompts, in the order of the commits that each asked for."""
    assert background.claims is not None  # noqa: S101 - the caller has looked
    commits = {number: past.commit(number) for number in numbers}
    claims = background.claims(set(commits.values()))
    found: dict[Key, set[int]] = {}
    for number, commit in commits.items():
        for claim in claims.get(commit, ()):
            if claim.session and claim.prompt:
                found.setdefault((claim.session, claim.prompt), set()).add(number)
    return found


class _KeptWords:
    """Words of prompts that were read lately. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, _Words] = OrderedDict()

    def find(self, key: Key) -> _Words | None:
        """The words of a prompt; None where they are not kept."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    def learn(self, key: Key, text: str) -> _Words:
        """The words of a prompt that was read, kept from now on."""
        found = terms(text)
        told = _Words(Counter(found), len(found))
        with self._lock:
            self._kept[key] = told
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return told


_WORDS: Final = _KeptWords()
