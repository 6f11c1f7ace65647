"""How many pull requests' heads are found again on the default branch after a squash, and how surely.

    python bench/links.py REPOSITORY [--keep FILE] [--losses N]

REPOSITORY is a bare repository with `refs/pull/*/head`, as a mirror of a forge has them. The truth is the
number that a forge writes into the subject of a merged commit, `Subject (#123)`: the commit on the default
branch that names 123 is what became of `refs/pull/123/head`. The links never look at it.

    merged      heads that a commit on the default branch names, and that are not on that branch themselves
    recall      share of them from which a link leads to exactly that commit: from the head, its range or one
                of its commits
    precision   share of links from a pull request's commits to a commit with a number whose number is one of
                theirs
    annotated   the same for heads with a Git AI note on one of their commits
    patch-id    `git patch-id --stable` alone: of the head's single commit, or of merge-base..head, equal to
                that of the commit named; the answer to "how many would be found without this"
"""

from __future__ import annotations

import argparse
import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from imprint.store.history.reading import list_commits
from imprint.store.links.intake import Arrival, Intake
from imprint.store.links.model import Link, Method
from imprint.store.links.store import LinkStore
from imprint.store.objects.git import GitObjects
from imprint.store.plumbing import Plumbing
from imprint.store.refs.clone import CloneRefs
from imprint.store.types import HashAlgorithm, ObjectId
from imprint.store.view import RepositoryView

_PULL = re.compile(rb"refs/pull/(\d+)/head\Z")
_NUMBER = re.compile(r"\(#(\d+)\)\s*\Z")


def git(repository: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", "-C", repository, *arguments], input=stdin, capture_output=True, text=True, check=True, errors="replace"
    )
    return done.stdout


def open_view(repository: Path) -> RepositoryView:
    plumbing = Plumbing(repository)
    algorithm = HashAlgorithm(git(repository, "rev-parse", "--show-object-format").strip())
    objects = GitObjects(repository / "objects", algorithm)
    return RepositoryView("bench", repository.parent.name, objects, CloneRefs(plumbing, objects), plumbing)


@dataclass
class Truth:
    """Which head became which commit."""

    heads: dict[int, ObjectId]
    merged: dict[int, ObjectId]
    numbers: dict[ObjectId, int]
    owners: dict[ObjectId, set[int]]


def read_truth(repository: Path, pulls: dict[int, ObjectId]) -> Truth:
    lines = git(repository, "log", "--format=%H %s", "HEAD").splitlines()
    on_target = {line[:40] for line in lines}
    numbers: dict[ObjectId, int] = {}
    merged: dict[int, ObjectId] = {}
    for line in reversed(lines):
        if found := _NUMBER.search(line):
            numbers[ObjectId(line[:40])] = int(found[1])
            merged.setdefault(int(found[1]), ObjectId(line[:40]))
    owners: dict[ObjectId, set[int]] = defaultdict(set)
    parents = {
        fields[0]: fields[1:]
        for line in git(
            repository, "rev-list", "--parents", "--stdin", stdin="".join(f"{head}\n" for head in pulls.values()) + "^HEAD\n"
        ).splitlines()
        if (fields := line.split())
    }
    for number, head in pulls.items():
        stack, seen = [head], {head}
        while stack and len(seen) < 3000:
            at = stack.pop()
            if at not in on_target:
                owners[ObjectId(at)].add(number)
            for parent in parents.get(at, []):
                if parent in parents and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
    landed = {number: commit for number, commit in merged.items() if number in pulls and pulls[number] not in on_target}
    return Truth(pulls, landed, numbers, owners)


def patch_id(repository: Path, old: str, new: str) -> str:
    """`git patch-id --stable` of two trees' difference; empty where it cannot be read."""
    diff = subprocess.run(
        ["git", "-C", repository, "diff-tree", "-p", "-r", old, new], capture_output=True, check=False
    )
    given = b"commit " + b"0" * 40 + b"\n" + diff.stdout
    out = subprocess.run(["git", "patch-id", "--stable"], input=given, capture_output=True, check=True).stdout
    return out.decode().split(" ")[0] if diff.returncode == 0 else ""


