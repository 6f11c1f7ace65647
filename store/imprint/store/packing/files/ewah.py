"""Compressed bitmaps as git writes them, as words of 64 bits.

Format: gitformat-pack(5) calls them "EWAH"; the layout of a marker word is that of ewok.h in git: a bit
that is repeated, in how many words it is (32 bits), and how many words follow as they are (31 bits).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.mapped import BadFile

if TYPE_CHECKING:
    import numpy.typing as npt

    from imprint.store.packing.files.mapped import Mapped

    Words = npt.NDArray[np.uint64]

_HEAD_BYTES: Final = 8
_TAIL_BYTES: Final = 4
_WORD_BITS: Final = 64
_RUN_BITS: Final = 32
_RUN_MASK: Final = (1 << _RUN_BITS) - 1


def measure_ewah(mapped: Mapped, begin: int) -> int:
    """How many bytes the bitmap at a place takes."""
    _, words = mapped.numbers(begin, 2, ">u4").tolist()
    return _HEAD_BYTES + 8 * int(words) + _TAIL_BYTES


def read_ewah(mapped: Mapped, begin: int, size: int) -> Words:
    """The bitmap at a place.

    Args:
        mapped: the file.
        begin: where it begins.
        size: how many words it shall have; those that it does not say are 0.

    Raises:
        BadFile: it is no bitmap, or has more words.
    """
    bits, count = (int(each) for each in mapped.numbers(begin, 2, ">u4").tolist())
    packed = mapped.numbers(begin + _HEAD_BYTES, count, ">u8").astype(np.uint64)
    if bits > size * _WORD_BITS:
        raise BadFile(f"{mapped.name}: a bitmap of {bits} bits for {size * _WORD_BITS} objects")
    words = np.zeros(size, np.uint64)
    at = filled = 0
    while at < count:
        marker = int(packed[at])
        run, literals = marker >> 1 & _RUN_MASK, marker >> (1 + _RUN_BITS)
        end = filled + run
        if end + literals > size or at + 1 + literals > count:
            raise BadFile(f"{mapped.name}: a bitmap does not fit")
        if marker & 1:
            words[filled:end] = ~np.uint64(0)
        words[end : end + literals] = packed[at + 1 : at + 1 + literals]
        filled = end + literals
        at += 1 + literals
    if bits % _WORD_BITS and filled * _WORD_BITS > bits:
        words[bits // _WORD_BITS] &= np.uint64((1 << bits % _WORD_BITS) - 1)
        words[bits // _WORD_BITS + 1 :] = 0
    return words


def list_bits(words: Words) -> npt.NDArray[np.int64]:
    """The numbers of the bits that are set, ascending."""
    return np.flatnonzero(spread_bits(words))


def spread_bits(words: Words) -> npt.NDArray[np.uint8]:
    """Each bit as a number of its own, 0 or 1."""
    return np.unpackbits(words.astype("<u8", copy=False).view(np.uint8), bitorder="little")


def gather_bits(numbers: npt.NDArray[np.int64], size: int) -> Words:
    """Words with these bits set.

    Args:
        numbers: of the bits.
        size: how many words.
    """
    spread = np.zeros(size * _WORD_BITS, np.uint8)
    spread[numbers] = 1
    return np.packbits(spread, bitorder="little").view("<u8").astype(np.uint64, copy=False)
