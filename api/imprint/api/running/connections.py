"""HTTP connections that nobody keeps open for nothing: uvicorn's protocol with a deadline and bounds.

Requests are read by llhttp, which is strict about where one ends and the next begins. What it leaves to its
user is checked here.

Invariants:
    1. A connection that serves no request has `header_seconds_max` for the head of one: the first from its
       begin (with TLS: from the end of the handshake, for which asyncio gives 60 s), a further one from its
       first byte. A byte now and then changes nothing.
    2. The rest of a body that was answered before it came whole has as long.
    3. At most `http_connections_max` are open; further ones are closed before anything is read.
    4. A head, and what is sent like one behind a chunked body, has at most `HEAD_BYTES_MAX`; a field that has
       not come to its end has as much beyond what came with one read. What is longer is refused with status
       400, and the connection closed.
    5. A request of HTTP/1.1 names exactly one host (RFC 9112, section 3.2); any other is refused likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from imprint.api.settings import ApiSettings

HEAD_BYTES_MAX: Final = 64 * 1024
"""Address and fields together."""


class MalformedHead(Exception):
    """A head that is too long, or does not say for whom it is. llhttp's caller answers it with status 400."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Made by uvicorn, of a class that `bound_protocol` makes."""

    seconds_max: ClassVar[float]
    connections_max: ClassVar[int]
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    """Of the message that is being read: what its head has so far, and the fields behind its body."""
    _silent_bytes = 0
    """What was fed to the parser since it gave something back: part of a field."""

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
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_watching()
        super().connection_lost(exc)

    # -- what the parser finds ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_bytes = self._silent_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request be answered."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise MalformedHead("not one host")
        self._silent_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Know that all of it has come."""
        self._silent_bytes = 0
        super().on_message_complete()

    def _count(self, size_bytes: int) -> None:
        self._silent_bytes = 0
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            raise MalformedHead("too long")

    # -- time ---------------------------------------------------------------------------------------

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
