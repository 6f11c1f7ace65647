"""The ledger of claims and deliveries: what the repositories and their events say, ready to be asked.

Everything here is derived: from events and commits for hosted repositories, from commits and notes for a
clone. Deleting the file loses nothing; whoever fills it starts again at the position it then has, 0.

Invariants:
    1. What one event adds and the position after it are one transaction: a crash leaves both or neither.
    2. A commit has at most one delivery: the first event that brought it.
    3. The known commits of a hosted repository are closed under "parent of".
    4. A file of another schema version, or one that is no database, is emptied on opening.

Schema versions: 1, the first; 2, notes of several refs, claims with turns.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

from imprint.store.derived.sqlite import DerivedDatabase
from imprint.store.evidence.claims import Delivery, Evidence
from imprint.store.provenance.rows import (
    CLAIM_COLUMNS,
    NAMES_AGENT,
    PENDING,
    SCHEMA,
    TABLES,
    CachedOrigins,
    Expansion,
    decode_id,
    encode_id,
    group_claims,
    write_commits,
    write_event,
    write_notes,
    write_origins,
)
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from imprint.store.evidence.claims import Claim

SCHEMA_VERSION: Final = 2
_PARAMETERS_MAX: Final = 500
"""Below SQLite's oldest default bound of 999 variables in a statement."""


