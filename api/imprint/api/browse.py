"""Looking around in a commit: its folders and files, for REST and for pages alike."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imprint.store.errors import PathMissing
from imprint.store.objects.trees import find_entry
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.objects.ports import TreeEntry
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

EntryKind = Literal["file", "folder", "link", "submodule"]
_SUBMODULE: Final = 0o160000
_SNIFFED_BYTES: Final = 8000
"""How far Git looks for a NUL to tell a binary file (buffer_is_binary in xdiff-interface.c)."""
_PIECE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file of a commit. The content of a link is its target.

    Attributes:
        entry: the file's entry.
        size_bytes: how large it is.
        content: what is in it; of a file larger than was asked for, only the start.
    """

    entry: TreeEntry
    size_bytes: int
    content: bytes

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read."""
        return len(self.content) == self.size_bytes

    @property
    def is_binary(self) -> bool:
        """Whether Git would call it binary."""
        return b"\0" in self.content[:_SNIFFED_BYTES]


def kind_of(entry: TreeEntry) -> EntryKind:
    """What an entry is, in a word."""
    if entry.is_tree:
        return "folder"
    if entry.mode == _SUBMODULE:
        return "submodule"
    return "link" if stat.S_ISLNK(entry.mode) else "file"


def list_folder(view: RepositoryView, commit: ObjectId, path: bytes) -> tuple[TreeEntry, ...]:
    """The entries of a folder in Git's order; the empty path is the root.

    Raises:
        PathMissing: nothing is there, or no folder.
    """
    tree = view.objects.read_commit(commit).tree
    path = path.strip(b"/")
    if path:
        entry = find_entry(view.objects, tree, path)
        if entry is None or not entry.is_tree:
            raise PathMissing(f"no folder {quote_path(path)} in {commit[:12]}")
        tree = entry.id
    return view.objects.read_tree(tree)


def find_file(view: RepositoryView, commit: ObjectId, path: bytes) -> TreeEntry | None:
    """The entry of a file or link; None if nothing is there, or something else."""
    entry = find_entry(view.objects, view.objects.read_commit(commit).tree, path)
    return entry if entry is not None and kind_of(entry) in {"file", "link"} else None


def open_file(view: RepositoryView, commit: ObjectId, path: bytes, bytes_max: int) -> OpenedFile:
    """A file or link with its content; of one larger than `bytes_max`, the first bytes only.

    Raises:
        PathMissing: nothing is there, or no file.
    """
    entry = find_file(view, commit, path)
    if entry is None:
        raise PathMissing(f"no file {quote_path(path)} in {commit[:12]}")
    size_bytes = view.objects.find_size(entry.id)
    if size_bytes is None or size_bytes <= bytes_max:
        content = view.objects.read_blob(entry.id)
        return OpenedFile(entry, len(content), content)
    with view.plumbing.stream("cat-file", "blob", entry.id) as process:
        return OpenedFile(entry, size_bytes, process.stdout.read(_SNIFFED_BYTES))


def iter_file(view: RepositoryView, opened: OpenedFile) -> Iterator[bytes]:
    """The content of a file in pieces, however large it is."""
    with view.plumbing.stream("cat-file", "blob", opened.entry.id) as process:
        while piece := process.stdout.read1(_PIECE_BYTES):  # type: ignore[attr-defined]  # a pipe is buffered
            yield piece
        process.finish()
