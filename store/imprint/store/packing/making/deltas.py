"""Deltas of texts: what makes one version of a file, or of a tree, of another.

They are made fast rather than small: what both begin and end with is copied, and between that whole lines
that both have.

Format: gitformat-pack(5), "Deltified representation".
"""

from __future__ import annotations

from itertools import accumulate, product
from typing import Final

_COPY: Final = 0x80
_MORE: Final = 0x80
_COPY_BYTES_MAX: Final = 0xFFFFFF
_INSERT_BYTES_MAX: Final = 0x7F
_OFFSET_BYTES: Final = 4
_LENGTH_BYTES: Final = 3
_ONES: Final = bytes(1) + b"\1" * 255
"""Makes 1 of every byte but 0."""
_COPIES: Final = {
    bits: bytes((_COPY | sum(bit << at for at, bit in enumerate(bits)),))
    for bits in map(bytes, product((0, 1), repeat=_OFFSET_BYTES + _LENGTH_BYTES))
}
"""The first byte of a copy, by which bytes of its numbers are not zero."""
_COPY_WORTH_BYTES: Final = 8
"""A shorter stretch is inserted: naming where it lies takes as much."""


def make_delta(base: bytes, target: bytes) -> bytes:
    """The delta that makes `target` of `base`."""
    prefix = _count_alike(base, target)
    suffix = _count_alike_ends(base[prefix:], target[prefix:])
    script = _Script(base, target)
    script.copy(0, prefix)
    _copy_lines(script, (prefix, len(base) - suffix), (prefix, len(target) - suffix))
    script.copy(len(base) - suffix, suffix)
    return script.render()


class _Script:
    """Commands of a delta, in the order of the target: what is passed over there is inserted."""

    def __init__(self, base: bytes, target: bytes) -> None:
        self.base, self.target = base, target
        self._out = bytearray(_render_size(len(base)) + _render_size(len(target)))
        self._until = 0
        """So much of the target is made, or"""
        self._at = 0
        """is passed over until here."""

    def skip(self, size: int) -> None:
        """Pass over bytes of the target."""
        self._at += size

    def copy(self, begin: int, size: int) -> None:
        """Take the next bytes of the target from the base."""
        if size >= _COPY_WORTH_BYTES:
            self._insert()
            for at in range(begin, begin + size, _COPY_BYTES_MAX):
                self._out += _render_copy(at, min(_COPY_BYTES_MAX, begin + size - at))
            self._until += size
        self._at += size

    def render(self) -> bytes:
        """All of it."""
        self._insert()
        return bytes(self._out)

    def _insert(self) -> None:
        for at in range(self._until, self._at, _INSERT_BYTES_MAX):
            part = self.target[at : min(at + _INSERT_BYTES_MAX, self._at)]
            self._out.append(len(part))
            self._out += part
        self._until = self._at


def _copy_lines(script: _Script, old: tuple[int, int], new: tuple[int, int]) -> None:
    """Make a stretch of the target of whole lines that a stretch of the base has.

    Args:
        script: what is made.
        old: begin and end of the stretch of the base.
        new: begin and end of that of the target.
    """
    theirs = script.base[slice(*old)].splitlines(keepends=True)
    ours = script.target[slice(*new)].splitlines(keepends=True)
    begins = list(accumulate(map(len, theirs), initial=old[0]))
    find = dict(zip(reversed(theirs), range(len(theirs) - 1, -1, -1), strict=True)).get
    row = 0
    while row < len(ours):
        line = ours[row]
        at = find(line)
        if at is None:
            script.skip(len(line))
            row += 1
        else:
            count = _count_equal(theirs, at, ours, row)
            script.copy(begins[at], begins[at + count] - begins[at])
            row += count


def _count_equal(theirs: list[bytes], at: int, ours: list[bytes], row: int) -> int:
    """How many lines are equal from two places on; the first is known to be."""
    count, step = 1, 1
    while (end := row + count + step) <= len(ours):
        if theirs[at + count : at + count + step] != ours[row + count : end]:
            break
        count += step
        step *= 2
    for one, other in zip(theirs[at + count : at + count + step], ours[row + count : end], strict=False):
        if one != other:
            break
        count += 1
    return count


def _render_copy(begin: int, size: int) -> bytes:
    """One command: only bytes of the numbers that are not zero are written, and said which."""
    numbers = begin.to_bytes(_OFFSET_BYTES, "little") + size.to_bytes(_LENGTH_BYTES, "little")
    return _COPIES[numbers.translate(_ONES)] + numbers.replace(b"\0", b"")


def _render_size(size: int) -> bytes:
    out = bytearray()
    while size >= _MORE:
        out.append(size & 0x7F | _MORE)
        size >>= 7
    out.append(size)
    return bytes(out)


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
