"""Whether anybody has committed to a SQLite file, seen from a connection that never writes.

Source: sqlite.org/pragma.html, "data_version": on one connection it changes with every commit of another one,
of this process or not. It costs microseconds: the head of the write-ahead log's index is compared.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress


class FileWatch:
    """Watches one file. Safe to share between threads; not to be carried across a fork.

    Args:
        uri: the file, as SQLite takes it.
        busy_seconds: how long SQLite may wait for programs that recover the file.
    """

    def __init__(self, uri: str, busy_seconds: float) -> None:
        self._uri = uri
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened = 0

    def version(self) -> tuple[int, int] | None:
        """A value that is another one after every commit; None when the file cannot be read."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                    self._opened += 1
                (number,) = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:
                self._drop()
                return None
            return self._opened, number

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        with self._lock:
            self._drop()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._uri,
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
