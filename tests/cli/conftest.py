"""A data folder, a running server, and the command line as people and programs call it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from imprint.cli.call import Surroundings
from imprint.cli.main import run

COMMAND = [sys.executable, "-m", "imprint.cli.main"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("IMPRINT_", "GIT_"))}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    return kept | alone | more


@dataclass
class Ended:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def imprint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Carry out a command in this process, through everything but the reading of the environment."""

    def call(
        *arguments: str, cwd: Path = tmp_path, server: str | None = None, token: str | None = None
    ) -> Ended:
        capsys.readouterr()
        code = run(arguments, Surroundings(cwd, environment(), server, token))
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return call


@pytest.fixture
def imprint_process(tmp_path: Path) -> Callable[..., Ended]:
    """Carry out a command in a process of its own."""

    def call(*arguments: str, cwd: Path = tmp_path, **variables: str) -> Ended:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(**variables),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


class ServerProcess:
    """`imprint serve` in a process of its own, on a free port."""

    def __init__(self, data: Path, *options: str, cwd: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--data", str(data), "--port", "0", *options],
            cwd=cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        try:
            self.url = self.wait_for("serves").rpartition(" ")[2]
        except AssertionError:
            self.stop()
            raise

    @property
    def token(self) -> str:
        return (self.data / "admin-token").read_text().strip()

    def wait_for(self, words: str) -> str:
        """The first line that holds the words."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if words in line:
                return self.said[-1]
        assert self.process.stderr
        message = f"the server ended before it said {words!r}: {self.process.stderr.read()}"
        raise AssertionError(message)

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and what was said on stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=60)
        self.said += out.splitlines()
        said = [
            line
            for line in err.splitlines(keepends=True)
            if not line.startswith(("waiting for ", "starting ..."))
        ]
        return self.process.returncode, "".join(said)  # how long it takes is the machine's affair

    def stop(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers that are gone at the end of the test."""
    started: list[ServerProcess] = []

    def start(*options: str, data: Path = tmp_path / "served") -> ServerProcess:
        started.append(ServerProcess(data, *options, cwd=tmp_path))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def wait_for_index(server: ServerProcess) -> None:
    """Until the sample is indexed to its last commit."""
    ends_at = time.monotonic() + 60
    headers = {"Authorization": f"Bearer {server.token}"}
    while httpx.get(f"{server.url}/api/repos/sample/ledger/index", headers=headers).json()["behind"]:
        assert time.monotonic() < ends_at, "the sample is not indexed"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the sample repository in it, for tests that only read it."""
    folder = tmp_path_factory.mktemp("sample")
    server = ServerProcess(folder / "data", "--sample", cwd=folder)
    server.wait_for("Ctrl-C")
    wait_for_index(server)
    yield server
    server.stop()


@pytest.fixture
def ask(imprint: Callable[..., Ended], sample: ServerProcess) -> Callable[..., Ended]:
    """A command against the sample's server, as its administrator."""

    def call(*arguments: str, **more: Any) -> Ended:
        return imprint(*arguments, **{"server": sample.url, "token": sample.token} | more)

    return call
