"""Pushes that were checked come to the repository, those that wait at the same time together.

Invariants:
    1. What becomes of each is what would become of it if they came one after the other in this order.
    2. Packs come under the repository's promotion lock, in front of the transaction that records them; a pack
       whose push was refused there is taken away again, under the same lock.
    3. Two pushes that could be in each other's way are not landed together: those for the same ref, with the
       same pack, or near a bound that they share.
    4. Where the transaction of several is refused, each is tried alone.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from imprint.store.errors import Conflict, OutcomeUnknown, StaleUpdate, StoreError, StoreFailure
from imprint.store.events import EventKind
from imprint.store.receive import packs
from imprint.store.receive.connect import find_tips
from imprint.store.receive.docket import describe_stale
from imprint.store.receive.landing.placing import Placing
from imprint.store.waiting.together import Together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Admission, Event
    from imprint.store.hosting.repositories import Hosting
    from imprint.store.receive.landing.checked import Checked

TOGETHER_MAX: Final = 64
"""Pushes in one transaction: bounds how long one of them works for the others."""

_log = logging.getLogger("imprint.store")


@dataclass(eq=False, slots=True)
class _Company:
    """Pushes to one repository that come together; the outcome is given when each of them has its own."""

    pushes: Sequence[Checked]
    outcome: Future[None] = field(default_factory=Future)


class Landing:
    """Lands pushes. Safe to share between threads.

    Args:
        hosting: whose repositories they go to.
        step: told where a push is; see `receiver.STEPS`.
    """

    def __init__(self, hosting: Hosting, step: Callable[[str], None]) -> None:
        self._hosting = hosting
        self._step = step
        self._placing = Placing(hosting, step)
        self._lock = threading.Lock()
        self._queues: WeakValueDictionary[str, Together[_Company]] = WeakValueDictionary()

    def land_all(self, pushes: Sequence[Checked]) -> None:
        """Make pushes to one repository durable, of which there are some; each has its outcome then.

        That is the event, None when every command was refused meanwhile, which its docket says; or one of
        `RepositoryMissing`, as it was deleted, `OutcomeUnknown`, as it may have been admitted, and
        `StoreFailure`, where nothing was.
        """
        repository_id = pushes[0].repository.record.id
        with self._lock:
            queue = self._queues.get(repository_id)
            if queue is None:
                queue = Together(self._land_waiting, TOGETHER_MAX)
                self._queues[repository_id] = queue
        queue.finish(_Company(pushes))

    def _land_waiting(self, companies: list[_Company]) -> None:
        """Under the lock: land what waits, as many at a time as are not in each other's way."""
        every = [each for company in companies for each in company.pushes if not each.outcome.done()]
        try:
            waiting = every
            with packs.promotion_lock(companies[0].pushes[0].repository.git_dir).hold():
                self._step("locked")
                while waiting:
                    snapshot = waiting[0].repository.view.refs.snapshot()
                    taken = _choose(waiting[:TOGETHER_MAX], snapshot, self._hosting.limits.refs_max)
                    waiting = [each for each in waiting if each not in taken]
                    self._land(taken, snapshot)
        except StoreError as failure:  # the lock file, the catalogue; or the repository is gone
            _fail(every, failure)
        for company in companies:
            company.outcome.set_result(None)

    def _land(self, taken: Sequence[Checked], snapshot: RefSnapshot) -> None:
        was_pruned = cache(
            partial(self._was_pruned_since, taken[0].repository.record.id, snapshot.generation)
        )
        standing = [each for each in taken if self._still_stands(each, snapshot, was_pruned)]
        if not standing or not self._place(standing):
            return
        if len(standing) == 1 or not self._admit_together(standing, snapshot):
            self._placing.separate(standing)
            for each in standing:
                if self._place([each]):
                    self._admit_alone(each, snapshot)

    def _place(self, standing: Sequence[Checked]) -> bool:
        """Whether the packs could be put in place; otherwise none of these pushes happens."""
        try:
            self._placing.place(standing)
        except StoreFailure as failure:
            for each in standing:
                self._placing.retract(each)
            _fail(standing, failure)
            return False
        return True

    def _still_stands(
        self, checked: Checked, snapshot: RefSnapshot, was_pruned: Callable[[int], bool]
    ) -> bool:
        """Whether anything is left of a push after what was admitted since its checks."""
        docket, quarantine = checked.docket, checked.quarantine
        try:
            if was_pruned(checked.generation):
                checked.tips = checked.connect(snapshot)
            docket.check_in_order(snapshot, lambda each: bool(find_tips(quarantine.reading, [each])))
            docket.check_forward(snapshot, checked.is_forward)
        except Exception as failure:  # noqa: BLE001 - raised again by whoever waits for the outcome
            checked.outcome.set_exception(failure)
            return False
        if not docket.make_updates(checked.tips) and checked.push.head is None:
            checked.outcome.set_result(None)
            return False
        return True

    def _was_pruned_since(self, repository_id: str, newest: int, generation: int) -> bool:
        """Whether objects were dropped since pushes were connected: what they build on may be among them."""
        return generation < newest and self._hosting.catalogue.has_event(
            repository_id, EventKind.PRUNED, after=generation
        )

    # -- the commit point -----------------------------------------------------------------------------

    def _admit_together(self, standing: Sequence[Checked], snapshot: RefSnapshot) -> bool:
        """Whether one transaction could hold them all; otherwise nothing happened."""
        admissions = [self._make_admission(each, snapshot) for each in standing]
        try:
            events = self._hosting.catalogue.admit_all(admissions)
        except OutcomeUnknown as unknown:
            _fail(standing, unknown)  # they may have been admitted: their packs stay
            return True
        except StoreError:
            return False  # whose fault it was shows when each is tried alone
        self._step("admitted")
        for each, event in zip(standing, events, strict=True):
            each.outcome.set_result(event)
        return True

    def _admit_alone(self, checked: Checked, snapshot: RefSnapshot) -> None:
        try:
            event = self._admit(checked, snapshot)
        except OutcomeUnknown as unknown:
            checked.outcome.set_exception(unknown)  # its pack stays, and `collect` will know
        except StoreError as failure:
            self._placing.retract(checked)
            checked.outcome.set_exception(failure)
        except Exception as failure:  # noqa: BLE001 - raised again by whoever waits for the outcome
            checked.outcome.set_exception(failure)
        else:
            if event is None:
                self._placing.retract(checked)
            checked.outcome.set_result(event)

    def _admit(self, checked: Checked, snapshot: RefSnapshot) -> Event | None:
        """Admit one push; again, without the commands that the catalogue refuses."""
        docket = checked.docket
        while docket.make_updates(checked.tips) or checked.push.head:
            try:
                event = self._hosting.catalogue.admit(self._make_admission(checked, snapshot))
            except StaleUpdate as stale:
                docket.refuse(stale.name, describe_stale(stale))
            except Conflict as conflict:
                docket.refuse_colliding(checked.repository.view.refs.snapshot(), conflict.message)
            else:
                self._step("admitted")
                return event
        return None

    def _make_admission(self, checked: Checked, snapshot: RefSnapshot) -> Admission:
        return replace(
            checked.admission,
            at_ms=self._hosting.clock.now_ms(),
            updates=checked.docket.make_updates(checked.tips),
            pack=checked.pack,
            head=checked.push.head or checked.docket.find_first_branch(snapshot),
        )


def _choose(waiting: Sequence[Checked], snapshot: RefSnapshot, refs_max: int) -> list[Checked]:
    """The first of those that wait, with those behind it that are in nobody's way."""
    first, *others = waiting
    taken = [first]
    if first.push.head is not None or not _has_room(waiting, snapshot, refs_max):
        return taken
    names, pack_names = set(first.names), {first.pack_name} - {None}
    for each in others:
        if each.push.head is None and names.isdisjoint(each.names) and each.pack_name not in pack_names:
            taken.append(each)
        names |= each.names  # nobody overtakes another on its way to the same ref
        pack_names |= {each.pack_name} - {None}
    return taken


def _has_room(waiting: Sequence[Checked], snapshot: RefSnapshot, refs_max: int) -> bool:
    """Whether the pushes may count on neither the bound of refs nor the choice of HEAD being another's."""
    wished = sum(len(each.push.commands) for each in waiting)
    is_begun = snapshot.head_id or any(name.startswith(b"refs/heads/") for name in snapshot.refs)
    return bool(is_begun) and len(snapshot.refs) + wished <= refs_max


def _fail(works: Sequence[Checked], failure: StoreError) -> None:
    for each in works:
        if not each.outcome.done():
            each.outcome.set_exception(failure)
