"""Statements of the commit point: refs, events and packs, each on a transaction the caller has begun.

The first statement of an admission is the update of the repository's generation. On a database that locks
rows it makes the admissions of one repository wait for each other, and those of different ones not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from imprint.store.catalog import schema
from imprint.store.catalog.ports import RefSnapshot
from imprint.store.catalog.rules import below, fold_ref, iter_folders, make_event, plan_changes, verify_names
from imprint.store.errors import Conflict, RepositoryMissing
from imprint.store.events import Event, EventKind, SessionClaim
from imprint.store.types import ObjectId, RefChange, RefName, RefValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from imprint.store.events import Admission, PackRecord

LOOKUPS_MAX: Final = 256
"""Up to this many refs are looked up one by one or in one list; above it, all refs of the repository are
read. Measured with 100,000 refs: both cost about the same there."""


def admit(connection: Connection, admission: Admission, *, deleted: bool = False) -> Event:
    """Make all of the admission true of a live repository; with `deleted`, of a deleted one.

    Raises:
        RepositoryMissing: no such repository.
        BadInput, StaleUpdate, Conflict: see `Catalogue.admit`. The caller undoes the transaction.
    """
    sequence = _next_generation(connection, admission, deleted=deleted)
    changes = plan_changes(admission.updates, _read_targets(connection, admission))
    _verify_created(connection, admission.repository_id, changes)
    event = make_event(admission, sequence, changes)
    _write_event(connection, event)
    _write_changes(connection, admission, sequence, changes)
    _write_refs(connection, admission, changes)
    if admission.pack:
        _write_pack(connection, admission.repository_id, sequence, admission.pack)
    return event


def _next_generation(connection: Connection, admission: Admission, *, deleted: bool) -> int:
    purge_after_ms = schema.repository.c.purge_after_ms
    grow = (
        update(schema.repository)
        .where(
            schema.repository.c.id == admission.repository_id,
            purge_after_ms.is_not(None) if deleted else purge_after_ms.is_(None),
        )
        .values(generation=schema.repository.c.generation + 1)
        .returning(schema.repository.c.generation)
    )
    if admission.head:
        grow = grow.values(head=bytes(admission.head))
    sequence = connection.execute(grow).scalar()
    if sequence is None:
        raise RepositoryMissing(admission.repository_id)
    return int(sequence)


def _read_targets(connection: Connection, admission: Admission) -> dict[RefName, ObjectId]:
    """Where the refs that the updates name are now."""
    names = [bytes(update.name) for update in admission.updates]
    if not names:
        return {}
    targets = select(schema.ref.c.name, schema.ref.c.target).where(
        schema.ref.c.repository_id == admission.repository_id
    )
    if len(names) <= LOOKUPS_MAX:
        targets = targets.where(schema.ref.c.name.in_(names))
    return {RefName(name): ObjectId(target) for name, target in connection.execute(targets)}


def _verify_created(connection: Connection, repository_id: str, changes: Sequence[RefChange]) -> None:
    created = [change.name for change in changes if change.new and not change.old]
    gone = {change.name for change in changes if not change.new}
    if not created:
        return
    if len(created) <= LOOKUPS_MAX:
        near = {
            other for name in created for other in _read_near(connection, repository_id, name, len(gone) + 1)
        }
    else:
        everything = select(schema.ref.c.name).where(schema.ref.c.repository_id == repository_id)
        near = {RefName(name) for name in connection.execute(everything).scalars()}
    verify_names(created, near - gone)


def _read_near(connection: Connection, repository_id: str, name: RefName, limit: int) -> list[RefName]:
    """Refs that could collide with the name: as many of them as make sure that one is not being deleted."""
    folded = fold_ref(name)
    first, end = below(folded)
    in_repository = select(schema.ref.c.name).where(schema.ref.c.repository_id == repository_id)
    above = in_repository.where(schema.ref.c.folded.in_([folded, *iter_folders(folded)]))
    under = in_repository.where(schema.ref.c.folded >= first, schema.ref.c.folded < end).limit(limit)
    return [RefName(raw) for near in (above, under) for raw in connection.execute(near).scalars()]


def _write_event(connection: Connection, event: Event) -> None:
    claim = event.claim
    row = insert(schema.event).values(
        repository_id=event.repository_id,
        sequence=event.sequence,
        id=event.id,
        kind=event.kind.value,
        at_ms=event.at_ms,
        actor=event.actor,
        token_id=event.token_id,
        verdict=event.verdict,
        head=bytes(event.head) if event.head else None,
        pack=event.pack,
        claim_session=claim.session if claim else None,
        claim_agent=claim.agent if claim else None,
        claim_model=claim.model if claim else None,
        claim_prompt=claim.prompt if claim else None,
        claim_base=claim.base if claim else None,
        details=json.dumps(dict(event.details), sort_keys=True),
    )
    try:
        connection.execute(row)
    except IntegrityError as taken:
        raise Conflict(f"event {event.id} is not new") from taken


def _write_changes(
    connection: Connection, admission: Admission, sequence: int, changes: Sequence[RefChange]
) -> None:
    rows = [
        {
            "repository_id": admission.repository_id,
            "sequence": sequence,
            "position": position,
            "name": bytes(change.name),
            "old": change.old,
            "new": change.new,
            "peeled": wished.peeled,
        }
        for position, (wished, change) in enumerate(zip(admission.updates, changes, strict=True))
    ]
    if rows:
        connection.execute(insert(schema.ref_change), rows)


def _write_refs(connection: Connection, admission: Admission, changes: Sequence[RefChange]) -> None:
    """Write the rows of refs; deletions first, since a created name may fold to a deleted one."""
    created: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    deleted: list[dict[str, Any]] = []
    for wished, change in zip(admission.updates, changes, strict=True):
        key = {"of": admission.repository_id, "named": bytes(change.name)}
        if change.new is None:
            deleted += [key] if change.old else []
        else:
            value = {**key, "target": str(change.new), "peeled": wished.peeled}
            (moved if change.old else created).append(value)
    is_ref = (schema.ref.c.repository_id == bindparam("of")) & (schema.ref.c.name == bindparam("named"))
    if deleted:
        connection.execute(delete(schema.ref).where(is_ref), deleted)
    if moved:
        connection.execute(update(schema.ref).where(is_ref), moved)
    if created:
        rows = [
            {
                "repository_id": row["of"],
                "name": row["named"],
                "folded": fold_ref(row["named"]),
                "target": row["target"],
                "peeled": row["peeled"],
            }
            for row in created
        ]
        connection.execute(insert(schema.ref), rows)


def _write_pack(connection: Connection, repository_id: str, sequence: int, pack: PackRecord) -> None:
    known = select(literal(1)).where(
        schema.pack.c.repository_id == repository_id, schema.pack.c.name == pack.name
    )
    if connection.execute(known).first():
        return
    connection.execute(
        insert(schema.pack).values(
            repository_id=repository_id,
            name=pack.name,
            object_count=pack.object_count,
            size_bytes=pack.size_bytes,
            sequence=sequence,
        )
    )


# -- reading --------------------------------------------------------------------------------------------


def read_refs(connection: Connection, repository_id: str) -> RefSnapshot:
    """HEAD and every ref, sorted by name."""
    of_repository = select(schema.repository.c.generation, schema.repository.c.head).where(
        schema.repository.c.id == repository_id
    )
    row = connection.execute(of_repository).first()
    if row is None:
        raise RepositoryMissing(repository_id)
    refs = (
        select(schema.ref.c.name, schema.ref.c.target, schema.ref.c.peeled)
        .where(schema.ref.c.repository_id == repository_id)
        .order_by(schema.ref.c.name)
    )
    found = {
        RefName(name): RefValue(ObjectId(target), ObjectId(peeled) if peeled else None)
        for name, target, peeled in connection.execute(refs)
    }
    return RefSnapshot(row.generation, RefName(row.head), found)


def read_events(connection: Connection, repository_id: str, after: int, limit: int) -> list[Event]:
    """Events above a sequence, in order, at most `limit`."""
    events = (
        select(schema.event)
        .where(schema.event.c.repository_id == repository_id, schema.event.c.sequence > after)
        .order_by(schema.event.c.sequence)
        .limit(limit)
    )
    rows = connection.execute(events).all()
    if not rows:
        return []
    changes = _read_changes(connection, repository_id, rows[0].sequence, rows[-1].sequence)
    return [_event(row, tuple(changes.get(row.sequence, ()))) for row in rows]


def _read_changes(
    connection: Connection, repository_id: str, first: int, last: int
) -> dict[int, list[RefChange]]:
    change = schema.ref_change.c
    between = (
        select(change.sequence, change.name, change.old, change.new)
        .where(change.repository_id == repository_id, change.sequence.between(first, last))
        .order_by(change.sequence, change.position)
    )
    changes: dict[int, list[RefChange]] = {}
    for sequence, name, old, new in connection.execute(between):
        changes.setdefault(sequence, []).append(
            RefChange(RefName(name), ObjectId(old) if old else None, ObjectId(new) if new else None)
        )
    return changes


def _event(row: Row[Any], changes: tuple[RefChange, ...]) -> Event:
    claim = None
    if row.claim_session is not None:
        claim = SessionClaim(
            row.claim_session, row.claim_agent, row.claim_model, row.claim_prompt, row.claim_base
        )
    return Event(
        id=row.id,
        repository_id=row.repository_id,
        sequence=row.sequence,
        kind=EventKind(row.kind),
        at_ms=row.at_ms,
        actor=row.actor,
        token_id=row.token_id,
        verdict=row.verdict,
        changes=changes,
        head=RefName(row.head) if row.head else None,
        pack=row.pack,
        claim=claim,
        details=json.loads(row.details),
    )


def read_packs(connection: Connection, repository_id: str) -> frozenset[str]:
    """Names of every pack admitted."""
    names = select(schema.pack.c.name).where(schema.pack.c.repository_id == repository_id)
    return frozenset(connection.execute(names).scalars())
