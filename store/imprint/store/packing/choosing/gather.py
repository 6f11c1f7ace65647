"""Which objects go into a pack: what a client's wants reach, less what it has.

Two ways lead there. Few new commits: their trees are compared with those of their parents, as far as they
differ. Much: bitmaps of what commits reach are joined and subtracted, and what has no bitmap is walked.

Invariants:
    1. What is sent and what the client has together hold everything that the wants reach. Of objects that
       the client has, some may be sent again, as git does.
    2. Without `Absent`, everything that was looked for was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.packing.choosing.brought import find_brought, recall_brought
from imprint.store.packing.files.pack import COMMIT, TAG, TREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.found import Brought, Walked
    from imprint.store.packing.choosing.memory import PackMemory
    from imprint.store.packing.choosing.walk import Commits

    Integers = npt.NDArray[np.int64]

BASES_MAX: Final = 8
"""With how many of the client's commits a tree without parents is compared."""


class Gathered:
    """Objects that are to be sent.

    Attributes:
        known: raw ids of objects that the client has, as far as they were met.

    Args:
        contents: reads objects.
        memory: knows what some commits bring.
        with_blobs: blobs are sent too, and not only those that are asked for by name.
    """

    def __init__(self, contents: Contents, memory: PackMemory, *, with_blobs: bool) -> None:
        self._contents = contents
        self._memory = memory
        self._with_blobs = with_blobs
        self.known: set[bytes] = set()
        self._sent: dict[bytes, None] = {}
        self._likes: dict[bytes, bytes] = {}

    def __contains__(self, raw_id: bytes) -> bool:
        """Whether an object is sent."""
        return raw_id in self._sent

    def add(self, raw_id: bytes) -> None:
        """Send an object by itself."""
        self._sent[raw_id] = None

    def add_commits(self, walked: Walked, haves: Sequence[bytes], commits: Commits) -> None:
        """Send new commits, and of their trees what their parents' trees lack.

        Args:
            walked: the new commits.
            haves: commits that the client has; what has no parents is compared with some of them.
            commits: knows their trees.
        """
        stand_in = tuple(commits[have].tree for have in haves[:BASES_MAX])
        new = frozenset(walked.new)
        for commit in walked.new:
            self.add(commit)
            parents = walked.parents[commit]
            if parents:
                others = [walked.trees[parent] for parent in parents]
                tree = walked.trees[commit]
                brought = recall_brought(self._contents, self._memory, commit, tree, others)
                self._add(brought, has_others=new.isdisjoint(parents))
            else:
                self.add_tree(walked.trees[commit], stand_in)

    def add_tree(self, tree: bytes, had: tuple[bytes, ...] = ()) -> None:
        """Send a tree and what is below it, less what a client has at the same paths below its trees."""
        self._add(find_brought(self._contents, tree, had, self._sent), has_others=True)

    def _add(self, brought: Brought, *, has_others: bool) -> None:
        """Send what was brought; with `has_others` the client has what it was compared with."""
        if has_others:
            self.known.update(brought.replaced)
        self._sent.update(dict.fromkeys(brought.trees))
        if self._with_blobs:
            blobs = dict.fromkeys(brought.blobs)
            if not self.known.isdisjoint(blobs):
                blobs = dict.fromkeys(blob for blob in blobs if blob not in self.known)
            self._sent.update(blobs)
        likes = self._likes
        for new, old in brought.likes:  # perhaps several versions back
            likes[new] = likes.get(old, old)

    def list_likes(self) -> dict[bytes, bytes]:
        """For objects that are sent, by raw id, one at the same path that is not: the client has it."""
        sent = self._sent
        return {new: old for new, old in self._likes.items() if new in sent and old not in sent}

    def list_picked(self) -> list[tuple[int, Integers]]:
        """Packs by number, with the ranks to send.

        Raises:
            Absent: an object is not in the stock.
        """
        return self._contents.stock.locate(list(self._sent))


def peel(
    contents: Contents, wants: Iterable[bytes], memory: PackMemory
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """What wants are: commits, trees, and objects that are sent by themselves, such as tags on the way.

    Args:
        contents: reads objects.
        wants: raw ids.
        memory: knows what some tags name.

    Raises:
        Absent: one is not in the stock.
    """
    commits: dict[bytes, None] = {}
    trees: dict[bytes, None] = {}
    alone: dict[bytes, None] = {}
    kinds: dict[int, dict[bytes, None]] = {COMMIT: commits, TREE: trees}
    is_commit = contents.stock.graph.look_up  # that has nothing but commits
    for want in wants:
        raw_id: bytes | None = want
        while raw_id and not is_commit(raw_id):
            raw_id = _read_tag(contents, raw_id, memory, kinds, alone)
        if raw_id:
            commits[raw_id] = None
    return list(commits), list(trees), list(alone)


def _read_tag(
    contents: Contents,
    raw_id: bytes,
    memory: PackMemory,
    kinds: Mapping[int, dict[bytes, None]],
    alone: dict[bytes, None],
) -> bytes | None:
    """What a tag names, after it was put to what is sent by itself; an object of another kind ends it."""
    target = memory.find_tag(raw_id)
    if target is None:
        kind = contents.kind_of(contents.stock.require(raw_id))
        if kind != TAG:
            kinds.get(kind, alone)[raw_id] = None
            return None
        target = contents.read_tag(raw_id)
        memory.keep_tag(raw_id, target)
    alone[raw_id] = None
    return target
