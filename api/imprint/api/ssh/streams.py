"""The two streams of a git command over SSH, between the event loop and the thread that works.

Invariants:
    1. Of what a client sends, at most `WAITING_BYTES_MAX` and SSH's own window wait: a slow reader slows the
       client.
    2. Of what is sent to a client, at most `WAITING_BYTES_MAX`, one piece in the channel and what a socket
       takes wait: a slow client slows the writer.
    3. A client that went away or stands still ends both in `ProtocolError`, never in an end of file that
       looks regular.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from imprint.store.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

WAITING_BYTES_MAX: Final = 1024**2
SENT_BYTES: Final = 128 * 1024
"""What is given to a channel at once."""


class Inlet(io.RawIOBase):
    """What the client sends: fed on the event loop, read as a file by a thread.

    Args:
        stall_seconds_max: how long a read waits.
        pause: stops the client; called on the loop.
        resume: lets it go on; called by the thread.
    """

    def __init__(
        self, stall_seconds_max: float, pause: Callable[[], None], resume: Callable[[], None]
    ) -> None:
        super().__init__()
        self.stall_seconds_max = stall_seconds_max
        self._pause = pause
        self._resume = resume
        self._condition = threading.Condition()
        self._pieces: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_whole = False
        self._is_cut_off = False
        self._is_patient = True
        self._arrival = asyncio.Event()

    def feed(self, piece: bytes) -> None:
        """Take what came."""
        with self._condition:
            self._pieces.append(memoryview(piece))
            self._waiting_bytes += len(piece)
            if self._waiting_bytes >= WAITING_BYTES_MAX and not self._is_paused:
                self._is_paused = True
                self._pause()
            self._tell()

    def end(self) -> None:
        """Take note that the client has said all."""
        with self._condition:
            self._is_whole = True
            self._tell()

    def cut_off(self) -> None:
        """Take note that the client went away. What came before can still be read."""
        with self._condition:
            self._is_cut_off = True
            self._tell()

    async def arrive(self, seconds_max: float) -> None:
        """Wait until a read would not have to, on the event loop and without a thread.

        Raises:
            ProtocolError: the client sent nothing for too long.
        """
        with self._condition:
            self._arrival = asyncio.Event()
            if self._is_decided():
                return
        try:
            with anyio.fail_after(seconds_max):
                await self._arrival.wait()
        except TimeoutError:
            raise ProtocolError(f"the client sent nothing for {seconds_max:g} s") from None

    @contextmanager
    def impatience(self) -> Iterator[None]:
        """For the length of the block, a read for which nothing has come gives None and does not wait."""
        self._is_patient = False
        try:
            yield
        finally:
            self._is_patient = True

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Fill the buffer with what has come; 0 at the end, None as `impatience` says.

        Raises:
            ProtocolError: the client went away, or sent nothing for too long.
        """
        target = memoryview(buffer).cast("B")
        with self._condition:
            if not (self._is_patient or self._is_decided()):
                return None
            if not self._condition.wait_for(self._is_decided, self.stall_seconds_max):
                raise ProtocolError(f"the client sent nothing for {self.stall_seconds_max:g} s")
            if not self._pieces and not self._is_whole:
                raise ProtocolError("the client went away")
            count = self._take(target)
            if self._is_paused and self._waiting_bytes < WAITING_BYTES_MAX // 2:
                self._is_paused = False
                self._resume()
        return count

    def _tell(self) -> None:
        self._condition.notify_all()
        self._arrival.set()

    def _is_decided(self) -> bool:
        return bool(self._pieces) or self._is_whole or self._is_cut_off

    def _take(self, target: memoryview) -> int:
        count = 0
        while self._pieces and count < len(target):
            piece = self._pieces[0]
            part = piece[: len(target) - count]
            target[count : count + len(part)] = part
            count += len(part)
            if len(part) == len(piece):
                self._pieces.popleft()
            else:
                self._pieces[0] = piece[len(part) :]
        self._waiting_bytes -= count
        return count


class Outlet:
    """What is sent to the client: written by a thread, sent on the event loop as the client takes it.

    Args:
        stall_seconds_max: how long a write waits for a client that takes nothing.
        call_flush: has `flush` called on the loop soon; called by the thread.
        send: gives bytes to the channel; called on the loop. What it raises as `OSError` is the client's end.
        is_blocked: whether the channel or its connection still has to send what it was given.
    """

    def __init__(
        self,
        stall_seconds_max: float,
        call_flush: Callable[[], None],
        send: Callable[[bytes], None],
        is_blocked: Callable[[], bool],
    ) -> None:
        self._stall_seconds_max = stall_seconds_max
        self._call_flush = call_flush
        self._send = send
        self._is_blocked = is_blocked
        self._condition = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_flushing = False
        self._is_all_sent = True
        self._is_cut_off = False

    def write(self, content: bytes) -> None:
        """Have the content sent, after what was written before; waits for a slow client.

        Raises:
            ProtocolError: the client went away, or took nothing for too long.
        """
        with self._condition:
            self._wait_until(lambda: self._waiting_bytes < WAITING_BYTES_MAX)
            self._pieces.extend(
                content[start : start + SENT_BYTES] for start in range(0, len(content), SENT_BYTES)
            )
            self._waiting_bytes += len(content)
            self._is_all_sent = False
            if not self._is_flushing:
                self._is_flushing = True
                self._call_flush()

    def finish(self) -> None:
        """Wait until everything was sent.

        Raises:
            ProtocolError: as in `write`.
        """
        with self._condition:
            self._wait_until(lambda: self._is_all_sent)

    def flush(self) -> None:
        """Send what may be sent now. To be called whenever `is_blocked` may have changed."""
        with self._condition:
            self._is_flushing = False
            before = len(self._pieces), self._is_all_sent
            try:
                while self._pieces and not self._is_blocked():
                    piece = self._pieces.popleft()
                    self._waiting_bytes -= len(piece)
                    self._send(piece)
            except OSError:
                self._is_cut_off = True
            self._is_all_sent = not self._pieces and not self._is_blocked()
            if self._is_cut_off or before != (len(self._pieces), self._is_all_sent):
                self._condition.notify_all()  # only then: whoever is woken begins to wait anew

    def cut_off(self) -> None:
        """Take note that the client went away."""
        with self._condition:
            self._is_cut_off = True
            self._pieces.clear()
            self._condition.notify_all()

    def _wait_until(self, is_done: Callable[[], bool]) -> None:
        """Wait for something that sending brings about; what is sent meanwhile prolongs the patience."""
        while not (self._is_cut_off or is_done()):
            if not self._condition.wait(self._stall_seconds_max):
                raise ProtocolError(f"the client took nothing for {self._stall_seconds_max:g} s")
        if self._is_cut_off:
            raise ProtocolError("the client went away")
