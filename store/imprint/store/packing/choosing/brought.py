"""What one commit brings: the trees and blobs that its parents have not at the same paths.

A commit's id says what that is, so it is found out once and remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.packing.choosing.found import Brought
from imprint.store.packing.choosing.trees import LINK_MODE, TREE_MODE, compare_trees, pick_trees, read_lines

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from imprint.store.packing.choosing.contents import Contents
    from imprint.store.packing.choosing.memory import PackMemory


def recall_brought(
    contents: Contents, memory: PackMemory, commit: bytes, tree: bytes, others: Sequence[bytes]
) -> Brought:
    """What a commit brings, unless it was found before.

    Args:
        contents: reads objects.
        memory: what was found before.
        commit: its raw id.
        tree: raw id of its tree.
        others: raw ids of the trees of all its parents.

    Raises:
        Absent: as `find_brought`.
    """
    brought = memory.find_brought(commit)
    if brought is None:
        brought = find_brought(contents, tree, others)
        memory.keep_brought(commit, brought)
    return brought


def find_brought(
    contents: Contents, tree: bytes, others: Sequence[bytes], done: Container[bytes] = ()
) -> Brought:
    """What a tree has that others have not at the same paths.

    Args:
        contents: reads objects.
        tree: raw id of a tree.
        others: raw ids of trees; with none, all that is below it is found.
        done: raw ids of trees that need not be looked into, as what is below them is known.

    Raises:
        Absent: one of them is not in the stock, or no tree.
    """
    trees: dict[bytes, None] = {}
    blobs: dict[bytes, None] = {}
    likes: dict[bytes, bytes] = {}
    replaced: set[bytes] = set()
    waiting = [(tree, tuple(others))]
    while waiting:
        tree, here = waiting.pop()
        if tree in here or tree in trees or tree in done:
            continue
        trees[tree] = None
        difference = compare_trees(contents, tree, here)
        before = difference.read_replaced()
        replaced.update(line.raw_id for lines in before.values() for line in lines)
        for line in read_lines(difference.new):
            olds = before.get(line.name, ())
            for old in olds:
                if old.mode == line.mode:
                    likes[line.raw_id] = old.raw_id
            if line.mode == TREE_MODE:
                waiting.append((line.raw_id, pick_trees(olds)))
            elif line.mode != LINK_MODE:
                blobs[line.raw_id] = None
    return Brought(tuple(trees), tuple(blobs), tuple(likes.items()), tuple(replaced))
