"""Where each line of a file came from, as git blame answers it by default, and what kinds of lines count.

A text line is what `git diff --numstat` counts between the empty tree and a commit where no attribute has a
say: the lines of every file that has no NUL among its first 8,000 bytes, a last line without line feed
included; one line for a symbolic link's target and for a submodule's id.

Invariants:
    1. Origins are git's own: this module starts `git blame` and reads what it prints.
    2. A file's spans cover its lines from 1 to the last, in order, with no gap.
    3. `unpack_spans(pack_spans(spans)) == spans`.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PathMissing, PlumbingFailed
from imprint.store.history.reading import isolated, read_quoted
from imprint.store.objects.codec import SUBMODULE_MODE
from imprint.store.objects.trees import find_entry
from imprint.store.paths import quote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.plumbing import Plumbing
    from imprint.store.view import RepositoryView

_BINARY_LOOK_BYTES: Final = 8000
"""How far git looks for a NUL (buffer_is_binary in xdiff-interface.c)."""
_READ_WHOLE_BYTES_MAX: Final = 1024**2
_BIG_FILE_BYTES: Final = 512 * 1024**2
"""core.bigFileThreshold's default: git takes larger files for binary without looking."""


@dataclass(frozen=True, slots=True)
class LineOrigin:
    """Where one line came from.

    Attributes:
        line: its number in the file asked about.
        commit: the commit that added it.
        path: the file's path in that commit.
        original_line: its number there.
        text: its bytes, without the line feed.
    """

    line: int
    commit: ObjectId
    path: bytes
    original_line: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive lines that came together: `count` lines from `original_line` of `path` in `commit`."""

    commit: ObjectId
    path: bytes
    original_line: int
    count: int


def line_origins(view: RepositoryView, commit: ObjectId, path: bytes) -> list[LineOrigin]:
    """The origin of every line of a file, in order; none for an empty file.

    Raises:
        PathMissing: the commit has no file at the path.
    """
    _find_file(view, commit, path)
    with isolated(view) as plumbing:
        return list(_iter_origins(_run_blame(plumbing, commit, path)))


def line_origin(view: RepositoryView, commit: ObjectId, path: bytes, line: int) -> LineOrigin:
    """The origin of one line; quicker than asking for all.

    Raises:
        PathMissing: the commit has no file at the path, or the file has no such line.
    """
    content = view.objects.read_blob(_find_file(view, commit, path))
    count = count_lines(content)
    if not 1 <= line <= count:
        raise PathMissing(
            f"{quote_path(path)} has no line {line} in {commit}",
            hint=f"it has {count} {'line' if count == 1 else 'lines'}, counted from 1",
        )
    with isolated(view) as plumbing:
        return next(_iter_origins(_run_blame(plumbing, commit, path, f"-L{line},{line}")))


def _find_file(view: RepositoryView, commit: ObjectId, path: bytes) -> ObjectId:
    entry = find_entry(view.objects, view.objects.read_commit(commit).tree, path)
    if entry is None or entry.is_tree or entry.mode == SUBMODULE_MODE:
        what = "no file" if entry is None else "a folder" if entry.is_tree else "a submodule"
        raise PathMissing(f"{what} at {quote_path(path)} in {commit}", hint="lines belong to files")
    return entry.id


def index_changed_paths(plumbing: Plumbing, commit: ObjectId) -> None:
    """Make every later blame from `commit` about three times quicker, with the same answers.

    Git then knows for most commits, without reading their trees, that they left a path alone
    (gitformat-commit-graph(5)). Git makes none for a shallow clone; where it cannot, blame does without.

    Args:
        plumbing: an isolated git; the index goes with it.
        commit: from where blame will start.
    """
    given = f"{commit}\n".encode()
    with suppress(PlumbingFailed):
        plumbing.run(
            "commit-graph", "write", "--stdin-commits", "--changed-paths", "--no-progress", stdin=given
        )


def blame_spans(plumbing: Plumbing, commit: ObjectId, path: bytes, mode: int) -> list[Span]:
    """The origins of a file's lines as spans; of a submodule, the commit that set it.

    Args:
        plumbing: an isolated git.
        commit: the commit that holds the file.
        path: where; it must exist.
        mode: the tree entry's.
    """
    if mode == SUBMODULE_MODE:
        return [Span(_find_last_change(plumbing, commit, path), path, 1, 1)]
    return list(_iter_spans(_iter_origins(_run_blame(plumbing, commit, path))))


def _run_blame(plumbing: Plumbing, commit: ObjectId, path: bytes, *options: str) -> bytes:
    return plumbing.run("blame", "--porcelain", "--no-textconv", *options, commit, "--", os.fsdecode(path))


def _find_last_change(plumbing: Plumbing, commit: ObjectId, path: bytes) -> ObjectId:
    found = plumbing.run("rev-list", "-1", commit, "--", f":(literal,top){os.fsdecode(path)}")
    return ObjectId(found.decode("ascii").strip())


def _iter_origins(porcelain: bytes) -> Iterator[LineOrigin]:
    """Read git-blame(1)'s porcelain format: a header, facts where they are new, then a tab and the text."""
    paths: dict[bytes, bytes] = {}
    header: list[bytes] = []
    for line in porcelain.split(b"\n")[:-1]:
        if line.startswith(b"\t"):
            commit, original_line, number = header[:3]
            yield LineOrigin(
                int(number), ObjectId(commit.decode("ascii")), paths[commit], int(original_line), line[1:]
            )
            header = []
        elif not header:
            header = line.split(b" ")
        elif line.startswith(b"filename "):
            paths[header[0]] = read_quoted(line.removeprefix(b"filename "))


