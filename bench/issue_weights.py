"""Learn what the parts of `what: files` are worth, from questions whose answer is known.

    python bench/issue_weights.py --issues FILE --mirrors DIR [--work DIR] [--held PART=WORTH,...]

`--issues` and `--mirrors` are those of `bench/issue_to_file.py`, from repositories that no labelled set has
(`bench/issues_from_commits.py --as-issues`). In `--work` indexes are kept and found again.

Each question is asked with every part worth 1. A file's score is the sum of its parts, each times its weight,
times the factor of its role; the weights, none below 0, are those that make the answer likeliest among the
files that were found (softmax, a small penalty on squares). They are told in the unit in which `whole` is
0.9, and beside them what is found of each repository by weights learned from the others alone.

A part that such questions cannot speak of is held at its worth in that unit (`--held`): messages that name
the file are left out of them, and stack traces do not stand in messages.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from issue_to_file import borrow, read_weights, told

from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.finding import files
from imprint.semantic.search.query import LIMIT_MAX, QUERY_CHARACTERS_MAX, Mode, Query, What
from imprint.store.clone import Clone
from imprint.store.types import ObjectId

PARTS = tuple(field.name for field in dataclasses.fields(files.Shares) if field.name != "not_source")
UNIT = ("whole", 0.9)
HELD = "named=0.5,frames=0.3"
STEPS, RATE, PENALTY = 300, 0.15, 0.002


class Case(NamedTuple):
    """A question: of each file that was found its parts times its factor, and whether it is an answer."""

    repo: str
    parts: np.ndarray
    is_answer: np.ndarray


def ask(repo: str, issues, mirrors: Path, folder: Path) -> list[Case]:
    fresh = not (folder / "bare").exists()
    (folder / "bare").mkdir(parents=True, exist_ok=True)
    if fresh:
        borrow(mirrors / repo.replace("/", "+") / "repo", folder / "bare", issues)
    clone = Clone.discover(folder / "bare")
    library = Library.open(folder / "library")
    log = ChangeLog.open(folder / "log")
    log.ensure(clone.view)
    past, cases = log.seen(clone.view), []
    for issue in issues:
        commit = ObjectId(issue["base_commit"])
        library.ensure(clone.view, commit)
        text = issue["query"][:QUERY_CHARACTERS_MAX]
        query = Query(text, LIMIT_MAX, mode=Mode.WORDS, what=What.FILES, explain=True)
        hits = library.search(clone.view, query, ref=commit, background=Background(past)).hits
        is_answer = np.array([hit.path.decode() in issue["gold_files"] for hit in hits], bool)
        if is_answer.any():
            parts = [[hit.parts[part] * hit.parts["times_role"] for part in PARTS] for hit in hits]
            cases.append(Case(repo, np.array(parts), is_answer))
    library.close()
    clone.view.objects.close()
    print(f"{repo:32}{len(issues):4} questions, answer found for {len(cases)}", flush=True)
    return cases


def learn(cases: list[Case], basis: np.ndarray) -> np.ndarray:
    """What each part is worth, by Adam; `basis` turns parts into what has a weight of its own."""
    columns = np.concatenate([case.parts for case in cases]) @ basis
    is_answer = np.concatenate([case.is_answer for case in cases])
    counts = [len(case.parts) for case in cases]
    begins = np.cumsum([0, *counts[:-1]])

    def share(worths: np.ndarray) -> np.ndarray:
        return worths / np.repeat(np.add.reduceat(worths, begins), counts)

    weights, mean, square = np.full(columns.shape[1], 2.0), 0.0, 0.0
    for step in range(1, STEPS + 1):
        scores = columns @ weights
        worths = np.exp(scores - np.repeat(np.maximum.reduceat(scores, begins), counts))
        slope = columns.T @ (share(worths * is_answer) - share(worths)) / len(cases) - PENALTY * weights
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        weights += RATE * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights, 0)
    return basis @ weights


def make_basis(held: dict[str, float]) -> np.ndarray:
    """Of each part what it adds to each free one: a held part goes with the unit, in a fixed proportion."""
    free = [part for part in PARTS if part not in held]
    basis = np.zeros((len(PARTS), len(free)))
    for column, part in enumerate(free):
        basis[PARTS.index(part), column] = 1
    for part, worth in held.items():
        basis[PARTS.index(part), free.index(UNIT[0])] = worth / UNIT[1]
    return basis


def rank(case: Case, weights: np.ndarray) -> int:
    scores = case.parts @ weights
    return int((scores > scores[case.is_answer].max()).sum())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--issues", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--held", default=HELD, help="parts that are not learned, with commas")
    options = parser.parse_args()
    held = read_weights(options.held)
    before = np.array([getattr(files.DEFAULT, part) for part in PARTS])
    files.find_files.__defaults__ = (dataclasses.replace(files.DEFAULT, **dict.fromkeys(PARTS, 1.0)),)
    by_repo, cases = defaultdict(list), []
    for line in options.issues.read_text().splitlines():
        issue = json.loads(line)
        by_repo[issue["repo"]].append(issue)
    with tempfile.TemporaryDirectory() as scratch:
        for repo, issues in sorted(by_repo.items()):
            folder = (options.work or Path(scratch)) / repo.replace("/", "+")
            cases += ask(repo, issues, options.mirrors, folder)
    basis, ranks = make_basis(held), []
    for repo in by_repo:
        weights = learn([case for case in cases if case.repo != repo], basis)
        ranks += [rank(case, weights) for case in cases if case.repo == repo]
    print("as they are:            ", told([rank(case, before) for case in cases]))
    print("learned from the others:", told(ranks))
    weights = learn(cases, basis)
    weights *= UNIT[1] / weights[PARTS.index(UNIT[0])]
    print("--weights", ",".join(f"{part}={weight:.2f}" for part, weight in zip(PARTS, weights, strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
