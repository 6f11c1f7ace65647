"""What questions about the past are answered with."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imprint.store.types import ObjectId


@dataclass(frozen=True, slots=True)
class Touch:
    """A file that a commit changed against its first parent.

    Attributes:
        path: the file's path after it; of a removed file, before it.
        old_path: the path before, where the file was moved; else `path`.
        old: the content before; None for a new file.
        new: the content after; None for a removed file.
    """

    path: bytes
    old_path: bytes
    old: ObjectId | None
    new: ObjectId | None


class ChangeKind(enum.Enum):
    """What a commit did to a symbol. LAYOUT is white space alone, or a comment inside of it."""

    INTRODUCED = "introduced"
    BODY = "body"
    SIGNATURE = "signature"
    RENAMED = "renamed"
    MOVED = "moved"
    DOC = "documentation"
    LAYOUT = "layout"
    REMOVED = "removed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class SymbolChange:
    """A commit of a symbol's history.

    Attributes:
        commit: the commit.
        time: when it was committed, in seconds since 1970.
        author: its author's name.
        subject: first line of its message.
        kinds: what it did to the symbol.
        path, name: where the symbol was and how it was called after it; of a removed one, before it.
        start_line, end_line: its lines there.
    """

    commit: ObjectId
    time: int
    author: str
    subject: str
    kinds: tuple[ChangeKind, ...]
    path: bytes
    name: str
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class EntityDelta:
    """What became of a definition between two commits; `old_*` is empty or 0 where there was none before."""

    kinds: tuple[ChangeKind, ...]
    kind: str
    path: bytes
    name: str
    start_line: int
    end_line: int
    old_path: bytes
    old_name: str
    old_start_line: int
    old_end_line: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Content that is gone: the last path that it had, and the commit that took it away, with its subject."""

    path: bytes
    commit: ObjectId
    time: int
    subject: str
