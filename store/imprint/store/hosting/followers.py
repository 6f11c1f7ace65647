"""Followers: everything that happens after the commit point, each at its own place in the events.

Invariants:
    1. A push never waits for a follower.
    2. A follower sees the events of a repository in order, each at least once; it keeps its position with
       what it derives, so that after a crash it goes on from there, and without its data it begins again.
    3. A follower that fails is tried again, ever more rarely, and said to fail; it stops nobody else.
    4. At most one process per data folder runs followers. When it ends, however it ends, another takes over
       within `poll_seconds`: the kernel gives the lock `derived/followers.lock` back.
    5. A follower that is told to stop may leave a step with `Stopped`: that is no failure, and the step is
       taken again at the next start.

The runner hears of events in two ways: `wake` at once, for pushes that this process received, and by looking
every `poll_seconds`, for those of other processes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.errors import RepositoryMissing, StorageFailed, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Hosting, Repository

EVENTS_PER_STEP: Final = 256
"""Events handed over at once; between two such steps other repositories have their turn."""
RETRY_SECONDS_MIN: Final = 0.25
RETRY_SECONDS_MAX: Final = 60.0
"""Waiting after a failure begins with the one and doubles up to the other."""

_log = logging.getLogger("imprint.store")


class Stopped(Exception):
    """A follower left a step early, because it was asked to stop."""


def never() -> bool:
    """For those whom nobody stops."""
    return False


class Follower(Protocol):
    """Derives something from the events of repositories.

    `follow` and `forget` are called by one thread at a time, `position` by any thread at any time.
    """

    name: str

    def position(self, repository_id: str) -> int:
        """The sequence up to which events are finished; 0 for none.

        It is kept with the derived data: deleting that rewinds it.
        """
        ...

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Take in the next events, which are in order and not empty, and move the position past the last.

        Idempotent: after a crash the same events come again. The position moves atomically with the work.

        Raises:
            Stopped: it was asked to stop, and left the rest for the next start.
        """
        ...

    def forget(self, repository_id: str) -> None:
        """Drop everything derived from a repository that was destroyed; allowed for an unknown one."""
        ...


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How far a follower is with a repository.

    Attributes:
        name: the follower's.
        repository: `owner/name`.
        position: the sequence up to which it is finished.
        generation: the sequence of the newest event.
        error: what went wrong at its last try; None when it went well.
    """

    name: str
    repository: str
    position: int
    generation: int
    error: str | None = None


class FollowerRunner:
    """Keeps followers going in threads of their own; or, not started, takes them as far as there is to go.

    Args:
        hosting: the repositories.
        followers: each gets a thread.
        poll_seconds: how often to look for events that nobody announced, and for the lock.
        stopping: set when the runner is told to stop; followers may look at it and raise `Stopped`.
    """

    def __init__(
        self,
        hosting: Hosting,
        followers: Iterable[Follower],
        poll_seconds: float = 0.25,
        stopping: threading.Event | None = None,
    ) -> None:
        self._hosting = hosting
        self._poll_seconds = poll_seconds
        self._workers = [_Worker(hosting, follower) for follower in followers]
        self._lead = _Lead(hosting.folder.root / "derived" / "followers.lock")
        self._followed = _Followed(hosting.folder.root / "derived" / "followed")
        self._looking = threading.Lock()
        self._stopping = stopping or threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="followers", daemon=True)

    def start(self) -> None:
        """Begin to follow as soon as no other process does. Call it once."""
        for worker in self._workers:
            worker.start()
        self._watcher.start()

    def ask_to_stop(self) -> None:
        """Tell every follower to stop, and return at once; events to come wait for the next start."""
        self._stopping.set()
        for worker in self._workers:
            worker.stop()

    def is_stopping(self) -> bool:
        """Whether the followers were told to stop."""
        return self._stopping.is_set()

    def list_working(self) -> list[str]:
        """Names of the followers whose threads have not ended."""
        return [worker.name for worker in self._workers if worker.thread.is_alive()]

    def stop(self, timeout_seconds: float | None = None) -> bool:
        """Let each follower end the step it is in; True when all have ended within the time."""
        self.ask_to_stop()
        deadline = _deadline(timeout_seconds)
        ended = True
        for thread in (self._watcher, *(worker.thread for worker in self._workers)):
            if thread.ident is not None:
                thread.join(_left(deadline))
                ended = ended and not thread.is_alive()
        if ended:
            self._lead.release()
        return ended

    def wake(self, repository_id: str) -> None:
        """Say that the repository has a new event; returns at once."""
        if self._lead.is_held:
            for worker in self._workers:
                worker.add(repository_id)

    def catch_up(self, timeout: float | None = None) -> bool:
        """Wait until every follower is past every event that is there now; True if all are.

        False after `timeout` seconds, or when a follower that lags behind has failed meanwhile; `status` says
        which. Where nobody follows, here or in another process, the calling thread does it.
        """
        deadline = _deadline(timeout)
        targets = {record.id: record.generation for record in self._hosting.catalogue.list_repositories()}
        failures = {worker: worker.failures for worker in self._workers}
        borrowed = self._watcher.ident is None and self._lead.try_to_take()
        try:
            for worker in self._workers:
                worker.retry_now()
            self._look()
            while lagging := self._find_lagging(targets):
                given_up = all(worker.failures > failures[worker] for worker in lagging)
                if given_up or self._stopping.is_set() or _left(deadline) == 0:
                    return False
                if borrowed:
                    for worker in lagging:
                        worker.work_off(deadline)
                self._stopping.wait(_CATCH_UP_POLL_SECONDS)
        finally:
            if borrowed:
                self._lead.release()
        return True

    def _find_lagging(self, targets: dict[str, int]) -> list[_Worker]:
        """The followers that have not reached every target; what was deleted meanwhile is none any more."""
        for gone in targets.keys() - {record.id for record in self._hosting.catalogue.list_repositories()}:
            del targets[gone]
        return [worker for worker in self._workers if worker.is_behind(targets)]

    def status(self) -> list[FollowerStatus]:
        """Every follower's place in every live repository."""
        records = self._hosting.catalogue.list_repositories()
        return [worker.make_status(record) for worker in self._workers for record in records]

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._lead.try_to_take():
                    self._look()
            except Exception as fault:  # noqa: BLE001 - the next look may go well; without one all would stop
                _log.warning("followers: cannot look for events: %s", type(fault).__name__)
            self._stopping.wait(self._poll_seconds)

    def _look(self) -> None:
        """Hand out what there is to do: repositories with new events, and those that were destroyed."""
        with self._looking:
            if not self._lead.is_held:
                return
            catalogue = self._hosting.catalogue
            live = catalogue.list_repositories()
            for worker in self._workers:
                worker.add_all(live)
            present = {record.id for record in (*live, *catalogue.list_repositories(deleted=True))}
            for gone in self._followed.ids - present:
                for worker in self._workers:
                    worker.forget(gone)
                if all(worker.has_forgotten(gone) for worker in self._workers):
                    self._followed.remove(gone)
            self._followed.add(present)


