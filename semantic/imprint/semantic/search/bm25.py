"""How well each chunk of a commit fits the words of a query: BM25 with this commit's own statistics.

Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with the usual
`k1` and `b`. A word's relatives (`routing` for `routes`) count as the word itself, at a discount.

Invariants:
    1. A word costs what its occurrences cost, and a few passes over one number per chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.segment import ranges
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


@dataclass(frozen=True, slots=True)
class Fits:
    """How well the chunks of a commit fit a query.

    Attributes:
        scores: of each chunk; 0 where it holds none of the words.
        rarity: of each word of the query, how telling it is in this commit.
    """

    scores: Array
    rarity: dict[str, float]


def score_chunks(corpus: Corpus, asked: Asked, mix: Mix = Mix()) -> Fits:
    """Score every chunk of the commit."""
    scorer = _Scorer(corpus)
    rarity = {}
    for word in asked.words:
        scorer.count(word)
        rarity[word] = scorer.rarity()
        relatives = _find_relatives(corpus, word) if mix.relative else []
        for other in relatives:
            scorer.count(other, mix.relative)
        scorer.add(rarity=None if relatives else rarity[word])
    for phrase in asked.phrases:
        scorer.count(phrase)
        scorer.add(mix.phrase)
    return Fits(scorer.scores, rarity)


def _find_relatives(corpus: Corpus, word: str) -> list[str]:
    root = stem(word)
    if len(root) < _STEM_MIN or not word.isascii():
        return []
    return [other for other in sorted(corpus.find_variants(root)) if other != word and stem(other) == root]


def score_wholes(corpus: Corpus, asked: Asked, mix: Mix = Mix()) -> Array:
    """Of each file how well all of its text fits the words: BM25 over files instead of chunks."""
    many = len(corpus.listing)
    scores = np.zeros(many, np.float32)
    lengths = np.bincount(corpus.files, weights=corpus.lengths, minlength=many)
    norm = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()), 1.0)) if many else scores
    for word in asked.words:
        counts = np.zeros(many, np.float32)
        for term, share in [(word, 1.0), *((other, mix.relative) for other in _find_relatives(corpus, word))]:
            chunks, found = corpus.find_word(term)
            counts += share * np.bincount(corpus.files[chunks], weights=found, minlength=many)
        holding = np.count_nonzero(counts)
        rarity = np.log1p((many - holding + 0.5) / (holding + 0.5))
        scores += rarity * counts * (_K1 + 1) / (counts + norm)
    return scores


class _Scorer:
    """Counts one word after the other."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.scores = np.zeros(len(corpus), np.float32)
        self._counts = np.zeros(len(corpus), np.float32)
        self._touched: list[Array] = []
        mean = max(float(corpus.lengths.mean()), 1.0) if len(corpus) else 1.0
        self._slope = _K1 * _B / mean

    def count(self, term: str, share: float = 1.0) -> None:
        """Count the occurrences of a term in texts and paths, each as `share` of one."""
        corpus = self._corpus
        chunks, found = corpus.find_word(term)
        self._add(chunks, share * found)
        files, found = corpus.find_in_paths(term)
        if len(files):
            starts = corpus.starts[files]
            many = corpus.starts[files + 1] - starts
            self._add(ranges(starts, many), share * np.repeat(found, many))

    def _add(self, chunks: Array, counts: Array) -> None:
        if len(chunks):
            self._counts[chunks] += counts
            self._touched.append(chunks)

    def rarity(self) -> float:
        """How telling what was counted is."""
        holding = np.count_nonzero(self._counts)
        return float(np.log1p((len(self._counts) - holding + 0.5) / (holding + 0.5)))

    def add(self, worth: float = 1.0, rarity: float | None = None) -> None:
        """Add what was counted to the scores, and begin anew; `rarity` is said if it is known."""
        if not self._touched:
            return
        rarity = worth * (self.rarity() if rarity is None else rarity)
        for chunks in self._touched:  # a chunk that is there twice has no count any more the second time
            counts = self._counts[chunks]
            norm = _K1 * (1 - _B) + self._slope * self._corpus.lengths[chunks]
            self.scores[chunks] += rarity * counts * (_K1 + 1) / (counts + norm)
            self._counts[chunks] = 0
        self._touched.clear()
