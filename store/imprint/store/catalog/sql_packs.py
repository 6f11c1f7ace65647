"""Statements about packs and settings of a repository, on a transaction the caller has begun.

Invariants:
    1. A pack is live from when it is recorded until it is retired; its row goes only after that.
    2. Retiring checks that the pack is live in the same statement: of two that retire one pack, one fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update

from imprint.store.catalog import schema
from imprint.store.catalog.prepared import Prepared
from imprint.store.catalog.rules import verify_replacement
from imprint.store.errors import Conflict, RepositoryMissing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from imprint.store.events import PackRecord, PackReplacement

_OF: Final[BindParameter[str]] = bindparam("of")
_pack: Final = schema.pack.c
_setting: Final = schema.repository_setting.c
_THIS_PACK: Final = (_pack.repository_id == _OF) & (_pack.name == bindparam("named"))
_PACK_NAMED: Final = Prepared(select(_pack.sequence).where(_THIS_PACK))
_ADD_PACK: Final = Prepared(
    insert(schema.pack), ("repository_id", "name", "object_count", "size_bytes", "sequence")
)
_REVIVE: Final = update(schema.pack).where(_THIS_PACK).values(retired_at_ms=None)
_RETIRE: Final = (
    update(schema.pack)
    .where(_THIS_PACK, _pack.retired_at_ms.is_(None))
    .values(retired_at_ms=bindparam("at_ms"))
)
_FORGET: Final = delete(schema.pack).where(_THIS_PACK, _pack.retired_at_ms.is_not(None))
_LIVE: Final = select(_pack.name).where(_pack.repository_id == _OF, _pack.retired_at_ms.is_(None))
_RETIRED: Final = select(_pack.name, _pack.retired_at_ms).where(
    _pack.repository_id == _OF, _pack.retired_at_ms.is_not(None)
)
_GENERATION: Final = (
    select(schema.repository.c.generation).where(schema.repository.c.id == _OF).with_for_update()
)
_SETTINGS: Final = select(_setting.key, _setting.value).where(_setting.repository_id == _OF)
_ALL_SETTINGS: Final = select(_setting.repository_id, _setting.key, _setting.value)
_UNSET: Final = delete(schema.repository_setting).where(
    _setting.repository_id == _OF, _setting.key == bindparam("named")
)


def write_pack(connection: Connection, repository_id: str, sequence: int, pack: PackRecord) -> None:
    """Record a pack as live; one that is known keeps its row."""
    key = {"of": repository_id, "named": pack.name}
    if _PACK_NAMED.read(connection, key):
        connection.execute(_REVIVE, key)
        return
    row = {
        "repository_id": repository_id,
        "name": pack.name,
        "object_count": pack.object_count,
        "size_bytes": pack.size_bytes,
        "sequence": sequence,
    }
    _ADD_PACK.write(connection, [row])


def replace_packs(
    connection: Connection, repository_id: str, replacement: PackReplacement, at_ms: int
) -> None:
    """See `Catalogue.replace_packs`."""
    verify_replacement(replacement)
    sequence = connection.execute(_GENERATION, {"of": repository_id}).scalar()
    if sequence is None:
        raise RepositoryMissing(repository_id)
    for name in sorted(replacement.retired):
        retired = connection.execute(_RETIRE, {"of": repository_id, "named": name, "at_ms": at_ms})
        if retired.rowcount != 1:
            raise Conflict(f"pack {name} is not live")
    for pack in replacement.added:
        write_pack(connection, repository_id, sequence, pack)


def forget_packs(connection: Connection, repository_id: str, names: Collection[str]) -> frozenset[str]:
    """See `Catalogue.forget_packs`."""
    return frozenset(
        name
        for name in names
        if connection.execute(_FORGET, {"of": repository_id, "named": name}).rowcount == 1
    )


def read_packs(connection: Connection, repository_id: str) -> frozenset[str]:
    """See `Catalogue.list_packs`."""
    return frozenset(connection.execute(_LIVE, {"of": repository_id}).scalars())


def read_retired_packs(connection: Connection, repository_id: str) -> dict[str, int]:
    """See `Catalogue.list_retired_packs`."""
    return {row.name: row.retired_at_ms for row in connection.execute(_RETIRED, {"of": repository_id})}


def read_settings(connection: Connection, repository_id: str) -> dict[str, str]:
    """What was chosen for a repository."""
    return {row.key: row.value for row in connection.execute(_SETTINGS, {"of": repository_id})}


def read_all_settings(connection: Connection) -> dict[str, dict[str, str]]:
    """What was chosen for each repository, by its id."""
    found: dict[str, dict[str, str]] = {}
    for repository_id, key, value in connection.execute(_ALL_SETTINGS):
        found.setdefault(repository_id, {})[key] = value
    return found


def write_settings(connection: Connection, repository_id: str, settings: Mapping[str, str | None]) -> None:
    """Set some settings, and take away those that are None."""
    for key, value in settings.items():
        connection.execute(_UNSET, {"of": repository_id, "named": key})
        if value is not None:
            connection.execute(
                insert(schema.repository_setting),
                {"repository_id": repository_id, "key": key, "value": value},
            )
