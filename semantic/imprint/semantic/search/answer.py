"""What a search, a look-up of a symbol and a question about the index give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.types import ObjectId


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that fits a query. Lines count from 1; both ends belong to it.

    Attributes:
        repo: the repository's name.
        path: of the file.
        start_line, end_line: where in the file.
        symbol: qualified name of the definition that it mainly is; empty for none.
        kind: what it mainly is.
        language: of the file; empty if unknown.
        score: comparable within one answer only.
        text: the lines; of a message or prompt its text, of a difference its lines with `+` and `-`.
        parts: where that was asked for, what the score is made of; `times_*` are factors.
        commit: of a message or difference its commit, of a prompt one that it caused, of removed code the one
            that took it away; None for code that is there.
        time: when that was committed, in seconds since 1970.
        author, subject: of that commit.
        session: of a prompt, the session that it belongs to.
        is_removed: whether the lines are gone; `path` is then the last that they had.
        is_cut: whether text was left out to keep to the bound of tokens.
    """

    repo: str
    path: bytes
    start_line: int
    end_line: int
    symbol: str
    kind: str
    language: str
    score: float
    text: str
    parts: Mapping[str, float] = field(default_factory=dict)
    commit: ObjectId | None = None
    time: int | None = None
    author: str = ""
    subject: str = ""
    session: str = ""
    is_removed: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The passages found, and what was searched.

    Attributes:
        commit: the commit searched: the one asked for, or its newest indexed ancestor; None if there is none.
        behind: commits reachable from the one asked for and not from the one searched.
        hits: best first.
        is_complete: whether everything was looked at; a search that reached a bound says in `notes` which.
        notes: in words, what was left out and what could not be looked at.
        mode: how the text was understood: `words`, `exact` or `regex`.
    """

    commit: ObjectId | None
    behind: int
    hits: tuple[Hit, ...]
    is_complete: bool = True
    notes: tuple[str, ...] = ()
    mode: str = "words"


@dataclass(frozen=True, slots=True)
class SymbolHit:
    """A definition. Lines count from 1; both ends belong to it."""

    path: bytes
    start_line: int
    end_line: int
    kind: str
    name: str
    container: str
    signature: str


@dataclass(frozen=True, slots=True)
class ReferenceHit:
    """A use of a name; `container` is the definition that it stands in, empty for none."""

    path: bytes
    line: int
    kind: str
    container: str
    name: str


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How far the index of a ref is.

    Attributes:
        ref: what was asked.
        head: the commit that it names; None where HEAD's branch has none yet.
        indexed: that commit or its newest indexed ancestor; None if there is none.
        behind: commits reachable from `head` and not from `indexed`.
        blobs: files of the indexed commit that the index knows.
        chunks: passages in them.
        skipped: of these files, how many nothing was extracted from, by reason.
        history_done: contents of the whole history that are indexed, or cannot be read; in hundredths where
            some are hidden from whoever asks.
        history_total: contents of the whole history; 0 where its index was never begun.
    """

    ref: str
    head: ObjectId | None
    indexed: ObjectId | None
    behind: int
    blobs: int = 0
    chunks: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    history_done: int = 0
    history_total: int = 0
