"""Where a server listens, and under which address that is reached.

Invariants:
    1. What cannot be listened at is told with what to do about it.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from imprint.api.errors import ListenFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.api.running.tls import TlsFiles

_BACKLOG: Final = 1024
_LISTEN_HINTS: Final = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another --port",
    errno.EACCES: "ports below 1024 belong to the administrator: choose another --port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another --host",
}


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a server listens.

    Attributes:
        http: the socket for HTTP.
        ssh: the socket for SSH, if that is spoken.
        tls: the certificate that HTTP is served with, if it is.
    """

    http: socket.socket
    ssh: socket.socket | None = None
    tls: TlsFiles | None = None

    @property
    def address(self) -> str:
        """The address under which HTTP is reached from this machine."""
        address = address_of(self.http)
        return address.replace("http://", "https://", 1) if self.tls else address

    def tell(self, on_ready: Callable[[str], None], on_ssh_ready: Callable[[str], None]) -> None:
        """Say where the server is reached: first over SSH, where that is spoken."""
        if self.ssh is not None:
            on_ssh_ready(ssh_address_of(self.ssh))
        on_ready(self.address)


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens; closed by the caller. `option` is where a person says the port.

    Raises:
        ListenFailed: it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as failure:
        hint = _LISTEN_HINTS.get(failure.errno or 0, "check --host and --port").replace("--port", option)
        raise ListenFailed(f"cannot listen at {host}:{port}: {failure.strerror}", hint=hint) from failure
    # Accepted sockets inherit it. Without it the last piece of an answer waits 40 ms for the client's
    # delayed acknowledgement: asyncio sets it only on sockets whose protocol number is spelt out.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address under which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else "127.0.0.1")  # noqa: PLR2004 - the version of IP
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"  # noqa: PLR2004


def ssh_address_of(listener: socket.socket) -> str:
    """The address under which the SSH of a listening socket is reached from this machine."""
    return address_of(listener).replace("http://", "ssh://git@", 1)
