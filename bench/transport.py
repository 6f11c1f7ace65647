"""What fetches cost the server, beside `git http-backend` behind nginx, in one run and in turn.

    python bench/transport.py REPOSITORY... [--refs 100,10000] [--rounds 5] [--only WORK,...] [--at-once 16]
                              [--json FILE]

Each REPOSITORY is bare and only read. Both sides serve the same refs, maintained as well as each can: bitmaps
and a commit-graph. `cpu` is the processor time of all processes of a side, for one request, over all rounds;
`wall` is the median of what a stock client sees, which is mostly its own work: `client` is its processor
time, for one request to ours; `memory` is the most that a side's processes had of their own, mapped files not
counted. Followers stand still, by holding their lock, so that only serving is counted. "First" is a request
that the server has not answered before: each asks for another branch, made for it; "again" is the same
requests once more. `--refs` adds repositories of so many refs. The last line is the summary: the ratios of
processor time.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cgroup import ControlGroup
from peer import HttpBackend
from sides import Ours, Peer, Spent
from thread import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BRANCHES = 60
"""Branches made for the bench, each a commit below the one before."""
DEEPEST = 100
"""The most commits that a client is behind."""
SETTLE_SECONDS = 0.1
"""For processes that have answered to end."""
FLEET = 50
FLEET_AT_ONCE = 8


@dataclass
class Side:
    """What one side took in a row."""

    cpu: float = 0.0
    client: float = 0.0
    wall: list[float] = field(default_factory=list)
    memory: int = 0


@dataclass(frozen=True)
class Row:
    """One line of the table; seconds for one request, bytes. `client` is processor time of our clients."""

    repository: str
    work: str
    ours_cpu: float
    peer_cpu: float
    ours_wall: float
    peer_wall: float
    ours_memory: int
    peer_memory: int
    client: float

    @property
    def ratio(self) -> float:
        """Processor time, times the peer's."""
        return self.ours_cpu / max(self.peer_cpu, 1e-9)

    def __str__(self) -> str:
        return (
            f"{self.repository:12} {self.work:24} cpu {1000 * self.ours_cpu:8.1f}"
            f" {1000 * self.peer_cpu:8.1f} ms {self.ratio:5.2f}   wall {1000 * self.ours_wall:8.1f}"
            f" {1000 * self.peer_wall:8.1f} ms {self.ours_wall / self.peer_wall:5.2f}   memory"
            f" {self.ours_memory / 2**20:5.0f} {self.peer_memory / 2**20:5.0f} MiB"
            f"   client {1000 * self.client:8.1f} ms"
        )


class Bench:
    """Runs work on both sides in turn."""

    def __init__(self, rounds: int, only: frozenset[str], ours: Ours, peer: Peer, at_once: int = 16) -> None:
        self.rounds = rounds
        self.at_once = at_once
        self._only = only
        self._sides = (ours, peer)
        self.rows: list[Row] = []

    def compare(self, repository: str, work: str, times: int, action: Callable[[int, int], float]) -> None:
        """Both sides do `action(side, number)`, which returns its wall time, so many times a round."""
        if not self.wants(work):
            return
        taken = (Side(), Side())
        for turn in range(self.rounds):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                before = client_seconds()
                with Spent(self._sides[side].group) as spent:
                    taken[side].wall += [action(side, turn * times + number) for number in range(times)]
                    time.sleep(SETTLE_SECONDS)
                taken[side].cpu += spent.cpu
                taken[side].client += client_seconds() - before
                taken[side].memory = max(taken[side].memory, spent.memory)
        count = times * self.rounds
        cpu = [side.cpu / count for side in taken]
        wall = [statistics.median(side.wall) for side in taken]
        row = Row(repository, work, *cpu, *wall, *(side.memory for side in taken), taken[0].client / count)
        self.rows.append(row)
        print(row, flush=True)

    def wants(self, work: str) -> bool:
        """Whether a row was asked for."""
        return not self._only or work.partition(",")[0] in self._only


