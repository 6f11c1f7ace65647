"""One round of maintenance, and the follower that does one when enough packs have come together.

Invariants:
    1. A push waits for a round at most as long as it takes to move finished packs and to commit: the
       promotion lock is not held while git works.
    2. A round that is stopped or dies leaves a repository that is whole; the next one goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import RepositoryMissing, StoreError
from imprint.store.hosting.followers import never
from imprint.store.maintenance.adopt import Adoption, adopt
from imprint.store.maintenance.geometry import choose_packs
from imprint.store.maintenance.graph import write_graph
from imprint.store.maintenance.lookup import list_stale, read_covered, write_lookup
from imprint.store.maintenance.repack import JOIN_MAX, join_packs, repack_all
from imprint.store.maintenance.retired import remove_retired
from imprint.store.maintenance.state import read_state
from imprint.store.maintenance.work import Work, exclusively
from imprint.store.receive import packs
from imprint.store.receive.collect import CollectReport, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.events import Event, PackRecord
    from imprint.store.hosting.repositories import Hosting, Repository

PACKS_MIN_BY_HAND: Final = 2
"""By hand, any two packs that break the geometric rule are joined."""
OBJECTS_MIN: Final = 1000
"""Outside of the multi-pack-index; git finds fewer quickly enough without one."""
_UNCOVERED_SHARE_MAX: Final = 0.1
"""The share of objects outside of the multi-pack-index at which it is written anew."""

PAUSE_MS_MIN: Final = 60_000
PAUSE_MS_MAX: Final = 24 * 3600 * 1000
"""After a round that failed, the follower waits as long as the one, doubled up to the other."""

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round did.

    Attributes:
        packs_before: live packs when it began,
        packs_after: and when it ended.
        removed: names of retired packs whose files are gone now.
        indexed: whether the multi-pack-index and the commit-graph were written.
        adoption: what was mended.
    """

    packs_before: int
    packs_after: int
    removed: tuple[str, ...] = ()
    indexed: bool = False
    adoption: Adoption = field(default_factory=Adoption)


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """What was cleaned up.

    Attributes:
        collected: what crashes had left.
        retired: names of retired packs whose files are gone.
        adoption: what was mended because live packs were missing.
    """

    collected: CollectReport
    retired: tuple[str, ...] = ()
    adoption: Adoption = field(default_factory=Adoption)


def clean_up(work: Work) -> CleaningReport:
    """Mend, remove what crashes left, and retired packs that are due; less, where somebody else maintains.

    Raises:
        Stopped: it was time to stop.
        StoreFailure: the machine failed; what is left is for the next time.
    """
    with exclusively(work, wait=False) as alone:
        adoption = adopt(work) if alone else Adoption()
        collected = collect(work.repository, work.hosting)
        retired = remove_retired(work) if alone else ()
    work.repository.view.objects.refresh()
    work.repository.serving.sender.refresh()
    return CleaningReport(collected, retired, adoption)


def maintain(
    work: Work, *, everything: bool = False, packs_min: int = PACKS_MIN_BY_HAND, objects_min: int = 1
) -> RoundReport:
    """Do what is to be done now: mend, join packs, write lookups, remove what nobody reads.

    Args:
        work: where.
        everything: rewrite all packs, with better deltas, those too that are left alone otherwise.
        packs_min: fewer packs than this are not joined.
        objects_min: for fewer objects than this that lookups do not cover, they are not written anew.

    Raises:
        Stopped: it was time to stop; the rest is for another round.
        StoreFailure, Conflict: the machine failed, or somebody else changed the packs; nothing is lost.
    """
    with exclusively(work):
        adoption = adopt(work)
        before = len(work.list_live())
        if everything:
            while len(work.list_live()) > JOIN_MAX:
                join_packs(work, sorted(work.list_live())[:JOIN_MAX])
            repack_all(work, better=True)
        else:
            _join(work, packs_min)
        indexed = everything or _is_lookup_due(work, objects_min)
        if indexed:
            write_lookup(work)
            write_graph(work, anew=everything)
        removed = remove_retired(work)
        return RoundReport(before, len(work.list_live()), removed, indexed, adoption)