class Ledger(DerivedDatabase):
    """Claims and deliveries of many repositories, in one SQLite file. Safe to share between threads."""

    schema: ClassVar[str] = SCHEMA
    schema_version: ClassVar[int] = SCHEMA_VERSION

    def __init__(self, path: Path) -> None:
        """Use `open`, which also makes the schema."""
        super().__init__(path)
        self._tracing: dict[str, threading.Lock] = {}

    # -- positions ------------------------------------------------------------------------------------

    def position(self, repository_id: str) -> int:
        """Sequence of the last event expanded; 0 for none."""
        row = self._one("SELECT position FROM repository WHERE id = ?", repository_id)
        return int(row[0]) if row else 0

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        with self._write() as cursor:
            cursor.execute("DELETE FROM repository WHERE id = ?", (repository_id,))
            for table in TABLES[1:]:
                cursor.execute(f"DELETE FROM {table} WHERE repository = ?", (repository_id,))  # noqa: S608

    def boundary(self, repository_id: str) -> str:
        """What `set_boundary` was given last; empty before."""
        row = self._one("SELECT boundary FROM repository WHERE id = ?", repository_id)
        return str(row[0]) if row else ""

    def set_boundary(self, repository_id: str, boundary: str) -> None:
        """Keep what a shallow clone's boundary was when its commits were read."""
        with self._write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            cursor.execute("UPDATE repository SET boundary = ? WHERE id = ?", (boundary, repository_id))

    # -- asking ---------------------------------------------------------------------------------------

    def claims(self, repository_id: str, commit: ObjectId) -> list[Claim]:
        """What is claimed of a commit, best first; empty when nothing is."""
        return self.claims_of(repository_id, [commit]).get(commit, [])

    def claims_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """What is claimed of each of the commits, best first; commits without claims are left out."""
        rows = []
        for part in _chunks(commits):
            rows += self._all(
                f"SELECT {CLAIM_COLUMNS} FROM claim WHERE repository = ? AND object IN ({_marks(part)})"  # noqa: S608
                " ORDER BY object, source, ordinal",
                repository_id,
                *part,
            )
        return group_claims(rows)

    def all_claims(self, repository_id: str) -> dict[ObjectId, list[Claim]]:
        """What is claimed of every commit of the repository, best first."""
        return group_claims(
            self._all(
                f"SELECT {CLAIM_COLUMNS} FROM claim WHERE repository = ? ORDER BY object, source, ordinal",  # noqa: S608
                repository_id,
            )
        )

    def delivery(self, repository_id: str, commit: ObjectId) -> Delivery | None:
        """Who brought the commit; None if nobody did through Imprint."""
        return self.deliveries(repository_id, [commit]).get(commit)

    def deliveries(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, Delivery]:
        """Who brought each of the commits; those that nobody did are left out."""
        found = {}
        for part in _chunks(commits):
            rows = self._all(
                "SELECT known.object, event.actor, event.token, event.id, event.sequence, event.at_ms"  # noqa: S608
                " FROM known JOIN event USING (repository, sequence)"
                f" WHERE known.repository = ? AND known.object IN ({_marks(part)})",
                repository_id,
                *part,
            )
            for raw, *facts in rows:
                commit = decode_id(raw)
                found[commit] = Delivery(commit, *facts)
        return found

    def commits_by_class(self, repository_id: str) -> dict[Evidence, int]:
        """How many known commits have which best evidence."""
        rows = self._all(
            "SELECT best, count(*) FROM (SELECT min(evidence) AS best FROM claim WHERE repository = ?"
            " GROUP BY object) GROUP BY best",
            repository_id,
        )
        counts = dict.fromkeys(Evidence, 0) | {list(Evidence)[best]: count for best, count in rows}
        total = self._one("SELECT count(*) FROM known WHERE repository = ?", repository_id)
        counts[Evidence.UNKNOWN] = (total[0] if total else 0) - sum(counts.values())
        return counts

    def problems(self, repository_id: str) -> list[tuple[ObjectId, int, str]]:
        """What in notes could not be used: the commit, the note's line (0 for none), what is wrong."""
        rows = self._all(
            "SELECT object, line, text FROM problem WHERE repository = ? ORDER BY object, ordinal",
            repository_id,
        )
        return [(decode_id(raw), line, text) for raw, line, text in rows]

    def agent_notes(self, repository_id: str) -> frozenset[ObjectId]:
        """Commits whose note names an agent."""
        rows = self._all(
            "SELECT object FROM note WHERE repository = ? AND state = ?", repository_id, NAMES_AGENT
        )
        return frozenset(decode_id(raw) for (raw,) in rows)

    # -- expanding ------------------------------------------------------------------------------------

    def find_known(self, repository_id: str, commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Those of the commits that the ledger knows."""
        found: set[ObjectId] = set()
        for part in _chunks(commits):
            rows = self._all(
                f"SELECT object FROM known WHERE repository = ? AND object IN ({_marks(part)})",  # noqa: S608
                repository_id,
                *part,
            )
            found.update(decode_id(raw) for (raw,) in rows)
        return frozenset(found)

    def recent_heads(self, repository_id: str, count: int) -> list[ObjectId]:
        """The newest tips that events brought, at most `count`."""
        rows = self._all(
            "SELECT object FROM head WHERE repository = ? ORDER BY sequence DESC LIMIT ?",
            repository_id,
            count,
        )
        return [decode_id(raw) for (raw,) in rows]

    def note_sources(self, repository_id: str) -> dict[RefName, ObjectId]:
        """The refs that hold notes, with the values that were read last."""
        rows = self._all("SELECT name, value FROM note_source WHERE repository = ?", repository_id)
        return {RefName(name): decode_id(value) for name, value in rows}

    def notes(self, repository_id: str) -> dict[ObjectId, ObjectId]:
        """Each annotated commit with its note's blob, as read last."""
        rows = self._all("SELECT object, blob FROM note WHERE repository = ?", repository_id)
        return {decode_id(raw): decode_id(blob) for raw, blob in rows}

    def pending_notes(self, repository_id: str) -> dict[ObjectId, ObjectId]:
        """Commits that are not known yet but have a note, with its blob."""
        rows = self._all(
            "SELECT object, blob FROM note WHERE repository = ? AND state = ?", repository_id, PENDING
        )
        return {decode_id(raw): decode_id(blob) for raw, blob in rows}

    def record(self, repository_id: str, expansion: Expansion) -> None:
        """Write an expansion and, for an event, the position after it; an event seen before is skipped."""
        event = expansion.event
        with self._write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            if event is not None:
                done = cursor.execute(
                    "SELECT position FROM repository WHERE id = ?", (repository_id,)
                ).fetchone()
                if done[0] >= event.sequence:
                    return
                write_event(cursor, repository_id, event)
            write_commits(cursor, repository_id, expansion)
            if expansion.notes is not None:
                write_notes(cursor, repository_id, expansion.notes)

    # -- line origins ---------------------------------------------------------------------------------

    def tracing(self, repository_id: str) -> threading.Lock:
        """Hold this while finding line origins: whoever asks meanwhile then finds them kept."""
        with self._lock:
            return self._tracing.setdefault(repository_id, threading.Lock())

    def load_origins(self, repository_id: str) -> CachedOrigins | None:
        """What the last audit kept; None before the first."""
        row = self._one("SELECT audited FROM repository WHERE id = ?", repository_id)
        if not row or not row[0]:
            return None
        rows = self._all("SELECT path, blob, spans FROM origin WHERE repository = ?", repository_id)
        files = {path: (decode_id(blob), spans) for path, blob, spans in rows}
        return CachedOrigins(decode_id(row[0]), files)

    def start_origins(self, repository_id: str, origins: CachedOrigins) -> None:
        """Keep line origins of a commit in place of everything kept before."""
        with self._write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            cursor.execute("DELETE FROM origin WHERE repository = ?", (repository_id,))
            cursor.execute(
                "UPDATE repository SET audited = ? WHERE id = ?", (encode_id(origins.commit), repository_id)
            )
            write_origins(cursor, repository_id, origins)

    def add_origins(self, repository_id: str, origins: CachedOrigins) -> None:
        """Keep more line origins of the commit last given to `start_origins`; of another one, nothing."""
        with self._write() as cursor:
            row = cursor.execute("SELECT audited FROM repository WHERE id = ?", (repository_id,)).fetchone()
            if row and row[0] == encode_id(origins.commit):
                write_origins(cursor, repository_id, origins)


def _chunks(commits: Iterable[ObjectId]) -> Iterator[list[bytes]]:
    """The ids as SQLite has them, in lists that one statement can take."""
    remaining = iter(commits)
    while part := [encode_id(commit) for commit in islice(remaining, _PARAMETERS_MAX)]:
        yield part


def _marks(part: Sequence[bytes]) -> str:
    return ", ".join("?" * len(part))
