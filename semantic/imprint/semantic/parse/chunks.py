"""A file to chunks, cut where its entities begin and end.

A file is first cut into pieces at the entities: an entity that fits into one chunk is one piece, with the
comments right above it; a larger one is cut at the entities in it, and where it has none at blank lines and
small indentation. Then small neighbours are joined.

Invariants:
1. The chunks are in order and hold every line of the file; no line is in two chunks, except that a line
   longer than `LINE_CHARS_MAX` is cut into chunks of its own.
2. A chunk has at most `CHARS_MAX` characters and `LINES_MAX` lines, or is one line or a part of one.
3. The work is linear in the file, times the depth of nested entities.

Sizes are in bytes of UTF-8, which are characters in nearly all source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from imprint.semantic.parse.model import Chunk, Entity, EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.semantic.parse.source import Source

# About the size at which the best public search tools cut (750) and twice that, so that a usual function
# stays whole.
CHARS_MIN = 750
CHARS_MAX = 1500
LINES_MAX = 50
LINE_CHARS_MAX = 3000

# Kinds of entities that name a chunk only if they fill half of it: many of them stand at the top of a file.
_ONE_LINERS = frozenset(
    kind.value
    for kind in (
        EntityKind.VARIABLE,
        EntityKind.CONSTANT,
        EntityKind.FIELD,
        EntityKind.TYPE,
        EntityKind.MACRO,
        EntityKind.DECLARATION,
    )
)

# So many entities after a route may be other routes of its handler.
_ROUTES_OF_A_HANDLER_MAX = 8

_HEADING = re.compile(rb"#{1,6}\s|=+\s*$|[A-Z][^.]*:\s*$")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines `first` to `last`; they belong to the entity at `owner` in the list, or to none (-1)."""

    first: int
    last: int
    owner: int


def cut_chunks(
    source: Source, entities: Sequence[Entity], comment_lines: frozenset[int]
) -> tuple[Chunk, ...]:
    """Cut a file into chunks along its entities; without entities, into windows of text.

    Args:
        source: the file.
        entities: what it defines, in order of their start; the module, if there, covers all and is ignored.
        comment_lines: the lines that hold nothing but a comment.
    """
    if not source.content:
        return ()
    pieces = _Cutter(source, entities, comment_lines).pieces()
    labels = _Labels(source, entities)
    return tuple(chunk for group in _join(source, pieces) for chunk in _render(source, group, labels))


class _Cutter:
    """Cuts one file into pieces."""

    def __init__(self, source: Source, entities: Sequence[Entity], comment_lines: frozenset[int]) -> None:
        self._source = source
        self._entities = entities
        self._comment_lines = comment_lines
        self._children: dict[int, list[int]] = {}
        self._first: dict[int, int] = {}
        self._nest()

    def pieces(self) -> Iterator[_Piece]:
        """Give the pieces of the file, in order, without gaps."""
        yield from self._cut(1, self._source.line_count, -1)

    def _nest(self) -> None:
        """Find the entities directly in each; one that begins inside its neighbour is left out."""
        open_entities: list[int] = []
        floor = 1
        for index, entity in enumerate(self._entities):
            if entity.kind is EntityKind.MODULE:
                continue
            while open_entities and self._entities[open_entities[-1]].end_line < entity.start_line:
                floor = self._entities[open_entities.pop()].end_line + 1
            parent = open_entities[-1] if open_entities else -1
            if parent >= 0 and entity.end_line > self._entities[parent].end_line:
                continue
            if entity.kind is EntityKind.ROUTE and self._is_handled(index):
                continue
            siblings = self._children.setdefault(parent, [])
            if siblings and self._entities[siblings[-1]].end_line >= entity.start_line:
                continue
            lowest = max(floor, self._entities[parent].start_line + 1 if parent >= 0 else 1)
            self._first[index] = self._with_comments(entity.start_line, lowest)
            siblings.append(index)
            open_entities.append(index)

    def _is_handled(self, index: int) -> bool:
        """Tell whether a route shares its lines with its handler, which names them."""
        entity = self._entities[index]
        span = (entity.start_line, entity.end_line)
        return any(
            (other.start_line, other.end_line) == span and other.kind is not EntityKind.ROUTE
            for other in self._entities[index + 1 : index + 1 + _ROUTES_OF_A_HANDLER_MAX]
        )

    def _with_comments(self, start: int, lowest: int) -> int:
        """Give the first line of the comments above an entity, over one blank line at most."""
        above = start - 1
        if above > lowest and not self._source.line(above).strip():
            above -= 1
        while above >= lowest and above in self._comment_lines:
            start = above
            above -= 1
        return start

    def _cut(self, first: int, last: int, owner: int) -> Iterator[_Piece]:
        """Cut the lines of an entity, or of the file, at the entities in it; recursion ends where they do."""
        position = first
        for child in self._children.get(owner, ()):
            start, end = max(position, self._first[child]), self._entities[child].end_line
            if start > end:
                continue
            yield from self._windows(position, start - 1, owner)
            if self._fits(start, end):
                yield _Piece(start, end, child)
            else:
                yield from self._cut(start, end, child)
            position = end + 1
        yield from self._windows(position, last, owner)

    def _fits(self, first: int, last: int) -> bool:
        return self._source.size(first, last) <= CHARS_MAX and last - first < LINES_MAX

    def _windows(self, first: int, last: int, owner: int) -> Iterator[_Piece]:
        """Cut lines without entities into pieces that fit, at the best line for it."""
        while first <= last:
            if self._fits(first, last):
                yield _Piece(first, last, owner)
                return
            end = self._window_end(first, last)
            yield _Piece(first, end, owner)
            first = end + 1

    def _window_end(self, first: int, last: int) -> int:
        """Find the last line of a window: before the outermost line that begins something."""
        offsets = self._source.offsets
        room = bisect_right(offsets, offsets[first - 1] + CHARS_MAX) - 1
        limit = max(first, min(room, last, first + LINES_MAX - 1))
        best, best_rank = limit, (-1, 0, 0)
        for line in range(limit + 1, first + 1, -1):
            if self._source.size(first, line - 1) * 2 < CHARS_MIN and line - first < LINES_MAX // 2:
                break
            rank = (*self._break_rank(line), self._chance(line))
            if rank > best_rank:
                best, best_rank = line - 1, rank
        return best

    def _chance(self, line: int) -> int:
        """Rank equals by the lines around, so that the windows behind an insertion are soon the same again.

        Only in files without entities: windows within an entity begin at it, whatever came before.
        """
        if self._entities:
            return 0
        start, end = self._source.offsets[max(0, line - 2)], self._source.offsets[line]
        return crc32(self._source.content[start:end])

    def _break_rank(self, line: int) -> tuple[int, int]:
        """Rank how well a window may begin at a line: after a blank line, at small indentation."""
        written = self._source.line(line)
        text = written.strip()
        if not text:
            return (-1, 0)
        depth = len(written[: written.find(text[:1])].expandtabs(4))
        if text[:1] in b")]}" or text == b"end":
            return (0, -depth)
        after_blank = not self._source.line(line - 1).strip()
        return (2 if after_blank or _HEADING.match(text) else 1, -depth)


