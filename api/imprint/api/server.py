"""Running a server on a data folder, from the first byte to a clean end.

Invariants:
    1. It listens on the loopback address unless told otherwise, for SSH only when told to.
    2. Nothing is printed: what a person should know is told through `on_ready` and `on_wait`, or raised.
    3. SIGINT and SIGTERM end it in order: no new connections, running requests finish (up to
       `ApiSettings.drain_seconds`) while followers stop, files are closed. After `ApiSettings.stop_seconds`
       what still runs is cut off; a second signal cuts it off at once.
    4. What cannot be listened with, certificates included, is told before anything is made.

A crash at any instant loses nothing that was acknowledged: that is the store's promise, not this module's.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from anyio import create_task_group

from imprint.api.app import create_app
from imprint.api.errors import TlsFailed
from imprint.api.running.connections import bound_protocol
from imprint.api.running.crew import Crew
from imprint.api.running.proxy import parse_proxies
from imprint.api.running.sockets import Sockets, address_of, listen, ssh_address_of
from imprint.api.running.tls import Certificate
from imprint.api.settings import ApiSettings
from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.library import Library
from imprint.store.clock import SystemClock
from imprint.store.errors import StoreError
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.hosting.sessions import RULES_NAME, load_redactor
from imprint.store.origins.sources import Origins

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from fastapi import FastAPI

    from imprint.api.running.tls import TlsFiles
    from imprint.api.services import Services
    from imprint.api.ssh.listener import SshListener
    from imprint.store.hosting.followers import FollowerRunner

_LOGGER: Final = logging.getLogger("imprint.api")
_KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection stays open: longer than clients and proxies usually wait to use it again."""
_PATIENCE_SECONDS: Final = 1.0
"""An end that takes longer is spoken of."""
_START_SECONDS: Final = 2.0
"""After that, a start is over, and processes are started that only a push needs."""
_FILES_MAX: Final = 65_536
"""Descriptors that are taken at most; where fewer are allowed at first, 1024 are usual."""
_SIGNALLED: Final = 128
"""Added to the number of the second signal, it is the exit code."""


