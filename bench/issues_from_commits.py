"""Questions for `bench/issue_to_file.py` out of commits that fix an issue: a larger set, to develop on.

    python bench/issues_from_commits.py --mirrors DIR --repos OWNER/NAME,... [--each N] [--words N] > ISSUES

Of each repository the newest commits of its default branch are taken whose message closes an issue by its
number and has a body of so many words; that have one parent; and that change one source file, beside tests,
documents and data. The message without its trailers and numbers of issues is the question, the changed file
the answer, and the parent the commit that is asked. A message that names the file with its ending is left
out: it would tell the answer.

Messages are written by people who know the answer, issues by people who do not: figures of this set compare
ways of ranking with each other, and say nothing about issues.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.semantic.search.signals.roles import demotion

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSES = re.compile(r"\b(?:fix|close|resolve)[sd]?:?\s+(?:issue\s+)?(?:[\w./-]+)?#\d+", re.IGNORECASE)
NUMBERS = re.compile(r"\(?(?:https?://\S+/(?:issues|pull)/\d+|[\w./-]*#\d+)\)?")
TRAILER = re.compile(r"^[A-Z][\w-]+-[Bb]y: .*$|^[A-Z][\w-]*-[Ii]d: .*$", re.MULTILINE)
PROSE = (".md", ".rst", ".txt", ".adoc", ".json", ".yml", ".yaml", ".toml", ".lock", ".html", ".css", ".svg")
SEEN_MAX = 4_000


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def read_question(message: str) -> str:
    kept = CLOSES.sub("", TRAILER.sub("", message))
    return re.sub(r"\n{3,}", "\n\n", NUMBERS.sub("", kept)).strip()


def find_answer(statuses: list[str]) -> str | None:
    """The one source file that was changed, not made nor removed; None where there is not one."""
    found = []
    for line in statuses:
        status, path, *_ = line.split("\t")
        if demotion(path, frozenset()) == 1.0 and not path.lower().endswith(PROSE) and "." in path:
            found.append((status, path))
    return found[0][1] if len(found) == 1 and found[0][0] == "M" else None


def list_issues(repo: str, folder: Path, each: int, words: int) -> Iterator[dict]:
    told = git(
        folder, "log", "--no-merges", "-E", "-i", f"-{SEEN_MAX}", "--no-renames", "--name-status",
        r"--grep=(fix|close|resolve)[sd]?:? +(issue +)?[a-z0-9_./-]*#[0-9]+", "--format=%x01%H %P%x02%B%x02",
    )  # fmt: skip
    many = 0
    for commit in told.split("\x01")[1:]:
        ids, message, statuses = commit.split("\x02")
        own, *parents = ids.split()
        question = read_question(message)
        path = find_answer([line for line in statuses.splitlines() if line])
        if path is None or len(parents) != 1 or len(question.split()) < words:
            continue
        if path.rpartition("/")[2].lower() in question.lower():
            continue
        yield {
            "instance_id": f"{repo.replace('/', '__')}-{own[:10]}",
            "repo": repo,
            "base_commit": parents[0],
            "query": question,
            "gold_files": [path],
        }
        many += 1
        if many >= each:
            return


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--repos", required=True, help="owner/name, with commas")
    parser.add_argument("--each", type=int, default=12, help="questions of one repository at most")
    parser.add_argument("--words", type=int, default=25, help="words of a question at least")
    options = parser.parse_args()
    for repo in options.repos.split(","):
        folder = options.mirrors / repo.replace("/", "+") / "repo"
        for issue in list_issues(repo, folder, options.each, options.words):
            print(json.dumps(issue))
    return 0


if __name__ == "__main__":
    sys.exit(main())
