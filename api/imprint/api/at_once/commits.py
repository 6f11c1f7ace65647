"""Commits on the short way: one thread, once, for what the routes would take four of.

Invariants:
    1. It stands behind the gate, and does what the route does, by the route's own function.
    2. Until the commit is begun it only ever says yes: a request that is malformed or may not be made goes
       the long way with the same bytes, and is refused there. What the commit itself is refused for is said
       as the routes say it; nothing is done twice.
    3. Only requests of a known, small size are read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from imprint.api.at_once.gathering import Asked, Gathering
from imprint.api.body import receive_whole
from imprint.api.refusal import refuse
from imprint.api.services import get_services
from imprint.store.errors import ProtocolError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BYTES_MAX: Final = 256 * 1024
"""Of a request: what an agent changes at once, and what may wait in memory for each connection."""
_ADDRESS: Final = re.compile(r"/api/repos/([^/]+)/([^/]+)/commits\Z")


class CommitsAtOnce:
    """ASGI middleware: commits from files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gathering = Gathering()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Commit, or let the request pass as it came."""
        address = _ADDRESS.match(scope["path"]) if scope["type"] == "http" else None
        request = Request(scope) if address else None
        if address is None or request is None or not is_small_commit(request):
            await self._app(scope, receive, send)
            return
        try:
            body = await receive_whole(receive, get_services(request).settings.first_byte_seconds_max)
        except ProtocolError as late:
            await refuse(request, late)(scope, receive, send)
            return
        response = await self._gathering.answer(Asked(request, address[1], address[2], body))
        if response is None:
            await self._app(scope, replay(body, receive), send)
        else:
            await response(scope, receive, send)


def is_small_commit(request: Request) -> bool:
    """Whether it brings JSON of a known, small size."""
    headers = request.headers
    length = headers.get("content-length", "")
    return (
        request.method == "POST"
        and headers.get("content-type") == "application/json"
        and length.isdigit()
        and int(length) <= BYTES_MAX
    )


def replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for whoever reads it next; then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
