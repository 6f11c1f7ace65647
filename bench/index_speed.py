"""How fast a repository is indexed and asked: files per second, size, latency in and out of a process.

    python bench/index_speed.py --repository DIR [--ref REF] [--queries FILE] [--json FILE]

`--queries` is a JSON list of {query}; without it, ten general questions are asked. "warm" is the time
in one process after the first query, "process" is a fresh Python that imports, opens, searches and ends, from
the index on disk, as `imprint search` does beneath its command line. A second commit that changes one file is
indexed too. Everything is written to a temporary folder; the repository is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imprint.semantic.library import Library
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
from imprint.store.view import resolve_commit

QUESTIONS = (
    "where is the retry policy",
    "parse configuration file",
    "error handling",
    "Session",
    "open_connection",
    "how are routes registered",
    "serialize a value to json",
    "test fixtures for the database",
    "thread pool shutdown",
    "cache invalidation",
)
PROCESS = """
import sys
from pathlib import Path
from imprint.semantic.library import Library
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
view = Clone.discover(Path(sys.argv[1])).view
library = Library.open(Path(sys.argv[2]))
library.ensure(view, view.refs.snapshot().head_id)
library.search(view, Query(sys.argv[3]))
"""


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, input=stdin, check=True
    )
    return done.stdout.decode().strip()


def borrow(repository: Path, ref: str, folder: Path) -> None:
    """A bare repository at `ref` that borrows the objects, and one more commit that changes one file."""
    commit = git(repository, "rev-parse", f"{ref}^{{commit}}")
    objects = git(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    git(folder, "init", "-q", "--bare", "-b", "main", ".")
    (folder / "objects/info/alternates").write_text(f"{objects}\n")
    git(folder, "update-ref", "refs/heads/main", commit)


def change_one_file(folder: Path) -> None:
    environment = {**os.environ, "GIT_INDEX_FILE": str(folder / "bench-index")}
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=b"def added_by_the_bench():\n    return 1\n")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=b", "-c", "user.email=b@example.org", *arguments],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    run("read-tree", "main")
    run("update-index", "--add", "--cacheinfo", f"100644,{blob},added_by_the_bench.py")
    run(
        "update-ref", "refs/heads/main", run("commit-tree", run("write-tree"), "-p", "main", "-m", "one file")
    )


def timed(action) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def percentile(values, share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(repository: Path, ref: str, questions) -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        bare, folder = Path(scratch, "bare"), Path(scratch, "library")
        bare.mkdir()
        borrow(repository, ref, bare)
        view = Clone.discover(bare).view
        library = Library.open(folder)
        index_s = timed(lambda: library.ensure(view, resolve_commit(view, "main")))
        cold_s = timed(lambda: library.search(view, Query(questions[0])))
        warm = [timed(lambda text=text: library.search(view, Query(text))) for text in questions * 3]
        status = library.status(view)
        change_one_file(bare)
        one_more_s = timed(lambda: library.ensure(view, resolve_commit(view, "main")))
        first_after_s = timed(lambda: library.search(view, Query(questions[0])))
        library.close()
        view.objects.close()
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        process = [
            timed(
                lambda text=text: subprocess.run(
                    [sys.executable, "-c", PROCESS, str(bare), str(folder), text], check=True, env=environment
                )
            )
            for text in [*questions[:1], *questions[:8]]
        ]
        sizes = {
            name: sum(path.stat().st_size for path in folder.rglob(f"index-*/{name}") if path.is_file())
            for name in ("segments/*", "chunks/**/*", "semantic.db", "listings/*")
        }
    return {
        "files": status.blobs,
        "chunks": status.chunks,
        "skipped": dict(status.skipped),
        "index_s": index_s,
        "files_per_s": status.blobs / index_s,
        "one_more_commit_s": one_more_s,
        "cold_ms": cold_s * 1000,
        "first_after_commit_ms": first_after_s * 1000,
        "warm_p50_ms": statistics.median(warm) * 1000,
        "warm_p95_ms": percentile(warm, 0.95) * 1000,
        "process_p50_ms": statistics.median(process[1:]) * 1000,
        "process_p95_ms": percentile(process[1:], 0.95) * 1000,
        "mib": {name: size / 2**20 for name, size in sizes.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--ref", default="HEAD")
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    questions = list(QUESTIONS)
    if options.queries:
        questions = [row["query"] for row in json.loads(options.queries.read_text())]
    result = measure(options.repository, options.ref, questions)
    for name, value in result.items():
        shown = {key: round(one, 2) for key, one in value.items()} if isinstance(value, dict) else value
        print(f"{name:24}{round(shown, 2) if isinstance(shown, float) else shown}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
