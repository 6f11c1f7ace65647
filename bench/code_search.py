"""Labelled code search: NDCG@10, indexing and query time per repository.

    python bench/code_search.py --annotations DIR --repos-json FILE --mirrors DIR [--only A,B] [--json FILE]
        [--no-history] [--vectors] [--without SIGNAL,...] [--ablate]

`--annotations` holds NAME.json, a list of {query, relevant, secondary, category}, where a target is a path or
{path, start_line, end_line}. `--repos-json` lists {name, language, repo, revision, root}. `--mirrors` holds
for `owner/name` a bare repository `owner+name/repo` that has the revision.

Only the tree below `root` is indexed, at its own path, as a child of the revision in a scratch repository
that borrows the mirror's objects; so the past of its files is the repository's own. With `--no-history`
commits do not rank; with `--vectors` the shipped table's vectors do, made by the library as it indexes. Per
query the rank of a target is that of the first hit that overlaps it; gains are binary over relevant and
secondary targets together; a target that is not among ten hits gains nothing. The score is the mean over the
queries of a repository, then over repositories; intervals are of a bootstrap over repositories (95 %, 2,000
draws, seed 7). Query time is the library's, without starting a process, over the queries after the first; the
first is shown as "cold". `--without` sets weights of `imprint.semantic.search.rank.Weights` to nothing (the
factor `again` to 1); `--ablate` tells the score with each of them left out. The halves are those of a hash of
the repository's name: constants were tuned on A.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search import rank, retrieve
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import Mode, Query
from imprint.store.clone import Clone
from imprint.store.types import ObjectId

DEPTH = 10
DRAWS = 2_000
WEIGHTS = rank.DEFAULT
FACTORS = {"fit", "near", "definition_unsure", "definition_in_stem", "qualified"}
ABLATED = [one.name for one in dataclasses.fields(rank.Weights) if one.name not in FACTORS]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_commit(mirror: Path, revision: str, root: str, folder: Path) -> ObjectId:
    """A child of the revision that holds only the tree below `root`; the repository borrows the rest."""
    git(folder, "init", "-q", "--bare", ".")
    (folder / "objects/info/alternates").write_text(f"{(mirror / 'objects').resolve()}\n")
    tree = git(folder, "rev-parse", f"{revision}:{root}" if root else f"{revision}^{{tree}}")
    for name in reversed(list(filter(None, root.split("/")))):
        entry = f"040000 tree {tree}\t{name}\n"
        done = subprocess.run(
            ["git", "-C", str(folder), "mktree"], input=entry, capture_output=True, text=True, check=True
        )
        tree = done.stdout.strip()
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    commit = git(folder, *identity, "commit-tree", tree, "-p", revision, "-m", "b")
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


class Indexed:
    """A repository, indexed and logged in a scratch folder until it is closed."""

    def __init__(self, repo, mirrors: Path, encoder) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        folder = Path(self._scratch.name)
        bare = folder / "bare"
        bare.mkdir()
        mirror = mirrors / repo["repo"].replace("/", "+") / "repo"
        self.commit = make_commit(mirror, repo["revision"], repo["root"], bare)
        self.clone = Clone.discover(bare)
        self.library = Library.open(folder / "library", encoder=encoder)
        started = time.perf_counter()
        self.library.ensure(self.clone.view, self.commit)
        self.index_s = time.perf_counter() - started
        log = ChangeLog.open(folder / "log")
        log.ensure(self.clone.view)
        self.past = log.seen(self.clone.view)

    def close(self) -> None:
        self.library.close()
        self.clone.view.objects.close()
        self._scratch.cleanup()


def ask(indexed: Indexed, rows, *, history: bool) -> list[dict]:
    background = Background(indexed.past) if history else Background()
    answers = []
    for row in rows:
        query = Query(row["query"], DEPTH, mode=Mode.WORDS)
        started = time.perf_counter()
        hits = indexed.library.search(indexed.clone.view, query, background=background).hits
        took = (time.perf_counter() - started) * 1000
        score = ndcg(hits, [*row["relevant"], *row["secondary"]])
        places = [f"{hit.path.decode()}:{hit.start_line}" for hit in hits]
        answers.append(
            {"query": row["query"], "category": row["category"], "ndcg": score, "ms": took, "hits": places}
        )
    return answers


def weights_without(names) -> rank.Weights:
    return dataclasses.replace(WEIGHTS, **{name: 1.0 if name == "again" else 0.0 for name in names})


def use(weights: rank.Weights) -> None:
    retrieve.retrieve.__kwdefaults__["weights"] = weights


def measure(repo, options) -> dict:
    rows = json.loads((options.annotations / f"{repo['name']}.json").read_text())
    indexed = Indexed(repo, options.mirrors, open_encoder(None) if options.vectors else None)
    try:
        answers = ask(indexed, rows, history=not options.no_history)
        ablated = {}
        for name in ABLATED if options.ablate else ():
            use(weights_without([name]))
            ablated[name] = statistics.mean(
                one["ndcg"] for one in ask(indexed, rows, history=not options.no_history)
            )
        use(weights_without(filter(None, options.without.split(","))))
        status = indexed.library.status(indexed.clone.view)
        times = [one["ms"] for one in answers]
    finally:
        indexed.close()
    by_category = defaultdict(list)
    for one in answers:
        by_category[one["category"]].append(one["ndcg"])
    return {
        "name": repo["name"],
        "language": repo["language"],
        "files": status.blobs,
        "chunks": status.chunks,
        "ndcg": statistics.mean(one["ndcg"] for one in answers),
        "index_s": indexed.index_s,
        "cold_ms": times[0],
        "p50_ms": statistics.median(times[1:]),
        "p95_ms": sorted(times[1:])[int(len(times[1:]) * 0.95)],
        "categories": {name: statistics.mean(found) for name, found in sorted(by_category.items())},
        "counts": {name: len(found) for name, found in sorted(by_category.items())},
        "ablated": ablated,
        "answers": answers,
    }


def half(name: str) -> str:
    return "AB"[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]


def interval(values) -> str:
    draw = random.Random(7)
    drawn = sorted(statistics.mean(draw.choices(values, k=len(values))) for _ in range(DRAWS))
    return f"{drawn[DRAWS // 40]:.3f} to {drawn[-DRAWS // 40]:.3f}"


def halves(results, score) -> str:
    told = []
    for name in "AB":
        own = [score(one) for one in results if half(one["name"]) == name]
        if own:
            told.append(f"{name} {statistics.mean(own):.4f}")
    return "  ".join(told)


def show(results) -> None:
    print(
        f"{'repository':20}{'language':12}{'files':>6}{'chunks':>8}{'NDCG@10':>9}{'index s':>9}"
        f"{'cold ms':>9}{'p50 ms':>8}{'p95 ms':>8}"
    )
    for one in results:
        print(
            f"{one['name']:20}{one['language']:12}{one['files']:6}{one['chunks']:8}{one['ndcg']:9.4f}"
            f"{one['index_s']:9.2f}{one['cold_ms']:9.1f}{one['p50_ms']:8.1f}{one['p95_ms']:8.1f}"
        )
    for category in ("semantic", "architecture", "symbol"):
        counted = [
            (one["categories"][category], one["counts"][category])
            for one in results
            if category in one["counts"]
        ]
        if counted:
            total = sum(count for _, count in counted)
            print(f"  {category:14}{sum(score * count for score, count in counted) / total:.4f} over {total}")
    for name in results[0]["ablated"]:
        mean = statistics.mean(one["ablated"][name] for one in results)
        told = halves(results, lambda one, name=name: one["ablated"][name])
        print(f"  without {name:22}{mean:.4f}  {told}")
    scores = [one["ndcg"] for one in results]
    times = [answer["ms"] for one in results for answer in one["answers"][1:]]
    print(
        f"code_search: {len(results)} repositories, NDCG@10 {statistics.mean(scores):.4f} "
        f"({interval(scores)}), halves {halves(results, lambda one: one['ndcg'])}, "
        f"query p50 {statistics.median(times):.1f} ms, p95 {sorted(times)[int(len(times) * 0.95)]:.1f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--repos-json", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of repositories, with commas")
    parser.add_argument("--no-history", action="store_true", help="commits do not rank")
    parser.add_argument("--vectors", action="store_true", help="vectors of the shipped table rank too")
    parser.add_argument("--without", default="", help="weights left out, with commas")
    parser.add_argument("--ablate", action="store_true", help="tell the score without each signal")
    parser.add_argument("--json", type=Path, help="where to write everything, answers included")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    repos = [repo for repo in json.loads(options.repos_json.read_text()) if not only or repo["name"] in only]
    use(weights_without(filter(None, options.without.split(","))))
    results = [measure(repo, options) for repo in repos]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
