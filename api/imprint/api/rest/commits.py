"""Commits made from files, without a clone: the same checks and the same commit point as a push."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Final

from fastapi import APIRouter

from imprint.api.errors import BadRequest
from imprint.api.rest.access import Writer
from imprint.api.rest.shapes import NewMerge
from imprint.api.services import Access
from imprint.api.wire import CommitAnswer, EventAnswer, FileAction, FileEdit, NewCommit
from imprint.store.hosting.access import SessionSeed
from imprint.store.paths import unquote_path
from imprint.store.receive.commit import CommitReceipt, CommitRequest, FileChange, commit
from imprint.store.types import Anything, ObjectId, RefName
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["commits"])


@router.post("/commits", status_code=201)
def create_commit(access: Writer, wish: NewCommit) -> CommitAnswer:
    """Write a commit, and the event that binds it to its actor and session in the same transaction."""
    return make_commit(access, wish)


def make_commit(
    access: Access, wish: NewCommit, before_landing: Callable[[], None] = lambda: None
) -> CommitAnswer:
    """The same; `before_landing` is called when only the last step is left."""
    request, receiver = read_request(wish, access), access.services.receiver
    return tell_receipt(
        wish, commit(request, access.repository, access.principal, receiver, before_landing=before_landing)
    )


def tell_receipt(wish: NewCommit, receipt: CommitReceipt) -> CommitAnswer:
    """The answer to a commit that is durable."""
    return CommitAnswer(
        commit_sha=receipt.commit,
        tree_sha=receipt.tree,
        target_branch=wish.target_branch,
        old_sha=receipt.old,
        new_sha=receipt.commit,
        event=EventAnswer.of(receipt.event),
    )


def read_request(wish: NewCommit, access: Access) -> CommitRequest:
    """What is wished, as the store takes it."""
    author = wish.author
    return CommitRequest(
        branch=read_branch(wish.target_branch),
        message=wish.commit_message,
        files=tuple(_read_file(edit) for edit in wish.files),
        author_name=author.name if author else None,
        author_email=author.email if author else None,
        expected_head=_read_expected(wish),
        session=read_session(wish, access),
        find_base=partial(_read_base, wish, access),
    )


def read_branch(text: str) -> RefName:
    """A branch by its short name, or any ref by its full one."""
    return RefName.parse(text if text.startswith("refs/") else f"refs/heads/{text}")


def _read_expected(wish: NewCommit) -> ObjectId | Anything | None:
    if "expected_head_sha" not in wish.model_fields_set:
        return Anything()
    return ObjectId.parse(wish.expected_head_sha) if wish.expected_head_sha is not None else None


def _read_base(wish: NewCommit, access: Access) -> ObjectId | None:
    """Where a new branch begins; None for one without history."""
    view = access.view
    if "base_ref" not in wish.model_fields_set:
        return resolve_commit(view, "HEAD") if view.refs.snapshot().head_id else None
    return resolve_commit(view, wish.base_ref) if wish.base_ref is not None else None


def read_session(wish: NewCommit | NewMerge, access: Access) -> SessionSeed | None:
    """The session that is named; the token's; or, for a prompt or agent without one, a new session."""
    if wish.session is None and wish.agent is None and wish.model is None and wish.prompt is None:
        return None
    session_id = (
        wish.session or access.principal.token.session or access.services.hosting.ids.new_id("session")
    )
    return SessionSeed(id=session_id, agent=wish.agent, model=wish.model, prompt=wish.prompt)


def _read_file(edit: FileEdit) -> FileChange:
    path = unquote_path(edit.path)
    if edit.action is FileAction.DELETE:
        if edit.content is not None:
            raise BadRequest(f"{edit.path}: a deletion has no content")
        return FileChange(path=path, content=None)
    if edit.content is None:
        raise BadRequest(
            f"{edit.path}: the content is missing", hint="to delete the file, say action: delete"
        )
    mode = int(edit.mode, 8) if edit.mode is not None else None
    return FileChange(path=path, content=_read_content(edit.path, edit.content, edit.encoding), mode=mode)


def _read_content(path: str, content: str, encoding: str) -> bytes:
    if encoding == "utf-8":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as damaged:  # no Base64, or not even ASCII
        raise BadRequest(f"{path}: the content is not base64: {damaged}") from damaged
