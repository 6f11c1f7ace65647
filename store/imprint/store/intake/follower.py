"""The follower of records: what refs bring of others' provenance is read, kept, and tied to commits.

It runs beside the ledger's follower and before those that match and link: what it keeps is announced by an
event of its own, so that they look again.

Invariants:
    1. Taking the same events in again keeps nothing twice: the archive knows what it has.
    2. The position moves after everything was kept: a crash before repeats the event.
    3. A malformed record stops nothing; it is a problem with its place.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Problem
from imprint.store.events import EventKind
from imprint.store.formats.entire import find_layout
from imprint.store.history.reading import iter_commits, list_commits, walk_commits
from imprint.store.hosting.followers import Stopped, never
from imprint.store.intake.checkpoints import CheckpointReader, Intake
from imprint.store.intake.claims import PARENT, TRACED, Claiming, read_ties
from imprint.store.intake.shelf import Shelf
from imprint.store.intake.state import Step
from imprint.store.intake.traces import keep_traces
from imprint.store.sessions.model import Anchor, AnchorKind
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.events import Event
    from imprint.store.evidence.claims import Claim
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.intake.checkpoints import AbsentFile, Progress
    from imprint.store.intake.listing import Refs
    from imprint.store.intake.state import IntakeState, Tie
    from imprint.store.plumbing import Plumbing
    from imprint.store.sessions.ports import Archive
    from imprint.store.view import RepositoryView

_log = logging.getLogger("imprint.store")

READ_REFS: Final = (b"refs/heads/", b"refs/remotes/", b"refs/entire/")
"""Where provenance lies that is read here. Notes are the ledger's."""
_NOT_CODE: Final = (b"refs/notes/", b"refs/ai/")
_RECORDS_AT_ONCE: Final = 500
_COMMITS_AT_ONCE: Final = 2_000


def take_in(
    plumbing: Plumbing,
    shelf: Shelf,
    old: Refs,
    new: Refs,
    stopping: Callable[[], bool] = never,
    progress: Progress | None = None,
) -> Intake:
    """Read and keep what is new between two states of the refs.

    Raises:
        Stopped: `stopping` said so.
    """
    intake = CheckpointReader(plumbing, shelf, stopping, progress).read(old, new)
    traces = keep_traces(plumbing, shelf, old, new)
    intake.problems += traces.problems
    intake.counts.update(traces.counts)
    return intake


ABSENT: Final = "absent"
"""Among the details of a `RECORDED` event: the contents that a source lacked, as `write_absent` has them."""
_ABSENT_MAX: Final = 5_000


def write_absent(absent: Sequence[AbsentFile]) -> str:
    """Absent contents, as an event's details hold them: JSON, `[checkpoint, path, content]` each."""
    return json.dumps([[each.checkpoint, each.path, each.blob] for each in absent[:_ABSENT_MAX]])


def read_absent(event: Event) -> list[tuple[str, Problem]]:
    """The contents that an import could not take, as problems with the ref that lacks them."""
    listed = json.loads(event.details.get(ABSENT, "[]"))
    source = event.details.get("ref", "")
    return [
        (source, Problem(f"{checkpoint}/{path}", f"absent: its content {blob} is not there"))
        for checkpoint, path, blob in listed
    ]


