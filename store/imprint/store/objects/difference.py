"""How two trees differ, found by reading only the folders in which they do.

Invariants:
    1. Equal ids are equal trees: what lies below them is not read.
    2. Every comparison ends: it gives up at a number of changes, at a number of folders and at `DEPTH_MAX`.
    3. Of an entry that is remembered there is no object that Python's collector goes through.
"""

from __future__ import annotations

import stat
import threading
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from imprint.store.errors import LimitExceeded, ObjectDamaged, ObjectMissing
from imprint.store.objects.codec import TREE_MODE, read_mode, split_tree
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.trees import DEPTH_MAX
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imprint.store.objects.codec import Line
    from imprint.store.objects.ports import Objects

ENTRIES_KEPT: Final = 100_000
"""Entries of trees that a `TreeReader` remembers: some 8 MB, and those of a tree of 80,000 files."""

_FOLDERS_COMPARED: Final = 16
"""By which it is told which of several trees is nearest: a few more cost more than a worse one does."""
_Difference: TypeAlias = tuple[bytes, ObjectId | None, ObjectId | None]
"""A name, and what either side has there."""


class FileChange(NamedTuple):
    """A path at which one tree has a regular file that the other has not, or has with another content."""

    path: bytes
    old: ObjectId | None
    new: ObjectId | None


class Folder(NamedTuple):
    """A tree, as it is remembered.

    Attributes:
        content: as it is written.
        marks: a number of each entry that another one hardly has; ascending.
        folders: the raw id of each tree in it, by name.
    """

    content: bytes
    marks: NDArray[np.int64]
    folders: dict[bytes, bytes]

    @classmethod
    def of(cls, tree: ObjectId, content: bytes) -> Folder:
        """Read a tree's content.

        Raises:
            ObjectDamaged: it does not parse.
        """
        lines = split_tree(tree, content)
        marks = np.unique(np.fromiter(map(hash, lines), np.int64, len(lines)))
        folders = {name: raw_id for mode, name, raw_id in lines if read_mode(mode) == TREE_MODE}
        return cls(content, marks, folders)


class TreeReader:
    """Reads trees and remembers the last ones. Safe to share between threads.

    What is remembered is answered for whichever object set asks: ids name contents.
    """

    def __init__(self, entries_kept: int = ENTRIES_KEPT) -> None:
        self._entries_kept = entries_kept
        self._lock = threading.Lock()
        self._known: OrderedDict[ObjectId, Folder] = OrderedDict()
        self._count = 0

    def read(self, objects: Objects, tree: ObjectId) -> Folder:
        """A tree.

        Raises:
            ObjectMissing: it is neither remembered nor in the repository.
            ObjectDamaged: it does not parse.
        """
        with self._lock:
            known = self._known.get(tree)
            if known is not None:
                self._known.move_to_end(tree)
                return known
        kind, content = objects.read_raw(tree)
        if kind is not ObjectKind.TREE:
            raise ObjectMissing(tree)
        found = Folder.of(tree, content)
        with self._lock:
            if tree not in self._known:
                self._known[tree] = found
                self._count += len(found.marks)
            while self._count > self._entries_kept and len(self._known) > 1:
                self._count -= len(self._known.popitem(last=False)[1].marks)
        return found


def estimate_difference(
    objects: Objects, reader: TreeReader, old: ObjectId, new: ObjectId, at_most: float = inf
) -> int:
    """How far two trees are apart, in no unit: entries that differ in the first folders in which any does.

    Folders are taken downwards before sideways and by name, so that of several trees the same ones are taken.
    Where it is more than `at_most`, any such number is told.

    Raises:
        ObjectMissing: a tree is not in the repository.
        ObjectDamaged: a tree does not parse.
    """
    pending, count = [(old, new)], 0
    for _ in range(_FOLDERS_COMPARED):
        if not pending or count > at_most:
            break
        before, after = pending.pop()
        one, other = reader.read(objects, before), reader.read(objects, after)
        count += len(np.setxor1d(one.marks, other.marks, assume_unique=True))
        pending += [
            (ObjectId(one.folders[name].hex()), ObjectId(other.folders[name].hex()))
            for name in sorted(one.folders.keys() & other.folders.keys())
            if one.folders[name] != other.folders[name]
        ]
    return count


def find_changes(
    objects: Objects, reader: TreeReader, old: ObjectId, new: ObjectId, at_most: int
) -> list[FileChange]:
    """The regular files in which two trees differ, in path order.

    A file is a change only where its content differs, or where there is a regular file on one side alone.

    Raises:
        ObjectMissing: a tree is not in the repository.
        ObjectDamaged: a tree does not parse, or has a name twice.
        LimitExceeded: they differ in more than `at_most` files, or in as many folders.
    """
    changes: list[FileChange] = []
    pending: list[tuple[bytes, ObjectId | None, ObjectId | None]] = [(b"", old, new)]
    folders = 0
    while pending:
        prefix, before, after = pending.pop()
        folders += 1
        if folders > at_most + 1 or prefix.count(b"/") > DEPTH_MAX:
            raise LimitExceeded(f"trees {old} and {new} differ in very many folders", limit="tree changes")
        was, now = _find_differing(objects, reader, before, after)
        inner = _pair(was.folders, now.folders)
        pending += [(prefix + name + b"/", one, other) for name, one, other in inner]
        held = _pair(was.files, now.files)
        changes += [FileChange(prefix + name, one, other) for name, one, other in held]
        if len(changes) > at_most:
            raise LimitExceeded(f"trees {old} and {new} differ in very many files", limit="tree changes")
    return sorted(changes, key=lambda change: change.path)


class _Side(NamedTuple):
    """What one of two folders has that the other has not, or has otherwise: raw ids by name."""

    folders: dict[bytes, bytes]
    files: dict[bytes, bytes]


def _pair(was: dict[bytes, bytes], now: dict[bytes, bytes]) -> list[_Difference]:
    """The names at which two sides differ, and what either has there."""
    pairs = ((name, was.get(name), now.get(name)) for name in was.keys() | now.keys())
    return [
        (name, ObjectId(old.hex()) if old else None, ObjectId(new.hex()) if new else None)
        for name, old, new in pairs
        if old != new
    ]


def _find_differing(
    objects: Objects, reader: TreeReader, before: ObjectId | None, after: ObjectId | None
) -> tuple[_Side, _Side]:
    """What each of two folders has that the other has not."""
    one, other = (_list_entries(objects, reader, tree) if tree else set() for tree in (before, after))
    return _sort(one - other, before), _sort(other - one, after)


def _list_entries(objects: Objects, reader: TreeReader, tree: ObjectId) -> set[Line]:
    return set(split_tree(tree, reader.read(objects, tree).content))


def _sort(lines: set[Line], tree: ObjectId | None) -> _Side:
    if tree and len({name for _, name, _ in lines}) < len(lines):
        raise ObjectDamaged(tree, "it has a name twice")
    side = _Side({}, {})
    for mode, name, raw_id in lines:
        kind = read_mode(mode)
        if kind == TREE_MODE:
            side.folders[name] = raw_id
        elif stat.S_ISREG(kind):
            side.files[name] = raw_id
    return side
