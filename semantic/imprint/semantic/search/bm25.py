"""How well each chunk of a commit fits the words of a query: BM25 with this commit's own statistics.

Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with the usual
`k1` and `b`. A word's relatives (`routing` for `routes`) count as the word itself, at a discount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.search.stems import stem

if TYPE_CHECKING:
    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.search.query import Asked

_K1: Final = 1.5
_B: Final = 0.75
_STEM_MIN: Final = 4


@dataclass(frozen=True, slots=True)
class Mix:
    """How much the lesser evidence counts beside a word itself."""

    relative: float = 0.3
    phrase: float = 0.8


def score_chunks(corpus: Corpus, asked: Asked, mix: Mix = Mix()) -> Array:
    """Of each chunk of the commit, how well it fits; 0 where it holds none of the words."""
    scores = np.zeros(len(corpus), np.float32)
    if not len(corpus):
        return scores
    norm = _K1 * (1 - _B + _B * corpus.lengths / max(float(corpus.lengths.mean()), 1.0))
    for word in asked.words:
        scores += _score(_count(corpus, word, mix.relative), norm)
    for phrase in asked.phrases:
        scores += mix.phrase * _score(_count(corpus, phrase, 0.0), norm)
    return scores


def _count(corpus: Corpus, word: str, relative: float) -> Array:
    """How often a word stands in each chunk, its path included."""
    counts = _count_exactly(corpus, word)
    root = stem(word)
    if relative and len(root) >= _STEM_MIN and word.isascii():
        for other in sorted(corpus.find_variants(root)):
            if other != word and stem(other) == root:
                counts += relative * _count_exactly(corpus, other)
    return counts


def _count_exactly(corpus: Corpus, term: str) -> Array:
    counts = np.zeros(len(corpus), np.float32)
    chunks, found = corpus.find_word(term)
    counts[chunks] = found
    files, found = corpus.find_in_paths(term)
    if len(files):
        of_file = np.zeros(len(corpus.listing), np.float32)
        of_file[files] = found
        counts += of_file[corpus.files]
    return counts


def _score(counts: Array, norm: Array) -> Array:
    holding = np.count_nonzero(counts)
    rarity = np.log1p((len(counts) - holding + 0.5) / (holding + 0.5))
    scores: Array = (rarity * counts * (_K1 + 1) / (counts + norm)).astype(np.float32)
    return scores


def rarity(corpus: Corpus, asked: Asked) -> dict[str, float]:
    """How telling each word of the query is in this commit."""
    total = len(corpus)
    found = {}
    for word in asked.words:
        holding = np.count_nonzero(_count_exactly(corpus, word)) if total else 0
        found[word] = float(np.log1p((total - holding + 0.5) / (holding + 0.5)))
    return found
