"""Labelled code search: NDCG@10, indexing and query time per repository.

    python bench/code_search.py --annotations DIR --repos-json FILE --mirrors DIR [--only A,B] [--json FILE]

`--annotations` holds NAME.json, a list of {query, relevant, secondary, category}, where a target is a path or
{path, start_line, end_line}. `--repos-json` lists {name, language, repo, revision, root}. `--mirrors` holds
for `owner/name` a bare repository `owner+name/repo` that has the revision.

Only the tree below `root` is indexed, as a commit of its own in a scratch repository that borrows the
mirror's objects. Per query the rank of a target is that of the first hit that overlaps it; gains are binary
over relevant and secondary targets together; a target that is not among ten hits gains nothing. The score is
the mean over the queries of a repository, then over repositories. Query time is the library's, without
starting a process, median over the queries after the first; the first is shown as "cold". One process, no
model.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from imprint.semantic.library import Library
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
from imprint.store.types import ObjectId

DEPTH = 10


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_commit(mirror: Path, revision: str, root: str, folder: Path) -> ObjectId:
    """A commit that holds only the tree below `root`, in a new repository that borrows the objects."""
    git(folder, "init", "-q", "--bare", ".")
    (folder / "objects/info/alternates").write_text(f"{(mirror / 'objects').resolve()}\n")
    tree = git(folder, "rev-parse", f"{revision}:{root}" if root else f"{revision}^{{tree}}")
    commit = git(
        folder, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit-tree", tree, "-m", "b"
    )
    git(folder, "update-ref", "HEAD", commit)
    return ObjectId(commit)


def overlaps(hit, target) -> bool:
    path = hit.path.decode("utf-8", "replace")
    wanted = target if isinstance(target, str) else target["path"]
    if path != wanted and not path.endswith(f"/{wanted}") and not wanted.endswith(f"/{path}"):
        return False
    if isinstance(target, str) or "start_line" not in target:
        return True
    return hit.start_line <= int(target["end_line"]) and hit.end_line >= int(target["start_line"])


def ndcg(hits, targets) -> float:
    ranks = set()
    for target in targets:
        rank = next((place for place, hit in enumerate(hits[:DEPTH]) if overlaps(hit, target)), None)
        if rank is not None:
            ranks.add(rank)
    gained = sum(1 / math.log2(rank + 2) for rank in ranks)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(DEPTH, len(targets))))
    return gained / ideal if ideal else 0.0


def measure(repo, annotations: Path, mirrors: Path) -> dict:
    rows = json.loads((annotations / f"{repo['name']}.json").read_text())
    mirror = mirrors / repo["repo"].replace("/", "+") / "repo"
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch, "bare")
        bare.mkdir()
        commit = make_commit(mirror, repo["revision"], repo["root"], bare)
        clone = Clone.discover(bare)
        library = Library.open(Path(scratch, "library"))
        started = time.perf_counter()
        library.ensure(clone.view, commit)
        index_s = time.perf_counter() - started
        scores, by_category, times, answers = [], defaultdict(list), [], []
        for row in rows:
            started = time.perf_counter()
            hits = library.search(clone.view, Query(row["query"], DEPTH)).hits
            times.append((time.perf_counter() - started) * 1000)
            scores.append(ndcg(hits, [*row["relevant"], *row["secondary"]]))
            by_category[row["category"]].append(scores[-1])
            answers.append(
                {"query": row["query"], "ndcg": scores[-1], "hits": [hit.path.decode() for hit in hits]}
            )
        status = library.status(clone.view)
        segments = sum(path.stat().st_size for path in Path(scratch, "library").glob("*/segments/*"))
        library.close()
        clone.view.objects.close()
    return {
        "name": repo["name"],
        "language": repo["language"],
        "files": status.blobs,
        "chunks": status.chunks,
        "ndcg": statistics.mean(scores),
        "index_s": index_s,
        "segment_kib": segments / 1024,
        "cold_ms": times[0],
        "p50_ms": statistics.median(times[1:]),
        "categories": {name: statistics.mean(found) for name, found in sorted(by_category.items())},
        "counts": {name: len(found) for name, found in sorted(by_category.items())},
        "answers": answers,
    }


def show(results) -> None:
    print(
        f"{'repository':20}{'language':12}{'files':>6}{'chunks':>8}{'NDCG@10':>9}{'index s':>9}{'KiB':>8}"
        f"{'cold ms':>9}{'p50 ms':>8}"
    )
    for one in results:
        print(
            f"{one['name']:20}{one['language']:12}{one['files']:6}{one['chunks']:8}{one['ndcg']:9.4f}"
            f"{one['index_s']:9.2f}{one['segment_kib']:8.0f}{one['cold_ms']:9.1f}{one['p50_ms']:8.1f}"
        )
    mean = {key: statistics.mean(one[key] for one in results) for key in ("ndcg", "index_s", "p50_ms")}
    print(f"{'mean':46}{mean['ndcg']:9.4f}{mean['index_s']:9.2f}{'':17}{mean['p50_ms']:8.1f}")
    for category in ("semantic", "architecture", "symbol"):
        counted = [
            (one["categories"][category], one["counts"][category])
            for one in results
            if category in one["counts"]
        ]
        if counted:
            total = sum(count for _, count in counted)
            print(f"  {category:14}{sum(score * count for score, count in counted) / total:.4f} over {total}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--repos-json", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of repositories, with commas")
    parser.add_argument("--json", type=Path, help="where to write everything, answers included")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    repos = [repo for repo in json.loads(options.repos_json.read_text()) if not only or repo["name"] in only]
    results = [measure(repo, options.annotations, options.mirrors) for repo in repos]
    show(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
