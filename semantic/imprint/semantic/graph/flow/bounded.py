"""Parsing in this process, within a time: for questions that follow a few files of which others know nothing.

A grammar's recovery from nonsense can take hours (see `imprint.semantic.parse.isolation`, which is for whole
repositories). The parser asks now and then whether to go on, but only where it reads its input in pieces.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from tree_sitter import Parser

if TYPE_CHECKING:
    from tree_sitter import Language, Tree

SECONDS_MAX: Final = 1.0
"""A megabyte of source takes a tenth of a second to parse; docs/limits.md."""
_PIECE_BYTES: Final = 65_536
_TEXT_BYTES: Final = 256
"""Pieces once the file is parsed: the text of a node is read in pieces too, and most are short."""


def parse_within(language: Language, content: bytes, seconds: float = SECONDS_MAX) -> Tree | None:
    """The syntax tree of a content; None if that would take longer."""
    end = monotonic() + seconds
    piece = _PIECE_BYTES

    def read(offset: int, _place: object) -> bytes:
        return content[offset : offset + piece]

    def is_late(_offset: int, _has_error: bool) -> bool:  # noqa: FBT001 - the parser calls it so
        return monotonic() >= end

    try:
        tree = Parser(language).parse(read, progress_callback=is_late)
    except ValueError:
        return None
    piece = _TEXT_BYTES
    return tree
