"""Sessions over REST.

Invariants:
    1. Prompts and transcripts leave by `Access.may_read_words` alone.
    2. A session is delivered in the name of the token's actor; what a client says of the actor is not asked.
    3. Few deliveries are in memory at once, and at most half of them one actor's; a transcript larger than
       one of them comes in parts.
    4. What is not kept in its time is not kept at all, and told to come again.
"""

import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, StreamingResponse

from imprint.api.errors import BadRequest, DeliveryLate
from imprint.api.rest.access import Limit, Owner, Reader, Repo, Writer
from imprint.api.services import NOT_SHOWN, Access, get_services, open_access
from imprint.api.sessions.shapes import (
    DeliveredSession,
    SessionDetails,
    SessionErased,
    SessionKept,
    SessionPage,
    TurnsAnswer,
    describe_delivery,
)
from imprint.store.actors import Verb
from imprint.store.errors import Denied, ProtocolError, TranscriptMissing
from imprint.store.events import EventKind
from imprint.store.hosting.sessions import erase_session
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.listing import KnownSession, SessionList, withhold
from imprint.store.sessions.model import Anchor, Record, Source

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}/sessions", tags=["sessions"])
_CURSOR_MAX: Final = 10**9


def list_of(access: Access) -> SessionList:
    """The sessions of a repository."""
    hosting = access.services.hosting
    return SessionList(access.repository.record.id, hosting.archive, hosting.catalogue)


def describe(access: Access, session: KnownSession) -> dict[str, Any]:
    """What the principal may know of a session."""
    found = list_of(access).describe_whole(session)
    if not access.may_read_words(session.id):
        found |= {"cwd": None, "branch": None}
        found["paths"] = sorted({withhold(path) for path in found["paths"]})
    if access.hidden.patterns:
        found["commits"] = []
    return found


def withhold_paths(turns: list[dict[str, Any]]) -> None:
    """Take out of turns what tools named and is no path, for who may not read words."""
    for turn in turns:
        for call in turn["calls"]:
            call["paths"] = [withhold(path) for path in call["paths"]]


def prompt_reader(access: Access, session: KnownSession) -> Callable[[str, str], str | None]:
    """What reads the prompts of this one session, the principal's right to its words being asked for once."""
    if not access.may_read_words(session.id):
        return lambda _session_id, _address: None
    keeper, repository_id = access.services.hosting.keeper, access.repository.record.id
    kept = session.archived or session.id
    return lambda _session_id, address: keeper.read_prompt(repository_id, kept, address)


@router.get("", response_model=SessionPage)
def list_sessions(
    access: Reader,
    limit: Limit = 100,
    cursor: Annotated[int, Query(ge=0, le=_CURSOR_MAX, description="`next_cursor` of the page before")] = 0,
) -> dict[str, Any]:
    """The sessions of the repository, oldest first: opened with tokens, archived, or both. No prompts."""
    sessions = list_of(access)
    known = sessions.list_all()
    page = known[cursor : cursor + limit]
    end = cursor + len(page)
    return {
        "sessions": sessions.describe_all(page),
        "next_cursor": str(end) if end < len(known) else None,
        "has_more": end < len(known),
    }


@router.post(
    "",
    status_code=200,
    response_model=SessionKept,
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": describe_delivery()}}, "required": True}
    },
)
async def keep_session(request: Request, owner: Owner, repo: Repo) -> JSONResponse:
    """Deliver a session's transcript, or the lines that it has grown by.

    With `first_line` above 0 the lines are appended; 409 with `line_count` where they do not go on from what
    is there. The session is the token's actor's; that of another actor is never changed.
    """
    services = get_services(request)
    access = await to_thread.run_sync(open_access, request, owner, repo, Verb.WRITE)
    settings = services.settings
    async with services.sessions_queue.slot(access.principal.actor.name):
        try:
            with anyio.fail_after(settings.stall_seconds_max):
                body = await request.body()
        except TimeoutError:
            raise ProtocolError("the session did not come in time", hint="send fewer lines at once") from None
        late_at = time.monotonic() + settings.session_seconds_max
        return JSONResponse(await to_thread.run_sync(_keep, access, body, late_at))


