"""From what a client wants and has to the pack that it gets.

Invariants:
    1. What is asked for was allowed before: nothing is verified here.
    2. Whatever is not understood here, or would take more than its bounds, ends in `Absent`: git does it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.choosing.apart import recall_far, tell_apart
from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.choosing.gather import Gathered, peel
from imprint.store.packing.choosing.reach import Floor, Reach
from imprint.store.packing.choosing.relatives import Relatives
from imprint.store.packing.choosing.walk import COMMITS_MAX, Commits, TooFar, find_new
from imprint.store.packing.files.ewah import list_bits
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.pack import BLOB
from imprint.store.packing.making.layout import NO_MEMORY, Layout
from imprint.store.packing.shelf import Absent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from imprint.store.packing.choosing.found import Apart
    from imprint.store.packing.choosing.memory import PackMemory
    from imprint.store.packing.request import PackRequest
    from imprint.store.packing.shelf import Place, Stock
    from imprint.store.types import ObjectId

    FindLike = Callable[[Place, bytes], bytes | None]
    Picked = list[tuple[int, npt.NDArray[np.int64]]]

WITHOUT_BLOBS: Final = "blob:none"
FEW_COMMITS: Final = 2_000
"""Up to so many new commits, trees are compared; with more, bitmaps are asked first."""
SMALL_COMMITS_MAX: Final = 1_000
"""What has no bitmaps, as it is small or new, is compared as a whole up to so many commits."""


def make_plan(stock: Stock, request: PackRequest, memory: PackMemory = NO_MEMORY) -> Layout:
    """Decide what goes into the pack.

    Args:
        stock: the packs.
        request: what is asked for.
        memory: what other packs taught.

    Raises:
        Absent: it cannot be made here.
    """
    if not request.ofs_delta or request.filter not in {"", WITHOUT_BLOBS}:
        raise Absent("a request of a sort that is left to git")
    try:
        return _Planner(stock, request, memory).plan()
    except BadFile as fault:
        raise Absent(str(fault)) from fault
    except (IndexError, ValueError, OverflowError) as fault:  # numbers out of a damaged index of a pack
        raise Absent(f"a file that contradicts itself: {fault}") from fault


class _Planner:
    def __init__(self, stock: Stock, request: PackRequest, memory: PackMemory) -> None:
        self._stock = stock
        self._memory = memory
        self._with_blobs = not request.filter
        self._contents = Contents(stock)
        self._cut = frozenset(_raw(request.shallow))
        self._commits = Commits(self._contents, self._cut)
        self._tips, self._trees, self._alone = peel(self._contents, _raw(request.wants), memory)
        self._haves, *_ = peel(self._contents, _raw((*request.haves, *request.edges)), memory)
        self._thin = request.thin and (self._with_blobs or not self._wants_blobs())

    def _wants_blobs(self) -> bool:
        """Whether blobs are sent: a client without any has none of those that its commits name."""
        kind_of, require = self._contents.kind_of, self._stock.require
        return any(kind_of(require(raw_id)) == BLOB for raw_id in self._alone)

    def plan(self) -> Layout:
        is_whole = bool(self._tips) and not self._haves and not self._cut
        if is_whole and self._stock.bitmaps:
            return self._plan_by_bitmaps()
        if not self._cut and not self._trees:
            apart = recall_far(self._contents, self._commits, self._tips, self._haves, self._memory)
            if apart is not None:
                return self._plan_apart(apart)
        try:
            return self._plan_by_trees(SMALL_COMMITS_MAX if is_whole else COMMITS_MAX)
        except TooFar as far:
            if self._cut:
                raise Absent("too many commits behind a cut") from far
            return self._plan_by_bitmaps()

    def _plan_by_trees(self, commits_max: int) -> Layout:
        walked = find_new(self._commits, self._tips, self._haves, self._memory, commits_max)
        if len(walked.new) > FEW_COMMITS and self._stock.bitmaps and not self._cut:
            raise TooFar
        gathered = Gathered(self._contents, self._memory, with_blobs=self._with_blobs)
        gathered.add_commits(walked, self._haves, self._commits)
        for tree in self._trees:
            gathered.add_tree(tree)
        for raw_id in self._alone:
            gathered.add(raw_id)
        floor = Floor(self._contents, () if self._cut else self._haves, self._commits)
        known = gathered.known

        def has(raw_id: bytes) -> bool:
            return raw_id in known or floor.holds(raw_id)

        likes = gathered.list_likes()
        picked = gathered.list_picked()
        return self._lay_out(picked, has if self._haves else None, lambda _, raw_id: likes.get(raw_id))

    def _plan_by_bitmaps(self) -> Layout:
        wanted = Reach(self._contents, self._memory)
        wanted.add(self._tips, self._commits)
        for tree in self._trees:
            wanted.add_tree(tree)
        had = Reach(self._contents, self._memory)
        had.add(self._haves, self._commits)
        return self._plan_apart(tell_apart(wanted, had, self._haves))

    def _plan_apart(self, apart: Apart) -> Layout:
        words, others = apart.words, {raw_id: self._stock.require(raw_id) for raw_id in apart.others}
        if not self._with_blobs:
            assert self._stock.bitmaps is not None  # noqa: S101 - or there were no words
            words = words & ~self._stock.bitmaps.blobs
            kind_of = self._contents.kind_of
            others = {raw_id: place for raw_id, place in others.items() if kind_of(place) != BLOB}
        picked = dict(self._stock.places_of(list_bits(words)))
        for raw_id in self._alone:
            others[raw_id] = self._stock.require(raw_id)
        added: dict[int, list[int]] = {}
        for place in others.values():
            added.setdefault(place.pack, []).append(place.rank)
        for number, ranks in added.items():
            before = picked.get(number)
            picked[number] = np.unique(ranks if before is None else np.concatenate((before, ranks)))
        found = sorted(picked.items(), key=lambda each: each[0])
        if not self._haves:
            return self._lay_out(found, None)
        assert self._stock.multi is not None  # noqa: S101 - or there were no words
        has = partial(apart.has, self._stock.multi)
        relatives = Relatives(self._stock, apart.had_words)
        return self._lay_out(found, has, lambda place, _: relatives.find(place))

    def _lay_out(
        self, picked: Picked, has: Callable[[bytes], bool] | None, find_like: FindLike | None = None
    ) -> Layout:
        if not self._thin or has is None:
            return Layout(self._contents, picked, memory=self._memory)
        return Layout(self._contents, picked, has, find_like, self._memory)


def _raw(object_ids: Sequence[ObjectId]) -> list[bytes]:
    return [bytes.fromhex(each) for each in object_ids]