def serve(  # noqa: PLR0913 - the two callbacks belong to the caller, the rest is what it serves and where
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int,
    ssh_port: int | None = None,
    key_file: Path | None = None,
    settings: ApiSettings | None = None,
    tls: TlsFiles | None = None,
    workers: int = 1,
    on_ready: Callable[[str], None] = lambda _: None,
    on_ssh_ready: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve a data folder until a signal ends it; the exit code of the process.

    Args:
        data: the folder; made if it is not there, with an administrator's token in it.
        host: where to listen.
        port: where to listen; 0 takes a free one.
        ssh_port: where to listen for SSH; 0 takes a free one, None none.
        key_file: the master key; by default beside the folder.
        settings: what the operator chose; None for the defaults.
        tls: the certificate to serve HTTPS with; None for plain HTTP.
        workers: processes that serve; with more than one, this process watches over them.
        on_ready: called once with the address, when requests are answered; must not block.
        on_ssh_ready: called before it with the address of SSH, where that is spoken; must not block.
        on_wait: called with what is waited for, in another thread, when the end takes longer than a second.

    Raises:
        ListenFailed: the address is in use or not this machine's.
        TlsFailed: the certificate or its key cannot be used.
        BadRequest: a trusted proxy is no address.
        BadInput: the data folder's rules of redaction have a fault.
        StorageFailed, DataFolderMismatch: the folder is not writable, or not one that this version can use.
    """
    settings = settings or ApiSettings()
    parse_proxies(settings.trusted_proxies)
    load_redactor(data / RULES_NAME)  # a fault in an operator's rules ends the start, not the first session
    if tls is not None:
        Certificate(tls, SystemClock())
    with ExitStack() as opened:
        http = opened.enter_context(listen(host, port))
        ssh = None if ssh_port is None else opened.enter_context(listen(host, ssh_port, option="--ssh-port"))
        settings = replace(settings, ssh_port=ssh.getsockname()[1] if ssh else 0)
        sockets = Sockets(http, ssh, tls)
        if workers == 1:
            return serve_on(
                data,
                sockets,
                key_file=key_file,
                settings=settings,
                is_alone=True,
                on_ready=on_ready,
                on_ssh_ready=on_ssh_ready,
                on_wait=on_wait,
            )
        prepare(data, key_file)
        tell = partial(sockets.tell, on_ready, on_ssh_ready)
        return Crew(workers, data, key_file, settings, sockets, on_ready=tell, on_wait=on_wait).run()


def prepare(data: Path, key_file: Path | None) -> None:
    """Make the data folder, and its first token, if they are not there.

    Raises:
        StorageFailed, DataFolderMismatch: it cannot be used.
    """
    hosting = Hosting.open(DataFolder.create_or_open(data, key_file))
    try:
        hosting.ensure_admin_token()
    finally:
        hosting.close()


def serve_on(  # noqa: PLR0913 - as `serve`
    data: Path,
    sockets: Sockets,
    *,
    key_file: Path | None,
    settings: ApiSettings,
    is_alone: bool = False,
    on_ready: Callable[[str], None] = lambda _: None,
    on_ssh_ready: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve in this process, at sockets that listen already; otherwise as `serve`.

    One that `is_alone` is the one that indexes: it makes ready for the first push when it has started.

    Raises:
        TlsFailed, StorageFailed, DataFolderMismatch: as `serve`.
    """
    with Ending(settings.stop_seconds, on_wait) as ending, ExitStack() as opened:
        opened.callback(_wait_for_threads)
        _allow_many_files()
        hosting = Hosting.open(DataFolder.create_or_open(data, key_file))
        opened.callback(hosting.close)
        hosting.ensure_admin_token()
        origins = opened.enter_context(Origins.of_hosting(hosting))
        library = Library.open(hosting.folder.index_path, apart=True, encoder=open_encoder(None))
        opened.callback(library.close)
        if is_alone:
            opened.enter_context(_soon(library.prepare))
        app = create_app(hosting, origins, library, settings)
        server = Server(app, settings, ending, lambda _: on_ready(sockets.address))
        if sockets.tls is not None:
            server.certificate = Certificate(sockets.tls, hosting.clock)
        if (ssh := sockets.ssh) is not None:
            server.speak_ssh(ssh, lambda: on_ssh_ready(ssh_address_of(ssh)), http=sockets.http)
        return server.run_on(sockets.http)


@contextmanager
def _soon(task: Callable[[], None]) -> Iterator[None]:
    """Do something beside, when the start is over, unless the end comes before."""

    def attempt() -> None:
        with suppress(StoreError, OSError):  # whoever needs it tries again, and is told
            task()

    timer = threading.Timer(_START_SECONDS, attempt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _allow_many_files() -> None:
    """Take the descriptors that this process may have: a connection takes one, and so does a mapped pack."""
    may_have, could_have = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(could_have, _FILES_MAX) if could_have != resource.RLIM_INFINITY else _FILES_MAX
    if may_have != resource.RLIM_INFINITY and may_have < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, could_have))


def _wait_for_threads() -> None:
    """Wait here, where `Ending` bounds it, for threads that the interpreter would wait for without end."""
    if threading.current_thread() is threading.main_thread():
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.main_thread():
                thread.join()


