"""Git's smart HTTP protocol (https://git-scm.com/docs/http-protocol), over `imprint.store.transport`.

Invariants:
    1. A pack is never whole in memory: bodies and answers are streams, see `imprint.api.body`.
    2. Only a request with Git's own content type reaches the store: a browser cannot send that from a foreign
       page.
    3. An answer that fails before its first byte has the error's status; one that fails later is cut off, so
       that no client takes it for whole.
    4. A request has a slot of `imprint.api.running.fair` while it is worked on, to the end of that: a fetch
       when its request is there (or `AHEAD_BYTES` of a large one), a push from its first byte. A slow client
       holds a thread besides only while the server works or waits for its upload. Refs that are at hand need
       no slot: see `imprint.api.at_once`.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Annotated, BinaryIO, Final, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from imprint.api.body import BodyFeed, Chunks, WholeBody, open_body
from imprint.api.errors import BadRequest, WrongMediaType
from imprint.api.refusal import refuse
from imprint.api.services import Access, Services, get_principal, get_services, open_access
from imprint.store.actors import Verb
from imprint.store.errors import ProtocolError, StoreError
from imprint.store.plumbing import CHILD_NICENESS
from imprint.store.transport.receive_pack import advertise_receive, serve_receive
from imprint.store.transport.recent import find_recent_tips
from imprint.store.transport.upload_pack import advertise_upload, serve_upload

_LOGGER: Final = logging.getLogger("imprint.api")
router: Final = APIRouter(tags=["git"])

UNCACHED: Final = {
    "Cache-Control": "no-cache, max-age=0, must-revalidate",
    "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "Pragma": "no-cache",
}
"""What git-http-backend(1) sends, for the caches of then and now."""
_VERSION_MAX: Final = 2
AHEAD_BYTES: Final = 256 * 1024
"""How much of a fetch request is waited for without a slot; most are smaller by far."""
_PATIENCE_SECONDS: Final = 0.02
"""How long the first lines of an answer wait for the pack behind them."""

Made = TypeVar("Made")
Serve = Callable[[BinaryIO], Iterator[bytes]]


@router.get("/{owner}/{repo}/info/refs", summary="Advertise refs or capabilities to git")
async def info_refs(
    request: Request, owner: str, repo: str, service: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """The first request of every clone, fetch and push."""
    services = get_services(request)
    async with services.git_queue.slot(get_principal(request).actor.name):
        advertise = partial(_advertise, request, owner, repo, service)
        return await to_thread.run_sync(advertise, limiter=services.git_limiter)


def _advertise(request: Request, owner: str, repo: str, service: str) -> Response:
    verb = Verb.WRITE if service == "git-receive-pack" else Verb.READ
    access = open_access(request, owner, repo, verb)
    match service:
        case "git-upload-pack":
            advertisement = advertise_upload(access.repository, read_protocol_version(request))
        case "git-receive-pack":
            limits = access.services.hosting.limits
            advertisement = advertise_receive(access.repository, limits, read_protocol_version(request))
        case _:
            raise BadRequest(
                f"{service[:40]!r} is no git service", hint="only smart HTTP is served: use git 1.6.6 on"
            )
    return Response(advertisement, media_type=media_type(service, "advertisement"), headers=UNCACHED)


@router.post("/{owner}/{repo}/git-upload-pack", summary="Serve a clone or fetch")
def upload_pack(request: Request, owner: str, repo: str) -> Response:
    """Answer a command of protocol version 2, or one round of an older version."""
    return answer_fetch(request, open_access(request, owner, repo, Verb.READ))


def answer_fetch(request: Request, access: Access, asked: str = "") -> "GitAnswer":
    """The answer to a fetch of somebody who may read the repository; `asked` is as in `serve_upload`."""
    hosting, repository = access.services.hosting, access.repository
    protocol = read_protocol_version(request)

    def serve(body: BinaryIO) -> Iterator[bytes]:
        recent_tips = partial(find_recent_tips, hosting, repository)
        return serve_upload(repository, body, hosting.limits, recent_tips, protocol, asked)

    return GitAnswer(request, "git-upload-pack", access.services.settings.negotiation_bytes_max, serve)


@router.post("/{owner}/{repo}/git-receive-pack", summary="Take in a push")
def receive_pack(request: Request, owner: str, repo: str) -> Response:
    """Take in a push: every accepted ref has landed when the answer says so."""
    access = open_access(request, owner, repo, Verb.WRITE)
    limits = access.services.hosting.limits

    def serve(body: BinaryIO) -> Iterator[bytes]:
        return serve_receive(access.repository, access.principal, body, access.services.receiver)

    return GitAnswer(request, "git-receive-pack", limits.pack_bytes_max + limits.command_bytes_max, serve)


def read_protocol_version(request: Request) -> int:
    """The newest version that the client asks for in `Git-Protocol`: a list such as `version=2:foo`."""
    wished = [
        int(value)
        for key, _, value in (
            part.partition("=") for part in request.headers.get("git-protocol", "").split(":")
        )
        if key == "version" and value.isascii() and value.isdigit() and len(value) == 1
    ]
    return max((version for version in wished if version <= _VERSION_MAX), default=0)


def media_type(service: str, what: str) -> str:
    """Of a request, result or advertisement of a service (gitprotocol-http(5))."""
    return f"application/x-{service}-{what}"


def verify_content_type(request: Request, service: str) -> None:
    """Check that the body is what git sends to this service.

    Raises:
        WrongMediaType: it says that it is something else.
    """
    wanted = media_type(service, "request")
    if request.headers.get("content-type") != wanted:
        raise WrongMediaType(f"the content type must be {wanted}")


class GitAnswer(Response):
    """An answer that is made while it is sent, from a body that is read while it arrives."""

    def __init__(self, request: Request, service: str, body_bytes_max: int, serve: Serve) -> None:
        verify_content_type(request, service)
        super().__init__(media_type=media_type(service, "result"), headers=UNCACHED)
        del self.headers["content-length"]
        self._request = request
        self._services: Services = get_services(request)
        self._service = service
        self._is_fetch = service == "git-upload-pack"
        self._body_bytes_max = body_bytes_max
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; stop when the client goes away."""
        del scope
        settings = self._services.settings
        feed = BodyFeed(
            receive, settings.first_byte_seconds_max if self._is_fetch else settings.stall_seconds_max
        )
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await feed.run()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                await self._answer(feed, send)
            finally:
                feed.close()
                group.cancel_scope.cancel()

    async def answer_whole(self, body: bytes, receive: Receive, send: Send) -> None:
        """Serve a fetch whose body has come: in one go, where the answer is small too."""
        chunks = Chunks(lambda: self._serve(self._open(WholeBody(body))))

        async def stream(first: bytes) -> None:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._stream(first, chunks, send)
                group.cancel_scope.cancel()

        await self._answer_in_slot(chunks, send, stream)

    async def _answer(self, feed: BodyFeed, send: Send) -> None:
        """Serve from what has come to the end of the work, whatever became of the client."""
        chunks = Chunks(lambda: self._serve(self._open(feed)), feed.close)
        patience = self._services.settings.first_byte_seconds_max
        try:
            await feed.arrive(AHEAD_BYTES if self._is_fetch else 1, patience)
        except ProtocolError as late:
            await self.refuse(late, send)
            return
        await self._answer_in_slot(chunks, send, lambda first: self._stream(first, chunks, send))

    async def _answer_in_slot(
        self, chunks: Chunks, send: Send, stream: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Begin the work when it is the actor's turn; `stream` is given what is not the whole answer."""
        queue, actor = self._services.git_queue, get_principal(self._request).actor.name
        patience = _PATIENCE_SECONDS if self._is_fetch else 0.0
        try:
            async with queue.slot(actor):
                CHILD_NICENESS.set(queue.find_niceness(actor))
                try:
                    first = await self._in_thread(partial(chunks.gather, patience))
                    if chunks.has_ended:
                        await self._send_whole(first, send)
                    else:
                        await stream(first)
                finally:
                    if not chunks.has_ended:
                        with anyio.CancelScope(shield=True):
                            await self._in_thread(chunks.close)
        except StoreError as refused:
            await self.refuse(refused, send)

    def _open(self, feed: BodyFeed | WholeBody) -> BinaryIO:
        encoding = self._request.headers.get("content-encoding", "")
        return open_body(feed, encoding, self._body_bytes_max)

    async def _send_whole(self, answer: bytes, send: Send) -> None:
        with anyio.fail_after(self._services.settings.stall_seconds_max):
            await self._begin(send, (b"content-length", b"%d" % len(answer)))
            await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _begin(self, send: Send, *more: tuple[bytes, bytes]) -> None:
        headers = [*self.raw_headers, *more]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})

    async def _stream(self, chunk: bytes, chunks: Chunks, send: Send) -> None:
        """Send what was gathered first, and all that follows."""
        await self._begin(send)
        while chunk:
            with anyio.fail_after(self._services.settings.stall_seconds_max):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                chunk = b"" if chunks.has_ended else await self._in_thread(chunks.gather)
            except StoreError as failed:
                _LOGGER.warning("answer cut off service=%s code=%s", self._service, failed.code)
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, error: StoreError, send: Send) -> None:
        """Say what is wrong, in place of an answer of which nothing has been sent."""
        response = await to_thread.run_sync(refuse, self._request, error)
        await response(self._request.scope, self._request.receive, send)

    async def _in_thread(self, work: Callable[[], Made]) -> Made:
        return await to_thread.run_sync(work, limiter=self._services.git_limiter)
