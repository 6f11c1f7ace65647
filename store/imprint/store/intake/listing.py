"""Which checkpoints a change of refs brought: their files, found by comparing old trees with new ones.

Invariants:
    1. Only trees that changed are read.
    2. A ref whose trees are not all there is a problem with its name; the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imprint.store.agents.model import Problem
from imprint.store.errors import PlumbingFailed
from imprint.store.formats.entire import BRANCH_REF, Layout, cap_problems, find_layout, split_path
from imprint.store.intake.objects import Entry, find_trees, iter_changes
from imprint.store.types import RefName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId

    Refs = Mapping[RefName, ObjectId]


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A checkpoint as it lies in a ref.

    Attributes:
        id: its own.
        ref: where; of a branch that a clone tracks, the branch's name at home.
        names: its files, by path within it, and their contents.
    """

    id: str
    ref: str
    names: Mapping[str, ObjectId]


def list_checkpoints(
    plumbing: Plumbing, old: Refs, new: Refs
) -> tuple[list[FoundCheckpoint], list[tuple[str, Problem]]]:
    """Checkpoints that came or changed between two states of the refs; and refs that cannot be read.

    Args:
        plumbing: git on the objects.
        old: the refs as they were read last; empty for the first time.
        new: as they are; only those that hold checkpoints count.
    """
    changed = [ref for ref, tip in new.items() if old.get(ref) != tip and find_layout(ref) is not None]
    trees = find_trees(
        plumbing, [*(new[ref] for ref in changed), *(old[ref] for ref in changed if ref in old)]
    )
    problems = [
        (ref.text, Problem(ref.text, "absent: its tree is not there"))
        for ref in changed
        if new[ref] not in trees
    ]
    readable = [ref for ref in changed if new[ref] in trees]
    pairs = [(_old_tree(ref, old, trees), trees[new[ref]]) for ref in readable]
    touched: dict[RefName, list[Entry]] = {}
    for ref, entries, problem in _read_all(plumbing, readable, pairs):
        if problem is not None:
            problems.append((ref.text, problem))
        else:
            touched[ref] = entries
    found = []
    for whole in _assemble(plumbing, new, touched, pairs_of=dict(zip(readable, pairs, strict=True))):
        checkpoint, unnamed = _leave_unnamed(whole)
        found.append(checkpoint)
        problems += [(checkpoint.ref, problem) for problem in cap_problems(unnamed)]
    return found, problems


def _leave_unnamed(checkpoint: FoundCheckpoint) -> tuple[FoundCheckpoint, list[Problem]]:
    """The checkpoint without files whose paths are no UTF-8, which no id and no place could be made of."""
    problems, names = [], {}
    for name, blob in checkpoint.names.items():
        shown = name.encode("utf-8", "backslashreplace").decode()
        if shown == name:
            names[name] = blob
        else:
            text = "unreadable: its path is not UTF-8; it was passed over"
            problems.append(Problem(f"{checkpoint.id}/{_show(name)}", text))
    return replace(checkpoint, names=names), problems


def _show(name: str) -> str:
    """The path, with what is no UTF-8 written out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _old_tree(ref: RefName, old: Refs, trees: Mapping[ObjectId, ObjectId]) -> ObjectId | None:
    """What to compare with: a checkpoint's own ref is small, and always read whole."""
    return None if find_layout(ref) is Layout.REFS else trees.get(old[ref]) if ref in old else None


def _read_all(
    plumbing: Plumbing, refs: Sequence[RefName], pairs: Sequence[tuple[ObjectId | None, ObjectId]]
) -> Iterable[tuple[RefName, list[Entry], Problem | None]]:
    """What differs, for each ref: in one run of git; one by one where a tree that is absent ends that run."""
    try:
        yield from [
            (ref, entries, None)
            for ref, entries in zip(refs, list(iter_changes(plumbing, pairs)), strict=True)
        ]
    except PlumbingFailed:
        for ref, pair in zip(refs, pairs, strict=True):
            try:
                yield ref, next(iter(iter_changes(plumbing, [pair])), []), None
            except PlumbingFailed:
                yield ref, [], Problem(ref.text, "absent: a tree below it is not there")


def _assemble(
    plumbing: Plumbing,
    new: Refs,
    touched: Mapping[RefName, list[Entry]],
    pairs_of: Mapping[RefName, tuple[ObjectId | None, ObjectId]],
) -> Iterable[FoundCheckpoint]:
    """The whole files of every checkpoint of which one was touched."""
    second: dict[RefName, set[str]] = {}
    for ref, entries in touched.items():
        layout = find_layout(ref)
        assert layout is not None  # noqa: S101
        wanted = {found[0] for each in entries if (found := split_path(layout, ref, each.path))}
        if layout in {Layout.V2_MAIN, Layout.V2_FULL}:
            second.setdefault(_V2, set()).update(wanted)
        elif pairs_of[ref][0] is None:
            yield from _group(layout, ref, entries, wanted)
        else:
            yield from _group(layout, ref, _list_whole(plumbing, new, [ref]), wanted)
    if wanted := second.get(_V2, set()):
        halves = sorted(
            (ref for ref in new if find_layout(ref) in {Layout.V2_MAIN, Layout.V2_FULL}),
            key=lambda ref: find_layout(ref) is not Layout.V2_MAIN,
        )
        yield from _group(Layout.V2_MAIN, _V2, _list_whole(plumbing, new, halves), wanted)


_V2 = RefName(b"refs/entire/checkpoints/v2/main")


def _list_whole(plumbing: Plumbing, new: Refs, refs: Sequence[RefName]) -> list[Entry]:
    trees = find_trees(plumbing, [new[ref] for ref in refs])
    pairs = [(None, trees[new[ref]]) for ref in refs if new[ref] in trees]
    return [entry for entries in iter_changes(plumbing, pairs) for entry in entries]


def _group(
    layout: Layout, ref: RefName, entries: Iterable[Entry], wanted: set[str]
) -> Iterable[FoundCheckpoint]:
    names: dict[str, dict[str, ObjectId]] = {}
    for entry in entries:
        found = split_path(layout, ref, entry.path)
        if found and found[0] in wanted and entry.blob is not None:
            names.setdefault(found[0], {}).setdefault(found[1], entry.blob)
    place = BRANCH_REF.decode() if layout is Layout.BRANCH else ref.text
    return (FoundCheckpoint(checkpoint_id, place, files) for checkpoint_id, files in names.items())
