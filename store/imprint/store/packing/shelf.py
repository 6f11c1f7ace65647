"""The packs of one repository as they are at a moment, and where in them each object lies.

An object is known by a place: the number of its pack and its rank there. Packs are numbered so that those of
the multi-pack-index come first, the one whose objects bitmaps count first before all: a delta that is sent
may build on a copy in a pack with a smaller number, never the other way round, so that no circle can arise.

Invariants:
    1. A stock of packs never changes. Whoever began with one finishes with it, also when packs go meanwhile.
    2. What a stock does not hold may still exist: a pack may have come since, and loose objects and
       alternates are not looked at. `Absent` says so, and git is asked instead.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.store.packing.files.bitmap import Bitmaps
from imprint.store.packing.files.graph import CommitGraph
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.multi import NAME, MultiIndex
from imprint.store.packing.files.pack import PackFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

SMALL_PACK_OBJECTS_MAX: Final = 2_000
"""Packs up to this size that are in no multi-pack-index share one table of ids."""
_TABLED_BYTES: Final = 260
"""What an object of a small pack takes in the table that they share."""
_OWN_BYTES: Final = 4096


class Absent(Exception):
    """An object, or something that has to be known of it, is not in the stock."""


class Place(NamedTuple):
    """Where an object lies: the number of its pack, and its rank in that."""

    pack: int
    rank: int


class Stock:
    """Packs that are there together, with the index, bitmaps and commit-graph over them.

    Attributes:
        id_bytes: the length of an id.
        packs: by number.
        names: of all of them.
        multi: the index over those of them that it names; None without one.
        bitmaps: None without any.
        graph: the commit-graph, perhaps empty.
        size_bytes: memory that it takes at most; what is mapped is not counted.
        files: descriptors that it holds.

    Args:
        object_dir: the folder `objects`.
        id_bytes: the length of an id.
        before: what was there a moment ago: packs in it are not opened again.

    Raises:
        BadFile: a file is not what it should be.
    """

    def __init__(self, object_dir: Path, id_bytes: int, before: Stock | None = None) -> None:
        self.id_bytes = id_bytes
        pack_dir = object_dir / "pack"
        opened = {pack.name: pack for pack in before.packs} if before else {}
        names = sorted(path.stem for path in pack_dir.glob("pack-*.idx"))
        self.multi = _open_multi(pack_dir, id_bytes, before)
        order = _order(names, self.multi)
        self.packs: list[PackFile] = []
        for name in order:
            with suppress(FileNotFoundError):  # it has just gone
                self.packs.append(opened.get(name) or PackFile(pack_dir / name, id_bytes))
        self._numbers = {pack.name: number for number, pack in enumerate(self.packs)}
        self.names = frozenset(self._numbers)
        self.bitmaps = self._open_bitmaps(pack_dir, before)
        self.graph: CommitGraph = CommitGraph(object_dir / "info", id_bytes, before.graph if before else None)
        covered = frozenset(self.multi.pack_names) if self.multi else frozenset()
        self._multi_numbers = (
            [self._numbers.get(name, -1) for name in self.multi.pack_names] if self.multi else []
        )
        beside = [number for name, number in self._numbers.items() if name not in covered]
        self._small = _tabulate(
            self.packs, [n for n in beside if len(self.packs[n]) <= SMALL_PACK_OBJECTS_MAX]
        )
        self._large = [n for n in beside if len(self.packs[n]) > SMALL_PACK_OBJECTS_MAX]
        self.size_bytes, self.files = self._count()

    def _count(self) -> tuple[int, int]:
        size_bytes = _OWN_BYTES + _TABLED_BYTES * len(self._small) + self.graph.count_bytes()
        size_bytes += sum(pack.count_bytes() for pack in self.packs)
        files = self.graph.files + sum(pack.files for pack in self.packs)
        for part in (self.multi, self.bitmaps):
            if part:
                size_bytes += part.count_bytes()
                files += part.files
        return size_bytes, files

    def _open_bitmaps(self, pack_dir: Path, before: Stock | None) -> Bitmaps | None:
        if self.multi is None or any(name not in self._numbers for name in self.multi.pack_names):
            return None
        if before and before.multi is self.multi:
            return before.bitmaps
        try:
            return Bitmaps(pack_dir, self.multi, self.id_bytes)
        except FileNotFoundError:
            return None

    def find(self, raw_id: bytes) -> Place | None:
        """Where an object lies; None if it is not in the stock."""
        if self.multi is not None:
            at = self.multi.ids.find(raw_id)
            if at >= 0 and (place := self.place_at(at)):
                return place
        if (small := self._small.get(raw_id)) is not None:
            return small
        for number in self._large:
            rank = self.packs[number].find(raw_id)
            if rank >= 0:
                return Place(number, rank)
        return None

    def require(self, raw_id: bytes) -> Place:
        """Where an object lies.

        Raises:
            Absent: it is not in the stock.
        """
        place = self.find(raw_id)
        if place is None:
            raise Absent(raw_id.hex())
        return place

    def place_at(self, at: int) -> Place | None:
        """Where the object at a place of the multi-pack-index lies; None if its pack has gone."""
        assert self.multi is not None  # noqa: S101 - the caller has one of its numbers
        number = self._multi_numbers[int(self.multi.packs[at])]
        if number < 0:
            return None
        return Place(number, int(self._ranks_at[at]))

    def locate(self, raw_ids: Sequence[bytes]) -> list[tuple[int, Integers]]:
        """Where objects lie: packs by number, with the ranks in each, ascending.

        Raises:
            Absent: one is not in the stock.
        """
        packs = np.full(len(raw_ids), -1, np.int64)
        ranks = np.zeros(len(raw_ids), np.int64)
        if self.multi is not None:
            at = self.multi.ids.find_all(raw_ids)
            found = np.flatnonzero(at >= 0)
            packs[found] = np.array(self._multi_numbers, np.int64)[self.multi.packs[at[found]]]
            ranks[found] = self._ranks_at[at[found]]
        for row in np.flatnonzero(packs < 0).tolist():
            packs[row], ranks[row] = self.require(raw_ids[row])
        return [(number, np.unique(ranks[packs == number])) for number in np.unique(packs).tolist()]

    @cached_property
    def _ranks_at(self) -> Integers:
        """For each place in the multi-pack-index, the object's rank in its pack."""
        assert self.multi is not None  # noqa: S101 - as in `place_at`
        ranks = np.zeros(len(self.multi.ids), np.int64)
        for listed, number in enumerate(self._multi_numbers):
            at = np.flatnonzero(self.multi.packs == listed)
            if number >= 0:
                ranks[at] = np.searchsorted(self.packs[number].offsets, self.multi.offsets[at])
        return ranks

    def places_of(self, numbers: Integers) -> list[tuple[int, Integers]]:
        """Where the objects of these bits lie: packs by number, with the ranks in each, ascending."""
        assert self.multi is not None  # noqa: S101 - bits are numbers of its order
        assert self.multi.order is not None  # noqa: S101
        at = self.multi.order[numbers]
        packs, ranks = self.multi.packs[at], self._ranks_at[at]
        found = []
        for listed, number in enumerate(self._multi_numbers):
            picked = ranks[packs == listed]
            if len(picked):
                found.append((number, np.sort(picked)))
        return sorted(found, key=lambda each: each[0])

    def id_of(self, place: Place) -> bytes:
        """The raw id of an object."""
        return self.packs[place.pack].id_of(place.rank)


