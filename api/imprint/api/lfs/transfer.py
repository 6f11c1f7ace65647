"""The content of a large object: sent with PUT, fetched with GET, whole or from where it was cut off.

Invariants:
    1. An object is never whole in memory.
    2. PUT is answered with 200 when the object is durable and the repository has it; with anything else,
       nothing of it is kept that a client could get.
    3. GET sends the length first: an answer that is cut off is never taken for whole.
    4. A client that goes away ends the work for it.
"""

import re
from functools import partial
from typing import BinaryIO, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from imprint.api.body import BodyFeed, open_body
from imprint.api.refusal import refuse
from imprint.api.rest.access import Reader, Writer
from imprint.api.services import Access
from imprint.store.errors import PushRefused, StoreError
from imprint.store.lfs.pointer import LargeObjectId
from imprint.store.lfs.ports import COPY_BYTES

router: Final = APIRouter(prefix="/{owner}/{repo}/info/lfs/objects", tags=["lfs"])

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")
_NEVER_MS: Final = 2**63
_PARTIAL: Final = 206
_UNSATISFIABLE: Final = 416


@router.put("/{oid}", summary="Take in a large object")
def put_object(request: Request, access: Writer, oid: str) -> Response:
    """Keep the body as the object with this id, if it is that."""
    return Upload(request, access, LargeObjectId.parse(oid))


@router.get("/{oid}", summary="Send a large object")
def get_object(request: Request, access: Reader, oid: str) -> Response:
    """The content, or the range of it that is asked for (RFC 9110, section 14)."""
    large, content = access.services.hosting.lfs.open(access.repository.record.id, LargeObjectId.parse(oid))
    etag = f'"{large.oid}"'
    asked = request.headers.get("range", "") if request.headers.get("if-range", etag) == etag else ""
    wanted = read_range(asked, large.size_bytes)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if wanted is None:
        return Download(access, content, range(large.size_bytes), headers)
    if not wanted:
        content.close()
        return Response(
            status_code=_UNSATISFIABLE, headers={**headers, "Content-Range": f"bytes */{large.size_bytes}"}
        )
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{large.size_bytes}"
    return Download(access, content, wanted, headers)


def read_range(asked: str, size_bytes: int) -> range | None:
    """The bytes that a `Range` header asks for; empty when there are none there, None to send everything.

    Several ranges in one request are not served: the whole is the answer to them, as RFC 9110 allows.
    """
    found = _RANGE.match(asked.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size_bytes - int(last)), size_bytes)
    end = min(size_bytes, int(last) + 1) if last else size_bytes
    if last and int(last) < int(first):
        return None
    return range(int(first), end) if int(first) < size_bytes else range(0)


class Upload(Response):
    """The answer to an object that is kept while it arrives."""

    def __init__(self, request: Request, access: Access, oid: LargeObjectId) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        self._request = request
        self._access = access
        self._oid = oid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the body; stop when the client goes away."""
        services = self._access.services
        feed = BodyFeed(receive, services.settings.stall_seconds_max)
        async with anyio.create_task_group() as group:
            group.start_soon(feed.run)
            try:
                await feed.arrive(1, services.settings.first_byte_seconds_max)
                async with services.git_queue.slot(self._access.principal.actor.name):
                    take_in = partial(self._take_in, feed)
                    await to_thread.run_sync(take_in, limiter=services.git_limiter)
                answer: Response = Response(headers=self.headers)
            except StoreError as refused:
                answer = await to_thread.run_sync(refuse, self._request, refused)
            finally:
                feed.close()
            await answer(scope, receive, send)
            group.cancel_scope.cancel()

    def _take_in(self, feed: BodyFeed) -> None:
        access, headers = self._access, self._request.headers
        hosting = access.services.hosting
        encoding = headers.get("content-encoding", "")
        announced = headers.get("content-length") if not encoding else None
        with open_body(feed, encoding, hosting.limits.lfs_object_bytes_max) as body:
            hosting.lfs.put(
                access.repository.record.id,
                (self._oid, int(announced) if announced is not None else None),
                body,
                access.principal.actor.name,
                partial(verify_token_stands, access),
            )


class Download(Response):
    """A part of an object, read while it is sent."""

    def __init__(self, access: Access, content: BinaryIO, wanted: range, headers: dict[str, str]) -> None:
        status = _PARTIAL if "Content-Range" in headers else 200
        super().__init__(None, status, headers, "application/octet-stream")
        self.headers["Content-Length"] = str(len(wanted))
        self._services = access.services
        self._content = content
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; stop when the client goes away."""
        del scope
        with self._content:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._stream(send)
                group.cancel_scope.cancel()

    async def _stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._content.seek(self._wanted.start)
        left = len(self._wanted)
        while left:
            read = partial(self._content.read, min(left, COPY_BYTES))
            chunk = await to_thread.run_sync(read, limiter=self._services.git_limiter)
            if not chunk:
                return  # the file was cut short: the length sent before tells the client
            left -= len(chunk)
            with anyio.fail_after(self._services.settings.stall_seconds_max):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def verify_token_stands(access: Access) -> None:
    """Check that a token is still good after a long upload.

    Raises:
        PushRefused: it has ended meanwhile.
    """
    hosting = access.services.hosting
    token = hosting.catalogue.find_token(access.principal.token.secret_hash)
    ends_at_ms = min(token.expires_at_ms or _NEVER_MS, token.revoked_at_ms or _NEVER_MS) if token else 0
    if ends_at_ms <= hosting.clock.now_ms():
        raise PushRefused("the token ended during the upload", rule="token-ended")