def _iter_spans(origins: Iterable[LineOrigin]) -> Iterator[Span]:
    pending: Span | None = None
    for origin in origins:
        if (
            pending
            and (pending.commit, pending.path) == (origin.commit, origin.path)
            and pending.original_line + pending.count == origin.original_line
        ):
            pending = Span(pending.commit, pending.path, pending.original_line, pending.count + 1)
        else:
            if pending:
                yield pending
            pending = Span(origin.commit, origin.path, origin.original_line, 1)
    if pending:
        yield pending


def is_binary(content: bytes) -> bool:
    """Whether git takes the content for binary where no attribute says otherwise."""
    return len(content) > _BIG_FILE_BYTES or b"\0" in content[:_BINARY_LOOK_BYTES]


def holds_binary(view: RepositoryView, blob: ObjectId) -> bool:
    """Whether git takes a blob for binary; of a large one only the start is read."""
    size_bytes = view.objects.find_size(blob) or 0
    if size_bytes <= _READ_WHOLE_BYTES_MAX:
        return is_binary(view.objects.read_blob(blob))
    if size_bytes > _BIG_FILE_BYTES:
        return True
    with view.plumbing.stream("cat-file", "blob", blob) as process:
        return is_binary(process.stdout.read(_BINARY_LOOK_BYTES))


def count_lines(content: bytes) -> int:
    """Lines of a file; a last one without line feed counts."""
    return content.count(b"\n") + (not content.endswith(b"\n") and content != b"")


def pack_spans(spans: Sequence[Span]) -> bytes:
    """Spans as bytes for a cache: compressed JSON in which commits and paths stand once."""
    names: dict[tuple[ObjectId, bytes], int] = {}
    rows = [
        [names.setdefault((span.commit, span.path), len(names)), span.original_line, span.count]
        for span in spans
    ]
    origins = [[commit, path.decode("utf-8", "surrogateescape")] for commit, path in names]
    return zlib.compress(json.dumps([origins, rows], separators=(",", ":")).encode("ascii"))


def unpack_spans(packed: bytes) -> list[Span]:
    """The spans that `pack_spans` packed."""
    origins, rows = json.loads(zlib.decompress(packed))
    names = [(ObjectId(commit), path.encode("utf-8", "surrogateescape")) for commit, path in origins]
    return [Span(names[at][0], names[at][1], original_line, count) for at, original_line, count in rows]
