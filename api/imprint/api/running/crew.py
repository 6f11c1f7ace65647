"""Several server processes behind one listening socket: started, watched, replaced, ended together.

Each worker is a whole server on the same data folder; the folder's lock decides which of them follows events.

Invariants:
    1. A worker that ends by itself is replaced: at once, and ever more slowly while its successors fail too.
    2. The first signal is passed on, and ends every worker in order; the second ends everything at once.
    3. When this process ends, however it ends, its workers end: they see the end of their input.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from imprint.api.running.sockets import Sockets
    from imprint.api.settings import ApiSettings

_LOGGER: Final = logging.getLogger("imprint.api")
_WORKER: Final = "imprint.api.worker"
_RETRY_SECONDS_MIN: Final = 0.1
_RETRY_SECONDS_MAX: Final = 30.0
_SETTLED_SECONDS: Final = 60.0
"""A worker that lived this long was well: the next failure is a first one."""
_END_SECONDS: Final = 2.0
"""How much longer than itself a worker may take to end."""
_SIGNALLED: Final = 128


class Crew:
    """The workers of one server.

    Args:
        count: how many.
        data, key_file, settings, sockets: what each of them serves, and where.
        on_ready: called once, when all of them answer.
        on_wait: called with what one of them waits for at its end.
    """

    def __init__(  # noqa: PLR0913 - what a worker gets, and who is told
        self,
        count: int,
        data: Path,
        key_file: Path | None,
        settings: ApiSettings,
        sockets: Sockets,
        *,
        on_ready: Callable[[], None],
        on_wait: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._descriptors = tuple(each.fileno() for each in (sockets.http, sockets.ssh) if each)
        files = sockets.tls
        self._order = {
            "data": str(data.absolute()),
            "key_file": None if key_file is None else str(key_file.absolute()),
            "settings": asdict(settings),
            "http": sockets.http.fileno(),
            "ssh": sockets.ssh.fileno() if sockets.ssh else None,
            "tls": [str(files.certificate.absolute()), str(files.key.absolute())] if files else None,
        }
        self._on_ready = on_ready
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._alive: dict[int, subprocess.Popen[str]] = {}
        self._ready: set[int] = set()
        self._stopping = threading.Event()
        self._has_failed = False
        self._has_waited = False
        self._places = [
            threading.Thread(target=self._fill, args=(place,), name=f"worker {place}", daemon=True)
            for place in range(count)
        ]

    def run(self) -> int:
        """Serve until a signal ends it; 0, or 1 when the workers could not start. In the main thread."""
        handled = dict.fromkeys((signal.SIGINT, signal.SIGTERM), self._end)
        before = {number: signal.signal(number, handler) for number, handler in handled.items()}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda number, _: self._pass_on(number))
        try:
            for place in self._places:
                place.start()
            self._stopping.wait()
            deadline = time.monotonic() + self._settings.stop_seconds + _END_SECONDS
            for place in self._places:
                place.join(max(0.0, deadline - time.monotonic()))
            self._pass_on(signal.SIGKILL)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return int(self._has_failed)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping.is_set():
            self._pass_on(signal.SIGKILL)
            os._exit(_SIGNALLED + number)
        self._stopping.set()
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        for worker in list(self._alive.values()):
            worker.send_signal(number)

    def _fill(self, place: int) -> None:
        """Keep a worker in a place until the end."""
        pause = _RETRY_SECONDS_MIN
        while not self._stopping.is_set():
            begun = time.monotonic()
            status = self._work(place)
            if self._stopping.is_set():
                return
            if place not in self._ready:
                self._give_up(place, status)
                return
            if time.monotonic() - begun > _SETTLED_SECONDS:
                pause = _RETRY_SECONDS_MIN
            _LOGGER.warning("worker ended place=%d status=%d; another starts", place, status)
            self._stopping.wait(pause)
            pause = min(2 * pause, _RETRY_SECONDS_MAX)

    def _work(self, place: int) -> int:
        """Run a worker to its end; its exit status."""
        worker = subprocess.Popen(
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=self._descriptors,
            process_group=0,  # Ctrl-C at a terminal reaches this process only, which passes it on
        )
        assert worker.stdin and worker.stdout  # noqa: S101, PT018
        self._alive[place] = worker
        with worker:
            try:
                worker.stdin.write(json.dumps(self._order) + "\n")
                worker.stdin.flush()
                if self._stopping.is_set():
                    worker.send_signal(signal.SIGTERM)
                for line in worker.stdout:
                    self._hear(place, line.rstrip("\n"))
            except OSError:  # it ended before it had read what to do
                _LOGGER.warning("worker did not start place=%d", place)
            status = worker.wait()
            del self._alive[place]
        return status

    def _hear(self, place: int, line: str) -> None:
        word, _, rest = line.partition(" ")
        with self._lock:
            if word == "ready":
                self._ready.add(place)
                is_first = len(self._ready) == len(self._places) and not self._has_waited
            elif word == "waits" and not self._has_waited:
                self._has_waited = True
            else:
                return
        if word == "waits":
            self._on_wait(rest)
        elif is_first:
            self._on_ready_once()

    def _on_ready_once(self) -> None:
        tell, self._on_ready = self._on_ready, lambda: None
        tell()

    def _give_up(self, place: int, status: int) -> None:
        """The server cannot start: end what has."""
        _LOGGER.error("worker did not start place=%d status=%d", place, status)
        self._has_failed = True
        self._stopping.set()
        self._pass_on(signal.SIGTERM)
