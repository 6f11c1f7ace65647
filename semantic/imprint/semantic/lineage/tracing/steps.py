"""Steps that were taken back through history, kept in a file: what a definition was before one commit.

Invariants:
    1. A step is a function of its key: the commit, the definition after it and the content before it. None of
       these changes, so a kept step is right for ever.
    2. A fault of the file is never one of the answer: what cannot be read was not kept.
    3. At most `ROWS_MAX` steps are kept; the oldest go first.

Versions are in the file's name; a file of another version is not read.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from imprint.semantic.parse.extract import EXTRACTOR_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 2
ROWS_MAX: Final = 1_000_000
"""About 200 bytes each; docs/limits.md."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS steps (id INTEGER PRIMARY KEY, key BLOB UNIQUE, outcome BLOB)"


class KeptSteps:
    """Kept steps. Safe to share between threads and processes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `open`."""
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what is kept in a folder; in memory where that cannot be."""
        name = f"steps-{VERSION}.{EXTRACTOR_VERSION}.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(_connect(str(folder / name)))
        except (OSError, sqlite3.Error):
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)
            return cls(_connect(":memory:"))

    def find(self, key: bytes) -> bytes | None:
        """The outcome of a step; None if it was not taken."""
        with self._lock, suppress(sqlite3.Error):
            row = self._connection.execute("SELECT outcome FROM steps WHERE key = ?", (key,)).fetchone()
            return bytes(row[0]) if row else None
        return None

    def add(self, outcomes: Mapping[bytes, bytes]) -> None:
        """Keep steps."""
        if not outcomes:
            return
        with self._lock, suppress(sqlite3.Error), self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO steps (key, outcome) VALUES (?, ?)", list(outcomes.items())
            )
            self._connection.execute(
                "DELETE FROM steps WHERE id <= (SELECT max(id) FROM steps) - ?", (ROWS_MAX,)
            )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()


def _connect(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=5.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(_SCHEMA)
    return connection
