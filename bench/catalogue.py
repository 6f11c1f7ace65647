"""The catalogue on SQLite: admissions per second, and what 100,000 refs cost.

    python bench/catalogue.py [--folder DIR] [--seconds N] [--refs N]

Prints the cost of one fsync on the folder's disk first: on SQLite an admission cannot be cheaper than that,
unless several are committed together. Each admission moves one ref and records one pack. `wall` is what a
caller waits, `cpu` what the process computes; on a busy machine compare the latter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.store.catalog.migrate import upgrade
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.clock import RandomIds, SystemClock
from imprint.store.events import Admission, EventKind, PackRecord
from imprint.store.refs.catalogued import CataloguedRefs
from imprint.store.types import (
    Anything,
    Expectation,
    HashAlgorithm,
    MustNotExist,
    ObjectId,
    RefName,
    RefUpdate,
    RepositoryName,
)

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = RandomIds(SystemClock())
REPOSITORY = "repo_bench"


def admission(*updates: RefUpdate, pack: PackRecord | None = None) -> Admission:
    event_id = IDS.new_id("evt")
    return Admission(REPOSITORY, event_id, EventKind.PUSH, 1, "ada", None, "allowed", updates, None, pack)


def update(name: str, number: int, expectation: Expectation | None = None) -> RefUpdate:
    return RefUpdate(RefName(name.encode()), ObjectId(f"{number:040x}"), expectation or Anything())


def make(path: Path) -> SqlCatalogue:
    upgrade(path)
    catalogue = SqlCatalogue.open_sqlite(path)
    record = RepositoryRecord(
        REPOSITORY, RepositoryName("a", "b"), HashAlgorithm.SHA1, RefName(b"refs/heads/main"), 0, 1
    )
    catalogue.create_repository(record, admission())
    return catalogue


def admit_for(catalogue: SqlCatalogue, who: int, seconds: float) -> list[float]:
    """Admit in a loop; how long each took, in seconds."""
    waits = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        pack = PackRecord(IDS.new_id("pack"), 3, 1000)
        catalogue.admit(admission(update(f"refs/heads/b{who}", len(waits) + 1), pack=pack))
        waits.append(time.perf_counter() - begin)
    return waits


def report(what: str, waits: list[list[float]], seconds: float) -> None:
    every = sorted(wait for each in waits for wait in each)
    p50, p99 = (1000 * every[int(len(every) * part)] for part in (0.5, 0.99))
    counts = [len(each) for each in waits]
    print(
        f"{what:>14}: {len(every) / seconds:7.0f}/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   "
        f"worst {1000 * every[-1]:7.1f} ms   each did {min(counts)} to {max(counts)}"
    )


def bench_threads(catalogue: SqlCatalogue, count: int, seconds: float) -> None:
    waits: list[list[float]] = [[] for _ in range(count)]

    def work(who: int) -> None:
        waits[who] = admit_for(catalogue, who, seconds)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report(f"{count} threads", waits, seconds)


def bench_processes(path: Path, count: int, seconds: float) -> None:
    command = [sys.executable, __file__, "--worker", str(path), "--seconds", str(seconds), "--who"]
    workers = [
        subprocess.Popen([*command, str(who)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in range(count)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate()[0] for worker in workers]
    report(f"{count} processes", [[float(wait) for wait in text.split()] for text in told], seconds)


def bench_fsync(folder: Path) -> None:
    descriptor = os.open(folder / "fsync", os.O_RDWR | os.O_CREAT)
    begin = time.perf_counter()
    for _ in range(200):
        os.pwrite(descriptor, b"x" * 4096, 0)
        os.fsync(descriptor)
    os.close(descriptor)
    print(f"one fsync: {5 * (time.perf_counter() - begin):.2f} ms; load {os.getloadavg()[0]:.1f}")


def bench_refs(catalogue: SqlCatalogue, count: int) -> None:
    refs = CataloguedRefs(catalogue, REPOSITORY)
    number = iter(range(1, 1_000_000))

    def timed(what: str, work: Callable[[], object], times: int = 1) -> None:
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(times):
            work()
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        print(f"{what:>40}: wall {1000 * wall / times:8.2f} ms   cpu {1000 * cpu / times:8.2f} ms")

    def create_one() -> None:
        catalogue.admit(admission(update(f"refs/heads/new{next(number)}", 1)))

    def move_one() -> None:
        catalogue.admit(admission(update("refs/heads/main", next(number))))

    many = [update(f"refs/sessions/{n:06d}/head", n + 1, MustNotExist()) for n in range(count)]
    timed(f"admit {count} new refs at once", lambda: catalogue.admit(admission(*many)))
    timed("read all refs", lambda: catalogue.read_refs(REPOSITORY), 3)
    refs.snapshot()
    timed("snapshot, nothing happened", refs.snapshot, 100)
    timed("admit one moved ref", move_one, 50)
    timed("admit one new ref", create_one, 50)
    refs.snapshot()
    timed("admit one moved ref, then snapshot", lambda: (move_one(), refs.snapshot()), 10)
    timed("admit one new ref, then snapshot", lambda: (create_one(), refs.snapshot()), 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--refs", type=int, default=100_000)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--who", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        catalogue = SqlCatalogue.open_sqlite(options.worker)
        print("ready", flush=True)
        sys.stdin.readline()
        print(*admit_for(catalogue, options.who, options.seconds))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        bench_fsync(folder)
        for count in (1, 4, 16):
            catalogue = make(folder / f"threads{count}.db")
            bench_threads(catalogue, count, options.seconds)
            catalogue.close()
        for count in (1, 4, 16):
            make(folder / f"processes{count}.db").close()
            bench_processes(folder / f"processes{count}.db", count, options.seconds)
        bench_refs(make(folder / "refs.db"), options.refs)
        bench_fsync(folder)


if __name__ == "__main__":
    main()