class Ending:
    """Sees to it that a server that was told to end does: a thread that waits beside it.

    Args:
        seconds: how long the end may take before the process is left with what still runs in it.
        on_wait: told what is waited for, once that has taken `_PATIENCE_SECONDS`.
    """

    def __init__(self, seconds: float, on_wait: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._on_wait = on_wait
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ending", daemon=True)
        self.describe: Callable[[], str] = lambda: "files to be closed"
        """Says what is waited for."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """All is closed: nothing is to be cut off any more."""
        self._ended.set()
        self._begun.set()
        self._thread.join()

    def begin(self, number: int) -> None:
        """Take note of a signal: the second ends the process. For a signal's handler."""
        if self._begun.is_set():
            os._exit(_SIGNALLED + number)
        self._begun.set()

    def _watch(self) -> None:
        self._begun.wait()
        if self._ended.wait(min(_PATIENCE_SECONDS, self._seconds)):
            return
        with suppress(Exception):  # whoever cannot be told must not keep the process
            self._on_wait(self.describe())
        if not self._ended.wait(max(0.0, self._seconds - _PATIENCE_SECONDS)):
            # Threads that hang can only be left. What they did is resumed or undone, as after a crash.
            os._exit(0)


class Server(uvicorn.Server):
    """uvicorn without its voice: no log of its own making, no signal raised again at the end."""

    def __init__(
        self, app: FastAPI, settings: ApiSettings, ending: Ending, on_ready: Callable[[str], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bound_protocol(settings),
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
        logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
        self._on_ready = on_ready
        self._runner: FollowerRunner = app.state.services.runner
        self._ending = ending
        ending.describe = self._describe_rest
        self._services: Services = app.state.services
        self._ssh: SshListener | None = None
        self._start_ssh: Callable[[], Awaitable[None]] | None = None
        self.certificate: Certificate | None = None
        """What HTTPS is served with; None for plain HTTP."""

    def speak_ssh(
        self,
        listener: socket.socket,
        on_ready: Callable[[], None] = lambda: None,
        *,
        http: socket.socket | None = None,
    ) -> None:
        """Serve git over SSH too, at a socket that listens, as soon as the server runs; HTTP is at `http`."""
        from imprint.api.ssh.host_key import ensure_host_key
        from imprint.api.ssh.listener import SshListener

        ssh = SshListener(self._services, ensure_host_key(self._services.hosting.folder))
        if http is not None:
            ssh.http = ("http" if self.certificate is None else "https", http.getsockname()[1])

        async def start() -> None:
            await ssh.start(listener)
            on_ready()

        self._ssh, self._start_ssh = ssh, start

    def run_on(self, listener: socket.socket) -> int:
        """Serve until told to stop; 0 when it was, 1 when it could not start."""
        try:
            self.run(sockets=[listener])
        except SystemExit:  # uvicorn's way to say that the application did not start; it has logged why
            return 1
        finally:
            gc.unfreeze()
        return 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        if self.certificate is not None:
            self.config.ssl = self.certificate.context
        await super().startup(sockets)
        if self.started and self._start_ssh:
            await self._start_ssh()
        # What is there now stays as long as the server: a collection that looked at all of it would hold up
        # every request for a tenth of a second.
        gc.freeze()
        if self.started and sockets:
            self._on_ready(address_of(sockets[0]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order; at once when asked again."""
        self._ending.begin(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests finish while followers stop, then end the application."""
        self._runner.ask_to_stop()
        async with create_task_group() as both:
            if self._ssh is not None:
                both.start_soon(self._ssh.drain, self._services.settings.drain_seconds)
            await super().shutdown(sockets)

    def _reload_certificate(self, _signal: int, _frame: FrameType | None) -> None:
        assert self.certificate is not None  # noqa: S101 - the handler is set only with one
        try:
            self.certificate.reload()
        except TlsFailed as failure:
            _LOGGER.error("the certificate stays as it was: %s", failure.message)  # noqa: TRY400 - no bug
        else:
            _LOGGER.info("the certificate was read again")

    def _describe_rest(self) -> str:
        requests = len(self.server_state.tasks)
        requests += self._ssh.commands if self._ssh else 0
        waits = [f"{requests} request{'s' if requests > 1 else ''}"] if requests else []
        if followers := self._runner.list_working():
            waits.append(f"the followers that run: {', '.join(followers)}")
        return " and ".join(waits) or "work that runs in the background"

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While serving, SIGINT and SIGTERM ask for the end, and SIGHUP for the certificate's files."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self.handle_exit,
            signal.SIGTERM: self.handle_exit,
        }
        if self.certificate is not None:
            handlers[signal.SIGHUP] = self._reload_certificate
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_no_cut(record: logging.LogRecord) -> bool:
    """A filter that leaves out what uvicorn says of requests that the end of the server cut off."""
    fault = record.exc_info[1] if record.exc_info else None
    return not isinstance(fault, asyncio.CancelledError) and not record.getMessage().startswith("Cancel ")
