"""One SQLite file, shared by threads and processes: how transactions begin, queue, end and fail.

Invariants:
    1. A committed transaction survives a crash of the machine: write-ahead log, `synchronous=FULL`.
    2. Writers of all processes queue behind one lock file beside the database. SQLite's own busy handler
       polls, and starves some of 16 tight writers until they time out.
    3. Readers never wait for writers, and see the transactions committed when they began, whole.
    4. An exception out of a block, or out of a piece of work, undoes what it did, and only that.
    5. Work of threads that wait at the same time is committed together: one sync of the disk for all of it.
       Nobody is told of a result before the commit that holds it.

A crash in a transaction leaves it in the log uncommitted; the next opener drops it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from imprint.store.catalog.kept.at_hand import verify_may_wait
from imprint.store.catalog.kept.watch import FileWatch
from imprint.store.errors import BadInput, StorageFailed, StoreError
from imprint.store.waiting.lock import FileLock
from imprint.store.waiting.together import Together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BUSY_SECONDS_MAX: Final = 60
"""How long SQLite itself waits: only for programs that write without our lock, or for recovery after a
crash."""
CONNECTIONS_KEPT: Final = 8
"""Idle connections kept for reuse. More are opened when more threads read at once."""
_HINTS: Final = {
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_READONLY": "make the folder and its files writable for this user",
    "SQLITE_CANTOPEN": "check that the folder exists and is writable for this user",
    "SQLITE_NOTADB": "the file is damaged or of another program: restore it from a backup",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
    "SQLITE_BUSY": "another program holds the file locked: end it",
}


LOG_BYTES_KEPT: Final = 64 * 1024**2
"""The write-ahead log is cut to this size when it starts over; one huge import would leave it huge."""
TOGETHER_MAX: Final = 64
"""Pieces of work in one commit: bounds how long one process keeps the others waiting."""

T = TypeVar("T")
Commits = Callable[[Hashable | None, Hashable | None, Sequence[tuple[Hashable, Callable[[Any], Any]]]], None]
"""Told the version before a commit and after it, and what it can have changed, each with what makes the new
of the old."""
Touched = Mapping[Hashable, Callable[[Any, Any], Any]]
"""What a piece of work can change, each with what makes the new of the old and the work's result, or None."""


@dataclass(slots=True)
class _Job:
    """A piece of work and where its result goes."""

    work: Callable[[Connection], Any]
    touched: Touched | None
    outcome: Future[Any] = field(default_factory=Future)

    def list_touched(self) -> list[tuple[Hashable, Callable[[Any], Any]]]:
        """What it has changed, when it is done."""
        touched = self.touched or {}
        if self.outcome.exception():
            return [(each, lambda _: None) for each in touched]
        result = self.outcome.result()
        return [(each, partial(_follow, follow, result)) for each, follow in touched.items()]


def _follow(follow: Callable[[Any, Any], Any], result: object, old: object) -> object:
    return follow(old, result)


