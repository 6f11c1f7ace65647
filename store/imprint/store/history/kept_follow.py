"""After a push, the files that people asked about lately are followed to the new head before they ask again.

Invariants:
    1. Only files that somebody asked about are followed, at most `FILES_MAX` per step.
    2. A file that cannot be followed stops nothing: it is found out when somebody asks.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StoreError
from imprint.store.hosting.followers import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.events import Event
    from imprint.store.history.kept import Lines
    from imprint.store.hosting.repositories import Repository

FILES_MAX: Final = 16


class LinesFollower:
    """Keeps the lines of files asked about lately at the newest head, and forgets destroyed repositories."""

    name = "lines"

    def __init__(self, lines: Lines, stopping: Callable[[], bool]) -> None:
        self._lines = lines
        self._stopping = stopping

    def position(self, repository_id: str) -> int:
        """The sequence up to which events were looked at."""
        return self._lines.spans.position(repository_id) if self._lines.spans is not None else 0

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Follow the files to where HEAD is now.

        Raises:
            Stopped: it was asked to stop.
            StorageFailed: the position cannot be written.
        """
        view = repository.view
        head = view.refs.snapshot().head_id
        if head is not None:
            for path in self._lines.list_lately_used(view, FILES_MAX):
                if self._stopping():
                    raise Stopped
                with suppress(StoreError):  # INV-2
                    self._lines.warm(view, head, path)
        if self._lines.spans is not None:
            self._lines.spans.set_position(repository.record.id, events[-1].sequence)

    def forget(self, repository_id: str) -> None:
        """Drop everything kept for a repository."""
        self._lines.forget(repository_id)
