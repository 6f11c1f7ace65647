"""Git's own binary as an engine: fed on stdin, shut off from every configuration that is not ours.

Invariants:
    1. No file of the repository, the user or the system changes what git does here: system and global
       configuration are off, HOME is an empty place, hooks, attributes, pagers and prompts are disabled.
    2. Nothing that a client chose is ever an option: names and revisions go in on stdin or after
       `--end-of-options`.
    3. Every run ends: by itself, with its caller, or at its time limit.
    4. What a run may take is bounded: git is told to work in pieces, and the kernel refuses it more memory
       than `memory_bytes_max`, which ends that run and nothing else.
    5. What each run took is kept in `Children`, by command.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
    # Packs are mapped in windows; what is kept while deltas are searched or resolved has a bound.
    "-c", "core.packedGitWindowSize=64m",
    "-c", "core.packedGitLimit=512m",
    "-c", "core.deltaBaseCacheLimit=64m",
    "-c", "pack.windowMemory=64m",
    "-c", "pack.deltaCacheSize=64m",
    "-c", f"pack.threads={min(4, os.cpu_count() or 1)}",
)  # fmt: skip
_LARGE_BLOBS: Final = ("-c", "core.bigFileThreshold=16m")
"""For what makes or checks packs: larger blobs are streamed. Elsewhere it would change what is binary."""
_PACKING: Final = frozenset({"pack-objects", "index-pack", "repack", "unpack-objects"})
_STDERR_BYTES_KEPT: Final = 64 * 1024
_PIPE_BYTES: Final = 64 * 1024
"""What a pipe takes without a reader (pipe(7))."""
_OPTIONS_WITH_VALUE: Final = frozenset({"-c", "--shallow-file"})
_NOTABLE_SECONDS: Final = 10.0
_NOTABLE_BYTES: Final = 256 * 1024**2
"""A run that took more is worth a line of its own in the log."""

SEARCH_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where git is found, unless another PATH is given."""
CHILD_NICENESS: Final[ContextVar[int]] = ContextVar("CHILD_NICENESS", default=0)
"""How far git processes started from here stand back for others (nice(1)): 0 to 19."""

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class CommandUse:
    """What the finished runs of one git command took.

    Attributes:
        runs: how many.
        failures: how many of them ended with another status than 0, killed ones included.
        killed: how many of them a signal ended: their caller's, their time limit's, or the kernel's.
        cpu_seconds: processor time, of all of them.
        peak_bytes: the most memory that one of them held, with the parts of files that it had mapped.
    """

    runs: int = 0
    failures: int = 0
    killed: int = 0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class Children:
    """What the git processes of one program cost, by command. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[str, CommandUse] = {}
        self._running: Counter[str] = Counter()

    def list_uses(self) -> Mapping[str, CommandUse]:
        """What finished runs took, by command."""
        with self._lock:
            return dict(sorted(self._uses.items()))

    def count_running(self) -> Mapping[str, int]:
        """How many processes run at this moment, by command."""
        with self._lock:
            return {name: count for name, count in sorted(self._running.items()) if count}

    def note_start(self, command: str) -> None:
        """A process has been started."""
        with self._lock:
            self._running[command] += 1

    def note_end(self, command: str, status: int, usage: resource.struct_rusage, seconds: float) -> None:
        """A process has ended, after so many seconds of the clock."""
        cpu_seconds = usage.ru_utime + usage.ru_stime
        peak_bytes = usage.ru_maxrss * 1024
        with self._lock:
            self._running[command] -= 1
            before = self._uses.get(command, CommandUse())
            self._uses[command] = replace(
                before,
                runs=before.runs + 1,
                failures=before.failures + (status != 0),
                killed=before.killed + (status < 0),
                cpu_seconds=before.cpu_seconds + cpu_seconds,
                peak_bytes=max(before.peak_bytes, peak_bytes),
            )
        if seconds > _NOTABLE_SECONDS or peak_bytes > _NOTABLE_BYTES:
            _log.info(
                "git %s status=%d seconds=%.1f cpu_seconds=%.1f peak_mb=%d",
                command, status, seconds, cpu_seconds, peak_bytes // 1024**2,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChildBounds:
    """What one run of git may take.

    Attributes:
        seconds_max: by the clock.
        memory_bytes_max: of its own memory, the mapped parts of files not counted; 0 for as much as there is.
    """

    seconds_max: int = 3600
    memory_bytes_max: int = 0


class Plumbing:
    """Runs git on one repository.

    Args:
        git_dir: the bare repository, or a clone's `.git` (common) folder.
        object_dir: where new objects go, if not the repository: a quarantine. The repository's own objects
            stay readable as an alternate.
        search_path: the PATH on which git is found.
        bounds: what each run may take.
        children: where it is kept what each run took.
    """

    def __init__(
        self,
        git_dir: Path,
        *,
        object_dir: Path | None = None,
        search_path: str = SEARCH_PATH,
        bounds: ChildBounds | None = None,
        children: Children | None = None,
    ) -> None:
        self.git_dir = git_dir
        self.object_dir = object_dir
        self.search_path = search_path
        self.bounds = bounds or ChildBounds()
        self.children = children or Children()

    def in_quarantine(self, object_dir: Path) -> Plumbing:
        """The same repository with new objects going to `object_dir`."""
        return self._like(self.git_dir, object_dir)

    def at(self, git_dir: Path) -> Plumbing:
        """The same git, with the same bounds, on another repository."""
        return self._like(git_dir, None)

    def _like(self, git_dir: Path, object_dir: Path | None) -> Plumbing:
        return Plumbing(
            git_dir,
            object_dir=object_dir,
            search_path=self.search_path,
            bounds=self.bounds,
            children=self.children,
        )

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run one git command and return its output.

        Raises:
            PlumbingFailed: it ended with a status other than 0, or reached its time limit.
        """
        with self.stream(*arguments) as process, process.fed(stdin):
            output = process.stdout.read()
            process.finish()
        return output

    @contextmanager
    def stream(self, *arguments: str, stderr_bytes: int = _STDERR_BYTES_KEPT) -> Iterator[GitProcess]:
        """Start a git command; at the end of the block it has ended, killed if need be.

        Args:
            arguments: the command and what it takes.
            stderr_bytes: how much of the last of what it says on stderr is kept.
        """
        child = _Child(find_command(arguments), self._command(arguments), self._environment(), self)
        process = GitProcess(child, self.bounds.seconds_max, stderr_bytes)
        try:
            yield process
        finally:
            process.kill()

    def _command(self, arguments: Sequence[str]) -> list[str]:
        # In its own folder git sees no work tree: paths get no prefix, the caller's .gitattributes no say.
        settings = [*_SHUT_OFF, *_LARGE_BLOBS] if find_command(arguments) in _PACKING else _SHUT_OFF
        return ["git", "-C", str(self.git_dir.absolute()), *settings, *arguments]

    def _environment(self) -> dict[str, str]:
        environment = make_environment(self.search_path) | {"GIT_DIR": str(self.git_dir.absolute())}
        if self.object_dir is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(self.object_dir.absolute())
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.git_dir.absolute() / "objects")
            environment["GIT_QUARANTINE_PATH"] = str(self.object_dir.absolute())
        return environment


