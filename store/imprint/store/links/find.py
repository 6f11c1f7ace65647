"""Finding links: candidates by what changes have in common, then a judgement by their content alone.

A change's profile weighs each removed and added line by how much it tells: its length, how rare it is in the
repository, whether its file looks generated; removed lines count half. Of a later commit N and an earlier
change O,

    explained   is the share of N's profile that O has too,
    arrived     the share of O's profile that N has too.

Invariants:
    1. A link leads from a later change to an earlier one (`Change.age`): there is no circle of links.
    2. No link leads to an ancestor, except where that was taken back in between, or is taken back by it.
    3. A commit's links explain different lines of it: an older version that adds nothing is reached through
       the newer one.
    4. What was found depends on the changes that are kept, not on the order of asking.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final

from imprint.store.links.anchors import as_removed, line_weight
from imprint.store.links.model import Change, ChangeKind, Link, Method

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imprint.store.links.graph import Graph
    from imprint.store.links.store import LinkStore
    from imprint.store.types import ObjectId

POSTINGS_MAX: Final = 192
"""Lines by which one change can be found."""
_LOOKED_UP_MAX: Final = 400
COMMON_MIN: Final = 96
"""A line of so many changes finds none of them."""
_RARE_MAX: Final = 8
"""Up to so many changes, versions of the same work included, a line is as telling as can be."""
_COUNTED_MAX: Final = 4_000
"""Lines of a change whose rarity is looked up; longer changes are judged by length of lines alone."""
_CANDIDATES_MAX: Final = 12
_TELLING_WEIGHT: Final = 0.25
_REMOVED_WEIGHT: Final = 0.5

_EXACT_WEIGHT_MIN: Final = 0.6
_BOTH_MIN: Final = 0.5
_BOTH_WEIGHT_MIN: Final = 1.2
_ONE_MIN: Final = 0.75
_ONE_WEIGHT_MIN: Final = 1.8
_NAMED_MIN: Final = 0.25
"""The shares and weights from which on a link is believed: both shares, one of them, and either share where
author's stamp or message already name the other commit."""
_GAIN_MIN: Final = 0.08
"""Share of a commit's profile that every further link must explain anew."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A change's lines by signed number: how often, what one weighs, and the weight of all."""

    counts: Mapping[int, int]
    weights: Mapping[int, float]
    total: float

    def share(self, common: Mapping[int, int]) -> float:
        """The part of the whole weight that some of its lines have."""
        return sum(self.weights[line] * count for line, count in common.items()) / (self.total or 1.0)


def signed_lines(change: Change) -> Iterable[tuple[int, float]]:
    """Every added line and, under its other number, every removed one, with the factor of its file."""
    for file in change.files:
        factor = file.factor
        for line in file.added:
            yield line, factor
        for line in file.removed:
            yield as_removed(line), factor * _REMOVED_WEIGHT


def pick_postings(change: Change) -> list[int]:
    """The lines by which a change can be found: the same ones for all changes that have them."""
    telling = {line for line, _ in signed_lines(change) if line_weight(line) >= _TELLING_WEIGHT}
    return nsmallest(POSTINGS_MAX, telling)


