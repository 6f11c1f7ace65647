"""The catalogue in SQL: in one SQLite file, or in PostgreSQL; the statements are the same.

Invariants:
    1. Every method is one transaction: readers see one state, writers change all or nothing.
    2. A repository's generation, its newest event and its refs change together or not at all.
    3. What every request asks (who holds a token, which repository it is) is kept until anybody commits; it
       is never older than the newest commit that was told to its caller: see `kept.answers`.

A crash at any instant leaves the catalogue as after the last transaction that was told to its caller, or
after one more whose caller was not told yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update

from imprint.store.actors import Turn
from imprint.store.catalog import schema, sql_journal, sql_packs, sql_people
from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.kept.answers import KeptAnswers
from imprint.store.catalog.kept.moves import Moves, follow_record
from imprint.store.catalog.migrate import read_revision
from imprint.store.catalog.ports import Catalogue, RefSnapshot, RepositoryRecord
from imprint.store.catalog.rules import verify_together
from imprint.store.errors import Conflict, DataFolderMismatch, RepositoryExists, RepositoryMissing
from imprint.store.types import HashAlgorithm, RefName, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from imprint.store.actors import Actor, ActorKind, Session, Token
    from imprint.store.catalog.database import Touched
    from imprint.store.events import Admission, Event, EventKind, PackReplacement

# Every request asks for a repository: these statements are built once.
_WANTED: Final[BindParameter[str]] = bindparam("wanted")
_REPOSITORY: Final = select(schema.repository).where(schema.repository.c.id == _WANTED)
_REPOSITORY_BY_KEY: Final = select(schema.repository).where(
    schema.repository.c.name_key == _WANTED, schema.repository.c.purge_after_ms.is_(None)
)


class SqlCatalogue(Catalogue):
    """A `Catalogue` in a database. Threads and processes share it; it is not carried across a fork.

    Attributes:
        kept: answers of the database that are good until somebody commits.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self.kept = KeptAnswers(database.version)
        database.tell_of_commits(self.kept.carry)

    @classmethod
    def open_sqlite(cls, path: Path) -> Self:
        """The catalogue in a file, which `migrate.upgrade` made.

        Raises:
            DataFolderMismatch: its tables are of another revision.
            StorageFailed: the file is missing or cannot be opened.
        """
        return cls.open(Database(path))

    @classmethod
    def open(cls, database: SqlDatabase) -> Self:
        """The catalogue in a database, which is closed with it.

        Raises:
            DataFolderMismatch: its tables are of another revision.
            StorageFailed: it cannot be read.
        """
        revision = read_revision(database)
        if revision != schema.REVISION:
            database.close()
            raise DataFolderMismatch(
                database.place,
                f"the catalogue has revision {revision or 'none'}, this Imprint reads {schema.REVISION}",
                hint="open its data folder with 'imprint serve', which upgrades an older one",
            )
        return cls(database)

    # -- repositories -------------------------------------------------------------------------------

    def create_repository(self, record: RepositoryRecord, admission: Admission) -> Event:
        """See `Catalogue.create_repository`."""

        def create(connection: Connection) -> Event:
            _write_repository(connection, record)
            return sql_journal.admit(connection, admission)

        return self._database.write(create)

    def find_repository(self, name: RepositoryName) -> RepositoryRecord | None:
        """See `Catalogue.find_repository`."""

        def read() -> str | None:
            with self._database.reading() as connection:
                row = connection.execute(_REPOSITORY_BY_KEY, {"wanted": name.key}).first()
                return row.id if row else None

        version = self.kept.find_version()
        repository_id = self.kept.ask(("name", name.key), read, version)
        try:
            record = self._get_repository(repository_id, version) if repository_id else None
        except RepositoryMissing:
            return None
        # It may have been renamed or deleted between the two.
        return record if record and record.name.key == name.key and record.purge_after_ms is None else None

    def get_repository(self, repository_id: str) -> RepositoryRecord:
        """See `Catalogue.get_repository`."""
        return self._get_repository(repository_id, self.kept.find_version())

    def _get_repository(self, repository_id: str, version: Hashable | None) -> RepositoryRecord:
        def read() -> RepositoryRecord:
            with self._database.reading() as connection:
                row = connection.execute(_REPOSITORY, {"wanted": repository_id}).first()
                if row is None:
                    raise RepositoryMissing(repository_id)
                return _record(row, sql_packs.read_settings(connection, repository_id))

        return self.kept.ask(("repository", repository_id), read, version)

    def list_repositories(self, *, deleted: bool = False) -> list[RepositoryRecord]:
        """See `Catalogue.list_repositories`."""
        purge_after_ms = schema.repository.c.purge_after_ms
        found = select(schema.repository).where(
            purge_after_ms.is_not(None) if deleted else purge_after_ms.is_(None)
        )
        with self._database.reading() as connection:
            settings = sql_packs.read_all_settings(connection)
            records = [_record(row, settings.get(row.id, {})) for row in connection.execute(found)]
        return sorted(records, key=lambda record: record.name.key)

    def rename_repository(self, name: RepositoryName, admission: Admission) -> Event:
        """See `Catalogue.rename_repository`."""

        def rename(connection: Connection) -> Event:
            event = sql_journal.admit(connection, admission)
            _verify_free(connection, name, except_id=admission.repository_id)
            _update_repository(connection, admission, name=str(name), name_key=name.key)
            return event

        return self._database.write(rename)

    def delete_repository(self, purge_after_ms: int, admission: Admission) -> Event:
        """See `Catalogue.delete_repository`."""

        def hide(connection: Connection) -> Event:
            event = sql_journal.admit(connection, admission)
            _update_repository(connection, admission, purge_after_ms=purge_after_ms)
            return event

        return self._database.write(hide)

    def restore_repository(self, admission: Admission) -> Event:
        """See `Catalogue.restore_repository`."""

        def show(connection: Connection) -> Event:
            event = sql_journal.admit(connection, admission, deleted=True)
            _update_repository(connection, admission, purge_after_ms=None)
            return event

        return self._database.write(show)

    def purge_repository(self, repository_id: str, now_ms: int) -> bool:
        """See `Catalogue.purge_repository`."""
        return self._database.write(lambda connection: _purge(connection, repository_id, now_ms))

    # -- refs and the commit point --------------------------------------------------------------------

    def read_refs(self, repository_id: str, *, since: RefSnapshot | None = None) -> RefSnapshot:
        """See `Catalogue.read_refs`."""
        read_now: list[RefSnapshot] = []

        def read() -> Moves:
            with self._database.reading() as connection:
                read_now.append(sql_journal.read_refs(connection, repository_id, since))
            return Moves.begin(read_now[0])

        moves = self.kept.ask(("moves", repository_id), read)
        if not read_now and since and (brought_up := moves.bring_up(since)):
            return brought_up
        if not read_now:
            read()
        return read_now[0]

    def admit(self, admission: Admission) -> Event:
        """See `Catalogue.admit`."""
        return self._database.write(
            lambda connection: sql_journal.admit(connection, admission),
            alone=False,
            find=lambda connection: sql_journal.find_event(connection, admission),
            touched=_touch([admission], lambda event: [event]),
        )

    def admit_all(self, admissions: Sequence[Admission]) -> list[Event]:
        """See `Catalogue.admit_all`."""
        verify_together(admissions)
        if not admissions:
            return []
        return self._database.write(
            lambda connection: sql_journal.admit_all(connection, admissions),
            alone=False,
            find=lambda connection: sql_journal.find_events(connection, admissions),
            touched=_touch(admissions, lambda events: events),
        )

    def list_events(self, repository_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """See `Catalogue.list_events`."""
        with self._database.reading() as connection:
            return sql_journal.read_events(connection, repository_id, after, limit)

    def has_event(self, repository_id: str, kind: EventKind, *, after: int) -> bool:
        """See `Catalogue.has_event`."""
        moves: Moves | None = self.kept.find(("moves", repository_id))
        known = moves.has_event(kind, after) if moves else None
        if known is not None:
            return known
        with self._database.reading() as connection:
            return sql_journal.has_event(connection, repository_id, kind, after)

    def list_packs(self, repository_id: str) -> frozenset[str]:
        """See `Catalogue.list_packs`."""
        with self._database.reading() as connection:
            return sql_packs.read_packs(connection, repository_id)

    def replace_packs(self, repository_id: str, replacement: PackReplacement, at_ms: int) -> None:
        """See `Catalogue.replace_packs`."""
        self._database.write(
            lambda connection: sql_packs.replace_packs(connection, repository_id, replacement, at_ms)
        )

    def list_retired_packs(self, repository_id: str) -> dict[str, int]:
        """See `Catalogue.list_retired_packs`."""
        with self._database.reading() as connection:
            return sql_packs.read_retired_packs(connection, repository_id)

    def forget_packs(self, repository_id: str, names: Collection[str]) -> frozenset[str]:
        """See `Catalogue.forget_packs`."""
        return self._database.write(
            lambda connection: sql_packs.forget_packs(connection, repository_id, names)
        )

    # -- actors, tokens, sessions ---------------------------------------------------------------------

    def ensure_actor(self, name: str, kind: ActorKind, emails: Sequence[str] = ()) -> Actor:
        """See `Catalogue.ensure_actor`."""
        return self._database.write(lambda connection: sql_people.write_actor(connection, name, kind, emails))

    def find_actor(self, name: str) -> Actor | None:
        """See `Catalogue.find_actor`."""

        def read() -> Actor | None:
            with self._database.reading() as connection:
                return next(iter(sql_people.read_actors(connection, name.casefold())), None)

        return self.kept.ask(("actor", name.casefold()), read)

    def list_actors(self) -> list[Actor]:
        """See `Catalogue.list_actors`."""
        with self._database.reading() as connection:
            return sql_people.read_actors(connection)

    def add_token(self, token: Token) -> None:
        """See `Catalogue.add_token`."""
        self._database.write(lambda connection: sql_people.write_token(connection, token))

    def find_token(self, secret_hash: str) -> Token | None:
        """See `Catalogue.find_token`."""

        def read() -> Token | None:
            with self._database.reading() as connection:
                return sql_people.find_token(connection, secret_hash=secret_hash)

        return self.kept.ask(("token", secret_hash), read)

    def list_tokens(self) -> list[Token]:
        """See `Catalogue.list_tokens`."""
        with self._database.reading() as connection:
            return sql_people.read_tokens(connection)

    def revoke_token(self, token_id: str, at_ms: int) -> Token:
        """See `Catalogue.revoke_token`."""
        return self._database.write(
            lambda connection: sql_people.write_revocation(connection, token_id, at_ms)
        )

    def open_session(self, session: Session) -> Session:
        """See `Catalogue.open_session`."""
        return self._database.write(lambda connection: sql_people.write_session(connection, session))

    def find_session(self, repository_id: str, session_id: str) -> Session | None:
        """See `Catalogue.find_session`."""
        with self._database.reading() as connection:
            return next(iter(sql_people.read_sessions(connection, repository_id, session_id)), None)

    def list_sessions(self, repository_id: str) -> list[Session]:
        """See `Catalogue.list_sessions`."""
        with self._database.reading() as connection:
            return sql_people.read_sessions(connection, repository_id)

    def add_turn(
        self, repository_id: str, session_id: str, prompt: str, model: str | None, at_ms: int
    ) -> Turn:
        """See `Catalogue.add_turn`."""
        turn = Turn(number=0, at_ms=at_ms, prompt=prompt, model=model)
        return self._database.write(
            lambda connection: sql_people.write_turn(connection, repository_id, session_id, turn)
        )

    def list_turns(self, repository_id: str, session_id: str) -> list[Turn]:
        """See `Catalogue.list_turns`."""
        with self._database.reading() as connection:
            return sql_people.read_turns(connection, repository_id, session_id)

    def close(self) -> None:
        """See `Catalogue.close`."""
        self._database.close()


def _touch(admissions: Sequence[Admission], list_events: Callable[[Any], Sequence[Event]]) -> Touched:
    """What admissions to one repository change of what is kept, by the events that they become."""
    of = admissions[0].repository_id
    return {
        ("repository", of): lambda record, result: follow_record(record, admissions, list_events(result)),
        ("moves", of): lambda moves, result: moves.follow(admissions, list_events(result)),
    }


def _record(row: Row[Any], settings: Mapping[str, str]) -> RepositoryRecord:
    return RepositoryRecord(
        id=row.id,
        name=RepositoryName(*row.name.split("/", 1)),
        algorithm=HashAlgorithm(row.algorithm),
        head=RefName(row.head),
        generation=row.generation,
        created_at_ms=row.created_at_ms,
        purge_after_ms=row.purge_after_ms,
        settings=settings,
    )


def _write_repository(connection: Connection, record: RepositoryRecord) -> None:
    _verify_free(connection, record.name, except_id="")
    known = select(schema.repository.c.id).where(schema.repository.c.id == record.id)
    if record.generation != 0 or connection.execute(known).first():
        raise Conflict(f"repository {record.id} is not new")
    connection.execute(
        insert(schema.repository).values(
            id=record.id,
            name=str(record.name),
            name_key=record.name.key,
            algorithm=record.algorithm.value,
            head=bytes(record.head),
            generation=0,
            created_at_ms=record.created_at_ms,
        )
    )


def _purge(connection: Connection, repository_id: str, now_ms: int) -> bool:
    due = select(schema.repository.c.id).where(
        schema.repository.c.id == repository_id, schema.repository.c.purge_after_ms <= now_ms
    )
    if connection.execute(due).first() is None:
        return False
    for table in schema.OF_REPOSITORY:
        connection.execute(delete(table).where(table.c.repository_id == repository_id))
    connection.execute(delete(schema.repository).where(schema.repository.c.id == repository_id))
    return True


def _verify_free(connection: Connection, name: RepositoryName, *, except_id: str) -> None:
    taken = select(schema.repository.c.id).where(
        schema.repository.c.name_key == name.key, schema.repository.c.id != except_id
    )
    if connection.execute(taken).first():
        raise RepositoryExists(f"the name {name} is taken")


def _update_repository(connection: Connection, admission: Admission, **values: object) -> None:
    of_admission = schema.repository.c.id == admission.repository_id
    connection.execute(update(schema.repository).where(of_admission).values(**values))
