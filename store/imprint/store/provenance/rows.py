"""The ledger's tables: the schema, the values that go into it, and how they become rows and come back.

Object ids are kept as raw bytes. Lines of a claim are JSON, `[path, first, last]` each, with bytes of a path
that are not UTF-8 as lone surrogates.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imprint.store.evidence.claims import Claim, Evidence, LineRange, rank_claims
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.events import Event
    from imprint.store.formats.gitai import NoteProblem
    from imprint.store.types import RefName

SCHEMA: Final = """
CREATE TABLE repository (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL DEFAULT 0, audited BLOB,
    boundary TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE event (
    repository TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, actor TEXT NOT NULL, token TEXT,
    at_ms INTEGER NOT NULL, PRIMARY KEY (repository, sequence)) WITHOUT ROWID;
CREATE TABLE known (
    repository TEXT NOT NULL, object BLOB NOT NULL, sequence INTEGER,
    PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE TABLE head (
    repository TEXT NOT NULL, object BLOB NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE INDEX head_age ON head (repository, sequence);
CREATE TABLE claim (
    repository TEXT NOT NULL, object BLOB NOT NULL, source INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    evidence INTEGER NOT NULL, actor TEXT, agent TEXT, model TEXT, session TEXT, prompt TEXT,
    method TEXT NOT NULL, lines TEXT, turn INTEGER, score REAL, via TEXT,
    PRIMARY KEY (repository, object, source, ordinal)) WITHOUT ROWID;
CREATE TABLE note (
    repository TEXT NOT NULL, object BLOB NOT NULL, blob BLOB NOT NULL, state INTEGER NOT NULL,
    PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE TABLE note_source (
    repository TEXT NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE problem (
    repository TEXT NOT NULL, object BLOB NOT NULL, ordinal INTEGER NOT NULL, line INTEGER NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (repository, object, ordinal)) WITHOUT ROWID;
CREATE TABLE origin (
    repository TEXT NOT NULL, path BLOB NOT NULL, blob BLOB NOT NULL, spans BLOB NOT NULL,
    PRIMARY KEY (repository, path)) WITHOUT ROWID;
"""
TABLES: Final = (
    "repository", "event", "known", "head", "claim", "note", "note_source", "problem", "origin",
)  # fmt: skip
_FROM_COMMIT: Final = 1
"""`claim.source`: the event, the commit's own message and identities. Never changes."""
_FROM_NOTE: Final = 2
"""`claim.source`: the note on the commit. Replaced when the note changes."""
_EVIDENCE: Final = tuple(Evidence)
CLAIM_COLUMNS: Final = (
    "object, evidence, actor, agent, model, session, prompt, method, lines, turn, score, via"
)
PENDING, _READ, NAMES_AGENT = 0, 1, 2
"""`note.state`: its commit is not known yet; read; read, and it names an agent."""


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A note as the ledger keeps it.

    Attributes:
        commit: what it annotates.
        blob: its content's id, by which a change is seen.
        is_pending: whether it waits for its commit to be known.
        names_agent: whether it names an agent, with lines or without.
        claims: what it claims.
        problems: what in it could not be used.
    """

    commit: ObjectId
    blob: ObjectId
    is_pending: bool = False
    names_agent: bool = False
    claims: tuple[Claim, ...] = ()
    problems: tuple[NoteProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class NotesChange:
    """How the notes differ from what the ledger has.

    Attributes:
        sources: the refs that hold notes, and their values that were read.
        records: notes that are new or changed, or whose commit has become known.
        gone: commits whose note was removed.
    """

    sources: Mapping[RefName, ObjectId]
    records: Sequence[NoteRecord] = ()
    gone: Sequence[ObjectId] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """What one event, or one reading of a clone, adds to the ledger.

    Attributes:
        event: the event; None for a clone.
        commits: commits that were not known before.
        heads: tips of the event's refs, known before or not.
        claims: what is claimed of the new commits, notes left out.
        notes: how the notes changed; None when they did not.
    """

    event: Event | None = None
    commits: Sequence[ObjectId] = ()
    heads: Sequence[ObjectId] = ()
    claims: Sequence[Claim] = ()
    notes: NotesChange | None = None


@dataclass(frozen=True, slots=True)
class CachedOrigins:
    """The line origins kept from the last audit: its commit, and per path the blob and its packed spans."""

    commit: ObjectId
    files: Mapping[bytes, tuple[ObjectId, bytes]]


def decode_id(raw: bytes) -> ObjectId:
    """An object id as it was before `encode_id`."""
    return ObjectId(raw.hex())


def encode_id(object_id: ObjectId) -> bytes:
    """An object id as SQLite keeps it."""
    return bytes.fromhex(object_id)


def write_event(cursor: sqlite3.Cursor, repository_id: str, event: Event) -> None:
    """The event, and the position after it."""
    cursor.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
        (repository_id, event.sequence, event.id, event.actor, event.token_id, event.at_ms),
    )
    cursor.execute("UPDATE repository SET position = ? WHERE id = ?", (event.sequence, repository_id))


def write_commits(cursor: sqlite3.Cursor, repository_id: str, expansion: Expansion) -> None:
    """New commits, tips and what is claimed of the commits."""
    sequence = expansion.event.sequence if expansion.event else None
    cursor.executemany(
        "INSERT OR IGNORE INTO known VALUES (?, ?, ?)",
        ((repository_id, encode_id(commit), sequence) for commit in expansion.commits),
    )
    cursor.executemany(
        "INSERT OR REPLACE INTO head VALUES (?, ?, ?)",
        ((repository_id, encode_id(commit), sequence) for commit in expansion.heads if sequence is not None),
    )
    _write_claims(cursor, repository_id, _FROM_COMMIT, expansion.claims)


def write_notes(cursor: sqlite3.Cursor, repository_id: str, notes: NotesChange) -> None:
    """Everything that came from a changed or removed note goes; what the changed one says now comes."""
    stale = [
        (repository_id, encode_id(commit))
        for commit in (*notes.gone, *(note.commit for note in notes.records))
    ]
    for table in ("note", "problem"):
        cursor.executemany(f"DELETE FROM {table} WHERE repository = ? AND object = ?", stale)  # noqa: S608
    cursor.executemany(
        f"DELETE FROM claim WHERE repository = ? AND object = ? AND source = {_FROM_NOTE}",  # noqa: S608
        stale,
    )
    for note in notes.records:
        state = PENDING if note.is_pending else NAMES_AGENT if note.names_agent else _READ
        cursor.execute(
            "INSERT INTO note VALUES (?, ?, ?, ?)",
            (repository_id, encode_id(note.commit), encode_id(note.blob), state),
        )
        _write_claims(cursor, repository_id, _FROM_NOTE, note.claims)
        cursor.executemany(
            "INSERT INTO problem VALUES (?, ?, ?, ?, ?)",
            (
                (repository_id, encode_id(note.commit), ordinal, problem.line, _encodable(problem.text))
                for ordinal, problem in enumerate(note.problems)
            ),
        )
    cursor.execute("DELETE FROM note_source WHERE repository = ?", (repository_id,))
    cursor.executemany(
        "INSERT INTO note_source VALUES (?, ?, ?)",
        [(repository_id, bytes(name), encode_id(value)) for name, value in notes.sources.items()],
    )


def write_origins(cursor: sqlite3.Cursor, repository_id: str, origins: CachedOrigins) -> None:
    """Line origins of files, in place of those of the same paths."""
    cursor.executemany(
        "INSERT OR REPLACE INTO origin VALUES (?, ?, ?, ?)",
        ((repository_id, path, encode_id(blob), spans) for path, (blob, spans) in origins.files.items()),
    )


def _write_claims(cursor: sqlite3.Cursor, repository_id: str, source: int, claims: Iterable[Claim]) -> None:
    ordinals: dict[ObjectId, int] = {}
    rows = []
    for claim in claims:
        ordinal = ordinals[claim.commit] = ordinals.get(claim.commit, -1) + 1
        rows.append((repository_id, encode_id(claim.commit), source, ordinal, *_render_claim(claim)))
    cursor.executemany(
        "INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
    )


def _render_claim(claim: Claim) -> tuple[int | float | str | None, ...]:
    said = (claim.actor, claim.agent, claim.model, claim.session, claim.prompt, claim.method)
    lines = [[part.path.decode("utf-8", "surrogateescape"), part.start, part.end] for part in claim.lines]
    told = json.dumps(lines) if lines else None
    return (claim.evidence.rank, *map(_encodable, said), told, claim.turn, claim.score, claim.via)


def _encodable(text: str | None) -> str | None:
    """The text with lone surrogates replaced, which neither SQLite nor JSON could hold."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def group_claims(rows: Iterable[tuple[Any, ...]]) -> dict[ObjectId, list[Claim]]:
    """Claims by commit, best first; the rows hold `CLAIM_COLUMNS` in the order of writing."""
    found: dict[ObjectId, list[Claim]] = {}
    for claim in map(_read_claim, rows):
        found.setdefault(claim.commit, []).append(claim)
    return {commit: rank_claims(claims) for commit, claims in found.items()}


def _read_claim(row: tuple[Any, ...]) -> Claim:
    raw, evidence, actor, agent, model, session, prompt, method, lines, turn, score, via = row
    ranges = tuple(
        LineRange(path.encode("utf-8", "surrogateescape"), start, end)
        for path, start, end in json.loads(lines or "[]")
    )
    return Claim(
        decode_id(raw),
        _EVIDENCE[evidence],
        actor,
        agent,
        model,
        session,
        prompt,
        method,
        ranges,
        turn,
        score,
        ObjectId(via) if via else None,
    )