class Finder:
    """Finds the links of one repository's changes.

    Args:
        store: where the changes are.
        repository: the repository's number there.
        graph: its commits.
    """

    def __init__(self, store: LinkStore, repository: int, graph: Graph) -> None:
        self._store = store
        self._repository = repository
        self._graph = graph
        self._loaded: OrderedDict[int, Change] = OrderedDict()
        self._profiles: OrderedDict[int, Profile] = OrderedDict()

    def find(self, change: Change, at_ms: int) -> tuple[list[Link], list[int]]:
        """A change's links to earlier ones, and the numbers of later commits that may link to it.

        A range gets no links of its own.
        """
        candidates = self._load(self._find_candidates(change))
        earlier = [other for other in candidates if other.age < change.age]
        later = [
            other.number for other in candidates if other.age > change.age and other.kind is ChangeKind.COMMIT
        ]
        if change.kind is not ChangeKind.COMMIT:
            return [], later
        reverts = [link for other in earlier if (link := self._judge_revert(change, other, at_ms))]
        return [*reverts, *self._cover(change, earlier, reverts, at_ms)], later

    # -- candidates -----------------------------------------------------------------------------------

    def _find_candidates(self, change: Change) -> list[int]:
        found = set(self._store.find_alike(self._repository, change))
        found.update(
            other.number
            for mention in change.mentions
            for other in self._store.load_commits_like(self._repository, mention)
        )
        lines = {line: line_weight(line) for line, _ in signed_lines(change)}
        telling = nsmallest(
            _LOOKED_UP_MAX, (line for line, weight in lines.items() if weight >= _TELLING_WEIGHT)
        )
        counts = self._store.count_lines(self._repository, telling)
        rare = [line for line in telling if counts.get(line, 0) < COMMON_MIN]
        tally: Counter[int] = Counter()
        for line, number in self._store.find_postings(self._repository, rare):
            tally[number] += lines[line] / max(1, counts.get(line, 1))  # type: ignore[assignment]
        tally.pop(change.number, None)
        best = sorted(tally, key=lambda number: (-tally[number], number))[:_CANDIDATES_MAX]
        return [*found, *(number for number in best if number not in found)]

    def _load(self, numbers: Iterable[int]) -> list[Change]:
        wanted = list(numbers)
        missing = [number for number in wanted if number not in self._loaded]
        for change in self._store.load(missing):
            self._loaded[change.number] = change
        found = []
        for number in wanted:
            if number in self._loaded:
                self._loaded.move_to_end(number)
                found.append(self._loaded[number])
        _trim(self._loaded)
        return found

    # -- judging --------------------------------------------------------------------------------------

    def _cover(self, change: Change, earlier: list[Change], reverts: list[Link], at_ms: int) -> list[Link]:
        """The links that together explain most of a commit, surest first."""
        own = self._profile(change)
        reverted = {link.origin for link in reverts}
        judged = []
        for other in earlier:
            if not self._may_be_version(change, other, reverted):
                continue
            common = _intersect(own.counts, self._profile(other).counts)
            explained, arrived = own.share(common), self._profile(other).share(common)
            if method := self._judge(change, other, explained, arrived):
                is_same = method in {Method.TREE, Method.PATCH}
                order = (not is_same, -round(explained + arrived, 3), -other.age[0], -other.number)
                judged.append((order, other, method, common, explained, arrived))
        judged.sort(key=lambda one: one[0])
        links: list[Link] = []
        open_lines = dict(own.counts)
        for _, other, method, common, explained, arrived in judged:
            gained = _intersect(open_lines, common)
            if links and own.share(gained) < _GAIN_MIN:
                continue
            for line, count in gained.items():
                open_lines[line] -= count
            is_range = other.kind is ChangeKind.RANGE
            links.append(
                Link(
                    change.commit,
                    other.commit,
                    Method.SQUASH if is_range else method,
                    round(1.0 if method in {Method.TREE, Method.PATCH} else max(explained, arrived), 4),
                    round(explained, 4),
                    round(arrived, 4),
                    at_ms,
                    other.members if is_range else (),
                )
            )
        return _merge_by_origin(links)

    def _judge(self, change: Change, other: Change, explained: float, arrived: float) -> Method | None:
        """By what, if at all, the commit is a version of the other change."""
        own = self._profile(change).total
        weight = explained * own
        is_named = (change.stamp != 0 and change.stamp == other.stamp) or _mentions(change, other)
        if change.patch and change.patch == other.patch:
            if own < _EXACT_WEIGHT_MIN and not is_named and not _is_at_same_place(change, other):
                return None
            return Method.TREE if change.trees == other.trees else Method.PATCH
        if is_named and max(explained, arrived) >= _NAMED_MIN:
            return Method.CONTENT
        is_both = min(explained, arrived) >= _BOTH_MIN and weight >= _BOTH_WEIGHT_MIN
        is_one = max(explained, arrived) >= _ONE_MIN and weight >= _ONE_WEIGHT_MIN
        return Method.CONTENT if is_both or is_one else None

    def _may_be_version(self, change: Change, other: Change, reverted: set[ObjectId]) -> bool:
        """Whether the commits' places allow it: what a commit builds on is no version of it.

        Unless it was taken away in between: then the same patch can be applied again.
        """
        if other.commit in reverted or change.commit in other.members:
            return False
        if self._graph.is_ancestor(change.commit, other.commit):
            return False
        if not self._graph.is_ancestor(other.commit, change.commit):
            return True
        return other.kind is ChangeKind.COMMIT and change.patch != 0 and change.patch == other.patch

    def _judge_revert(self, change: Change, other: Change, at_ms: int) -> Link | None:
        """The link of a commit that takes an earlier one back."""
        is_exact = change.patch != 0 and change.patch == other.reverse
        if other.kind is not ChangeKind.COMMIT or not (is_exact or _mentions(change, other)):
            return None
        if not self._graph.is_ancestor(other.commit, change.commit):
            return None
        own, of_other = self._profile(change), self._profile(other)
        undone = {as_removed(line): count for line, count in of_other.counts.items()}
        common = _intersect(own.counts, undone)
        explained = own.share(common)
        arrived = of_other.share({as_removed(line): count for line, count in common.items()})
        if not is_exact and max(explained, arrived) < _BOTH_MIN:
            return None
        score = 1.0 if is_exact else round(max(explained, arrived), 4)
        return Link(
            change.commit, other.commit, Method.REVERT, score, round(explained, 4), round(arrived, 4), at_ms
        )

    def _profile(self, change: Change) -> Profile:
        known = self._profiles.get(change.number)
        if known is not None:
            self._profiles.move_to_end(change.number)
            return known
        counts: dict[int, int] = {}
        weights: dict[int, float] = {}
        for line, factor in signed_lines(change):
            counts[line] = counts.get(line, 0) + 1
            weights[line] = max(weights.get(line, 0.0), factor * line_weight(line))
        if len(counts) <= _COUNTED_MAX:
            for line, count in self._store.count_lines(self._repository, counts).items():
                if count > _RARE_MAX:
                    weights[line] *= _RARE_MAX / count
        total = sum(weights[line] * count for line, count in counts.items())
        profile = self._profiles[change.number] = Profile(counts, weights, total)
        _trim(self._profiles)
        return profile


_KEPT_MAX: Final = 400
"""Changes and profiles kept in memory."""


def _trim(kept: OrderedDict[int, Any]) -> None:
    while len(kept) > _KEPT_MAX:
        kept.popitem(last=False)


def _intersect(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    fewer, more = (one, other) if len(one) <= len(other) else (other, one)
    return {line: both for line, count in fewer.items() if (both := min(count, more.get(line, 0))) > 0}


def _is_at_same_place(one: Change, other: Change) -> bool:
    """Whether equal patches touch the same lines, or the same binary files: then even a small one tells."""
    return [file.hunks for file in one.files] == [file.hunks for file in other.files]


def _mentions(change: Change, other: Change) -> bool:
    return other.kind is ChangeKind.COMMIT and any(
        other.commit.startswith(mention.lower()) for mention in change.mentions
    )


def _merge_by_origin(links: list[Link]) -> list[Link]:
    """One link to each origin: a head may be found as a commit and as the end of its range."""
    merged: dict[ObjectId, Link] = {}
    for link in links:
        known = merged.get(link.origin)
        if known is None or (not known.members and link.members):
            merged[link.origin] = link
    return list(merged.values())
