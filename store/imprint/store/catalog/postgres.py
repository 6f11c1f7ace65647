"""A PostgreSQL database, shared by servers on several machines: how transactions begin, end and fail.

Invariants:
    1. Readers see the transactions committed when they began, whole (`REPEATABLE READ`).
    2. Work that must be alone queues behind one advisory lock of the database. An admission need not: it
       locks its repository's row first, so that those of different repositories do not wait for each other.
    3. A commit that was told is durable: `synchronous_commit` is never off here.
    4. When the connection breaks in the middle of a commit, nobody guesses: what was asked is looked for
       behind the locks of the broken transaction, and if that cannot be done, `OutcomeUnknown` is raised.

Source: the chapters "Explicit Locking", "Transaction Isolation" and "Write Ahead Log" of PostgreSQL's manual.
"""

from __future__ import annotations

import logging
import shlex
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from imprint.store.catalog.kept.at_hand import verify_may_wait
from imprint.store.errors import BadInput, OutcomeUnknown, StorageFailed, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from imprint.store.catalog.database import Commits, Touched

CONNECT_SECONDS_MAX: Final = 10
"""How long a connection may take to come about."""
LOCK_SECONDS_MAX: Final = 60
"""How long a transaction waits for others; as long as SQLite's does."""
IDLE_SECONDS_MAX: Final = 60
"""How long a transaction, and what it locks, outlives a client that vanished without a word."""
SETTLE_SECONDS_MAX: Final = 15.0
"""How long the outcome of a commit is looked for whose connection broke."""
CONNECTIONS_KEPT: Final = 8
_SETTLE_POLL_SECONDS: Final = 0.5
_ALONE: Final = 0x696D7072  # "impr": one number for the whole store
_BROKEN: Final = (DBAPIError, OSError, struct.error)
"""What the driver raises when the connection breaks: not all of it is of its own kind."""
_UNICODE_STATES: Final = frozenset({"22021", "22P05"})
"""SQLSTATE of a text that cannot be stored: it holds a NUL, or is no valid Unicode."""
_NO_DATABASE: Final = "3D000"
"""SQLSTATE of a database that is not there."""
_PORT: Final = 5432
_SCHEMES: Final = frozenset({"postgresql", "postgres"})

T = TypeVar("T")


