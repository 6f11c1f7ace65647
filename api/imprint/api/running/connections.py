"""HTTP connections that nobody keeps open for nothing: uvicorn's protocol with a deadline and a bound.

Invariants:
    1. A connection that serves no request has `header_seconds_max` for the head of one: the first from its
       begin (with TLS: from the end of the handshake, for which asyncio gives 60 s), a further one from its
       first byte. A byte now and then changes nothing.
    2. The rest of a body that was answered before it came whole has as long.
    3. At most `http_connections_max` are open; further ones are closed before anything is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from imprint.api.settings import ApiSettings


class BoundedProtocol(H11Protocol):
    """One connection. Made by uvicorn, of a class that `bound_protocol` makes."""

    seconds_max: ClassVar[float]
    connections_max: ClassVar[int]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, where there is room."""
        is_full = len(self.connections) >= self.connections_max
        super().connection_made(transport)
        if is_full:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Set the deadline while no request is served; one that is set already stays as it is."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.seconds_max, self._expire)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def bound_protocol(settings: ApiSettings) -> type[BoundedProtocol]:
    """The protocol with the bounds that the operator chose."""

    class Chosen(BoundedProtocol):
        seconds_max = settings.header_seconds_max
        connections_max = settings.http_connections_max

    return Chosen
