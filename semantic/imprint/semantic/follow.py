"""The follower that indexes what was pushed.

Invariants:
    1. A position is recorded together with the commits that it stands for, so that a death in between repeats
       work and never skips any.
    2. Only the newest tip of each ref in a stretch of events is indexed: a tip that was replaced meanwhile is
       nobody's to search.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadRevision, ObjectMissing
from imprint.store.hosting.followers import Stopped, never
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imprint.semantic.library import Library
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Repository
    from imprint.store.types import ObjectId, RefName

_log = logging.getLogger("imprint.semantic")

SLICE_SECONDS: Final = 5.0
"""How long one repository's history is indexed before another's has its turn."""
_BRANCHES: Final = b"refs/heads/"
_LEFT_OUT: Final = (b"refs/notes/",)
"""Trees of notes hold a file per commit, named by its id: nothing that anybody searches by meaning."""


class IndexFollower:
    """Indexes the tips of changed refs into a library."""

    name = "index"

    def __init__(self, library: Library, stopping: Callable[[], bool] = never) -> None:
        self._library = library
        self._stopping = stopping

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose tips are indexed."""
        return self._library.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Index the tips that the events leave, HEAD's branch first, then branches, then the rest.

        Raises:
            Stopped: `stopping` said so; what is indexed stays, and the rest comes at the next start.
        """
        if not events:
            return
        tips = {change.name: change.new for event in events for change in event.changes}
        seen = events[-1].sequence
        for tip in _order(tips, repository.record.head):
            seen = self._index_moved_branches(repository, seen)
            self._ensure(repository, tip)
        self._library.record_position(repository.record.id, events[-1].sequence)

    def _index_moved_branches(self, repository: Repository, seen: int) -> int:
        """Branches that moved since generation `seen` go before the rest of an older event.

        Their own events come later and find the work done. So a push to a branch is searchable soon, also
        while an import with a thousand tags is worked off.
        """
        snapshot = repository.view.refs.snapshot()
        if snapshot.generation > seen:
            branches = {name: value.id for name, value in snapshot.refs.items() if name.startswith(_BRANCHES)}
            for tip in _order(branches, snapshot.head):
                self._ensure(repository, tip)
        return max(seen, snapshot.generation)

    def _ensure(self, repository: Repository, tip: ObjectId) -> None:
        if self._stopping():
            raise Stopped
        commit = self._find_commit(repository, tip)
        if commit is not None:
            self._library.ensure(repository.view, commit, stopping=self._stopping)

    def _find_commit(self, repository: Repository, tip: ObjectId) -> ObjectId | None:
        try:
            return resolve_commit(repository.view, tip)
        except (BadRevision, ObjectMissing):
            _log.info("%s: %s is no commit, not indexed", repository.record.id, tip)
            return None

    def forget(self, repository_id: str) -> None:
        """Drop what the index holds of a repository that is gone."""
        self._library.forget(repository_id)


class HistoryFollower:
    """Indexes whole histories into a library, a while for each repository in turn."""

    name = "history"

    def __init__(self, library: Library, stopping: Callable[[], bool] = never) -> None:
        self._library = library
        self._stopping = stopping

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose history is indexed."""
        progress = self._library.extended(repository_id)
        return progress.sequence if progress else 0

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Index what the refs reach now, for a while.

        Raises:
            Stopped: `stopping` said so, or others have their turn; what is indexed stays.
        """
        last = events[-1].sequence
        progress = self._library.extend(
            repository.view, seconds=SLICE_SECONDS, sequence=last, stopping=self._stopping
        )
        if progress.sequence < last:
            raise Stopped

    def forget(self, repository_id: str) -> None:
        """What the library holds of the repository goes with the follower of its tips."""


def _order(tips: Mapping[RefName, ObjectId | None], head: RefName) -> list[ObjectId]:
    """The tips worth indexing: HEAD's branch first, then branches, then the rest."""
    wanted = [(name, tip) for name, tip in tips.items() if tip and not name.startswith(_LEFT_OUT)]
    wanted.sort(key=lambda entry: (entry[0] != head, not entry[0].startswith(_BRANCHES), entry[0]))
    return [tip for _, tip in wanted]