def _keep(access: Access, body: bytes, late_at: float) -> dict[str, Any]:
    try:
        wish = DeliveredSession.model_validate_json(body)
    except ValidationError as bad:
        fault = bad.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadRequest(f"{where or 'the body'}: {fault['msg']}") from bad
    del body
    hosting, repository_id = access.services.hosting, access.repository.record.id
    actor = access.principal.actor.name
    bound = access.principal.token.session
    if bound is not None and bound not in {wish.id or bound, wish.parent_id}:
        raise Denied(
            f"this token delivers in session {bound!r} only", hint="use a token without a session for others"
        )
    source = Source(wish.source.system, wish.source.version, wish.source.ref, wish.source.raw_hash)
    given = GivenSession(
        wish.agent,
        wish.transcript.encode("utf-8", "replace"),
        source,
        wish.id or bound,
        wish.parent_id,
        wish.first_line,
        wish.extra,
    )
    before = hosting.archive.last_serial(repository_id)

    def verify_time() -> None:
        if time.monotonic() > late_at:
            raise DeliveryLate(access.services.settings.sessions_wait_seconds_max)

    kept = hosting.keeper.paced(verify_time).keep(repository_id, given, actor)
    records = []
    if wish.anchors:
        record = Record(
            id=hosting.ids.new_id("rec"),
            source=source,
            actor=actor,
            received_at_ms=hosting.clock.now_ms(),
            anchors=tuple(Anchor(each.kind, each.value) for each in wish.anchors),
            session_id=kept.id,
            part=wish.part,
            agent=kept.agent,
            model=kept.models[-1] if kept.models else None,
            extra=hosting.keeper.redact_extra(wish.extra),
        )
        records = hosting.archive.add_records(repository_id, [record])
    is_changed = kept.serial > before
    if is_changed or records:
        details = {"session": kept.id, "lines": str(kept.line_count), "records": str(len(records))}
        hosting.announce(repository_id, EventKind.RECORDED, access.principal, details)
        access.services.runner.wake(access.repository.record.id)
    return {
        "id": kept.id,
        "line_count": kept.line_count,
        "serial": kept.serial,
        "is_changed": is_changed,
        "records": len(records),
    }


@router.get("/{session_id:path}/turns", response_model=TurnsAnswer)
def list_turns(
    access: Reader,
    session_id: str,
    limit: Limit = 100,
    cursor: Annotated[int, Query(ge=0, le=_CURSOR_MAX, description="`next_cursor` of the page before")] = 0,
) -> dict[str, Any]:
    """The turns of a session: prompts where the token may read them, tool calls with paths, usage."""
    sessions = list_of(access)
    session = sessions.get(session_id)
    is_told = access.may_read_words(session_id)
    found = sessions.turns(session, prompt_reader(access, session), after=cursor, limit=limit + 1)
    if not is_told:
        withhold_paths(found)
    page, has_more = found[:limit], len(found) > limit
    return {
        "session": session.id,
        "turns": page,
        "withheld": None if is_told else f"prompts are {NOT_SHOWN}",
        "next_cursor": str(page[-1]["number"]) if has_more else None,
        "has_more": has_more,
    }


@router.get("/{session_id:path}/transcript", response_model=None)
def read_transcript(access: Reader, session_id: str) -> StreamingResponse:
    """The transcript as it was kept, without its secrets; for whoever may read it."""
    session = list_of(access).get(session_id)
    if not access.may_read_words(session_id):
        raise Denied(f"the transcript is {NOT_SHOWN}", hint="use a token with the verb 'transcripts'")
    if session.archived is None:
        raise TranscriptMissing(f"no transcript of session {session_id!r} was kept")
    texts = access.services.hosting.keeper.iter_transcript(access.repository.record.id, session.archived)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(_begun(texts), media_type="text/plain; charset=utf-8", headers=headers)


def _begun(texts: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, of which the first was read: what is erased is refused before an answer begins."""
    first = next(texts, b"")

    def run() -> Iterator[bytes]:
        yield first
        yield from texts

    return run()


@router.delete("/{session_id:path}/texts", response_model=SessionErased)
def erase_texts(access: Writer, session_id: str) -> dict[str, Any]:
    """Destroy the prompts and the transcript of a session and of its tree, for ever; claims stay.

    For the session's own actor, and for administrators of the repository. `left` are sessions below that are
    other actors' and keep their texts.
    """
    session = list_of(access).get(session_id)
    is_own = session.actor == access.principal.actor.name
    if not is_own and not access.principal.may(Verb.ADMIN, access.repository.record.name):
        raise Denied(
            f"session {session_id!r} is {session.actor}'s", hint="its actor or an administrator may erase it"
        )
    erased = erase_session(access.services.hosting, access.repository.record.id, session_id, access.principal)
    access.services.runner.wake(access.repository.record.id)
    return {"erased": erased, "left": list_of(access).list_left(erased)}


@router.get("/{session_id:path}", response_model=SessionDetails)
def show_session(access: Reader, session_id: str) -> dict[str, Any]:
    """A session: whose, its tree, what it cost, which files its tools named; without prompts."""
    return describe(access, list_of(access).get(session_id))
