"""The few statements of which every commit consists, given to SQLite's driver as they were rendered once.

Running a statement through SQLAlchemy costs ten times what SQLite takes for it: 40 to 60 microseconds of
processor time against 5. Elsewhere the message to the server outweighs that, and SQLAlchemy runs them.

Invariants:
    1. Text, order of values and errors are SQLAlchemy's: it renders the statement, and gives failures of the
       driver their class.
    2. What is read comes back as plain rows, of values that no type has to convert.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql import ClauseElement, Executable

_SQLITE: Final = "sqlite"


class Prepared:
    """One statement. Safe to share between threads.

    Args:
        statement: of text, bytes and numbers alone, without lists of unknown length.
        columns: those that it writes values to, beside the ones that it names itself.
    """

    def __init__(self, statement: ClauseElement, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._rendered: tuple[str, list[str]] | None = None

    def read(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it, and return its rows."""
        driver = _find_driver(connection)
        if driver is None:
            return [tuple(row) for row in connection.execute(self._as_executable(), values)]
        text, names = self._render(connection)
        try:
            return driver.execute(text, [values[name] for name in names]).fetchall()
        except sqlite3.Error as failure:
            raise _wrap(text, failure, connection) from failure

    def write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of the values, of which there are some; it returns no rows."""
        driver = _find_driver(connection)
        if driver is None:
            connection.execute(self._as_executable(), rows)
            return
        text, names = self._render(connection)
        try:
            driver.executemany(text, [[row[name] for name in names] for row in rows])
        except sqlite3.Error as failure:
            raise _wrap(text, failure, connection) from failure

    def _as_executable(self) -> Executable:
        statement: Any = self._statement
        executable: Executable = statement
        return executable

    def _render(self, connection: Connection) -> tuple[str, list[str]]:
        if self._rendered is None:
            compiled: Any = self._statement.compile(
                dialect=connection.dialect, column_keys=list(self._columns) or None
            )
            self._rendered = str(compiled), list(compiled.positiontup)
        return self._rendered


def _find_driver(connection: Connection) -> sqlite3.Connection | None:
    """SQLite's own connection under a transaction; None of another database."""
    if connection.dialect.name != _SQLITE:
        return None
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    return driver


def _wrap(text: str, failure: sqlite3.Error, connection: Connection) -> BaseException:
    """The failure as SQLAlchemy raises it."""
    return DBAPIError.instance(text, None, failure, sqlite3.Error, dialect=connection.dialect)
