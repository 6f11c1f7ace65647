"""Taking new commits and heads of a repository into the store of links, and linking them.

Invariants:
    1. Commits go in parents first, some hundreds in one transaction: after a crash the rest follows.
    2. Every head that was pushed is remembered, and its range over several commits is a change of its own:
       found when the head arrives, and again when the default branch has moved into it.
    3. Links of a change are looked for when every change that came with it is kept.
    4. For one new commit there are two git processes at most.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ObjectDamaged, ObjectMissing, PlumbingFailed
from imprint.store.history.absent import iter_present
from imprint.store.history.patches import iter_patches
from imprint.store.history.reading import EMPTY_TREES, WALKED_COMMITS_MAX, isolated, iter_commits
from imprint.store.links.anchors import (
    LINES_MAX,
    author_stamp,
    mentioned_commits,
    patch_numbers,
    read_files,
)
from imprint.store.links.find import COMMON_MIN, Finder, pick_postings, signed_lines
from imprint.store.links.graph import Graph
from imprint.store.links.model import Change, ChangeKind
from imprint.store.links.rows import mark_linked, write_change, write_counts, write_links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imprint.store.history.patches import FilePatch
    from imprint.store.links.model import Link
    from imprint.store.links.store import LinkStore
    from imprint.store.objects.ports import Commit
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_AT_ONCE: Final = 400
"""Changes in one transaction."""
_COUNTED_LINES_MAX: Final = 2_000
"""Lines of one change that are counted for rarity."""
_HEADS_LOOKED_AT_MAX: Final = 1_000
"""The newest heads whose ranges are computed again when the default branch has moved."""
_RELINKED_MAX: Final = 8
"""Later commits per change that are linked anew when it arrives after them."""
_PRIVATE_RANGE_MIN: Final = 2
_PROGRESS_EVERY: Final = 2_000

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came with one event.

    Attributes:
        commits: those not taken in before, parents first.
        heads: tips that refs were set to.
        target: where the default branch is now; None while it is unborn.
        sequence: of the event; 0 in a clone.
        at_ms: when.
    """

    commits: Sequence[ObjectId]
    heads: Sequence[ObjectId]
    target: ObjectId | None
    sequence: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Planned:
    """A change whose lines have not been read yet."""

    commit: Commit
    kind: ChangeKind
    base: ObjectId | None
    trees: tuple[ObjectId, ObjectId]
    members: tuple[ObjectId, ...] = ()


