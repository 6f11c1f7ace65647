"""A commit's vectors, compared with a question's: roughly for every chunk, wholly for those that may matter.

Invariants:
    1. What is told of a chunk is found from whole vectors; rough sums only choose which chunks are told of.
    2. Rough sums have 16 bits and cannot overflow: vectors are at most of unit length, and scaled to fit.

The rough sums take the largest numbers of the question alone. Which those are differs from question to
question, so columns are kept, each with one number of every chunk: for a commit's first question those that
it takes, as it may be the only one; all of them once another is asked. Of the nearest 50 among 115,000 chunks
`_NUMBERS` of 256 keep 48 among the `_NEAREST`; 64 that are the same for every question keep 45.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.largest import find_largest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.index.arrays import Array

SCALE: Final = 127.0
"""A number of a kept vector is so many times what it is, rounded to 8 bits."""
_SUM_MAX: Final = 2**15 - 1
_NUMBERS: Final = 32
_NEAREST: Final = 1_000
_AT_ONCE: Final = 32_768
"""Chunks of which the chosen columns are copied together: they fit the processor's cache."""
_TURNED_AT_ONCE: Final = 512
"""Rows that become columns together, for the same reason."""


class Rows:
    """The vectors of a corpus's chunks, wherever they are kept.

    Args:
        parts: matrices of vectors in 8 bits a number.
        numbers, places: of each chunk, which of them has its vector, and in which row.
    """

    def __init__(self, parts: Sequence[Array], numbers: Array, places: Array) -> None:
        self._parts = parts
        self._numbers = numbers
        self._places = places

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, chunks: Array) -> Array:
        """The vectors of some chunks."""
        if len(self._parts) == 1:
            alone: Array = self._parts[0][self._places[chunks]]
            return alone
        found = np.zeros((len(chunks), self._parts[0].shape[1]), np.int8)
        of_part = self._numbers[chunks]
        for number, vectors in enumerate(self._parts):
            own = np.flatnonzero(of_part == number)
            found[own] = vectors[self._places[chunks[own]]]
        return found

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self._parts[0].shape[1])


class Columns:
    """Vectors, turned as far as they are asked for. Safe to share between threads.

    Args:
        read: gives the vectors at some places.
        count: how many there are.
        width: how many numbers each has.
    """

    def __init__(self, read: Callable[[Array], Array], count: int, width: int) -> None:
        self._read = read
        self._count = count
        self._width = width
        self._first: tuple[Array, Array] | None = None
        self._all: Array | None = None

    def add(self, chosen: Array, worths: Array) -> Array:
        """Of each vector, the sum of the chosen numbers, each by its worth; 16 bits."""
        first, every = self._first, self._all
        if every is None and (first is None or np.array_equal(first[0], chosen)):
            if first is None:
                first = self._first = chosen, self._turn(chosen)
            return _add_columns(first[1], np.arange(len(chosen)), worths)
        if every is None:
            every = self._all = self._turn(np.arange(self._width))
            self._first = None
        return _add_columns(every, chosen, worths)

    def _turn(self, chosen: Array) -> Array:
        """Some of their numbers as columns: of as many rows at once as fit the processor's cache."""
        turned = np.empty((len(chosen), self._count), np.int8)
        for begin in range(0, self._count, _TURNED_AT_ONCE):
            some = np.arange(begin, min(begin + _TURNED_AT_ONCE, self._count))
            rows = self._read(some)
            turned[:, some[0] : some[-1] + 1] = (rows if len(chosen) == self._width else rows[:, chosen]).T
        return turned


class Neighbourhood:
    """A corpus's vectors and those of its paths, ready to be compared. Safe to share between threads.

    Args:
        rows: the vectors of the chunks.
        paths: those of the files' paths, in 8 bits a number.
        files: of each chunk its file.
        share: what a path's nearness is worth beside its passage's.
    """

    def __init__(self, rows: Rows, paths: Array, files: Array, share: float) -> None:
        self._rows = rows
        self._paths = paths
        self._files = files
        self._share = share
        self._columns = Columns(rows.of, len(rows), rows.width)
        self._path_columns = Columns(paths.__getitem__, len(paths), paths.shape[1])

    def near(self, question: Array) -> Nearness:
        """Compare a question's vector."""
        return Nearness(self, question)

    def tell(self, question: Array, chunks: Array) -> Array:
        """How near some chunks are, by whole vectors."""
        scaled = (question / np.float32(SCALE)).astype(np.float32)
        passages = _multiply(self._rows.of(chunks), scaled)
        return passages + np.float32(self._share) * _multiply(self._paths[self._files[chunks]], scaled)

    def tell_roughly(self, question: Array) -> Array:
        """How near every chunk is, in no unit."""
        largest = np.argsort(-np.abs(question), kind="stable")[:_NUMBERS]
        slack = len(question) ** 0.5 / 2  # what rounding each number can add to a vector's length
        scale = _SUM_MAX / ((SCALE + slack) * (1 + self._share)) - slack
        chosen = np.rint(question[largest] * scale).astype(np.int16)
        sums = self._columns.add(largest, chosen)
        along = self._path_columns.add(largest, chosen) * np.float32(self._share)
        sums += along.astype(np.int16)[self._files]
        return sums


class Nearness:
    """One question among a corpus's vectors."""

    def __init__(self, neighbourhood: Neighbourhood, question: Array) -> None:
        self._neighbourhood = neighbourhood
        self._question = question

    def of(self, chunks: Sequence[int] | Array) -> Array:
        """How near each of some chunks and its path are."""
        return self._neighbourhood.tell(self._question, np.asarray(chunks, np.int64))

    def best(self, wanted: int, allowed: Array | None = None) -> Array:
        """The nearest chunks, ascending, of those that are allowed and nearer than at right angles."""
        rough = self._neighbourhood.tell_roughly(self._question)
        if allowed is not None:
            rough[~allowed] = -_SUM_MAX
        chunks = find_largest(rough, max(_NEAREST, wanted))
        if allowed is not None:
            chunks = chunks[allowed[chunks]]
        return chunks[find_largest(self.of(chunks), wanted, above=0.0)]


def _add_columns(columns: Array, chosen: Array, worths: Array) -> Array:
    """Of each place, the sum of the chosen columns' numbers there, each by its worth; 16 bits."""
    sums = np.empty(columns.shape[1], np.int16)
    for begin in range(0, len(sums), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        np.einsum("ij,i->j", columns[:, some][chosen], worths, out=sums[some])
    return sums


def _multiply(rows: Array, vector: Array) -> Array:
    """Each row by a vector, in this thread: a second one costs more than it saves where others are busy."""
    products: Array = np.einsum("ij,j->i", rows.astype(np.float32), vector)
    return products
