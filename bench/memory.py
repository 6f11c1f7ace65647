"""How much memory a server takes for large pushes and clones, its Python processes apart from git's.

    python bench/memory.py [--variants blobs,one,many] [--megabytes 2048] [--objects 300000] [--folder DIR]

Each variant makes a repository, pushes it to a fresh server with stock git, waits until every follower is
done, and clones it back. Resident memory of the server and of all that it starts is read from /proc every
20 ms; the peak of each process counts. Needs Linux, and about four times `--megabytes` of disk, which is
free again at the end. Ends with status 1 when a Python process took more than `--bound-mb`.

    blobs  blobs of 32 MB each that do not compress
    one    a single such blob
    many   as many small files as `--objects` says, in folders of 500
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB = 1024**2
BLOB_BYTES = 32 * MB
SECONDS_MAX = 1800
IMPRINT = [sys.executable, "-m", "imprint.cli.main"]
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
}
COMMIT = (
    b"commit refs/heads/main\ncommitter bench <bench@example.com> 1767323045 +0000\ndata 5\nBegin\n"  # 2026
)


# -- repositories --------------------------------------------------------------------------------------------


def noise(count: int, seed: str) -> Iterator[bytes]:
    """That many bytes that do not compress, in pieces."""
    source = random.Random(seed)
    while count:
        piece = source.randbytes(min(count, 8 * MB))
        count -= len(piece)
        yield piece


def write_files(sink, sizes: dict[str, int]) -> None:
    """A commit with files of these sizes, for git-fast-import(1)."""
    sink.write(COMMIT)
    for path, size in sizes.items():
        sink.write(f"M 100644 inline {path}\ndata {size}\n".encode())
        for piece in noise(size, path):
            sink.write(piece)
        sink.write(b"\n")


def write_many(sink, count: int) -> None:
    """A commit with that many small files of text."""
    sink.write(COMMIT)
    for number in range(count):
        content = f"value_{number} = {number * 7919 % 1000003}\n".encode()
        sink.write(f"M 100644 inline d{number // 500}/f{number}.txt\ndata {len(content)}\n".encode())
        sink.write(content + b"\n")


def make_repository(folder: Path, write: Callable[..., None], what) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True, env=ENVIRONMENT)
    command = ["git", "-C", folder, "-c", "core.compression=0", "-c", "core.bigFileThreshold=16m"]
    with subprocess.Popen([*command, "fast-import", "--quiet"], stdin=subprocess.PIPE) as sink:
        write(sink.stdin, what)
        sink.stdin.close()
    if sink.returncode:
        raise SystemExit("the repository could not be made")


# -- watching ------------------------------------------------------------------------------------------------


class Watch(threading.Thread):
    """Peaks of resident memory, in bytes, of a process and of all that it started, by what they are."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._peaks: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        while not self._over.wait(0.02):
            for name, resident in self._look():
                with self._lock:
                    self._peaks[name] = max(self._peaks[name], resident)

    def take(self) -> dict[str, int]:
        """The peaks since the last time."""
        with self._lock:
            peaks, self._peaks = self._peaks, defaultdict(int)
        return peaks

    def end(self) -> None:
        self._over.set()
        self.join()

    def _look(self) -> Iterator[tuple[str, int]]:
        waiting = [self._root]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError, IndexError, ValueError):
                proc = Path(f"/proc/{pid}")
                for task in (proc / "task").iterdir():
                    waiting += [int(child) for child in (task / "children").read_text().split()]
                pages = int((proc / "statm").read_text().split()[1])
                yield _name(proc), pages * os.sysconf("SC_PAGE_SIZE")


def _name(proc: Path) -> str:
    words = (proc / "cmdline").read_bytes().split(b"\0")
    program = words[0].rpartition(b"/")[2].decode()
    if not program.startswith("git"):
        module = words[words.index(b"-m") + 1] if b"-m" in words else b""
        return f"python {module.rpartition(b'.')[2].decode()}"
    known = (word for word in words if word in COMMANDS)
    return "git " + next(known, b"?").decode()


