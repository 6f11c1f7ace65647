"""Requests and answers as streams between the event loop and code that blocks.

A request's body is a file for the code that reads it, an answer is an iterator of that code; both run in
threads, and neither is ever whole in memory.

Invariants:
    1. Between client and reader wait at most `QUEUE_BYTES` and a chunk: a slow reader slows the client.
    2. A body larger than its bound, compressed or inflated, ends in `LimitExceeded`; one that was cut off, in
       `ProtocolError`; never in an end of file that looks regular.
    3. `arrive` waits on the event loop, without a thread; what came is read afterwards, in its order.
    4. When the client goes away, the iterator is closed and the reader is told.
    5. No thread waits for the event loop: it could wait for ever, for a loop that has ended.
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
import zlib
from collections.abc import Generator
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from imprint.api.errors import WrongMediaType
from imprint.store.errors import LimitExceeded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer
    from starlette.types import Message, Receive

QUEUE_BYTES: Final = 1024**2
"""uvicorn's chunks have at most 64 KiB or so: little more than this waits."""
READ_BYTES: Final = 256 * 1024
"""How much the buffered file asks for at once."""
GATHERED_BYTES_MAX: Final = 512 * 1024
BULK_BYTES: Final = 16 * 1024
"""A chunk of this size is pack data, and more follows at once; a smaller one is a message that goes now."""
_GONE: Final = "the client went away in the middle of its request"
_GZIP: Final = 16 + zlib.MAX_WBITS
"""zlib's way to say "a gzip header, the largest window"."""


class BodyFeed:
    """The event loop's end of a body: takes it from the client, as fast as it is read.

    A reader waits for bytes under a lock, not for the loop, which may have ended.
    """

    def __init__(self, receive: Receive, stall_seconds_max: float) -> None:
        self._receive = receive
        self._stall_seconds_max = stall_seconds_max
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Condition()
        self._waiting = bytearray()
        self._is_whole = False
        """Whether the client has sent all of it."""
        self._is_over = False
        """Whether nothing more will come, for whichever reason."""
        self._moved = asyncio.Event()
        """Something came, or was taken; for those who wait on the loop."""

    async def run(self) -> None:
        """Hand over the body; then wait until the client goes away."""
        try:
            while not self._is_whole:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    return
                self._put(message.get("body", b""), is_last=not message.get("more_body", False))
                await self._wait_until(self._has_room)
        finally:
            self._end()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _put(self, chunk: bytes, *, is_last: bool) -> None:
        with self._lock:
            self._waiting += chunk
            self._is_whole = is_last
            if chunk:
                self._lock.notify_all()
        if chunk:
            self._moved.set()

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        self._moved.set()

    def _has_room(self) -> bool:
        return len(self._waiting) < QUEUE_BYTES or self._is_over

    async def _wait_until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    async def arrive(self, bytes_min: int, seconds_max: float) -> None:
        """Wait until so much has come (at most `QUEUE_BYTES`), or the whole body.

        At least one byte comes in each `seconds_max`.

        Raises:
            ProtocolError: the client went away, or sent nothing for too long.
        """
        while (before := len(self._waiting)) < bytes_min and not self._is_over:
            try:
                async with asyncio.timeout(seconds_max):
                    await self._wait_until(lambda: len(self._waiting) > before or self._is_over)
            except TimeoutError:
                raise ProtocolError(f"the request stood still for {seconds_max:g} s") from None
        if len(self._waiting) < bytes_min and not self._is_whole:
            raise ProtocolError(_GONE)

    def close(self) -> None:
        """Give up what has not come: whoever reads is told. From any thread."""
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        self._tell_loop()

    def read_some(self) -> bytes | bytearray:
        """What has come, at least one byte; nothing at the end. Called from a thread, and waits.

        Raises:
            ProtocolError: the client went away, or sent nothing for too long.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self._waiting or self._is_over, self._stall_seconds_max):
                raise ProtocolError(f"the request stood still for {self._stall_seconds_max:g} s")
            taken, self._waiting = self._waiting, bytearray()
            if not taken and not self._is_whole:
                raise ProtocolError(_GONE)
        if len(taken) >= QUEUE_BYTES:
            self._tell_loop()
        return taken

    def _tell_loop(self) -> None:
        with suppress(RuntimeError):  # it is closed, and nobody waits on it
            self._loop.call_soon_threadsafe(self._moved.set)


class BodyFile(io.RawIOBase):
    """The code's end of a body: a file that can be read once, from front to back."""

    def __init__(self, feed: BodyFeed | WholeBody, bytes_max: int) -> None:
        super().__init__()
        self._feed = feed
        self._bytes_max = bytes_max
        self._read_bytes = 0
        self._pending = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer with what has come; 0 at the end.

        Raises:
            LimitExceeded: the body is larger than its bound.
            ProtocolError: it was cut off.
        """
        target = memoryview(buffer).cast("B")
        if not self._pending:
            self._pending = memoryview(self._read_more())
            self._read_bytes += len(self._pending)
            verify_size(self._read_bytes, self._bytes_max)
        count = min(len(target), len(self._pending))
        target[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _read_more(self) -> bytes | bytearray:
        """The next part of the body; nothing at its end."""
        return self._feed.read_some()


class InflatedFile(BodyFile):
    """The same of a body in gzip (RFC 1952); the bound is on what it inflates to."""

    def __init__(self, feed: BodyFeed | WholeBody, bytes_max: int) -> None:
        super().__init__(feed, bytes_max)
        self._inflate = zlib.decompressobj(_GZIP)
        self._packed: bytes | bytearray = b""

    def _read_more(self) -> bytes:
        while not self._inflate.eof:
            packed = self._packed or self._feed.read_some()
            if not packed:
                raise ProtocolError("the gzip stream of the request was cut off")
            try:
                inflated = self._inflate.decompress(packed, READ_BYTES)
            except zlib.error as damaged:
                raise ProtocolError(f"the request is not gzip: {damaged}") from damaged
            self._packed = self._inflate.unconsumed_tail
            if self._inflate.unused_data:
                raise ProtocolError("something follows the gzip stream of the request")
            if inflated:
                return inflated
        return b""


async def receive_whole(receive: Receive, seconds_max: float) -> bytes:
    """A body that is known to be small. Some of it comes in each `seconds_max`.

    Raises:
        ProtocolError: the client went away, or sent nothing for too long.
    """
    chunks = []
    while True:
        try:
            async with asyncio.timeout(seconds_max):
                message = await receive()
        except TimeoutError:
            raise ProtocolError(f"the request stood still for {seconds_max:g} s") from None
        if message["type"] == "http.disconnect":
            raise ProtocolError(_GONE)
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def bound_receive(receive: Receive, bytes_max: int) -> Receive:
    """The same stream of messages, which fails with status 413 where the body passes its bound."""
    read_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal read_bytes
        message = await receive()
        read_bytes += len(message.get("body", b""))
        if read_bytes > bytes_max:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_bounded


def verify_size(size_bytes: int, bytes_max: int) -> None:
    """Check a body against its bound.

    Raises:
        LimitExceeded: it is larger.
    """
    if size_bytes > bytes_max:
        raise LimitExceeded(f"the request has more than {bytes_max} bytes", limit="request body")


class WholeBody:
    """A body that has come, in the place of a feed."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read_some(self) -> bytes:
        """All of it; nothing afterwards."""
        body, self._body = self._body, b""
        return body


