"""What fetches cost the server, beside `git http-backend` behind nginx, in one run and in turn.

    python bench/transport.py REPOSITORY... [--rounds 5] [--only WORK,...] [--json FILE]

Each REPOSITORY is bare and only read. Both sides serve the same refs, maintained as well as each can: bitmaps
and a commit-graph. Processor time is that of all processes of a side, wall time is what a stock client sees,
which is mostly its own work. Followers are kept still by holding their lock, so that only serving is
counted. "First" is a request that the server has not answered before: each round asks for another branch,
made for it; "again" is the same request once more. The last line is the summary.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peer import HttpBackend, cpu_seconds, free_port, wait_for_port
from thread import GIT_ENVIRONMENT, IMPRINT, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BRANCHES = 40
"""Branches made for the bench, each a commit below the one before."""


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds for one request, medians over the rounds."""

    repository: str
    work: str
    ours_cpu: float
    peer_cpu: float
    ours_wall: float
    peer_wall: float


class Ours:
    """A server of this project on a data folder, whose followers stand still."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._run("init")
        (self.data / "derived").mkdir(exist_ok=True)
        self._lock = (self.data / "derived" / "followers.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*IMPRINT, *arguments, "--data", str(self.data)], capture_output=True, check=False
        )
        if done.returncode not in {0, 1}:
            raise SystemExit(f"imprint {arguments}: {done.stderr.decode()[-2000:]}")

    def add(self, name: str, source: Path) -> str:
        """Take a repository over, as one pack; its URL."""
        self._run("import", str(source), f"bench/{name}", "--skip-list-from-report", "--allow-missing")
        self._run("repo", "maintain", f"bench/{name}", "--all")
        return f"{self.base}/bench/{name}.git"

    def start(self) -> None:
        """Begin to serve."""
        self._process = subprocess.Popen(
            [*IMPRINT, "serve", "--data", str(self.data), "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port, 60)
        token = (self.data / "admin-token").read_text().strip()
        GIT_ENVIRONMENT.update(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"http.{self.base}/.extraHeader",
            GIT_CONFIG_VALUE_0=f"Authorization: Bearer {token}",
        )

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(30)

    def restart(self) -> None:
        """What is kept in memory goes."""
        self.stop()
        self.start()

    def process_ids(self) -> list[int]:
        """The server, which waits for its children."""
        assert self._process
        return [self._process.pid]


class Peer:
    """`git http-backend` with the same repositories."""

    def __init__(self, backend: HttpBackend) -> None:
        self._backend = backend

    def add(self, name: str, source: Path) -> str:
        """Copy a repository, as one pack with bitmaps and a commit-graph; its URL."""
        url = self._backend.create(name)
        path = self._backend.folder / "repositories" / f"{name}.git"
        git("fetch", "-q", str(source), "+refs/*:refs/*", cwd=path)
        head = git("symbolic-ref", "HEAD", cwd=source)
        git("symbolic-ref", "HEAD", head, cwd=path)
        self._backend.repack(name)
        return url

    def process_ids(self) -> list[int]:
        """All of its processes."""
        return self._backend.process_ids()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one clone."""
    folder = Path(tempfile.mkdtemp(prefix="imprint-bench-client-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    """Runs work on both sides in turn."""

    def __init__(self, rounds: int, only: frozenset[str], ours: Ours, peer: Peer) -> None:
        self._rounds, self._only = rounds, only
        self._sides = (ours, peer)
        self._ours = ours
        self.rows: list[Row] = []

    def compare(self, repository: str, work: str, times: int, action: Callable[[int, int], float]) -> None:
        """Both sides do `action(side, number)`, which returns its wall time, so many times a round."""
        if self._only and work.partition(",")[0] not in self._only:
            return
        cpu: tuple[list[float], list[float]] = ([], [])
        wall: tuple[list[float], list[float]] = ([], [])
        for turn in range(self._rounds):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                before = cpu_seconds(self._sides[side].process_ids())
                taken = [action(side, turn * times + number) for number in range(times)]
                spent = cpu_seconds(self._sides[side].process_ids()) - before
                cpu[side].append(spent / times)
                wall[side].append(statistics.mean(taken))
        medians = [statistics.median(each) for each in (*cpu, *wall)]
        row = Row(repository, work, *medians)
        self.rows.append(row)
        print(
            f"{repository:10} {work:28} cpu {1000 * row.ours_cpu:8.1f} {1000 * row.peer_cpu:8.1f} ms"
            f"  {row.ours_cpu / max(row.peer_cpu, 1e-9):5.2f}   wall {1000 * row.ours_wall:8.1f}"
            f" {1000 * row.peer_wall:8.1f} ms  {row.ours_wall / row.peer_wall:5.2f}",
            flush=True,
        )


def timed(*arguments: str, cwd: Path | None = None) -> float:
    """Wall seconds of one stock client."""
    begun = time.perf_counter()
    git(*arguments, cwd=cwd)
    return time.perf_counter() - begun


def clone(url: str, *options: str) -> float:
    """Wall seconds of a clone that is thrown away."""
    with scratch() as folder:
        return timed("clone", "-q", "--bare", *options, url, str(folder / "c"))


def in_parallel(count: int, action: Callable[[], object]) -> float:
    """Wall seconds until all of them are done."""
    threads = [threading.Thread(target=action) for _ in range(count)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


class Work:
    """The rows of one repository."""

    def __init__(self, bench: Bench, name: str, source: Path, ours: Ours, peer: Peer, folder: Path) -> None:
        self._bench, self._name, self._folder = bench, name, folder
        self._source = self._prepare(source)
        self._urls = (ours.add(name, self._source), peer.add(name, self._source))
        ours.restart()

    def _prepare(self, source: Path) -> Path:
        """A copy with branches for the bench: `bench-N` is N commits below the tip."""
        copy = self._folder / f"{self._name}.git"
        git("init", "-q", "--bare", str(copy))
        git("fetch", "-q", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", cwd=copy)
        git("symbolic-ref", "HEAD", git("symbolic-ref", "HEAD", cwd=source), cwd=copy)
        self.line = git("rev-list", "--first-parent", "-n", str(BRANCHES + 101), "HEAD", cwd=copy).split()
        for number, commit in enumerate(self.line[:BRANCHES]):
            git("update-ref", f"refs/heads/bench-{number}", commit, cwd=copy)
        return copy

    def run(self) -> None:
        """All rows."""
        compare, urls, name = self._bench.compare, self._urls, self._name
        compare(name, "ls-remote", 10, lambda side, _: timed("ls-remote", urls[side]))
        compare(
            name,
            "ls-remote, one branch",
            10,
            lambda side, _: timed("ls-remote", urls[side], "refs/heads/bench-7"),
        )
        compare(name, "mirror clone", 1, lambda side, _: clone(urls[side], "--mirror"))

        def one(side: int, number: int, *options: str) -> float:
            branch = f"bench-{number % BRANCHES}"
            return clone(urls[side], "--single-branch", "-b", branch, *options)

        for work, options in (
            ("clone", []),
            ("shallow", ["--depth=1"]),
            ("blobless", ["--filter=blob:none"]),
        ):
            for when in ("first", "again"):
                compare(name, f"{work}, {when}", 2, lambda side, n, o=options: one(side, n, *o))
        compare(name, "clone, 16 at once", 1, lambda side, _: in_parallel(16, lambda: one(side, 0)))
        for count in (1, 10, 100):
            self._compare_fetch(count)

    def _compare_fetch(self, count: int) -> None:
        per_round = 4
        clients = {}
        for number in range(min(BRANCHES, per_round * 5)):
            client = self._folder / f"client-{self._name}-{count}-{number}"
            git("init", "-q", "--bare", str(client))
            git("fetch", "-q", str(self._source), self.line[number + count], cwd=client)
            git("update-ref", "refs/heads/have", self.line[number + count], cwd=client)
            clients[number] = client

        def fetch(side: int, number: int) -> float:
            number %= len(clients)
            with scratch() as folder:
                shutil.copytree(clients[number], folder / "c", copy_function=_link)
                return timed(
                    "fetch", "-q", "--no-tags", self._urls[side], f"bench-{number}", cwd=folder / "c"
                )

        for when in ("first", "again"):
            self._bench.compare(self._name, f"fetch {count}, {when}", per_round, fetch)

        def fleet(side: int) -> float:
            gate = threading.Semaphore(8)

            def agent() -> None:
                with gate:
                    fetch(side, 0)

            return in_parallel(50, agent)

        if count == 10:
            self._bench.compare(self._name, "fetch 10, 50 agents", 1, lambda side, _: fleet(side))


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    only = frozenset(filter(None, given.only.split(",")))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprint-bench-")))
        ours = Ours(folder)
        stack.callback(ours.stop)
        peer = Peer(stack.enter_context(HttpBackend()))
        bench = Bench(given.rounds, only, ours, peer)
        for path in given.repositories:
            name = path.resolve().parent.name.split("+")[-1] if path.name.startswith("repo") else path.stem
            Work(bench, name, path, ours, peer, folder).run()
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in bench.rows], indent=1) + "\n")
    ratios = {
        f"{row.repository} {row.work}": round(row.ours_cpu / max(row.peer_cpu, 1e-9), 2) for row in bench.rows
    }
    print(json.dumps(ratios))
    return 0


if __name__ == "__main__":
    sys.exit(main())