COMMANDS = frozenset(
    b"index-pack pack-objects rev-list cat-file rev-parse diff-tree blame log merge-base unpack-objects "
    b"for-each-ref multi-pack-index commit-graph repack".split()
)


# -- the run -------------------------------------------------------------------------------------------------


class Server:
    """A server on a fresh data folder."""

    def __init__(self, data: Path, options: list[str]) -> None:
        self.process = subprocess.Popen(
            [*IMPRINT, "serve", "--data", data, "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().rpartition(" at ")[2].strip()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        token = (data / "admin-token").read_text().strip()
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        self.git_url = f"http://bench:{token}@{self.url.partition('://')[2]}/bench/big.git"
        self.http.post("/api/repos", json={"name": "bench/big"}).raise_for_status()

    def settle(self) -> None:
        """Wait until every follower is past every event."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            followers = self.http.get("/readyz").json()["followers"].values()
            if followers and not any(each["behind"] for each in followers):
                return
            time.sleep(0.5)
        raise SystemExit("the followers are not done in time")

    def end(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(60)


def git(*arguments: object) -> None:
    # Without the bound the client would search blobs for deltas, which takes it hours and the server nothing.
    done = subprocess.run(
        ["git", "-c", "core.bigFileThreshold=16m", *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    if done.returncode:
        raise SystemExit(f"git {arguments}: {done.stderr.decode('utf-8', 'replace')}")


def measure(name: str, source: Path, folder: Path, options: list[str]) -> int:
    """Print a line per step; the most that a Python process took."""
    server = Server(folder / "data", options)
    watch = Watch(server.process.pid)
    watch.start()
    worst = 0
    steps: dict[str, Callable[[], None]] = {
        "start": lambda: time.sleep(1),
        "push": lambda: git("-C", source, "push", "-q", server.git_url, "main"),
        "followers": server.settle,
        "clone": lambda: git("clone", "-q", "--bare", server.git_url, folder / "clone"),
    }
    try:
        for step, action in steps.items():
            watch.take()
            begun = time.perf_counter()
            action()
            seconds = time.perf_counter() - begun
            peaks = watch.take()
            worst = max(worst, *(peak for what, peak in peaks.items() if what.startswith("python")))
            shown = ", ".join(f"{what} {peak // MB}" for what, peak in sorted(peaks.items(), reverse=True))
            print(f"| {name} | {step} | {seconds:.1f} | {shown} |", flush=True)
    finally:
        watch.end()
        server.end()
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", default="blobs,one,many")
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--objects", type=int, default=300_000)
    parser.add_argument("--bound-mb", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("options", nargs="*", help="after --, for `imprint serve`")
    chosen = parser.parse_args()
    # One blob has to stay below object_bytes_max.
    one = min(chosen.megabytes * MB, 2 * 1024**3 - 1)
    blobs = {f"b{number}.bin": BLOB_BYTES for number in range(chosen.megabytes * MB // BLOB_BYTES)}
    variants = {
        "blobs": (write_files, blobs),
        "one": (write_files, {"one.bin": one}),
        "many": (write_many, chosen.objects),
    }
    worst = 0
    print("| variant | step | seconds | peak resident MB of each process |\n|---|---|---:|---|", flush=True)
    for name in chosen.variants.split(","):
        folder = Path(tempfile.mkdtemp(prefix="imprint-memory-", dir=chosen.folder))
        try:
            make_repository(folder / "source", *variants[name])
            worst = max(worst, measure(name, folder / "source", folder, chosen.options))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\nThe largest Python process took {worst // MB} MB; the bound is {chosen.bound_mb} MB.")
    return int(worst > chosen.bound_mb * MB)


if __name__ == "__main__":
    raise SystemExit(main())