def make_environment(search_path: str) -> dict[str, str]:
    """What a git process sees of the world around it, whatever it is asked: nobody's configuration."""
    return {
        "PATH": search_path,
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
    }


def find_command(arguments: Sequence[str]) -> str:
    """The git command among arguments, which may begin with options that have a value."""
    at = 0
    while arguments[at] in _OPTIONS_WITH_VALUE:
        at += 2
    return arguments[at]


class _Child:
    """A git process from its start to its end, which is waited for exactly once.

    It has a process group of its own: Ctrl-C at a terminal is for the server, which lets work finish.
    """

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], plumbing: Plumbing
    ) -> None:
        self.name = name
        self.is_late = False
        self._children = plumbing.children
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=0,
        )
        self._children.note_start(name)
        with suppress(OSError):  # it may have ended already
            if memory_bytes := plumbing.bounds.memory_bytes_max:
                resource.prlimit(self.process.pid, resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
            if niceness := CHILD_NICENESS.get():
                os.setpriority(os.PRIO_PROCESS, self.process.pid, niceness)

    def wait(self) -> int:
        """Wait for the end; its exit status, or less than 0 for the signal that ended it."""
        if self.process.returncode is None:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            self._reap()
        return self.process.returncode

    def _reap(self) -> None:
        """Take note of the end, once. Until then the process id is this child's, and may be signalled."""
        with self._lock:
            if self.process.returncode is not None:
                return
            _, status, usage = os.wait4(self.process.pid, 0)
            self.process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - self._begun
        self._children.note_end(self.name, self.process.returncode, usage, seconds)

    def kill(self, *, is_late: bool = False) -> None:
        """Kill it, with what it has started, unless it has ended."""
        with self._lock:
            if self.process.returncode is None:
                self.is_late = is_late
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)