class Shelf:
    """The newest stock of one repository. Safe to share between threads."""

    def __init__(self, object_dir: Path, id_bytes: int) -> None:
        self._object_dir = object_dir
        self._id_bytes = id_bytes
        self._lock = threading.Lock()
        self._stock: Stock | None = None
        self._seen: tuple[int, ...] = ()
        info = object_dir / "info"
        graphs = info / "commit-graphs"
        watched = (object_dir / "pack", info, graphs, graphs / "commit-graph-chain")
        self._watched = [str(path) for path in watched]  # looked at for every fetch

    def stock(self) -> Stock:
        """What is there now.

        Raises:
            Absent: something is there that stocks do not read, or a file is damaged.
        """
        seen = self._look()
        with self._lock:
            if self._stock is None or seen != self._seen:
                if (self._object_dir / "info" / "alternates").exists():
                    self._stock = None
                    raise Absent("objects of alternates")
                try:
                    self._stock = Stock(self._object_dir, self._id_bytes, self._stock)
                except (BadFile, OSError) as fault:
                    raise Absent(str(fault)) from fault
                self._seen = seen
            return self._stock

    def find_stock(self) -> Stock | None:
        """The same, if it is known already and nobody is about to renew it; else None."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._stock if self._stock is not None and self._look() == self._seen else None
        finally:
            self._lock.release()

    def count(self) -> tuple[int, int]:
        """Memory that its tables may take, and descriptors that its files hold."""
        stock = self._stock
        return (stock.size_bytes, stock.files) if stock else (0, 0)

    def drop_stale(self) -> bool:
        """Forget the stock if it is not what is there now; whether it was."""
        with self._lock:
            if self._stock is None:
                return False
            if self._look() == self._seen:
                return False
            self._stock = None
            return True

    def _look(self) -> tuple[int, ...]:
        """Changes whenever a pack, an index or a graph came or went."""
        return tuple(map(_changed, self._watched))


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - half of the time of a Path's
    except OSError:
        return 0


def _open_multi(pack_dir: Path, id_bytes: int, before: Stock | None) -> MultiIndex | None:
    try:
        with (pack_dir / NAME).open("rb") as file:
            file.seek(-id_bytes, os.SEEK_END)
            checksum = file.read(id_bytes)
        if before and before.multi and before.multi.checksum == checksum:
            return before.multi
        return MultiIndex(pack_dir, id_bytes)
    except (FileNotFoundError, OSError):
        return None


def _order(names: Sequence[str], multi: MultiIndex | None) -> list[str]:
    """The packs by number: as `Stock` says."""
    there = frozenset(names)
    first = [name for name in (multi.pack_names if multi else []) if name in there]
    if multi and first and multi.order is not None and len(multi.order):
        preferred = multi.pack_names[int(multi.packs[multi.order[0]])]
        first.sort(key=lambda name: name != preferred)
    return [*first, *sorted(there.difference(first))]


def _tabulate(packs: Sequence[PackFile], numbers: Sequence[int]) -> dict[bytes, Place]:
    table: dict[bytes, Place] = {}
    for number in reversed(numbers):  # of two copies the one in the pack of the smaller number counts
        pack = packs[number]
        ranks = pack.ranks.tolist()
        for at in range(len(pack)):
            table[pack.ids[at]] = Place(number, ranks[at])
    return table
