"""Commits by the store's own call into a tree of 5,000 files: how many a second, and what each costs.

    python bench/writes.py [--seconds 5] [--writers 1,4,16,64]

Each writer has a branch of its own, on one repository or on one of its own, and changes one file per commit;
a call returns when its commit is durable. This is the store without HTTP: processor time is of this process
and every git process that it started. Beside it, in the same run: what an fsync of a file that has just
been written costs the disk, and `git commit` and `git push` of one file to `git http-backend` behind nginx.
Every row is bounded by `--seconds`; the last line sums up.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from peer import HttpBackend
from thread import git

from imprint.store.actors import ActorKind, Verb
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.receive.commit import CommitRequest, FileChange, commit
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.receiver import Receiver
from imprint.store.types import ObjectId, RefName, RepositoryName

if TYPE_CHECKING:
    from imprint.store.actors import Principal
    from imprint.store.hosting.repositories import Repository

FOLDERS, FILES = 50, 100


def measure_fsync(folder: Path, rounds: int = 20) -> float:
    """Median milliseconds that an fsync of 4 KiB just written takes."""
    taken = []
    for at in range(rounds):
        with (folder / f"sync{at}").open("wb") as file:
            file.write(os.urandom(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def cpu_seconds() -> float:
    """Processor time of this process and of its children that ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def make_tree(folder: Path) -> tuple[str, bytes]:
    """A clone with one commit of 5,000 files; the commit, and a pack of it.

    Nothing is deleted on the way: ext4 passes over what was deleted in the last minutes each time that it
    makes a file nearby, and 5,000 loose objects would cost each commit a millisecond or two.
    """
    git("init", "-q", "-b", "main", str(folder))
    stream = [b"commit refs/heads/main\ncommitter bench <bench@example.com> 1700000000 +0000\ndata 4\ntree\n"]
    for at in range(FOLDERS * FILES):
        content = b"file %d\n" % at * 10
        path = b"d%02d/f%02d.txt" % (at // FILES, at % FILES)
        stream.append(b"M 100644 inline %b\ndata %d\n%b\n" % (path, len(content), content))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=b"".join(stream), check=True)
    git("reset", "-q", "--hard", "main", cwd=folder)
    pack = next((folder / ".git/objects/pack").glob("*.pack")).read_bytes()
    return git("rev-parse", "HEAD", cwd=folder), pack


class Store:
    """A data folder with SQLite, and repositories that hold the tree."""

    def __init__(self, folder: Path, head: str, pack: bytes) -> None:
        self.hosting = Hosting.open(DataFolder.create_or_open(folder))
        self.receiver = Receiver(self.hosting, ScopeJudge())
        self._head, self._pack = ObjectId(head), pack

    def prepare(self, name: str, branches: int) -> tuple[Repository, Principal]:
        """A new repository with the tree on that many branches, and who may write to it."""
        repository = self.hosting.create(RepositoryName.parse(name), None)
        _, secret = self.hosting.issue_token(
            actor="bench",
            kind=ActorKind.HUMAN,
            repositories=[name],
            verbs=frozenset({Verb.READ, Verb.WRITE}),
        )
        principal = self.hosting.authenticate(secret)
        commands = tuple(RefCommand(b"refs/heads/b%d" % at, None, self._head) for at in range(branches))
        self.receiver.receive(
            Push(principal=principal, commands=commands, pack=io.BytesIO(self._pack)), repository
        )
        return repository, principal


def run_row(store: Store, writers: int, seconds: float, *, many: bool) -> tuple[float, float]:
    """Commits per second, and processor milliseconds per commit."""
    label = f"bench/{'many' if many else 'one'}{writers}"
    homes = [store.prepare(f"{label}x{at}", 1 if many else writers) for at in range(writers if many else 1)]
    counts, failures = [0] * writers, list[Exception]()

    def write(at: int) -> None:
        repository, principal = homes[at if many else 0]
        branch = RefName(b"refs/heads/b%d" % (0 if many else at))
        try:
            while time.perf_counter() < until:
                path = b"d%02d/f%02d.txt" % (counts[at] % FOLDERS, counts[at] // FOLDERS % FILES)
                change = FileChange(path, b"commit %d of %d\n" % (counts[at], at))
                commit(CommitRequest(branch, "one file\n", (change,)), repository, principal, store.receiver)
                counts[at] += 1
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)  # told below, in the thread that reports

    threads = [threading.Thread(target=write, args=(at,)) for at in range(writers)]
    spent, began = cpu_seconds(), time.perf_counter()
    until = began + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{label}: {failures[0]!r}") from failures[0]
    done = sum(counts)
    return done / (time.perf_counter() - began), (cpu_seconds() - spent) * 1000 / done


def run_git(tree: Path, seconds: float) -> float:
    """Rate of `git commit` and `git push` of one file, one after the other, to git http-backend."""
    with HttpBackend() as peer:
        git("push", "-q", peer.create("tree"), "main", cwd=tree)
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            (tree / "d00" / "f00.txt").write_text(f"commit {done}\n")
            git("commit", "-qam", "one file", cwd=tree)
            git("push", "-q", f"{peer.url}/tree.git", "main", cwd=tree)
            done += 1
        return done / (time.perf_counter() - began)


def main() -> None:
    """Run every row and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each row")
    parser.add_argument("--writers", default="1,4,16,64")
    options = parser.parse_args()
    best = 0.0
    with tempfile.TemporaryDirectory(prefix="imprint-bench-writes-") as place:
        folder = Path(place)
        head, pack = make_tree(folder / "tree")
        store = Store(folder / "data", head, pack)
        print("| writers | repositories | commits/s | CPU, ms each | fsync, ms | load |", flush=True)
        print("|---:|---|---:|---:|---:|---:|", flush=True)
        for writers in (int(each) for each in options.writers.split(",")):
            for many in (False, True):
                rate, cost = run_row(store, writers, options.seconds, many=many)
                best = max(best, rate)
                where, sync = "many" if many else "one", measure_fsync(folder)
                load = os.getloadavg()[0]
                print(
                    f"| {writers} | {where} | {rate:.1f} | {cost:.1f} | {sync:.2f} | {load:.1f} |", flush=True
                )
        store.hosting.close()
        theirs = run_git(folder / "tree", options.seconds)
    print(f"best {best:.1f}/s; git commit + git push {theirs:.2f}/s; {best / theirs:.1f} times")


if __name__ == "__main__":
    main()
