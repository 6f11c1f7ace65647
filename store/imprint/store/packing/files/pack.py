"""One pack with its index: where each object lies, what it is, on what it builds.

Entries are known by their rank: 0 for the one that comes first in the pack. The end of an entry is where the
next one begins, so that it can be copied without being inflated.

Invariants:
    1. Every entry lies between the pack's header and its checksum, and no two overlap; an index that says
       otherwise is refused.
    2. Every delta builds on an entry of the same pack.

Format: gitformat-pack(5).
"""

from __future__ import annotations

import struct
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.ids import FANOUT_BYTES, IdTable
from imprint.store.packing.files.mapped import BadFile, Mapped

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

COMMIT: Final = 1
TREE: Final = 2
BLOB: Final = 3
TAG: Final = 4
OFS_DELTA: Final = 6
REF_DELTA: Final = 7
HEADER_BYTES: Final = 12
NO_BASE: Final = -1
_INDEX_MAGIC: Final = b"\xfftOc\x00\x00\x00\x02"
_PACK_HEADER: Final = struct.Struct(">4sLL")
_VERSIONS: Final = (2, 3)
_LARGE_OFFSET: Final = 1 << 31
_MORE: Final = 0x80
_NUMBER_BYTES_MAX: Final = 9
"""A number of 64 bits has ten bytes of seven bits at most."""
_ENTRY_BYTES: Final = 9 * 8 + 1
"""Eight tables of numbers, the heads of ids, and the types."""


