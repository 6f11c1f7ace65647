"""Labelled issues: which file has to change, Acc@1, @5 and @10, all issues of a repository from one index.

    python bench/issue_to_file.py --issues FILE --mirrors DIR [--only OWNER/NAME,...] [--without PART,...]
        [--weights PART=WORTH,...] [--json FILE]

`--issues` has a line {instance_id, repo, base_commit, query, gold_files} for each issue. `--mirrors` holds
for `owner/name` a bare repository `owner+name/repo` that has the commits.

For each repository one library and one change log are made, in a scratch folder, and every issue is asked at
its own base commit: only the files of that commit are candidates, and only commits that it reaches count.
An issue is found at k if one of the files that had to change is among the first k. Intervals are of a
bootstrap over issues (95 %, 2,000 draws, seed 7). `--without` leaves parts of the ranking out, by the names
of `imprint.semantic.search.finding.files.Shares`; `--weights` gives some of them another worth. The halves
are those of a hash of the issue's name.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.finding import files
from imprint.semantic.search.query import ISSUE_CHARACTERS_MAX, Mode, Query, What
from imprint.store.clone import Clone
from imprint.store.types import ObjectId

DEPTHS = (1, 5, 10)
DRAWS = 2_000


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def half(name: str) -> str:
    return "AB"[hashlib.sha256(name.encode()).digest()[-1] % 2]


def borrow(mirror: Path, folder: Path, issues) -> None:
    """A bare repository with the mirror's objects and a branch for each issue."""
    git(folder, "init", "-q", "--bare", ".")
    (folder / "objects/info/alternates").write_text(f"{(mirror / 'objects').resolve()}\n")
    for issue in issues:
        git(folder, "update-ref", f"refs/heads/{issue['instance_id']}", issue["base_commit"])
    git(folder, "symbolic-ref", "HEAD", f"refs/heads/{issues[0]['instance_id']}")


def rank_of(hits, gold) -> int | None:
    return next((place for place, hit in enumerate(hits) if hit.path.decode() in gold), None)


def measure(repo: str, issues, mirrors: Path) -> list[dict]:
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch, "bare")
        bare.mkdir()
        borrow(mirrors / repo.replace("/", "+") / "repo", bare, issues)
        clone = Clone.discover(bare)
        library, log = Library.open(Path(scratch, "library")), ChangeLog.open(Path(scratch, "log"))
        started = time.perf_counter()
        log.ensure(clone.view)
        for issue in issues:
            library.ensure(clone.view, ObjectId(issue["base_commit"]))
        index_s = time.perf_counter() - started
        past = log.seen(clone.view)
        for issue in issues:
            query = Query(
                issue["query"][:ISSUE_CHARACTERS_MAX], max(DEPTHS), mode=Mode.WORDS, what=What.FILES
            )
            started = time.perf_counter()
            answer = library.search(clone.view, query, ref=issue["base_commit"], background=Background(past))
            took = (time.perf_counter() - started) * 1000
            if answer.commit != issue["base_commit"]:
                raise SystemExit(f"{issue['instance_id']}: answered at {answer.commit}")
            rank = rank_of(answer.hits, issue["gold_files"])
            found.append({"id": issue["instance_id"], "repo": repo, "rank": rank, "ms": took})
        library.close()
        clone.view.objects.close()
    own = [one["rank"] for one in found]
    print(f"{repo:24}{len(issues):4} issues{index_s:8.1f} s to index  {told(own)}", flush=True)
    return found


def accuracy(ranks, depth: int) -> float:
    return sum(rank is not None and rank < depth for rank in ranks) / len(ranks) if ranks else 0.0


def told(ranks) -> str:
    return "  ".join(f"@{depth} {accuracy(ranks, depth):.3f}" for depth in DEPTHS)


def interval(ranks, depth: int) -> str:
    draw = random.Random(7)
    drawn = sorted(accuracy(draw.choices(ranks, k=len(ranks)), depth) for _ in range(DRAWS))
    return f"{drawn[DRAWS // 40]:.3f} to {drawn[-DRAWS // 40]:.3f}"


def read_weights(told: str) -> dict[str, float]:
    """Parts and their worths, written `PART=WORTH,...`."""
    return {name: float(worth) for name, worth in (one.split("=") for one in told.split(",") if one)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--issues", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--only", default="", help="owner/name, with commas")
    parser.add_argument("--without", default="", help="parts of the ranking, with commas")
    parser.add_argument("--weights", default="", help="parts of the ranking and their worth, with commas")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    worths = {name: 1.0 if name == "not_source" else 0.0 for name in filter(None, options.without.split(","))}
    worths |= read_weights(options.weights)
    files.find_files.__defaults__ = (dataclasses.replace(files.DEFAULT, **worths),)
    only = set(filter(None, options.only.split(",")))
    by_repo = defaultdict(list)
    for line in options.issues.read_text().splitlines():
        issue = json.loads(line)
        if not only or issue["repo"] in only:
            by_repo[issue["repo"]].append(issue)
    results = []
    for repo, issues in sorted(by_repo.items()):
        if (options.mirrors / repo.replace("/", "+") / "repo").exists():
            results += measure(repo, issues, options.mirrors)
        else:
            print(f"{repo}: no mirror, {len(issues)} issues left out")
    ranks = [one["rank"] for one in results]
    for depth in DEPTHS:
        print(f"Acc@{depth:<3} {accuracy(ranks, depth):.3f}   95 % {interval(ranks, depth)}")
    for name in "AB":
        own = [one["rank"] for one in results if half(one["id"]) == name]
        print(f"half {name}: {len(own)} issues  {told(own)}")
    times = sorted(one["ms"] for one in results)
    print(f"a question: p50 {statistics.median(times):.0f} ms, p95 {times[int(len(times) * 0.95)]:.0f} ms")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"issue_to_file: {len(ranks)} issues, {told(ranks)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
