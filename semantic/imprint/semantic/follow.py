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
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.library import Library
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Repository
    from imprint.store.types import ObjectId

_log = logging.getLogger("imprint.semantic")

_LEFT_OUT: Final = (b"refs/notes/",)
"""Trees of notes hold a file per commit, named by its id: nothing that anybody searches by meaning."""


class IndexFollower:
    """Indexes the tips of changed refs into a library."""

    name = "index"

    def __init__(self, library: Library) -> None:
        self._library = library

    def position(self, repository_id: str) -> int:
        """Sequence of the last event whose tips are indexed."""
        return self._library.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Index the tips that the events leave, HEAD's branch first, then branches, then the rest."""
        if not events:
            return
        head = repository.record.head
        tips = {change.name: change.new for event in events for change in event.changes}
        wanted = [(name, new) for name, new in tips.items() if new and not name.startswith(_LEFT_OUT)]
        wanted.sort(key=lambda tip: (tip[0] != head, not tip[0].startswith(b"refs/heads/"), tip[0]))
        for _, tip in wanted:
            commit = self._find_commit(repository, tip)
            if commit is not None:
                self._library.ensure(repository.view, commit)
        self._library.record_position(repository.record.id, events[-1].sequence)

    def _find_commit(self, repository: Repository, tip: ObjectId) -> ObjectId | None:
        try:
            return resolve_commit(repository.view, tip)
        except (BadRevision, ObjectMissing):
            _log.info("%s: %s is no commit, not indexed", repository.record.id, tip)
            return None

    def forget(self, repository_id: str) -> None:
        """Drop what the index holds of a repository that is gone."""
        self._library.forget(repository_id)
