"""Which commits a client lacks: those that its wants reach and its haves do not.

Invariant: a commit is called known only if a have reaches it by parents; walking too short a way could only
send something twice, never leave something out.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from imprint.store.packing.choosing.found import Walked
from imprint.store.packing.choosing.memory import name_walk
from imprint.store.packing.files.graph import Commit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.memory import PackMemory

COMMITS_MAX: Final = 20_000
"""How many commits a walk looks at; beyond, bitmaps or git are asked."""
_ABOVE_MAX: Final = 64
"""So many commits that are not in the commit-graph are looked at to tell the generation of one."""
_NEWEST: Final = 1 << 40
"""Stands for the generation of a commit that is not in the commit-graph: it is newer than all that are."""


class TooFar(Exception):
    """The walk would take longer than it is worth."""


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
        found = self._graph.look_up(raw_id)
        if found is None:
            tree, parents, time_s = self._contents.read_commit(raw_id)
            found = Commit(tree, parents, (-_NEWEST, -time_s))
        if raw_id in self.cut:
            found = found._replace(parents=())
        self._read[raw_id] = found
        return found

    def find_generation(self, raw_id: bytes) -> int:
        """No more than the generation of a commit: more than that of each parent, as the commit-graph says.

        Raises:
            Absent: it is not there.
        """
        for above in range(_ABOVE_MAX):
            commit = self[raw_id]
            if commit.order[0] > -_NEWEST:
                return above - commit.order[0]
            if not commit.parents:
                return above
            raw_id = commit.parents[0]
        return _ABOVE_MAX


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
    new: dict[bytes, Commit] = {}
    waiting: list[tuple[tuple[int, int], bytes, Commit]] = []

    def meet(raw_ids: Iterable[bytes]) -> None:
        for raw_id in raw_ids:
            if raw_id not in seen:
                seen.add(raw_id)
                hopes.add(raw_id)
                commit = commits[raw_id]
                heapq.heappush(waiting, (commit.order, raw_id, commit))

    def meet_known(raw_ids: Iterable[bytes]) -> None:
        for raw_id in raw_ids:
            if raw_id not in known:
                known.add(raw_id)
                if raw_id in hopes:  # it waits already
                    hopes.remove(raw_id)
                    continue
                if new.pop(raw_id, None):
                    late.add(raw_id)
                seen.add(raw_id)
                commit = commits[raw_id]
                heapq.heappush(waiting, (commit.order, raw_id, commit))

    meet_known(haves)
    meet(wants)
    while hopes or late:
        if len(seen) > commits_max:
            raise TooFar
        _, raw_id, commit = heapq.heappop(waiting)
        if raw_id in known:
            late.discard(raw_id)
            meet_known(commit.parents)
        else:
            hopes.discard(raw_id)
            new[raw_id] = commit
            meet(commit.parents)
    return _describe(commits, new)


def _describe(commits: Commits, new: dict[bytes, Commit]) -> Walked:
    walked = Walked(sort_parents_first(list(new), commits))
    trees = walked.trees
    for raw_id in walked.new:
        commit = new[raw_id]
        walked.parents[raw_id] = commit.parents
        trees[raw_id] = commit.tree
        for parent in commit.parents:
            if parent not in trees:
                trees[parent] = commits[parent].tree
    return walked


def sort_parents_first(newest_first: Sequence[bytes], commits: Commits) -> list[bytes]:
    """The same commits, each behind those of its parents that are among them.

    Args:
        newest_first: as walks find them, so that most often only the order has to be turned.
        commits: knows their parents.
    """
    ordered = list(reversed(newest_first))
    left = dict.fromkeys(ordered)
    for raw_id in ordered:
        del left[raw_id]
        if any(parent in left for parent in commits[raw_id].parents):
            return _sort_parents_first(ordered, commits)
    return ordered


def _sort_parents_first(raw_ids: Iterable[bytes], commits: Commits) -> list[bytes]:
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
