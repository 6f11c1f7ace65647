"""Everything that commits reach, by bitmaps; what has none is walked until it meets what has.

Invariant: a bit is set only for what a commit reaches, and all that a commit reaches is in the bits or among
the others.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.choosing.brought import find_brought, recall_brought
from imprint.store.packing.choosing.walk import sort_parents_first
from imprint.store.packing.files.ewah import spread_bits
from imprint.store.packing.shelf import Absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.found import Brought
    from imprint.store.packing.choosing.memory import PackMemory
    from imprint.store.packing.choosing.walk import Commits
    from imprint.store.packing.shelf import Place

    Words = npt.NDArray[np.uint64]

COMMITS_MAX: Final = 5_000
"""Commits without a bitmap that are walked at most; with more, git is asked."""
_FLOOR_BITMAPS: Final = 4
_FLOOR_COMMITS: Final = 1_000


class Reach:
    """What some commits reach.

    Attributes:
        words: the objects that bitmaps count.
        others: raw ids of the other ones, with their places.

    Args:
        contents: reads objects.
        memory: knows what some commits bring.

    Raises:
        Absent: the stock has no bitmaps.
    """

    def __init__(self, contents: Contents, memory: PackMemory) -> None:
        stock = contents.stock
        if stock.bitmaps is None or stock.multi is None or stock.multi.order is None:
            raise Absent("no bitmaps")
        self._contents, self._memory = contents, memory
        self._bitmaps, self._ids, self._numbers = stock.bitmaps, stock.multi.ids, stock.multi.numbers
        self._checksum = stock.multi.checksum
        self.words = np.zeros(stock.bitmaps.size, np.uint64)
        self.others: dict[bytes, Place] = {}
        self._bits: npt.NDArray[np.uint8] = np.zeros(64 * stock.bitmaps.size, np.uint8)

    def add(
        self,
        tips: Iterable[bytes],
        commits: Commits,
        *,
        with_trees: bool = True,
        commits_max: int = COMMITS_MAX,
    ) -> None:
        """Add all that commits reach.

        Args:
            tips: raw ids of commits.
            commits: knows them.
            with_trees: False where of commits that are in no bitmap only these themselves are added.
            commits_max: how many in no bitmap are walked at most.

        Raises:
            Absent: too many commits are in no bitmap, or something is not there.
        """
        walked = self._walk(tips, commits, commits_max)
        for raw_id in sort_parents_first(walked, commits):  # what parents have is there then
            if self._take(raw_id) and with_trees:
                tree, parents, _ = commits[raw_id]
                if parents:
                    self._take_brought(raw_id, tree, [commits[parent].tree for parent in parents])
                else:
                    self._take_all(find_brought(self._contents, tree, (), self))
        self._pack()

    def _walk(self, tips: Iterable[bytes], commits: Commits, commits_max: int) -> list[bytes]:
        """Join the bitmaps that are met; the commits that are in none of them.

        The newest commits are looked at first: most of the older tips are in the bitmaps that these lead to.
        """
        walked: list[bytes] = []
        waiting: list[tuple[tuple[int, int], bytes]] = []
        seen: set[bytes] = set()

        def meet(raw_ids: Iterable[bytes]) -> None:
            for raw_id in raw_ids:
                if raw_id not in seen:
                    seen.add(raw_id)
                    heapq.heappush(waiting, (commits[raw_id].order, raw_id))

        meet(tips)
        while waiting:
            raw_id = heapq.heappop(waiting)[1]
            at = self._ids.find(raw_id)
            if at >= 0 and self._holds(at):
                continue
            if at >= 0 and at in self._bitmaps:
                self.words = self.words | self._bitmaps.read(at)
                self._bits = spread_bits(self.words)
                continue
            walked.append(raw_id)
            if len(walked) > commits_max:
                raise Absent("too many commits without a bitmap")
            meet(commits[raw_id].parents)
        return walked

    def add_tree(self, tree: bytes) -> None:
        """Add a tree and what is below it."""
        self._take_all(find_brought(self._contents, tree, (), self))
        self._pack()

    def __contains__(self, raw_id: object) -> bool:
        """Whether an object is reached, by its raw id."""
        return isinstance(raw_id, bytes) and self.holds(raw_id)

    def holds(self, raw_id: bytes) -> bool:
        """Whether an object is reached."""
        at = self._ids.find(raw_id)
        return self._holds(at) if at >= 0 else raw_id in self.others

    def _take_brought(self, commit: bytes, tree: bytes, others: Sequence[bytes]) -> None:
        """Add what a commit brings beside its parents' trees."""
        key = self._checksum + commit
        bits = self._memory.find_bits(key)
        if bits is None:
            brought = recall_brought(self._contents, self._memory, commit, tree, others)
            at = self._ids.find_all([*brought.trees, *brought.blobs])
            if (at < 0).any():  # what came since the index has no bits
                self._take_all(brought)
                return
            bits = self._numbers[at]
            self._memory.keep_bits(key, bits)
        self._bits[bits] = 1

    def _take_all(self, brought: Brought) -> None:
        for raw_id in (*brought.trees, *brought.blobs):
            self._take(raw_id)

    def _pack(self) -> None:
        self.words = np.packbits(self._bits, bitorder="little").view("<u8").astype(np.uint64, copy=False)

    def _take(self, raw_id: bytes) -> bool:
        """Add one object; whether it was not there yet."""
        at = self._ids.find(raw_id)
        if at >= 0:
            bit = int(self._numbers[at])
            if self._bits[bit]:
                return False
            self._bits[bit] = 1
            return True
        if raw_id in self.others:
            return False
        self.others[raw_id] = self._contents.stock.require(raw_id)
        return True

    def _holds(self, at: int) -> bool:
        return bool(self._bits[self._numbers[at]])


