"""What commits changed, line by line, read in bulk: removed and added lines of every file, without context.

Invariants:
    1. The number of processes does not grow with the number of patches.
    2. A patch says the same for a hosted repository and for a clone of it; see `reading.isolated`.
    3. Memory is bounded by the largest patch, of which no more than `lines_max` lines are kept.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from imprint.store.history.reading import read_quoted
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.plumbing import GitProcess, Plumbing
    from imprint.store.view import RepositoryView

_HUNK: Final = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_PAIR: Final = re.compile(rb"(?:[0-9a-f]{40} [0-9a-f]{40}|[0-9a-f]{64} [0-9a-f]{64})\n\Z")
_OPTIONS: Final = (
    "--stdin", "-r", "-p", "-U0", "-M", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv",
    "--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
_PAIRS_AT_ONCE: Final = 400
"""Pairs given to git before its answers are read: what fits into a pipe."""
_MARK: Final = b"=end\n"
"""Git gives back a line that names no objects, and with it all that it has said so far."""


def list_parents_first(
    view: RepositoryView, tips: Iterable[ObjectId], excluded: Iterable[ObjectId] = ()
) -> list[ObjectId]:
    """Commits reachable from `tips` and not from `excluded`, every parent before its children.

    Unknown ids are passed over; the order by time, which is quicker, would put parents of wrong clocks last.
    """
    given = "".join([*(f"{tip}\n" for tip in tips), *(f"^{commit}\n" for commit in excluded)])
    if not given:
        return []
    options = ("--topo-order", "--reverse", "--ignore-missing", "--stdin")
    out = view.plumbing.run("rev-list", *options, stdin=given.encode())
    return [ObjectId(line) for line in out.decode("ascii").split()]


@dataclass(slots=True)
class Hunk:
    """Consecutive lines that were replaced: where they stood and what they were, line feeds included.

    Attributes:
        old_start, new_start: number of the first removed and of the first added line.
        removed, added: the lines.
    """

    old_start: int
    new_start: int
    removed: list[bytes] = field(default_factory=list)
    added: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class FilePatch:
    """What happened to one file.

    Attributes:
        old_path: its path before; of a new file the new one.
        path: its path after; of a deleted file the old one.
        hunks: what was replaced, in order.
        blobs: for a binary file, git's names of what it was and became; empty for text.
    """

    old_path: bytes
    path: bytes
    hunks: list[Hunk] = field(default_factory=list)
    blobs: bytes = b""


def iter_patches(
    plumbing: Plumbing, pairs: Sequence[tuple[ObjectId, ObjectId]], lines_max: int
) -> Iterator[list[FilePatch]]:
    """The difference of each pair of trees, in order, renames followed, through one process.

    Args:
        plumbing: an isolated git.
        pairs: trees, old and new.
        lines_max: of each patch so many lines are kept; the ones after are passed over.
    """
    if not pairs:
        return
    with plumbing.stream("diff-tree", *_OPTIONS) as git:
        reader = _Reader(git, lines_max)
        for at in range(0, len(pairs), _PAIRS_AT_ONCE):
            part = [f"{old} {new}\n" for old, new in pairs[at : at + _PAIRS_AT_ONCE]]
            with suppress(BrokenPipeError):  # it has ended, and its status says why
                git.stdin.write("".join([*part, _MARK.decode()]).encode())
                git.stdin.flush()
            yield from reader.iter_part()
            if not reader.is_marked:
                break
        git.stdin.close()
        git.finish()


class _Reader:
    """Reads the answers to one part of the pairs."""

    def __init__(self, git: GitProcess, lines_max: int) -> None:
        self._out: IO[bytes] = git.stdout
        self._lines_max = lines_max
        self._left = 0
        self.is_marked = False

    def iter_part(self) -> Iterator[list[FilePatch]]:
        """The patches up to the mark; `is_marked` tells whether it came."""
        self.is_marked = False
        patch: list[FilePatch] | None = None
        names: list[bytes] = []
        for line in self._out:
            if line == _MARK or _PAIR.match(line):
                if patch is not None:
                    yield patch
                patch, self._left = [], self._lines_max
                if line == _MARK:
                    self.is_marked = True
                    return
            elif patch is not None and line.startswith(b"diff --git "):
                names = []
                patch.append(FilePatch(*_read_same_name(line)))
            elif patch:
                self._read_header(line, patch[-1], names)

    def _read_header(self, line: bytes, file: FilePatch, names: list[bytes]) -> None:
        if hunk := _HUNK.match(line):
            self._read_hunk(file, hunk)
        elif line.startswith(b"index "):
            names.append(line)
        elif line.startswith(b"--- ") and line != b"--- /dev/null\n":
            file.old_path = _read_path(line, b"a/")
        elif line.startswith(b"+++ ") and line != b"+++ /dev/null\n":
            file.path = _read_path(line, b"b/")
        elif line.startswith(b"rename from "):
            file.old_path = read_quoted(line[12:].removesuffix(b"\n"))
        elif line.startswith(b"rename to "):
            file.path = read_quoted(line[10:].removesuffix(b"\n"))
        elif line.startswith(b"Binary files ") and names:
            file.blobs = names[-1].split(b" ")[1].strip()

    def _read_hunk(self, file: FilePatch, header: re.Match[bytes]) -> None:
        removed, added = int(header[2] or 1), int(header[4] or 1)
        hunk = Hunk(int(header[1]), int(header[3]))
        while removed + added and (line := self._out.readline()):
            if line.startswith(b"\\"):
                continue
            kept = self._left > 0
            self._left -= 1
            if line.startswith(b"-"):
                removed -= 1
                if kept:
                    hunk.removed.append(line[1:])
            else:
                added -= 1
                if kept:
                    hunk.added.append(line[1:])
        if hunk.removed or hunk.added:
            file.hunks.append(hunk)


def _read_same_name(line: bytes) -> tuple[bytes, bytes]:
    """Both paths of `diff --git a/P b/P`, which say enough where nothing else in the header does."""
    text = line[len(b"diff --git ") :].removesuffix(b"\n")
    if text.startswith(b'"'):
        half = text[: len(text) // 2]
        path = read_quoted(half).removeprefix(b"a/")
    else:
        path = text[: (len(text) - 1) // 2].removeprefix(b"a/")
    return path, path


def _read_path(line: bytes, prefix: bytes) -> bytes:
    return read_quoted(line[4:].removesuffix(b"\n").removesuffix(b"\t")).removeprefix(prefix)
