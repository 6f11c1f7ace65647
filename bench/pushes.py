"""What pushes cost the server, beside `git http-backend` behind nginx, in one run and in turn.

    python bench/pushes.py [REPOSITORY] [--rounds 8] [--pushers 16]

Rows: a push of one commit of one changed file into a tree of 5,000 files; the same by many pushers at once,
each with a clone and a branch of its own; and a push of a whole repository, which is REPOSITORY or the tree.
`cpu` is processor time of all processes of a side for one push, by control groups; `wall` the median of what
a stock client takes. Ours makes every check, keeps the event in the same transaction, and is durable; the
peer checks objects too (`receive.fsckObjects`). Followers stand still, by holding their lock. The last line
sums up the ratios of processor time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cgroup import ControlGroup
from peer import HttpBackend
from sides import Ours, Peer
from thread import git
from writes import make_tree

SETTLE_SECONDS = 0.15
"""For processes that have answered to end."""


@dataclass
class Side:
    """One side: where it takes pushes, and what they took."""

    name: str
    group: ControlGroup
    url: str
    cpu: dict[str, list[float]] = field(default_factory=dict)
    wall: dict[str, list[float]] = field(default_factory=dict)

    def note(self, row: str, pushes: int, cpu: float, walls: list[float]) -> None:
        """What so many pushes took."""
        self.cpu.setdefault(row, []).append(cpu / pushes)
        self.wall.setdefault(row, []).extend(walls)


def timed(folder: Path, *arguments: str) -> float:
    """Seconds that a push takes its client."""
    began = time.perf_counter()
    git("push", "-q", *arguments, cwd=folder)
    return time.perf_counter() - began


def push_one(sides: list[Side], tree: Path, at: int) -> None:
    """One commit to each side, the first of them another one each time."""
    (tree / f"d{at % 50:02}" / "f00.txt").write_text(f"changed {at}\n" * 10)
    git("commit", "-qam", f"change {at}", cwd=tree)
    for side in sides if at % 2 else reversed(sides):
        before = side.group.cpu_seconds()
        wall = timed(tree, side.url, "HEAD:refs/heads/main")
        time.sleep(SETTLE_SECONDS)
        side.note("one commit", 1, side.group.cpu_seconds() - before, [wall])


def push_together(sides: list[Side], clones: list[Path], at: int) -> None:
    """One commit of every pusher, at once."""
    for number, clone in enumerate(clones):
        (clone / f"d{number:02}" / "f01.txt").write_text(f"{number} changed {at}\n" * 10)
        git("commit", "-qam", f"change {at}", cwd=clone)
    row = f"{len(clones)} pushers"
    for side in sides if at % 2 else reversed(sides):
        before = side.group.cpu_seconds()
        with ThreadPoolExecutor(len(clones)) as pool:
            walls = list(
                pool.map(
                    lambda pair: timed(pair[1], side.url, f"HEAD:refs/heads/p{pair[0]}"),  # noqa: B023
                    enumerate(clones),
                )
            )
        time.sleep(SETTLE_SECONDS)
        side.note(row, len(clones), side.group.cpu_seconds() - before, walls)


def push_whole(sides: list[Side], urls: list[str], source: Path) -> None:
    """All branches and tags into an empty repository."""
    for side, url in zip(sides, urls, strict=True):
        before = side.group.cpu_seconds()
        wall = timed(source, url, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")
        time.sleep(SETTLE_SECONDS)
        side.note("whole repository", 1, side.group.cpu_seconds() - before, [wall])


def tell(sides: list[Side]) -> None:
    """The table, and the line that sums up."""
    ours, theirs = sides
    print("| push | cpu, ms: ours | peer | ratio | wall, ms: ours | peer | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    ratios = []
    for row in ours.cpu:
        cpu = [statistics.median(side.cpu[row]) * 1000 for side in (ours, theirs)]
        wall = [statistics.median(side.wall[row]) * 1000 for side in (ours, theirs)]
        told = [*cpu, cpu[0] / cpu[1], *wall, wall[0] / wall[1]]
        print("|", " | ".join([row, *(f"{each:.2f}" for each in told)]), "|")
        ratios.append(f"{row} {cpu[0] / cpu[1]:.2f}")
    print(f"pushes: {', '.join(ratios)}; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Run every row and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("repository", nargs="?", type=Path, help="bare, and only read")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--pushers", type=int, default=16)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="imprint-bench-pushes-") as place,
        ControlGroup() as our_group,
        ControlGroup() as their_group,
        HttpBackend() as backend,
    ):
        folder = Path(place)
        make_tree(folder / "tree")
        ours, peer = Ours(folder, our_group), Peer(backend, their_group)
        urls = ours.add("tree", folder / "tree" / ".git"), peer.add("tree", folder / "tree")
        sides = [Side("ours", our_group, urls[0]), Side("peer", their_group, urls[1])]
        try:
            ours.start()
            for at in range(options.rounds):
                push_one(sides, folder / "tree", at)
            clones = []
            for at in range(options.pushers):
                clones.append(folder / f"clone{at}")
                shutil.copytree(folder / "tree", clones[-1])
            for at in range(max(2, options.rounds // 2)):
                push_together(sides, clones, at)
            source = (options.repository or folder / "tree").resolve()
            for at in range(2):
                name = f"whole{at}"
                push_whole(sides, [ours.create(name), backend.create(name)], source)
        finally:
            ours.stop()
        tell(sides)


if __name__ == "__main__":
    main()
