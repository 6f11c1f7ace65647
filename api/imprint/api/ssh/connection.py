"""One client's connection: who it is, and what it may cost before and between its commands.

Invariants:
    1. A client is let in by a signature of a key that is a token's, and by nothing else; its user name says
       nothing.
    2. Shells, terminals, subsystems, forwarding of ports, agents and displays are refused.
    3. What a client may send while none of its commands runs is bounded, and so is how long it may stay then.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Final

import asyncssh
from anyio import to_thread

from imprint.api.ssh.session import Session
from imprint.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh.logging import SSHLogger
    from asyncssh.misc import OptExcInfo
    from asyncssh.packet import SSHPacket

    from imprint.api.services import Services
    from imprint.store.actors import Principal

_LOGGER: Final = logging.getLogger("imprint.api")
_IDLE_BYTES_MAX: Final = 1024**2
"""What a client may send before a command and between two: logins take a few thousand bytes."""
SIGNATURES: Final = frozenset(
    {
        b"ssh-ed25519",
        b"sk-ssh-ed25519@openssh.com",
        b"sk-ecdsa-sha2-nistp256@openssh.com",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"rsa-sha2-256",
        b"rsa-sha2-512",
    }
)
"""Kinds of signatures that are taken: none with SHA-1."""
_LENGTH_BYTES: Final = 4
_ACCEPTED_VARIABLE: Final = b"\0\0\0\x0cGIT_PROTOCOL"
"""As it stands in a request to set it (RFC 4254 6.4)."""


class Connection(asyncssh.SSHServerConnection):
    """A connection, from its first byte to its end. Used on the event loop.

    Args:
        options: how SSH is spoken.
        services: the parts of the server.
        on_end: called when it has ended.
    """

    def __init__(
        self,
        options: asyncssh.SSHServerConnectionOptions,
        services: Services,
        on_end: Callable[[Connection], None],
    ) -> None:
        super().__init__(asyncio.get_running_loop(), options)
        self.services = services
        self.sessions: set[Session] = set()
        """Those that run, and those whose command has not come yet."""
        self.is_leaving = False
        self.http: tuple[str, int] | None = None
        """Whether no more commands are taken."""
        self._has_ended = False
        self._on_end = on_end
        self._idle_bytes = 0
        self._is_paused = False
        self._blob = b""
        self._idle_timer: asyncio.TimerHandle | None = None

    @property
    def is_known(self) -> bool:
        """Whether the client has proven a key."""
        return self._auth_complete

    @property
    def is_blocked(self) -> bool:
        """Whether what is sent now would only wait in memory."""
        return self._is_paused or self.is_exchanging_keys

    @property
    def is_exchanging_keys(self) -> bool:
        """Whether new keys of the connection are being agreed on."""
        return not self._kex_complete

    # -- what the socket tells -----------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None = None) -> None:
        """Take note of the end."""
        super().connection_lost(exc)
        if not self._has_ended:
            self._has_ended = True
            self._stop_idling()
            self._on_end(self)

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Read on; give up on a client that sends much and asks for nothing."""
        if not self._has_command():
            self._idle_bytes += len(data)
            if self._idle_bytes > _IDLE_BYTES_MAX:
                self.abort()
                return
        super().data_received(data, datatype)

    def internal_error(
        self, exc_info: OptExcInfo | None = None, error_logger: SSHLogger | None = None
    ) -> None:
        """Give up after a fault of ours, and have it in the log."""
        _LOGGER.error("an SSH connection failed", exc_info=exc_info or sys.exc_info())
        super().internal_error(exc_info, error_logger)

    def pause_writing(self) -> None:
        """Take note that the socket takes no more."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Let every command go on."""
        self._is_paused = False
        for session in tuple(self.sessions):
            session.flush()

    # -- who it is -----------------------------------------------------------------------------------------

    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """Whether the key is one that may come in, and the signature, where there is one, is the key's.

        A client may ask about keys of others before it signs: only a signature says who it is.
        """
        if signature and _kind_of(signature) not in SIGNATURES:
            return False
        is_valid = await super().validate_public_key(username, key_data, msg, signature)
        if is_valid and msg:
            self._blob = key_data
        return is_valid

    def http_address(self) -> str:
        """Where the client reaches the HTTP side: the host that it came to; empty where that is not known."""
        name = self.get_extra_info("sockname")
        if self.http is None or not name:
            return ""
        (scheme, port), host = self.http, str(name[0]).removeprefix("::ffff:")
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def authenticate(self) -> Principal:
        """Whose key the client has proven; errors as in `Hosting.authenticate_key`. Called from a thread."""
        return self.services.hosting.authenticate_key(self._blob)

    def let_in(self) -> None:
        """Take note that the client has proven a key."""
        self._idle_bytes = 0
        self._idle()

    # -- its commands --------------------------------------------------------------------------------------

    def open_session(self) -> Session:
        """A channel for one command.

        Raises:
            asyncssh.ChannelOpenError: too many are open, or the server is about to end.
        """
        if self.is_leaving:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the server is about to end")
        if len(self.sessions) >= self.services.settings.ssh_sessions_max:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, "too many commands at the same time on one connection"
            )
        session = Session(self.services, self, self._end_session)
        self.sessions.add(session)
        return session

    def begin_command(self) -> None:
        """Take note that a command has begun: what comes now is its input, which it bounds itself."""
        self._stop_idling()

    def create_server_channel(
        self, encoding: str | None = "", errors: str = "", window: int = 0, max_pktsize: int = 0
    ) -> asyncssh.SSHServerChannel[bytes]:
        """A channel that takes one environment variable only."""
        del encoding, errors
        return Channel(
            self,
            asyncio.get_running_loop(),
            allow_pty=False,
            line_editor=False,
            line_echo=False,
            line_history=0,
            max_line_length=0,
            encoding=None,
            errors="strict",
            window=window,
            max_pktsize=max_pktsize,
        )

    def _end_session(self, session: Session) -> None:
        self.sessions.discard(session)
        if not self._has_command() and not self._has_ended:
            self._idle_bytes = 0
            self._idle()

    def _has_command(self) -> bool:
        return any(session.is_running for session in self.sessions)

    def _idle(self) -> None:
        self._stop_idling()
        self._idle_timer = asyncio.get_running_loop().call_later(
            self.services.settings.ssh_idle_seconds_max, self.close
        )

    def _stop_idling(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


class Channel(asyncssh.SSHServerChannel[bytes]):
    """A channel on which `GIT_PROTOCOL` may be set, and nothing else."""

    def _process_env_request(self, packet: SSHPacket) -> bool:
        start = packet.get_remaining_payload()
        return start.startswith(_ACCEPTED_VARIABLE) and super()._process_env_request(packet)


class Door(asyncssh.SSHServer):
    """Answers the questions of one connection's protocol."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Take note of the connection."""
        assert isinstance(conn, Connection)  # noqa: S101 - only these are made
        self._connection = conn

    def public_key_auth_supported(self) -> bool:
        """Yes, and nothing else is."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether the key is that of a token that is good now."""
        del username
        services = self._connection.services
        try:
            await to_thread.run_sync(
                services.hosting.authenticate_key, key.public_data, limiter=services.gate_limiter
            )
        except StoreError:
            return False
        return True

    def auth_completed(self) -> None:
        """Let the client in."""
        self._connection.let_in()

    def session_requested(self) -> Session:
        """A channel for one command."""
        return self._connection.open_session()


def _kind_of(signature: bytes) -> bytes:
    """The name at the beginning of a signature (RFC 4253 6.6)."""
    length = int.from_bytes(signature[:_LENGTH_BYTES])
    return signature[_LENGTH_BYTES : _LENGTH_BYTES + length]
