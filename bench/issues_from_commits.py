"""Questions for `bench/issue_to_file.py` out of commits that fix an issue: a larger set, to develop on.

    python bench/issues_from_commits.py --mirrors DIR --repos OWNER/NAME,... [--each N] [--words N]
        [--as-issues] > ISSUES

Of each repository the newest commits of its default branch are taken whose message closes an issue by its
number and has a body of so many words; that have one parent; and that change one source file, beside tests,
documents and data. The message without its trailers and numbers of issues is the question, the changed file
the answer, and the parent the commit that is asked. A message that names the file with its ending is left
out: it would tell the answer.

Messages are written by people who know the answer, issues by people who do not: figures of this set compare
ways of ranking with each other, and say nothing about issues.

With `--as-issues` questions are nearer to issues, to learn weights from (`bench/issue_weights.py`): messages
that name a problem are taken too if they have thirty words, files that stand for their folder may be the
answer, names that stand in the changed lines of the answer are left out of the message, as who has the
problem does not know them, and the first lines that the commit added to tests stand below, as an example.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.semantic.search.signals.roles import demotion, is_test

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSES = re.compile(r"\b(?:fix|close|resolve)[sd]?:?\s+(?:issue\s+)?(?:[\w./-]+)?#\d+", re.IGNORECASE)
NUMBERS = re.compile(r"\(?(?:https?://\S+/(?:issues|pull)/\d+|[\w./-]*#\d+)\)?")
TRAILER = re.compile(r"^[A-Z][\w-]+-[Bb]y: .*$|^[A-Z][\w-]*-[Ii]d: .*$", re.MULTILINE)
PROSE = (".md", ".rst", ".txt", ".adoc", ".json", ".yml", ".yaml", ".toml", ".lock", ".html", ".css", ".svg")
SEEN_MAX = 4_000
PROBLEM = re.compile(
    r"\b(?:fix\w*|bugs?|crash\w*|errors?|incorrect\w*|wrong\w*|fail\w*|issues?|regress\w*|broken|raises?"
    r"|exceptions?|unexpected\w*)\b",
    re.IGNORECASE,
)
PROBLEM_WORDS = 30
"""Of a message that names a problem, at least."""
CHORE = re.compile(
    r"^\[(?:pre-commit|bot)|^(?:bump|release|merge|prepare)\b|black|flake8|ruff|reformat|lint|typo|\bCI\b"
    r"|type (?:hint|annot)",
    re.IGNORECASE,
)
TOKEN = re.compile(r"`*[A-Za-z_][\w.]*(?:\(\))?`*")
NAME = re.compile(r"[_.`]|[a-z][A-Z]")
"""What makes a token of a message a name."""
PART = re.compile(r"\w{3,}")
EXAMPLE_LINES = 60
STANDS_FOR_FOLDER = {"__init__", "index", "mod", "package-info"}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def read_question(message: str) -> str:
    kept = CLOSES.sub("", TRAILER.sub("", message))
    return re.sub(r"\n{3,}", "\n\n", NUMBERS.sub("", kept)).strip()


def find_answer(statuses: list[str], demote=demotion) -> str | None:
    """The one source file that was changed, not made nor removed; None where there is not one."""
    found = []
    for line in statuses:
        status, path, *_ = line.split("\t")
        if demote(path, frozenset()) == 1.0 and not path.lower().endswith(PROSE) and "." in path:
            found.append((status, path))
    return found[0][1] if len(found) == 1 and found[0][0] == "M" else None


def demote_in_folder(path: str, words: frozenset[str]) -> float:
    """The same as `demotion`, but that a file stands for its folder does not count against it."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return demotion(f"{folder}{slash}{'x' if stem in STANDS_FOR_FOLDER else stem}{dot}{ending}", words)


def is_problem(message: str) -> bool:
    """Whether a message tells of a problem, at some length, even if it closes no issue."""
    if CHORE.search(message.strip().partition("\n")[0]):
        return False
    return bool(CLOSES.search(message) or (PROBLEM.search(message) and len(message.split()) >= PROBLEM_WORDS))


def tell_as_issue(folder: Path, commit: str, path: str, question: str) -> str:
    """A message without the names that the answer's changed lines hold, and with what tests gained."""
    own = git(folder, "show", "--format=", "-U0", commit, "--", path)
    known = {part.lower() for line in own.splitlines() if line[:1] in "+-@" for part in PART.findall(line)}

    def leave_out(token: re.Match[str]) -> str:
        parts = {part.lower() for part in PART.findall(token[0])}
        return "" if NAME.search(token[0]) and parts & known else token[0]

    lines = ("".join(TOKEN.sub(leave_out, line)) for line in question.splitlines())
    told = "\n".join(" ".join(line.split()) for line in lines)
    example = "\n".join(list_example(git(folder, "show", "--format=", "-U0", commit)))
    return f"{told}\n\n```\n{example}\n```\n" if example else told


def list_example(patch: str) -> list[str]:
    """The first lines that were added to tests."""
    found, path = [], ""
    for line in patch.splitlines():
        if line.startswith("+++ "):
            path = line[6:]
        elif line.startswith("+") and line[1:].strip() and is_test(path) and not path.endswith(PROSE):
            found.append(line[1:])
    return found[:EXAMPLE_LINES]


def list_as_issues(repo: str, folder: Path, each: int, words: int) -> Iterator[dict]:
    """Questions as `list_issues` gives them, in the words of somebody who does not know the answer."""
    seen = f"-{SEEN_MAX}"
    told = git(
        folder, "log", "--no-merges", seen, "--no-renames", "--name-status", "--format=%x01%H %P%x02%B%x02"
    )
    many = 0
    for commit in told.split("\x01")[1:]:
        ids, message, statuses = commit.split("\x02")
        own, *parents = ids.split()
        question = read_question(message)
        path = find_answer([line for line in statuses.splitlines() if line], demote_in_folder)
        if path is None or len(parents) != 1 or not is_problem(message) or len(question.split()) < words:
            continue
        if path.rpartition("/")[2].lower() in question.lower():
            continue
        yield as_row(repo, own, parents[0], tell_as_issue(folder, own, path, question), path)
        many += 1
        if many >= each:
            return


def as_row(repo: str, commit: str, parent: str, question: str, path: str) -> dict:
    return {
        "instance_id": f"{repo.replace('/', '__')}-{commit[:10]}",
        "repo": repo,
        "base_commit": parent,
        "query": question,
        "gold_files": [path],
    }


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
        yield as_row(repo, own, parents[0], question, path)
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
    parser.add_argument("--as-issues", action="store_true", help="in words that know less of the answer")
    options = parser.parse_args()
    listed = list_as_issues if options.as_issues else list_issues
    for repo in options.repos.split(","):
        folder = options.mirrors / repo.replace("/", "+") / "repo"
        for issue in listed(repo, folder, options.each, options.words):
            print(json.dumps(issue))
    return 0


if __name__ == "__main__":
    sys.exit(main())
