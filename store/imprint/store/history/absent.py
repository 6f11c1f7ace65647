"""What can be told of changes where a clone lacks objects: a partial clone has left out files or folders.

Invariants:
    1. Nothing is fetched: what is absent stays absent.
    2. However many changes lack objects, git is started at most twice, for all of them together.
    3. Git's failure is passed on where no object of the changes is absent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from imprint.store.errors import ObjectDamaged, ObjectMissing, PlumbingFailed
from imprint.store.objects.codec import SUBMODULE_MODE, empty_tree
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imprint.store.objects.ports import Objects, TreeEntry
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId

    TreePair = tuple[ObjectId, ObjectId]

_Answer = TypeVar("_Answer")

ABSENT_FILES: Final = "the commit's files are not in this clone"
"""Said of a commit whose changes cannot be looked at."""
_ABSENT: Final = re.compile(
    r"(?:cannot read blob|unable to read(?: tree)?) \(?([0-9a-f]{40,64})", re.IGNORECASE
)
"""What git says of an object that it looked for in vain."""


def explain_absence(failure: PlumbingFailed, path: bytes) -> None:
    """Put a failure to follow a file into words where git lacked an object; leave any other as it is."""
    found = _ABSENT.search(failure.stderr)
    if found is None:
        return
    failure.message = (
        f"the history of {quote_path(path)} cannot be followed: object {found[1]} is not in this clone"
    )
    failure.args = (failure.message,)
    failure.hint = (
        "in a partial clone 'git fetch --refetch --no-filter' (git 2.36 or newer) gets what was left out; "
        "or ask a server with --server"
    )


def iter_present(
    plumbing: Plumbing,
    objects: Objects,
    pairs: Sequence[TreePair],
    read: Callable[[Plumbing, Sequence[TreePair]], Iterator[_Answer]],
) -> Iterator[_Answer | None]:
    """What `read` says of each pair of trees, in order; None of a pair of which objects are absent.

    Args:
        plumbing: an isolated git.
        objects: what is there.
        pairs: trees, old and new.
        read: gives one answer for each of some pairs, in order, and fails at the first that it cannot read.

    Raises:
        PlumbingFailed: git failed, and not for want of an object.
    """
    done = 0
    try:
        for answer in read(plumbing, pairs):
            done += 1
            yield answer
    except PlumbingFailed:
        rest = pairs[done:]
        is_present = [is_whole(objects, pair) for pair in rest]
        if all(is_present):
            raise
    else:
        return
    answers = read(plumbing, [pair for pair, is_there in zip(rest, is_present, strict=True) if is_there])
    for is_there in is_present:
        yield next(answers) if is_there else None


def is_whole(objects: Objects, pair: TreePair) -> bool:
    """Whether everything that differs between two trees is there, without starting git."""
    waiting: list[tuple[ObjectId | None, ObjectId | None]] = [pair]
    while waiting:
        try:
            old, new = (_read_entries(objects, tree) for tree in waiting.pop())
        except (ObjectDamaged, ObjectMissing):
            return False
        for name in old.keys() | new.keys():
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            if not all(_is_there(objects, entry) for entry in (before, after)):
                return False
            trees = [entry.id if entry is not None and entry.is_tree else None for entry in (before, after)]
            if any(trees):
                waiting.append((trees[0], trees[1]))
    return True


def _read_entries(objects: Objects, tree: ObjectId | None) -> dict[bytes, TreeEntry]:
    if tree is None or tree == empty_tree(tree.algorithm):
        return {}
    return {entry.name: entry for entry in objects.read_tree(tree)}


def _is_there(objects: Objects, entry: TreeEntry | None) -> bool:
    return entry is None or entry.mode == SUBMODULE_MODE or objects.find_kind(entry.id) is not None
