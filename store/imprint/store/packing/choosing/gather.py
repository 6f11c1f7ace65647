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

import numpy as np

from imprint.store.packing.choosing.trees import LINK_MODE, TREE_MODE, compare_trees, pick_trees, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.trees import Line
    from imprint.store.packing.choosing.walk import Commits, Walked
    from imprint.store.packing.shelf import Place

    Integers = npt.NDArray[np.int64]

BASES_MAX: Final = 8
"""With how many of the client's commits a tree without parents is compared."""


class Gathered:
    """Objects that are to be sent.

    Attributes:
        places: of each by its raw id.
        known: raw ids of objects that the client has, as far as they were met.

    Args:
        contents: reads objects.
        with_blobs: blobs are sent too, and not only those that are asked for by name.
    """

    def __init__(self, contents: Contents, *, with_blobs: bool) -> None:
        self._contents = contents
        self._with_blobs = with_blobs
        self.places: dict[bytes, Place] = {}
        self.known: set[bytes] = set()
        self._likes: dict[bytes, bytes] = {}

    def add(self, raw_id: bytes) -> None:
        """Send an object by itself."""
        if raw_id not in self.places:
            self.places[raw_id] = self._contents.stock.require(raw_id)

    def add_commits(self, walked: Walked, haves: Sequence[bytes], commits: Commits) -> None:
        """Send new commits, and of their trees what their parents' trees lack.

        Args:
            walked: the new commits.
            haves: commits that the client has; what has no parents is compared with some of them.
            commits: knows their trees.
        """
        stand_in = tuple(commits.tree(have) for have in haves[:BASES_MAX])
        new = frozenset(walked.new)
        for commit in walked.new:
            self.add(commit)
            sent: list[bytes] = []
            had: list[bytes] = []
            for parent in walked.parents[commit]:
                (sent if parent in new else had).append(walked.trees[parent])
            if not walked.parents[commit]:
                had.extend(stand_in)
            self.add_tree(walked.trees[commit], tuple(sent), tuple(had))

    def add_tree(self, tree: bytes, sent: tuple[bytes, ...] = (), had: tuple[bytes, ...] = ()) -> None:
        """Send a tree and what is below it, less what is at the same paths below others.

        Args:
            tree: which.
            sent: trees that were added before.
            had: trees that the client has.
        """
        waiting = [(tree, sent, had)]
        while waiting:
            tree, sent, had = waiting.pop()
            if tree in self.places or tree in sent or tree in had:
                continue
            self.add(tree)
            from_sent = compare_trees(self._contents, tree, sent)
            ours, new = from_sent.read_replaced(), from_sent.new
            theirs: dict[bytes, list[Line]] = {}
            if had:
                from_had = compare_trees(self._contents, tree, had)
                theirs, new = from_had.read_replaced(), new & from_had.new
                self.known.update(line.raw_id for lines in theirs.values() for line in lines)
            for line in read_lines(new):
                before_sent, before_had = ours.get(line.name, ()), theirs.get(line.name, ())
                self._note_like(line, (*before_sent, *before_had))
                if line.mode == TREE_MODE:
                    waiting.append((line.raw_id, pick_trees(before_sent), pick_trees(before_had)))
                elif line.mode != LINK_MODE and self._with_blobs and line.raw_id not in self.known:
                    self.add(line.raw_id)

    def _note_like(self, line: Line, before: Iterable[Line]) -> None:
        """Remember what the client has at a path where something is sent, perhaps several versions back."""
        for old in before:
            if old.mode == line.mode:
                self._likes[line.raw_id] = self._likes.get(old.raw_id, old.raw_id)

    def list_likes(self) -> dict[bytes, bytes]:
        """For objects that are sent, by raw id, one at the same path that is not: the client has it."""
        places = self.places
        return {new: old for new, old in self._likes.items() if new in places and old not in places}

    def list_picked(self) -> list[tuple[int, Integers]]:
        """Packs by number, with the ranks to send."""
        by_pack: dict[int, list[int]] = {}
        for place in self.places.values():
            by_pack.setdefault(place.pack, []).append(place.rank)
        return [(pack, np.array(sorted(ranks), np.int64)) for pack, ranks in sorted(by_pack.items())]


def peel(contents: Contents, wants: Iterable[bytes]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """What wants are: commits, trees, and objects that are sent by themselves, such as tags on the way.

    Raises:
        Absent: one is not in the stock.
    """
    commits: dict[bytes, None] = {}
    trees: dict[bytes, None] = {}
    alone: dict[bytes, None] = {}
    kinds: dict[int, dict[bytes, None]] = {1: commits, 2: trees}
    for want in wants:
        raw_id = want
        while (kind := contents.kind_of(contents.stock.require(raw_id))) == 4:  # noqa: PLR2004
            alone[raw_id] = None
            raw_id = contents.read_tag(raw_id)
        kinds.get(kind, alone)[raw_id] = None
    return list(commits), list(trees), list(alone)
