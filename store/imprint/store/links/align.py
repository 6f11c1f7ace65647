"""Which added line of a later change is which added line of an earlier one.

Invariants:
    1. A line of either side is matched once at most: what one line proves is never said of two.
    2. Matched lines are equal but for white space, and keep their order within a file.
    3. A run of lines that tell nothing, such as closing brackets, is matched only between others that are.
    4. Lines of the later change that have no match stay without one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.links.anchors import line_weight

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.links.anchors import FileLines
    from imprint.store.links.model import Change
    from imprint.store.types import ObjectId


class Place(NamedTuple):
    """A line of a file, as it is in one commit."""

    path: bytes
    line: int


class Source(NamedTuple):
    """A line of a file in a commit that added it."""

    commit: ObjectId
    path: bytes
    line: int


_RUN_WEIGHT_MIN: Final = 0.3
_MOVED_WEIGHT_MIN: Final = 1.2
"""What a run of lines must weigh to be matched within a file, and across files."""
_EXHAUSTIVE_MAX: Final = 3_000
"""Lines of a file up to which every repeated line is tried."""


@dataclass(slots=True)
class _Side:
    """The lines of one file of a change, and which of them are still free."""

    path: bytes
    numbers: Sequence[int]
    places: Sequence[int]
    free: list[bool]


def align(later: Change, earlier: Change, taken: set[Place]) -> dict[Place, Place]:
    """The earlier place of each line of the later change that has one.

    Args:
        later: the later change.
        earlier: the earlier one.
        taken: lines of the later change that are matched already; they are left alone, and not added to.
    """
    ours = [_open_side(file) for file in later.files if file.added]
    theirs = [_open_side(file) for file in earlier.files if file.added]
    for side in ours:
        side.free = [Place(side.path, place) not in taken for place in side.places]
    found: dict[Place, Place] = {}
    for one, other in _pair_files(later, ours, theirs):
        _match_in_order(one, other, found)
    _match_moved(ours, theirs, found)
    return found


def _open_side(file: FileLines) -> _Side:
    places = list(file.iter_places())
    return _Side(file.path, file.added, places, [True] * len(places))


def _pair_files(
    later: Change, ours: Sequence[_Side], theirs: Sequence[_Side]
) -> Iterator[tuple[_Side, _Side]]:
    """Files of the two changes that are the same: by path, by the path before a rename, else by content."""
    by_path = {side.path: side for side in theirs}
    renamed = {file.path: file.old_path for file in later.files}
    open_sides = []
    for side in ours:
        other = by_path.pop(side.path, None) or by_path.pop(renamed.get(side.path, b""), None)
        if other is not None:
            yield side, other
        else:
            open_sides.append(side)
    for side in open_sides:
        own = set(side.numbers)
        weights = {
            path: sum(line_weight(number) for number in own.intersection(other.numbers))
            for path, other in by_path.items()
        }
        best = max(weights, key=lambda path: weights[path], default=None)
        if best is not None and weights[best] >= _MOVED_WEIGHT_MIN:
            yield side, by_path.pop(best)


def _match_in_order(one: _Side, other: _Side, found: dict[Place, Place]) -> None:
    if list(one.numbers) == list(other.numbers) and all(one.free):
        _take(one, other, 0, 0, len(one.numbers), found)
        return
    autojunk = max(len(one.numbers), len(other.numbers)) > _EXHAUSTIVE_MAX
    matcher = SequenceMatcher(None, one.numbers, other.numbers, autojunk=autojunk)
    blocks = matcher.get_matching_blocks()[:-1]
    telling = [_weigh(one.numbers, at, size) >= _RUN_WEIGHT_MIN for at, _, size in blocks]
    for index, (at, at_other, size) in enumerate(blocks):
        is_between = 0 < index < len(blocks) - 1 and telling[index - 1] and telling[index + 1]
        if telling[index] or is_between:
            _take(one, other, at, at_other, size, found)


def _take(one: _Side, other: _Side, at: int, at_other: int, size: int, found: dict[Place, Place]) -> None:
    """Match a run, line by line, where both sides are free."""
    for step in range(size):
        if one.free[at + step] and other.free[at_other + step]:
            one.free[at + step] = other.free[at_other + step] = False
            found[Place(one.path, one.places[at + step])] = Place(other.path, other.places[at_other + step])


def _weigh(numbers: Sequence[int] | array[int], at: int, size: int) -> float:
    return sum(line_weight(number) for number in numbers[at : at + size])


def _match_moved(ours: Sequence[_Side], theirs: Sequence[_Side], found: dict[Place, Place]) -> None:
    """Match what is left by runs that are the same somewhere else."""
    where: dict[int, list[tuple[_Side, int]]] = defaultdict(list)
    for other in theirs:
        for at, number in enumerate(other.numbers):
            if other.free[at]:
                where[number].append((other, at))
    for one in ours:
        at = 0
        while at < len(one.numbers):
            best, chosen = 0, None
            if one.free[at]:
                for other, at_other in where.get(one.numbers[at], ())[:20]:
                    size = _run_length(one, at, other, at_other)
                    if size > best:
                        best, chosen = size, (other, at_other)
            if chosen and _weigh(one.numbers, at, best) >= _MOVED_WEIGHT_MIN:
                _take(one, chosen[0], at, chosen[1], best, found)
                at += best
            else:
                at += 1


def _run_length(one: _Side, at: int, other: _Side, at_other: int) -> int:
    size = 0
    while (
        at + size < len(one.numbers)
        and at_other + size < len(other.numbers)
        and one.free[at + size]
        and other.free[at_other + size]
        and one.numbers[at + size] == other.numbers[at_other + size]
    ):
        size += 1
    return size


# -- several commits as one ------------------------------------------------------------------------------


def trace_members(members: Iterable[Change]) -> dict[Place, Source]:
    """Where each line comes from that commits have added, one on top of the other, as it is after the last.

    Args:
        members: what the commits did, oldest first; each builds on the one before.
    """
    files: dict[bytes, dict[int, Source]] = {}
    for member in members:
        before = dict(files)
        for file in member.files:
            if file.old_path != file.path:
                files.pop(file.old_path, None)
        for file in member.files:
            lines = _shift(before.get(file.old_path) or before.get(file.path) or {}, file)
            for place in file.iter_places():
                lines[place] = Source(member.commit, file.path, place)
            files[file.path] = lines
    return {Place(path, line): source for path, lines in files.items() for line, source in lines.items()}


def _shift(lines: Mapping[int, Source], file: FileLines) -> dict[int, Source]:
    """The lines at the places they have after the file's hunks; removed ones are gone."""
    if not lines:
        return {}
    shifted: dict[int, Source] = {}
    at, offset = 0, 0
    # git counts the line before where nothing is removed: such a hunk leaves that line where it is.
    hunks = [(start + (removed == 0), removed, added) for _, added, start, removed in file.hunks]
    for line, source in sorted(lines.items()):
        while at < len(hunks) and hunks[at][0] + hunks[at][1] <= line:
            offset += hunks[at][2] - hunks[at][1]
            at += 1
        if at < len(hunks) and hunks[at][0] <= line < hunks[at][0] + hunks[at][1]:
            continue
        shifted[line + offset] = source
    return shifted
