"""Git's own binary as an engine: fed on stdin, shut off from every configuration that is not ours.

Invariants:
    1. No file of the repository, the user or the system changes what git does here: system and global
       configuration are off, HOME is an empty place, hooks, attributes, pagers and prompts are disabled.
    2. Nothing that a client chose is ever an option: names and revisions go in on stdin or after
       `--end-of-options`.
    3. Every run ends: by itself, with its caller, or at its time limit.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SHUT_OFF: Final = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.excludesFile=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.alternateRefsCommand=:",
    "-c", "core.commitGraph=true",
    "-c", "core.fsync=pack,pack-metadata",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "safe.directory=*",
    "-c", "protocol.allow=never",
)  # fmt: skip
_STDERR_BYTES_KEPT: Final = 64 * 1024


class Plumbing:
    """Runs git on one repository.

    Args:
        git_dir: the bare repository, or a clone's `.git` (common) folder.
        object_dir: where new objects go, if not the repository: a quarantine. The repository's own objects
            stay readable as an alternate.
        search_path: the PATH on which git is found.
        seconds_max: time limit of each run.
    """

    def __init__(
        self,
        git_dir: Path,
        *,
        object_dir: Path | None = None,
        search_path: str = "/usr/local/bin:/usr/bin:/bin",
        seconds_max: int = 3600,
    ) -> None:
        self.git_dir = git_dir
        self.object_dir = object_dir
        self.search_path = search_path
        self.seconds_max = seconds_max

    def in_quarantine(self, object_dir: Path) -> Plumbing:
        """The same repository with new objects going to `object_dir`."""
        return Plumbing(
            self.git_dir, object_dir=object_dir, search_path=self.search_path, seconds_max=self.seconds_max
        )

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run one git command and return its output.

        Raises:
            PlumbingFailed: it ended with a status other than 0, or reached its time limit.
        """
        try:
            done = subprocess.run(
                self._command(arguments),
                input=stdin,
                capture_output=True,
                env=self._environment(),
                timeout=self.seconds_max,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise PlumbingFailed(arguments[0], -1, f"no end after {self.seconds_max} s") from late
        if done.returncode:
            raise PlumbingFailed(arguments[0], done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[GitProcess]:
        """Start a git command; at the end of the block it has ended, killed if need be."""
        process = GitProcess(arguments, self._command(arguments), self._environment(), self.seconds_max)
        try:
            yield process
        finally:
            process.kill()

    def _command(self, arguments: Sequence[str]) -> list[str]:
        # In its own folder git sees no work tree: paths get no prefix, the caller's .gitattributes no say.
        return ["git", "-C", str(self.git_dir.absolute()), *_SHUT_OFF, *arguments]

    def _environment(self) -> dict[str, str]:
        environment = {
            "PATH": self.search_path,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_DIR": str(self.git_dir.absolute()),
        }
        if self.object_dir is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(self.object_dir.absolute())
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.git_dir.absolute() / "objects")
            environment["GIT_QUARANTINE_PATH"] = str(self.object_dir.absolute())
        return environment


class GitProcess:
    """A running git: write to `stdin`, read from `stdout`, then `finish`."""

    def __init__(
        self, arguments: Sequence[str], command: list[str], environment: dict[str, str], seconds_max: int
    ) -> None:
        self._name = arguments[0]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        self._stderr = bytearray()
        self._drain = threading.Thread(target=self._keep_stderr, daemon=True)
        self._drain.start()
        self._timer = threading.Timer(seconds_max, self._process.kill)
        self._timer.daemon = True
        self._timer.start()

    def _keep_stderr(self) -> None:
        """Keep the last of stderr; without a reader git would block on a full pipe."""
        assert self._process.stderr  # noqa: S101
        while chunk := os.read(self._process.stderr.fileno(), 8192):
            self._stderr += chunk
            del self._stderr[:-_STDERR_BYTES_KEPT]

    def finish(self, *, check: bool = True) -> tuple[int, str]:
        """Wait for the end and return the exit status and what git said on stderr.

        Raises:
            PlumbingFailed: with `check`, when the status is not 0.
        """
        if not self.stdin.closed:
            with suppress(BrokenPipeError):
                self.stdin.close()
        status = self._process.wait()
        self._timer.cancel()
        self._drain.join()
        stderr = self._stderr.decode("utf-8", "replace")
        if check and status:
            raise PlumbingFailed(self._name, status, stderr)
        return status, stderr

    def kill(self) -> None:
        """End the process if it still runs, and release its pipes."""
        self._timer.cancel()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._drain.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
