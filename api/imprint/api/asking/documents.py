"""The shapes of answers, for the manual: what `imprint.semantic.asking` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from imprint.api.rest.documents import HitDocument, SearchDocument, SymbolsDocument

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Answer(BaseModel):
    """An answer about `commit`, which is `behind` so many commits of the one asked for."""

    model_config = ConfigDict(extra="forbid")

    commit: str | None
    behind: int


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FoundSymbolsDocument(SymbolsDocument):
    """The definitions of a name; `left_out` says how many more there are."""

    left_out: int


class PlaceDocument(_Part):
    """A definition in short."""

    path: str
    line: int
    kind: str
    name: str


class DefinitionDocument(_Part):
    """A definition."""

    path: str
    start_line: int
    end_line: int
    line: int
    kind: str
    name: str
    container: str
    signature: str
    doc: str


class DefinitionsDocument(_Answer):
    """Where a name is defined; `missing` says what could not be followed."""

    definitions: list[DefinitionDocument]
    missing: list[str]


class EdgeDocument(_Part):
    """A use and what it reaches, by which reason; `missing` says why that is not known."""

    path: str
    line: int
    kind: str
    container: str
    name: str
    qualifier: str
    target: PlaceDocument | None
    confidence: float
    reason: str | None = None
    missing: str | None = None


class _EdgesDocument(_Answer):
    """Uses of a name: `resolved` of `considered` reach a definition, `left_out` are not listed.

    Of a name that very many files use, `files_passed_over` were not looked at.
    """

    name: str
    resolved: int
    considered: int
    left_out: int = 0
    files_passed_over: int = 0


class UsesDocument(_EdgesDocument):
    """Where a name is used."""

    references: list[EdgeDocument]


class CallersDocument(_EdgesDocument):
    """What calls a name."""

    callers: list[EdgeDocument]


class CalleesDocument(_EdgesDocument):
    """What a name calls."""

    callees: list[EdgeDocument]


class CallerDocument(PlaceDocument):
    """Who reaches a name, over how many calls; `at` is the last of them."""

    distance: int
    confidence: float
    reason: str
    at: str


class TogetherDocument(_Part):
    """A file that changes with another: how often, and in which share of the commits."""

    path: str
    times: int
    share: float


class TestDocument(_Part):
    """A test that a change may break, and why."""

    __test__ = False

    path: str
    line: int
    name: str
    reason: str


class ImpactDocument(_Answer):
    """What a change of a symbol can reach; not all of it where `is_whole` is false."""

    name: str
    resolved: int
    considered: int
    is_whole: bool
    definitions: list[DefinitionDocument]
    callers: list[CallerDocument]
    subtypes: list[EdgeDocument]
    together: list[TogetherDocument]
    tests: list[TestDocument]


class OutlineEntityDocument(_Part):
    """A definition of a file and how deep it stands in others."""

    depth: int
    kind: str
    name: str
    container: str
    start_line: int
    end_line: int
    line: int
    signature: str
    doc: str


class OutlineDocument(_Answer):
    """What a file defines; `skipped` says why nothing was extracted from it."""

    path: str
    language: str
    skipped: str | None
    entities: list[OutlineEntityDocument]


class MapFileDocument(_Part):
    """A file of a map."""

    path: str
    definitions: list[dict[str, Any]]


class MapDocument(_Answer):
    """The most important files and definitions."""

    text: str
    tokens: int
    files_in_all: int
    left_out: int
    files: list[MapFileDocument]


class ChangeDocument(_Part):
    """A commit of a symbol's history."""

    commit: str
    time: int
    author: str
    subject: str
    kinds: list[str]
    path: str
    name: str
    start_line: int
    end_line: int
    origin: dict[str, Any] | None = None


class HistoryDocument(_Answer):
    """A symbol's history, newest first; `missing` says why it may go further back."""

    complete: bool
    missing: list[str]
    left_out: int
    changes: list[ChangeDocument]
    others: list[PlaceDocument]


class DeltaPlaceDocument(_Part):
    """Where a definition was."""

    path: str
    name: str
    start_line: int
    end_line: int


class DeltaDocument(_Part):
    """What became of a definition; `old` is null for a new one."""

    kinds: list[str]
    kind: str
    path: str
    name: str
    start_line: int
    end_line: int
    old: DeltaPlaceDocument | None


class DiffDocument(_Answer):
    """What two commits differ in, definition by definition."""

    base: str
    files: int
    complete: bool
    left_out: int
    files_left_out: int
    counts: dict[str, int]
    deltas: list[DeltaDocument]


class SearchedDocument(_Part):
    """A repository that was searched."""

    repo: str
    commit: str | None
    behind: int


class SearchAcrossDocument(_Part):
    """What a search of many repositories found."""

    repositories: list[SearchedDocument]
    complete: bool
    mode: str
    notes: list[str]
    hits: list[HitDocument]


DOCUMENTS: Final[Mapping[str, type[BaseModel]]] = {
    "search": SearchDocument,
    "symbol": FoundSymbolsDocument,
    "definition": DefinitionsDocument,
    "references": UsesDocument,
    "callers": CallersDocument,
    "callees": CalleesDocument,
    "impact": ImpactDocument,
    "outline": OutlineDocument,
    "map": MapDocument,
    "history": HistoryDocument,
    "diff": DiffDocument,
}
"""By question."""
