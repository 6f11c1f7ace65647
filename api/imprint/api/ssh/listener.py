"""The socket at which SSH is spoken, in the event loop of the HTTP server.

Invariants:
    1. At most `ssh_connections_max` connections are open, and at most `ssh_logins_max` of them have not
       proven a key; whoever comes then is told so before anything else is read.
    2. At the end no connection is taken any more, idle ones are closed, and commands that run finish.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

import anyio
import asyncssh

from imprint.api.ssh.connection import SIGNATURES, Connection, Door

if TYPE_CHECKING:
    import socket

    from imprint.api.services import Services

_BACKLOG: Final = 1024
_KEEPALIVES_MISSED_MAX: Final = 3
_PARTING_SECONDS: Final = 1.0
"""How long clients that have got their exit status may take to go."""
_WINDOW_BYTES: Final = 2 * 1024**2
"""What a client may send ahead in each channel, as with OpenSSH."""
_KEY_EXCHANGES: Final = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)
_CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
)
_DIGESTS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256")
_REFUSAL: Final = b"imprint: too many connections at this moment; come again\r\n"
"""A line before the version of the protocol (RFC 4253 4.2): verbose clients show it."""


class SshListener:
    """SSH for one server process. Used on the event loop.

    Args:
        services: the parts of the server.
        host_key: by which clients know the server.
    """

    def __init__(self, services: Services, host_key: asyncssh.SSHKey) -> None:
        logging.getLogger("asyncssh").setLevel(logging.WARNING)  # below, it tells of every connection
        self._services = services
        self._options = _make_options(services, host_key)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self.http: tuple[str, int] | None = None
        """Scheme and port of the HTTP side, which Git LFS is sent to; None where that is not known."""

    @property
    def commands(self) -> int:
        """How many run."""
        return sum(session.is_running for each in self._connections for session in each.sessions)

    async def start(self, listener: socket.socket) -> None:
        """Begin to take connections from a socket that listens."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._take, sock=listener, backlog=_BACKLOG)

    def stop_accepting(self) -> None:
        """Take no more connections, and no more commands on those that are open."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.is_leaving = True

    async def drain(self, seconds: float) -> None:
        """Let commands that run finish, for so many seconds at most, then close every connection."""
        self.stop_accepting()
        with anyio.move_on_after(seconds):
            for session in [session for each in self._connections for session in each.sessions]:
                await session.wait()
        # Clients go by themselves when they have read the last of their answers; closing would cut that off.
        with anyio.move_on_after(_PARTING_SECONDS):
            for connection in tuple(self._connections):
                await connection.wait_closed()
        for connection in tuple(self._connections):
            connection.close()

    def _take(self) -> asyncio.Protocol:
        settings = self._services.settings
        strangers = sum(not connection.is_known for connection in self._connections)
        if len(self._connections) >= settings.ssh_connections_max or strangers >= settings.ssh_logins_max:
            return _Refusal()
        connection = Connection(self._options, self._services, self._connections.discard)
        connection.http = self.http
        self._connections.add(connection)
        return connection


class _Refusal(asyncio.Protocol):
    """Says that there is no room, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # by its methods: uvloop's is of no class of asyncio's
        stream.write(_REFUSAL)
        stream.close()


def _make_options(services: Services, host_key: asyncssh.SSHKey) -> asyncssh.SSHServerConnectionOptions:
    settings = services.settings
    return asyncssh.SSHServerConnectionOptions(
        server_factory=Door,
        server_host_keys=[host_key],
        server_version="Imprint",
        config=None,
        kex_algs=_KEY_EXCHANGES,
        encryption_algs=_CIPHERS,
        mac_algs=_DIGESTS,
        compression_algs=["none"],
        signature_algs=sorted(name.decode() for name in SIGNATURES),
        public_key_auth=True,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        allow_pty=False,
        line_editor=False,
        x11_forwarding=False,
        agent_forwarding=False,
        allow_scp=False,
        encoding=None,
        window=_WINDOW_BYTES,
        login_timeout=settings.ssh_login_seconds_max,
        keepalive_interval=settings.ssh_keepalive_seconds,
        keepalive_count_max=_KEEPALIVES_MISSED_MAX,
    )
