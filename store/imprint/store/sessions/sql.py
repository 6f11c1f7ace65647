"""The archive of sessions and records, in the catalogue's own database or in a clone's.

Invariants:
    1. Every method is one transaction. Serials are given out in it: no gap that a reader could step over.
    2. A session that was erased before it was kept has a row with serial 0, which no reader is given.
    3. Rows go with their repository, in the transaction that forgets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import delete, func, insert, select, tuple_, update

from imprint.store.catalog import schema
from imprint.store.errors import Conflict, RepositoryMissing
from imprint.store.sessions import codec
from imprint.store.sessions.model import ArchivedSession, Record, Source
from imprint.store.sessions.ports import Archive
from imprint.store.sessions.rules import (
    is_same,
    verify_expected,
    verify_record,
    verify_session,
    verify_writable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from imprint.store.catalog.database import SqlDatabase
    from imprint.store.sessions.model import Anchor, ArchivedTurn

_SESSION: Final = schema.archived_session
_TURN: Final = schema.archived_turn
_RECORD: Final = schema.record
_ANCHOR: Final = schema.record_anchor
_SERIAL: Final = schema.archive_serial
_AT_ONCE: Final = 200
"""Values in one statement: fewer than any database allows."""

T = TypeVar("T")


class SqlArchive(Archive):
    """An `Archive` in a database whose tables are current. Threads and processes share it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def put_session(
        self,
        repository_id: str,
        session: ArchivedSession,
        turns: Sequence[ArchivedTurn],
        *,
        expected: int | None = None,
    ) -> ArchivedSession:
        """See `Archive.put_session`."""
        verify_session(session, turns)
        columns = {name: getattr(session, name) for name in codec.SESSION_COLUMNS}
        settled = codec.read_session(columns, codec.session_facts(session))
        return self._database.write(
            lambda connection: _put(connection, repository_id, settled, turns, expected)
        )

    def find_session(self, repository_id: str, session_id: str) -> ArchivedSession | None:
        """See `Archive.find_session`."""
        with self._database.reading() as connection:
            return _find(connection, repository_id, session_id)

    def list_sessions(
        self, repository_id: str, *, after_serial: int = 0, limit: int = 1000
    ) -> list[ArchivedSession]:
        """See `Archive.list_sessions`."""
        return self._sessions(repository_id, _SESSION.c.serial > after_serial, limit)

    def list_children(self, repository_id: str, session_id: str) -> list[ArchivedSession]:
        """See `Archive.list_children`."""
        return self._sessions(repository_id, _SESSION.c.parent_id == session_id)

    def list_turns(
        self, repository_id: str, session_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[ArchivedTurn]:
        """See `Archive.list_turns`."""
        wanted = select(_TURN).where(*_of_turns(repository_id, session_id), _TURN.c.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_TURN.c.number).limit(limit))
            return [codec.read_turn(row.number, row.prompt, row.facts) for row in rows]

    def count_turns(self, repository_id: str, session_ids: Iterable[str]) -> dict[str, int]:
        """See `Archive.count_turns`."""
        found: dict[str, int] = {}
        counted = select(_TURN.c.session_id, func.count()).group_by(_TURN.c.session_id)
        with self._database.reading() as connection:
            for part in _parts(list(session_ids)):
                of_part = _TURN.c.repository_id == repository_id, _TURN.c.session_id.in_(part)
                found.update((name, count) for name, count in connection.execute(counted.where(*of_part)))
        return found

    def add_records(self, repository_id: str, records: Iterable[Record]) -> list[Record]:
        """See `Archive.add_records`."""
        given = list(records)
        for record in given:
            verify_record(record)
        texts = [codec.record_facts(record) for record in given]
        pairs = list(zip(given, texts, strict=True))
        return self._database.write(lambda connection: _add_records(connection, repository_id, pairs))

    def list_records(self, repository_id: str, *, after_serial: int = 0, limit: int = 1000) -> list[Record]:
        """See `Archive.list_records`."""
        with self._database.reading() as connection:
            return _records(connection, repository_id, _RECORD.c.serial > after_serial, limit)

    def find_records(self, repository_id: str, anchors: Iterable[Anchor]) -> list[Record]:
        """See `Archive.find_records`."""
        wanted = sorted({(anchor.kind.value, anchor.value) for anchor in anchors})
        found: dict[str, Record] = {}
        with self._database.reading() as connection:
            for part in _parts(wanted):
                ids = select(_ANCHOR.c.record_id).where(
                    _ANCHOR.c.repository_id == repository_id,
                    tuple_(_ANCHOR.c.kind, _ANCHOR.c.value).in_(part),
                )
                named = _records(connection, repository_id, _RECORD.c.id.in_(ids))
                found.update((record.id, record) for record in named)
        return sorted(found.values(), key=lambda record: record.serial)

    def records_of_session(self, repository_id: str, session_id: str) -> list[Record]:
        """See `Archive.records_of_session`."""
        with self._database.reading() as connection:
            return _records(connection, repository_id, _RECORD.c.session_id == session_id)

    def mark_erased(self, repository_id: str, session_id: str, at_ms: int) -> list[ArchivedSession]:
        """See `Archive.mark_erased`."""
        codec.verify_name("the id of a session", session_id)
        return self._database.write(
            lambda connection: _mark_erased(connection, repository_id, session_id, at_ms)
        )

    def last_serial(self, repository_id: str) -> int:
        """See `Archive.last_serial`."""
        with self._database.reading() as connection:
            return _last_serial(connection, repository_id) or 0

    def close(self) -> None:
        """See `Archive.close`."""
        self._database.close()

    def _sessions(
        self, repository_id: str, which: ColumnElement[bool], limit: int | None = None
    ) -> list[ArchivedSession]:
        with self._database.reading() as connection:
            return _sessions(connection, repository_id, which, limit)