def measure_patch_id(repository: Path, truth: Truth) -> set[int]:
    """The numbers whose head git's own patch-id finds."""

    def is_found(item: tuple[int, ObjectId]) -> bool:
        number, commit = item
        head = truth.heads[number]
        command = ["git", "-C", repository, "merge-base", f"{commit}^", head]
        base = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        of_head = patch_id(repository, base, head) if base else ""
        return bool(of_head) and of_head == patch_id(repository, f"{commit}^", commit)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(is_found, truth.merged.items()))
    return {number for number, is_one in zip(truth.merged, found, strict=True) if is_one}


def origins_of(link: Link, links: dict[ObjectId, list[Link]]) -> set[ObjectId]:
    """The commits that a link leads to, through older versions as well."""
    seen = {link.origin, *link.members}
    stack = list(seen)
    while stack:
        for further in links.get(stack.pop(), []):
            if further.method is not Method.REVERT:
                stack += {further.origin, *further.members} - seen
                seen |= {further.origin, *further.members}
    return seen


def report(what: str, numbers: set[int], truth: Truth, found: dict[int, Link], exact: set[int]) -> None:
    hit = [number for number in numbers if number in found]
    by_method: dict[str, int] = defaultdict(int)
    for number in hit:
        by_method[found[number].method.value] += 1
    share = 100 * len(hit) / max(1, len(numbers))
    alone = len(numbers & exact)
    print(
        f"{what:<10} merged {len(numbers):5}  re-linked {len(hit):5} ({share:.1f} %)"
        f"  git patch-id alone {alone} ({100 * alone / max(1, len(numbers)):.1f} %)  {dict(by_method)}"
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("repository", type=Path)
    options.add_argument("--keep", type=Path)
    options.add_argument("--losses", type=int, default=0)
    options.add_argument("--no-patch-id", action="store_true")
    options.add_argument("--verbose", action="store_true")
    chosen = options.parse_args()
    if chosen.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    view = open_view(chosen.repository)
    refs = view.refs.snapshot().refs
    pulls = {int(found[1]): value.id for name, value in refs.items() if (found := _PULL.match(bytes(name)))}
    with tempfile.TemporaryDirectory() as folder:
        store = LinkStore.open(chosen.keep or Path(folder) / "links.db")
        began = time.monotonic()
        if not store.all_links("bench"):
            tips = [value.peeled or value.id for name, value in refs.items() if not name.startswith((b"refs/notes/", b"refs/tags/"))]
            commits = list_commits(view, tips)[::-1]
            target = view.refs.snapshot().head_id
            Intake(view, store, lambda: None).take_in(Arrival(commits, list(dict.fromkeys(tips)), target, 1, 0))
            print(f"{len(commits)} commits, {len(set(tips))} heads taken in: {time.monotonic() - began:.1f} s, "
                  f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
        links = store.all_links("bench")
    truth = read_truth(chosen.repository, pulls)
    found: dict[int, Link] = {}
    right, wrong = 0, []
    for commit, of_commit in links.items():
        number = truth.numbers.get(commit)
        for link in of_commit:
            owners = set().union(*(truth.owners.get(one, set()) for one in origins_of(link, links)))
            if link.method is Method.REVERT or number is None or not owners:
                continue
            if number in owners:
                right += 1
                if truth.merged.get(number) == commit:
                    found.setdefault(number, link)
            else:
                wrong.append((link, owners))
    exact = set() if chosen.no_patch_id else measure_patch_id(chosen.repository, truth)
    report("all", set(truth.merged), truth, found, exact)
    notes = {line.split()[1] for line in git(chosen.repository, "notes", "--ref=ai", "list").splitlines()} if b"refs/notes/ai" in {bytes(name) for name in refs} else set()
    annotated = {number for commit in notes for number in truth.owners.get(ObjectId(commit), ()) if number in truth.merged}
    report("annotated", annotated, truth, found, exact)
    print(f"precision {right}/{right + len(wrong)} = {right / max(1, right + len(wrong)):.4f}")
    for number in sorted(set(truth.merged) - found.keys())[-chosen.losses:] if chosen.losses else []:
        print("lost", number, truth.heads[number][:10], truth.merged[number][:10], "annotated" if number in annotated else "")
    for link, owners in wrong[: chosen.losses]:
        print("wrong", link.commit[:10], truth.numbers[link.commit], "<-", link.origin[:10], sorted(owners)[:5], link.method.value, link.explained, link.arrived)


if __name__ == "__main__":
    sys.exit(main())
