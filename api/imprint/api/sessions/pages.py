"""The page of a session: whose, what it did turn by turn, and the commits that it made.

Invariants:
    1. Prompts are shown by `Access.may_read_words` alone; without the right the page says so.
    2. What a session says is shown as text.
"""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from imprint.api.services import NOT_SHOWN, Access, open_access
from imprint.api.sessions.routes import describe, list_of, prompt_reader, withhold_paths
from imprint.api.web.front import describe_repository, render_day
from imprint.api.web.pages import render_page
from imprint.api.web.places import place_address
from imprint.store.actors import Verb
from imprint.store.errors import BadObjectId, BadRepositoryName, ObjectMissing, RepositoryMissing
from imprint.store.types import ObjectId

router: Final = APIRouter(include_in_schema=False)
TURNS_MAX: Final = 200
"""Turns on one page; the command line shows all."""
_CALLS_MAX: Final = 50
_COMMITS_MAX: Final = 100


def session_address(name: str, session_id: str) -> str:
    """The page of a session."""
    return f"/{name}/session/{quote(session_id, safe='')}"


@router.get("/{owner}/{repo}/session/{session_id:path}")
def session_page(request: Request, owner: str, repo: str, session_id: str) -> Response:
    """A session: its tree, its turns with prompts and calls, and the commits that it made."""
    try:
        access = open_access(request, owner, repo, Verb.READ)
    except BadRepositoryName as bad:
        raise RepositoryMissing(f"{owner}/{repo}") from bad
    sessions = list_of(access)
    session = sessions.get(session_id)
    turns = sessions.turns(session, prompt_reader(access, session), limit=TURNS_MAX)
    known = describe(access, session)
    is_told = access.may_read_words(session_id)
    if not is_told:
        withhold_paths(turns)
    links = {"parent": session_address(access.name, known["parent"]) if known["parent"] else ""}
    return render_page(
        request,
        "session.html",
        **describe_repository(request, access),
        session=known,
        links=links,
        children=[(child, session_address(access.name, child["id"])) for child in known["children"]],
        began=render_day(known["opened_at_ms"] // 1000),
        turns=turns,
        turns_left=known["turn_count"] - len(turns),
        calls_max=_CALLS_MAX,
        withheld=None if is_told else NOT_SHOWN,
        commits=[_describe_commit(access, commit) for commit in known["commits"][:_COMMITS_MAX]],
    )


def _describe_commit(access: Access, commit: str) -> dict[str, Any]:
    """A commit that the session made, with its subject where the repository has it."""
    try:
        commit_id = ObjectId.parse(commit)
        subject = access.view.objects.read_commit(commit_id).subject
    except (ObjectMissing, BadObjectId):
        return {"id": commit, "subject": "", "address": ""}
    return {"id": commit, "subject": subject, "address": place_address(access.name, "tree", commit)}
