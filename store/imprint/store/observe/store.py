"""What was observed: claims of lines with their turns, and what commits can be found by. A SQLite file.

Everything here is derived and may be deleted. There is no text in it and nothing that could be turned back
into text: where a line is, which turn wrote it, how sure that is. So nothing needs to go when a session is
erased; the claims stay, and lead to a prompt that cannot be read any more. They do not come back when the
file is deleted after that.

Invariants:
    1. A commit's claims are replaced as a whole, except those of sessions that cannot be read any more.
    2. The position moves in the transaction that finishes the work.
    3. A file of another schema version, or one that is no database, is emptied on opening.

Schema versions: 1, the first; 2, claims name the actor, and sessions of others count less.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from imprint.store.derived.sqlite import DerivedDatabase
from imprint.store.evidence.claims import Claim, Evidence, LineRange, rank_claims
from imprint.store.evidence.ports import ClaimSource
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.sessions.model import Anchor

SCHEMA_VERSION: Final = 2
SCHEMA: Final = """
CREATE TABLE repository (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL, serial INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (
    repository TEXT NOT NULL, object BLOB NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE INDEX seen_time ON seen (repository, at_ms);
CREATE TABLE anchor (
    repository TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, object BLOB NOT NULL,
    PRIMARY KEY (repository, kind, value, object)) WITHOUT ROWID;
CREATE TABLE observation (
    repository TEXT NOT NULL, object BLOB NOT NULL, ordinal INTEGER NOT NULL, evidence INTEGER NOT NULL,
    actor TEXT, agent TEXT, model TEXT, session TEXT, prompt TEXT, method TEXT NOT NULL, lines TEXT,
    turn INTEGER, score REAL, PRIMARY KEY (repository, object, ordinal)) WITHOUT ROWID
"""
_TABLES: Final = ("repository", "seen", "anchor", "observation")
_COLUMNS: Final = "object, evidence, actor, agent, model, session, prompt, method, lines, turn, score"
_EVIDENCE: Final = tuple(Evidence)
_PARAMETERS_MAX: Final = 500
"""Below SQLite's oldest default bound of 999 variables in a statement."""


@dataclass(frozen=True, slots=True)
class SeenCommit:
    """A commit that can be found later, when a record about it comes.

    Attributes:
        id: the commit.
        at_ms: when it was committed.
        anchors: what a record can know it by, apart from its id.
    """

    id: ObjectId
    at_ms: int
    anchors: tuple[Anchor, ...] = ()


class Observations(DerivedDatabase, ClaimSource):
    """Observed claims of many repositories. Safe to share between threads."""

    schema: ClassVar[str] = SCHEMA
    schema_version: ClassVar[int] = SCHEMA_VERSION

    # -- asking -----------------------------------------------------------------------------------------

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.claims_of`."""
        rows = []
        for part in _chunks(map(bytes.fromhex, commits)):
            rows += self._all(
                f"SELECT {_COLUMNS} FROM observation WHERE repository = ?"  # noqa: S608
                f" AND object IN ({_marks(part)}) ORDER BY object, ordinal",
                repository_id,
                *part,
            )
        return _group(rows)

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.all_claims`."""
        statement = f"SELECT {_COLUMNS} FROM observation WHERE repository = ? ORDER BY object, ordinal"  # noqa: S608
        return _group(self._all(statement, repository_id))

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in; 0 for none."""
        return self._read_positions(repository_id)[0]

    def serial(self, repository_id: str) -> int:
        """Serial of the archive up to which its records and sessions were taken in; 0 for none."""
        return self._read_positions(repository_id)[1]

    def _read_positions(self, repository_id: str) -> tuple[int, int]:
        rows = self._all("SELECT position, serial FROM repository WHERE id = ?", repository_id)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def find_seen(self, repository_id: str, commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Those of the commits that were taken in."""
        found: set[ObjectId] = set()
        for part in _chunks(map(bytes.fromhex, commits)):
            rows = self._all(
                f"SELECT object FROM seen WHERE repository = ? AND object IN ({_marks(part)})",  # noqa: S608
                repository_id,
                *part,
            )
            found.update(ObjectId(raw.hex()) for (raw,) in rows)
        return frozenset(found)

    def find_anchored(self, repository_id: str, anchor: Anchor) -> list[ObjectId]:
        """Commits taken in that have the anchor."""
        rows = self._all(
            "SELECT object FROM anchor WHERE repository = ? AND kind = ? AND value = ?",
            repository_id,
            anchor.kind.value,
            anchor.value,
        )
        return [ObjectId(raw.hex()) for (raw,) in rows]

    def list_between(self, repository_id: str, from_ms: int, until_ms: int, limit: int) -> list[ObjectId]:
        """Commits taken in that were committed between two times, the first ones, at most `limit`."""
        rows = self._all(
            "SELECT object FROM seen WHERE repository = ? AND at_ms BETWEEN ? AND ? ORDER BY at_ms LIMIT ?",
            repository_id,
            from_ms,
            until_ms,
            limit,
        )
        return [ObjectId(raw.hex()) for (raw,) in rows]

    # -- writing ----------------------------------------------------------------------------------------

    def add_seen(self, repository_id: str, commits: Sequence[SeenCommit]) -> None:
        """Take in commits."""
        with self._write() as cursor:
            cursor.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)",
                ((repository_id, bytes.fromhex(commit.id), commit.at_ms) for commit in commits),
            )
            cursor.executemany(
                "INSERT OR IGNORE INTO anchor VALUES (?, ?, ?, ?)",
                (
                    (repository_id, anchor.kind.value, _encodable(anchor.value), bytes.fromhex(commit.id))
                    for commit in commits
                    for anchor in commit.anchors
                ),
            )

    def replace(
        self, repository_id: str, claims: Mapping[ObjectId, Sequence[Claim]], lost: Iterable[str] = ()
    ) -> None:
        """Write what is observed of commits in place of what was; of `lost` sessions it stays."""
        gone = frozenset(lost)
        kept = self.claims_of(repository_id, claims) if gone else {}
        with self._write() as cursor:
            for commit, found in claims.items():
                stay = [
                    claim
                    for claim in kept.get(commit, ())
                    if claim.session in gone and claim.evidence is Evidence.OBSERVED
                ]
                raw = bytes.fromhex(commit)
                cursor.execute(
                    "DELETE FROM observation WHERE repository = ? AND object = ?", (repository_id, raw)
                )
                cursor.executemany(
                    "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        (repository_id, raw, ordinal, *_render(claim))
                        for ordinal, claim in enumerate((*found, *stay))
                    ),
                )

    def finish(self, repository_id: str, position: int, serial: int) -> None:
        """Move the positions past what was taken in."""
        with self._write() as cursor:
            cursor.execute(
                "INSERT OR REPLACE INTO repository VALUES (?, ?, ?)", (repository_id, position, serial)
            )

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        with self._write() as cursor:
            cursor.execute("DELETE FROM repository WHERE id = ?", (repository_id,))
            for table in _TABLES[1:]:
                cursor.execute(f"DELETE FROM {table} WHERE repository = ?", (repository_id,))  # noqa: S608


def _render(claim: Claim) -> tuple[int | float | str | None, ...]:
    said = (claim.actor, claim.agent, claim.model, claim.session, claim.prompt, claim.method)
    lines = [[part.path.decode("utf-8", "surrogateescape"), part.start, part.end] for part in claim.lines]
    return (
        claim.evidence.rank,
        *map(_encodable, said),
        json.dumps(lines) if lines else None,
        claim.turn,
        claim.score,
    )


def _encodable(text: str | None) -> str | None:
    """The text with lone surrogates replaced, which SQLite could not hold."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _group(rows: Iterable[tuple[Any, ...]]) -> dict[ObjectId, list[Claim]]:
    found: dict[ObjectId, list[Claim]] = {}
    for raw, evidence, actor, agent, model, session, prompt, method, lines, turn, score in rows:
        commit = ObjectId(raw.hex())
        ranges = tuple(
            LineRange(path.encode("utf-8", "surrogateescape"), start, end)
            for path, start, end in json.loads(lines or "[]")
        )
        claim = Claim(
            commit, _EVIDENCE[evidence], actor, agent, model, session, prompt, method, ranges, turn, score
        )
        found.setdefault(commit, []).append(claim)
    return {commit: rank_claims(claims) for commit, claims in found.items()}


def _chunks(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(values)
    while part := list(islice(remaining, _PARAMETERS_MAX)):
        yield part


def _marks(part: Sequence[object]) -> str:
    return ", ".join("?" * len(part))
