"""Git AI's notes over HTTP: a client that keeps its notes on a server keeps them here, as git notes.

The contract is Git AI's own (docs/notes-backend-spec.md of git-ai-project/git-ai, version 1): notes are text
by commit, written and read in bulk. Here each upload is a commit on `refs/notes/ai`, so that every version
stays and provenance is read from it as from a push.

Invariants:
    1. A note is kept byte for byte, whatever it says: the contract calls it opaque. What Git AI's format
       cannot read of it is told beside the counts, and claims nothing.
    2. An entry that no note can be made of is counted as failed, with its place; the others are written.
    3. A base without a repository's name is that of the one repository that the token names.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from imprint.api.errors import BadRequest
from imprint.api.services import Access, get_principal, get_services, open_access
from imprint.store.actors import ALL_REPOSITORIES, Verb
from imprint.store.errors import BadObjectId, ProtocolError
from imprint.store.formats.gitai import NOTES_REF, parse_note
from imprint.store.receive.notes import read_notes, write_notes
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping

router: Final = APIRouter(tags=["git-ai"])
_REPOSITORY: Final = "/api/repos/{owner}/{repo}/git-ai/worker/notes"
_SERVER: Final = "/api/git-ai/worker/notes"
COMMITS_MAX: Final = 100
"""Commits asked for in one request; further ones are not looked up, as the contract allows."""
_PROBLEMS_MAX: Final = 100
_KEY: Final = re.compile(r"[0-9a-fA-F]{4,64}\Z")


@router.post(_REPOSITORY + "/upload/", include_in_schema=False)
@router.post(_REPOSITORY + "/upload", response_model=None)
async def upload_notes(request: Request, owner: str, repo: str) -> JSONResponse:
    """Write Git AI notes: `{"entries": [{"commit_sha", "content"}]}`, one commit on refs/notes/ai."""
    return await _upload(request, owner, repo)


@router.post(_SERVER + "/upload/", include_in_schema=False)
@router.post(_SERVER + "/upload", response_model=None)
async def upload_notes_by_token(request: Request) -> JSONResponse:
    """The same for the one repository that the token names."""
    return await _upload(request, *_find_repository(request))


@router.get(_REPOSITORY, include_in_schema=False)
@router.get(_REPOSITORY + "/", response_model=None)
def read_uploaded_notes(
    request: Request, owner: str, repo: str, commits: str | None = Query(None, max_length=10_000)
) -> JSONResponse:
    """The Git AI notes of up to 100 commits, with commas between them; 404 when none has one."""
    return _read(request, owner, repo, commits)


@router.get(_SERVER, include_in_schema=False)
@router.get(_SERVER + "/", response_model=None)
def read_uploaded_notes_by_token(
    request: Request, commits: str | None = Query(None, max_length=10_000)
) -> JSONResponse:
    """The same for the one repository that the token names."""
    return _read(request, *_find_repository(request), commits)


def _find_repository(request: Request) -> tuple[str, str]:
    """Owner and name of the one repository that the token names."""
    named = get_principal(request).token.repositories
    if len(named) != 1 or named[0] == ALL_REPOSITORIES or named[0].count("/") != 1:
        raise BadRequest(
            "the address names no repository, and the token not exactly one",
            hint="use the base /api/repos/OWNER/REPO/git-ai, or a token for one repository",
        )
    owner, _, repo = named[0].partition("/")
    return owner, repo


async def _upload(request: Request, owner: str, repo: str) -> JSONResponse:
    services = get_services(request)
    access = await to_thread.run_sync(open_access, request, owner, repo, Verb.WRITE)
    async with services.notes_queue.slot(access.principal.actor.name):
        try:
            with anyio.fail_after(services.settings.stall_seconds_max):
                body = await request.body()
        except TimeoutError:
            raise ProtocolError("the notes did not come in time", hint="send fewer at once") from None
        return await to_thread.run_sync(_write, access, body)


def _write(access: Access, body: bytes) -> JSONResponse:
    entries = _read_entries(body)
    problems: list[dict[str, object]] = []
    notes: dict[ObjectId, bytes] = {}
    failures = 0
    for index, entry in enumerate(entries):
        try:
            commit, content = _read_entry(entry, access)
        except (BadRequest, BadObjectId) as bad:
            failures += 1
            problems.append({"entry": index, "what": bad.message, "stored": False})
            continue
        notes[commit] = content
        unread = parse_note(content).problems
        problems += [
            {"entry": index, "line": each.line, "what": each.text, "stored": True} for each in unread[:1]
        ]
    if notes:
        write_notes(NOTES_REF, notes, access.repository, access.principal, access.services.receiver)
    answer: dict[str, object] = {"success_count": len(entries) - failures, "failure_count": failures}
    if problems:
        answer["problems"] = problems[:_PROBLEMS_MAX]
    return JSONResponse(answer)


def _read_entries(body: bytes) -> list[Mapping[str, Any]]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as damaged:
        raise BadRequest(f"the body is not JSON: {damaged}") from damaged
    entries = parsed.get("entries") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise BadRequest("'entries' is missing, or no list")
    for index, entry in enumerate(entries):
        is_whole = isinstance(entry, dict) and all(
            isinstance(entry.get(key), str) for key in ("commit_sha", "content")
        )
        if not is_whole:
            raise BadRequest(f"entries[{index}]: 'commit_sha' and 'content' are texts")
    return entries


def _read_entry(entry: Mapping[str, Any], access: Access) -> tuple[ObjectId, bytes]:
    """The commit and its note, or why there is none."""
    commit = ObjectId.parse(entry["commit_sha"])
    algorithm = access.repository.record.algorithm
    if len(commit) != algorithm.hex_length:
        raise BadRequest(f"commit_sha has {len(commit)} digits; ids here have {algorithm.hex_length}")
    try:
        content = entry["content"].encode()
    except UnicodeEncodeError as damaged:
        raise BadRequest(f"content is not text: {damaged.reason}") from damaged
    limit = access.services.hosting.limits.note_bytes_max
    if len(content) > limit:
        raise BadRequest(f"content has {len(content)} bytes; a note has at most {limit}")
    return commit, content


def _read(request: Request, owner: str, repo: str, commits: str | None) -> JSONResponse:
    access = open_access(request, owner, repo, Verb.READ)
    if commits is None:
        raise BadRequest("'commits' is missing")
    asked = [each for each in commits.split(",") if each]
    if any(not _KEY.match(each) for each in asked):
        raise BadRequest("'commits' holds something that is no hexadecimal id")
    length = access.repository.record.algorithm.hex_length
    wanted = [ObjectId(each) for each in asked[:COMMITS_MAX] if len(each) == length and each == each.lower()]
    notes = read_notes(access.view, NOTES_REF, wanted)
    texts = {commit: content.decode("utf-8", "replace") for commit, content in notes.items()}
    return JSONResponse({"notes": texts}, 200 if texts else 404)
