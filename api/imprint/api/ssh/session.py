"""One command of a client: from its request over the two streams to its exit status.

Invariants:
    1. Who asks is looked up anew for every command: a token that was revoked ends with the next one, also on
       a connection that is open already.
    2. A repository that the token may not see is answered exactly like one that does not exist.
    3. The exit status follows everything that was written.
    4. A slot and a thread are held while the server works, not while it waits for a request to begin.
    5. When the client goes away, a fetch ends at its next word; a push that was read whole is still decided.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import anyio
import asyncssh
from anyio import to_thread

from imprint.api.errors import BadRequest, is_machine_at_fault, message_of
from imprint.api.lfs.passes import lfs_authenticate
from imprint.api.services import Services, require
from imprint.api.ssh.commands import GitCommand, PassCommand, parse_protocol_version
from imprint.api.ssh.streams import Inlet, Outlet
from imprint.api.ssh.talks import Talk, open_talk
from imprint.store.errors import StoreError
from imprint.store.plumbing import CHILD_NICENESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.actors import Principal

_LOGGER: Final = logging.getLogger("imprint.api")
_KEY_EXCHANGE_POLL_SECONDS: Final = 0.05
_REFUSED: Final = 1
"""Exit status of a command that is not run here."""
_FAILED: Final = 128
"""Exit status of a command that failed, as of git's own."""

Made = TypeVar("Made")


class Carrier(Protocol):
    """What a session needs of its connection."""

    @property
    def is_blocked(self) -> bool:
        """Whether what is sent now would only wait in memory."""
        ...

    @property
    def is_exchanging_keys(self) -> bool:
        """Whether that is so because new keys are being agreed on, of whose end nobody tells."""
        ...

    def http_address(self) -> str:
        """Where the client reaches the HTTP side; empty where that is not known."""
        ...

    def authenticate(self) -> Principal:
        """Whose key the client has proven; errors as in `Hosting.authenticate_key`. Called from a thread."""
        ...

    def begin_command(self) -> None:
        """Take note that a command has begun: what comes now is its input, which it bounds itself."""
        ...


