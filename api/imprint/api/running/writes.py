"""Small writes that follow one another are sent as one: a head and its body in one call of the kernel.

A write to a socket costs more than all that goes before it in a small answer; with two, the client is woken
twice.

Invariants:
    1. What is written goes out in its order, at the latest when the loop has done what it is at.
    2. At most `HELD_BYTES_MAX` are held back.
    3. Closing sends what is held back first; aborting drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

HELD_BYTES_MAX: Final = 64 * 1024


class JoinedWrites:
    """A transport in front of another one. What it does not do itself, the other one does."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Send this soon."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        """End the connection when all is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._held.clear()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, []
        large = held.pop() if self._held_bytes > HELD_BYTES_MAX else b""
        self._held_bytes = 0
        if held:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
        if large:
            self._transport.write(large)  # not copied to be joined
