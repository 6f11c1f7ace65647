"""Statements of the commit point: refs, events and packs, each on a transaction the caller has begun.

The first statement of an admission is the update of the repository's generation. On a database that locks
rows it makes the admissions of one repository wait for each other, and those of different ones not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from imprint.store.catalog import schema, sql_packs
from imprint.store.catalog.ports import RefSnapshot
from imprint.store.catalog.rules import (
    below,
    iter_folders,
    make_event,
    plan_changes,
    verify_format,
    verify_names,
)
from imprint.store.errors import Conflict, RepositoryMissing
from imprint.store.events import Event, EventKind, SessionClaim
from imprint.store.types import HashAlgorithm, ObjectId, RefChange, RefName, RefValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from imprint.store.events import Admission

LOOKUPS_MAX: Final = 1000
"""Up to this many refs are looked up; above it, all refs of the repository are read. With 1,000 new names
beside 100,000 refs looking up takes a fifth of the time of reading."""
_NAMESPACE_SLASHES: Final = 2
"""A ref has at least two slashes: `refs/heads` can be none."""
REPLAY_MAX: Final = 1000
"""Up to this many events are replayed onto an earlier snapshot; above it, all refs are read."""

# Statements are built once: building one costs more than SQLite takes to run it.
_OF: Final[BindParameter[str]] = bindparam("of")
_repository: Final = schema.repository.c
_ref: Final = schema.ref.c
_GROW: Final = (
    update(schema.repository)
    .where(_repository.id == _OF)
    .values(generation=_repository.generation + 1)
    .returning(_repository.generation, _repository.algorithm)
)
_GROW_LIVE: Final = _GROW.where(_repository.purge_after_ms.is_(None))
_GROW_DELETED: Final = _GROW.where(_repository.purge_after_ms.is_not(None))
_SET_HEAD: Final = update(schema.repository).where(_repository.id == _OF).values(head=bindparam("head"))
_GENERATION: Final = select(_repository.generation, _repository.head).where(_repository.id == _OF)
_REFS: Final = (
    select(_ref.name, _ref.target, _ref.peeled).where(_ref.repository_id == _OF).order_by(_ref.name)
)
_REFS_NAMED: Final = _REFS.where(_ref.name.in_(bindparam("names", expanding=True)))
# One place at a time: for a list of them SQLite would walk all refs of the repository.
_REF_AT: Final = select(_ref.name).where(_ref.repository_id == _OF, _ref.name == bindparam("place"))
_REFS_BELOW: Final = (
    select(_ref.name)
    .where(_ref.repository_id == _OF, _ref.name >= bindparam("first"), _ref.name < bindparam("end"))
    .limit(bindparam("limit"))
)
_THIS_REF: Final = (_ref.repository_id == _OF) & (_ref.name == bindparam("named"))
_DELETE_REF: Final = delete(schema.ref).where(_THIS_REF)
_MOVE_REF: Final = update(schema.ref).where(_THIS_REF)
_ADD_REF: Final = insert(schema.ref)
_ADD_EVENT: Final = insert(schema.event)
_ADD_CHANGE: Final = insert(schema.ref_change)
_change: Final = schema.ref_change.c
_CHANGES_AFTER: Final = (
    select(_change.name, _change.new, _change.peeled)
    .where(_change.repository_id == _OF, _change.sequence > bindparam("after"))
    .order_by(_change.sequence, _change.position)
)


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
        sql_packs.write_pack(connection, admission.repository_id, sequence, admission.pack)
    if admission.replacement:
        sql_packs.replace_packs(connection, admission.repository_id, admission.replacement, admission.at_ms)
    sql_packs.write_settings(connection, admission.repository_id, admission.settings)
    return event


def find_event(connection: Connection, admission: Admission) -> Event | None:
    """The event that an admission has become, if it has; no admission to its repository is under way then."""
    repository = select(_repository.id).where(_repository.id == admission.repository_id).with_for_update()
    connection.execute(repository)
    found = connection.execute(select(schema.event).where(schema.event.c.id == admission.event_id)).first()
    if found is None:
        return None
    changes = _read_changes(connection, admission.repository_id, found.sequence, found.sequence)
    return _event(found, tuple(changes.get(found.sequence, ())))


def find_events(connection: Connection, admissions: Sequence[Admission]) -> list[Event] | None:
    """The events that the admissions of one transaction have become; None if it did not happen."""
    found = [event for each in admissions if (event := find_event(connection, each))]
    return found if len(found) == len(admissions) else None


def _next_generation(connection: Connection, admission: Admission, *, deleted: bool) -> int:
    of_repository = {"of": admission.repository_id}
    grown = connection.execute(_GROW_DELETED if deleted else _GROW_LIVE, of_repository).first()
    if grown is None:
        raise RepositoryMissing(admission.repository_id)
    verify_format(admission.updates, HashAlgorithm(grown.algorithm))
    if admission.head:
        connection.execute(_SET_HEAD, {**of_repository, "head": bytes(admission.head)})
    return int(grown.generation)


def _read_targets(connection: Connection, admission: Admission) -> dict[RefName, ObjectId]:
    """Where the refs that the updates name are now."""
    names = [bytes(update.name) for update in admission.updates]
    if not names:
        return {}
    if len(names) > LOOKUPS_MAX:
        targets = connection.execute(_REFS, {"of": admission.repository_id})
    else:
        targets = connection.execute(_REFS_NAMED, {"of": admission.repository_id, "names": names})
    return {RefName(name): ObjectId(target) for name, target, _ in targets}


def _verify_created(connection: Connection, repository_id: str, changes: Sequence[RefChange]) -> None:
    created = [change.name for change in changes if change.new and not change.old]
    gone = {change.name for change in changes if not change.new}
    if not created:
        return
    if len(created) <= LOOKUPS_MAX:
        near = _read_near(connection, repository_id, created, len(gone) + 1)
    else:
        near = {RefName(name) for name in connection.execute(_REFS, {"of": repository_id}).scalars()}
    verify_names(created, near - gone)


def _read_near(
    connection: Connection, repository_id: str, created: Sequence[RefName], limit: int
) -> set[RefName]:
    """Refs that could collide with new ones: of those below a name, one more than are being deleted."""
    above = {folder for name in created for folder in iter_folders(name)}
    near: set[RefName] = set()
    for place in {folder for folder in above if folder.count(b"/") >= _NAMESPACE_SLASHES}:
        found = connection.execute(_REF_AT, {"of": repository_id, "place": place})
        near.update(RefName(name) for name in found.scalars())
    for name in created:
        first, end = below(name)
        bounds = {"of": repository_id, "first": first, "end": end, "limit": limit}
        near.update(RefName(other) for other in connection.execute(_REFS_BELOW, bounds).scalars())
    return near


def _write_event(connection: Connection, event: Event) -> None:
    claim = event.claim
    row = {
        "repository_id": event.repository_id,
        "sequence": event.sequence,
        "id": event.id,
        "kind": event.kind.value,
        "at_ms": event.at_ms,
        "actor": event.actor,
        "token_id": event.token_id,
        "verdict": event.verdict,
        "head": bytes(event.head) if event.head else None,
        "pack": event.pack,
        "claim_session": claim.session if claim else None,
        "claim_agent": claim.agent if claim else None,
        "claim_model": claim.model if claim else None,
        "claim_prompt": claim.prompt if claim else None,
        "claim_base": claim.base if claim else None,
        "details": json.dumps(dict(event.details), sort_keys=True),
    }
    try:
        connection.execute(_ADD_EVENT, row)
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
        connection.execute(_ADD_CHANGE, rows)


def _write_refs(connection: Connection, admission: Admission, changes: Sequence[RefChange]) -> None:
    """Write the rows of refs; deletions first."""
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
    if deleted:
        connection.execute(_DELETE_REF, deleted)
    if moved:
        connection.execute(_MOVE_REF, moved)
    if created:
        rows = [
            {
                "repository_id": row["of"],
                "name": row["named"],
                "target": row["target"],
                "peeled": row["peeled"],
            }
            for row in created
        ]
        connection.execute(_ADD_REF, rows)


# -- reading --------------------------------------------------------------------------------------------


def read_refs(connection: Connection, repository_id: str, since: RefSnapshot | None) -> RefSnapshot:
    """HEAD and every ref, sorted by name; with `since`, only what happened after it is read."""
    row = connection.execute(_GENERATION, {"of": repository_id}).first()
    if row is None:
        raise RepositoryMissing(repository_id)
    if since and 0 <= row.generation - since.generation <= REPLAY_MAX:
        refs = _replay(connection, repository_id, since)
    else:
        refs = {
            RefName(name): RefValue(ObjectId(target), ObjectId(peeled) if peeled else None)
            for name, target, peeled in connection.execute(_REFS, {"of": repository_id})
        }
    return RefSnapshot(row.generation, RefName(row.head), refs)


def _replay(connection: Connection, repository_id: str, since: RefSnapshot) -> dict[RefName, RefValue]:
    """The refs of an earlier snapshot with the changes of the events after it."""
    refs = dict(since.refs)
    grown = False
    later = {"of": repository_id, "after": since.generation}
    for name, new, peeled in connection.execute(_CHANGES_AFTER, later):
        if new is None:
            refs.pop(RefName(name), None)
        else:
            grown = grown or name not in refs
            refs[RefName(name)] = RefValue(ObjectId(new), ObjectId(peeled) if peeled else None)
    return {name: refs[name] for name in sorted(refs)} if grown else refs


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
