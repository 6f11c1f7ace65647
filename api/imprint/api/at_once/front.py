"""Fetches on the short way: what is at hand is told on the event loop, the rest takes one thread once.

Invariants:
    1. It stands behind the gate, and asks what the routes ask: the token's scope, the repository's name and
       hidden refs of this moment, see `imprint.store.catalog.kept.at_hand`. It only ever says yes: what would
       be refused goes the long way and is refused there.
    2. On the loop nothing waits and nothing is long: refs are told if the answer is kept, or has at most
       `NAMES_MAX` lines; a fetch if the answer to the same bytes is kept. Such an answer takes no slot of the
       queue: it is there before a slot could be.
    3. A client that takes nothing of an answer is hung up on after `stall_seconds_max`, as everywhere.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from anyio import to_thread
from starlette.requests import Request

from imprint.api.at_once.pushes import answer_push, is_push
from imprint.api.auth import MOMENT
from imprint.api.body import receive_whole
from imprint.api.git_http import (
    AHEAD_BYTES,
    UNCACHED,
    answer_fetch,
    media_type,
    read_protocol_version,
)
from imprint.api.services import get_services, open_access
from imprint.store.actors import Verb
from imprint.store.catalog.kept.at_hand import NotAtHand, only_at_hand
from imprint.store.errors import ProtocolError, StoreError
from imprint.store.transport.upload_pack import PROTOCOL_VERSION, advertise_upload
from imprint.store.transport.v2.at_hand import find_refs_answer
from imprint.store.transport.v2.kept import find_fetch_answer, name_request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from imprint.api.services import Access

NAMES_MAX: Final = 200
"""Lines that are made on the loop, in less than a millisecond."""
_SERVICE: Final = "git-upload-pack"
_ADDRESS: Final = re.compile(r"/([^/]+)/([^/]+)/(info/refs|git-upload-pack|git-receive-pack)\Z")
_SENT_BYTES: Final = 512 * 1024
"""How much is handed to the connection at once."""
_UNCACHED: Final = tuple((name.lower().encode(), value.encode()) for name, value in UNCACHED.items())


class AtOnce:
    """ASGI middleware: the two requests of protocol version 2 that listing and fetching consist of.

    Those of a push come past here too, see `imprint.api.at_once.pushes`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the request pass as it came."""
        address = _ADDRESS.match(scope["path"]) if scope["type"] == "http" else None
        if address is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        owner, repo, what = address.groups()
        if is_push(request, what):
            await (await answer_push(request, owner, repo, what))(scope, receive, send)
            return
        access = None
        if is_advertisement(request, what) or is_small_fetch(request, what):
            access = await find_access(request, owner, repo)
        if access is None:
            await self._app(scope, receive, send)
        elif what == "info/refs":
            body = advertise_upload(access.repository, PROTOCOL_VERSION)
            await tell(request, send, media_type(_SERVICE, "advertisement"), body)
        else:
            await self._fetch(request, access, receive, send)

    async def _fetch(self, request: Request, access: Access, receive: Receive, send: Send) -> None:
        try:
            body = await receive_whole(receive, access.services.settings.first_byte_seconds_max)
        except ProtocolError as late:
            await answer_fetch(request, access).refuse(late, send)
            return
        encoding = request.headers.get("content-encoding", "")
        asked = name_request(body, encoding)
        try:
            with only_at_hand():
                answer = None if encoding else find_refs_answer(access.repository, body, NAMES_MAX)
                answer = answer or find_fetch_answer(access.repository, asked)
        except (NotAtHand, StoreError):
            answer = None
        if answer is None:
            await answer_fetch(request, access, asked).answer_whole(body, receive, send)
        else:
            await tell(request, send, media_type(_SERVICE, "result"), answer)


def is_advertisement(request: Request, what: str) -> bool:
    """Whether a client asks what the server can do, before it asks for refs."""
    return (
        what == "info/refs"
        and request.method == "GET"
        and request.scope["query_string"] == b"service=git-upload-pack"
        and read_protocol_version(request) == PROTOCOL_VERSION
    )


def is_small_fetch(request: Request, what: str) -> bool:
    """Whether it is a command with a body of a known, small size."""
    headers = request.headers
    length = headers.get("content-length", "")
    return (
        what == _SERVICE
        and request.method == "POST"
        and headers.get("content-type") == media_type(_SERVICE, "request")
        and length.isdigit()
        and int(length) <= AHEAD_BYTES
        and read_protocol_version(request) == PROTOCOL_VERSION
    )


async def find_access(request: Request, owner: str, repo: str) -> Access | None:
    """What the gate's principal may read, asked in a thread where it is not at hand; None if it may not."""
    open_repository = partial(open_access, request, owner, repo, Verb.READ)
    try:
        with only_at_hand(request.scope.get(MOMENT)):
            return open_repository()
    except NotAtHand:
        pass
    except StoreError:
        return None
    try:
        return await to_thread.run_sync(open_repository, limiter=get_services(request).gate_limiter)
    except StoreError:
        return None


async def tell(request: Request, send: Send, kind: str, body: bytes) -> None:
    """Send an answer that is there, as fast as the client takes it."""
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body)), *_UNCACHED]
    seconds = get_services(request).settings.stall_seconds_max
    async with asyncio.timeout(seconds) as patience:
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        for at in range(0, len(body), _SENT_BYTES) or (0,):
            more = at + _SENT_BYTES < len(body)
            piece = body if not (at or more) else body[at : at + _SENT_BYTES]
            if at:
                patience.reschedule(asyncio.get_running_loop().time() + seconds)
            await send({"type": "http.response.body", "body": piece, "more_body": more})
