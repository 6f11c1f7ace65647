"""What negotiations ask of commits, answered from the packs here without a process.

Every function raises `Absent` where the packs here do not tell; git is asked then.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.store.packing.choosing.apart import recall_far
from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.choosing.gather import peel
from imprint.store.packing.choosing.reach import Reach
from imprint.store.packing.choosing.walk import Commits, TooFar, find_new
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.shelf import Absent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from imprint.store.packing.choosing.found import Apart, Walked
    from imprint.store.packing.choosing.memory import PackMemory
    from imprint.store.packing.shelf import Stock
    from imprint.store.types import ObjectId

    _Asked = tuple[frozenset[ObjectId], frozenset[ObjectId], frozenset[ObjectId]]

_KNOWN_MAX: Final = 256
"""Answers that one repository keeps: as many as a fleet's branches have at a time."""


def find_present(stock: Stock, object_ids: Iterable[ObjectId]) -> frozenset[ObjectId]:
    """Those of the objects that are in the stock; others may exist too."""
    return frozenset(each for each in object_ids if stock.find(bytes.fromhex(each)) is not None)


def list_lacking(
    stock: Stock, memory: PackMemory, wants: Collection[ObjectId], haves: Collection[ObjectId]
) -> tuple[Mapping[bytes, tuple[bytes, ...]], list[bytes]]:
    """Commits that the wants reach and the haves do not.

    Args:
        stock: the packs.
        memory: what other fetches taught.
        wants: objects that are asked for.
        haves: objects that are not.

    Returns:
        The commits with their parents, each behind these, and what the wants peel to; raw ids.

    Raises:
        Absent: the packs here do not tell, or it would take too long.
    """
    tips, walked = _walk(Contents(stock), memory, wants, haves, ())
    return walked.parents, tips


def find_far_ready(
    stock: Stock,
    memory: PackMemory,
    wants: Collection[ObjectId],
    haves: Collection[ObjectId],
) -> bool | None:
    """Whether a wanted commit that lies far above all that is had reaches some of that.

    Args:
        stock: the packs.
        memory: what other fetches taught.
        wants: objects that are asked for.
        haves: objects that are not.

    Returns:
        None where several are wanted, or where it is not far: commits are to be walked then.

    Raises:
        Absent: the packs here do not tell.
    """
    tips, apart = _find_far(Contents(stock), memory, wants, haves)
    return apart.is_joined if apart is not None and len(tips) == 1 else None


def find_sent(
    stock: Stock,
    memory: PackMemory,
    wants: Collection[ObjectId],
    haves: Collection[ObjectId],
    cut: Collection[ObjectId],
    commits: Collection[ObjectId],
) -> frozenset[ObjectId]:
    """Those of some commits that a fetch brings.

    Args:
        stock: the packs.
        memory: what other fetches taught.
        wants: what is sent, with everything it reaches,
        haves: less what these reach.
        cut: commits to be taken for ones without parents.
        commits: which may be among them.

    Raises:
        Absent: the packs here do not tell, or it would take too long.
    """
    contents = Contents(stock)
    if haves and not cut and (apart := _find_far(contents, memory, wants, haves)[1]):
        assert stock.multi is not None  # noqa: S101 - or nothing could be far
        return frozenset(each for each in commits if apart.sends(stock.multi, bytes.fromhex(each)))
    if haves or cut:
        _, walked = _walk(contents, memory, wants, haves, cut)
        new = frozenset(walked.new)
        return frozenset(each for each in commits if bytes.fromhex(each) in new)
    try:
        tips, *_ = peel(contents, map(bytes.fromhex, wants), memory)
        reach = Reach(contents, memory)
        reach.add(tips, Commits(contents), with_trees=False)
        return frozenset(each for each in commits if reach.holds(bytes.fromhex(each)))
    except BadFile as fault:
        raise Absent(str(fault)) from fault


class SentMemo:
    """What `find_sent` found, for the next who asks for the same. Safe to share between threads.

    What commits reach never changes, so an answer holds as long as the same commits are asked about.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Asked, tuple[Collection[ObjectId], frozenset[ObjectId]]] = OrderedDict()

    def find(
        self,
        stock: Stock,
        memory: PackMemory,
        wants: Collection[ObjectId],
        haves: Collection[ObjectId],
        cut: Collection[ObjectId],
        commits: Collection[ObjectId],
    ) -> frozenset[ObjectId]:
        """As `find_sent`. It is remembered for the very object `commits`, which must not change.

        Raises:
            Absent: as there.
        """
        key = frozenset(wants), frozenset(haves), frozenset(cut)
        with self._lock:
            known = self._known.get(key)
        if known is None or known[0] is not commits:
            known = commits, find_sent(stock, memory, wants, haves, cut, commits)
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        return known[1]


def _find_far(
    contents: Contents, memory: PackMemory, wants: Iterable[ObjectId], haves: Iterable[ObjectId]
) -> tuple[list[bytes], Apart | None]:
    """The commits that are wanted, and what is apart, if that is much."""
    try:
        tips, *_ = peel(contents, map(bytes.fromhex, wants), memory)
        had, *_ = peel(contents, map(bytes.fromhex, haves), memory)
        return tips, recall_far(contents, Commits(contents), tips, had, memory)
    except BadFile as fault:
        raise Absent(str(fault)) from fault


def _walk(
    contents: Contents,
    memory: PackMemory,
    wants: Iterable[ObjectId],
    haves: Iterable[ObjectId],
    cut: Iterable[ObjectId],
) -> tuple[list[bytes], Walked]:
    try:
        tips, *_ = peel(contents, map(bytes.fromhex, wants), memory)
        had, *_ = peel(contents, map(bytes.fromhex, haves), memory)
        commits = Commits(contents, [bytes.fromhex(each) for each in cut])
        return tips, find_new(commits, tips, had, memory)
    except TooFar as far:
        raise Absent("too many commits") from far
    except BadFile as fault:
        raise Absent(str(fault)) from fault