def open_body(feed: BodyFeed | WholeBody, encoding: str, bytes_max: int) -> io.BufferedReader:
    """The body as a buffered file.

    Args:
        feed: where it comes from.
        encoding: the request's `Content-Encoding`; empty for none.
        bytes_max: bound on its size after decoding.

    Raises:
        WrongMediaType: the encoding is not one that git uses.
    """
    match encoding.strip().lower():
        case "" | "identity":
            raw = BodyFile(feed, bytes_max)
        case "gzip" | "x-gzip":
            raw = InflatedFile(feed, bytes_max)
        case unknown:
            raise WrongMediaType(
                f"content encoding {unknown[:40]!r} is not understood", hint="send gzip or none"
            )
    return io.BufferedReader(raw, READ_BYTES)


class Chunks:
    """An answer that blocking code makes, taken in pieces worth a trip to a thread.

    Args:
        start: begins the work.
        interrupt: called when the work is to end early: what it waits for does not come.
    """

    def __init__(
        self, start: Callable[[], Iterator[bytes]], interrupt: Callable[[], None] = lambda: None
    ) -> None:
        self._start = start
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._chunks: Iterator[bytes] | None = None
        self.has_ended = False
        """Whether all has been given."""

    def gather(self, patience_seconds: float = 0.0) -> bytes:
        """The next piece, starting the work at the first call; nothing at the end. Called from a thread.

        Args:
            patience_seconds: how long a message that could go now may be held back for what follows it. It
                is longer only if what follows takes longer.
        """
        with self._lock:
            return self._gather(patience_seconds)

    def _gather(self, patience_seconds: float) -> bytes:
        if self._chunks is None:
            self._chunks = self._start()
        gathered = []
        size_bytes = 0
        until = time.monotonic() + patience_seconds
        for chunk in self._chunks:
            gathered.append(chunk)
            size_bytes += len(chunk)
            is_message = 0 < len(chunk) < BULK_BYTES
            if size_bytes >= GATHERED_BYTES_MAX or (is_message and time.monotonic() >= until):
                break
        else:
            self.has_ended = True
        return b"".join(gathered)

    def close(self) -> None:
        """End the work, finished or not. Waits for a `gather` that nobody waits for any more."""
        self._interrupt()
        with self._lock:
            if isinstance(self._chunks, Generator):
                self._chunks.close()
