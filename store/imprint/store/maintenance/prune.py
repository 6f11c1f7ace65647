"""Dropping objects that no ref has reached for long: never by itself, always recorded.

An object is dropped when no ref of today reaches it, nor any value that a ref had since the cutoff, and no
push since the cutoff brought it in a pack that is still one of its own. The event says how much went.

Invariants:
    1. What is dropped and the event that says so come in one transaction, under the promotion lock.
    2. What refs reach at that moment stays, whatever was pushed while the packs were written.
    3. A push whose objects were judged against what is dropped meanwhile is judged again: the receiver looks
       for this event under the same lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import Conflict, PlumbingFailed, StoreFailure
from imprint.store.events import Admission, EventKind, PackReplacement
from imprint.store.hosting.followers import Stopped
from imprint.store.hosting.repositories import OPERATOR
from imprint.store.maintenance.contents import find_lacking, open_indexes
from imprint.store.maintenance.graph import remove_graph, write_graph
from imprint.store.maintenance.lookup import write_lookup
from imprint.store.maintenance.repack import note_aside, place_packs, write_packs
from imprint.store.maintenance.work import exclusively, render_ids, render_tips
from imprint.store.receive.packs import PackIndex, promotion_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.actors import Principal
    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Event, PackRecord
    from imprint.store.maintenance.work import Work
    from imprint.store.receive.quarantine import Quarantine
    from imprint.store.types import ObjectId

_EVENTS_PER_PAGE: Final = 1000

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was dropped, or would be.

    Attributes:
        objects: how many.
        size_bytes: what they take in their packs.
        event: the event that says so; None in a dry run, and where there is nothing to drop.
    """

    objects: int
    size_bytes: int
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a prune is about to make true."""

    snapshot: RefSnapshot
    live: frozenset[str]
    reached: tuple[str, ...]
    rest: tuple[str, ...]
    dropped: frozenset[str]
    size_bytes: int


def prune(
    work: Work, older_than_ms: int, *, by: Principal | None = None, dry_run: bool = False
) -> PruneReport:
    """Drop what no ref has reached for so long.

    Args:
        work: where.
        older_than_ms: how long, in milliseconds.
        by: who asks; None for the operator at the data folder.
        dry_run: only count.

    Raises:
        Stopped: it was time to stop.
        Conflict: what was to be dropped was pushed again meanwhile; nothing was dropped.
        StoreFailure: the machine failed; nothing was dropped.
    """
    cutoff_ms = work.hosting.clock.now_ms() - older_than_ms
    with exclusively(work):
        with work.workshop(work.list_live()) as shop:
            plan = _make_plan(work, shop, cutoff_ms)
            work.step("planned")
            if dry_run or not plan.dropped:
                return PruneReport(len(plan.dropped), plan.size_bytes)
            with promotion_lock(work.git_dir).hold():
                work.step("locked")
                _verify_unreached(work, plan)
                remove_graph(work.git_dir)
                event = _drop(work, shop, plan, by, cutoff_ms)
        _log.info("%s: event %d dropped %d objects", event.repository_id, event.sequence, len(plan.dropped))
        _write_lookups(work, plan)
    return PruneReport(len(plan.dropped), plan.size_bytes, event)


def _write_lookups(work: Work, plan: _Plan) -> None:
    """Bring up to date what speeds readers up. The prune has happened: a failure here is not one of it."""
    try:
        note_aside(work, plan.rest)
        work.step("released")
        write_lookup(work)
        write_graph(work, anew=True)
    except (StoreFailure, Stopped) as failure:
        _log.warning("%s: lookups are left to another round: %s", work.repository.record.id, failure)


def _make_plan(work: Work, shop: Quarantine, cutoff_ms: int) -> _Plan:
    snapshot, live = work.snapshot(), work.list_live()
    reached = write_packs(work, shop, render_tips(snapshot), "--revs", "--non-empty")
    olds, recent = _read_journal(work, cutoff_ms)
    kept = _list_below(work, snapshot, olds - frozenset(value.id for value in snapshot.refs.values()))
    for name in recent & live:
        with PackIndex(work.pack_dir / f"{name}.idx", work.algorithm) as index:
            kept.update(raw_id.hex() for byte in range(256) for raw_id in index.ids_beginning(byte))
    with (
        open_indexes(live, work.pack_dir, work.algorithm) as before,
        open_indexes(reached, shop.pack_dir, work.algorithm) as after,
    ):
        unreached = list(find_lacking(before, after))
    stays = "".join(f"{each}\n" for each in unreached if each in kept).encode()
    rest = write_packs(work, shop, stays, "--non-empty") if stays else ()
    work.step("packed")
    dropped = frozenset(each for each in unreached if each not in kept)
    return _Plan(snapshot, live, reached, rest, dropped, _measure(work, dropped))


def _read_journal(work: Work, cutoff_ms: int) -> tuple[frozenset[ObjectId], frozenset[str]]:
    """Ids that refs had at some time since the cutoff, and packs that were pushed since then."""
    olds: set[ObjectId] = set()
    recent: set[str] = set()
    for event in _list_events(work, 0):
        if event.at_ms >= cutoff_ms:
            olds.update(change.old for change in event.changes if change.old)
            if event.pack:
                recent.add(event.pack)
    return frozenset(olds), frozenset(recent)


def _list_events(work: Work, after: int) -> Iterator[Event]:
    while events := work.hosting.catalogue.list_events(
        work.repository.record.id, after=after, limit=_EVENTS_PER_PAGE
    ):
        yield from events
        after = events[-1].sequence


def _list_below(work: Work, snapshot: RefSnapshot, olds: frozenset[ObjectId]) -> set[str]:
    """What former values of refs reach, and refs of today do not."""
    below: set[str] = set()
    excluded = render_ids(frozenset(value.id for value in snapshot.refs.values()), "^")
    try:
        return set(_walk(work, render_ids(olds) + excluded))
    except PlumbingFailed:  # an earlier prune dropped some of it: look at each by itself
        for old in sorted(olds):
            try:
                below.update(_walk(work, render_ids(frozenset({old})) + excluded))
            except PlumbingFailed:
                continue
    return below


def _walk(work: Work, questions: bytes) -> list[str]:
    if not questions.strip() or questions.startswith(b"^"):
        return []
    # Without the commit-graph, which vouches for commits without looking for them.
    command = ("-c", "core.commitGraph=false", "rev-list", "--objects", "--no-object-names", "--stdin")
    return work.run(work.repository.view.plumbing, *command, stdin=questions).decode("ascii").split()


def _measure(work: Work, ids: frozenset[str]) -> int:
    """How many bytes objects take in their packs."""
    questions = "".join(f"{each}\n" for each in sorted(ids)).encode()
    command = ("cat-file", "--buffer", "--batch-check=%(objectsize:disk)")
    answers = work.run(work.repository.view.plumbing, *command, stdin=questions).split(b"\n")
    return sum(int(answer) for answer in answers if answer.isdigit())


def _verify_unreached(work: Work, plan: _Plan) -> None:
    """Check, under the lock, that what refs have come to reach since the plan was made is not dropped."""
    now = work.snapshot()
    before = frozenset(value.id for value in plan.snapshot.refs.values())
    after = frozenset(value.id for value in now.refs.values())
    if not after - before:
        return
    questions = render_ids(after - before) + render_ids(before, "^")
    if not plan.dropped.isdisjoint(_walk(work, questions)):
        raise Conflict(
            "what was to be dropped was pushed again meanwhile; nothing was dropped", hint="try again"
        )


def _drop(work: Work, shop: Quarantine, plan: _Plan, by: Principal | None, cutoff_ms: int) -> Event:
    """The packs of the plan take the place of the old ones, in one transaction with the event."""
    made = (*plan.reached, *plan.rest)
    events = []

    def record(records: tuple[PackRecord, ...]) -> None:
        admission = Admission(
            repository_id=work.repository.record.id,
            event_id=work.hosting.ids.new_id("evt"),
            kind=EventKind.PRUNED,
            at_ms=work.hosting.clock.now_ms(),
            actor=by.actor.name if by else OPERATOR,
            token_id=by.token.id if by else None,
            verdict="allowed: token scope" if by else "allowed: operator",
            details={
                "objects": str(len(plan.dropped)),
                "size_bytes": str(plan.size_bytes),
                "unreached_since_ms": str(cutoff_ms),
            },
            replacement=PackReplacement(records, plan.live - frozenset(made)),
        )
        events.append(work.hosting.catalogue.admit(admission))

    place_packs(work, shop, made, record)
    return events[0]