class Floor:
    """Some of what commits reach, soon found: what the nearest bitmaps say. It tells what a client has.

    Args:
        contents: reads objects.
        tips: commits that the client has.
        commits: knows their parents.
    """

    def __init__(self, contents: Contents, tips: Iterable[bytes], commits: Commits) -> None:
        self._stock = contents.stock
        self._tips = list(tips)
        self._commits = commits
        self._bits: npt.NDArray[np.uint8] | None = None

    def holds(self, raw_id: bytes) -> bool:
        """Whether a client surely has an object; of many that it has, this is not known."""
        multi = self._stock.multi
        if self._stock.bitmaps is None or multi is None or multi.order is None:
            return False
        at = multi.ids.find(raw_id)
        if at < 0:
            return False
        if self._bits is None:
            self._bits = self._read_bits()
        return bool(self._bits[multi.numbers[at]])

    def _read_bits(self) -> npt.NDArray[np.uint8]:
        """The bits of the first bitmap below each tip that no earlier one has: at most `_FLOOR_BITMAPS`."""
        bitmaps, multi = self._stock.bitmaps, self._stock.multi
        assert bitmaps is not None  # noqa: S101 - `holds` has looked
        assert multi is not None  # noqa: S101
        words = np.zeros(bitmaps.size, np.uint64)
        found, seen = 0, set[bytes]()
        for tip in sorted(self._tips, key=lambda each: self._commits[each].order):  # newest first
            at = multi.ids.find(tip)
            if at >= 0 and int(words[(bit := int(multi.numbers[at])) >> 6]) >> (bit & 63) & 1:
                continue
            below = self._find_bitmap(tip, seen)
            if below >= 0:
                words = words | bitmaps.read(below)
                found += 1
            if found == _FLOOR_BITMAPS or len(seen) > _FLOOR_COMMITS:
                break
        return spread_bits(words)

    def _find_bitmap(self, tip: bytes, seen: set[bytes]) -> int:
        """The place of the next commit below a tip that has a bitmap; -1 where it is too far."""
        bitmaps, multi = self._stock.bitmaps, self._stock.multi
        assert bitmaps is not None  # noqa: S101 - as above
        assert multi is not None  # noqa: S101
        waiting = [tip]
        for raw_id in waiting:
            at = multi.ids.find(raw_id)
            if at >= 0 and at in bitmaps:
                return at
            more = [parent for parent in self._commits[raw_id].parents if parent not in seen]
            waiting += more
            seen.update(more)
            if len(seen) > _FLOOR_COMMITS:
                break
        return -1
