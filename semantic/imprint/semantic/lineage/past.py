"""The commits of one repository by number, with what each touched: questions about the past are asked of it.

Commits are numbered from 0, every parent before its children. A commit keeps its number.

Invariants:
    1. A `Past` never changes: commits that are logged later are in the next one.
    2. A limited one (`limited`) names nothing that the limit leaves out: no commit, message, path or content.
    3. A question costs what its answer costs, not what the history costs; `reachable` alone walks commits.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.semantic.lineage.log.segment import ABSENT, OTHER_PARENT
from imprint.semantic.lineage.model import Touch
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.log.segment import Segment

_MASKS_KEPT: Final = 16
STEPS_MAX: Final = 200
"""Renames of one file that are followed."""


class PathTouch(NamedTuple):
    """One touch with its commit: paths and contents as in `Touch`; `kind` as `log.segment` numbers it."""

    number: int
    path: bytes
    old_path: bytes
    old: ObjectId | None
    new: ObjectId | None
    kind: int


@dataclass(frozen=True, slots=True)
class Name:
    """A path that a file had, and the commit that gave it: the last one to read back from is `since`."""

    path: bytes
    since: int


class _Walks:
    """First parents and further parents of all commits, and what was reached from where, lately."""

    def __init__(self, segments: Sequence[Segment], count: int) -> None:
        self.firsts: list[int] = []
        self.others: dict[int, list[int]] = {}
        self.lock = threading.Lock()
        self.kept: OrderedDict[tuple[int, ...], Array] = OrderedDict()
        for segment in segments:
            self._add(segment)
        if len(self.firsts) != count:
            raise ValueError("segments do not join")

    def _add(self, segment: Segment) -> None:
        starts = segment.arrays["parent_starts"].astype(np.int64)
        parents = segment.arrays["parents"]
        counts = np.diff(starts)
        firsts = np.full(segment.count, ABSENT, np.int32)
        firsts[counts > 0] = parents[starts[:-1][counts > 0]]
        self.firsts.extend(firsts.tolist())
        merges = np.flatnonzero(counts > 1)
        listed = parents.tolist()
        spans = zip(merges.tolist(), starts[merges].tolist(), starts[merges + 1].tolist(), strict=True)
        for number, begin, end in spans:
            self.others[segment.first + number] = [each for each in listed[begin + 1 : end] if each >= 0]

    def reach(self, seeds: tuple[int, ...]) -> Array:
        """Which commits are reached from some."""
        with self.lock:
            if seeds in self.kept:
                self.kept.move_to_end(seeds)
                return self.kept[seeds]
        reached = bytearray(len(self.firsts))
        for seed in seeds:
            reached[seed] = 1
        firsts, others = self.firsts, self.others
        for number in range(max(seeds, default=ABSENT), -1, -1):
            if reached[number]:
                parent = firsts[number]
                if parent >= 0:
                    reached[parent] = 1
                    for each in others.get(number, ()):
                        reached[each] = 1
        mask = np.frombuffer(bytes(reached), np.bool_)
        with self.lock:
            self.kept[seeds] = mask
            while len(self.kept) > _MASKS_KEPT:
                self.kept.popitem(last=False)
        return mask


class Past:
    """The logged commits of a repository. Safe to share between threads.

    Args:
        segments: the log, in order.
        shown: which commits there are for whoever asks; None for all.
        walks: those of another `Past` of the same segments.
    """

    def __init__(
        self, segments: Sequence[Segment], shown: Array | None = None, walks: _Walks | None = None
    ) -> None:
        self._segments = tuple(segments)
        self._firsts = [segment.first for segment in segments]
        self._count = sum(segment.count for segment in segments)
        self._shown = shown
        self._walks = walks
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many commits are logged, with those that are not shown."""
        return self._count

    def limited(self, tips: Iterable[ObjectId]) -> Past:
        """The same, of what some commits reach and no more."""
        return Past(self._segments, self.reachable(tips), self._find_walks())

    def is_shown(self, number: int) -> bool:
        """Whether whoever asks may know of a commit."""
        return self._shown is None or bool(self._shown[number])

    # -- one commit ---------------------------------------------------------------------------------

    def find(self, commit: ObjectId) -> int | None:
        """The number of a commit; None if it is not logged, or not shown."""
        wanted = bytes.fromhex(commit)
        for segment in reversed(self._segments):
            place = segment.find(wanted)
            if place is not None:
                number = segment.first + place
                return number if self.is_shown(number) else None
        return None

    def commit(self, number: int) -> ObjectId:
        """A commit's id."""
        segment, place = self._locate(number)
        return ObjectId(segment.commit(place).hex())

    def time(self, number: int) -> int:
        """When it was committed, in seconds since 1970."""
        segment, place = self._locate(number)
        return int(segment.arrays["times"][place])

    def author(self, number: int) -> str:
        """Its author's name."""
        segment, place = self._locate(number)
        return segment.authors[int(segment.arrays["authors"][place])].decode("utf-8", "replace")

    def message(self, number: int) -> str:
        """Its message."""
        segment, place = self._locate(number)
        return segment.messages[place].decode("utf-8", "replace")

    def subject(self, number: int) -> str:
        """The first line of its message."""
        return self.message(number).split("\n", 1)[0].strip()

    def parents(self, number: int) -> tuple[int, ...]:
        """The numbers of its parents; one that is beyond a shallow boundary is left out."""
        segment, place = self._locate(number)
        return tuple(each for each in segment.parents(place) if each >= 0)

    def is_cut(self, number: int) -> bool:
        """Whether history ends here because the repository is shallow, not because it began here."""
        segment, place = self._locate(number)
        return ABSENT in segment.parents(place)

    def touched(self, number: int) -> tuple[Touch, ...]:
        """What it did to files against its first parent."""
        return tuple(
            Touch(each.path, each.old_path, each.old, each.new)
            for each in self.touches(number)
            if each.kind < OTHER_PARENT
        )

    def touches(self, number: int) -> list[PathTouch]:
        """The same with what a merge did against its other parents."""
        segment, place = self._locate(number)
        starts = segment.arrays["touch_starts"]
        return _touches(segment, np.arange(int(starts[place]), int(starts[place + 1])))

    def touched_paths(self, number: int, most: int) -> tuple[bytes, ...]:
        """The paths of what it did to files against its first parent; none if there are more than so many."""
        segment, place = self._locate(number)
        starts, kinds = segment.arrays["touch_starts"], segment.arrays["touch_kinds"]
        span = slice(int(starts[place]), int(starts[place + 1]))
        own = kinds[span] < OTHER_PARENT
        if np.count_nonzero(own) > most:
            return ()
        return tuple(map(segment.paths.__getitem__, segment.arrays["touch_paths"][span][own].tolist()))

    @property
    def is_shallow(self) -> bool:
        """Whether some commit's parents are not here, so that history may become longer."""
        return any(bool((segment.arrays["parents"] < 0).any()) for segment in self._segments)

    # -- many ---------------------------------------------------------------------------------------

    def times(self) -> Array:
        """When each was committed, by number, in seconds since 1970."""
        return _joined([segment.arrays["times"] for segment in self._segments], np.int64)

    def reachable(self, tips: Iterable[ObjectId]) -> Array:
        """Which commits some reach, by number; ids that are not logged, or not shown, reach none."""
        numbers = {self.find(tip) for tip in tips}
        return self.ancestors(*(number for number in numbers if number is not None))

    def ancestors(self, *numbers: int) -> Array:
        """Which commits those of some numbers reach, themselves included."""
        return self._find_walks().reach(tuple(sorted(set(numbers))))

    def first_parents(self) -> Sequence[int]:
        """The first parent of each commit, by number; `ABSENT` where it has none, or none that is here."""
        return self._find_walks().firsts

    def further_parents(self, number: int) -> Sequence[int]:
        """A merge's other parents, as far as they are here."""
        return self._find_walks().others.get(number, ())

    def heads(self) -> list[int]:
        """The commits that are nobody's parent."""
        is_head = np.ones(self._count, np.bool_)
        for segment in self._segments:
            parents = segment.arrays["parents"]
            is_head[parents[parents >= 0]] = False
        return [int(number) for number in np.flatnonzero(is_head)]

    # -- by path and content ------------------------------------------------------------------------

    def touching(self, path: bytes) -> Array:
        """The commits that changed a file of this path, took it away or moved it, newest first.

        Merges are among them only where they hold what none of their parents has.
        """
        found = [number for number, kind in self._iter_numbers(path) if kind != 1]
        merges = {number for number, kind in self._iter_numbers(path) if kind == OTHER_PARENT}
        return np.array(sorted({*found, *merges}, reverse=True), np.int64)

    def touches_of(self, path: bytes) -> list[PathTouch]:
        """All touches that name a path, new or old, newest first."""
        return [
            touch
            for segment in reversed(self._segments)
            for touch in _touches(segment, segment.touches_of_path(path))
            if self.is_shown(touch.number)
        ]

    def moved_to(self, path: bytes, reached: Array) -> bytes | None:
        """The path that a file of this one got, last, by one of the commits given; None if none moved it."""
        for segment in reversed(self._segments):
            for touch in segment.moves.get(path, ()):
                number = segment.first + int(segment.arrays["touch_commits"][touch])
                if reached[number] and self.is_shown(number):
                    return segment.paths[int(segment.arrays["touch_paths"][touch])]
        return None

    def touches_of_content(self, content: ObjectId, *, taken_away: bool = False) -> list[PathTouch]:
        """The touches that brought a content, or with `taken_away` those that ended it; newest first."""
        wanted = bytes.fromhex(content)
        return [
            touch
            for segment in reversed(self._segments)
            for touch in _touches(segment, segment.touches_of_content(wanted, taken_away=taken_away))
            if self.is_shown(touch.number)
        ]

    def trace(self, path: bytes, number: int) -> list[Name]:
        """The paths that a file had, newest first, from where it is at a commit back to where it began.

        Where a path was taken again after the file before it had gone, both are told: people look for either.
        """
        names: list[Name] = []
        reached = self.ancestors(number)
        while len(names) < STEPS_MAX:
            moved = next(
                (
                    touch
                    for touch in self.touches_of(path)
                    if touch.path == path
                    and touch.number <= number
                    and reached[touch.number]
                    and touch.kind == 0
                    and (touch.old is None or touch.old_path != path)
                ),
                None,
            )
            names.append(Name(path, moved.number if moved else 0))
            if moved is None:
                break
            path, number = moved.old_path, moved.number - 1
            if moved.old is None and not any(
                touch.number <= number and reached[touch.number] for touch in self.touches_of(path)
            ):
                break
        return names

    def following(self, path: bytes, number: int) -> Array:
        """The commits that touched a file up to a commit, through its renames, newest first."""
        found: set[int] = set()
        reached = self.ancestors(number)
        for name in self.trace(path, number):
            touching = self.touching(name.path)
            inside = touching[(touching <= number) & (touching >= name.since)]
            found.update(inside[reached[inside]].tolist())
            number = name.since
        return np.array(sorted(found, reverse=True), np.int64)

    def paths(self) -> list[bytes]:
        """Every path that ever was, in order. Not for a limited view: it tells of hidden commits' paths."""
        return sorted({path for segment in self._segments for path in segment.paths.decode()})

    # -- by words -----------------------------------------------------------------------------------

    def find_word(self, word: str) -> tuple[Array, Array]:
        """The commits whose message has a term of `imprint.semantic.parse.terms`, oldest first; how often."""
        items, counts = [], []
        for segment in self._segments:
            found, times = segment.words.find(word)
            items.append(found.astype(np.int64) + segment.first)
            counts.append(times)
        numbers, many = _joined(items, np.int64), _joined(counts, np.int64)
        if self._shown is None:
            return numbers, many
        kept = self._shown[numbers]
        return numbers[kept], many[kept]

    def message_lengths(self) -> Array:
        """How many terms each commit's message has, by number."""
        return _joined([segment.arrays["lengths"] for segment in self._segments], np.int64)

    # -- inside -------------------------------------------------------------------------------------

    def _iter_numbers(self, path: bytes) -> Iterator[tuple[int, int]]:
        for segment in reversed(self._segments):
            touches = segment.touches_of_path(path)
            commits = segment.arrays["touch_commits"][touches].tolist()
            for place, kind in zip(commits, segment.arrays["touch_kinds"][touches].tolist(), strict=True):
                if self.is_shown(segment.first + place):
                    yield segment.first + place, kind

    def _locate(self, number: int) -> tuple[Segment, int]:
        if not 0 <= number < self._count:
            raise IndexError(number)
        segment = self._segments[bisect_right(self._firsts, number) - 1]
        return segment, number - segment.first

    def _find_walks(self) -> _Walks:
        with self._lock:
            if self._walks is None:
                self._walks = _Walks(self._segments, self._count)
            return self._walks


def _touches(segment: Segment, touches: Array) -> list[PathTouch]:
    """Touches by number: each column is taken at once, and a path and a content is decoded once."""
    names = "touch_commits", "touch_paths", "touch_old_paths", "touch_old", "touch_new", "touch_kinds"
    commits, paths, old_paths, old, new, kinds = (segment.arrays[name][touches].tolist() for name in names)
    path = {number: segment.paths[number] for number in {*paths, *old_paths}}
    content: dict[int, ObjectId | None] = {
        number: ObjectId(segment.content(number).hex()) if number >= 0 else None for number in {*old, *new}
    }
    return [
        PathTouch(segment.first + commit, path[to], path[origin], content[before], content[after], kind)
        for commit, to, origin, before, after, kind in zip(
            commits, paths, old_paths, old, new, kinds, strict=True
        )
    ]


def _joined(parts: Sequence[Array], dtype: type) -> Array:
    return np.concatenate([part.astype(dtype) for part in parts]) if parts else np.zeros(0, dtype)
