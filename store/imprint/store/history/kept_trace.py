"""Following lines from what is known: git blame on what is new, stopped where kept spans go on.

git blame hands each line from a commit to the parent that has it, whatever other lines are asked for. So it
may be stopped at any commit and gone on with from what is kept there: `git blame C ^A` leaves the lines that
are older than A at boundary commits, and a line that stops at A comes from where A's own line comes from. A
boundary is not always A: a branch that left the history before A and was merged after it ends where it left.
Such a commit B below A is asked from above: `git blame A ^B` tells which line of A each line of B became, and
that line's origin is known. What is left after that, lines of B that A no longer has, git follows to its end.

Invariants:
    1. The answer is what git blame answers when it is asked for the whole: what is known only saves work.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from imprint.store.errors import PlumbingFailed
from imprint.store.history.blame import Piece, Span, join_pieces, join_spans, run_blame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId

    _Key = tuple[ObjectId, bytes]
    """A file at a commit."""
    _Lines = tuple[int, int]
    """The first and the last."""

_BOUNDARIES_MAX: Final = 6
"""Files at other commits that may have to be asked about before it is cheaper to ask for the whole."""
_RANGES_MAX: Final = 64
"""Ranges of lines that are asked for one by one; if there are more, the whole file is."""

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class Known:
    """A file's spans at a commit, found before.

    Attributes:
        commit, path: which file.
        spans: of all its lines.
    """

    commit: ObjectId
    path: bytes
    spans: Sequence[Span]


def trace(
    plumbing: Plumbing,
    commit: ObjectId,
    path: bytes,
    ranges: Sequence[_Lines] = (),
    *,
    near: Sequence[Known] = (),
) -> list[Span]:
    """The spans of a file, or of ranges of its lines.

    Args:
        plumbing: an isolated git.
        commit: the commit that holds the file.
        path: where; it must exist.
        ranges: first and last lines; none for the whole file.
        near: what is known of files at other commits, best first.
    """
    if near:
        try:
            return _Tracer(plumbing, near).trace(commit, path, ranges)
        except _TooScatteredError:
            pass
        except PlumbingFailed as failed:  # what is kept may be of a commit that is whole no more
            _log.info("lines are followed from the beginning: %s", failed.code)
    return join_pieces(run_blame(plumbing, commit, path, ranges=ranges))


class _TooScatteredError(Exception):
    """Lines stopped in so many places that it is cheaper to ask git for the whole."""


class _Tracer:
    """Follows lines as far as what is known, and goes on from there."""

    def __init__(self, plumbing: Plumbing, near: Sequence[Known]) -> None:
        self._plumbing = plumbing
        self._near = near
        self._whole = {(known.commit, known.path): known.spans for known in near}

    def trace(self, commit: ObjectId, path: bytes, ranges: Sequence[_Lines]) -> list[Span]:
        first = self._near[0]
        pieces = run_blame(self._plumbing, commit, path, stop_at=[first.commit], ranges=ranges)
        stopped = _group_stopped(pieces)
        if len(stopped) > _BOUNDARIES_MAX:
            raise _TooScatteredError
        answers = {key: self._answer(key, wanted) for key, wanted in stopped.items()}
        return join_spans(
            span
            for piece in pieces
            for span in (
                answers[piece.span.commit, piece.span.path].cut(piece.span)
                if piece.is_boundary
                else (piece.span,)
            )
        )

    def _answer(self, key: _Key, wanted: Sequence[_Lines]) -> _Answer:
        if key in self._whole:
            return _Answer.of_file(self._whole[key])
        found: dict[int, Span] = {}
        missing = {line for first, last in wanted for line in range(first, last + 1)}
        for known in self._near:
            for piece in run_blame(self._plumbing, known.commit, known.path, stop_at=[key[0]]):
                if piece.is_boundary and (piece.span.commit, piece.span.path) == key:
                    _take_over(found, piece, known.spans)
            missing -= found.keys()
            if not missing:
                break
        if missing:
            ranges = _join_lines(missing)
            asked = ranges if len(ranges) <= _RANGES_MAX else []
            for piece in run_blame(self._plumbing, key[0], key[1], ranges=asked):
                span = piece.span
                for at in range(span.count):
                    found[piece.line + at] = Span(span.commit, span.path, span.original_line + at, 1)
        return _Answer(sorted(found.items()))


class _Answer:
    """Where lines of one file at one commit came from: at least those that were asked for.

    Args:
        numbered: the first line of each span, in order.
    """

    def __init__(self, numbered: Sequence[tuple[int, Span]]) -> None:
        self._starts = [line for line, _ in numbered]
        self._spans = [span for _, span in numbered]

    @classmethod
    def of_file(cls, spans: Sequence[Span]) -> Self:
        """All lines of a file."""
        numbered = []
        line = 1
        for span in spans:
            numbered.append((line, span))
            line += span.count
        return cls(numbered)

    def cut(self, asked: Span) -> Iterator[Span]:
        """The origins of a span of this file's lines."""
        line, left = asked.original_line, asked.count
        at = bisect_right(self._starts, line) - 1
        while left:
            span, offset = self._spans[at], line - self._starts[at]
            count = min(left, span.count - offset)
            yield Span(span.commit, span.path, span.original_line + offset, count)
            line += count
            left -= count
            at += 1


def cut_spans(spans: Sequence[Span], lines: tuple[int, int]) -> list[Span]:
    """The origins of lines, the first and the last given, of a file that has the spans."""
    return cut_ranges(spans, [lines])[0]


def cut_ranges(spans: Sequence[Span], ranges: Sequence[tuple[int, int]]) -> list[list[Span]]:
    """As `cut_spans`, for several ranges of one file's lines, in order; none of them is empty."""
    answer = _Answer.of_file(spans)
    return [
        list(answer.cut(Span(spans[0].commit, spans[0].path, first, last - first + 1)))
        for first, last in ranges
    ]


def _group_stopped(pieces: Iterable[Piece]) -> Mapping[_Key, list[_Lines]]:
    """The lines that stopped at boundaries, by the file in which they did."""
    grouped: dict[_Key, list[_Lines]] = {}
    for piece in pieces:
        if piece.is_boundary:
            span = piece.span
            lines = (span.original_line, span.original_line + span.count - 1)
            grouped.setdefault((span.commit, span.path), []).append(lines)
    return grouped


def _take_over(found: dict[int, Span], piece: Piece, spans: Sequence[Span]) -> None:
    """Give each line of a piece the origin that it has in the later file, whose spans are known."""
    line = piece.span.original_line
    for span in cut_spans(spans, (piece.line, piece.line + piece.span.count - 1)):
        for at in range(span.count):
            found[line] = Span(span.commit, span.path, span.original_line + at, 1)
            line += 1


def _join_lines(lines: Iterable[int]) -> list[_Lines]:
    """Single lines as ranges."""
    ranges: list[_Lines] = []
    for line in sorted(lines):
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    return ranges
