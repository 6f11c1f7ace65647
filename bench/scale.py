"""The index of a whole history: time, memory of all processes, disk, and the cost of one more commit.

    .venv/bin/python bench/scale.py REPOSITORY [--ref refs/heads/master] [--seconds N] [--folder DIR]
        [--vectors] [--later N]

REPOSITORY is bare and only read: a scratch repository borrows its objects and has the one ref. HEAD is
indexed first and timed until a search answers; then the history, for `--seconds` at most. Memory is the sum
of the resident sets of this process and its children (pages that several map count for each), every second.
With `--vectors` passages get those of the shipped table. With `--later`, the newest N commits of the ref's
first parents are held back and indexed one by one at the end: what one more costs.
With `--folder` the index stays there, and a second run goes on with it. The last line is the summary.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.library import Library
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
from imprint.store.view import resolve_commit

_PAGE = 4096


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


def borrow(repository: Path, commit: str, folder: Path) -> None:
    objects = git(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "--bare", "-b", "main", ".")
    (folder / "objects/info/alternates").write_text(f"{objects}\n")
    git(folder, "update-ref", "refs/heads/main", commit)


def resident(process: int) -> int:
    """Bytes resident in a process and all below it."""
    try:
        own = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
        children = [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):
        return 0
    return own + sum(resident(child) for child in children)


class Memory:
    """The most that was resident at a time."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        process = int(Path("/proc/self/stat").read_text().split()[0])
        while not self._done.wait(1.0):
            self.peak = max(self.peak, resident(process))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def index_later(library: Library, bare: Path, commits: list[str]) -> dict[str, object]:
    """Commits that arrive one by one: seconds until each is searchable, and until its history is indexed."""
    heads, whole = [], []
    for commit in commits:
        git(bare, "update-ref", "refs/heads/main", commit)
        view = Clone.discover(bare).view
        started = time.perf_counter()
        library.ensure(view, resolve_commit(view, "main"))
        heads.append(time.perf_counter() - started)
        library.extend(view)
        whole.append(time.perf_counter() - started)
    if not commits:
        return {}
    return {
        "later_commits": len(commits),
        "later_searchable_p50_ms": round(1000 * statistics.median(heads), 1),
        "later_searchable_p95_ms": round(1000 * sorted(heads)[int(0.95 * len(heads))], 1),
        "later_whole_p50_ms": round(1000 * statistics.median(whole), 1),
        "later_whole_p95_ms": round(1000 * sorted(whole)[int(0.95 * len(whole))], 1),
    }


def measure(given: argparse.Namespace, folder: Path) -> dict[str, object]:
    repository: Path = given.repository
    newest = git(repository, "rev-list", "--first-parent", "-n", str(given.later + 1), given.ref).split()
    bare = folder / "bare"
    if not bare.exists():
        borrow(repository, newest[-1], bare)
    view = Clone.discover(bare).view
    index = folder / "index"
    with Memory() as memory:
        started = time.perf_counter()
        library = Library.open(index, apart=True, encoder=open_encoder(None) if given.vectors else None)
        library.ensure(view, resolve_commit(view, "main"))
        library.search(view, Query("where is the configuration parsed"))
        head_s = time.perf_counter() - started

        def say(done: int, total: int) -> None:
            gone = time.perf_counter() - started
            print(f"{gone:8.0f} s  {done} of {total}  {memory.peak / 2**20:.0f} MiB", flush=True)

        progress = library.extend(view, seconds=given.seconds, progress=say)
        history_s = time.perf_counter() - started - head_s
        commits = int(git(bare, "rev-list", "--count", "main"))
        later = index_later(library, bare, newest[-2::-1]) if progress.is_complete else {}
        passages = library.count_passages()
        library.close()
    objects = int(git(repository, "count-objects", "-v").partition("size-pack: ")[2].split()[0]) * 1024
    disk = size(index)
    return {
        "head_searchable_s": round(head_s, 1),
        "history_s": round(history_s, 1),
        "contents": progress.total,
        "contents_done": progress.done,
        "complete": progress.is_complete,
        "passages": passages[0],
        "passages_if_not_shared": passages[1],
        "commits": commits,
        "ms_per_commit": round(1000 * history_s / commits, 2) if progress.is_complete else None,
        **later,
        "peak_mib": round(memory.peak / 2**20),
        "disk_mib": round(disk / 2**20, 1),
        "repository_mib": round(objects / 2**20, 1),
        "disk_share": round(disk / objects, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path)
    parser.add_argument("--ref", default="refs/heads/master")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument(
        "--later", type=int, default=0, help="commits that are held back and indexed one by one"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(given, given.folder or Path(scratch))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
