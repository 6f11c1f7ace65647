"""Statements of the commit point: refs, events and packs, each on a transaction the caller has begun.

The first statement of an admission is the update of the repository's generation. On a database that locks
rows it makes the admissions of one repository wait for each other, and those of different ones not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BindParameter, Integer, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from imprint.store.catalog import schema, sql_packs
from imprint.store.catalog.kept.moves import replay
from imprint.store.catalog.ports import RefSnapshot
from imprint.store.catalog.prepared import Prepared
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

    from imprint.store.events import Admission, PackRecord
    from imprint.store.types import RefUpdate

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
    .values(generation=_repository.generation + bindparam("count", type_=Integer))
    .returning(_repository.generation, _repository.algorithm)
)
_GROW_LIVE: Final = Prepared(_GROW.where(_repository.purge_after_ms.is_(None)))
_GROW_DELETED: Final = Prepared(_GROW.where(_repository.purge_after_ms.is_not(None)))
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
_REF_NAMED: Final = Prepared(select(_ref.target).where(_THIS_REF))
_DELETE_REF: Final = delete(schema.ref).where(_THIS_REF)
_MOVE_REF: Final = Prepared(update(schema.ref).where(_THIS_REF), ("target", "peeled"))
_ADD_REF: Final = insert(schema.ref)
_ADD_EVENT: Final = Prepared(insert(schema.event), schema.event.c.keys())
_ADD_CHANGE: Final = Prepared(insert(schema.ref_change), schema.ref_change.c.keys())
_change: Final = schema.ref_change.c
_happened: Final = schema.event.c
_EVENT_OF_KIND: Final = (
    select(_happened.sequence)
    .where(
        _happened.repository_id == _OF,
        _happened.sequence > bindparam("after"),
        _happened.kind == bindparam("kind"),
    )
    .limit(1)
)
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
    return admit_all(connection, [admission], deleted=deleted)[0]


def admit_all(
    connection: Connection, admissions: Sequence[Admission], *, deleted: bool = False
) -> list[Event]:
    """Make admissions to one repository true in order, as `admit` does; rows of a table are written at once.

    Raises:
        RepositoryMissing, BadInput, StaleUpdate, Conflict: as `admit`, for the first that fails.
    """
    repository_id = admissions[0].repository_id
    first, algorithm = _grow(connection, repository_id, len(admissions), deleted=deleted)
    names = {bytes(update.name) for admission in admissions for update in admission.updates}
    refs = _Refs(connection, repository_id, _read_targets(connection, repository_id, sorted(names)))
    events = []
    for sequence, admission in enumerate(admissions, first):
        verify_format(admission.updates, algorithm)
        events.append(make_event(admission, sequence, refs.change(admission.updates)))
    refs.write()
    _write_events(connection, events)
    _write_changes(connection, admissions, events)
    recorded = None
    for admission, event in zip(admissions, events, strict=True):
        _write_rest(connection, admission, event.sequence, recorded)
        recorded = admission.pack if not admission.replacement else None
    return events


def _write_rest(
    connection: Connection, admission: Admission, sequence: int, recorded: PackRecord | None
) -> None:
    """HEAD, packs and settings; `recorded` is the pack that was recorded just before."""
    repository_id = admission.repository_id
    if admission.head:
        connection.execute(_SET_HEAD, {"of": repository_id, "head": bytes(admission.head)})
    if admission.pack and admission.pack != recorded:
        sql_packs.write_pack(connection, repository_id, sequence, admission.pack)
    if admission.replacement:
        sql_packs.replace_packs(connection, repository_id, admission.replacement, admission.at_ms)
    sql_packs.write_settings(connection, repository_id, admission.settings)


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


def _grow(
    connection: Connection, repository_id: str, count: int, *, deleted: bool
) -> tuple[int, HashAlgorithm]:
    """Give out so many generations; the first of them, and the repository's object format."""
    grow = _GROW_DELETED if deleted else _GROW_LIVE
    grown = grow.read(connection, {"of": repository_id, "count": count})
    if not grown:
        raise RepositoryMissing(repository_id)
    generation, algorithm = grown[0]
    return int(generation) - count + 1, HashAlgorithm(algorithm)


