"""From a string to the places it occurs in, as arrays.

Invariants:
    1. Strings are kept as UTF-8, sorted as bytes, each once; found by halving.
    2. The items of a string ascend, each with a count of at least 1 (counts end at 65,535).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.semantic.index.arrays import Array

COUNT_MAX: Final = 65_535
_STRIDE: Final = 8
"""Every so many strings one stays in memory, so that a look-up reads one short run of the file."""
_AFTER_UTF8: Final = b"\xff"
"""Sorts after everything that UTF-8 may go on with."""


@dataclass(frozen=True, slots=True)
class StringTable:
    """Strings by number: one array of bytes, and where each begins."""

    text: Array
    starts: Array

    @classmethod
    def build(cls, strings: Sequence[bytes]) -> Self:
        """Keep the strings in the order given."""
        starts = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(string) for string in strings], out=starts[1:])
        return cls(np.frombuffer(b"".join(strings), np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> bytes:
        return self.text[self.starts[number] : self.starts[number + 1]].tobytes()

    def decode(self, first: int = 0, end: int | None = None) -> list[bytes]:
        """All of them, or those from one number on and before another."""
        starts = self.starts[first : len(self.starts) if end is None else end + 1].tolist()
        base = starts[0] if starts else 0
        whole = self.text[base : starts[-1] if starts else 0].tobytes()
        return [whole[start - base : stop - base] for start, stop in pairwise(starts)]


@dataclass(frozen=True, slots=True)
class Postings:
    """Where each string occurs: items, and how often in each."""

    strings: StringTable
    starts: Array
    items: Array
    counts: Array
    _posts: list[tuple[bytes, ...]] = field(default_factory=list, compare=False, repr=False)

    def find(self, string: str) -> tuple[Array, Array]:
        """The items that hold the string, ascending, and how often each does."""
        wanted = string.encode("utf-8", "replace")
        number, found = self._seek(wanted)
        if found != wanted:
            return self.items[:0], self.counts[:0]
        span = slice(self.starts[number], self.starts[number + 1])
        return self.items[span], self.counts[span]

    def find_prefix(self, prefix: str, most: int) -> list[bytes]:
        """The first strings that begin with the prefix, in order."""
        wanted = prefix.encode("utf-8", "replace")
        first, _ = self._seek(wanted)
        end, _ = self._seek(wanted + _AFTER_UTF8)
        return self.strings.decode(first, min(end, first + most))

    def _seek(self, wanted: bytes) -> tuple[int, bytes | None]:
        """The number of the first string that is not before `wanted`, and that string; None past the end."""
        if not self._posts:
            many = range(0, len(self.strings), _STRIDE)
            self._posts.append(tuple([self.strings[number] for number in many]))
        block = max(bisect_right(self._posts[0], wanted) - 1, 0) * _STRIDE
        strings = self.strings.decode(block, min(block + _STRIDE + 1, len(self.strings)))
        place = bisect_left(strings, wanted)
        return block + place, strings[place] if place < len(strings) else None

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """The arrays under names that begin with `prefix`, for a file."""
        return {
            f"{prefix}.text": self.strings.text,
            f"{prefix}.text_starts": self.strings.starts,
            f"{prefix}.starts": self.starts,
            f"{prefix}.items": self.items,
            f"{prefix}.counts": self.counts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str) -> Self:
        """What `to_arrays` gave."""
        return cls(
            StringTable(arrays[f"{prefix}.text"], arrays[f"{prefix}.text_starts"]),
            arrays[f"{prefix}.starts"],
            arrays[f"{prefix}.items"],
            arrays[f"{prefix}.counts"],
        )


class PostingsBuilder:
    """Collects occurrences, item after item, and sorts them by string."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._strings = array("q")
        self._items: list[int] = []
        self._lengths: list[int] = []

    def add(self, item: int, strings: Sequence[str]) -> None:
        """Say which strings occur in the item, each as often as it does."""
        self._strings.extend(map(self._numbers.__getitem__, strings))
        self._items.append(item)
        self._lengths.append(len(strings))

    def build(self) -> Postings:
        """The postings of everything added."""
        encoded = [string.encode("utf-8", "replace") for string in self._numbers]
        items = np.repeat(np.array(self._items, np.int64), self._lengths)
        width = int(items.max(initial=0)) + 1
        pairs, counts = np.unique(np.array(self._strings, np.int64) * width + items, return_counts=True)
        return sorted_postings(
            encoded,
            pairs // width,
            (pairs % width).astype(np.uint32),
            np.minimum(counts, COUNT_MAX).astype(np.uint16),
        )


class _Numbers(dict[str, int]):
    """Numbers strings in the order in which they are first asked for."""

    def __missing__(self, string: str) -> int:
        self[string] = number = len(self)
        return number


def sorted_postings(strings: list[bytes], of: Array, items: Array, counts: Array) -> Postings:
    """Postings of triples (string's number, item, count) in any order; a string may be listed twice."""
    distinct = sorted(set(strings))
    places = {string: place for place, string in enumerate(distinct)}
    renumbered = np.array([places[string] for string in strings], np.int64)[of] if len(of) else of
    order = np.lexsort((items, renumbered))
    starts = np.zeros(len(distinct) + 1, np.int64)
    np.cumsum(np.bincount(renumbered, minlength=len(distinct)), out=starts[1:])
    return Postings(StringTable.build(distinct), starts, items[order], counts[order])