# -- sessions -----------------------------------------------------------------------------------------------


def _put(
    connection: Connection,
    repository_id: str,
    session: ArchivedSession,
    turns: Sequence[ArchivedTurn],
    expected: int | None,
) -> ArchivedSession:
    _verify_known(connection, repository_id)
    kept = _find(connection, repository_id, session.id)
    verify_writable(
        kept, session, is_erased=_is_erased(connection, repository_id, {session.id, session.root_id})
    )
    verify_expected(kept, session, expected)
    changed = _put_turns(connection, repository_id, session.id, turns)
    if kept is not None and is_same(kept, session) and not changed:
        return kept
    values = {name: getattr(session, name) for name in codec.SESSION_COLUMNS}
    values["serial"] = _next_serial(connection, repository_id)
    row = {**values, "repository_id": repository_id, "facts": codec.session_facts(session)}
    if kept is None:
        connection.execute(insert(_SESSION).values(row))
    else:
        connection.execute(update(_SESSION).where(*_of_session(repository_id, session.id)).values(row))
    return codec.read_session(values, row["facts"])


def _put_turns(
    connection: Connection, repository_id: str, session_id: str, turns: Sequence[ArchivedTurn]
) -> bool:
    """Keep these turns alone, writing only rows that differ; whether any did."""
    rows = connection.execute(select(_TURN).where(*_of_turns(repository_id, session_id)))
    kept = {row.number: (row.prompt, row.facts) for row in rows}
    given = {turn.number: (turn.prompt, codec.turn_facts(turn)) for turn in turns}
    gone = [number for number, row in kept.items() if given.get(number) != row]
    for part in _parts(gone):
        connection.execute(
            delete(_TURN).where(*_of_turns(repository_id, session_id), _TURN.c.number.in_(part))
        )
    new = [
        {
            "repository_id": repository_id,
            "session_id": session_id,
            "number": number,
            "prompt": prompt,
            "facts": facts,
        }
        for number, (prompt, facts) in given.items()
        if kept.get(number) != (prompt, facts)
    ]
    if new:
        connection.execute(insert(_TURN), new)
    return bool(gone or new)


def _mark_erased(
    connection: Connection, repository_id: str, session_id: str, at_ms: int
) -> list[ArchivedSession]:
    _verify_known(connection, repository_id)
    named = _find(connection, repository_id, session_id)
    root_id = named.root_id if named else session_id
    for name in {root_id, session_id}:
        if connection.execute(select(_SESSION.c.id).where(*_of_session(repository_id, name))).first() is None:
            _add_tombstone(connection, repository_id, name, at_ms)
    tree = _SESSION.c.root_id == root_id
    for session in _sessions(connection, repository_id, tree):
        if session.erased_at_ms is None:
            connection.execute(
                update(_SESSION)
                .where(*_of_session(repository_id, session.id))
                .values(erased_at_ms=at_ms, serial=_next_serial(connection, repository_id))
            )
    return _sessions(connection, repository_id, tree)


def _add_tombstone(connection: Connection, repository_id: str, session_id: str, at_ms: int) -> None:
    nothing = ArchivedSession(session_id, session_id, "", "", Source(""), at_ms, erased_at_ms=at_ms)
    values = {name: getattr(nothing, name) for name in codec.SESSION_COLUMNS}
    facts = codec.session_facts(nothing)
    connection.execute(insert(_SESSION).values({**values, "repository_id": repository_id, "facts": facts}))


def _find(connection: Connection, repository_id: str, session_id: str) -> ArchivedSession | None:
    found = _sessions(connection, repository_id, _SESSION.c.id == session_id)
    return found[0] if found else None


