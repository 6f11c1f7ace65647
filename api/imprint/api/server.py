"""Running a server on a data folder, from the first byte to a clean end.

Invariants:
    1. It listens on the loopback address unless told otherwise.
    2. Nothing is printed: what a person should know is told through `on_ready` or raised.
    3. SIGINT and SIGTERM end it in order: no new connections, running requests finish (up to
       `ApiSettings.drain_seconds`), followers stop, files are closed. A second SIGINT does not wait.

A crash at any instant loses nothing that was acknowledged: that is the store's promise, not this module's.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import uvicorn

from imprint.api.app import create_app
from imprint.api.errors import ListenFailed
from imprint.api.settings import ApiSettings
from imprint.semantic.library import Library
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.provenance.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI

_BACKLOG: Final = 1024
_KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection stays open: longer than clients and proxies usually wait to use it again."""
_LISTEN_HINTS: Final = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another --port",
    errno.EACCES: "ports below 1024 belong to the administrator: choose another --port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another --host",
}


def serve(
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int,
    key_file: Path | None = None,
    settings: ApiSettings | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve a data folder until a signal ends it; the exit code of the process.

    Args:
        data: the folder; made if it is not there, with an administrator's token in it.
        host: where to listen.
        port: where to listen; 0 takes a free one.
        key_file: the master key; by default beside the folder.
        settings: what the operator chose; None for the defaults.
        on_ready: called once with the address, when requests are answered; must not block.

    Raises:
        ListenFailed: the address is in use or not this machine's.
        StorageFailed: the folder is not writable.
        DataFolderMismatch: the folder is not one that this version can use.
    """
    settings = settings or ApiSettings()
    with ExitStack() as opened:
        listener = opened.enter_context(listen(host, port))
        hosting = Hosting.open(DataFolder.create_or_open(data, key_file))
        opened.callback(hosting.close)
        hosting.ensure_admin_token()
        ledger = Ledger.open(hosting.folder.derived_path)
        opened.callback(ledger.close)
        library = Library.open(hosting.folder.index_path)
        opened.callback(library.close)
        app = create_app(hosting, ledger, library, settings)
        return Server(app, settings, on_ready).run_on(listener)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; closed by the caller.

    Raises:
        ListenFailed: it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as failure:
        hint = _LISTEN_HINTS.get(failure.errno or 0, "check --host and --port")
        raise ListenFailed(f"cannot listen at {host}:{port}: {failure.strerror}", hint=hint) from failure


def address_of(listener: socket.socket) -> str:
    """The address under which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else "127.0.0.1")  # noqa: PLR2004 - the version of IP
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"  # noqa: PLR2004


class Server(uvicorn.Server):
    """uvicorn without its voice: no log of its own making, no signal raised again at the end."""

    def __init__(self, app: FastAPI, settings: ApiSettings, on_ready: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.drain_seconds,
            )
        )
        # An address may hold a token that somebody put there by mistake: no handler ever gets to see it.
        logging.getLogger("uvicorn.access").disabled = True
        self._on_ready = on_ready

    def run_on(self, listener: socket.socket) -> int:
        """Serve until told to stop; 0 when it was, 1 when it could not start."""
        try:
            self.run(sockets=[listener])
        except SystemExit:  # uvicorn's way to say that the application did not start; it has logged why
            return 1
        return 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started and sockets:
            self._on_ready(address_of(sockets[0]))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While serving, SIGINT and SIGTERM ask for the end; afterwards they are as before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
