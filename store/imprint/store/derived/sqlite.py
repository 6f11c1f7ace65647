"""A derived SQLite file, as several rooms keep one.

Invariants:
    1. A file of another schema version, or one that is no database, is emptied on opening.
    2. A transaction is kept whole or not at all; one begun inside another is a part of that.
    3. Each thread has a connection of its own.

A crash of the machine loses at most the last transactions (`synchronous=NORMAL`), each of them whole.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_SECONDS_MAX: Final = 60.0


class DerivedDatabase:
    """One file. Safe to share between threads.

    Attributes:
        schema: statements that make the tables, each but the last ended by a semicolon and a line feed.
        schema_version: which schema that is.
        cache_kib: memory for each connection's pages; 0 for SQLite's own choice.
    """

    schema: ClassVar[str]
    schema_version: ClassVar[int]
    cache_kib: ClassVar[int] = 0

    def __init__(self, path: Path) -> None:
        """Use `open`, which also makes the schema."""
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, made or emptied where need be.

        Raises:
            StorageFailed: it cannot be written.
        """
        opened = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            opened._prepare()
        except sqlite3.DatabaseError as damage:
            if isinstance(damage, sqlite3.OperationalError):
                raise StorageFailed(f"{path}: {damage}") from damage
            opened.close()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            opened = cls(path)
            opened._prepare()
        except OSError as failure:
            raise StorageFailed(f"{path}: {failure.strerror}") from failure
        return opened

    def _prepare(self) -> None:
        if self._connection().execute("PRAGMA user_version").fetchone()[0] == self.schema_version:
            return
        with self._write() as cursor:
            if cursor.execute("PRAGMA user_version").fetchone()[0] == self.schema_version:
                return
            for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                cursor.execute(f'DROP TABLE "{name}"')
            for statement in self.schema.split(";\n"):
                cursor.execute(statement)
            cursor.execute(f"PRAGMA user_version = {self.schema_version}")

    def close(self) -> None:
        """Release the file; it is not used again."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        """The calling thread's own connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False
            )
            with self._lock:
                self._connections.append(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if self.cache_kib:
                connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
            self._local.connection = connection
        return connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Cursor]:
        """One transaction: all of the block, or nothing of it; inside another one, a part of that."""
        with self._storage_errors():
            connection = self._connection()
            cursor = connection.cursor()
            if connection.in_transaction:
                yield cursor
                return
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._storage_errors():
            return self._connection().execute(statement, values).fetchall()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        with self._storage_errors():
            row: tuple[Any, ...] | None = self._connection().execute(statement, values).fetchone()
            return row

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as failure:
            raise StorageFailed(
                f"{self._path}: {failure}", hint="is the disk full, or the folder not writable?"
            ) from failure
