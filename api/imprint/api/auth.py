"""The gate: nobody gets past it without a token, except to the few addresses that tell nothing.

The token is a Bearer credential or the password of HTTP Basic; the user name is ignored. Git AI's client
sends it as `X-API-Key`, and may send a Bearer credential of another service beside it. It is judged anew in
every request, so that a revoked token ends at once; what is known of it is kept only while nobody commits.

Invariants:
    1. Whatever is not in `PUBLIC` or below `/static/` needs a token that is valid now.
    2. No body is read before the token was checked, and none is read beyond its bound.
    3. A token in a query is refused, whether or not it is valid, and reaches no log.
    4. A pass of an SSH client opens the addresses of Git LFS and no others.
    5. A request that changes something and that a browser sends for another site is refused: browsers add
       Basic credentials to those by themselves.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from anyio import to_thread
from starlette.requests import Request

from imprint.api.body import bound_receive, verify_size
from imprint.api.errors import ForeignOrigin, TokenInUrl
from imprint.api.refusal import is_git, is_git_ai, is_lfs, is_lfs_content, refuse
from imprint.api.services import get_services
from imprint.store.actors import TOKEN_PREFIX
from imprint.store.catalog.kept.at_hand import NotAtHand, only_at_hand
from imprint.store.errors import StoreError, Unauthenticated
from imprint.store.hosting.passes import is_pass

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PUBLIC: Final = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
MOMENT: Final = "imprint.moment"
"""Where a request's scope has the moment of the catalogue that the gate asked; good until the loop turns."""
_STATIC: Final = "/static/"
_COMMITS: Final = re.compile(r"\A/api/repos/[^/]+/[^/]+/commits\Z")
_SESSIONS: Final = re.compile(r"^/api/repos/[^/]+/[^/]+/sessions$")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN: Final = re.compile(rf"{TOKEN_PREFIX}[0-9A-Za-z]{{20}}")
_TOKEN_PARAMETERS: Final = frozenset({"access_token", "private_token", "token"})
"""Names under which other servers take a token in the query."""
_HARMLESS: Final = frozenset({b"", b"service=git-upload-pack", b"service=git-receive-pack"})
"""Queries of nearly all requests, which need not be parsed."""


class Gate:
    """ASGI middleware that puts a `Principal` into the request's state, or refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        path: str = scope["path"]
        try:
            verify_address(request)
            verify_origin(request)
            if not is_public(path):
                await self._admit(request, path)
            bytes_max = body_bytes_max(request, path)
            verify_size(int(request.headers.get("content-length", "0")), bytes_max)
        except StoreError as refused:
            limiter = get_services(request).gate_limiter
            response = await to_thread.run_sync(refuse, request, refused, limiter=limiter)
            await response(scope, receive, send)
            return
        await self._app(scope, bound_receive(receive, bytes_max), send)

    async def _admit(self, request: Request, path: str) -> None:
        services = get_services(request)
        key = request.headers.get("x-api-key") if is_git_ai(path) else None
        secret = key or read_secret(request.headers.get("authorization"))
        hosting = services.hosting
        is_passing = is_lfs(path) and is_pass(secret)
        admit = hosting.passes.admit if is_passing else hosting.authenticate
        try:
            with only_at_hand() as moment:
                request.state.principal = admit(secret)
            request.scope[MOMENT] = moment
        except NotAtHand:
            request.state.principal = await to_thread.run_sync(admit, secret, limiter=services.gate_limiter)


def body_bytes_max(request: Request, path: str) -> int:
    """How large the body of a request may be; git's own are bounded more closely where they are read."""
    services = get_services(request)
    limits, settings = services.hosting.limits, services.settings
    if is_git(path):
        return limits.pack_bytes_max + limits.command_bytes_max + settings.negotiation_bytes_max
    if is_lfs_content(path):
        return limits.lfs_object_bytes_max
    if is_git_ai(path):
        return settings.notes_bytes_max
    if request.method == "POST" and _SESSIONS.search(path):
        return settings.session_bytes_max
    if _COMMITS.search(path):
        return 2 * limits.commit_bytes_max + settings.json_bytes_max  # base64, and JSON's escapes
    return settings.json_bytes_max


def is_public(path: str) -> bool:
    """Whether an address is open to everybody."""
    return path in PUBLIC or path.startswith(_STATIC)


def read_secret(authorization: str | None) -> str:
    """The token's secret out of an `Authorization` header (RFC 6750, RFC 7617).

    Raises:
        Unauthenticated: there is none, or it cannot be read.
    """
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    credentials = credentials.strip()
    match scheme.lower():
        case "bearer" if credentials:
            return credentials
        case "basic":
            return _read_password(credentials)
        case "":
            raise Unauthenticated(
                "no token was sent", hint="send a token as the password, or as a bearer token"
            )
        case _:
            raise Unauthenticated("the token was sent in an unknown way", hint="use Bearer or Basic")


def _read_password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("utf-8", "surrogateescape")
    except ValueError:  # no Base64, or not even ASCII
        decoded = ""
    _, _, password = decoded.partition(":")
    if not password:
        raise Unauthenticated("no token was sent", hint="the token is the password; any user name will do")
    return password


def verify_address(request: Request) -> None:
    """Check that no token is in the query.

    Raises:
        TokenInUrl: one is, or what looks like one.
    """
    if request.scope["query_string"] in _HARMLESS:
        return
    query = request.query_params
    if _TOKEN_PARAMETERS.intersection(query) or any(_TOKEN.search(value) for value in query.values()):
        raise TokenInUrl


def verify_origin(request: Request) -> None:
    """Check that a request that changes something comes from our own pages, or from no page at all.

    Raises:
        ForeignOrigin: a browser says that another site sent it.
    """
    if request.method in _SAFE_METHODS:
        return
    is_foreign = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    if (origin := request.headers.get("origin")) is not None:
        public = get_services(request).settings.public_url.partition("://")[2]
        own = {host for host in (request.headers.get("host"), public) if host}
        is_foreign = is_foreign or origin.partition("://")[2] not in own
    if is_foreign:
        raise ForeignOrigin("another site may not change anything here through your browser")
