"""Mirrors in the catalogue's own database: the URL, and the rest as JSON.

Invariants:
    1. Every method is one transaction.
    2. Rows go with their repository, in the transaction that forgets it.
    3. Whether a repository has a mirror is asked of every push: the answer is kept until anybody commits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from imprint.store.catalog import schema
from imprint.store.errors import MirrorExists, MirrorMissing, RepositoryMissing
from imprint.store.mirror.model import mirror_facts, mirror_from_facts
from imprint.store.mirror.ports import Mirrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row

    from imprint.store.catalog.database import SqlDatabase
    from imprint.store.catalog.kept.answers import KeptAnswers
    from imprint.store.mirror.model import Mirror

_MIRROR = schema.mirror


class SqlMirrors(Mirrors):
    """`Mirrors` in a catalogue's database, whose tables are current. Threads and processes share it.

    Args:
        database: of the catalogue.
        kept: the answers that are kept of it.
    """

    def __init__(self, database: SqlDatabase, kept: KeptAnswers) -> None:
        self._database = database
        self._kept = kept

    def add(self, mirror: Mirror) -> None:
        """See `Mirrors.add`."""
        self._database.write(
            lambda connection: _add(connection, mirror),
            find=lambda connection: True if _find(connection, mirror.repository_id) == mirror else None,
        )

    def find(self, repository_id: str) -> Mirror | None:
        """See `Mirrors.find`."""

        def read() -> tuple[Mirror | None]:
            with self._database.reading() as connection:
                return (_find(connection, repository_id),)

        return self._kept.ask(("mirror", repository_id), read)[0]

    def list(self) -> list[Mirror]:
        """See `Mirrors.list`."""
        live = schema.repository.c.purge_after_ms.is_(None)
        wanted = select(_MIRROR).join(schema.repository).where(live).order_by(_MIRROR.c.repository_id)
        with self._database.reading() as connection:
            return [_mirror(row) for row in connection.execute(wanted)]

    def change(self, repository_id: str, change: Callable[[Mirror], Mirror]) -> Mirror:
        """See `Mirrors.change`."""
        return self._database.write(lambda connection: _change(connection, repository_id, change))

    def remove(self, repository_id: str) -> None:
        """See `Mirrors.remove`."""
        of_repository = _MIRROR.c.repository_id == repository_id
        self._database.write(lambda connection: connection.execute(delete(_MIRROR).where(of_repository)))


def _find(connection: Connection, repository_id: str) -> Mirror | None:
    row = connection.execute(select(_MIRROR).where(_MIRROR.c.repository_id == repository_id)).first()
    return _mirror(row) if row else None


def _add(connection: Connection, mirror: Mirror) -> bool:
    known = select(schema.repository.c.id).where(schema.repository.c.id == mirror.repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(mirror.repository_id)
    if found := _find(connection, mirror.repository_id):
        raise MirrorExists(found.url)
    values = {"repository_id": mirror.repository_id, "url": mirror.url, "facts": _render(mirror)}
    connection.execute(insert(_MIRROR).values(values))
    return True


def _change(connection: Connection, repository_id: str, change: Callable[[Mirror], Mirror]) -> Mirror:
    found = _find(connection, repository_id)
    if found is None:
        raise MirrorMissing
    changed = change(found)
    of_repository = _MIRROR.c.repository_id == repository_id
    connection.execute(update(_MIRROR).where(of_repository).values(url=changed.url, facts=_render(changed)))
    return changed


def _render(mirror: Mirror) -> str:
    return json.dumps(mirror_facts(mirror), separators=(",", ":"), sort_keys=True)


def _mirror(row: Row[Any]) -> Mirror:
    return mirror_from_facts(row.repository_id, row.url, json.loads(row.facts))