class Intake:
    """Takes arrivals of one repository in.

    Args:
        view: the repository.
        store: where to.
        stop_if_asked: called between pieces of work; may raise.
        progress: told of commits read and then linked, of twice as many.
    """

    def __init__(
        self,
        view: RepositoryView,
        store: LinkStore,
        stop_if_asked: Callable[[], None],
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._view = view
        self._store = store
        self._repository = store.number(view.id)
        self._stop_if_asked = stop_if_asked
        self._progress = progress
        self._graph = Graph()
        self._last = 0

    def refresh(self, target: ObjectId | None) -> None:
        """Learn of what was taken in meanwhile, and where the default branch was."""
        self._learn()
        if target is not None:
            self._graph.move_target(target)

    def _learn(self) -> None:
        for number, commit, parents in self._store.iter_parents(self._repository, self._last):
            self._graph.add(commit, parents)
            self._last = number

    def take_in(self, arrival: Arrival) -> int:
        """Keep the changes, then look for links; how many were found."""
        if len(arrival.commits) > WALKED_COMMITS_MAX:
            self._take_commits(arrival)
            few = []
        else:
            few = list(iter_commits(self._view, arrival.commits))
            for commit in few:
                self._graph.add(commit.id, commit.parents)
        gained = set(self._graph.move_target(arrival.target))
        heads = [head for head in arrival.heads if head in self._graph]
        self._store.add_heads(self._repository, heads, arrival.sequence)
        if gained.difference(arrival.commits):  # the default branch has reached what heads had for themselves
            heads += self._store.heads(self._repository, _HEADS_LOOKED_AT_MAX)
        self._take_rest(few, dict.fromkeys(heads), arrival)
        return self._link(arrival)

    # -- changes --------------------------------------------------------------------------------------

    def _take_commits(self, arrival: Arrival) -> None:
        remaining = iter_commits(self._view, arrival.commits)
        done = 0
        while part := list(islice(remaining, _AT_ONCE)):
            self._stop_if_asked()
            self._keep([self._plan_commit(commit) for commit in part], arrival)
            self._learn()
            done += len(part)
            self._progress(done, 2 * len(arrival.commits))
            if done % _PROGRESS_EVERY < _AT_ONCE and len(arrival.commits) > _AT_ONCE:
                _log.info("links: %s: %d of %d commits read", self._view.id, done, len(arrival.commits))

    def _plan_commit(self, commit: Commit) -> _Planned:
        empty = EMPTY_TREES[commit.id.algorithm]
        if len(commit.parents) > 1:
            return _Planned(commit, ChangeKind.SILENT, None, (commit.tree, commit.tree))
        before = self._find_tree(commit.parents[0]) if commit.parents else empty
        kind = ChangeKind.SILENT if before in {None, commit.tree} else ChangeKind.COMMIT
        return _Planned(commit, kind, None, (before or commit.tree, commit.tree))

    def _find_tree(self, commit: ObjectId) -> ObjectId | None:
        try:
            return self._view.objects.read_commit(commit).tree
        except (ObjectMissing, ObjectDamaged):  # beyond a shallow boundary
            return None

    def _take_rest(self, commits: Sequence[Commit], heads: Iterable[ObjectId], arrival: Arrival) -> None:
        """Few commits, and the ranges of heads: together, so that an everyday push starts git once."""
        remaining = chain(map(self._plan_commit, commits), self._iter_ranges(heads))
        while part := list(islice(remaining, _AT_ONCE)):
            self._stop_if_asked()
            self._keep(part, arrival)
        self._learn()

    def _iter_ranges(self, heads: Iterable[ObjectId]) -> Iterator[_Planned]:
        for head in heads:
            base, members = self._graph.find_private(head)
            if len(members) < _PRIVATE_RANGE_MIN:
                continue
            known = self._store.find_range(self._repository, head)
            if known is not None and known[1] == base:
                continue
            commit = next(iter_commits(self._view, [head]), None)
            before = self._find_tree(base) if base else None
            if commit is not None and before not in {None, commit.tree}:
                assert before is not None  # noqa: S101 - the line above; mypy does not see it
                yield _Planned(commit, ChangeKind.RANGE, base, (before, commit.tree), tuple(members))

    def _keep(self, planned: Sequence[_Planned], arrival: Arrival) -> None:
        """Read what the changes did and keep them, in one transaction."""
        told = [one for one in planned if one.kind is not ChangeKind.SILENT]
        patches = self._iter_patches(told)
        changes = [
            _make_change(one, next(patches) if one.kind is not ChangeKind.SILENT else [], arrival.sequence)
            for one in planned
        ]
        with self._store.writing() as cursor:
            for change in changes:
                lines = dict.fromkeys(islice((line for line, _ in signed_lines(change)), _COUNTED_LINES_MAX))
                picked = pick_postings(change)
                counts = self._store.count_lines(self._repository, picked)
                rare = [line for line in picked if counts.get(line, 0) < COMMON_MIN]
                if write_change(cursor, self._repository, change, rare):
                    write_counts(cursor, self._repository, dict.fromkeys(lines, 1))

    def _iter_patches(self, told: Sequence[_Planned]) -> Iterator[list[FilePatch]]:
        """What each did; nothing where an object is absent or damaged, and the rest goes on."""
        done = 0
        while done < len(told):
            try:
                with isolated(self._view) as plumbing:
                    pairs = [one.trees for one in told[done:]]
                    read = partial(iter_patches, lines_max=LINES_MAX)
                    for patch in iter_present(plumbing, self._view.objects, pairs, read):
                        done += 1
                        yield patch or []
            except PlumbingFailed as failure:
                _log.warning("links: %s: %s: %s", self._view.id, told[done].commit.id, failure)
                done += 1
                yield []

    # -- links ----------------------------------------------------------------------------------------

    def _link(self, arrival: Arrival) -> int:
        finder = Finder(self._store, self._repository, self._graph)
        waiting = self._store.waiting(self._repository)
        is_new = set(waiting)
        found, done = 0, 0
        remaining = iter(waiting)
        while part := list(islice(remaining, _AT_ONCE)):
            self._stop_if_asked()
            begun = len(arrival.commits) + done
            total = len(arrival.commits) + len(waiting)

            def tell(more: int, begun: int = begun, total: int = total) -> None:
                self._progress(begun + more, total)

            links, again = self._find_all(finder, part, arrival.at_ms, tell)
            anew, _ = self._find_all(finder, sorted(again - is_new), arrival.at_ms, lambda _more: None)
            with self._store.writing() as cursor:
                for commit, of_commit in (links | anew).items():
                    write_links(cursor, self._repository, commit, of_commit)
                    found += len(of_commit)
                mark_linked(cursor, part)
            done += len(part)
            if len(waiting) > _AT_ONCE:
                _log.info("links: %s: %d of %d linked, %d links", self._view.id, done, len(waiting), found)
        return found

    def _find_all(
        self, finder: Finder, numbers: Sequence[int], at_ms: int, tell: Callable[[int], None]
    ) -> tuple[dict[ObjectId, list[Link]], set[int]]:
        """The links of some changes, and later commits that must be looked at again because of them."""
        links: dict[ObjectId, list[Link]] = {}
        again: set[int] = set()
        for done, change in enumerate(sorted(self._store.load(numbers), key=lambda change: change.number)):
            tell(done)
            found, later = finder.find(change, at_ms)
            again.update(later[:_RELINKED_MAX])
            if change.kind is ChangeKind.COMMIT:
                links[change.commit] = found
        return links, again


def _make_change(planned: _Planned, patch: list[FilePatch], sequence: int) -> Change:
    commit = planned.commit
    files = read_files(patch)
    forward, reverse = patch_numbers(files)
    is_range = planned.kind is ChangeKind.RANGE
    return Change(
        commit=commit.id,
        kind=planned.kind if forward else ChangeKind.SILENT,
        base=planned.base,
        parents=commit.parents,
        trees=planned.trees,
        patch=forward,
        reverse=0 if is_range else reverse,
        stamp=0 if is_range else author_stamp(commit),
        at_s=commit.committer.at_s,
        sequence=sequence,
        files=files,
        members=planned.members,
        mentions=() if is_range else tuple(mentioned_commits(commit.message)),
    )
