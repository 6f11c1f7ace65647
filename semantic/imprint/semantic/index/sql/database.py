"""The index's SQL side: what exists, and which passages a content consists of.

Invariants:
    1. SQL decides: a passage's row elsewhere or a segment file of which no row here speaks does not exist.
    2. Every change is one transaction, made under the writers' lock of the folder.
    3. Row ids are never used again once a transaction has shown them.

A crash loses at most the last transactions (`synchronous=NORMAL`), each of them whole: the index is derived,
and the follower's position is lost with what it counted.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StorageFailed
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION: Final = 2
"""1: blobs, entities, uses, commits, holdings, positions, segments, incarnation. 2: passages instead of rows
for each entity and use; what is left to be read of histories is in files."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT, blob TEXT NOT NULL, flavour TEXT NOT NULL,
    language TEXT NOT NULL, chunks INTEGER NOT NULL, skipped TEXT,
    places BLOB NOT NULL, tail BLOB NOT NULL, UNIQUE (blob, flavour));
CREATE TABLE IF NOT EXISTS passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS indexed_commit (
    repository_id TEXT NOT NULL, commit_id TEXT NOT NULL, tree_id TEXT NOT NULL,
    PRIMARY KEY (repository_id, commit_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holding (
    blob_id INTEGER NOT NULL, repository_id TEXT NOT NULL,
    PRIMARY KEY (blob_id, repository_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holding_by_repository ON holding (repository_id);
CREATE TABLE IF NOT EXISTS position (
    repository_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incarnation (value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, blobs INTEGER NOT NULL, passages INTEGER NOT NULL);
"""
_BUSY_SECONDS: Final = 60.0


class Database:
    """Connections to one `semantic.db`, shared by threads; writers of all processes take turns."""

    def __init__(self, path: Path, lock_path: Path) -> None:
        self._path = path
        self._writers = FileLock(lock_path)
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._prepare()

    def _prepare(self) -> None:
        """Make the tables where they are missing; opening a ready database waits for no writer."""
        if self._path.exists():
            with self.reading() as connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
                    return
        with self.writing() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            renew_incarnation(connection)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose reads all see one moment.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._guard:
            connection = self._idle.pop() if self._idle else None
        try:
            connection = connection or self._connect()
            connection.execute("BEGIN")
            yield connection
            connection.execute("ROLLBACK")
        except BaseException as failure:
            if connection:
                connection.close()
            if isinstance(failure, sqlite3.Error):
                raise self._tell(failure) from failure
            raise
        with self._guard:
            self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The only writer of the folder, in one transaction: kept if the block ends well, else undone.

        Raises:
            StorageFailed: the disk is full or read-only; nothing was changed.
        """
        with self._writers.hold():
            try:
                connection = self._connect()
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    connection.close()
            except sqlite3.Error as failure:
                raise self._tell(failure) from failure

    def _tell(self, failure: sqlite3.Error) -> StorageFailed:
        is_damaged = (
            type(failure) is sqlite3.DatabaseError
        )  # what a full disk or a lock gives are kinds of it
        hint = f"it is derived: end what uses it, and delete {self._path.parent}; it comes back equal"
        return StorageFailed(f"{self._path}: {failure}", hint=hint if is_damaged else "")

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def renew_incarnation(connection: sqlite3.Connection, *, has_lost: bool = False) -> None:
    """Tell everyone who remembers row ids that some may have gone; `has_lost` if nobody wanted that."""
    known = connection.execute("SELECT value FROM incarnation").fetchone()
    birth = str(known[0]).partition("-")[0] if known and not has_lost else secrets.token_hex(8)
    connection.execute("DELETE FROM incarnation")
    connection.execute("INSERT INTO incarnation VALUES (? || '-' || lower(hex(randomblob(8))))", (birth,))
