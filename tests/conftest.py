"""What every test shares: real git, shut off from the machine's configuration, a real PostgreSQL, and a
Hypothesis profile."""

import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fast", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("IMPRINT_TEST_PROFILE", "fast"))

ALONE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_TEMPLATE_DIR": "",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "maintenance.auto",
    "GIT_CONFIG_VALUE_0": "false",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}
"""What keeps a stock git to itself, without a dozen sample hooks in each repository and without asking after
each commit whether there is something to tidy up."""
GIT_ENVIRONMENT = {
    **ALONE,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}

# -- where tests write -----------------------------------------------------------------------------------

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 4 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Have temporary folders in memory where there is plenty, unless TMPDIR says where: no test ends the
    machine, so that to wait for a disk at every `fsync` checks nothing."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # ask again


class Git:
    """A stock git client in one folder, with fixed names and dates so that ids repeat."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**os.environ, **GIT_ENVIRONMENT, **(environment or {})}

    def run(
        self, *arguments: str, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git; with `check`, a failure shows what git said."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, (
                f"git {' '.join(arguments)}: {done.stderr.decode('utf-8', 'replace')}"
            )
        return done

    def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git, which must succeed; its output as text without the last newline."""
        return self.run(*arguments, stdin=stdin).stdout.decode("utf-8", "replace").removesuffix("\n")

    def commit_file(self, path: str, content: str | bytes, message: str = "change", **identity: str) -> str:
        """Write a file, commit it and return the id; `identity` sets GIT_* variables in lower case."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        self("add", "-A")
        git = Git(self.folder, {f"GIT_{key.upper()}": value for key, value in identity.items()})
        git("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git_client() -> type[Git]:
    """The class of stock clients: `git_client(folder)("status")`."""
    return Git


@pytest.fixture
def work_tree(tmp_path: Path) -> Git:
    """An empty repository with a work tree, on branch `main`."""
    folder = tmp_path / "work"
    folder.mkdir()
    git = Git(folder)
    git("init", "-q", "-b", "main")
    return git


# -- PostgreSQL -----------------------------------------------------------------------------------------

_PG_USER = "imprint"
_PG_STRATEGIES = 15
"""Since this version it can be said how a template is copied: as files takes half as long as by the log."""
_PG_OPTIONS = (
    "-c", "fsync=off",
    "-c", "max_wal_size=64MB",
    "-c", "max_connections=60",
    "-c", "shared_buffers=16MB",
    "-c", "listen_addresses=127.0.0.1",
)  # fmt: skip


def _find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class PostgresServer:
    """A real server in a folder of its own, on a free loopback port, that can be stopped and started."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="imprint-postgres-"))
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._user:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._numbers = itertools.count(1)
        version = subprocess.check_output([programs / "postgres", "--version"], text=True)
        major = int(re.findall(r"\d+", version)[0])
        self._strategy = " STRATEGY file_copy" if major >= _PG_STRATEGIES else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--auth=trust", f"--username={_PG_USER}", "--no-sync", "--encoding=UTF8", "data")

    def start(self) -> None:
        command = [
            str(self._programs / "postgres"),
            "-D",
            "data",
            "-p",
            str(self._port),
            "-k",
            str(self._folder),
            *_PG_OPTIONS,
        ]
        self._process = subprocess.Popen(command, **self._how())
        ends_at = time.monotonic() + 20
        while self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self._port), check=False):
            assert time.monotonic() < ends_at, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT breaks connections off, SIGQUIT does so without a checkpoint, as a crash."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        return f"postgresql://{_PG_USER}@127.0.0.1:{self._port}/{database}"

    def make(self, template: str = "template0") -> str:
        """A new database's name."""
        name = f"t{next(self._numbers)}"
        self.ask("postgres", f'CREATE DATABASE {name} TEMPLATE "{template}"{self._strategy}')
        return name

    def ask(self, database: str, statement: str) -> None:
        self._run(
            "psql", "-q", "-h", "127.0.0.1", "-p", str(self._port), "-U", _PG_USER, "-c", statement, database
        )

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        command = [str(self._programs / program), *arguments]
        return subprocess.run(command, check=check, **self._how()).returncode

    def _how(self) -> dict[str, object]:
        how: dict[str, object] = {
            "cwd": self._folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        }
        if self._user:
            how |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return how


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server; tests that want one are skipped where it is not installed."""
    programs = _find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.close()