def _join(source: Source, pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Join small neighbours until they are large enough."""
    group: list[_Piece] = []
    for piece in pieces:
        if group and not _may_join(source, group, piece):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _may_join(source: Source, group: list[_Piece], piece: _Piece) -> bool:
    first = group[0].first
    if source.size(first, piece.last) > CHARS_MAX or piece.last - first >= LINES_MAX:
        return False
    return (
        source.size(first, group[-1].last) < CHARS_MIN
        or source.size(piece.first, piece.last) < CHARS_MIN // 4
    )


def _render(source: Source, group: list[_Piece], labels: _Labels) -> Iterator[Chunk]:
    symbol, kind = labels.main_entity(group)
    first, last = group[0].first, group[-1].last
    start, end = source.offsets[first - 1], source.offsets[last]
    step = LINE_CHARS_MAX if first == last else end - start
    for offset in range(start, end, step):
        text = source.text(offset, min(end, offset + step)).replace("\r\n", "\n")
        yield Chunk(first, last, symbol, kind, text)


class _Labels:
    """Names the entity that a chunk mainly holds."""

    def __init__(self, source: Source, entities: Sequence[Entity]) -> None:
        self._source = source
        self._names = [entity.qualified_name for entity in entities]
        self._kinds: dict[str, str] = {}
        for name, entity in zip(self._names, entities, strict=True):
            self._kinds.setdefault(name, entity.kind.value)

    def main_entity(self, group: list[_Piece]) -> tuple[str, str]:
        """Give the name and kind of the entity of the heaviest piece, or of the one around several."""
        if not self._names:
            return "", "text"
        weights: dict[str, int] = {}
        total = 0
        for piece in group:
            size = self._source.size(piece.first, piece.last)
            total += size
            if piece.owner >= 0:
                name = self._names[piece.owner]
                weights[name] = weights.get(name, 0) + size
        if not weights:
            return "", EntityKind.MODULE.value
        heaviest = max(weights, key=lambda name: weights[name])
        if weights[heaviest] * 2 < total:
            around = _common_container(list(weights))
            if around in self._kinds and around:
                return around, self._kinds[around]
            if weights[heaviest] * 4 < total or self._kinds[heaviest] in _ONE_LINERS:
                return "", EntityKind.MODULE.value
        return heaviest, self._kinds[heaviest]


def _common_container(names: list[str]) -> str:
    """Give the longest qualified name that all names begin with; empty if there is none."""
    shared = names[0].split(".")
    for name in names[1:]:
        parts = name.split(".")
        length = 0
        while length < min(len(shared), len(parts)) and shared[length] == parts[length]:
            length += 1
        shared = shared[:length]
    return ".".join(shared)
