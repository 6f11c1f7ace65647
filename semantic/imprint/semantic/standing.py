"""Which commit an answer can be about: the one asked for, or its newest indexed ancestor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.store.errors import ObjectMissing, RefMissing
from imprint.store.types import ObjectId
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.semantic.index.ports import Index
    from imprint.store.view import RepositoryView


@dataclass(frozen=True, slots=True)
class Standing:
    """How the index stands to a commit.

    Attributes:
        head: the commit asked for; None where HEAD's branch has none yet.
        indexed: that commit or its newest indexed ancestor; None if there is none.
        tree: the root tree of `indexed`.
        behind: commits reachable from `head` and not from `indexed`.
    """

    head: ObjectId | None
    indexed: ObjectId | None
    tree: ObjectId | None
    behind: int


def find_standing(
    index: Index,
    view: RepositoryView,
    ref: str,
    complete: Callable[[ObjectId, ObjectId], bool] = lambda _commit, _tree: False,
) -> Standing:
    """How the index stands to what a ref names.

    A commit that was never indexed is answered too if `complete`, which is given it and its tree, says that
    all of its content is in the index now.

    Raises:
        RefMissing: nothing has this name.
        BadRevision: an abbreviated id fits several commits, or what is named is no commit.
    """
    try:
        head = resolve_commit(view, ref)
    except RefMissing:
        if ref in {"", "HEAD", "@"}:
            return Standing(None, None, None, 0)
        raise
    tree = index.find_tree(view.id, head)
    if tree is None and (own := _find_own_tree(view, head)) and complete(head, own):
        tree = own
    if tree is not None:
        return Standing(head, head, tree, 0)
    indexed = _find_newest_ancestor(index, view, head)
    return Standing(
        head,
        indexed,
        index.find_tree(view.id, indexed) if indexed else None,
        _count_commits(view, head, indexed),
    )


def _find_own_tree(view: RepositoryView, commit: ObjectId) -> ObjectId | None:
    try:
        return view.objects.read_commit(commit).tree
    except ObjectMissing:
        return None


def _find_newest_ancestor(index: Index, view: RepositoryView, head: ObjectId) -> ObjectId | None:
    known = index.list_commits(view.id)
    if not known:
        return None
    with view.plumbing.stream("rev-list", "--end-of-options", head) as git:
        for line in git.stdout:
            commit = ObjectId(line.decode("ascii").strip())
            if commit in known:
                return commit
        git.finish()
    return None


def _count_commits(view: RepositoryView, head: ObjectId, indexed: ObjectId | None) -> int:
    without = [f"^{indexed}"] if indexed else []
    return int(view.plumbing.run("rev-list", "--count", "--end-of-options", head, *without))
