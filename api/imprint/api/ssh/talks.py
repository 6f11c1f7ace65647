"""What a git command says and hears over SSH, in parts between which nobody works and a client may be silent.

Invariants:
    1. No part begins before the first byte of what it works on has come, except the one that speaks first:
       between parts neither a thread nor a slot of `imprint.api.running.fair` is held.
"""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from imprint.api.ssh.commands import Service
from imprint.store.transport.connection import (
    begin_receive_connection,
    begin_upload_connection,
    serve_receive_request,
    serve_upload_request,
)
from imprint.store.transport.recent import find_recent_tips

if TYPE_CHECKING:
    from imprint.api.services import Services
    from imprint.api.ssh.streams import Inlet, Outlet
    from imprint.store.actors import Principal
    from imprint.store.hosting.repositories import Repository

READ_BYTES: Final = 256 * 1024
"""How much the buffered file asks for at once."""


class Talk(Protocol):
    """A conversation. Its methods are called from a thread, one at a time, but for `wait`."""

    def begin(self) -> None:
        """Speak first.

        Raises:
            ProtocolError: the client went away.
        """
        ...

    async def wait(self) -> None:
        """Until there is something to work on, or the end of it. On the event loop.

        Raises:
            ProtocolError: the client sent nothing for too long.
        """
        ...

    def go_on(self) -> bool:
        """Do the next part; whether another may follow.

        Raises:
            StoreError: it was refused, or the client went away or stalled. A refusal has been told.
        """
        ...


class UploadTalk:
    """A clone or fetch: one part for each command of protocol version 2, one in all for older versions."""

    def __init__(
        self, services: Services, repository: Repository, protocol: int, inlet: Inlet, outlet: Outlet
    ) -> None:
        self._services = services
        self._repository = repository
        self._protocol = protocol
        self._inlet = inlet
        self._outlet = outlet
        self._reader = io.BufferedReader(inlet, READ_BYTES)
        self._is_next_here = False
        self._seconds_max = services.settings.first_byte_seconds_max
        inlet.stall_seconds_max = services.settings.first_byte_seconds_max

    def begin(self) -> None:
        """Advertise."""
        begin_upload_connection(self._repository, self._protocol, self._outlet.write)

    async def wait(self) -> None:
        """Until a command begins; longer before a further one, for which a client may have to think."""
        if not self._is_next_here:
            await self._inlet.arrive(self._seconds_max)
        self._seconds_max = self._services.settings.stall_seconds_max

    def go_on(self) -> bool:
        """Answer a command."""
        hosting = self._services.hosting
        recent_tips = partial(find_recent_tips, hosting, self._repository)
        goes_on = serve_upload_request(
            self._repository, self._protocol, self._reader, self._outlet.write, hosting.limits, recent_tips
        )
        if goes_on:
            with self._inlet.impatience():
                self._is_next_here = bool(self._reader.peek(1))
        return goes_on


class ReceiveTalk:
    """A push: one part, from its commands to the report."""

    def __init__(
        self,
        services: Services,
        repository: Repository,
        principal: Principal,
        protocol: int,
        inlet: Inlet,
        outlet: Outlet,
    ) -> None:
        self._services = services
        self._repository = repository
        self._principal = principal
        self._protocol = protocol
        self._inlet = inlet
        self._outlet = outlet

    def begin(self) -> None:
        """Advertise."""
        receiver = self._services.receiver
        begin_receive_connection(self._repository, self._protocol, self._outlet.write, receiver)

    async def wait(self) -> None:
        """Until the commands begin. Before them run the client's hooks, which may take their time."""
        await self._inlet.arrive(self._services.settings.stall_seconds_max)

    def go_on(self) -> bool:
        """Take in the push."""
        reader = io.BufferedReader(self._inlet, READ_BYTES)
        serve_receive_request(
            self._repository, self._principal, reader, self._outlet.write, self._services.receiver
        )
        return False


def open_talk(
    service: Service,
    services: Services,
    repository: Repository,
    principal: Principal,
    protocol: int,
    streams: tuple[Inlet, Outlet],
) -> Talk:
    """The conversation of a service."""
    match service:
        case Service.UPLOAD:
            return UploadTalk(services, repository, protocol, *streams)
        case Service.RECEIVE:
            return ReceiveTalk(services, repository, principal, protocol, *streams)