def _sessions(
    connection: Connection, repository_id: str, which: ColumnElement[bool], limit: int | None = None
) -> list[ArchivedSession]:
    wanted = select(_SESSION).where(_SESSION.c.repository_id == repository_id, _SESSION.c.serial > 0, which)
    rows = connection.execute(wanted.order_by(_SESSION.c.serial).limit(limit))
    return [_session(row) for row in rows]


def _session(row: Row[Any]) -> ArchivedSession:
    columns = {name: row._mapping[name] for name in codec.SESSION_COLUMNS}  # noqa: SLF001 - SQLAlchemy's API
    return codec.read_session(columns, row.facts)


def _is_erased(connection: Connection, repository_id: str, session_ids: set[str]) -> bool:
    marked = select(_SESSION.c.id).where(
        _SESSION.c.repository_id == repository_id,
        _SESSION.c.id.in_(session_ids),
        _SESSION.c.erased_at_ms.is_not(None),
    )
    return connection.execute(marked).first() is not None


# -- records ------------------------------------------------------------------------------------------------


def _add_records(connection: Connection, repository_id: str, given: list[tuple[Record, str]]) -> list[Record]:
    _verify_known(connection, repository_id)
    digests = [codec.record_digest(facts) for _, facts in given]
    seen = _present(connection, repository_id, _RECORD.c.digest, digests)
    ids = _present(connection, repository_id, _RECORD.c.id, [record.id for record, _ in given])
    new: list[tuple[Record, str, str]] = []
    for (record, facts), digest in zip(given, digests, strict=True):
        if digest in seen:
            continue
        if record.id in ids:
            raise Conflict(f"there is another record {record.id!r}")
        seen.add(digest)
        ids.add(record.id)
        new.append((record, facts, digest))
    if not new:
        return []
    last = _next_serial(connection, repository_id, len(new))
    added = [
        codec.read_record(record.id, record.actor, record.received_at_ms, serial, facts)
        for serial, (record, facts, _) in enumerate(new, last - len(new) + 1)
    ]
    rows = [
        {
            "repository_id": repository_id,
            "id": kept.id,
            "serial": kept.serial,
            "digest": digest,
            "session_id": kept.session_id,
            "actor": kept.actor,
            "received_at_ms": kept.received_at_ms,
            "facts": facts,
        }
        for kept, (_, facts, digest) in zip(added, new, strict=True)
    ]
    anchors = [
        {
            "repository_id": repository_id,
            "kind": anchor.kind.value,
            "value": anchor.value,
            "record_id": kept.id,
        }
        for kept in added
        for anchor in dict.fromkeys(kept.anchors)
    ]
    connection.execute(insert(_RECORD), rows)
    connection.execute(insert(_ANCHOR), anchors)
    return added


def _present(
    connection: Connection, repository_id: str, column: ColumnElement[str], values: list[str]
) -> set[str]:
    found: set[str] = set()
    for part in _parts(values):
        wanted = select(column).where(_RECORD.c.repository_id == repository_id, column.in_(part))
        found.update(connection.execute(wanted).scalars())
    return found


def _records(
    connection: Connection, repository_id: str, which: ColumnElement[bool], limit: int | None = None
) -> list[Record]:
    wanted = select(_RECORD).where(_RECORD.c.repository_id == repository_id, which)
    rows = connection.execute(wanted.order_by(_RECORD.c.serial).limit(limit))
    return [codec.read_record(row.id, row.actor, row.received_at_ms, row.serial, row.facts) for row in rows]


# -- both ---------------------------------------------------------------------------------------------------


def _last_serial(connection: Connection, repository_id: str) -> int | None:
    of_repository = select(_SERIAL.c.last).where(_SERIAL.c.repository_id == repository_id)
    return connection.execute(of_repository).scalar()


def _next_serial(connection: Connection, repository_id: str, count: int = 1) -> int:
    """The last of as many new serials."""
    last = _last_serial(connection, repository_id)
    if last is None:
        connection.execute(insert(_SERIAL).values(repository_id=repository_id, last=count))
        return count
    newest = last + count
    connection.execute(update(_SERIAL).where(_SERIAL.c.repository_id == repository_id).values(last=newest))
    return newest


def _of_session(repository_id: str, session_id: str) -> tuple[ColumnElement[bool], ...]:
    return (_SESSION.c.repository_id == repository_id, _SESSION.c.id == session_id)


def _of_turns(repository_id: str, session_id: str) -> tuple[ColumnElement[bool], ...]:
    return (_TURN.c.repository_id == repository_id, _TURN.c.session_id == session_id)


def _verify_known(connection: Connection, repository_id: str) -> None:
    known = select(schema.repository.c.id).where(schema.repository.c.id == repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(repository_id)


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
