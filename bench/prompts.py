"""What prompts add to the ranking: a stand-in, as no public history has prompts.

    python bench/prompts.py --mirrors DIR --repos OWNER/NAME,... [--each N] [--commits N] [--json FILE]

The newest commits of each repository are made again in a scratch repository with the same trees: the first
line of each message is the new message, and the rest of it, from `WORDS_MIN` words on, is what a session was
asked for that commit. The questions are those of `bench/issues_from_commits.py` without their first line,
asked at the parent of the commit that they are of: what is asked stands in no prompt that can be found, and
only commits before it count. Each question is asked in four ways:

    neither     no history ranks
    messages    first lines rank
    prompts     first lines and prompts rank
    whole       whole messages rank, in a second scratch repository, and there are no prompts

Bodies of messages are written by who made the change, and afterwards; prompts before it, often shorter and
seldom as exact. So the figures compare ways of ranking, and say nothing of sessions. Intervals are of a
bootstrap over questions (95 %, 2,000 draws, seed 7), of differences over pairs.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from issues_from_commits import git, list_issues, read_question

from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import QUERY_CHARACTERS_MAX, Mode, Query, What
from imprint.store.clone import Clone
from imprint.store.evidence.claims import Claim, Evidence
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable

DEPTHS = (1, 5, 10)
DRAWS = 2_000
WORDS_MIN = 8
WAYS = ("neither", "messages", "prompts", "whole")
ASKED_FOR = (What.FILES, What.CODE)


class Made(NamedTuple):
    """A commit as it is: its tree, parents, time and message."""

    id: str
    tree: str
    parents: list[str]
    time: str
    message: str


def read_commits(folder: Path, tips: Iterable[str], many: int) -> list[Made]:
    """The newest commits that some reach, parents first."""
    told = git(
        folder, "log", "--topo-order", "--reverse", f"-{many}", "--format=%H%x00%T%x00%P%x00%ct%x00%B%x01",
        *tips, "--",
    )  # fmt: skip
    found = []
    for one in told.split("\x01")[:-1]:
        own, tree, parents, at, message = one.lstrip("\n").split("\0")
        found.append(Made(own, tree, parents.split(), at, message))
    return found


def split_message(message: str) -> tuple[str, str]:
    """The first line, and the rest if it is long enough to have been a prompt."""
    subject, _, rest = message.strip().partition("\n")
    body = read_question(rest)
    return subject, body if len(body.split()) >= WORDS_MIN else ""


def remake(mirror: Path, folder: Path, commits: list[Made], *, whole: bool) -> dict[str, ObjectId]:
    """Commits with the same trees in a new bare repository, and which became which."""
    git(folder, "init", "-q", "--bare", "-b", "main", ".")
    (folder / "objects/info/alternates").write_text(f"{(mirror / 'objects').resolve()}\n")
    marks = {commit.id: number for number, commit in enumerate(commits, 1)}
    stream = bytearray()
    for commit in commits:
        message = (commit.message if whole else split_message(commit.message)[0]).encode()
        parents = [marks[parent] for parent in commit.parents if parent in marks]
        stream += b"commit refs/made/%d\nmark :%d\n" % (marks[commit.id], marks[commit.id])
        stream += b"committer A <a@b> %s +0000\ndata %d\n%s\n" % (
            commit.time.encode(), len(message), message,
        )  # fmt: skip
        for place, parent in enumerate(parents):
            stream += b"%s :%d\n" % (b"merge" if place else b"from", parent)
        stream += b"M 040000 %s \n" % commit.tree.encode()
    told = folder / "marks"
    subprocess.run(
        ["git", "-C", str(folder), "fast-import", "--quiet", "--force", f"--export-marks={told}"],
        input=bytes(stream), check=True,
    )  # fmt: skip
    made = dict(line.split() for line in told.read_text().splitlines())
    git(folder, "update-ref", "refs/heads/main", made[f":{len(commits)}"])
    return {commit.id: ObjectId(made[f":{marks[commit.id]}"]) for commit in commits}


class Side:
    """One of the two scratch repositories, indexed at every commit that is asked."""

    def __init__(self, mirror: Path, folder: Path, commits: list[Made], asked: set[str], *, whole: bool):
        bare = folder / "bare"
        bare.mkdir(parents=True)
        self.ids = remake(mirror, bare, commits, whole=whole)
        self.clone = Clone.discover(bare)
        self.library, log = Library.open(folder / "library"), ChangeLog.open(folder / "log")
        log.ensure(self.clone.view)
        for base in sorted(asked):
            self.library.ensure(self.clone.view, self.ids[base])
        self.past = log.seen(self.clone.view)
        self.times: dict[str, list[float]] = {}

    def ask(self, issue: dict, what: What, background: Background, way: str) -> int | None:
        """The place of the file that was changed, among the files of the answer."""
        query = Query(issue["query"][:QUERY_CHARACTERS_MAX], max(DEPTHS), mode=Mode.WORDS, what=what)
        base = self.ids[issue["base_commit"]]
        for _ in range(2):  # the second time it is warm
            started = time.process_time()
            answer = self.library.search(self.clone.view, query, ref=base, background=background)
            took = (time.process_time() - started) * 1000
        self.times.setdefault(f"{what.value} {way}", []).append(took)
        if answer.commit != base:
            raise SystemExit(f"{issue['instance_id']}: answered at {answer.commit}")
        paths = list(dict.fromkeys(hit.path.decode("utf-8", "replace") for hit in answer.hits))
        return next((place for place, path in enumerate(paths) if path in issue["gold_files"]), None)

    def close(self) -> None:
        """Release files."""
        self.library.close()
        self.clone.view.objects.close()


def know_prompts(commits: list[Made], ids: dict[str, ObjectId], own: str) -> tuple[dict, dict]:
    """Claims and texts of prompts; one that says what is asked is left out."""
    claims, texts = {}, {}
    for commit in commits:
        body = split_message(commit.message)[1]
        if body and body != own:
            made = ids[commit.id]
            claims[made] = [Claim(made, Evidence.OBSERVED, session=f"s-{made}", prompt=f"p-{made}")]
            texts[f"s-{made}", f"p-{made}"] = body
    return claims, texts


def measure(repo: str, mirror: Path, each: int, many: int) -> list[dict]:
    """The places of what every question of a repository is about, for each way."""
    issues = list(list_issues(repo, mirror, each, 25))
    for issue in issues:
        issue["query"] = issue["query"].partition("\n")[2].strip()
    issues = [issue for issue in issues if len(issue["query"].split()) >= WORDS_MIN]
    commits = read_commits(mirror, [issue["base_commit"] for issue in issues], many) if issues else []
    known = {commit.id for commit in commits}
    issues = [issue for issue in issues if issue["base_commit"] in known]
    if not issues:
        print(f"{repo}: no questions")
        return []
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        asked = {issue["base_commit"] for issue in issues}
        lines = Side(mirror, Path(scratch, "lines"), commits, asked, whole=False)
        whole = Side(mirror, Path(scratch, "whole"), commits, asked, whole=True)
        for issue in issues:
            claims, texts = know_prompts(commits, lines.ids, issue["query"])

            def read_claims(wanted, claims=claims):
                return {commit: claims[commit] for commit in wanted if commit in claims}

            def read_prompt(session, address, texts=texts):
                return texts.get((session, address))

            ways = {
                "neither": (lines, Background()),
                "messages": (lines, Background(lines.past)),
                "prompts": (lines, Background(lines.past, read_claims, read_prompt)),
                "whole": (whole, Background(whole.past)),
            }
            for what in ASKED_FOR:
                ranks = {way: side.ask(issue, what, told, way) for way, (side, told) in ways.items()}
                found.append({"id": issue["instance_id"], "repo": repo, "what": what.value, "ranks": ranks})
        prompts = sum(bool(split_message(commit.message)[1]) for commit in commits)
        print(f"{repo}: {len(commits)} commits, {prompts} prompts, {len(issues)} questions", flush=True)
        for name, times in (lines.times | whole.times).items():
            print(f"    {name:18} p50 {statistics.median(times):6.1f} ms of processor time, warm")
        lines.close()
        whole.close()
    return found


def accuracy(ranks, depth: int) -> float:
    return sum(rank is not None and rank < depth for rank in ranks) / len(ranks) if ranks else 0.0


def interval(pairs, worth) -> str:
    draw = random.Random(7)
    drawn = sorted(worth(draw.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    return f"{drawn[DRAWS // 40]:+.3f} to {drawn[-DRAWS // 40]:+.3f}"


def tell(results: list[dict]) -> None:
    for what in ASKED_FOR:
        own = [one["ranks"] for one in results if one["what"] == what.value]
        print(f"{what.value}: {len(own)} questions")
        for way in WAYS:
            for depth in DEPTHS:

                def worth(pairs, way=way, depth=depth):
                    return accuracy([pair[way] for pair in pairs], depth)

                def gain(pairs, way=way, depth=depth):
                    return worth(pairs, way, depth) - worth(pairs, "messages", depth)

                print(
                    f"    {way:10} Acc@{depth:<3}{worth(own):.3f}   95 % {interval(own, worth)}   "
                    f"beside messages {gain(own):+.3f}   95 % {interval(own, gain)}"
                )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--repos", required=True, help="owner/name, with commas")
    parser.add_argument("--each", type=int, default=20, help="questions of one repository at most")
    parser.add_argument("--commits", type=int, default=2_000, help="commits of one repository")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    for repo in options.repos.split(","):
        results += measure(
            repo, options.mirrors / repo.replace("/", "+") / "repo", options.each, options.commits
        )
    if not results:
        return 1
    tell(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    print(f"prompts: {len(results) // len(ASKED_FOR)} questions, {seconds:.0f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
