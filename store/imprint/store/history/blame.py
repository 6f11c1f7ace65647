"""Where each line of a file came from, as git blame answers it by default, and what kinds of lines count.

A text line is what `git diff --numstat` counts between the empty tree and a commit where no attribute has a
say: the lines of every file that has no NUL among its first 8,000 bytes, a last line without line feed
included; one line for a symbolic link's target and for a submodule's id.

Invariants:
    1. Origins are git's own: this module starts `git blame` and reads what it prints; no line is followed
       by anything else.
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
from imprint.store.history.absent import explain_absence
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


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring lines of a file as one run of git blame names them.

    Attributes:
        line: the first of them in the file asked about.
        span: where they were when the run stopped.
        is_boundary: whether it stopped there because it was told to, so that they may be older.
    """

    line: int
    span: Span
    is_boundary: bool


def line_origins(view: RepositoryView, commit: ObjectId, path: bytes) -> list[LineOrigin]:
    """The origin of every line of a file, in order; none for an empty file.

    Raises:
        PathMissing: the commit has no file at the path.
    """
    blob = find_file(view, commit, path)
    with isolated(view) as plumbing:
        return list(
            iter_origins(join_pieces(run_blame(plumbing, commit, path)), view.objects.read_blob(blob))
        )


def line_origin(view: RepositoryView, commit: ObjectId, path: bytes, line: int) -> LineOrigin:
    """The origin of one line; quicker than asking for all.

    Raises:
        PathMissing: the commit has no file at the path, or the file has no such line.
    """
    content = view.objects.read_blob(find_file(view, commit, path))
    verify_line(content, commit, path, line)
    with isolated(view) as plumbing:
        spans = join_pieces(run_blame(plumbing, commit, path, ranges=[(line, line)]))
    return next(iter_origins(spans, content, line))


def find_file(view: RepositoryView, commit: ObjectId, path: bytes) -> ObjectId:
    """The blob at a path.

    Raises:
        PathMissing: the commit has no file there.
    """
    entry = find_entry(view.objects, view.objects.read_commit(commit).tree, path)
    if entry is None or entry.is_tree or entry.mode == SUBMODULE_MODE:
        what = "no file" if entry is None else "a folder" if entry.is_tree else "a submodule"
        hint = (
            f"'git ls-tree -r --name-only {commit}' lists its files"
            if entry is None
            else "lines belong to files"
        )
        raise PathMissing(f"{what} at {quote_path(path)} in {commit}", hint=hint)
    return entry.id


def verify_line(content: bytes, commit: ObjectId, path: bytes, line: int) -> None:
    """Check that a file has a line.

    Raises:
        PathMissing: it has not.
    """
    count = count_lines(content)
    if not 1 <= line <= count:
        raise PathMissing(
            f"{quote_path(path)} has no line {line} in {commit}",
            hint=f"it has {count} {'line' if count == 1 else 'lines'}, counted from 1",
        )


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
    return join_pieces(run_blame(plumbing, commit, path))


def run_blame(
    plumbing: Plumbing,
    commit: ObjectId,
    path: bytes,
    *,
    stop_at: Sequence[ObjectId] = (),
    ranges: Sequence[tuple[int, int]] = (),
) -> list[Piece]:
    """One run of git blame: the pieces of a file in order, together all the lines asked for.

    Args:
        plumbing: an isolated git.
        commit: the commit that holds the file.
        path: where; it must exist.
        stop_at: commits at which, with everything they reach, lines are followed no further.
        ranges: first and last lines; none for the whole file.

    Raises:
        PlumbingFailed: git failed; in words where objects of the file's history are absent.
    """
    options = [f"-L{first},{last}" for first, last in ranges]
    excluded = [f"^{each}" for each in stop_at]
    try:
        out = plumbing.run(
            "blame", "--porcelain", "--root", "--no-textconv",
            *options, commit, *excluded, "--", os.fsdecode(path),
        )  # fmt: skip
    except PlumbingFailed as failure:
        explain_absence(failure, path)
        raise
    return list(_iter_pieces(out))


def _find_last_change(plumbing: Plumbing, commit: ObjectId, path: bytes) -> ObjectId:
    found = plumbing.run("rev-list", "-1", commit, "--", f":(literal,top){os.fsdecode(path)}")
    return ObjectId(found.decode("ascii").strip())


def _iter_pieces(porcelain: bytes) -> Iterator[Piece]:
    """Read git-blame(1)'s porcelain format: a header, facts where they are new, then a tab and the text.

    A group's first header has the number of its lines; each of the others is a header and a text. The
    incremental format would be shorter, but names a boundary only where that was known already.
    """
    paths: dict[bytes, bytes] = {}
    boundaries: set[bytes] = set()
    lines = porcelain.split(b"\n")
    at = 0
    while at < len(lines) - 1:
        commit, original_line, number, count = lines[at].split(b" ")
        at += 1
        while not lines[at].startswith(b"\t"):
            if lines[at].startswith(b"filename "):
                paths[commit] = read_quoted(lines[at].removeprefix(b"filename "))
            elif lines[at] == b"boundary":
                boundaries.add(commit)
            at += 1
        at += 2 * int(count) - 1
        span = Span(ObjectId(commit.decode("ascii")), paths[commit], int(original_line), int(count))
        yield Piece(int(number), span, commit in boundaries)


def join_pieces(pieces: Iterable[Piece]) -> list[Span]:
    """Ordered pieces as spans, neighbours joined that came together."""
    return join_spans(piece.span for piece in pieces)


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans in the order given, neighbours joined that came together."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if (
            last
            and last.commit == span.commit
            and last.path == span.path
            and last.original_line + last.count == span.original_line
        ):
            joined[-1] = Span(last.commit, last.path, last.original_line, last.count + span.count)
        else:
            joined.append(span)
    return joined


def iter_origins(spans: Iterable[Span], content: bytes, first: int = 1) -> Iterator[LineOrigin]:
    """The lines of a file one by one.

    Args:
        spans: from the line `first` on.
        content: the whole file.
        first: counted from 1.
    """
    texts = content.split(b"\n")
    line = first
    for span in spans:
        for original_line in range(span.original_line, span.original_line + span.count):
            yield LineOrigin(line, span.commit, span.path, original_line, texts[line - 1])
            line += 1


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
