"""Spans of files at commits, kept in one SQLite file of bounded size; what was asked for least lately goes.

Everything here is derived, and a fault of the file is never one of the answer: what cannot be read was not
kept, what cannot be written is not kept.

Invariants:
    1. A row's spans are what git blame answers for its commit and path, in a repository whose boundary (see
       `KeptFolders.boundary`) is the row's. None of these ever changes, so a row is right for ever.
    2. The packed spans of all rows together take at most `bytes_max`, and the total is changed in the same
       transaction as the rows.
    3. A file of another schema version, or one that is no database, is emptied on opening.

Schema versions: 1, the first.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from imprint.store.errors import StorageFailed
from imprint.store.history.blame import Span, pack_spans, unpack_spans
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SCHEMA_VERSION: Final = 1
BYTES_MAX: Final = 256 * 1024**2
"""docs/limits.md has it, too."""
_SCHEMA: Final = """
CREATE TABLE kept (
    repository TEXT NOT NULL, boundary BLOB NOT NULL, path BLOB NOT NULL, object BLOB NOT NULL,
    at_s INTEGER NOT NULL, used INTEGER NOT NULL, spans BLOB NOT NULL,
    PRIMARY KEY (repository, boundary, path, object)) WITHOUT ROWID;
CREATE INDEX kept_used ON kept (used);
CREATE INDEX kept_lately ON kept (repository, boundary, path, used);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TABLE position (repository TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
"""
_BUSY_SECONDS_MAX: Final = 10.0
_USES_AT_ONCE: Final = 64
"""Uses that are remembered before they are written: which row goes first need not be known exactly."""
_USE: Final = "UPDATE kept SET used = ? WHERE repository = ? AND boundary = ? AND path = ? AND object = ?"
_LEAST_LATELY_USED: Final = "used IN (SELECT used FROM kept ORDER BY used LIMIT 32)"
_ROW_BYTES: Final = 200
"""About what a row takes beside its spans."""

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class Place:
    """A file of a repository: its id, its boundary, and the path."""

    repository: str
    boundary: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class KeptAt:
    """A commit at which a file's spans are kept, and its committer's time in seconds since the epoch."""

    commit: ObjectId
    at_s: int


class KeptSpans:
    """Kept spans of many repositories. Safe to share between threads, and between processes."""

    def __init__(self, connection: sqlite3.Connection, bytes_max: int) -> None:
        """Use `open`."""
        self._connection = connection
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._uses: dict[tuple[Place, ObjectId], int] = {}
        self._clock = int(connection.execute("SELECT coalesce(max(used), 0) FROM kept").fetchone()[0])

    @classmethod
    def open(cls, path: Path, bytes_max: int = BYTES_MAX) -> Self:
        """Open the file, made or emptied where need be.

        Raises:
            StorageFailed: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return cls(_connect(path), bytes_max)
            except sqlite3.DatabaseError as damage:
                if isinstance(damage, sqlite3.OperationalError):
                    raise StorageFailed(f"{path}: {damage}") from damage
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                return cls(_connect(path), bytes_max)
        except OSError as failure:
            raise StorageFailed(f"{path}: {failure.strerror}") from failure

    def close(self) -> None:
        """Release the file; it is not used again."""
        with self._lock:
            self._connection.close()

    def find(self, place: Place, commit: ObjectId, *, is_asked: bool = True) -> list[Span] | None:
        """The spans of a file at a commit; None if they are not kept. `is_asked`: somebody waits for them."""
        rows = self._ask(
            "SELECT spans FROM kept WHERE repository = ? AND boundary = ? AND path = ? AND object = ?",
            place.repository, place.boundary, place.path, bytes.fromhex(commit),
        )  # fmt: skip
        if not rows:
            return None
        if not is_asked:
            return unpack_spans(rows[0][0])
        with self._lock:
            self._clock += 1
            self._uses[place, commit] = self._clock
            is_due = len(self._uses) >= _USES_AT_ONCE
        if is_due:
            self._write(lambda _: None)
        return unpack_spans(rows[0][0])

    def list_at(self, place: Place) -> list[KeptAt]:
        """The commits at which a file's spans are kept."""
        rows = self._ask(
            "SELECT object, at_s FROM kept WHERE repository = ? AND boundary = ? AND path = ?",
            place.repository, place.boundary, place.path,
        )  # fmt: skip
        return [KeptAt(ObjectId(raw.hex()), at_s) for raw, at_s in rows]

    def list_lately_used(self, repository_id: str, boundary: bytes, count: int) -> list[bytes]:
        """Paths asked for lately, at most so many, the last one first."""
        rows = self._ask(
            "SELECT path FROM kept WHERE repository = ? AND boundary = ? GROUP BY path"
            " ORDER BY max(used) DESC LIMIT ?",
            repository_id, boundary, count,
        )  # fmt: skip
        return [bytes(path) for (path,) in rows]

    def keep(self, place: Place, at: KeptAt, spans: Sequence[Span], *, is_asked: bool = True) -> None:
        """Keep the spans of a file at a commit; others go if there is no room.

        Without `is_asked` the file does not count as asked for later than it was.
        """
        packed = pack_spans(spans)
        size_bytes = _size(place.path, packed)
        if size_bytes > self._bytes_max:
            return

        def write(cursor: sqlite3.Cursor) -> None:
            self._clock += 1
            used = self._clock if is_asked else _last_use(cursor, place)
            cursor.execute(
                "INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    place.repository, place.boundary, place.path, bytes.fromhex(at.commit),
                    at.at_s, used, packed,
                ),
            )  # fmt: skip
            if cursor.rowcount == 1:
                cursor.execute("UPDATE total SET bytes = bytes + ?", (size_bytes,))
                while cursor.execute("SELECT bytes FROM total").fetchone()[0] > self._bytes_max:
                    _delete(cursor, _LEAST_LATELY_USED)

        self._write(write)

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""

        def write(cursor: sqlite3.Cursor) -> None:
            _delete(cursor, "repository = ?", repository_id)
            cursor.execute("DELETE FROM position WHERE repository = ?", (repository_id,))

        self._write(write)

    def position(self, repository_id: str) -> int:
        """What `set_position` was given last; 0 before."""
        rows = self._ask("SELECT sequence FROM position WHERE repository = ?", repository_id)
        return int(rows[0][0]) if rows else 0

    def set_position(self, repository_id: str, sequence: int) -> None:
        """Keep up to which event the files asked for lately were followed.

        Raises:
            StorageFailed: it cannot be written.
        """
        statement = "INSERT OR REPLACE INTO position VALUES (?, ?)"
        self._write(lambda cursor: cursor.execute(statement, (repository_id, sequence)), must=True)

    @property
    def bytes_kept(self) -> int:
        """What the spans of all rows take, about."""
        rows = self._ask("SELECT bytes FROM total")
        return int(rows[0][0]) if rows else 0

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as fault:
            _log.warning("kept spans cannot be read: %s", fault)
            return []

    def _write(self, work: Callable[[sqlite3.Cursor], object], *, must: bool = False) -> None:
        """One transaction, with the uses remembered so far; nothing of it if the file does not take it."""
        try:
            with self._lock:
                cursor = self._connection.cursor()
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    cursor.executemany(_USE, list(self._list_uses()))
                    work(cursor)
                except BaseException:
                    cursor.execute("ROLLBACK")
                    raise
                cursor.execute("COMMIT")
                self._uses.clear()
        except sqlite3.Error as fault:
            if must:
                raise StorageFailed(f"kept spans: {fault}") from fault
            _log.warning("kept spans cannot be written: %s", fault)

    def _list_uses(self) -> Iterator[tuple[int, str, bytes, bytes, bytes]]:
        for (place, commit), used in self._uses.items():
            yield used, place.repository, place.boundary, place.path, bytes.fromhex(commit)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            _make_tables(connection.cursor())
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(cursor: sqlite3.Cursor) -> None:
    cursor.execute("BEGIN IMMEDIATE")
    if cursor.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            cursor.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA.split(";\n"):
            cursor.execute(statement)
        cursor.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    cursor.execute("COMMIT")


def _last_use(cursor: sqlite3.Cursor, place: Place) -> int:
    found = cursor.execute(
        "SELECT coalesce(max(used), 0) FROM kept WHERE repository = ? AND boundary = ? AND path = ?",
        (place.repository, place.boundary, place.path),
    )
    return int(found.fetchone()[0])


def _delete(cursor: sqlite3.Cursor, condition: str, *values: object) -> None:
    """Delete rows, and take what they held off the total."""
    freed = cursor.execute(
        f"SELECT coalesce(sum({_ROW_BYTES} + length(path) + length(spans)), 0) FROM kept WHERE {condition}",  # noqa: S608
        values,
    ).fetchone()[0]
    cursor.execute(f"DELETE FROM kept WHERE {condition}", values)  # noqa: S608
    cursor.execute("UPDATE total SET bytes = bytes - ?", (freed,))


def _size(path: bytes, packed: bytes) -> int:
    return _ROW_BYTES + len(path) + len(packed)
