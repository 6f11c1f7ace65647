"""Refused links in the catalogue's own database.

Invariants:
    1. Every method is one transaction.
    2. Rows go with their repository, in the transaction that forgets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select

from imprint.store.catalog import schema
from imprint.store.errors import RepositoryMissing
from imprint.store.links.model import Refusal
from imprint.store.links.refusals import Refusals, not_refused
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from imprint.store.catalog.database import SqlDatabase

_TABLE: Final = schema.link_refusal


class SqlRefusals(Refusals):
    """The `Refusals` of a catalogue's database, whose tables are current. Threads and processes share it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def list_refusals(self, repository_id: str) -> list[Refusal]:
        """See `Refusals.list_refusals`."""
        wanted = (
            select(_TABLE)
            .where(_TABLE.c.repository_id == repository_id)
            .order_by(_TABLE.c.at_ms, _TABLE.c.commit, _TABLE.c.origin)
        )
        with self._database.reading() as connection:
            return [_refusal(row) for row in connection.execute(wanted)]

    def refuse(self, repository_id: str, refusal: Refusal) -> Refusal:
        """See `Refusals.refuse`."""
        return self._database.write(
            lambda connection: _refuse(connection, repository_id, refusal),
            find=lambda connection: _find(connection, repository_id, refusal.commit, refusal.origin),
        )

    def restore(self, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
        """See `Refusals.restore`."""
        return self._database.write(lambda connection: _restore(connection, repository_id, commit, origin))


def _find(connection: Connection, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal | None:
    row = connection.execute(select(_TABLE).where(_of_link(repository_id, commit, origin))).first()
    return _refusal(row) if row else None


def _of_link(repository_id: str, commit: ObjectId, origin: ObjectId) -> Any:
    in_repository = _TABLE.c.repository_id == repository_id
    return in_repository & (_TABLE.c.commit == str(commit)) & (_TABLE.c.origin == str(origin))


def _refuse(connection: Connection, repository_id: str, refusal: Refusal) -> Refusal:
    known = select(schema.repository.c.id).where(schema.repository.c.id == repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(repository_id)
    if before := _find(connection, repository_id, refusal.commit, refusal.origin):
        return before
    connection.execute(
        insert(_TABLE).values(
            repository_id=repository_id,
            commit=str(refusal.commit),
            origin=str(refusal.origin),
            actor=refusal.actor,
            at_ms=refusal.at_ms,
            reason=refusal.reason,
        )
    )
    return refusal


def _restore(connection: Connection, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
    known = _find(connection, repository_id, commit, origin)
    if known is None:
        raise not_refused(commit, origin)
    connection.execute(delete(_TABLE).where(_of_link(repository_id, commit, origin)))
    return known


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(ObjectId(row.commit), ObjectId(row.origin), row.actor, row.at_ms, row.reason)
