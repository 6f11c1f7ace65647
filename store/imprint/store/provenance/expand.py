"""From events and commits to claims: who is bound to what, what commits declare, what notes add.

`bound` is a commit made through the commit API, or a commit pushed with a session token that is new to the
repository, whose committer is the token's actor, and that descends from the commit at which the session
opened. Every other new commit of a push is delivered by the actor and nothing more: whoever pushes a merge
did not write what it merged.

Invariants:
    1. Expanding the same events again gives the same ledger; only the actors' addresses known at the time of
       reading have a say as well.
    2. A commit is new once: to the first event from whose tips it is reachable.
    3. A session whose base is not in the repository binds nothing: nothing can be shown to descend from it.
    4. Notes are those of the refs as events set them; a note whose commit comes later waits for it.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.store.actors import ActorKind
from imprint.store.events import MERGED_BY_US, EventKind
from imprint.store.evidence.claims import Claim, Evidence, merge_claims
from imprint.store.formats.identities import identity_claims
from imprint.store.formats.trailers import message_claims
from imprint.store.history.reading import (
    iter_commits,
    list_commits,
    list_descendants,
    walk_commits,
)
from imprint.store.hosting.followers import Stopped, never
from imprint.store.objects.ports import ObjectKind
from imprint.store.provenance.notes import is_notes_ref, read_notes_change
from imprint.store.provenance.rows import Expansion
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.store.actors import Actor
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.objects.ports import Commit
    from imprint.store.provenance.ledger import Ledger
    from imprint.store.view import RepositoryView

    Progress = Callable[[int, int], None]
    """Told how many units are done, and how many there are."""

_log = logging.getLogger("imprint.store")

_METHODS: Final = {EventKind.COMMIT: "commit api", EventKind.MERGE: "merge api"}
"""How the store itself made commits for an actor."""
_EXCLUDED_HEADS_MAX: Final = 500
"""Tips that git is told to stop at. More would cost time; fewer only make it read commits twice."""
_NOTES_AT_ONCE: Final = 500
"""Notes held in memory together: old ones have megabytes."""
_PROGRESS_EVERY: Final = 500


def declared_claims(commit: Commit) -> list[Claim]:
    """What a commit says of its own origin, in its message and its identities."""
    return merge_claims((*message_claims(commit), *identity_claims(commit)))


class ProvenanceFollower:
    """Keeps a ledger up to date with the events of hosted repositories."""

    name = "provenance"

    def __init__(self, ledger: Ledger, hosting: Hosting, stopping: Callable[[], bool] = never) -> None:
        self._ledger = ledger
        self._catalogue = hosting.catalogue
        self._stopping = stopping

    def position(self, repository_id: str) -> int:
        """Sequence of the last event expanded."""
        return self._ledger.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Expand the events, each in a transaction of its own.

        Raises:
            Stopped: `stopping` said so; the event at hand is expanded anew at the next start.
        """
        repository_id = repository.record.id
        for event in events:
            self._stop_if_asked()
            if event.sequence > self._ledger.position(repository_id):
                expansion = self._expand(repository.view, repository_id, event)
                self._ledger.record(repository_id, expansion)

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        self._ledger.forget(repository_id)

    def _expand(self, view: RepositoryView, repository_id: str, event: Event) -> Expansion:
        tips = [change.new for change in event.changes if change.new and view.objects.find_kind(change.new)]
        new = self._find_new(view, repository_id, event, tips)
        actor = self._catalogue.find_actor(event.actor)
        claims = []
        for claim in _iter_event_claims(view, event, actor, new, tips):
            self._stop_if_asked()
            claims.append(claim)
        notes = None
        set_notes = {change.name: change.new for change in event.changes if is_notes_ref(change.name)}
        if set_notes or (new and self._ledger.pending_notes(repository_id).keys() & set(new)):
            sources = {**self._ledger.note_sources(repository_id), **set_notes}
            present = {name: value for name, value in sources.items() if value is not None}
            notes = read_notes_change(view, self._ledger, repository_id, present, new)
        _log.info("provenance: %s event %d: %d new commits", repository_id, event.sequence, len(new))
        return Expansion(event, new, tips, claims, notes)

    def _stop_if_asked(self) -> None:
        if self._stopping():
            raise Stopped

    def _find_new(
        self, view: RepositoryView, repository_id: str, event: Event, tips: Sequence[ObjectId]
    ) -> Sequence[ObjectId]:
        """Commits that are reachable from the tips and that the ledger does not know."""

        def find_known(commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
            self._stop_if_asked()
            return self._ledger.find_known(repository_id, commits)

        walked = walk_commits(view, tips, find_known)
        if walked is not None:
            return walked
        olds = [change.old for change in event.changes if change.old]
        stops = [*olds, *self._ledger.recent_heads(repository_id, _EXCLUDED_HEADS_MAX)]
        found = list_commits(view, tips, stops)
        known = find_known(found)
        return [commit for commit in found if commit not in known]


def _iter_event_claims(
    view: RepositoryView, event: Event, actor: Actor | None, new: Sequence[ObjectId], tips: Sequence[ObjectId]
) -> Iterator[Claim]:
    may_bind = _find_bindable(view, event, new, tips)
    for commit in iter_commits(view, new):
        if commit.id in may_bind and _is_own(event, actor, commit):
            yield _bound_claim(event, actor, commit.id)
        yield from declared_claims(commit)


def _find_bindable(
    view: RepositoryView, event: Event, new: Sequence[ObjectId], tips: Sequence[ObjectId]
) -> Collection[ObjectId]:
    """The new commits that the event can bind, before asking who committed them."""
    if event.kind is EventKind.COMMIT:
        return frozenset(new)
    if event.kind is EventKind.MERGE:
        return frozenset(new) & {event.details.get(MERGED_BY_US)}
    if event.kind is not EventKind.PUSH or event.claim is None or not new:
        return frozenset()
    if event.claim.base is None:
        return frozenset(new)
    base = ObjectId(event.claim.base)
    if view.objects.find_kind(base) is not ObjectKind.COMMIT:
        return frozenset()
    return list_descendants(view, base, tips)


def _is_own(event: Event, actor: Actor | None, commit: Commit) -> bool:
    """Whether the actor made the commit: the store itself made it for them, or they are its committer."""
    if event.kind in _METHODS:
        return True
    return actor is not None and actor.is_identity(commit.committer.name, commit.committer.email)


def _bound_claim(event: Event, actor: Actor | None, commit: ObjectId) -> Claim:
    said = event.claim
    own_name = actor.name if actor and actor.kind is ActorKind.AGENT else None
    return Claim(
        commit,
        Evidence.BOUND,
        actor=event.actor,
        agent=(said.agent if said else None) or own_name,
        model=said.model if said else None,
        session=said.session if said else None,
        prompt=said.prompt if said else None,
        method=_METHODS.get(event.kind, "session push"),
    )


# -- clones ----------------------------------------------------------------------------------------------


def expand_clone(
    view: RepositoryView, ledger: Ledger, progress: Progress | None = None, *, tips: Iterable[ObjectId] = ()
) -> int:
    """Bring the ledger up to date with a clone's refs and notes, and `tips`; how many commits were new.

    Args:
        view: the clone.
        ledger: where to write.
        progress: told of commits read.
        tips: commits to take in beside those of the refs.
    """
    boundary = _read_boundary(view)
    if ledger.boundary(view.id) != boundary:
        ledger.forget(view.id)  # a clone was deepened: commits behind known ones have appeared
        ledger.set_boundary(view.id, boundary)
    snapshot = view.refs.snapshot()
    wanted = {value.peeled or value.id for value in snapshot.refs.values()} | set(tips)
    if snapshot.head_id:
        wanted.add(snapshot.head_id)
    known_tips = ledger.find_known(view.id, wanted)
    found = list_commits(view, wanted - known_tips, known_tips)
    known = ledger.find_known(view.id, found)
    new = [commit for commit in found if commit not in known]
    claims = list(_iter_declared(view, new, progress))
    sources = {name: value.id for name, value in snapshot.refs.items() if is_notes_ref(name)}
    notes = read_notes_change(view, ledger, view.id, sources, new)
    if new or notes:
        ledger.record(view.id, Expansion(commits=new, claims=claims, notes=notes))
    return len(new)


def _read_boundary(view: RepositoryView) -> str:
    """What tells one shallow boundary from another; empty for a complete clone."""
    path = view.plumbing.run("rev-parse", "--git-path", "shallow").removesuffix(b"\n")
    try:
        return hashlib.sha256(Path(path.decode("utf-8", "surrogateescape")).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _iter_declared(
    view: RepositoryView, commits: Sequence[ObjectId], progress: Progress | None
) -> Iterator[Claim]:
    for done, commit in enumerate(iter_commits(view, commits), 1):
        yield from declared_claims(commit)
        if progress and (done % _PROGRESS_EVERY == 0 or done == len(commits)):
            progress(done, len(commits))
