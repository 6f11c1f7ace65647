"""How far provenance was read, what was wrong with it, and what records claim: derived, in one SQLite file.

Invariants:
    1. What one event adds and the position after it are one transaction.
    2. The refs are those that were read last, whatever the repository's are by now.
    3. Problems of a ref are replaced when the ref is read again: by place; and they stay when the ref goes.
    4. A file of another schema version, or one that is no database, is emptied on opening.

Schema versions: 1, the first.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

from imprint.store.agents.model import Problem
from imprint.store.derived.sqlite import DerivedDatabase
from imprint.store.evidence.claims import Claim, Evidence, LineRange, rank_claims
from imprint.store.evidence.ports import ClaimSource
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE repository (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL DEFAULT 0, serial INTEGER NOT NULL DEFAULT 0)
    WITHOUT ROWID;
CREATE TABLE ref (
    repository TEXT NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE problem (
    repository TEXT NOT NULL, source TEXT NOT NULL, place TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (repository, source, place, text)) WITHOUT ROWID;
CREATE TABLE tally (
    repository TEXT NOT NULL, what TEXT NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (repository, what)) WITHOUT ROWID;
CREATE TABLE known (
    repository TEXT NOT NULL, object BLOB NOT NULL, PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE TABLE tie (
    repository TEXT NOT NULL, object BLOB NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (repository, kind, value, object)) WITHOUT ROWID;
CREATE INDEX tie_object ON tie (repository, object);
CREATE TABLE claim (
    repository TEXT NOT NULL, object BLOB NOT NULL, ordinal INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (repository, object, ordinal)) WITHOUT ROWID
"""
_TABLES: Final = ("repository", "ref", "problem", "tally", "known", "tie", "claim")
_PARAMETERS_MAX: Final = 500
"""Below SQLite's oldest default bound of 999 variables in a statement."""

Tie = tuple[ObjectId, str, str]
"""A commit, and what it can be found by: the kind of an anchor and its value."""


