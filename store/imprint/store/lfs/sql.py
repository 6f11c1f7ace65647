"""The register of large objects and locks, in the catalogue's own database.

Invariants:
    1. Every method is one transaction.
    2. A path of a repository has one lock at most: the database refuses a second.
    3. Rows go with their repository, in the transaction that forgets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from imprint.store.catalog import schema
from imprint.store.errors import RepositoryMissing
from imprint.store.lfs.pointer import LargeObjectId
from imprint.store.lfs.ports import LargeObject, Lock, LockQuery, Register, verify_removable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from imprint.store.catalog.database import SqlDatabase

_OBJECT = schema.lfs_object
_LOCK = schema.lfs_lock


class SqlRegister(Register):
    """A `Register` in a catalogue's database, whose tables are current. Threads and processes share it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def record(self, large: LargeObject) -> LargeObject:
        """See `Register.record`."""
        return self._database.write(
            lambda connection: _record(connection, large), find=lambda connection: _find(connection, large)
        )

    def find(self, repository_id: str, oids: Iterable[LargeObjectId]) -> dict[LargeObjectId, LargeObject]:
        """See `Register.find`."""
        wanted = select(_OBJECT).where(
            _OBJECT.c.repository_id == repository_id, _OBJECT.c.oid.in_(list(oids))
        )
        with self._database.reading() as connection:
            return {large.oid: large for large in map(_large_object, connection.execute(wanted))}

    def list_objects(self, repository_id: str) -> list[LargeObject]:
        """See `Register.list_objects`."""
        wanted = select(_OBJECT).where(_OBJECT.c.repository_id == repository_id).order_by(_OBJECT.c.oid)
        with self._database.reading() as connection:
            return [_large_object(row) for row in connection.execute(wanted)]

    def add_lock(self, repository_id: str, lock: Lock) -> Lock:
        """See `Register.add_lock`."""
        return self._database.write(
            lambda connection: _add_lock(connection, repository_id, lock),
            find=lambda connection: _find_lock(connection, repository_id, lock.path),
        )

    def list_locks(self, repository_id: str, query: LockQuery) -> list[Lock]:
        """See `Register.list_locks`."""
        wanted = select(_LOCK).where(_LOCK.c.repository_id == repository_id, _LOCK.c.id > query.after)
        if query.path is not None:
            wanted = wanted.where(_LOCK.c.path == query.path)
        if query.id is not None:
            wanted = wanted.where(_LOCK.c.id == query.id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(_LOCK.c.id).limit(query.limit))
            return [_lock(row) for row in rows]

    def remove_lock(self, repository_id: str, lock_id: str, actor: str | None) -> Lock:
        """See `Register.remove_lock`."""
        return self._database.write(
            lambda connection: _remove_lock(connection, repository_id, lock_id, actor)
        )

    def close(self) -> None:
        """See `Register.close`."""
        self._database.close()


def _find(connection: Connection, large: LargeObject) -> LargeObject | None:
    of_object = (_OBJECT.c.repository_id == large.repository_id) & (_OBJECT.c.oid == str(large.oid))
    row = connection.execute(select(_OBJECT).where(of_object)).first()
    return _large_object(row) if row else None


def _record(connection: Connection, large: LargeObject) -> LargeObject:
    _verify_known(connection, large.repository_id)
    if known := _find(connection, large):
        return known
    connection.execute(
        insert(_OBJECT).values(
            repository_id=large.repository_id,
            oid=str(large.oid),
            size_bytes=large.size_bytes,
            actor=large.actor,
            at_ms=large.at_ms,
        )
    )
    return large


def _find_lock(connection: Connection, repository_id: str, path: str) -> Lock | None:
    on_path = (_LOCK.c.repository_id == repository_id) & (_LOCK.c.path == path)
    row = connection.execute(select(_LOCK).where(on_path)).first()
    return _lock(row) if row else None


def _add_lock(connection: Connection, repository_id: str, lock: Lock) -> Lock:
    _verify_known(connection, repository_id)
    if held := _find_lock(connection, repository_id, lock.path):
        return held
    connection.execute(
        insert(_LOCK).values(
            repository_id=repository_id,
            id=lock.id,
            path=lock.path,
            actor=lock.actor,
            locked_at_ms=lock.locked_at_ms,
            ref=lock.ref,
        )
    )
    return lock


def _remove_lock(connection: Connection, repository_id: str, lock_id: str, actor: str | None) -> Lock:
    of_lock = (_LOCK.c.repository_id == repository_id) & (_LOCK.c.id == lock_id)
    row = connection.execute(select(_LOCK).where(of_lock)).first()
    lock = verify_removable(_lock(row) if row else None, lock_id, actor)
    connection.execute(delete(_LOCK).where(of_lock))
    return lock


def _verify_known(connection: Connection, repository_id: str) -> None:
    known = select(schema.repository.c.id).where(schema.repository.c.id == repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(repository_id)


def _large_object(row: Row[Any]) -> LargeObject:
    return LargeObject(row.repository_id, LargeObjectId(row.oid), row.size_bytes, row.actor, row.at_ms)


def _lock(row: Row[Any]) -> Lock:
    return Lock(row.id, row.path, row.actor, row.locked_at_ms, row.ref)
