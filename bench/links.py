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

from imprint.store.history.patches import list_parents_first
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
        ["git", "-C", repository, *arguments],
        input=stdin, capture_output=True, text=True, check=True, errors="replace",
    )  # fmt: skip
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
    asked = "".join(f"{head}\n" for head in pulls.values()) + "^HEAD\n"
    listed = git(repository, "rev-list", "--parents", "--stdin", stdin=asked).splitlines()
    parents = {fields[0]: fields[1:] for line in listed if (fields := line.split())}
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
    landed = {
        number: commit
        for number, commit in merged.items()
        if number in pulls and pulls[number] not in on_target
    }
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


def report(what: str, numbers: set[int], found: dict[int, Link], exact: set[int]) -> None:
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


@dataclass
class Found:
    """What links say of the truth."""

    by_number: dict[int, Link]
    right: int
    wrong: list[tuple[Link, set[int]]]


def judge(links: dict[ObjectId, list[Link]], truth: Truth) -> Found:
    found = Found({}, 0, [])
    for commit, of_commit in links.items():
        number = truth.numbers.get(commit)
        for link in of_commit:
            owners = set().union(*(truth.owners.get(one, set()) for one in origins_of(link, links)))
            if link.method is Method.REVERT or number is None or not owners:
                continue
            if number not in owners:
                found.wrong.append((link, owners))
                continue
            found.right += 1
            if truth.merged.get(number) == commit:
                found.by_number.setdefault(number, link)
    return found


def take_in(view: RepositoryView, store: LinkStore) -> None:
    refs = view.refs.snapshot().refs
    skipped = (b"refs/notes/", b"refs/tags/")
    tips = [value.peeled or value.id for name, value in refs.items() if not name.startswith(skipped)]
    commits = list_parents_first(view, tips)
    began = time.monotonic()
    heads = list(dict.fromkeys(tips))
    Intake(view, store, lambda: None).take_in(Arrival(commits, heads, view.refs.snapshot().head_id, 1, 0))
    spent = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(commits)} commits, {len(heads)} heads taken in: {spent:.1f} s, {memory} MB")


def find_annotated(repository: Path, truth: Truth) -> set[int]:
    if not git(repository, "for-each-ref", "refs/notes/ai"):
        return set()
    notes = {line.split()[1] for line in git(repository, "notes", "--ref=ai", "list").splitlines()}
    owners = (truth.owners.get(ObjectId(commit), set()) for commit in notes)
    return {number for of_commit in owners for number in of_commit if number in truth.merged}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("repository", type=Path)
    options.add_argument("--keep", type=Path, help="file of the links, to look at them again")
    options.add_argument("--losses", type=int, default=0, help="so many of what is lost and what is wrong")
    options.add_argument("--no-patch-id", action="store_true", help="leave git's own patch-id out")
    options.add_argument("--verbose", action="store_true")
    chosen = options.parse_args()
    logging.basicConfig(level="INFO" if chosen.verbose else "ERROR", format="%(asctime)s %(message)s")
    view = open_view(chosen.repository)
    pulls = {
        int(found[1]): value.id
        for name, value in view.refs.snapshot().refs.items()
        if (found := _PULL.match(bytes(name)))
    }
    with tempfile.TemporaryDirectory() as folder:
        store = LinkStore.open(chosen.keep or Path(folder) / "links.db")
        if not store.all_links(view.id):
            take_in(view, store)
        links = store.all_links(view.id)
        store.close()
    truth = read_truth(chosen.repository, pulls)
    found = judge(links, truth)
    exact = set() if chosen.no_patch_id else measure_patch_id(chosen.repository, truth)
    report("all", set(truth.merged), found.by_number, exact)
    annotated = find_annotated(chosen.repository, truth)
    report("annotated", annotated, found.by_number, exact)
    judged = found.right + len(found.wrong)
    print(f"precision {found.right}/{judged} = {found.right / max(1, judged):.4f}")
    for number in sorted(truth.merged.keys() - found.by_number.keys())[: chosen.losses]:
        also = "found by patch-id" if number in exact else ""
        print("lost", number, truth.heads[number][:10], truth.merged[number][:10], also)
    for link, owners in found.wrong[: chosen.losses]:
        named = truth.numbers[link.commit]
        print("wrong", named, link.commit[:10], "<-", link.origin[:10], sorted(owners)[:5], link.method.value)


if __name__ == "__main__":
    sys.exit(main())