def _read_targets(
    connection: Connection, repository_id: str, names: Sequence[bytes]
) -> dict[RefName, ObjectId]:
    """Where the refs of these names are now."""
    if not names:
        return {}
    if len(names) == 1:
        found = _REF_NAMED.read(connection, {"of": repository_id, "named": names[0]})
        return {RefName(names[0]): ObjectId(target) for (target,) in found}
    if len(names) > LOOKUPS_MAX:
        targets = connection.execute(_REFS, {"of": repository_id})
    else:
        targets = connection.execute(_REFS_NAMED, {"of": repository_id, "names": names})
    return {RefName(name): ObjectId(target) for name, target, _ in targets}


class _Refs:
    """The refs that a transaction changes, one admission after the other.

    Moves of refs that are there wait for each other, to be written at once; what makes or deletes one meets
    the rows as those before it leave them.
    """

    def __init__(self, connection: Connection, repository_id: str, now: dict[RefName, ObjectId]) -> None:
        self._connection = connection
        self._of = repository_id
        self._now = now
        self._moved: list[dict[str, Any]] = []

    def change(self, updates: Sequence[RefUpdate]) -> tuple[RefChange, ...]:
        """Do what one admission wishes; what that changes."""
        changes = plan_changes(updates, self._now)
        if not all(change.old and change.new for change in changes):
            self.write()
            _verify_created(self._connection, self._of, changes)
            self._delete_and_create(updates, changes)
        for wished, change in zip(updates, changes, strict=True):
            if change.new is None:
                self._now.pop(change.name, None)
            else:
                if change.old:
                    value = {"target": str(change.new), "peeled": wished.peeled}
                    self._moved.append({"of": self._of, "named": bytes(change.name), **value})
                self._now[change.name] = change.new
        return changes

    def write(self) -> None:
        """Write the moves that wait."""
        if self._moved:
            _MOVE_REF.write(self._connection, self._moved)
            self._moved = []

    def _delete_and_create(self, updates: Sequence[RefUpdate], changes: Sequence[RefChange]) -> None:
        """Deletions first: a name may be a folder of one that goes."""
        gone = [{"of": self._of, "named": bytes(each.name)} for each in changes if each.old and not each.new]
        if gone:
            self._connection.execute(_DELETE_REF, gone)
        rows = [
            {
                "repository_id": self._of,
                "name": bytes(change.name),
                "target": str(change.new),
                "peeled": wished.peeled,
            }
            for wished, change in zip(updates, changes, strict=True)
            if change.new and not change.old
        ]
        if rows:
            self._connection.execute(_ADD_REF, rows)


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


def _write_events(connection: Connection, events: Sequence[Event]) -> None:
    rows = [_event_row(event) for event in events]
    try:
        _ADD_EVENT.write(connection, rows)
    except IntegrityError as taken:
        raise Conflict(f"event {', '.join(event.id for event in events)} is not new") from taken


def _event_row(event: Event) -> dict[str, Any]:
    claim = event.claim
    return {
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


def _write_changes(connection: Connection, admissions: Sequence[Admission], events: Sequence[Event]) -> None:
    rows = [
        {
            "repository_id": event.repository_id,
            "sequence": event.sequence,
            "position": position,
            "name": bytes(change.name),
            "old": change.old,
            "new": change.new,
            "peeled": wished.peeled,
        }
        for admission, event in zip(admissions, events, strict=True)
        for position, (wished, change) in enumerate(zip(admission.updates, event.changes, strict=True))
    ]
    if rows:
        _ADD_CHANGE.write(connection, rows)


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
    later = connection.execute(_CHANGES_AFTER, {"of": repository_id, "after": since.generation})
    return replay(since.refs, ((RefName(name), _value(new, peeled)) for name, new, peeled in later))


def _value(target: str | None, peeled: str | None) -> RefValue | None:
    return RefValue(ObjectId(target), ObjectId(peeled) if peeled else None) if target else None


def has_event(connection: Connection, repository_id: str, kind: EventKind, after: int) -> bool:
    """Whether there is an event of a kind above a sequence."""
    wanted = {"of": repository_id, "after": after, "kind": kind.value}
    return connection.execute(_EVENT_OF_KIND, wanted).first() is not None


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
