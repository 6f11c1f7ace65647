"""Branches and merges without a clone: the same checks and the same commit point as a push."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query

from imprint.api.errors import BadRequest
from imprint.api.rest.access import Limit, Reader, Writer
from imprint.api.rest.commits import read_branch, read_session
from imprint.api.rest.shapes import (
    BranchAnswer,
    BranchChanged,
    BranchPage,
    MergeAnswer,
    MergePreview,
    MergeProposal,
    MergeStatus,
    NewBranch,
    NewMerge,
    Sides,
)
from imprint.api.services import Access
from imprint.api.wire import EventAnswer
from imprint.store.paths import quote_path
from imprint.store.receive.branch import create_branch as make_branch
from imprint.store.receive.branch import delete_branch as remove_branch
from imprint.store.receive.merge import Joined, MergeRequest, Standing, merge, preview
from imprint.store.types import Anything, ObjectId, RefName
from imprint.store.view import resolve_commit, verify_reached

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["branches"])

_BRANCHES: Final = b"refs/heads/"


@router.get("/branches")
def list_branches(
    access: Reader,
    cursor: Annotated[str, Query(max_length=1024, description="`next_cursor` of the page before")] = "",
    limit: Limit = 100,
) -> BranchPage:
    """The branches, in Git's order."""
    snapshot = access.view.refs.snapshot()
    after = _BRANCHES + cursor.encode()
    rest = [name for name in snapshot.refs if name.startswith(_BRANCHES) and name > after]
    shown = [
        BranchAnswer(name=name.short, sha=snapshot.refs[name].id, is_default=name == snapshot.head)
        for name in rest[:limit]
    ]
    has_more = len(rest) > limit
    return BranchPage(branches=shown, next_cursor=shown[-1].name if has_more else None, has_more=has_more)


@router.post("/branches", status_code=201)
def create_branch(access: Writer, wish: NewBranch) -> BranchChanged:
    """Make a branch at a commit that is there."""
    if wish.base_ref is not None and wish.base_sha is not None:
        raise BadRequest("base_ref and base_sha say the same: give one of them")
    if wish.base_sha:
        base = _read_id(access, wish.base_sha)
    else:
        base = resolve_commit(access.view, wish.base_ref or "HEAD")
    name = read_branch(wish.target_branch)
    event = make_branch(name, base, access.repository, access.principal, access.services.receiver)
    return BranchChanged(
        target_branch=wish.target_branch, old_sha=None, new_sha=base, event=EventAnswer.of(event)
    )


@router.delete("/branches/{name:path}")
def delete_branch(
    access: Writer,
    name: Annotated[str, Path(max_length=1024, description="the branch")],
    expected_head_sha: Annotated[
        str | None, Query(max_length=64, description="the branch must be exactly there; left out: anywhere")
    ] = None,
) -> BranchChanged:
    """Delete a branch. Its commits stay stored."""
    expected = Anything() if expected_head_sha is None else ObjectId.parse(expected_head_sha)
    branch = read_branch(name)
    event = remove_branch(branch, expected, access.repository, access.principal, access.services.receiver)
    return BranchChanged(
        target_branch=name, old_sha=event.changes[0].old, new_sha=None, event=EventAnswer.of(event)
    )


@router.post("/merges/preview")
def preview_merge(access: Reader, wish: MergeProposal) -> MergePreview:
    """Say what merging would give, and where it would conflict."""
    target = read_branch(wish.target_branch)
    joined = preview(
        target,
        _read_source(access, wish),
        access.repository,
        access.services.hosting,
        allow_unrelated=wish.allow_unrelated_histories,
    )
    return MergePreview(
        status=_STATUSES[joined.standing],
        target_branch=wish.target_branch,
        target_sha=joined.target,
        source_sha=joined.source,
        merge_base_sha=joined.base,
        tree_sha=joined.tree,
        conflict_paths=[quote_path(path) for path in joined.conflicts],
    )


@router.post("/merges", status_code=201)
def create_merge(access: Writer, wish: NewMerge) -> MergeAnswer:
    """Merge a branch, or a commit, into a branch; 409 with `conflict_paths` where they conflict."""
    author = wish.author
    request = MergeRequest(
        target=read_branch(wish.target_branch),
        source=_read_source(access, wish),
        strategy=wish.strategy,
        squash=wish.squash,
        message=wish.commit_message,
        author_name=author.name if author else None,
        author_email=author.email if author else None,
        expected_head=_read_expected(wish),
        allow_unrelated=wish.allow_unrelated_histories,
        session=read_session(wish, access),
    )
    receipt = merge(request, access.repository, access.principal, access.services.receiver)
    return MergeAnswer(
        status=_describe(receipt.joined, receipt.new, is_new=receipt.event is not None),
        target_branch=wish.target_branch,
        source_sha=receipt.joined.source,
        merge_base_sha=receipt.joined.base,
        commit_sha=receipt.new,
        tree_sha=receipt.tree,
        old_sha=receipt.joined.target,
        new_sha=receipt.new,
        event=EventAnswer.of(receipt.event) if receipt.event else None,
    )


_STATUSES: Final = {
    Standing.CONTAINED: MergeStatus.UP_TO_DATE,
    Standing.AHEAD: MergeStatus.FAST_FORWARD,
    Standing.CLEAN: MergeStatus.CLEAN,
    Standing.CONFLICTED: MergeStatus.CONFLICTED,
}


def _describe(
    joined: Joined, new: ObjectId, *, is_new: bool
) -> Literal["merged", "fast_forward", "up_to_date"]:
    if not is_new:
        return "up_to_date"
    return "fast_forward" if new == joined.source else "merged"


def _read_source(access: Access, wish: Sides) -> RefName | ObjectId:
    if (wish.source_branch is None) == (wish.source_sha is None):
        raise BadRequest("name what is merged: either source_branch or source_sha")
    if wish.source_sha is not None:
        return _read_id(access, wish.source_sha)
    return read_branch(wish.source_branch or "")


def _read_id(access: Access, text: str) -> ObjectId:
    commit = ObjectId.parse(text)
    verify_reached(access.view, commit)
    return commit


def _read_expected(wish: NewMerge) -> ObjectId | Anything:
    return Anything() if wish.expected_head_sha is None else ObjectId.parse(wish.expected_head_sha)