@dataclass(slots=True)
class Step:
    """What one event, or one reading of a clone, adds.

    Attributes:
        position: sequence of the event; None for a clone.
        refs: refs that changed: their values, None for those that are gone.
        problems: with the ref of each.
        counts: to be added to the tally.
    """

    position: int | None = None
    refs: Mapping[RefName, ObjectId | None] = field(default_factory=dict)
    problems: Sequence[tuple[str, Problem]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


class IntakeState(DerivedDatabase, ClaimSource):
    """The state of many repositories, and the claims of their records. Safe to share between threads."""

    schema: ClassVar[str] = _SCHEMA
    schema_version: ClassVar[int] = SCHEMA_VERSION

    # -- how far --------------------------------------------------------------------------------------

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in; 0 for none."""
        return self._number("position", repository_id)

    def serial(self, repository_id: str) -> int:
        """Serial of the last record whose claims were worked out; 0 for none."""
        return self._number("serial", repository_id)

    def _number(self, column: str, repository_id: str) -> int:
        rows = self._all(f"SELECT {column} FROM repository WHERE id = ?", repository_id)  # noqa: S608
        return int(rows[0][0]) if rows else 0

    def refs(self, repository_id: str) -> dict[RefName, ObjectId]:
        """The refs that hold provenance, as they were read last."""
        rows = self._all("SELECT name, value FROM ref WHERE repository = ?", repository_id)
        return {RefName(name): ObjectId(value.hex()) for name, value in rows}

    def problems(self, repository_id: str) -> list[tuple[str, Problem]]:
        """What could not be read, with the ref of each."""
        wanted = "SELECT source, place, text FROM problem WHERE repository = ? ORDER BY source, place, text"
        return [(source, Problem(place, text)) for source, place, text in self._all(wanted, repository_id)]

    def tally(self, repository_id: str) -> Counter[str]:
        """What was read altogether."""
        rows = self._all("SELECT what, amount FROM tally WHERE repository = ?", repository_id)
        return Counter({str(what): int(amount) for what, amount in rows})

    def finish(self, repository_id: str, step: Step) -> None:
        """Write what an event added, and move past it."""
        with self._write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            if step.position is not None:
                cursor.execute(
                    "UPDATE repository SET position = ? WHERE id = ?", (step.position, repository_id)
                )
            gone = [(repository_id, bytes(name)) for name, value in step.refs.items() if value is None]
            cursor.executemany("DELETE FROM ref WHERE repository = ? AND name = ?", gone)
            cursor.executemany(
                "INSERT OR REPLACE INTO ref VALUES (?, ?, ?)",
                [(repository_id, bytes(name), _raw(value)) for name, value in step.refs.items() if value],
            )
            self._write_problems(cursor, repository_id, step.problems)
            cursor.executemany(
                "INSERT INTO tally VALUES (?, ?, ?)"
                " ON CONFLICT (repository, what) DO UPDATE SET amount = amount + excluded.amount",
                [(repository_id, what, amount) for what, amount in step.counts.items()],
            )

    @staticmethod
    def _write_problems(
        cursor: sqlite3.Cursor, repository_id: str, problems: Sequence[tuple[str, Problem]]
    ) -> None:
        places = {(repository_id, _text(source), _text(problem.place)) for source, problem in problems}
        cursor.executemany(
            "DELETE FROM problem WHERE repository = ? AND source = ? AND place = ?", sorted(places)
        )
        cursor.executemany(
            "INSERT OR IGNORE INTO problem VALUES (?, ?, ?, ?)",
            [
                (repository_id, _text(source), _text(problem.place), _text(problem.text))
                for source, problem in problems
            ],
        )

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        with self._write() as cursor:
            cursor.execute("DELETE FROM repository WHERE id = ?", (repository_id,))
            for table in _TABLES[1:]:
                cursor.execute(f"DELETE FROM {table} WHERE repository = ?", (repository_id,))  # noqa: S608

    # -- commits and what ties them -------------------------------------------------------------------

    def find_known(self, repository_id: str, commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Those of the commits that were looked at."""
        found: set[ObjectId] = set()
        for part in _chunks(commits):
            wanted = f"SELECT object FROM known WHERE repository = ? AND object IN ({_marks(part)})"  # noqa: S608
            found.update(ObjectId(raw.hex()) for (raw,) in self._all(wanted, repository_id, *part))
        return frozenset(found)

    def find_tied(self, repository_id: str, ties: Iterable[tuple[str, str]]) -> dict[ObjectId, None]:
        """Commits that one of the ties leads to."""
        found: dict[ObjectId, None] = {}
        for kind, value in ties:
            wanted = "SELECT object FROM tie WHERE repository = ? AND kind = ? AND value = ?"
            found.update(
                (ObjectId(raw.hex()), None) for (raw,) in self._all(wanted, repository_id, kind, value)
            )
        return found

    def ties_of(
        self, repository_id: str, commits: Iterable[ObjectId]
    ) -> dict[ObjectId, list[tuple[str, str]]]:
        """What each of the commits can be found by."""
        found: dict[ObjectId, list[tuple[str, str]]] = {}
        for part in _chunks(commits):
            wanted = (
                "SELECT object, kind, value FROM tie WHERE repository = ?"  # noqa: S608
                f" AND object IN ({_marks(part)}) ORDER BY object, kind, value"
            )
            for raw, kind, value in self._all(wanted, repository_id, *part):
                found.setdefault(ObjectId(raw.hex()), []).append((kind, value))
        return found

    def add_commits(self, repository_id: str, commits: Iterable[ObjectId], ties: Iterable[Tie]) -> None:
        """Note commits as looked at, with what they can be found by."""
        with self._write() as cursor:
            cursor.executemany(
                "INSERT OR IGNORE INTO known VALUES (?, ?)",
                ((repository_id, _raw(commit)) for commit in commits),
            )
            cursor.executemany(
                "INSERT OR IGNORE INTO tie VALUES (?, ?, ?, ?)",
                ((repository_id, _raw(commit), kind, _text(value)) for commit, kind, value in ties),
            )

    # -- claims ---------------------------------------------------------------------------------------

    def replace_claims(
        self, repository_id: str, claims: Mapping[ObjectId, Sequence[Claim]], serial: int
    ) -> None:
        """Keep what records claim of commits in place of what they claimed before, up to a serial."""
        with self._write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            cursor.execute("UPDATE repository SET serial = ? WHERE id = ?", (serial, repository_id))
            for commit, said in claims.items():
                cursor.execute(
                    "DELETE FROM claim WHERE repository = ? AND object = ?", (repository_id, _raw(commit))
                )
                cursor.executemany(
                    "INSERT INTO claim VALUES (?, ?, ?, ?)",
                    [(repository_id, _raw(commit), at, _render(claim)) for at, claim in enumerate(said)],
                )

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.claims_of`."""
        rows = []
        for part in _chunks(commits):
            wanted = (
                f"SELECT object, facts FROM claim WHERE repository = ? AND object IN ({_marks(part)})"  # noqa: S608
                " ORDER BY object, ordinal"
            )
            rows += self._all(wanted, repository_id, *part)
        return _group(rows)

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """See `ClaimSource.all_claims`."""
        wanted = "SELECT object, facts FROM claim WHERE repository = ? ORDER BY object, ordinal"
        return _group(self._all(wanted, repository_id))


def _chunks(commits: Iterable[ObjectId]) -> Iterator[list[bytes]]:
    remaining = iter(commits)
    while part := [_raw(commit) for commit in islice(remaining, _PARAMETERS_MAX)]:
        yield part


def _marks(part: Sequence[bytes]) -> str:
    return ", ".join("?" * len(part))


def _raw(object_id: ObjectId) -> bytes:
    return bytes.fromhex(object_id)


def _text(text: str) -> str:
    """The text with lone surrogates written out, which SQLite could not hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def _render(claim: Claim) -> str:
    lines = [[part.path.decode("utf-8", "surrogateescape"), part.start, part.end] for part in claim.lines]
    said = [
        claim.actor,
        claim.agent,
        claim.model,
        claim.session,
        claim.prompt,
        claim.method,
        claim.turn,
        lines,
    ]
    return json.dumps(said)


def _group(rows: Iterable[tuple[bytes, str]]) -> dict[ObjectId, list[Claim]]:
    found: dict[ObjectId, list[Claim]] = {}
    for raw, facts in rows:
        commit = ObjectId(raw.hex())
        actor, agent, model, session, prompt, method, turn, lines = json.loads(facts)
        ranges = tuple(
            LineRange(path.encode("utf-8", "surrogateescape"), start, end) for path, start, end in lines
        )
        found.setdefault(commit, []).append(
            Claim(commit, Evidence.DECLARED, actor, agent, model, session, prompt, method, ranges, turn=turn)
        )
    return {commit: rank_claims(claims) for commit, claims in found.items()}
