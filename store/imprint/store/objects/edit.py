"""A tree with some files changed, without a work tree: only the folders on the way are read and written.

Invariants:
    1. Nothing is written through what is no folder: a file, a symbolic link or a submodule.
    2. A folder without entries is no entry, as in git's index.
    3. Of a folder that changes, other entries are copied as they are written, but for modes of old tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadPath, ObjectDamaged, ObjectMissing, PathMissing
from imprint.store.objects.codec import (
    SUBMODULE_MODE,
    SYMLINK_MODE,
    TREE_MODE,
    join_tree,
    object_id,
    read_mode,
    split_again,
)
from imprint.store.objects.ports import ObjectKind, TreeEntry
from imprint.store.paths import quote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.objects.codec import Line
    from imprint.store.objects.ports import Objects

_USUAL_DIGITS: Final = frozenset({b"100644", b"100755", b"120000", b"40000", b"160000"})


class TreeEditor:
    """Collects changes to a tree. Used by one thread.

    Args:
        objects: where the tree is read from.
        tree: what to begin with; None for an empty tree.
    """

    def __init__(self, objects: Objects, tree: ObjectId | None) -> None:
        self._objects = objects
        self._folders: dict[bytes, dict[bytes, Line]] = {b"": self._read(tree)}
        self._changed: set[bytes] = set()
        self._blobs: dict[ObjectId, bytes] = {}

    def remove(self, path: bytes) -> None:
        """Take a file, link or submodule away; and the folder, when it was the last in it.

        Raises:
            PathMissing: nothing is there.
            BadPath: a folder is there.
        """
        folder, _, name = path.rpartition(b"/")
        entries = self._find_folder(folder)
        entry = _get(entries, name)
        if path in self._folders or (entry is not None and entry.is_tree):
            raise BadPath(f"{quote_path(path)} is a folder", hint="delete its files; it goes with the last")
        if entries is None or entry is None:
            raise PathMissing(f"there is no file {quote_path(path)} to delete")
        del entries[name]
        self._note_change(self._prune(folder))

    def put(self, path: bytes, content: bytes, mode: int) -> None:
        """Write a file or link.

        Raises:
            BadPath: a folder or submodule is there, a link is there and `mode` is no link's, or what is on
                the way is no folder.
        """
        folder, _, name = path.rpartition(b"/")
        entries = self._make_folder(folder)
        entry = _get(entries, name)
        if path in self._folders:
            raise BadPath(f"{quote_path(path)} is a folder", hint="write to another path")
        if entry is not None and (fault := _find_obstacle(entry, mode)):
            raise BadPath(f"{quote_path(path)} is {fault}", hint="delete it first, or write to another path")
        blob = object_id(ObjectKind.BLOB, content, self._objects.algorithm)
        if entry is None or (entry.id, entry.mode) != (blob, mode):
            self._blobs[blob] = content
            entries[name] = _write(name, mode, blob)
            self._note_change(folder)

    def find_mode(self, path: bytes) -> int | None:
        """The mode of what is at a path now; None for nothing or a folder."""
        folder, _, name = path.rpartition(b"/")
        entry = _get(self._find_folder(folder), name)
        return entry.mode if entry is not None and not entry.is_tree else None

    def finish(self) -> tuple[ObjectId, list[tuple[ObjectId, ObjectKind, bytes]]]:
        """The id of the changed tree, and every object that it needs beyond those of the old one."""
        new = [(blob, ObjectKind.BLOB, content) for blob, content in self._blobs.items()]
        for path in sorted(self._changed - {b""}, key=lambda path: path.count(b"/"), reverse=True):
            parent, _, name = path.rpartition(b"/")
            new.append(self._join(path))
            self._folders[parent][name] = _write(name, TREE_MODE, new[-1][0])
        new.append(self._join(b""))
        return new[-1][0], new

    def _join(self, path: bytes) -> tuple[ObjectId, ObjectKind, bytes]:
        content = join_tree(self._folders[path].values())
        return object_id(ObjectKind.TREE, content, self._objects.algorithm), ObjectKind.TREE, content

    def _read(self, tree: ObjectId | None) -> dict[bytes, Line]:
        if tree is None:
            return {}
        kind, content = self._objects.read_raw(tree)
        if kind is not ObjectKind.TREE:
            raise ObjectMissing(tree)
        lines = split_again(content, tree.algorithm)
        if lines is None:
            raise ObjectDamaged(tree, "a tree entry is cut off or does not parse")
        if _USUAL_DIGITS.issuperset([mode for mode, _, _ in lines]):
            return {line[1]: line for line in lines}
        return {
            name: (mode if mode in _USUAL_DIGITS else b"%o" % read_mode(mode), name, raw_id)
            for mode, name, raw_id in lines
        }

    def _find_folder(self, path: bytes) -> dict[bytes, Line] | None:
        """The entries of a folder; None if there is no such folder."""
        return self._open(path, make=False)

    def _make_folder(self, path: bytes) -> dict[bytes, Line]:
        """The entries of a folder, made if absent."""
        entries = self._open(path, make=True)
        assert entries is not None  # noqa: S101 - it was made
        return entries

    def _open(self, path: bytes, *, make: bool) -> dict[bytes, Line] | None:
        entries = self._folders[b""]
        at = b""
        for name in path.split(b"/") if path else ():
            at = at + b"/" + name if at else name
            if at not in self._folders:
                entry = _get(entries, name)
                if entry is None and not make:
                    return None
                if entry is not None and not entry.is_tree:
                    if not make:
                        return None
                    raise BadPath(
                        f"{quote_path(at)} is {_describe(entry)}, not a folder", hint="write to another path"
                    )
                self._folders[at] = self._read(entry.id if entry else None)
            entries = self._folders[at]
        return entries

    def _prune(self, folder: bytes) -> bytes:
        """Take away a folder that has become empty, and those around it; the first one that stays."""
        while folder and not self._folders[folder]:
            del self._folders[folder]
            self._changed.discard(folder)
            folder, _, name = folder.rpartition(b"/")
            self._folders[folder].pop(name, None)
        return folder

    def _note_change(self, folder: bytes) -> None:
        """Remember that a folder, and with it every one around it, has another id."""
        while folder not in self._changed:
            self._changed.add(folder)
            folder = folder.rpartition(b"/")[0]


def _get(entries: Mapping[bytes, Line] | None, name: bytes) -> TreeEntry | None:
    line = entries.get(name) if entries is not None else None
    return TreeEntry(name, read_mode(line[0]), ObjectId(line[2].hex())) if line else None


def _write(name: bytes, mode: int, object_id: ObjectId) -> Line:
    return b"%o" % mode, name, bytes.fromhex(object_id)


def _find_obstacle(entry: TreeEntry, mode: int) -> str | None:
    """Why the entry must not be replaced by a file of this mode."""
    if entry.is_tree or entry.mode == SUBMODULE_MODE or (entry.mode == SYMLINK_MODE != mode):
        return _describe(entry)
    return None


def _describe(entry: TreeEntry) -> str:
    if entry.is_tree:
        return "a folder"
    names = {SUBMODULE_MODE: "a submodule", SYMLINK_MODE: "a symbolic link"}
    return names.get(entry.mode, "a file")
