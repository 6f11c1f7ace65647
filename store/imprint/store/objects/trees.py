"""Finding files in trees.

Invariants:
    1. Files come in the byte order of their full paths, which is Git's own order of trees.
    2. Every walk ends: a tree of a few small objects can name more files than any machine holds (each
       folder naming the next one many times over), so that a walk gives up at `FILES_MAX` files or at
       `DEPTH_MAX` folders.
    3. What is remembered of a folder is three strings of bytes, however many files it has: Python's collector
       goes through every object that refers to others, for longer than a question may take.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from imprint.store.errors import LimitExceeded, ObjectMissing, PathMissing
from imprint.store.objects.codec import (
    EXECUTABLE_MODE,
    FILE_MODE,
    SUBMODULE_MODE,
    SYMLINK_MODE,
    TREE_MODE,
    decode_root,
    read_mode,
    split_tree,
)
from imprint.store.objects.ports import ObjectKind
from imprint.store.paths import quote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.objects.codec import Line
    from imprint.store.objects.ports import Objects, TreeEntry

FILES_MAX: Final = 4_000_000
"""Several times the largest public source trees."""
DEPTH_MAX: Final = 2_048
"""Git's own default of core.maxTreeDepth (git-config(1))."""
LISTED_FILES_KEPT: Final = 500_000
"""Files that a `TreeListing` remembers over all trees: some 30 MiB."""
_MODES: Final = (FILE_MODE, EXECUTABLE_MODE, SYMLINK_MODE, SUBMODULE_MODE)
_MODE_BYTES: Final = {mode: bytes([place]) for place, mode in enumerate(_MODES)}

ListedFile: TypeAlias = tuple[bytes, ObjectId, int]
"""Path, id and mode of an entry that is not a tree."""


class HasObjects(Protocol):
    """What a file is read from: a `RepositoryView` above all."""

    @property
    def objects(self) -> Objects:
        """Where commits, trees and contents are."""
        ...


def read_root(objects: Objects, commit: ObjectId) -> ObjectId:
    """The tree of a commit, where nothing else of it is asked for.

    Raises:
        ObjectMissing: there is no such commit.
        ObjectDamaged: it names no tree.
    """
    kind, content = objects.read_raw(commit)
    if kind is not ObjectKind.COMMIT:
        raise ObjectMissing(commit)
    return decode_root(commit, content)


def find_entry(objects: Objects, tree: ObjectId, path: bytes) -> TreeEntry | None:
    """The entry at a path below a tree; None if there is none.

    Raises:
        ObjectMissing: a tree on the way is not in the repository.
    """
    entry = None
    for name in path.split(b"/"):
        if entry is not None:
            if not entry.is_tree:
                return None
            tree = entry.id
        entry = next((found for found in objects.read_tree(tree) if found.name == name), None)
        if entry is None:
            return None
    return entry


def iter_files(objects: Objects, tree: ObjectId) -> Iterator[tuple[bytes, TreeEntry]]:
    """Every entry that is not a tree, with its full path, in path order. Submodules and links are included.

    Raises:
        ObjectMissing: a tree is not in the repository.
        LimitExceeded: the tree has more than `FILES_MAX` files or `DEPTH_MAX` nested folders.
    """
    folders = [(b"", iter(objects.read_tree(tree)))]
    count = 0
    while folders:
        prefix, entries = folders[-1]
        entry = next(entries, None)
        if entry is None:
            folders.pop()
        elif entry.is_tree:
            folders.append((prefix + entry.name + b"/", iter(objects.read_tree(entry.id))))
            _check_depth(tree, len(folders))
        else:
            count += 1
            _check_count(tree, count)
            yield prefix + entry.name, entry


def read_file(view: HasObjects, commit: ObjectId, path: bytes) -> bytes:
    """The content of a file at a commit; for a symbolic link, its target.

    Raises:
        PathMissing: the commit has no file there.
        ObjectMissing: the commit, a tree or the content is not in the repository.
    """
    entry = find_entry(view.objects, view.objects.read_commit(commit).tree, path)
    if entry is None:
        raise PathMissing(f"no file {quote_path(path)} at commit {commit[:12]}")
    if entry.is_tree:
        raise PathMissing(f"{quote_path(path)} is a folder at commit {commit[:12]}", hint="name a file in it")
    if entry.mode == SUBMODULE_MODE:
        raise PathMissing(
            f"{quote_path(path)} is a submodule at commit {commit[:12]}",
            hint="ask in the submodule's repository",
        )
    return view.objects.read_blob(entry.id)


