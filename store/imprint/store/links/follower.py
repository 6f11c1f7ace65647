"""Keeping links up to date: with the events of hosted repositories, and with the refs and reflogs of a clone.

Invariants:
    1. Taking the same events in again, from nothing, finds the same links.
    2. One new commit costs two git processes at most, whatever the repository's size.
    3. In a clone nothing is read anew while its refs and reflogs are as they were.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed
from imprint.store.history.patches import list_parents_first
from imprint.store.history.reading import walk_commits
from imprint.store.hosting.followers import Stopped, never
from imprint.store.links.intake import Arrival, Intake
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.links.store import LinkStore
    from imprint.store.view import RepositoryView

_EXCLUDED_HEADS_MAX: Final = 500
_INTAKES_KEPT_MAX: Final = 16
"""Repositories whose commit graph stays in memory."""
_NO_CODE: Final = (b"refs/notes/", b"refs/ai/", b"refs/entire/", b"refs/imprint/")
"""Refs of records about commits: their own commits are nobody's work."""

_log = logging.getLogger("imprint.store")


class LinkFollower:
    """Keeps the links of hosted repositories."""

    name = "links"

    def __init__(self, store: LinkStore, hosting: Hosting, stopping: Callable[[], bool] = never) -> None:
        del hosting
        self._store = store
        self._stopping = stopping
        self._intakes: OrderedDict[str, Intake] = OrderedDict()

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in."""
        return self._store.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Take the events in, one after the other.

        Raises:
            Stopped: `stopping` said so; what was taken in stays, the rest follows at the next start.
        """
        repository_id = repository.record.id
        intake = self._open_intake(repository.view)
        number = self._store.number(repository_id)
        for event in events:
            self._stop_if_asked()
            if event.sequence <= self._store.position(repository_id):
                continue
            target = _find_target(repository, event, self._store.state(repository_id))
            tips = [
                change.new
                for change in event.changes
                if change.new
                and not bytes(change.name).startswith(_NO_CODE)
                and repository.view.objects.find_kind(change.new)
            ]
            commits = _find_new(repository.view, self._store, number, tips)
            found = intake.take_in(Arrival(commits, tips, target, event.sequence, event.at_ms))
            self._store.finish(number, position=event.sequence, state=target or "")
            if commits:
                _log.info(
                    "links: %s event %d: %d new commits, %d links",
                    repository_id, event.sequence, len(commits), found,
                )  # fmt: skip

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        self._intakes.pop(repository_id, None)
        self._store.forget(repository_id)

    def _open_intake(self, view: RepositoryView) -> Intake:
        """The repository's intake, knowing what is kept; begun anew where the store was emptied."""
        intake = self._intakes.pop(view.id, None)
        if intake is None or not self._store.position(view.id):
            intake = Intake(view, self._store, self._stop_if_asked)
        state = self._store.state(view.id)
        intake.refresh(ObjectId(state) if state else None)
        self._intakes[view.id] = intake
        while len(self._intakes) > _INTAKES_KEPT_MAX:
            self._intakes.popitem(last=False)
        return intake

    def _stop_if_asked(self) -> None:
        if self._stopping():
            raise Stopped


def _find_target(repository: Repository, event: Event, before: str) -> ObjectId | None:
    """Where the default branch is after an event."""
    for change in event.changes:
        if change.name == repository.record.head:
            return change.new
    if event.head is not None or not before:
        value = repository.view.refs.snapshot().refs.get(repository.record.head)
        if event.head is not None and value is not None:
            return value.id
    return ObjectId(before) if before else None


def _find_new(
    view: RepositoryView, store: LinkStore, repository: int, tips: Iterable[ObjectId]
) -> list[ObjectId]:
    """Commits that are reachable from the tips and not kept, parents first."""

    def find_known(commits: list[ObjectId]) -> frozenset[ObjectId]:
        return store.find_known(repository, commits)

    wanted = list(dict.fromkeys(tips))
    walked = walk_commits(view, wanted, find_known)
    if walked is not None and len(walked) <= 1:
        return walked
    found = list_parents_first(view, wanted, store.heads(repository, _EXCLUDED_HEADS_MAX))
    known = find_known(found)
    return [commit for commit in found if commit not in known]


# -- clones ----------------------------------------------------------------------------------------------


def link_clone(
    view: RepositoryView,
    store: LinkStore,
    at_ms: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    tips: Iterable[ObjectId] = (),
) -> int:
    """Bring the links up to date with a clone's refs, pull-request refs and reflogs; how many were found.

    Args:
        view: the clone.
        store: where to keep them.
        at_ms: the time that new links get.
        progress: told of commits read and then linked, of twice as many.
        tips: commits to take in beside those.
    """
    snapshot = view.refs.snapshot()
    refs = {
        bytes(name): value.peeled or value.id
        for name, value in snapshot.refs.items()
        if not bytes(name).startswith(_NO_CODE)
    }
    target = next((refs[name] for name in _TARGETS if name in refs), snapshot.head_id)
    heads = list(dict.fromkeys([*refs.values(), *_list_reflogs(view), *tips]))
    told = "".join([*sorted(heads), target or ""])
    state = hashlib.sha256(told.encode()).hexdigest()
    number = store.number(view.id)
    if store.state(view.id) == state:
        return 0
    present = [head for head in heads if view.objects.find_kind(head)]
    intake = Intake(view, store, lambda: None, progress)
    intake.refresh(None)
    found = intake.take_in(Arrival(_find_new(view, store, number, present), present, target, 0, at_ms))
    store.finish(number, state=state)
    return found


_TARGETS: Final = (
    b"refs/remotes/origin/HEAD",
    b"refs/remotes/origin/main",
    b"refs/remotes/origin/master",
    b"refs/heads/main",
    b"refs/heads/master",
)
"""What is a clone's default branch, first match; without any, what is checked out."""


def _list_reflogs(view: RepositoryView) -> list[ObjectId]:
    """What HEAD and the branches of a clone pointed to before, as far as it is remembered."""
    try:
        out = view.plumbing.run("reflog", "show", "--all", "--format=%H")
    except PlumbingFailed:  # an entry leads to what was pruned
        return []
    return [ObjectId(line) for line in dict.fromkeys(out.decode("ascii", "replace").split())]
