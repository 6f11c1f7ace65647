"""Which commits a client lacks: those that its wants reach and its haves do not.

Invariant: a commit is called known only if a have reaches it by parents; walking too short a way could only
send something twice, never leave something out.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imprint.store.packing.choosing.contents import Contents

COMMITS_MAX: Final = 20_000
"""How many commits a walk looks at; beyond, bitmaps or git are asked."""
_NEWEST: Final = 1 << 40
"""Stands for the generation of a commit that is not in the commit-graph: it is newer than all that are."""


_Known = tuple[bytes, tuple[bytes, ...], tuple[int, int]]


class TooFar(Exception):
    """The walk would take longer than it is worth."""


@dataclass(slots=True)
class Walked:
    """What a walk found.

    Attributes:
        new: commits that the client lacks, each behind its parents.
        trees: the raw id of the tree of every commit that is new, or a parent of one.
        parents: of every new commit, less those that are cut off.
    """

    new: list[bytes] = field(default_factory=list)
    trees: dict[bytes, bytes] = field(default_factory=dict)
    parents: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)


class Commits:
    """Trees and parents of commits, from the commit-graph where it has them, else from the packs.

    Args:
        contents: reads objects.
        cut: commits to be taken for ones without parents.
    """

    def __init__(self, contents: Contents, cut: Collection[bytes] = ()) -> None:
        self._contents = contents
        self._graph = contents.stock.graph
        self._cut = frozenset(cut)
        self._read: dict[bytes, _Known] = {}

    def tree(self, raw_id: bytes) -> bytes:
        """The raw id of a commit's tree."""
        return self._look_up(raw_id)[0]

    def parents(self, raw_id: bytes) -> tuple[bytes, ...]:
        """The raw ids of a commit's parents; none for one that is cut off."""
        return self._look_up(raw_id)[1]

    def order(self, raw_id: bytes) -> tuple[int, int]:
        """Generation and time: not smaller than those of its parents, where the commit-graph has both."""
        return self._look_up(raw_id)[2]

    def _look_up(self, raw_id: bytes) -> _Known:
        if (known := self._read.get(raw_id)) is not None:
            return known
        number = self._graph.find(raw_id)
        if number >= 0:
            tree = self._graph.tree_of(number)
            order = self._graph.generation_of(number), 0
            parents = tuple(self._graph.id_of(parent) for parent in self._graph.parents_of(number))
        else:
            tree, parents, time_s = self._contents.read_commit(raw_id)
            order = _NEWEST, time_s
        found = tree, () if raw_id in self._cut else parents, order
        self._read[raw_id] = found
        return found


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
        generation, time_s = commits.order(raw_id)
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
        for parent in commits.parents(raw_id):
            meet(parent, below_known=not is_new)
    return _describe(commits, list(new))


def _describe(commits: Commits, new: list[bytes]) -> Walked:
    walked = Walked(sort_parents_first(new, commits))
    for raw_id in new:
        walked.parents[raw_id] = commits.parents(raw_id)
        for each in (raw_id, *walked.parents[raw_id]):
            walked.trees.setdefault(each, commits.tree(each))
    return walked


def sort_parents_first(raw_ids: Iterable[bytes], commits: Commits) -> list[bytes]:
    """The same commits, each behind those of its parents that are among them."""
    left = dict.fromkeys(raw_ids)
    ordered: list[bytes] = []
    while left:
        path = [next(iter(left))]
        while path:
            lacking = [parent for parent in commits.parents(path[-1]) if parent in left]
            if lacking and path[-1] in left:
                path += lacking
                continue
            raw_id = path.pop()
            if raw_id in left:
                del left[raw_id]
                ordered.append(raw_id)
    return ordered