class SqlDatabase(Protocol):
    """What the statements of the catalogue need of a database; see `Database` and `postgres`."""

    @property
    def place(self) -> str:
        """Which database it is, for messages."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state."""
        ...

    def version(self) -> Hashable | None:
        """A value that differs from every earlier one once anybody has committed; None if that is not known.

        A commit that was told before is in it, whichever process made it.
        """
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction of its own that alone may write; durable when the block has ended."""
        ...

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
            work: given the connection; may be called again when its transaction was undone.
            alone: whether no other such work may run beside it.
            find: gives the result of the work if it was done, where a broken commit leaves that open.
            touched: what of that which is told by `tell_of_commits` the work can change, and how; None:
                anything.
        """
        ...

    def tell_of_commits(self, told: Commits) -> None:
        """Have somebody told of commits that were made here while nobody else could make one.

        A database that cannot know that tells nobody.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


class Database(SqlDatabase):
    """A SQLite file and its writers' queue. Not to be carried across a fork."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"))
        self._engine = _make_engine(path)
        self._writer: Connection | None = None
        self._watch = FileWatch(_make_uri(path), BUSY_SECONDS_MAX)
        self._jobs = Together(self._commit, TOGETHER_MAX)
        self._told: Commits = lambda *_: None

    def tell_of_commits(self, told: Commits) -> None:
        """See `SqlDatabase.tell_of_commits`; writers by this class have the lock, and there are no others."""
        self._told = told

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state.

        Raises:
            StorageFailed: the file cannot be read.
            NotAtHand: it would be read where nothing may be waited for.
        """
        verify_may_wait()
        with self._failures_named(), self._engine.connect() as connection, connection.begin():
            yield connection

    def version(self) -> tuple[int, int] | None:
        """A value that is another one after every commit; asking for it never waits."""
        return self._watch.version()

    @property
    def place(self) -> str:
        """The file."""
        return str(self._path)

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
            work: given the connection; may be called again when others, or the disk, undid its transaction.
            alone: without effect: all writers queue here.
            find: without effect: a commit to a file has succeeded or failed.
            touched: see `SqlDatabase.write`.

        Raises:
            StorageFailed: it could not be written, or not be made durable; nothing of it happened.
            BadInput: a text is no valid Unicode.
            StoreError: what the work raised; nothing of it happened.
        """
        del alone, find
        job = _Job(work, touched)
        self._jobs.finish(job)
        outcome: T = job.outcome.result()
        return outcome

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction of its own that alone may write; durable when the block has ended.

        Raises:
            StorageFailed, BadInput: as `write`.
        """
        with self._lock.hold(), self._beginning() as connection:
            yield connection

    @contextmanager
    def _beginning(self) -> Iterator[Connection]:
        """Under the lock: a transaction on the connection that writers keep, or a new one after a failure."""
        with self._failures_named():
            connection, self._writer = self._writer, None
            if connection is None:
                connection = self._engine.connect().execution_options(imprint_writes=True)
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                connection.close()
                raise
            self._writer = connection

    def _commit(self, jobs: list[_Job]) -> None:
        """Do what waits, in order of arrival, in one transaction; or each alone, if that fails."""
        try:
            with self._lock.hold():
                before = self.version()
                if len(jobs) == 1 or not self._do_together(jobs):
                    for job in jobs:
                        self._do_alone(job)
                if all(job.touched is not None for job in jobs):
                    self._told(before, self.version(), [each for job in jobs for each in job.list_touched()])
        except StorageFailed as failure:  # the lock file
            for job in jobs:
                job.outcome.set_exception(StorageFailed(failure.message, hint=failure.hint))

    def _do_together(self, jobs: list[_Job]) -> bool:
        """Whether one transaction could hold all of it. A piece that is refused undoes only itself."""
        try:
            with self._beginning() as connection:
                results = [_do_apart(job, connection) for job in jobs]
        except Exception:  # noqa: BLE001 - whose fault it was shows when each is done alone
            return False
        for job, (result, refused) in zip(jobs, results, strict=True):
            if refused is None:
                job.outcome.set_result(result)
            else:
                job.outcome.set_exception(refused)
        return True

    def _do_alone(self, job: _Job) -> None:
        try:
            with self._beginning() as connection:
                result = job.work(connection)
        except Exception as failure:  # noqa: BLE001 - raised again by whoever waits for the outcome
            job.outcome.set_exception(failure)
        else:
            job.outcome.set_result(result)

    def close(self) -> None:
        """Close every connection."""
        self._watch.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        self._engine.dispose()

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as failure:
            raise _storage_failed(self._path, failure) from failure
        except UnicodeEncodeError as failure:
            raise BadInput("a text holds half a surrogate pair, which is no Unicode") from failure


def _do_apart(job: _Job, connection: Connection) -> tuple[Any, StoreError | None]:
    """The result of a piece of work within a transaction; or why it was refused, and it is undone."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.execute("SAVEPOINT piece")
    try:
        result, refused = job.work(connection), None
    except StoreError as refusal:
        result, refused = None, refusal
        driver.execute("ROLLBACK TO piece")
    driver.execute("RELEASE piece")
    return result, refused


def _storage_failed(path: Path, failure: DBAPIError) -> StorageFailed:
    name = getattr(failure.orig, "sqlite_errorname", "") or ""
    hint = next((hint for prefix, hint in _HINTS.items() if name.startswith(prefix)), "")
    return StorageFailed(f"{path}: {failure.orig} ({name or type(failure.orig).__name__})", hint=hint)


def _make_engine(path: Path) -> Engine:
    # mode=rw: a missing file is an error, never a new, empty catalogue.
    engine = create_engine(
        URL.create(
            "sqlite",
            database=f"file:{_quote_uri(path)}",
            query={"uri": "true", "mode": "rw"},
        ),
        poolclass=QueuePool,
        pool_size=CONNECTIONS_KEPT,
        max_overflow=-1,
        connect_args={"timeout": BUSY_SECONDS_MAX, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_uri(path: Path) -> str:
    return f"file:{_quote_uri(path)}?mode=rw"


def _quote_uri(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _prepare(connection: Any, _record: object) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - for the type checker
    connection.isolation_level = None  # transactions begin where we say
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("imprint_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