class RecordsFollower:
    """Keeps records up to date with the events of hosted repositories."""

    name = "records"

    def __init__(self, state: IntakeState, hosting: Hosting, stopping: Callable[[], bool] = never) -> None:
        self._state = state
        self._hosting = hosting
        self._stopping = stopping
        self.progress: Progress | None = None
        """Told how many parts of sessions are read; set by whoever shows it."""

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in."""
        return self._state.position(repository_id)

    def follow(self, repository: Repository, events: Sequence[Event]) -> None:
        """Take in the events, one after the other.

        Raises:
            Stopped: `stopping` said so; the event at hand is taken in anew at the next start.
        """
        repository_id = repository.record.id
        kept = 0
        for event in events:
            if self._stopping():
                raise Stopped
            if event.sequence > self._state.position(repository_id):
                kept += self._take_in(repository.view, event)
        if kept:
            details = {"follower": self.name, "kept": str(kept)}
            self._hosting.announce(repository_id, EventKind.RECORDED, None, details)

    def forget(self, repository_id: str) -> None:
        """Drop everything derived about a repository."""
        self._state.forget(repository_id)

    def _take_in(self, view: RepositoryView, event: Event) -> int:
        """Read what one event brought; how much of it is new."""
        old = self._state.refs(view.id)
        changes = {change.name: change.new for change in event.changes if change.name.startswith(READ_REFS)}
        new = {**old, **{name: value for name, value in changes.items() if value is not None}}
        intake = Intake()
        hosting = self._hosting
        if changes:
            keeper = hosting.keeper
            shelf = Shelf(keeper.archive, keeper, view.id, event.actor, event.at_ms, hosting.ids)
            intake = take_in(view.plumbing, shelf, old, new, self._stopping, self.progress)
        tips = [change.new for change in event.changes if change.new and is_code(change.name)]
        olds = [change.old for change in event.changes if change.old]
        tying = Tying(view, self._state, hosting.archive, self._stopping)
        tying.update(tips, olds)
        problems = [*intake.problems, *read_absent(event)]
        self._state.finish(view.id, Step(event.sequence, changes, problems, intake.counts))
        if intake.counts:
            _log.info("records: %s event %d: %s", view.id, event.sequence, dict(intake.counts))
        return intake.counts["new records"] + intake.counts["kept"]


def is_code(ref: RefName) -> bool:
    """Whether a ref may lead to commits of code, not of provenance alone."""
    return find_layout(ref) is None and not ref.startswith(_NOT_CODE)


class Tying:
    """Ties records and commits of one repository, whichever came first, and claims what follows."""

    def __init__(
        self, view: RepositoryView, state: IntakeState, archive: Archive, stopping: Callable[[], bool] = never
    ) -> None:
        self._view = view
        self._state = state
        self._archive = archive
        self._stopping = stopping

    def update(self, tips: Iterable[ObjectId], stops: Iterable[ObjectId] = ()) -> int:
        """Look at commits that `tips` brought and records that came; how many commits were claimed anew.

        Raises:
            Stopped: `stopping` said so.
        """
        new = self._find_new(list(tips), list(stops))
        affected = dict.fromkeys(self._tie_commits(new))
        affected.update(dict.fromkeys(self._find_named(new)))
        serial = self._state.serial(self._view.id)
        while True:
            records = self._archive.list_records(self._view.id, after_serial=serial, limit=_RECORDS_AT_ONCE)
            if not records:
                break
            serial = records[-1].serial
            traced = set()
            named: set[tuple[str, str]] = set()
            for record in records:
                for anchor in record.anchors:
                    if anchor.kind is AnchorKind.CHECKPOINT:
                        named.add((anchor.kind.value, anchor.value))
                    elif anchor.kind is AnchorKind.COMMIT and _is_id(anchor.value):
                        affected[ObjectId(anchor.value)] = None
                    elif anchor.kind is AnchorKind.BASE and record.lines and _is_id(anchor.value):
                        traced.add(ObjectId(anchor.value))
            affected.update(self._state.find_tied(self._view.id, sorted(named)))
            affected.update(dict.fromkeys(self._tie_children(traced)))
        return self._claim(list(affected), serial)

    def _claim(self, affected: Sequence[ObjectId], serial: int) -> int:
        if not affected and serial == self._state.serial(self._view.id):
            return 0
        claiming = Claiming(self._view, self._state, self._archive)
        claims: dict[ObjectId, list[Claim]] = {}
        for start in range(0, len(affected), _COMMITS_AT_ONCE):
            if self._stopping():
                raise Stopped
            claims |= claiming.claim(affected[start : start + _COMMITS_AT_ONCE])
        self._state.replace_claims(self._view.id, claims, serial)
        return len(claims)

    def _find_new(self, tips: Sequence[ObjectId], stops: Sequence[ObjectId]) -> Sequence[ObjectId]:
        """Commits that are reachable from the tips and were never looked at."""
        present = [tip for tip in tips if self._view.objects.find_kind(tip)]

        def find_known(commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
            if self._stopping():
                raise Stopped
            return self._state.find_known(self._view.id, commits)

        walked = walk_commits(self._view, present, find_known)
        if walked is not None:
            return walked
        found = list_commits(self._view, present, stops)
        known = find_known(found)
        return [commit for commit in found if commit not in known]

    def _tie_commits(self, new: Sequence[ObjectId]) -> list[ObjectId]:
        """Note new commits; those that name a record, or that an Agent Trace record may mean."""
        if not new:
            return []
        ties: list[Tie] = []
        parents: dict[ObjectId, list[ObjectId]] = {}
        for commit in iter_commits(self._view, new):
            ties += read_ties(commit)
            for parent in commit.parents:
                parents.setdefault(parent, []).append(commit.id)
        traced = self._find_traced(parents)
        ties += [(child, PARENT, parent) for parent in traced for child in parents[parent]]
        self._state.add_commits(self._view.id, new, ties)
        anchored = self._state.ties_of(self._view.id, new)
        return [commit for commit in new if commit in anchored] + traced

    def _find_named(self, new: Sequence[ObjectId]) -> list[ObjectId]:
        """New commits that records named before they came."""
        if not self._archive.last_serial(self._view.id):
            return []
        known = set(new)
        named: list[ObjectId] = []
        for start in range(0, len(new), _COMMITS_AT_ONCE):
            anchors = [Anchor(AnchorKind.COMMIT, each) for each in new[start : start + _COMMITS_AT_ONCE]]
            found = self._archive.find_records(self._view.id, anchors)
            named += [
                ObjectId(anchor.value)
                for record in found
                for anchor in record.anchors
                if anchor.value in known
            ]
        return named

    def _find_traced(self, commits: Iterable[ObjectId]) -> list[ObjectId]:
        tied = self._state.ties_of(self._view.id, commits)
        return [commit for commit, named in tied.items() if any(kind == TRACED for kind, _ in named)]

    def _tie_children(self, traced: set[ObjectId]) -> list[ObjectId]:
        """Note commits that Agent Trace records name; they, and the commits made on them."""
        if not traced:
            return []
        ties: list[Tie] = [(commit, TRACED, "") for commit in sorted(traced)]
        tips = {value.peeled or value.id for value in self._view.refs.snapshot().refs.values()}
        given = "".join(f"{tip}\n" for tip in sorted(tips)).encode()
        out = self._view.plumbing.run("rev-list", "--ignore-missing", "--parents", "--stdin", stdin=given)
        children = []
        for line in out.decode("ascii").splitlines():
            commit, *parents = line.split()
            for parent in traced.intersection(ObjectId(each) for each in parents):
                ties.append((ObjectId(commit), PARENT, parent))
                children.append(ObjectId(commit))
        self._state.add_commits(self._view.id, (), ties)
        return [*traced, *children]


def _is_id(text: str) -> bool:
    return len(text) in {40, 64} and all(digit in "0123456789abcdef" for digit in text)
