"""The follower of observations: after records and deliveries were taken in, before links are looked for.

Invariants:
    1. An event is finished when every commit that it brought was matched with what the archive then had;
       what comes into the archive later is announced by an event of its own.
    2. Of an erased session nothing stays in memory; what was observed by it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.events import EventKind
from imprint.store.hosting.followers import Stopped, never
from imprint.store.observe.candidates import Edits
from imprint.store.observe.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.events import Event
    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.hosting.repositories import Repository
    from imprint.store.observe.candidates import TranscriptReader
    from imprint.store.observe.owners import Owners
    from imprint.store.observe.store import Observations
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView


class ObservationsFollower:
    """Keeps observations up to date with the events of hosted repositories.

    Args:
        observations: where to write.
        archive: sessions and records.
        read: reads transcripts.
        claims: claims that name sessions.
        stopping: whether to stop.
        owners: whose commits are; None where every session may speak for every commit.
    """

    name = "observations"

    def __init__(
        self,
        observations: Observations,
        archive: Archive,
        read: TranscriptReader,
        claims: ClaimSource,
        stopping: Callable[[], bool] = never,
        owners: Owners | None = None,
    ) -> None:
        self._observations = observations
        self._edits = Edits(read)
        self._stopping = stopping
        self._observer = Observer(observations, archive, self._edits, claims, self._stop_if_asked, owners)

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in."""
        return self._observations.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Take in what the events brought, all of it together.

        Raises:
            Stopped: `stopping` said so; what is left is done at the next start.
        """
        repository_id, view = repository.record.id, repository.view
        if any(event.kind is EventKind.ERASED for event in events):
            self._edits.clear()
        changes = [change for event in events for change in event.changes]
        tips = [change.new for change in changes if change.new and view.objects.find_kind(change.new)]
        stops = [change.old for change in changes if change.old]
        _, serial = self._observer.update(view, dict.fromkeys(tips), stops)
        self._observations.finish(repository_id, events[-1].sequence, serial)

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        self._observations.forget(repository_id)
        self._edits.clear()

    def _stop_if_asked(self) -> None:
        if self._stopping():
            raise Stopped


def observe_clone(
    view: RepositoryView,
    observations: Observations,
    archive: Archive,
    read: TranscriptReader,
    claims: ClaimSource,
    tips: Sequence[ObjectId] = (),
) -> int:
    """Bring observations up to date with a clone's refs and its archive; how many commits were matched."""
    snapshot = view.refs.snapshot()
    wanted = {value.peeled or value.id for value in snapshot.refs.values()} | set(tips)
    if snapshot.head_id:
        wanted.add(snapshot.head_id)
    wanted -= observations.find_seen(view.id, wanted)
    if not wanted and archive.last_serial(view.id) == observations.serial(view.id):
        return 0
    matched, serial = Observer(observations, archive, Edits(read), claims).update(view, wanted)
    observations.finish(view.id, 0, serial)
    return matched