def client_seconds() -> float:
    """Processor time of the clients that have ended: no other child of this process ends within a row."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one clone."""
    folder = Path(tempfile.mkdtemp(prefix="imprint-bench-client-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


class Clients:
    """Clients that are so many commits behind; they share the objects of the oldest."""

    def __init__(self, source: Path, line: Sequence[str], folder: Path) -> None:
        self._source, self._line, self._folder = source, line, folder
        self._base = folder / "base.git"
        git("init", "-q", "--bare", str(self._base))
        git("fetch", "-q", str(source), line[-1], cwd=self._base)

    def behind(self, branch: int, count: int) -> Path:
        """One that has what is `count` commits below a branch."""
        client = self._folder / f"client-{branch}-{count}.git"
        if not client.exists():
            git("init", "-q", "--bare", str(client))
            (client / "objects/info").mkdir(exist_ok=True)
            (client / "objects/info/alternates").write_text(f"{self._base}/objects\n")
            git("update-ref", "refs/heads/have", self._line[-1], cwd=client)  # so that little is fetched
            git("fetch", "-q", str(self._source), self._line[branch + count], cwd=client)
            git("update-ref", "refs/heads/have", self._line[branch + count], cwd=client)
        return client

    def copy(self, branch: int, count: int, folder: Path) -> Path:
        """Another one like it, which may be changed."""
        return Path(shutil.copytree(self.behind(branch, count), folder, copy_function=_link))


def prepare_branches(source: Path, copy: Path) -> tuple[Path, list[str]]:
    """A copy with branches for the bench, `bench-N` N commits below the tip, and the commits in order."""
    git("init", "-q", "--bare", str(copy))
    git("fetch", "-q", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", cwd=copy)
    git("symbolic-ref", "HEAD", git("symbolic-ref", "HEAD", cwd=source), cwd=copy)
    line = git("rev-list", "--first-parent", "-n", str(BRANCHES + DEEPEST + 1), "HEAD", cwd=copy).split()
    for number, commit in enumerate(line[:BRANCHES]):
        git("update-ref", f"refs/heads/bench-{number}", commit, cwd=copy)
    return copy, line


def update(url: str, clients: Clients, branch: int, count: int) -> float:
    """Wall seconds of a fetch of a branch by a client that is so many commits behind it."""
    with scratch() as folder:
        return fetch(url, branch, clients.copy(branch, count, folder / "c"))


def fetch(url: str, branch: int, client: Path) -> float:
    """Wall seconds of a fetch of a branch."""
    return timed("fetch", "-q", "--no-tags", url, f"bench-{branch}", cwd=client)


class Work:
    """The rows of one repository."""

    def __init__(self, bench: Bench, name: str, source: Path, sides: tuple[Ours, Peer], folder: Path) -> None:
        self._bench, self._name, self._folder = bench, name, folder
        self._source, self._line = prepare_branches(source, folder / f"{name}.git")
        self._urls = tuple(side.add(name, self._source) for side in sides)
        sides[0].restart()
        for url in self._urls:  # what a server reads once of a repository is in no row
            clone(url, "--depth=1")
        self._clients = Clients(self._source, self._line, folder)

    def run(self) -> None:
        """All rows."""
        compare, urls, name = self._bench.compare, self._urls, self._name
        compare(name, "ls-remote", 10, lambda side, _: timed("ls-remote", urls[side]))
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
        if self._bench.at_once:
            work, count = f"clone, {self._bench.at_once} at once", self._bench.at_once
            compare(name, work, 1, lambda side, _: in_parallel(count, lambda: one(side, 0)))
        for count in (1, 10, 100):
            self._compare_fetch(count)

    def _compare_fetch(self, count: int) -> None:
        work = f"fetch {count}"
        if not self._bench.wants(work):
            return
        per_round = BRANCHES // self._bench.rounds
        for number in range(per_round * self._bench.rounds):
            self._clients.behind(number, count)
        for when in ("first", "again"):
            self._bench.compare(
                self._name, f"{work}, {when}", per_round, lambda side, n: self._fetch(side, n, count)
            )
        if count == DEEPEST // 10:
            name = f"{work}, {FLEET} agents"
            self._bench.compare(self._name, name, 1, lambda side, n: self._fleet(side, n, count))

    def _fetch(self, side: int, branch: int, count: int) -> float:
        return update(self._urls[side], self._clients, branch, count)

    def _fleet(self, side: int, branch: int, count: int) -> float:
        gate = threading.Semaphore(FLEET_AT_ONCE)
        with scratch() as folder:
            waiting = [self._clients.copy(branch, count, folder / str(number)) for number in range(FLEET)]

            def agent() -> None:
                with gate:
                    fetch(self._urls[side], branch, waiting.pop())

            return in_parallel(FLEET, agent)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def compare_refs(bench: Bench, count: int, sides: tuple[Ours, Peer], folder: Path) -> None:
    """The rows of a repository with so many refs."""
    source = folder / f"refs-{count}.git"
    git("init", "-q", "--bare", "-b", "main", str(source))
    tree = git("hash-object", "-t", "tree", "-w", "/dev/null", cwd=source)
    commits = [git("commit-tree", tree, "-m", f"commit {number}", cwd=source) for number in range(20)]
    names = [f"refs/heads/team-{number % 97}/topic-{number}" for number in range(count - 1)]
    lines = [f"{commits[number % 20]} {name}\n" for number, name in enumerate(names)]
    packed = "# pack-refs with: peeled fully-peeled sorted \n" + "".join(sorted(lines, key=lambda x: x[41:]))
    (source / "packed-refs").write_text(packed)
    git("update-ref", "refs/heads/main", commits[0], cwd=source)
    urls = tuple(side.add(f"refs-{count}", source) for side in sides)
    sides[0].restart()
    name = f"{count} refs"
    times = 10 if count < 50_000 else 3
    bench.compare(name, "ls-remote", times, lambda side, _: timed("ls-remote", urls[side]))
    one = names[count // 2]
    bench.compare(name, "ls-remote, one branch", 10, lambda side, _: timed("ls-remote", urls[side], one))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", type=Path, nargs="*")
    parser.add_argument("--refs", default="", help="numbers of refs, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="the first words of rows, with commas between")
    parser.add_argument("--at-once", type=int, default=16, help="clones at once; 0 for no such row")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    only = frozenset(filter(None, given.only.split(",")))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprint-bench-")))
        groups = [stack.enter_context(ControlGroup()) for _ in range(2)]
        ours = Ours(folder, groups[0])
        stack.callback(ours.stop)
        sides = (ours, Peer(stack.enter_context(HttpBackend()), groups[1]))
        bench = Bench(given.rounds, only, *sides, given.at_once)
        for count in filter(None, given.refs.split(",")):
            compare_refs(bench, int(count), sides, folder)
        for path in given.repositories:
            name = path.resolve().parent.name.split("+")[-1] if path.name.startswith("repo") else path.stem
            own = folder / name
            own.mkdir()
            Work(bench, name, path, sides, own).run()
            shutil.rmtree(own)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in bench.rows], indent=1) + "\n")
    print(json.dumps({f"{row.repository} {row.work}": round(row.ratio, 2) for row in bench.rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
