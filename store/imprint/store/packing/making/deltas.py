"""Deltas of texts: what makes one version of a file, or of a tree, of another.

They are made fast rather than small: what both begin and end with is copied, and between that whole lines
that both have.

Format: gitformat-pack(5), "Deltified representation".
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final

_COPY: Final = 0x80
_MORE: Final = 0x80
_COPY_BYTES_MAX: Final = 0xFFFFFF
_INSERT_BYTES_MAX: Final = 0x7F
_OFFSET_BYTES: Final = 4
_LENGTH_BYTES: Final = 3
_LEAP_BYTES: Final = 256
_COPY_WORTH_BYTES: Final = 8
"""A shorter stretch is inserted: naming where it lies takes as much."""


def make_delta(base: bytes, target: bytes) -> bytes:
    """The delta that makes `target` of `base`."""
    prefix = _count_alike(base, target)
    suffix = _count_alike_ends(base[prefix:], target[prefix:])
    script = _Script(base, target)
    script.copy(0, prefix)
    middle = base[prefix : len(base) - suffix]
    if middle:
        script.copy_lines(prefix, middle, prefix, target[prefix : len(target) - suffix])
    else:
        script.insert(target[prefix : len(target) - suffix])
    script.copy(len(base) - suffix, suffix)
    return script.render()


class _Script:
    """Commands of a delta; neighbours are joined."""

    def __init__(self, base: bytes, target: bytes) -> None:
        self._out = bytearray(_render_size(len(base)) + _render_size(len(target)))
        self._base, self._target = base, target
        self._inserted: list[bytes] = []
        self._from = 0
        self._copied = 0

    def copy(self, begin: int, size: int) -> None:
        """Bytes of the base."""
        if begin == self._from + self._copied and self._copied:
            self._copied += size
        elif size >= _COPY_WORTH_BYTES:
            self._flush()
            self._from, self._copied = begin, size
        else:
            self.insert(self._base[begin : begin + size])

    def insert(self, content: bytes) -> None:
        """Bytes that the base has not."""
        if self._copied:
            self._flush()
        self._inserted.append(content)

    def copy_lines(self, begin: int, middle: bytes, start: int, wanted: bytes) -> None:
        """A stretch of the target, by lines, copied from one of the base where it has them.

        Args:
            begin: where the stretch of the base begins.
            middle: what it holds.
            start: where the stretch of the target begins.
            wanted: what it holds.
        """
        lines = middle.splitlines(keepends=True)
        begins = list(accumulate(map(len, lines), initial=begin))[:-1]
        places = dict(zip(reversed(lines), reversed(begins), strict=True))
        lines = wanted.splitlines(keepends=True)
        begins = list(accumulate(map(len, lines), initial=start))
        row = 0
        while row < len(lines):
            place = places.get(lines[row])
            if place is None:
                self.insert(lines[row])
                row += 1
            else:
                alike = _count_alike_from(self._base, place, self._target, begins[row], len(lines[row]))
                until = bisect_right(begins, begins[row] + alike) - 1
                self.copy(place, begins[until] - begins[row])
                row = until

    def render(self) -> bytes:
        """All of it."""
        self._flush()
        return bytes(self._out)

    def _flush(self) -> None:
        content = b"".join(self._inserted)
        for at in range(0, len(content), _INSERT_BYTES_MAX):
            part = content[at : at + _INSERT_BYTES_MAX]
            self._out.append(len(part))
            self._out += part
        self._inserted.clear()
        for at in range(self._from, self._from + self._copied, _COPY_BYTES_MAX):
            self._out += _render_copy(at, min(_COPY_BYTES_MAX, self._from + self._copied - at))
        self._copied = 0


def _render_copy(begin: int, size: int) -> bytes:
    """One command: only bytes of the numbers that are not zero are written, and said which."""
    head, out = _COPY, bytearray()
    numbers = begin.to_bytes(_OFFSET_BYTES, "little") + size.to_bytes(_LENGTH_BYTES, "little")
    for bit, byte in enumerate(numbers):
        if byte:
            head |= 1 << bit
            out.append(byte)
    return bytes((head,)) + bytes(out)


def _render_size(size: int) -> bytes:
    out = bytearray()
    while size >= _MORE:
        out.append(size & 0x7F | _MORE)
        size >>= 7
    out.append(size)
    return bytes(out)


def _count_alike_from(one: bytes, begin: int, other: bytes, start: int, least: int) -> int:
    """How many bytes are alike from two places on; `least` of them are known to be."""
    step = _LEAP_BYTES
    alike = least
    while part := one[begin + alike : begin + alike + step]:
        if part != other[start + alike : start + alike + step]:
            return alike + _count_alike(part, other[start + alike : start + alike + step])
        alike += step
        step *= 2
    return len(one) - begin


def _count_alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _count_alike_ends(one: bytes, other: bytes) -> int:
    """How many bytes both end with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
