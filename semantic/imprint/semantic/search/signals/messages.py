"""How well the messages of commits fit a query: BM25 over the past's own postings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.past import Past

_K1: Final = 1.2
_B: Final = 0.75
_REMEMBERED_MAX: Final = 300_000
"""Commits that are remembered for words, of one searched commit: 5 MB."""
_OVERHEAD: Final = 30
"""Commits that as much memory would hold as a remembered word takes beside its own."""


class Shown:
    """Some commits of a past, and what scoring their messages needs to know of them. Safe to share.

    Attributes:
        mean_length: of their messages, in terms.

    Args:
        past: the past; only asked, never kept.
        mask: of each commit, by number, whether it is one of them.
    """

    def __init__(self, past: Past, mask: Array) -> None:
        lengths = past.message_lengths()
        self._mask = mask
        self._total = int(mask.sum())
        self.mean_length = max(float(lengths[mask].mean()) if self._total else 1.0, 1.0)
        self._norm = _K1 * (1 - _B + _B * lengths / self.mean_length)
        self._known: dict[str, tuple[Array, Array]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._mask)

    def weigh(self, past: Past, word: str) -> tuple[Array, Array]:
        """The commits whose message has a word, and what it adds to the score of each."""
        known = self._known.get(word)
        if known is None:
            known = self._weigh(past, word)
            if self._size > _REMEMBERED_MAX:
                self._known, self._size = {}, 0
            self._known[word] = known
            self._size += len(known[0]) + _OVERHEAD
        return known

    def rarity(self, past: Past, word: str) -> float:
        """What a word is worth that these many of the commits have in their messages."""
        return self._rarity(len(self.weigh(past, word)[0]))

    def _rarity(self, holding: int) -> float:
        return float(np.log1p((self._total - holding + 0.5) / (holding + 0.5)))

    def _weigh(self, past: Past, word: str) -> tuple[Array, Array]:
        numbers, counts = past.find_word(word)
        kept = self._mask[numbers]
        numbers, counts = numbers[kept], counts[kept]
        return numbers, self._rarity(len(numbers)) * counts * (_K1 + 1) / (counts + self._norm[numbers])


def score_messages(past: Past, words: Sequence[str], shown: Shown) -> Array:
    """Of each commit, by number, how well its message fits; 0 for those that are not shown."""
    scores = np.zeros(len(shown), np.float32)
    for word in words:
        numbers, worths = shown.weigh(past, word)
        scores[numbers] += worths
    return scores


def weigh_count(rarity: float, count: int, length: int, mean_length: float) -> float:
    """What a word adds to the score of a text, as `score_messages` does for messages.

    Args:
        rarity: of the word.
        count: how often the text has it.
        length: of the text, in terms.
        mean_length: of texts.
    """
    return rarity * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / mean_length))
