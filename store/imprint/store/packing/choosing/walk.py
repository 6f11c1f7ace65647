"""Which commits a client lacks: those that its wants reach and its haves do not.

Invariant: a commit is called known only if a have reaches it by parents; walking too short a way could only
send something twice, never leave something out.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.packing.choosing.found import Walked
from imprint.store.packing.choosing.memory import name_walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.memory import PackMemory

COMMITS_MAX: Final = 20_000
"""How many commits a walk looks at; beyond, bitmaps or git are asked."""
_NEWEST: Final = 1 << 40
"""Stands for the generation of a commit that is not in the commit-graph: it is newer than all that are."""


class TooFar(Exception):
    """The walk would take longer than it is worth."""


class Commit(NamedTuple):
    """What walks need of a commit.

    Attributes:
        tree: its tree's raw id.
        parents: their raw ids; none of one that is cut off.
        order: generation and time: not smaller than those of its parents, where the commit-graph has both.
    """

    tree: bytes
    parents: tuple[bytes, ...]
    order: tuple[int, int]


class Commits:
    """Trees and parents of commits, from the commit-graph where it has them, else from the packs.

    Args:
        contents: reads objects.
        cut: commits to be taken for ones without parents.

    Attributes:
        cut: the same.
    """

    def __init__(self, contents: Contents, cut: Collection[bytes] = ()) -> None:
        self._contents = contents
        self._graph = contents.stock.graph
        self.cut = frozenset(cut)
        self._read: dict[bytes, Commit] = {}

    def __getitem__(self, raw_id: bytes) -> Commit:
        """What is known of a commit.

        Raises:
            Absent: it is not there.
        """
        if (known := self._read.get(raw_id)) is not None:
            return known
        if listed := self._graph.look_up(raw_id):
            tree, parents, generation = listed
            order = generation, 0
        else:
            tree, parents, time_s = self._contents.read_commit(raw_id)
            order = _NEWEST, time_s
        found = self._read[raw_id] = Commit(tree, () if raw_id in self.cut else parents, order)
        return found


def find_new(
    commits: Commits,
    wants: Collection[bytes],
    haves: Collection[bytes],
    memory: PackMemory,
    commits_max: int = COMMITS_MAX,
) -> Walked:
    """As `walk_new`, unless that was just found. What is given is not to be changed."""
    key = name_walk(wants, haves, commits.cut)
    walked = memory.find_walk(key)
    if walked is None:
        walked = walk_new(commits, wants, haves, commits_max)
        memory.keep_walk(key, walked)
    return walked


def walk_new(  # noqa: C901 - one walk, whose state is its own
    commits: Commits, wants: Iterable[bytes], haves: Iterable[bytes], commits_max: int = COMMITS_MAX
) -> Walked:
    """The commits that wants reach and haves do not.

    Args:
        commits: where they are read from.
        wants: raw ids of commits.
        haves: raw ids of commits.
        commits_max: how many may be looked at.

    Raises:
        TooFar: more would have to be looked at.
        Absent: a commit is not there.
    """
    known: set[bytes] = set()
    seen: set[bytes] = set()
    hopes: set[bytes] = set()  # those that wait, and may be new
    late: set[bytes] = set()  # those that were taken for new, and wait for their parents to be known too
    new: dict[bytes, None] = {}
    waiting: list[tuple[int, int, bytes]] = []

    def meet(raw_id: bytes, *, below_known: bool) -> None:
        if raw_id in (known if below_known else seen):
            return
        if below_known:
            known.add(raw_id)
            hopes.discard(raw_id)
            if raw_id in new:
                del new[raw_id]
                late.add(raw_id)
        else:
            hopes.add(raw_id)
        seen.add(raw_id)
        generation, time_s = commits[raw_id].order
        heapq.heappush(waiting, (-generation, -time_s, raw_id))

    for have in haves:
        meet(have, below_known=True)
    for want in wants:
        meet(want, below_known=False)
    while hopes or late:
        if len(seen) > commits_max:
            raise TooFar
        raw_id = heapq.heappop(waiting)[2]
        hopes.discard(raw_id)
        late.discard(raw_id)
        if is_new := raw_id not in known:
            new[raw_id] = None
        for parent in commits[raw_id].parents:
            meet(parent, below_known=not is_new)
    return _describe(commits, list(new))


def _describe(commits: Commits, new: list[bytes]) -> Walked:
    walked = Walked(sort_parents_first(new, commits))
    for raw_id in new:
        walked.parents[raw_id] = commits[raw_id].parents
        for each in (raw_id, *walked.parents[raw_id]):
            walked.trees.setdefault(each, commits[each].tree)
    return walked


def sort_parents_first(raw_ids: Iterable[bytes], commits: Commits) -> list[bytes]:
    """The same commits, each behind those of its parents that are among them."""
    left = dict.fromkeys(raw_ids)
    ordered: list[bytes] = []
    while left:
        path = [next(iter(left))]
        while path:
            lacking = [parent for parent in commits[path[-1]].parents if parent in left]
            if lacking and path[-1] in left:
                path += lacking
                continue
            raw_id = path.pop()
            if raw_id in left:
                del left[raw_id]
                ordered.append(raw_id)
    return ordered
