"""How well each chunk of a commit fits the words of a query: BM25 with this commit's own statistics.

Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with the usual
`k1` and `b`. A word's relatives (`routing` for `routes`) count as the word itself, at a discount.

Invariants:
    1. A word costs what its occurrences cost, and a few passes over one number per chunk; asked for again,
       it costs one addition for each chunk that holds it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import ref

import numpy as np

from imprint.semantic.index.arrays import ranges
from imprint.semantic.search.stems import stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.search.query import Asked

_K1: Final = 1.5
_B: Final = 0.75
_STEM_MIN: Final = 4
_WEIGHED_MAX: Final = 6_000_000
"""Chunks that are remembered for terms, of all corpora together: 48 MB."""
_OLDEST: Final = 100
"""Of so many terms that were asked for the longest ago, the one that most chunks hold is forgotten first."""
_OVERHEAD: Final = 100
"""Chunks that as much memory would hold as a remembered term takes beside its own."""
_FEW: Final = 8
"""A term that fewer than one chunk in so many holds is added chunk by chunk."""
_SPARSE: Final = 64
"""Occurrences fewer than one for so many chunks are sorted; more are counted in a place for each chunk."""


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
    scores = np.zeros(len(corpus), np.float32)
    rarity = {}
    for word in asked.words:
        worth = _WEIGHED.find(corpus, _Term(word, relative=mix.relative))
        rarity[word] = worth.rarity
        worth.add_to(scores)
    for phrase in asked.phrases:
        _WEIGHED.find(corpus, _Term(phrase, worth=mix.phrase)).add_to(scores)
    return Fits(scores, rarity)


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


class _Term(NamedTuple):
    """A word or phrase: what its relatives count beside it, and what it is worth itself."""

    text: str
    relative: float = 0.0
    worth: float = 1.0


class _Worth(NamedTuple):
    """What a term adds to the scores of the chunks that hold it, and how telling it is by itself.

    Where very many hold it, `scores` has one for every chunk, in order, and `chunks` is None.
    """

    chunks: Array | None
    scores: Array
    rarity: float

    @property
    def size(self) -> int:
        """Chunks that take as much memory."""
        return _OVERHEAD + (len(self.scores) // 2 if self.chunks is None else len(self.scores))

    def add_to(self, scores: Array) -> None:
        """Add what the term is worth to the scores of all chunks."""
        if self.chunks is None:
            scores += self.scores
        else:
            scores[self.chunks] += self.scores


class _Weighed:
    """The terms that were asked for lately, each of one corpus. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[ref[Corpus], _Term], _Worth] = OrderedDict()
        self._size = 0

    def find(self, corpus: Corpus, term: _Term) -> _Worth:
        """What a term is worth, remembered or found."""
        key = ref(corpus), term
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        found = _weigh(corpus, term)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._size += found.size
            while self._size > _WEIGHED_MAX:
                self._forget()
        return found

    def _forget(self) -> None:
        """Forget a term: the memory of one that many chunks hold keeps many others, dearer to find again."""
        oldest = islice(self._kept, _OLDEST)
        largest = max(oldest, key=lambda key: self._kept[key].size)
        self._size -= self._kept.pop(largest).size


_WEIGHED: Final = _Weighed()


def _weigh(corpus: Corpus, term: _Term) -> _Worth:
    many = len(corpus)
    occurrences = _find_occurrences(corpus, term.text, 1.0)
    chunks, counts = _count(occurrences, many)
    rarity = _rarity(many, len(chunks))
    relatives = _find_relatives(corpus, term.text) if term.relative else []
    if relatives:
        for other in relatives:
            occurrences += _find_occurrences(corpus, other, term.relative)
        chunks, counts = _count(occurrences, many)
    norm = _K1 * (1 - _B) + _K1 * _B / corpus.mean_length * corpus.lengths[chunks]
    telling = term.worth * _rarity(many, len(chunks))
    scores = telling * counts * (_K1 + 1) / (counts + norm)
    if len(chunks) > many // _FEW:
        whole = np.zeros(many, np.float32)
        whole[chunks] = scores
        return _Worth(None, whole, rarity)
    return _Worth(chunks.astype(np.int32), scores.astype(np.float32), rarity)


def _find_occurrences(corpus: Corpus, term: str, share: float) -> list[tuple[Array, Array]]:
    """The chunks in which a term occurs, in texts and by paths, and how often, each as `share` of one."""
    chunks, found = corpus.find_word(term)
    occurrences = [(chunks, found * np.float32(share))] if len(chunks) else []
    files, found = corpus.find_in_paths(term)
    if len(files):
        starts = corpus.starts[files]
        many = corpus.starts[files + 1] - starts
        occurrences.append((ranges(starts, many), np.repeat(found * np.float32(share), many)))
    return occurrences


def _count(occurrences: Sequence[tuple[Array, Array]], many: int) -> tuple[Array, Array]:
    """The chunks of occurrences, each once and ascending, with their sums; without a pass over all if few."""
    if sum(len(chunks) for chunks, _ in occurrences) > many // _SPARSE:
        counts = np.zeros(many, np.float32)
        for some, found in occurrences:
            counts[some] += found
        chunks = np.flatnonzero(counts > 0)  # truth is counted and found several times faster than numbers
        return chunks, counts[chunks]
    if not occurrences:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    every = np.concatenate([chunks for chunks, _ in occurrences])
    chunks, places = np.unique(every, return_inverse=True)
    sums = np.bincount(places, np.concatenate([found for _, found in occurrences]))
    return chunks, sums.astype(np.float32)


def _rarity(many: int, holding: int) -> float:
    """How telling it is that a chunk is among so many of all."""
    return float(np.log1p((many - holding + 0.5) / (holding + 0.5)))