class Session(asyncssh.SSHServerSession[bytes]):
    """A channel of a connection. Used on the event loop.

    Args:
        services: the parts of the server.
        connection: whose channel it is.
        on_end: called when the command has ended, in whatever way.
    """

    def __init__(self, services: Services, connection: Carrier, on_end: Callable[[Session], None]) -> None:
        self._services = services
        self._connection = connection
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._command: str | None = None
        self._is_paused = False
        self._scope: anyio.CancelScope | None = None
        self._task: asyncio.Task[None] | None = None
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._inlet: Inlet
        self._outlet: Outlet

    @property
    def is_running(self) -> bool:
        """Whether its command has begun and not ended."""
        return self._task is not None and not self._task.done()

    async def wait(self) -> None:
        """Until its command has ended, if one has begun."""
        if self._task is not None:
            await asyncio.wait({self._task})

    # -- what the channel tells --------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Set up the streams."""
        stall_seconds_max = self._services.settings.stall_seconds_max
        self._channel = chan
        chan.set_write_buffer_limits(0)  # paused whenever something waits for the client's window
        self._inlet = Inlet(
            stall_seconds_max, chan.pause_reading, partial(self._call_soon, chan.resume_reading)
        )
        self._outlet = Outlet(
            stall_seconds_max, partial(self._call_soon, self.flush), chan.write, self._is_blocked
        )

    def exec_requested(self, command: str) -> bool:
        """Take any command: what is wrong with it is told on its channel."""
        self._command = command
        return True

    def shell_requested(self) -> bool:
        """Take it, to say that there is no shell."""
        return True

    def session_started(self) -> None:
        """Begin to work."""
        self._connection.begin_command()
        self._task = self._loop.create_task(self._run())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Hand on what the client sent."""
        del datatype  # a client has one stream only
        self._inlet.feed(data)

    def eof_received(self) -> bool:
        """Take note that the client has said all; the channel stays open for the answer."""
        self._inlet.end()
        return True

    def pause_writing(self) -> None:
        """Take note that the client's window is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self._is_paused = False
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the work, if it has not ended."""
        del exc
        self._inlet.cut_off()
        self._outlet.cut_off()
        if self._scope is not None:
            self._scope.cancel()
        if self._task is None:
            self._on_end(self)

    # -- what is told to the channel -----------------------------------------------------------------------

    def flush(self) -> None:
        """Send what the client and the connection take now."""
        self._outlet.flush()
        if self._connection.is_exchanging_keys:
            self._loop.call_later(_KEY_EXCHANGE_POLL_SECONDS, self.flush)

    def _is_blocked(self) -> bool:
        return self._is_paused or self._connection.is_blocked

    def _call_soon(self, work: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(work)

    async def _run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                await self._answer()
        except Exception:
            _LOGGER.exception("a command over SSH failed")
            self._end("the server failed; its log says why", _FAILED)
        finally:
            self._on_end(self)

    async def _answer(self) -> None:
        try:
            principal = await to_thread.run_sync(
                self._connection.authenticate, limiter=self._services.gate_limiter
            )
            text = self._required_command(principal)
            if wish := PassCommand.parse(text):
                await to_thread.run_sync(
                    self._give_pass, wish, principal, limiter=self._services.gate_limiter
                )
            else:
                await self._work(GitCommand.parse(text), principal)
        except StoreError as refused:
            if is_machine_at_fault(refused):
                kind = type(refused).__name__
                _LOGGER.error("command failed code=%s kind=%s", refused.code, kind)  # noqa: TRY400
            hint = "" if is_machine_at_fault(refused) else refused.hint
            text = message_of(refused) + (f"; {hint}" if hint else "")
            self._end(text, _REFUSED if isinstance(refused, BadRequest) else _FAILED)
        else:
            self._end("", 0)

    async def _work(self, command: GitCommand, principal: Principal) -> None:
        """Talk, each part in a slot of the queue that HTTP has too, none between them."""
        actor = principal.actor.name
        talk = await self._in_slot(actor, partial(self._begin, command, principal))
        goes_on = True
        while goes_on:
            await talk.wait()
            goes_on = await self._in_slot(actor, partial(self._go_on, talk))

    async def _in_slot(self, actor: str, work: Callable[[], Made]) -> Made:
        queue = self._services.git_queue
        async with queue.slot(actor):
            CHILD_NICENESS.set(queue.find_niceness(actor))
            return await to_thread.run_sync(work, limiter=self._services.git_limiter)

    def _give_pass(self, wish: PassCommand, principal: Principal) -> None:
        """Tell Git LFS where to go with which credential. Called from a thread."""
        told = lfs_authenticate(
            self._services, principal, wish.name, wish.verb, self._connection.http_address()
        )
        self._outlet.write(json.dumps(told).encode() + b"\n")
        self._outlet.finish()

    def _required_command(self, principal: Principal) -> str:
        if self._command is None:
            raise BadRequest(
                f"hello {principal.actor.name}, your key is known; there is no shell here",
                hint="use git clone, fetch and push",
            )
        return self._command

    def _begin(self, command: GitCommand, principal: Principal) -> Talk:
        """Open the repository and speak first. Called from a thread."""
        require(principal, command.service.verb, command.name)
        repository = self._services.hosting.get(command.name)
        environment = self._channel.get_environment_bytes()
        protocol = parse_protocol_version(environment.get(b"GIT_PROTOCOL", b"")[:200].decode("latin-1"))
        streams = self._inlet, self._outlet
        talk = open_talk(command.service, self._services, repository, principal, protocol, streams)
        talk.begin()
        return talk

    def _go_on(self, talk: Talk) -> bool:
        """Do the next part. Called from a thread."""
        goes_on = talk.go_on()
        if not goes_on:
            self._outlet.finish()
        return goes_on

    def _end(self, text: str, status: int) -> None:
        """Say why, where there is a reason, and the exit status. A client that went away hears neither."""
        if self._channel.is_closing():
            return
        if text:
            self._channel.write_stderr(f"imprint: {text}\n".encode("utf-8", "backslashreplace"))
        self._channel.exit(status)
