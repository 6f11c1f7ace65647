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


def score_messages(past: Past, words: Sequence[str], shown: Array) -> Array:
    """Of each commit, by number, how well its message fits; 0 for those that are not in `shown`."""
    scores = np.zeros(len(shown), np.float32)
    lengths = past.message_lengths()
    total = int(shown.sum())
    if not total:
        return scores
    norm = _K1 * (1 - _B + _B * lengths / max(float(lengths[shown].mean()), 1.0))
    for word in words:
        numbers, counts = past.find_word(word)
        kept = shown[numbers]
        numbers, counts = numbers[kept], counts[kept]
        rarity = np.log1p((total - len(numbers) + 0.5) / (len(numbers) + 0.5))
        scores[numbers] += rarity * counts * (_K1 + 1) / (counts + norm[numbers])
    return scores
