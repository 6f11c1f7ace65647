"""Two servers of the same repositories: this project's, and `git http-backend` at its best."""

from __future__ import annotations

import fcntl
import http.client
import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

from peer import free_port, wait_for_port
from thread import GIT_ENVIRONMENT, IMPRINT, git

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from cgroup import ControlGroup
    from peer import HttpBackend


IDLE_SECONDS = 3
IDLE_CPU_SECONDS = 0.02


class Ours:
    """A server of this project on a data folder, whose followers stand still."""

    def __init__(self, folder: Path, group: ControlGroup) -> None:
        self.group = group
        self.data = folder / "data"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._run("init")
        (self.data / "derived").mkdir(exist_ok=True)
        self._lock = (self.data / "derived" / "followers.lock").open("w")
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*IMPRINT, *arguments, "--data", str(self.data)], capture_output=True, check=False
        )
        if done.returncode not in {0, 1}:
            raise SystemExit(f"imprint {arguments}: {done.stderr.decode()[-2000:]}")

    def add(self, name: str, source: Path) -> str:
        """Take a repository over, as one pack, before the next `start`; its URL."""
        self.stop()
        self._run("import", str(source), f"bench/{name}", "--skip-list-from-report", "--allow-missing")
        self._run("repo", "maintain", f"bench/{name}", "--all")
        return f"{self.base}/bench/{name}.git"

    def create(self, name: str) -> str:
        """An empty repository, made on the running server; its URL."""
        token = (self.data / "admin-token").read_text().strip()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/repos", json.dumps({"name": f"bench/{name}"}), headers)
        answer = connection.getresponse()
        if answer.status != http.client.CREATED:
            raise SystemExit(f"{name}: {answer.status} {answer.read()!r}")
        connection.close()
        return f"{self.base}/bench/{name}.git"

    def start(self) -> None:
        """Begin to serve, without followers."""
        self.begin()
        self.wait_until_idle()

    def begin(self) -> None:
        """The same, without waiting until it is idle."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._process = subprocess.Popen(
            [*IMPRINT, "serve", "--data", str(self.data), "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.group.take([self._process.pid])
        wait_for_port(self.port, 60)
        token = (self.data / "admin-token").read_text().strip()
        GIT_ENVIRONMENT.update(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"http.{self.base}/.extraHeader",
            GIT_CONFIG_VALUE_0=f"Authorization: Bearer {token}",
        )

    def wait_until_idle(self, seconds: float = 30) -> None:
        """What a server makes ready beside its start is over: nothing of it is counted with a request."""
        deadline = time.monotonic() + seconds
        idle = 0
        while idle < IDLE_SECONDS and time.monotonic() < deadline:
            before = self.group.cpu_seconds()
            time.sleep(1)
            idle = idle + 1 if self.group.cpu_seconds() - before < IDLE_CPU_SECONDS else 0

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def restart(self) -> None:
        """What is kept in memory goes."""
        self.stop()
        self.start()


class Peer:
    """`git http-backend` with the same repositories."""

    def __init__(self, backend: HttpBackend, group: ControlGroup) -> None:
        self.group = group
        self._backend = backend
        group.take(backend.process_ids())

    def add(self, name: str, source: Path) -> str:
        """Copy a repository, as one pack with bitmaps and a commit-graph; its URL."""
        url = self._backend.create(name)
        path = self._backend.folder / "repositories" / f"{name}.git"
        git("fetch", "-q", str(source), "+refs/*:refs/*", cwd=path)
        head = git("symbolic-ref", "HEAD", cwd=source)
        git("symbolic-ref", "HEAD", head, cwd=path)
        self._backend.repack(name)
        return url


class Spent:
    """What a side spends while the context is open.

    Attributes:
        cpu: seconds, of all its processes.
        memory: bytes at the most, of all its processes together: what is their own, without mapped files.
    """

    def __init__(self, group: ControlGroup, every_seconds: float = 0.02) -> None:
        self._group = group
        self._every = every_seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.cpu = 0.0
        self.memory = 0

    def __enter__(self) -> Self:
        self._before = self._group.cpu_seconds()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu = self._group.cpu_seconds() - self._before
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self.memory = max(self.memory, self._group.own_bytes())