class PostgresDatabase:
    """A PostgreSQL database as the catalogue uses it. Not to be carried across a fork.

    Args:
        url: `postgresql://user:password@host:port/database`.

    Raises:
        BadInput: on making one, when the URL is no such URL.
    """

    def __init__(self, url: str) -> None:
        self._engine = _make_engine(url)
        self._watch = _SnapshotWatch(self._engine)
        address = self._engine.url
        self.place = f"{address.host or 'localhost'}:{address.port or _PORT}/{address.database}"
        """Which database this is, without user or password."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state.

        Raises:
            StorageFailed: the database cannot be reached.
            NotAtHand: it would be read where nothing may be waited for.
        """
        verify_may_wait()
        with self._failures_named(), self._engine.connect() as connection, connection.begin():
            yield connection

    def version(self) -> str | None:
        """A value that is another one after every commit, for one message to the database and back.

        Raises:
            NotAtHand: nothing may be waited for, and this waits for the network.
        """
        verify_may_wait()
        return self._watch.version()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that alone may write; durable when the block has ended.

        Raises:
            StorageFailed, BadInput: as `write`.
        """
        with self._failures_named(), self._beginning(alone=True) as connection:
            yield connection

    def tell_of_commits(self, told: Commits) -> None:
        """See `SqlDatabase.tell_of_commits`: here others can always commit too, and nobody is told."""

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        alone: bool = True,
        find: Callable[[Connection], T | None] | None = None,
        touched: Touched | None = None,
    ) -> T:
        """Do a piece of work that changes rows; it is durable on return.

        Args:
            work: given the connection.
            alone: whether no other such work may run beside it.
            find: gives the result of the work if it was done, behind the locks that the work takes. It is
                asked when the connection broke during the commit.
            touched: without effect.

        Raises:
            StorageFailed: it could not be written; nothing of it happened.
            OutcomeUnknown: the connection broke during the commit, and the outcome cannot be learnt.
            BadInput: a text holds what the database cannot hold.
            StoreError: what the work raised; nothing of it happened.
        """
        del touched
        result: list[T] = []
        try:
            with self._beginning(alone=alone) as connection:
                result.append(work(connection))
        except _BROKEN as failure:
            if not result:
                raise self._name(failure) from failure
            return self._settle(find, alone=alone, failure=failure)
        except UnicodeEncodeError as failure:
            raise BadInput("a text holds half a surrogate pair, which is no Unicode") from failure
        return result[0]

    def close(self) -> None:
        """Close every connection."""
        self._watch.close()
        self._engine.dispose()

    @contextmanager
    def _beginning(self, *, alone: bool) -> Iterator[Connection]:
        with (
            self._engine.connect().execution_options(imprint_writes=True) as connection,
            connection.begin(),
        ):
            if alone:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ALONE})")
            yield connection

    def _settle(
        self, find: Callable[[Connection], T | None] | None, *, alone: bool, failure: BaseException
    ) -> T:
        """What became of a commit whose connection broke."""
        ends_at = time.monotonic() + SETTLE_SECONDS_MAX
        while find and time.monotonic() < ends_at:
            try:
                with self._beginning(alone=alone) as connection:
                    found = find(connection)
            except (*_BROKEN, StoreError):
                time.sleep(_SETTLE_POLL_SECONDS)
                continue
            if found is None:
                raise self._name(failure) from failure
            return found
        raise OutcomeUnknown(
            f"the connection to the database {self.place} broke during a commit",
            hint="it is not known whether the change was made: look before trying again",
        ) from failure

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as failure:
            raise self._name(failure) from failure

    def _name(self, failure: BaseException) -> StoreError:
        facts = _facts(failure)
        if facts.get("C") in _UNICODE_STATES:
            return BadInput("a text holds a NUL or is no valid Unicode: the database cannot keep it")
        text = facts.get("M") or str(getattr(failure, "orig", failure)) or type(failure).__name__
        if facts.get("C") == _NO_DATABASE:
            where, _, name = self.place.partition("/")
            host, _, port = where.rpartition(":")
            make = shlex.join(["createdb", "-h", host, "-p", port, name])
            return StorageFailed(f"the database {self.place}: {text}", hint=f"make it first: {make}")
        return StorageFailed(
            f"the database {self.place}: {text}",
            hint="check that PostgreSQL runs and is reachable; the next request tries again",
        )


class _SnapshotWatch:
    """Which transactions have ended, as the text of a snapshot: equal snapshots see the same rows.

    Source: PostgreSQL's manual, "System Information Functions": what writes has a number, and until it has
    ended its number is in the snapshot, or not below its end.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Any = None

    def version(self) -> str | None:
        """The snapshot of now; None when the database cannot be asked."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._engine.raw_connection()
                cursor = self._connection.cursor()
                cursor.execute("SELECT txid_current_snapshot()::text")
                (snapshot,) = cursor.fetchone()
                cursor.close()
            except (*_BROKEN, SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                self._drop()
                return None
            return str(snapshot)

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()


def _facts(failure: BaseException) -> dict[str, str]:
    """The fields of the server's own message (PostgreSQL's manual, "Error and Notice Message Fields")."""
    arguments = getattr(getattr(failure, "orig", None), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], dict) else {}


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in _SCHEMES or not parsed.database:
        raise BadInput(
            "the catalogue's address is no URL of a PostgreSQL database",
            hint="it looks like postgresql://user:password@host:5432/database",
        )
    try:
        engine = create_engine(
            parsed.set(drivername="postgresql+pg8000"),
            poolclass=QueuePool,
            pool_size=CONNECTIONS_KEPT,
            max_overflow=-1,
            pool_pre_ping=True,
            connect_args={"timeout": CONNECT_SECONDS_MAX},
        )
    except ModuleNotFoundError as missing:
        raise BadInput(
            "the PostgreSQL driver is not installed", hint="pip install 'imprint[postgres]'"
        ) from missing
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    # That a broken connection cannot be closed is no news: whoever used it has been told.
    logging.getLogger(QueuePool.__module__).setLevel(logging.CRITICAL)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    connection.autocommit = True  # transactions begin where we say
    cursor = connection.cursor()
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS_MAX}s'")
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS_MAX}s'")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("imprint_writes", False)
    connection.exec_driver_sql(
        "BEGIN ISOLATION LEVEL READ COMMITTED"
        if writes
        else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    )
