"""The follower that logs what was pushed, so that questions about the past need not read it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.hosting.followers import never

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.lineage.changes import ChangeLog
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Repository


class ChangeFollower:
    """Keeps the change log at the newest refs, hidden ones included."""

    name = "changes"

    def __init__(self, log: ChangeLog, stopping: Callable[[], bool] = never) -> None:
        self._log = log
        self._stopping = stopping

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose commits are logged."""
        return self._log.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Log the commits that the refs reach now.

        Raises:
            Stopped: it was asked to stop; what is logged stays.
            StorageFailed: the log cannot be written.
        """
        self._log.ensure(repository.view, stopping=self._stopping)
        self._log.record_position(repository.record.id, events[-1].sequence)

    def forget(self, repository_id: str) -> None:
        """Delete the log of a repository that is gone."""
        self._log.forget(repository_id)