class _Files(NamedTuple):
    """The entries below a folder that are no trees.

    Attributes:
        paths: their paths in order, a zero byte after each: no path holds one.
        ids: their raw ids.
        modes: a byte each: where its mode stands among `_MODES`.
    """

    paths: bytes
    ids: bytes
    modes: bytes

    def below(self, name: bytes) -> bytes:
        """The paths as seen from the folder in which this one has a name."""
        prefix = name + b"/"
        return prefix + self.paths[:-1].replace(b"\0", b"\0" + prefix) + b"\0" if self.paths else b""

    def unpack(self) -> tuple[ListedFile, ...]:
        """Each of them."""
        width = 2 * len(self.ids) // max(len(self.modes), 1)
        text = self.ids.hex()
        ids = [ObjectId(text[begin : begin + width]) for begin in range(0, len(text), max(width, 1))]
        return tuple(zip(self.paths.split(b"\0")[:-1], ids, map(_MODES.__getitem__, self.modes), strict=True))


class TreeListing:
    """Lists trees and remembers them by id: the next commit costs only the folders that changed.

    Safe to share between threads.
    """

    def __init__(self, objects: Objects, files_kept: int = LISTED_FILES_KEPT) -> None:
        self._objects = objects
        self._files_kept = files_kept
        self._lock = threading.Lock()
        self._known: OrderedDict[ObjectId, _Files] = OrderedDict()
        self._count = 0

    def files(self, tree: ObjectId) -> tuple[ListedFile, ...]:
        """Every entry below a tree that is not a tree, in path order.

        Raises:
            ObjectMissing: a tree is not in the repository.
            LimitExceeded: the tree has more than `FILES_MAX` files or `DEPTH_MAX` nested folders.
        """
        listed: dict[ObjectId, _Files] = {}
        folders: dict[ObjectId, list[Line]] = {}
        pending = [tree]
        while pending:
            current = pending[-1]
            if current not in listed and (known := self._find_known(current)) is not None:
                listed[current] = known
            if current in listed:
                pending.pop()
                continue
            if current not in folders:
                folders[current] = self._read(current)
            named = (ObjectId(raw_id.hex()) for mode, _, raw_id in folders[current] if _is_tree(mode))
            inner = [folder for folder in named if folder not in listed]
            if inner:
                pending += inner
                _check_depth(tree, len(folders))
            else:
                listed[current] = _join(tree, folders.pop(current), listed)
                self._remember(current, listed[current])
        return listed[tree].unpack()

    def _read(self, tree: ObjectId) -> list[Line]:
        kind, content = self._objects.read_raw(tree)
        if kind is not ObjectKind.TREE:
            raise ObjectMissing(tree)
        return split_tree(tree, content)

    def _find_known(self, tree: ObjectId) -> _Files | None:
        with self._lock:
            known = self._known.get(tree)
            if known is not None:
                self._known.move_to_end(tree)
            return known

    def _remember(self, tree: ObjectId, files: _Files) -> None:
        with self._lock:
            if tree not in self._known:
                self._known[tree] = files
                self._count += len(files.modes)
            while self._count > self._files_kept:
                self._count -= len(self._known.popitem(last=False)[1].modes)


def _is_tree(mode: bytes) -> bool:
    return read_mode(mode) == TREE_MODE


def _join(root: ObjectId, lines: list[Line], listed: dict[ObjectId, _Files]) -> _Files:
    """The files of a folder from those of the folders in it."""
    paths, ids, modes = [], [], []
    count = 0
    for mode, name, raw_id in lines:
        if _is_tree(mode):
            inner = listed[ObjectId(raw_id.hex())]
            count += len(inner.modes)
            _check_count(root, count)
            paths.append(inner.below(name))
            ids.append(inner.ids)
            modes.append(inner.modes)
        else:
            count += 1
            paths.append(name + b"\0")
            ids.append(raw_id)
            modes.append(_MODE_BYTES[read_mode(mode)])
    _check_count(root, count)
    return _Files(b"".join(paths), b"".join(ids), b"".join(modes))


def _check_count(tree: ObjectId, count: int) -> None:
    if count > FILES_MAX:
        raise LimitExceeded(f"tree {tree} names more than {FILES_MAX} files", limit="tree files")


def _check_depth(tree: ObjectId, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise LimitExceeded(f"tree {tree} nests more than {DEPTH_MAX} folders", limit="tree depth")
