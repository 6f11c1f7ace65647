"""What two commits differ in, definition by definition.

Files are compared by content: where a path has one content in both, nothing of it is read. A definition that
is gone from a file and one that is new in another are one that moved, where they are alike.

Invariants:
    1. Only files whose content differs are read, at most `FILES_MAX`; the answer says if there were more.
    2. No definition of either commit is in two deltas.
"""

from __future__ import annotations

import stat
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.model import ChangeKind, EntityDelta
from imprint.semantic.lineage.tracing.identity import (
    Former,
    define,
    find_elsewhere,
    has_moved,
    tell_kinds,
)
from imprint.store.objects.trees import TreeListing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.semantic.lineage.tracing.contents import Contents
    from imprint.semantic.lineage.tracing.identity import Defined
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

FILES_MAX: Final = 2_000
"""Differing files that one comparison reads; docs/limits.md."""
MOVES_MAX: Final = 2_000
"""Definitions gone, and new ones, that are compared with each other across files."""

_Pair = tuple[bytes, "ObjectId | None", bytes, "ObjectId | None"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two commits differ in.

    Attributes:
        deltas: in order of path and line; of what is gone, where it was.
        files: differing files that were compared.
        left_out: differing files that were not.
    """

    deltas: tuple[EntityDelta, ...]
    files: int
    left_out: int = 0


@dataclass(slots=True)
class _Sides:
    """Definitions that found no counterpart in their own file."""

    new: list[tuple[bytes, Defined]] = field(default_factory=list)
    gone: list[tuple[bytes, Defined]] = field(default_factory=list)


def compare(view: RepositoryView, old: ObjectId, new: ObjectId, contents: Contents) -> Comparison:
    """The definitions that two commits differ in.

    Args:
        view: the repository.
        old: the one commit.
        new: the other, which need not descend from it.
        contents: the repository's contents.

    Raises:
        ObjectMissing: a commit or one of its trees is not in the repository.
    """
    listing = TreeListing(view.objects)
    before, after = (
        {
            path: blob
            for path, blob, mode in listing.files(view.objects.read_commit(each).tree)
            if stat.S_ISREG(mode)
        }
        for each in (old, new)
    )
    pairs = _pair_files(before, after)
    looked_at = pairs[:FILES_MAX]
    contents.prepare(blob for pair in looked_at for blob in (pair[1], pair[3]) if blob)
    deltas, sides = [], _Sides()
    for pair in looked_at:
        deltas += _compare_file(contents, pair, sides)
    deltas += _match_moved(sides)
    deltas.sort(key=lambda delta: (delta.path or delta.old_path, delta.start_line or delta.old_start_line))
    return Comparison(tuple(deltas), len(looked_at), len(pairs) - len(looked_at))


def _pair_files(before: Mapping[bytes, ObjectId], after: Mapping[bytes, ObjectId]) -> list[_Pair]:
    """The files that differ, each with what it was; one of equal content under a new path was moved."""
    gone = {path: blob for path, blob in before.items() if path not in after}
    by_content: dict[ObjectId, list[bytes]] = defaultdict(list)
    for path, blob in gone.items():
        by_content[blob].append(path)
    pairs: list[_Pair] = []
    for path, blob in after.items():
        if path in before:
            if before[path] != blob:
                pairs.append((path, before[path], path, blob))
        elif by_content[blob]:
            was = by_content[blob].pop(0)
            del gone[was]
            pairs.append((was, blob, path, blob))
        else:
            pairs.append((path, None, path, blob))
    pairs += [(path, blob, path, None) for path, blob in gone.items()]
    return sorted(pairs, key=lambda pair: (pair[2], pair[0]))


def _compare_file(contents: Contents, pair: _Pair, sides: _Sides) -> list[EntityDelta]:
    old_path, old, path, new = pair
    if old is not None and old == new:
        return [
            _delta((ChangeKind.MOVED,), old_path, each, path, each)
            for each in _read(contents, path, new)
            if not each.entity.container
        ]
    before = _read(contents, old_path, old) if old else []
    after = _read(contents, path, new) if new else []
    entities = [each.entity for each in before], [each.entity for each in after]
    deltas = []
    matched: set[int] = set()
    unmatched = []
    former = Former(after, before)
    for each in after:
        found = former.find(each)
        if found is None or id(found) in matched:
            unmatched.append(each)
            continue
        matched.add(id(found))
        if kinds := tell_kinds(found, each, moved=has_moved(found, each, *entities)):
            deltas.append(_delta(kinds, old_path, found, path, each))
    sides.new += [(path, each) for each in unmatched]
    sides.gone += [(old_path, each) for each in before if id(each) not in matched]
    return deltas


def _read(contents: Contents, path: bytes, blob: ObjectId | None) -> list[Defined]:
    return define(path, contents.lines(blob), contents.entities(path, blob)) if blob else []


def _match_moved(sides: _Sides) -> list[EntityDelta]:
    """What is new or gone, with what was moved from file to file told apart."""
    deltas = []
    if len(sides.gone) <= MOVES_MAX and len(sides.new) <= MOVES_MAX:
        by_name: dict[str, list[tuple[bytes, Defined]]] = defaultdict(list)
        for path, each in sides.gone:
            by_name[each.entity.name].append((path, each))
        for path, each in list(sides.new):
            rivals = by_name[each.entity.name]
            found = find_elsewhere(each, [rival for _, rival in rivals])
            if found is None:
                continue
            at = next(place for place, (_, rival) in enumerate(rivals) if rival is found)
            old_path, _ = rivals.pop(at)
            sides.new.remove((path, each))
            sides.gone.remove((old_path, found))
            deltas.append(_delta(tell_kinds(found, each, moved=True), old_path, found, path, each))
    deltas += [_delta((ChangeKind.INTRODUCED,), b"", None, path, each) for path, each in sides.new]
    deltas += [_delta((ChangeKind.REMOVED,), path, each, b"", None) for path, each in sides.gone]
    return deltas


def _delta(
    kinds: tuple[ChangeKind, ...], old_path: bytes, old: Defined | None, path: bytes, new: Defined | None
) -> EntityDelta:
    some = new or old
    return EntityDelta(
        kinds,
        some.entity.kind.value if some else "",
        path,
        new.entity.qualified_name if new else "",
        new.entity.start_line if new else 0,
        new.entity.end_line if new else 0,
        old_path,
        old.entity.qualified_name if old else "",
        old.entity.start_line if old else 0,
        old.entity.end_line if old else 0,
    )