class GitProcess:
    """A running git: write to `stdin`, read from `stdout`, then `finish`. Made by `Plumbing.stream`."""

    def __init__(self, child: _Child, seconds_max: int, stderr_bytes: int) -> None:
        self._child = child
        self._stderr_bytes = stderr_bytes
        self._seconds_max = seconds_max
        process = child.process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018
        self.stdin = process.stdin
        self.stdout = process.stdout
        self._errors = process.stderr
        self._stderr = bytearray()
        self._drain = threading.Thread(target=self._keep_stderr, daemon=True)
        self._drain.start()
        self._timer = threading.Timer(seconds_max, child.kill, kwargs={"is_late": True})
        self._timer.daemon = True
        self._timer.start()

    def _keep_stderr(self) -> None:
        """Keep the last of stderr; without a reader git would block on a full pipe."""
        while chunk := os.read(self._errors.fileno(), 8192):
            self._stderr += chunk
            del self._stderr[: -self._stderr_bytes]

    @contextmanager
    def fed(self, content: bytes) -> Iterator[None]:
        """Give it all that it reads, while the block reads what it writes."""
        if len(content) <= _PIPE_BYTES:
            self._feed(content)
            yield
            return
        feeder = threading.Thread(target=self._feed, args=(content,), daemon=True)
        feeder.start()
        try:
            yield
        finally:
            self._child.kill()  # where it has not ended, nobody reads what it says any more
            feeder.join()

    def _feed(self, content: bytes) -> None:
        with suppress(BrokenPipeError):
            self.stdin.write(content)
            self.stdin.flush()
        with suppress(BrokenPipeError):
            self.stdin.close()

    def give(self, content: bytes) -> None:
        """Give it all of its input; if it has ended before it took it, its status will say why."""
        with suppress(BrokenPipeError):
            self.stdin.write(content)
        with suppress(BrokenPipeError):
            self.stdin.close()

    def end_within(self, seconds: float) -> None:
        """Give it so much longer from now on, where that is less than it had."""
        self._timer.cancel()
        self._seconds_max = min(self._seconds_max, int(seconds))
        self._timer = threading.Timer(self._seconds_max, self._child.kill, kwargs={"is_late": True})
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """End it now, from any thread: whoever reads from it finds the end, and a status of failure."""
        self._child.kill()

    def finish(self, *, check: bool = True) -> tuple[int, str]:
        """Wait for the end and return the exit status and what git said on stderr.

        Raises:
            PlumbingFailed: with `check`, when the status is not 0; always, when it reached its time limit.
        """
        if not self.stdin.closed:
            with suppress(BrokenPipeError):
                self.stdin.close()
        status = self._child.wait()
        self._timer.cancel()
        self._drain.join()
        stderr = self._stderr.decode("utf-8", "replace")
        if self._child.is_late:
            raise PlumbingFailed(self._child.name, -1, f"no end after {self._seconds_max} s")
        if check and status:
            raise PlumbingFailed(self._child.name, status, stderr)
        return status, stderr

    def kill(self) -> None:
        """End the process if it still runs, and release its pipes."""
        self._timer.cancel()
        self._child.kill()
        self._child.wait()
        self._drain.join()
        for pipe in (self.stdin, self.stdout, self._errors):
            with suppress(BrokenPipeError):
                pipe.close()
