"""The first question at commits that nobody asked about before, and the same question again.

    .venv/bin/python bench/first_query.py REPOSITORY [--ref refs/heads/master] [--commits 50] [--last 500]
        [--every 10] [--vectors] [--folder DIR] [--whole]
    .venv/bin/python bench/first_query.py --files 80000 [--history 2000] [...]

REPOSITORY is bare and only read. Of the last commits along first parents every so many are indexed, as those
are that refs once named; then others, drawn with a seed, are asked about by their ids, each once and once
again, in one process that has answered a question before. A question whose answer speaks of another
commit is counted as behind and is not a first answer. Wall time and this process's own; LanceDB has a
process of its own, as in a server. With `--folder` the index stays, and the next run draws from what no
run before it asked about.

With `--whole` everything that the ref reaches is indexed first. With `--files` the repository is made here
(see `made_tree`), with so many files and a history of so many small commits, and indexed whole.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from made_tree import make_repository
from scale import borrow, git, resident

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.library import Library
from imprint.semantic.search.query import Mode, Query
from imprint.store.clone import Clone
from imprint.store.types import ObjectId

QUESTION = "where is the configuration file parsed"


def show(name: str, values) -> str:
    ordered = sorted(values)
    last = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"{name} p50 {statistics.median(ordered):.0f} ms, p95 {last:.0f} ms, at most {ordered[-1]:.0f} ms"


def ask(library: Library, view, commit: str) -> tuple[float, float, int]:
    began, own = time.perf_counter(), time.process_time()
    answer = library.search(view, Query(QUESTION, mode=Mode.WORDS), ref=commit)
    return (time.perf_counter() - began) * 1000, (time.process_time() - own) * 1000, answer.behind


def measure(given, folder: Path) -> None:
    bare = folder / "bare"
    if not bare.exists() and given.files:
        make_repository(bare, given.files, given.history)
    elif not bare.exists():
        borrow(given.repository, git(given.repository, "rev-parse", f"{given.ref}^{{commit}}"), bare)
    view = Clone.discover(bare).view
    library = Library.open(
        folder / "index", apart=True, encoder=open_encoder(None) if given.vectors else None
    )
    commits = git(bare, "rev-list", "--first-parent", f"--max-count={given.last}", "main").split()
    began = time.perf_counter()
    indexed = commits[:1] if given.whole or given.files else commits[:: given.every]
    for commit in indexed:
        library.ensure(view, ObjectId(commit))
    library.extend(view, seconds=1)  # starts what a server has started by then
    while (given.whole or given.files) and not library.extend(view, seconds=60).is_complete:
        pass
    indexed_s = time.perf_counter() - began
    ask(library, view, commits[0])
    asked = folder / "asked"
    before = set(asked.read_text().split()) if asked.exists() else set()
    others = [commit for commit in commits if commit not in before and commit not in indexed]
    drawn = random.Random(7).sample(others, min(given.commits, len(others)))
    asked.write_text("\n".join({*before, *drawn}))
    first, again = [], []
    for commit in drawn:
        first.append(ask(library, view, commit))
        again.append(ask(library, view, commit))
    behind = sum(1 for one in first if one[2])
    files = library.status(view).blobs
    memory = resident(os.getpid()) / 1024**2
    print(f"indexed {len(indexed)} commits in {indexed_s:.0f} s; {behind} answers were behind")
    print(f"load {os.getloadavg()[0]:.1f}; {memory:.0f} MiB resident in all processes")
    for name, values in (("first", first), ("again", again)):
        told = [one for one in values if not one[2]] or values
        print(show(f"{name}: wall", [one[0] for one in told]), show("| processor", [one[1] for one in told]))
    print(
        f"first_query: {files} files, {len(drawn)} commits, {show('first', [one[0] for one in first])}; "
        f"{show('again', [one[0] for one in again])}"
    )
    library.close()
    view.objects.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path, nargs="?")
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--history", type=int, default=2_000)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--ref", default="refs/heads/master")
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--last", type=int, default=500)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if not given.files and not given.repository:
        parser.error("give a repository, or --files")
    with tempfile.TemporaryDirectory() as scratch:
        measure(given, given.folder or Path(scratch))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