class PackFile:
    """A pack that is mapped, and its index.

    Args:
        stem: its path without `.pack`.
        id_bytes: the length of an id.

    Raises:
        FileNotFoundError: one of its files is not there.
        BadFile: one of them is not what it should be.
    """

    def __init__(self, stem: Path, id_bytes: int) -> None:
        self.name = stem.name
        self.id_bytes = id_bytes
        index = Mapped(stem.with_name(f"{stem.name}.idx"))
        self.data = Mapped(stem.with_name(f"{stem.name}.pack"))
        begin = len(_INDEX_MAGIC)
        if bytes(index.content[:begin]) != _INDEX_MAGIC:
            raise BadFile(f"{index.name} is no pack index of version 2")
        self.ids = IdTable(index, begin, begin + FANOUT_BYTES, id_bytes)
        if len(self.data) < HEADER_BYTES + id_bytes:
            raise BadFile(f"{self.data.name} is cut off")
        magic, version, count = _PACK_HEADER.unpack_from(self.data.content)
        if magic != b"PACK" or version not in _VERSIONS or count != len(self.ids):
            raise BadFile(f"{self.data.name} is not the pack of its index")
        index.check_sum(id_bytes)
        if index.content[-2 * id_bytes : -id_bytes] != self.data.content[-id_bytes:]:
            raise BadFile(f"{index.name} was made for another pack")
        self._index = index

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_place(self) -> Integers:
        """Where each object of the id table begins."""
        index, count = self._index, len(self.ids)
        begin = len(_INDEX_MAGIC) + FANOUT_BYTES + count * (self.id_bytes + 4)  # behind the CRCs
        offsets = index.numbers(begin, count, ">u4").astype(np.int64)
        large = np.flatnonzero(offsets >= _LARGE_OFFSET)
        if len(large):
            rest = (len(index) - begin - 4 * count - 2 * self.id_bytes) // 8
            table = index.numbers(begin + 4 * count, rest, ">u8").astype(np.int64)
            picked = offsets[large] - _LARGE_OFFSET
            if (picked >= rest).any():
                raise BadFile(f"{index.name}: an offset is missing")
            offsets[large] = table[picked]
        return offsets

    @cached_property
    def places(self) -> Integers:
        """For each rank, the object's place in the id table."""
        return np.argsort(self._by_place, kind="stable")

    @cached_property
    def ranks(self) -> Integers:
        """For each place in the id table, the object's rank."""
        ranks = np.empty(len(self), np.int64)
        ranks[self.places] = np.arange(len(self))
        return ranks

    @cached_property
    def offsets(self) -> Integers:
        """Where each entry begins, by rank, and behind them where the last one ends."""
        end = len(self.data) - self.id_bytes
        offsets = np.append(self._by_place[self.places], end)
        if len(self) and (offsets[0] < HEADER_BYTES or (np.diff(offsets) < 2).any()):  # noqa: PLR2004
            raise BadFile(f"{self._index.name}: entries overlap or lie outside of the pack")
        return offsets

    @cached_property
    def _headers(self) -> tuple[npt.NDArray[np.uint8], Integers]:
        """Type number of every entry by rank, and where its header of type and size ends."""
        begins, array = self.offsets[:-1], self.data.array
        first = array[begins]
        ends = begins + 1
        longer = np.flatnonzero(first & _MORE)
        for _ in range(_NUMBER_BYTES_MAX):
            if not len(longer):
                break
            longer, last = longer[array[ends[longer]] & _MORE != 0], longer
            ends[last] += 1
        else:
            raise BadFile(f"{self.data.name}: a size has too many digits")
        return (first >> 4 & 7).astype(np.uint8, copy=False), ends

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Type number of every entry, by rank."""
        return self._headers[0]

    @property
    def header_ends(self) -> Integers:
        """Where the type and size of every entry end, by rank: a delta's base is named there."""
        return self._headers[1]

    @cached_property
    def _links(self) -> tuple[Integers, Integers]:
        """Rank of the base of every entry (`NO_BASE` for none), and where its deflated content begins."""
        kinds, header_ends = self._headers
        bases = np.full(len(self), NO_BASE, np.int64)
        starts = header_ends.copy()
        nearby = np.flatnonzero(kinds == OFS_DELTA)
        distances, starts[nearby] = self._read_distances(header_ends[nearby])
        targets = self.offsets[nearby] - distances
        ranks = np.searchsorted(self.offsets[:-1], targets)
        if (distances <= 0).any() or (self.offsets[ranks] != targets).any():
            raise BadFile(f"{self.data.name}: a delta builds on what is no entry")
        bases[nearby] = ranks
        for rank in np.flatnonzero(kinds == REF_DELTA).tolist():
            place = self.ids.find(bytes(self.data.content[starts[rank] : starts[rank] + self.id_bytes]))
            if place < 0:
                raise BadFile(f"{self.data.name}: a delta builds on an object that is not in the pack")
            bases[rank] = self.ranks[place]
            starts[rank] += self.id_bytes
        if (starts >= self.offsets[1:]).any():
            raise BadFile(f"{self.data.name}: an entry has no content")
        return bases, starts

    def _read_distances(self, begins: Integers) -> tuple[Integers, Integers]:
        """The numbers at places, and where each ends: how far back a base lies."""
        array = self.data.array
        byte = array[begins]
        values = (byte & 0x7F).astype(np.int64)
        ends = begins + 1
        longer = np.flatnonzero(byte & _MORE)
        for _ in range(_NUMBER_BYTES_MAX):
            if not len(longer):
                break
            byte = array[ends[longer]]
            values[longer] = (values[longer] + 1 << 7) | (byte & 0x7F)
            ends[longer] += 1
            longer = longer[byte & _MORE != 0]
        else:
            raise BadFile(f"{self.data.name}: a distance has too many digits")
        return values, ends

    @property
    def bases(self) -> Integers:
        """Rank of the base of every entry, by rank; `NO_BASE` for those that are whole."""
        return self._links[0]

    @property
    def starts(self) -> Integers:
        """Where the deflated content of every entry begins, by rank."""
        return self._links[1]

    def find(self, raw_id: bytes) -> int:
        """The rank of an object; -1 if it is not in this pack."""
        place = self.ids.find(raw_id)
        return int(self.ranks[place]) if place >= 0 else -1

    def id_of(self, rank: int) -> bytes:
        """The raw id of an entry."""
        return self.ids[int(self.places[rank])]

    def ids_of(self, ranks: Integers) -> list[bytes]:
        """The raw ids of entries."""
        return [self.ids[place] for place in self.places[ranks].tolist()]

    def find_roots(self, ranks: Integers) -> list[int]:
        """For each of some entries, as `find_root`.

        Raises:
            BadFile: one has none.
        """
        roots: list[int] = self._roots[ranks].tolist()
        return roots

    def find_root(self, rank: int) -> int:
        """The rank of the whole entry that an entry builds on, perhaps by way of others.

        Raises:
            BadFile: there is none.
        """
        return int(self._roots[rank])

    @cached_property
    def _roots(self) -> Integers:
        """For each rank, that of the whole entry that it builds on: each round goes twice as far."""
        bases = self.bases
        roots = np.where(bases == NO_BASE, np.arange(len(self)), bases)
        for _ in range(len(self).bit_length() + 1):
            further = roots[roots]
            if (further == roots).all():
                break
            roots = further
        if (bases[roots] != NO_BASE).any():
            raise BadFile(f"{self.data.name}: deltas build on each other")
        return roots

    def inflate(self, rank: int) -> bytes:
        """The content of an entry, which for a delta is the delta.

        Raises:
            BadFile: it is damaged.
        """
        try:
            return zlib.decompress(self.data.content[self.starts[rank] : self.offsets[rank + 1]])
        except zlib.error as fault:
            raise BadFile(f"{self.data.name}: {fault}") from fault

    def count_bytes(self) -> int:
        """How much memory it takes once all tables were asked for."""
        return _ENTRY_BYTES * len(self) + self._index.size_bytes + self.data.size_bytes

    @property
    def files(self) -> int:
        """Descriptors that it holds."""
        return self._index.files + self.data.files
