"""Finding files in trees.

Invariants:
    1. Files come in the byte order of their full paths, which is Git's own order of trees.
    2. Every walk ends: a tree of a few small objects can name more files than any machine holds (each
       folder naming the next one many times over), so that a walk gives up at `FILES_MAX` files or at
       `DEPTH_MAX` folders.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from imprint.store.errors import LimitExceeded, ObjectMissing, PathMissing
from imprint.store.objects.codec import SUBMODULE_MODE, decode_root
from imprint.store.objects.ports import ObjectKind
from imprint.store.paths import quote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.objects.ports import Objects, TreeEntry

FILES_MAX: Final = 4_000_000
"""Several times the largest public source trees."""
DEPTH_MAX: Final = 2_048
"""Git's own default of core.maxTreeDepth (git-config(1))."""
LISTED_FILES_KEPT: Final = 500_000
"""Files that a `TreeListing` remembers over all trees: some 100 MiB."""

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


class TreeListing:
    """Lists trees and remembers them by id: the next commit costs only the folders that changed.

    Safe to share between threads.
    """

    def __init__(self, objects: Objects, files_kept: int = LISTED_FILES_KEPT) -> None:
        self._objects = objects
        self._files_kept = files_kept
        self._lock = threading.Lock()
        self._known: OrderedDict[ObjectId, tuple[ListedFile, ...]] = OrderedDict()
        self._count = 0

    def files(self, tree: ObjectId) -> tuple[ListedFile, ...]:
        """Every entry below a tree that is not a tree, in path order.

        Raises:
            ObjectMissing: a tree is not in the repository.
            LimitExceeded: the tree has more than `FILES_MAX` files or `DEPTH_MAX` nested folders.
        """
        listed: dict[ObjectId, tuple[ListedFile, ...]] = {}
        entries: dict[ObjectId, tuple[TreeEntry, ...]] = {}
        pending = [tree]
        while pending:
            current = pending[-1]
            if current not in listed and (known := self._find_known(current)) is not None:
                listed[current] = known
            if current in listed:
                pending.pop()
                continue
            if current not in entries:
                entries[current] = self._objects.read_tree(current)
            inner = [entry.id for entry in entries[current] if entry.is_tree and entry.id not in listed]
            if inner:
                pending += inner
                _check_depth(tree, len(entries))
            else:
                listed[current] = _join(tree, entries.pop(current), listed)
                self._remember(current, listed[current])
        return listed[tree]

    def _find_known(self, tree: ObjectId) -> tuple[ListedFile, ...] | None:
        with self._lock:
            known = self._known.get(tree)
            if known is not None:
                self._known.move_to_end(tree)
            return known

    def _remember(self, tree: ObjectId, files: tuple[ListedFile, ...]) -> None:
        with self._lock:
            if tree not in self._known:
                self._known[tree] = files
                self._count += len(files)
            while self._count > self._files_kept:
                self._count -= len(self._known.popitem(last=False)[1])


def _join(
    root: ObjectId, entries: tuple[TreeEntry, ...], listed: dict[ObjectId, tuple[ListedFile, ...]]
) -> tuple[ListedFile, ...]:
    """The files of a folder from those of the folders in it."""
    _check_count(root, sum(len(listed[entry.id]) if entry.is_tree else 1 for entry in entries))
    files: list[ListedFile] = []
    for entry in entries:
        if entry.is_tree:
            prefix = entry.name + b"/"
            files += [(prefix + path, file, mode) for path, file, mode in listed[entry.id]]
        else:
            files.append((entry.name, entry.id, entry.mode))
    return tuple(files)


def _check_count(tree: ObjectId, count: int) -> None:
    if count > FILES_MAX:
        raise LimitExceeded(f"tree {tree} names more than {FILES_MAX} files", limit="tree files")


def _check_depth(tree: ObjectId, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise LimitExceeded(f"tree {tree} nests more than {DEPTH_MAX} folders", limit="tree depth")
