"""What maintenance costs, and what it gives: a repository pushed to N times, measured before and after.

    python bench/maintenance.py REPOSITORY [--pushes N] [--rounds N] [--folder DIR]

The repository's history is imported as one pack; its last N first-parent commits arrive as pushes of their
own. Then: packs, and times of a full clone, a blobless clone and a push (the server's part, nothing is sent
over a wire), the longest time that the promotion lock was held, and a round of maintenance by itself and with
`--all`. Beside it stands git's own `repack -adb` on a copy with the same refs. `cpu` counts the children too.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.store.events import EventKind
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.maintenance.rounds import MaintenanceFollower, maintain
from imprint.store.maintenance.survey import survey
from imprint.store.maintenance.work import Work
from imprint.store.plumbing import Plumbing
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.receiver import Receiver
from imprint.store.types import ObjectId, RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = RepositoryName("bench", "app")
MAIN = b"refs/heads/main"


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], input=stdin, capture_output=True, check=True
    ).stdout


def cpu() -> float:
    mine, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def measure(what: str, rounds: int, work: Callable[[], object]) -> None:
    """The best wall time of some rounds, with the processor time of that round."""
    best = (float("inf"), 0.0)
    for _ in range(rounds):
        before, begin = cpu(), time.perf_counter()
        work()
        best = min(best, (time.perf_counter() - begin, cpu() - before))
    print(f"  {what:<44} wall {best[0] * 1000:8.1f} ms   cpu {best[1] * 1000:8.1f} ms")


def read_all(plumbing: Plumbing, tips: bytes, *options: str) -> None:
    with plumbing.stream(
        "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset", *options
    ) as process:
        process.stdin.write(tips)
        process.stdin.close()
        while process.stdout.read(1 << 20):
            pass
        process.finish()


def clones(what: str, plumbing: Plumbing, tips: bytes, rounds: int) -> None:
    measure(f"{what}: full clone", rounds, lambda: read_all(plumbing, tips))
    measure(f"{what}: blobless clone", rounds, lambda: read_all(plumbing, tips, "--filter=blob:none"))


class Bench:
    """The hosted repository, and its pushes to come."""

    def __init__(self, root: Path, source: Path, pushes: int) -> None:
        self.source = source
        self.hosting = Hosting.open(DataFolder.create_or_open(root / "data"))
        self.hosting.create(NAME, None)
        listed = git(source, "rev-list", "--first-parent", f"--max-count={pushes + 1}", "HEAD").split()
        self.commits = [each.decode() for each in reversed(listed)]
        self.receiver = Receiver(self.hosting, ScopeJudge())
        refs = git(source, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags").split(b"\n")
        commands = [RefCommand(MAIN, None, ObjectId(self.commits[0]))]
        wanted = [self.commits[0]]
        for line in filter(None, refs):
            each, name = line.split(b" ", 1)
            commands.append(RefCommand(name, None, ObjectId(each.decode())))
            wanted.append(each.decode())
        pack = git(source, "pack-objects", "--revs", "--stdout", "-q", stdin="\n".join(wanted).encode())
        self.deliver(commands, pack, kind=EventKind.IMPORT)

    @property
    def repository(self) -> Repository:
        return self.hosting.get(NAME)

    @property
    def work(self) -> Work:
        return Work(self.repository, self.hosting)

    @property
    def tips(self) -> bytes:
        refs = self.repository.view.refs.snapshot().refs
        return "".join(f"{value.id}\n" for value in refs.values()).encode()

    def deliver(self, commands: Sequence[RefCommand], pack: bytes, **more: EventKind) -> None:
        receipt = self.receiver.receive(
            Push(None, tuple(commands), io.BytesIO(pack), **more), self.repository
        )
        assert receipt.event, receipt

    def prepare(self, index: int) -> tuple[RefCommand, bytes]:
        old, new = self.commits[index : index + 2]
        pack = git(
            self.source,
            "pack-objects",
            "--revs",
            "--stdout",
            "-q",
            "--thin",
            stdin=f"{new}\n^{old}\n".encode(),
        )
        return RefCommand(MAIN, ObjectId(old), ObjectId(new)), pack


def push_each(bench: Bench, count: int, first: int = 0) -> list[float]:
    """Push commits one by one; how long each took."""
    waits = []
    for index in range(first, first + count):
        command, pack = bench.prepare(index)
        begin = time.perf_counter()
        bench.deliver([command], pack)
        waits.append(time.perf_counter() - begin)
    return waits


def report(what: str, waits: Sequence[float]) -> None:
    every = sorted(waits)
    p50, p99 = (every[min(len(every) - 1, int(len(every) * part))] * 1000 for part in (0.5, 0.99))
    print(f"  {what:<44} p50  {p50:8.1f} ms   p99 {p99:8.1f} ms   max {every[-1] * 1000:.1f} ms")


def holds(bench: Bench, *, everything: bool) -> list[float]:
    """How long a round held the promotion lock, each time."""
    times: list[float] = []
    begun = [0.0]

    def step(reached: str) -> None:
        if reached == "locked":
            begun[0] = time.perf_counter()
        elif reached == "replaced":
            times.append(time.perf_counter() - begun[0])

    maintain(Work(bench.repository, bench.hosting, step=step), everything=everything)
    return times


def run(root: Path, source: Path, pushes: int, rounds: int) -> None:
    tail = max(pushes // 5, 10)
    bench = Bench(root, source, pushes + 2 * tail)
    print(f"{survey(bench.work).packs} pack after the import")
    report(f"{pushes} pushes, nobody maintains", push_each(bench, pushes))
    plumbing = bench.repository.view.plumbing
    print(f"before maintenance: {survey(bench.work).packs} packs")
    clones("before", plumbing, bench.tips, rounds)

    before, begin = cpu(), time.perf_counter()
    held = holds(bench, everything=False)
    print(f"a round: wall {time.perf_counter() - begin:.2f} s, cpu {cpu() - before:.2f} s,"
          f" promotion lock held for {max(held, default=0) * 1000:.1f} ms")  # fmt: skip
    print(f"  {survey(bench.work)}")
    clones("after a round", plumbing, bench.tips, rounds)
    measure("a round with nothing to do", rounds, lambda: maintain(bench.work))
    follower = MaintenanceFollower(bench.hosting)
    events = bench.hosting.catalogue.list_events(bench.repository.record.id)
    measure("the follower with nothing to do", rounds, lambda: follower.follow(bench.repository, events))
    report(f"{tail} pushes after it", push_each(bench, tail, pushes))

    stop = threading.Event()

    def maintain_all() -> None:
        while not stop.is_set():
            maintain(bench.work, everything=True)

    busy = threading.Thread(target=maintain_all)
    busy.start()
    report(f"{tail} pushes while `--all` runs without a pause", push_each(bench, tail, pushes + tail))
    stop.set()
    busy.join()
    before, begin = cpu(), time.perf_counter()
    held = holds(bench, everything=True)
    print(f"--all: wall {time.perf_counter() - begin:.2f} s, cpu {cpu() - before:.2f} s,"
          f" promotion lock held for {max(held, default=0) * 1000:.1f} ms")  # fmt: skip
    print(f"  {survey(bench.work)}")
    clones("after --all", plumbing, bench.tips, rounds)

    copy = root / "git.git"
    subprocess.run(["git", "init", "-q", "--bare", str(copy)], check=True)
    refs = bench.repository.view.refs.snapshot().refs
    (copy / "objects" / "info" / "alternates").write_text(f"{bench.repository.git_dir}/objects\n")
    lines = "".join(f"create {name.text} {value.id}\n" for name, value in refs.items())
    git(copy, "update-ref", "--stdin", stdin=lines.encode())
    before, begin = cpu(), time.perf_counter()
    git(copy, "repack", "-adbq")
    print(f"git repack -adb: wall {time.perf_counter() - begin:.2f} s, cpu {cpu() - before:.2f} s")
    (copy / "objects" / "info" / "alternates").unlink()
    clones("git repack -adb", Plumbing(copy), bench.tips, rounds)
    bench.hosting.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--pushes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wishes.folder) as root:
        run(Path(root), wishes.repository.absolute(), wishes.pushes, wishes.rounds)


if __name__ == "__main__":
    main()