def _join(work: Work, packs_min: int) -> None:
    """Join what breaks the geometric rule; where that is everything, tell apart what refs reach."""
    limits = work.hosting.limits
    while True:
        every = _list_records(work)
        aside = read_state(work.git_dir).aside
        chosen = choose_packs((each for each in every if each.name not in aside), limits.maintain_bytes_max)
        if len(chosen) < packs_min:
            return
        work.step("planned")
        if len(chosen) > JOIN_MAX:
            join_packs(work, [each.name for each in chosen[:JOIN_MAX]])
        elif {each.name for each in chosen} >= {each.name for each in every} - aside:
            repack_all(work, better=False)
            return
        else:
            join_packs(work, [each.name for each in chosen])
            return


def _list_records(work: Work) -> list[PackRecord]:
    """The live packs that are there, as their files say."""
    return [
        packs.read_record(name, work.pack_dir, work.algorithm)
        for name in work.list_live()
        if packs.is_whole(name, work.pack_dir)
    ]


def _is_lookup_due(work: Work, objects_min: int) -> bool:
    """Whether too many objects are outside of the multi-pack-index, or it names packs that are nowhere."""
    records = _list_records(work)
    covered = read_covered(work.pack_dir)
    total = sum(each.object_count for each in records)
    outside = sum(each.object_count for each in records if each.name not in covered)
    unneeded = list_stale(work.pack_dir, work.list_live()) - work.list_retired().keys()
    return bool(unneeded) or (outside >= objects_min and outside > total * _UNCOVERED_SHARE_MAX)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A round that failed, and until when none is tried: what is damaged stays so, and a round is work."""

    error: StoreError
    pause_ms: int
    until_ms: int


class MaintenanceFollower:
    """Maintains a repository when pushes have left enough packs or objects. One repository at a time.

    Args:
        hosting: the repositories.
        stopping: whether to stop.
        step: told each of `work.STEPS`; for tests that stop the world there.
    """

    name = "maintenance"

    def __init__(
        self,
        hosting: Hosting,
        stopping: Callable[[], bool] = never,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._hosting = hosting
        self._stopping = stopping
        self._step = step
        self._failures: dict[str, _Failure] = {}

    def position(self, repository_id: str) -> int:
        """The sequence up to which events were looked at; 0 for none."""
        try:
            path = self._hosting.get_by_id(repository_id).git_dir / "imprint" / "maintained"
            return int(path.read_bytes())
        except (FileNotFoundError, ValueError, RepositoryMissing):
            return 0

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Do a round if there are enough packs.

        Raises:
            Stopped: it was time to stop.
            StoreError: the round failed, now or lately; nothing is lost.
        """
        work = Work(repository, self._hosting, self._stopping, self._step)
        failure = self._failures.get(repository.record.id)
        now_ms = self._hosting.clock.now_ms()
        if failure and now_ms < failure.until_ms:
            raise failure.error
        try:
            if self._is_due(work):
                maintain(work, packs_min=self._hosting.limits.maintain_packs_min, objects_min=OBJECTS_MIN)
        except StoreError as error:
            pause_ms = min(2 * failure.pause_ms if failure else PAUSE_MS_MIN, PAUSE_MS_MAX)
            self._failures[repository.record.id] = _Failure(error, pause_ms, now_ms + pause_ms)
            raise
        self._failures.pop(repository.record.id, None)
        path = repository.git_dir / "imprint" / "maintained"
        partial = path.with_name(f"{path.name}.new")
        partial.write_bytes(b"%d\n" % events[-1].sequence)
        partial.replace(path)

    def forget(self, repository_id: str) -> None:
        """Nothing on disk: what maintenance makes goes with the repository's folder."""
        self._failures.pop(repository_id, None)

    def _is_due(self, work: Work) -> bool:
        limits = work.hosting.limits
        if _is_lookup_due(work, OBJECTS_MIN):
            return True
        if len(work.list_live()) < limits.maintain_packs_min:
            return False
        aside = read_state(work.git_dir).aside
        candidates = (each for each in _list_records(work) if each.name not in aside)
        return len(choose_packs(candidates, limits.maintain_bytes_max)) >= limits.maintain_packs_min
