"""Bytes put together from stretches of others: of packs that are mapped, and of headers made for one pack.

Only numbers are kept for a stretch, so that many thousands of them take little memory and are nothing that
the garbage collector has to look at.

Invariant: the bytes are the stretches in their order, each time they are asked for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

BLOCK_BYTES: Final = 512 * 1024
"""About how much is handed on at once."""
_STRETCH_BYTES: Final = 24


class Source(Protocol):
    """What stretches are copied from: `bytes`, or a mapped file."""

    def __getitem__(self, part: slice, /) -> bytes: ...


class Splices:
    """Stretches of sources.

    Attributes:
        size_bytes: of all of them.
        weight_bytes: memory that keeping them takes, beside the mapped files.

    Args:
        sources: what the stretches lie in.
        numbers: which source each lies in,
        begins: where it begins there,
        ends: and where it ends.
    """

    def __init__(
        self, sources: Sequence[Source], numbers: Integers, begins: Integers, ends: Integers
    ) -> None:
        self._sources = tuple(sources)
        self._numbers, self._begins, self._ends = _cut_long(numbers, begins, ends)
        self.size_bytes = int((ends - begins).sum())
        own = sum(len(source) for source in self._sources if isinstance(source, bytes))
        self.weight_bytes = own + _STRETCH_BYTES * len(self._numbers)

    def blocks(self) -> Iterator[bytes]:
        """The bytes, in blocks of about `BLOCK_BYTES`, at most twice that."""
        sums = np.cumsum(self._ends - self._begins)
        marks = np.searchsorted(sums, np.arange(BLOCK_BYTES, self.size_bytes, BLOCK_BYTES))
        for first, last in pairwise([0, *np.unique(marks).tolist(), len(sums)]):
            rows = slice(first, last)
            numbers, begins, ends = self._numbers[rows], self._begins[rows], self._ends[rows]
            parts = zip(numbers.tolist(), begins.tolist(), ends.tolist(), strict=True)
            sources = self._sources
            if block := b"".join([sources[number][begin:end] for number, begin, end in parts]):
                yield block


def _cut_long(numbers: Integers, begins: Integers, ends: Integers) -> tuple[Integers, Integers, Integers]:
    """The same stretches, none longer than a block."""
    counts = np.maximum(1, -(-(ends - begins) // BLOCK_BYTES))
    if (counts == 1).all():
        return numbers, begins, ends
    rows = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = begins[rows] + nth * BLOCK_BYTES
    return numbers[rows], starts, np.minimum(starts + BLOCK_BYTES, ends[rows])


NOTHING: Final = Splices((), *(np.zeros(0, np.int64) for _ in range(3)))
"""No bytes."""
