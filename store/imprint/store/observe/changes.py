"""What commits added, as the matching wants it: whole files with the places of their added lines.

Invariants:
    1. A merge added the lines that none of its parents has.
    2. Binary files, submodules and files above `FILE_BYTES_MAX` are left out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from imprint.store.history.absent import iter_present
from imprint.store.history.blame import is_binary
from imprint.store.history.patches import iter_patches
from imprint.store.history.reading import isolated, iter_tree_pairs
from imprint.store.objects.codec import SUBMODULE_MODE
from imprint.store.objects.trees import find_entry
from imprint.store.observe.model import AddedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.history.patches import FilePatch
    from imprint.store.objects.ports import Commit
    from imprint.store.view import RepositoryView

FILE_BYTES_MAX: Final = 4 * 1024**2
"""Larger files are data, and are matched with nothing."""
LINES_MAX: Final = 200_000
"""Changed lines of one commit that are looked at."""


def iter_added_files(
    view: RepositoryView, commits: Sequence[Commit]
) -> Iterator[tuple[Commit, list[tuple[bytes, AddedFile]]]]:
    """What each commit added, in order: Git's path and the file; nothing where files of it are absent."""
    pairs = [list(iter_tree_pairs(view, commit)) for commit in commits]
    with isolated(view) as plumbing:
        every = [pair for part in pairs for pair in part]
        patches = iter_present(plumbing, view.objects, every, partial(iter_patches, lines_max=LINES_MAX))
        for commit, part in zip(commits, pairs, strict=True):
            of_parents = [next(patches) for _ in part]
            there = [patch for patch in of_parents if patch is not None]
            yield commit, list(_iter_files(view, commit, there)) if len(there) == len(part) else []


def _iter_files(
    view: RepositoryView, commit: Commit, patches: Sequence[list[FilePatch]]
) -> Iterator[tuple[bytes, AddedFile]]:
    others = [{file.path: _list_added(file) for file in patch} for patch in patches[1:]]
    for file in patches[0]:
        added = _list_added(file)
        for other in others:
            added &= other.get(file.path, set())
        content = _read_text(view, commit, file.path) if added else None
        if content is None:
            continue
        lines = content.decode("utf-8", "replace").split("\n")
        removed = frozenset(
            line.decode("utf-8", "replace").removesuffix("\n") for hunk in file.hunks for line in hunk.removed
        )
        old_path = _decode(file.old_path) if file.old_path != file.path else None
        ranges = tuple(_join(sorted(added)))
        yield file.path, AddedFile(_decode(file.path), tuple(lines), ranges, old_path, removed)


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _list_added(file: FilePatch) -> set[int]:
    return {line for hunk in file.hunks for line in range(hunk.new_start, hunk.new_start + len(hunk.added))}


def _join(lines: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = None
    for at, line in enumerate(lines):
        start = line if start is None else start
        if at + 1 == len(lines) or lines[at + 1] != line + 1:
            yield start, line
            start = None


def _read_text(view: RepositoryView, commit: Commit, path: bytes) -> bytes | None:
    entry = find_entry(view.objects, commit.tree, path)
    if entry is None or entry.mode == SUBMODULE_MODE:
        return None
    if (view.objects.find_size(entry.id) or 0) > FILE_BYTES_MAX:
        return None
    content = view.objects.read_blob(entry.id)
    return None if is_binary(content) else content
