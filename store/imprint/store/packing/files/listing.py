"""What each object of a whole pack is: its type, and its length once it is put together.

Both are read from the heads of entries: an entry that is whole says them, and a delta begins with the lengths
of its base and of its result. Nothing else is inflated, so that many bytes packed into few cost nothing here.

Invariant: what is said here is what git would say of the same pack, or `BadFile` is raised and git is to be
asked. That entries hold what their heads say is for index-pack to check, before this is believed.

Format: gitformat-pack(5).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.pack import BLOB, COMMIT, NO_BASE, TAG, PackFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from imprint.store.packing.files.pack import Integers

LISTED_MAX: Final = 1_000_000
"""Objects of one pack that are listed here: they take 100 bytes of memory each."""
_ROUNDS_MAX: Final = 32
"""Each round follows chains of deltas twice as far as the one before it."""
_FIRST_BITS: Final = 4
"""Of the size are in the first byte of an entry's head, and seven in each that follows."""
_HEAD_BYTES_MAX: Final = 9
"""A head of this length says a size of 60 bits."""
_DEFLATED_BYTES: Final = 4096
"""So much of a deflated delta has its first bytes in it, however its codes are chosen (RFC 1951)."""
_LENGTHS_BYTES: Final = 20
"""Two lengths of seven bits a byte, as a delta begins."""
_BYTES_MAX: Final = (1 << 63) - 1


class Listing:
    """The objects of one pack.

    Attributes:
        kinds: type number of every object, by rank: never that of a delta.
        sizes: its length in bytes, by rank.

    Args:
        stem: the pack's path without `.pack`.
        id_bytes: the length of an id.

    Raises:
        FileNotFoundError: the pack or its index is not there.
        BadFile: they are not as they should be.
    """

    def __init__(self, stem: Path, id_bytes: int) -> None:
        self._pack = PackFile(stem, id_bytes)
        self.kinds = _find_kinds(self._pack)
        self.sizes = _read_sizes(self._pack)

    def __len__(self) -> int:
        return len(self._pack)

    def find_kind(self, raw_id: bytes) -> int | None:
        """The type number of an object; None if it is not in this pack."""
        rank = self._pack.find(raw_id)
        return int(self.kinds[rank]) if rank >= 0 else None

    def list_ids(self) -> list[bytes]:
        """The raw ids of all objects, ascending."""
        return [self._pack.ids[place] for place in range(len(self))]

    def list_absent(self, raw_ids: Sequence[bytes]) -> list[bytes]:
        """Those of the ids that are not in this pack, in their order."""
        places = self._pack.ids.find_all(raw_ids)
        return [raw_ids[at] for at in np.flatnonzero(places < 0).tolist()]

    def list_blobs(self, sizes: range, count_max: int) -> list[bytes]:
        """The raw ids of blobs that have one of the lengths, so many at most."""
        fitting = (self.kinds == BLOB) & (self.sizes >= sizes.start) & (self.sizes < sizes.stop)
        return [self._pack.id_of(rank) for rank in np.flatnonzero(fitting)[:count_max].tolist()]


def _find_kinds(pack: PackFile) -> npt.NDArray[np.uint8]:
    """The type of each object, which for a delta is that of what its chain ends with."""
    ends = np.where(pack.bases == NO_BASE, np.arange(len(pack)), pack.bases)
    for _ in range(_ROUNDS_MAX):
        further = ends[ends]
        if (further == ends).all():
            break
        ends = further
    kinds = pack.kinds[ends]
    if ((kinds < COMMIT) | (kinds > TAG)).any():  # deltas that build on each other have no end
        raise BadFile(f"{pack.data.name}: an entry is of no type")
    return kinds


def _read_sizes(pack: PackFile) -> Integers:
    """The length of each object."""
    begins = pack.offsets[:-1]
    lengths = pack.header_ends - begins
    if (lengths > _HEAD_BYTES_MAX).any():
        raise BadFile(f"{pack.data.name}: a size has too many digits")
    sizes = (pack.data.array[begins] & 0x0F).astype(np.int64)
    longer = np.flatnonzero(lengths > 1)
    at = 1
    while len(longer):
        bits = (pack.data.array[begins[longer] + at] & 0x7F).astype(np.int64)
        sizes[longer] |= bits << (_FIRST_BITS + 7 * (at - 1))
        at += 1
        longer = longer[lengths[longer] > at]
    deltas = np.flatnonzero(pack.bases != NO_BASE)
    results = (_read_result_size(pack, start) for start in pack.starts[deltas].tolist())
    sizes[deltas] = np.fromiter(results, np.int64, len(deltas))
    return sizes


def _read_result_size(pack: PackFile, start: int) -> int:
    """The length of what a delta makes, whose deflated content begins there."""
    try:
        head = zlib.decompressobj().decompress(
            pack.data.content[start : start + _DEFLATED_BYTES], _LENGTHS_BYTES
        )
        at = 0
        while head[at] & 0x80:
            at += 1
        size = shift = 0
        while head[at := at + 1] & 0x80:
            size |= (head[at] & 0x7F) << shift
            shift += 7
        size |= head[at] << shift
    except (zlib.error, IndexError) as fault:
        raise BadFile(f"{pack.data.name}: a delta is cut off") from fault
    if size > _BYTES_MAX:
        raise BadFile(f"{pack.data.name}: a size has too many digits")
    return size
