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
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

_INDENT = re.compile(rb"[ \t]*")
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
    plain = not entities
    pieces = list(_Cutter(source, entities, comment_lines).pieces())
    return tuple(
        chunk for group in _join(source, pieces) for chunk in _render(source, group, entities, plain=plain)
    )


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
        yield from self._cut(1, len(self._source.starts), -1)

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
            siblings = self._children.setdefault(parent, [])
            if siblings and self._entities[siblings[-1]].end_line >= entity.start_line:
                continue
            start = entity.start_line
            lowest = max(floor, self._entities[parent].start_line + 1 if parent >= 0 else 1)
            while start - 1 >= lowest and start - 1 in self._comment_lines:
                start -= 1
            self._first[index] = start
            siblings.append(index)
            open_entities.append(index)

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
        return _size(self._source, first, last) <= CHARS_MAX and last - first < LINES_MAX

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
        """Find the last line of a window: before the outermost, then latest, line that begins something."""
        limit = first
        while limit < last and self._fits(first, limit + 1):
            limit += 1
        best, best_rank = limit, (-1, 0)
        for line in range(limit + 1, first + 1, -1):
            if _size(self._source, first, line - 1) * 2 < CHARS_MIN and line - first < LINES_MAX // 2:
                break
            rank = self._break_rank(line)
            if rank > best_rank:
                best, best_rank = line - 1, rank
        return best

    def _break_rank(self, line: int) -> tuple[int, int]:
        """Rank how well a window may begin at a line: after a blank line, at small indentation."""
        start, end = self._source.line_span(line)
        text = self._source.content[start:end]
        if not text.strip():
            return (-1, 0)
        indent = _INDENT.match(text)
        depth = len(indent.group().expandtabs(4)) if indent is not None else 0
        before_start, before_end = self._source.line_span(line - 1)
        after_blank = not self._source.content[before_start:before_end].strip()
        if text.strip()[:1] in b")]}" or text.strip() == b"end":
            return (0, -depth)
        return (2 if after_blank or _HEADING.match(text) else 1, -depth)


def _size(source: Source, first: int, last: int) -> int:
    return source.line_span(last)[1] - source.starts[first - 1]


def _join(source: Source, pieces: list[_Piece]) -> Iterator[list[_Piece]]:
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
    if _size(source, first, piece.last) > CHARS_MAX or piece.last - first >= LINES_MAX:
        return False
    return (
        _size(source, first, group[-1].last) < CHARS_MIN
        or _size(source, piece.first, piece.last) < CHARS_MIN // 4
    )


def _render(
    source: Source, group: list[_Piece], entities: Sequence[Entity], *, plain: bool
) -> Iterator[Chunk]:
    symbol, kind = ("", "text") if plain else _main_entity(source, group, entities)
    first, last = group[0].first, group[-1].last
    start, end = source.starts[first - 1], source.line_span(last)[1]
    step = LINE_CHARS_MAX if first == last else end - start
    for offset in range(start, end, step):
        text = source.text(offset, min(end, offset + step)).replace("\r\n", "\n")
        yield Chunk(first, last, symbol, kind, text)


def _main_entity(source: Source, group: list[_Piece], entities: Sequence[Entity]) -> tuple[str, str]:
    """Name the entity that holds most of a chunk: one piece's, or the one around several."""
    weights: dict[str, int] = {}
    kinds: dict[str, str] = {}
    total = 0
    for piece in group:
        size = _size(source, piece.first, piece.last)
        total += size
        if piece.owner >= 0:
            owner = entities[piece.owner]
            kinds.setdefault(owner.qualified_name, owner.kind.value)
            weights[owner.qualified_name] = weights.get(owner.qualified_name, 0) + size
    if not weights:
        return "", EntityKind.MODULE.value
    heaviest = max(weights, key=lambda name: weights[name])
    if weights[heaviest] * 2 < total:
        around = _common_container(list(weights))
        if around:
            return around, kinds.get(around) or _kind_of(around, entities)
    return heaviest, kinds[heaviest]


def _common_container(names: list[str]) -> str:
    shared = names[0].split(".")
    for name in names[1:]:
        parts = name.split(".")
        length = 0
        while length < min(len(shared), len(parts)) and shared[length] == parts[length]:
            length += 1
        shared = shared[:length]
    return ".".join(shared)


def _kind_of(qualified_name: str, entities: Sequence[Entity]) -> str:
    for entity in entities:
        if entity.qualified_name == qualified_name:
            return entity.kind.value
    return EntityKind.CLASS.value