_CATCH_UP_POLL_SECONDS: Final = 0.01


class _Worker:
    """One follower, the repositories that wait for it, and the thread in which it works."""

    def __init__(self, hosting: Hosting, follower: Follower) -> None:
        self._hosting = hosting
        self._follower = follower
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, float] = OrderedDict()  # not before this time, on the monotonic clock
        self._finished: dict[str, int] = {}
        self._errors: dict[str, tuple[int, str]] = {}
        self._forgotten: set[str] = set()
        self._stopping = False
        self.name = follower.name
        self.failures = 0
        """Steps that failed, ever."""
        self.thread = threading.Thread(target=self._run, name=f"follower {follower.name}", daemon=True)

    def start(self) -> None:
        """Work in the thread until told to stop."""
        self.thread.start()

    def stop(self) -> None:
        """End the thread after the step it is in."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def add(self, repository_id: str) -> None:
        """Put a repository in the queue; one that failed keeps its time of waiting."""
        with self._changed:
            self._waiting.setdefault(repository_id, 0.0)
            self._changed.notify_all()

    def add_all(self, records: Sequence[RepositoryRecord]) -> None:
        """Put those repositories in the queue that have events the follower has not finished."""
        for record in records:
            if self._finished.get(record.id, -1) < record.generation:
                self.add(record.id)

    def forget(self, repository_id: str) -> None:
        """Put a destroyed repository in the queue, if the follower has not dropped it yet."""
        if not self.has_forgotten(repository_id):
            self.add(repository_id)

    def has_forgotten(self, repository_id: str) -> bool:
        """Whether the follower dropped a destroyed repository."""
        return repository_id in self._forgotten

    def retry_now(self) -> None:
        """Do not wait longer with what failed."""
        with self._changed:
            self._waiting = OrderedDict.fromkeys(self._waiting, 0.0)
            self._changed.notify_all()

    def is_behind(self, targets: dict[str, int]) -> bool:
        """Whether the follower has not reached a repository's target."""
        return any(
            self._position(repository_id, target) < target for repository_id, target in targets.items()
        )

    def make_status(self, record: RepositoryRecord) -> FollowerStatus:
        """The follower's place in a repository."""
        _, error = self._errors.get(record.id, (0, None))
        position = self._position(record.id, record.generation)
        return FollowerStatus(self._follower.name, str(record.name), position, record.generation, error)

    def work_off(self, deadline: float | None) -> None:
        """Work in the calling thread until nothing is left that may be done now."""
        while (repository_id := self._take(wait=False)) is not None:
            self._work(repository_id)
            if _left(deadline) == 0:
                return

    def _position(self, repository_id: str, target: int) -> int:
        """The follower's position; it is only asked where it is not known to have reached the target."""
        known = self._finished.get(repository_id, -1)
        return known if known >= target else self._follower.position(repository_id)

    def _run(self) -> None:
        while (repository_id := self._take(wait=True)) is not None:
            self._work(repository_id)

    def _take(self, *, wait: bool) -> str | None:
        """The next repository whose time has come; None when told to stop, or when not to wait for one."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                for repository_id, not_before in self._waiting.items():
                    if not_before <= now:
                        del self._waiting[repository_id]
                        return repository_id
                if not wait:
                    return None
                soonest = min(self._waiting.values(), default=None)
                self._changed.wait(None if soonest is None else soonest - now)
            return None

    def _work(self, repository_id: str) -> None:
        try:
            has_more = self._step(repository_id)
        except Stopped:
            self.add(repository_id)
        except Exception as fault:  # noqa: BLE001 - whatever a follower does wrong must not stop the others
            self._note_failure(repository_id, fault)
        else:
            with self._changed:
                self._errors.pop(repository_id, None)
                if has_more:
                    self._waiting.setdefault(repository_id, 0.0)

    def _step(self, repository_id: str) -> bool:
        """Hand over the next events; whether there may be more."""
        follower, catalogue = self._follower, self._hosting.catalogue
        try:
            if catalogue.get_repository(repository_id).purge_after_ms is not None:
                return False
        except RepositoryMissing:
            follower.forget(repository_id)
            self._finished.pop(repository_id, None)
            self._forgotten.add(repository_id)
            return False
        position = follower.position(repository_id)
        events = catalogue.list_events(repository_id, after=position, limit=EVENTS_PER_STEP)
        if events:
            follower.follow(self._hosting.get_by_id(repository_id), events)
            position = follower.position(repository_id)
            assert position >= events[-1].sequence, f"{follower.name} did not move on"  # noqa: S101
        self._finished[repository_id] = position
        return len(events) == EVENTS_PER_STEP

    def _note_failure(self, repository_id: str, fault: Exception) -> None:
        """Try again later, ever more rarely."""
        text = fault.message if isinstance(fault, StoreError) else f"{type(fault).__name__}: {fault}"
        _log.warning("follower %s failed on %s: %s", self._follower.name, repository_id, type(fault).__name__)
        with self._changed:
            count = self._errors.get(repository_id, (0, ""))[0] + 1
            self._errors[repository_id] = (count, text)
            pause = min(RETRY_SECONDS_MIN * 2 ** min(count - 1, 16), RETRY_SECONDS_MAX)
            self._waiting[repository_id] = time.monotonic() + pause
            self.failures += 1


class _Lead:
    """The right to run followers on a data folder, which one process has at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this runner has it."""
        return self._descriptor is not None

    def try_to_take(self) -> bool:
        """Take it if it is free; whether this runner has it now.

        Raises:
            StorageFailed: the lock's file cannot be made.
        """
        with self._mutex:
            if self._descriptor is not None:
                return True
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as failure:
                raise StorageFailed(f"{self._path}: {failure.strerror}") from failure
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
            return True

    def release(self) -> None:
        """Give it back."""
        with self._mutex:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


class _Followed:
    """Ids of repositories that followers may hold something of, one per line.

    By it, what is derived from a repository also goes when it was destroyed while nobody followed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: set[str] | None = None

    @property
    def ids(self) -> frozenset[str]:
        """All of them."""
        if self._ids is None:
            try:
                self._ids = set(self._path.read_text("utf-8").split())
            except FileNotFoundError:
                self._ids = set()
        return frozenset(self._ids)

    def add(self, repository_ids: Iterable[str]) -> None:
        """Keep more."""
        self._change(self.ids.union(repository_ids))

    def remove(self, repository_id: str) -> None:
        """Keep one no more."""
        self._change(self.ids - {repository_id})

    def _change(self, ids: frozenset[str]) -> None:
        if ids == self.ids:
            return
        partial = self._path.with_name(f"{self._path.name}.new")
        partial.write_text("".join(f"{repository_id}\n" for repository_id in sorted(ids)), "utf-8")
        partial.replace(self._path)
        self._ids = set(ids)


def _deadline(timeout_seconds: float | None) -> float | None:
    return None if timeout_seconds is None else time.monotonic() + timeout_seconds


def _left(deadline: float | None) -> float | None:
    """Seconds until a deadline, at least 0; None for ever."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
