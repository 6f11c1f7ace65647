"""What requests cost a server as repositories grow, beside `git http-backend`: objects, then refs.

    python bench/growth.py [--objects 1000,10000,100000,400000] [--refs 100,1000,10000,100000] [--seconds N]

Histories are made: each commit changes two files of a tree of twenty folders; commits, trees and blobs
grow alike. Both sides are as in `bench/transport.py`, and asked in turn. `first` is a request that the server
has not answered before, `again` the same once more. Processor time is of all processes of a side, for one
request, in milliseconds. Below each row its growth: the exponent of the size that the times follow, about 0
where the cost is constant and 1 where it grows with the size. "Restarted" asks the same once more after our
server was started anew. Nothing is begun after `--seconds`.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cgroup import ControlGroup
from peer import HttpBackend
from sides import Ours, Peer, Spent
from thread import git
from transport import scratch, timed

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDERS = 20
OBJECTS_PER_COMMIT = 6.0
"""About: a commit, three trees and two blobs."""
SETTLE_SECONDS = 0.1
BRANCHES = 12
BEHIND = 10
SOME = 1000
"""Objects of a repository whose refs grow, refs of one whose objects grow are `BRANCHES`."""


def make_history(folder: Path, objects: int) -> Path:
    """A bare repository with about so many objects, and `BRANCHES` branches near its tip."""
    git("init", "-q", "--bare", "-b", "main", str(folder))
    command = ["git", "-C", str(folder), "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(max(BRANCHES + BEHIND + 1, int(objects / OBJECTS_PER_COMMIT))):
            head = f"commit refs/heads/main\nmark :{number + 1}\n"
            head += f"committer A <a@example.com> {1_600_000_000 + 60 * number} +0000\ndata 4\nstep"
            for at in (number, 7 * number + 1):
                path = f"d{at % FOLDERS}/f{at // FOLDERS % 100}"
                text = "".join(f"line {line} of {path}: {number * 31 % (line + 2)}\n" for line in range(12))
                head += f"\nM 100644 inline {path}\ndata {len(text)}\n{text}"
            process.stdin.write(f"{head}\n".encode())
    if process.returncode:
        raise SystemExit("fast-import failed")
    for number in range(BRANCHES):
        git("update-ref", f"refs/heads/b{number}", f"main~{number}", cwd=folder)
    git("repack", "-adq", cwd=folder)
    return folder


def add_refs(folder: Path, count: int) -> None:
    """More branches, spread over folders."""
    tips = git("rev-list", "-n", "20", "main", cwd=folder).split()
    lines = [f"create refs/heads/team-{at % 97}/topic-{at} {tips[at % len(tips)]}\n" for at in range(count)]
    subprocess.run(
        ["git", "-C", str(folder), "update-ref", "--stdin"], input="".join(lines).encode(), check=True
    )
    git("pack-refs", "--all", cwd=folder)


@dataclass
class Table:
    """Milliseconds by work and size, of both sides.

    Attributes:
        times: by work, then by size: ours and the peer's.
        memory: by size: MiB of our server at the most.
    """

    times: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    memory: dict[int, float] = field(default_factory=dict)

    def show(self, what: str) -> None:
        """Print it."""
        sizes = sorted({size for row in self.times.values() for size in row})
        print(f"\n{what:22}" + "".join(f"{size:>20,}" for size in sizes) + "   growth ours, peer's")
        for work, row in self.times.items():
            cells = [f"{row[size][0]:8.1f} {row[size][1]:8.1f}   " if size in row else "" for size in sizes]
            growth = [find_growth({size: each[side] for size, each in row.items()}) for side in (0, 1)]
            print(
                f"{work:22}"
                + "".join(f"{cell:>20}" for cell in cells)
                + f"   {growth[0]:.2f} {growth[1]:.2f}"
            )
        print(
            f"{'memory, MiB':22}" + "".join(f"{self.memory.get(size, 0):>20.0f}" for size in sizes),
            flush=True,
        )


def find_growth(times: dict[int, float]) -> float:
    """The slope of logarithms: 0 for a constant cost, 1 for one that grows with the size."""
    points = [(math.log(size), math.log(max(taken, 0.1))) for size, taken in times.items()]
    mean_x, mean_y = (sum(each) / len(points) for each in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Growth:
    """Asks both sides, and keeps the times."""

    def __init__(self, sides: tuple[Ours, Peer], folder: Path, until: float) -> None:
        self._sides, self._folder, self._until = sides, folder, until

    def ask(self, table: Table, source: Path, size: int) -> None:
        """All rows of one repository."""
        name = source.stem
        urls = tuple(side.add(name, source) for side in self._sides)
        self._sides[0].restart()
        client = self._make_client(source)

        def fetch(side: int, number: int) -> None:
            with scratch() as folder:
                shutil.copytree(client, folder / "c", copy_function=_link)
                timed("fetch", "-q", "--no-tags", urls[side], f"b{number}", cwd=folder / "c")

        def clone(side: int, number: int, *options: str) -> None:
            with scratch() as folder:
                wish = ("--bare", "--single-branch", "-b", f"b{number}", *options)
                timed("clone", "-q", *wish, urls[side], str(folder / "c"))

        def list_refs(side: int, _: int) -> None:
            timed("ls-remote", urls[side])

        def push(side: int, number: int) -> None:
            timed("push", "-q", urls[side], f"{commits[number]}:refs/heads/b{number}", cwd=source)

        commits = self._make_commits(source)
        with Spent(self._sides[0].group) as whole:
            self._row(table, "ls-remote, first", size, list_refs, range(1))
            self._row(table, "ls-remote, again", size, list_refs, range(4))
            self._row(table, "one branch", size, lambda side, at: self._list_one(urls[side], at), range(4))
            for work, numbers in (("first", range(2)), ("again", range(2))):
                self._row(table, f"clone, {work}", size, clone, numbers)
            for work, numbers in (("first", range(2, 5)), ("again", range(2, 5))):
                self._row(table, f"fetch of 10, {work}", size, fetch, numbers)
            self._row(table, "shallow, first", size, lambda side, at: clone(side, at, "--depth=1"), range(2))
            self._row(table, "push of 1", size, push, range(6, 9))
            self._row(table, "ls-remote, after it", size, list_refs, range(1))
            self._sides[0].restart()
            self._row(table, "clone, restarted", size, clone, range(1))
            self._row(table, "fetch, restarted", size, fetch, range(2, 3))
        table.memory[size] = whole.memory / 2**20

    def _row(
        self, table: Table, work: str, size: int, action: Callable[[int, int], None], numbers: range
    ) -> None:
        if time.monotonic() > self._until:
            return
        taken = []
        for side in (0, 1):
            with Spent(self._sides[side].group) as spent:
                for number in numbers:
                    action(side, number)
                time.sleep(SETTLE_SECONDS)
            taken.append(1000 * spent.cpu / len(numbers))
        table.times.setdefault(work, {})[size] = (taken[0], taken[1])

    @staticmethod
    def _list_one(url: str, number: int) -> None:
        timed("ls-remote", url, f"refs/heads/b{number}")

    def _make_client(self, source: Path) -> Path:
        """One that lacks the last commits of each branch it will ask for."""
        client = self._folder / f"client-{source.stem}.git"
        git("init", "-q", "--bare", str(client))
        (client / "objects/info").mkdir(exist_ok=True)
        old = git("rev-parse", f"main~{BRANCHES + BEHIND - 1}", cwd=source)
        git("fetch", "-q", str(source), f"{old}:refs/heads/have", cwd=client)
        return client

    @staticmethod
    def _make_commits(source: Path) -> list[str]:
        """A commit on top of each branch."""
        made = []
        for number in range(BRANCHES):
            tree = git("rev-parse", f"main~{number}^{{tree}}", cwd=source)
            made.append(git("commit-tree", tree, "-p", f"main~{number}", "-m", "one more", cwd=source))
        return made


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", default="1000,10000,100000,400000")
    parser.add_argument("--refs", default="100,1000,10000,100000")
    parser.add_argument("--seconds", type=float, default=420)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imprint-bench-")))
        groups = [stack.enter_context(ControlGroup()) for _ in range(2)]
        ours = Ours(folder, groups[0])
        stack.callback(ours.stop)
        sides = (ours, Peer(stack.enter_context(HttpBackend()), groups[1]))
        growth = Growth(sides, folder, time.monotonic() + given.seconds)
        for what, sizes in (("objects", given.objects), ("refs", given.refs)):
            table = Table()
            for size in map(int, filter(None, sizes.split(","))):
                source = make_history(folder / f"{what}-{size}.git", size if what == "objects" else SOME)
                if what == "refs":
                    add_refs(source, size)
                growth.ask(table, source, size)
                shutil.rmtree(source)
            if table.times:
                table.show(what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
