"""Reading history in bulk through git: commits in streams, what each one added, and a git that nothing sways.

Invariants:
    1. The number of processes does not grow with the number of commits.
    2. A damaged commit, one that does not decode, is left out; it is never an error of the whole reading.
    3. What `isolated` gives answers alike for a hosted repository and for a clone of it: no configuration, no
       attributes, no replacements and no grafts have a say; a shallow clone's boundary does.
"""

from __future__ import annotations

import re
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from imprint.store.errors import ObjectDamaged, ObjectMissing
from imprint.store.history.absent import iter_present
from imprint.store.objects.codec import decode_commit
from imprint.store.objects.ports import ObjectKind
from imprint.store.paths import unquote_path
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.store.objects.ports import Commit, Objects
    from imprint.store.plumbing import Plumbing
    from imprint.store.view import RepositoryView

EMPTY_TREES: Final = {
    HashAlgorithm.SHA1: ObjectId("4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    HashAlgorithm.SHA256: ObjectId("6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"),
}
"""The tree without entries, which git knows without storing it."""

WALKED_COMMITS_MAX: Final = 50
"""Commits that are walked in this process; from there on git's own start is cheaper."""

Ranges = tuple[tuple[int, int], ...]
"""First and last lines, ascending."""


def list_commits(
    view: RepositoryView, tips: Iterable[ObjectId], excluded: Iterable[ObjectId] = ()
) -> list[ObjectId]:
    """Commits reachable from `tips` and not from `excluded`, newest first. Unknown ids are passed over.

    Tags are followed to their commits; tips that lead to no commit give nothing.
    """
    lines = [*tips, *(f"^{commit}" for commit in excluded)]
    if not lines:
        return []
    given = "".join(f"{line}\n" for line in lines).encode()
    out = view.plumbing.run("rev-list", "--ignore-missing", "--stdin", stdin=given)
    return [ObjectId(line) for line in out.decode("ascii").split()]


def walk_commits(
    view: RepositoryView,
    tips: Iterable[ObjectId],
    find_known: Callable[[list[ObjectId]], frozenset[ObjectId]],
) -> list[ObjectId] | None:
    """As `list_commits`, without a process, for the few commits of an everyday push; None when it is not few.

    Args:
        view: the repository.
        tips: where to begin.
        find_known: picks those of some commits at which to stop.
    """
    found: dict[ObjectId, None] = {}
    frontier = list(tips)
    while frontier:
        try:
            commits = {_peel(view.objects, tip): None for tip in frontier}
            commits.pop(None, None)
            wanted = [commit for commit in commits if commit is not None and commit not in found]
            stops = find_known(wanted)
            found.update((commit, None) for commit in wanted if commit not in stops)
            if len(found) > WALKED_COMMITS_MAX:
                return None
            frontier = [
                parent
                for commit in wanted
                if commit not in stops
                for parent in view.objects.read_commit(commit).parents
            ]
        except (ObjectDamaged, ObjectMissing):
            return None
    return list(found)


def _peel(objects: Objects, tip: ObjectId) -> ObjectId | None:
    """The commit that a tip leads to; None if it leads to none."""
    kind = objects.find_kind(tip)
    while kind is ObjectKind.TAG:
        tip = objects.read_tag(tip).target
        kind = objects.find_kind(tip)
    return tip if kind is ObjectKind.COMMIT else None


def list_descendants(view: RepositoryView, base: ObjectId, tips: Iterable[ObjectId]) -> frozenset[ObjectId]:
    """Commits reachable from `tips` of which `base` is a true ancestor."""
    given = "".join(f"{line}\n" for line in (*tips, f"^{base}")).encode()
    # Without a value, which git knows from 2.38 on, the option means what is left out: the base alone.
    out = view.plumbing.run("rev-list", "--ancestry-path", "--stdin", stdin=given)
    return frozenset(ObjectId(line) for line in out.decode("ascii").split())


def iter_commits(view: RepositoryView, commits: Collection[ObjectId]) -> Iterator[Commit]:
    """The commits, decoded, in the order given; absent and damaged ones are left out."""
    if len(commits) <= WALKED_COMMITS_MAX:
        for commit in commits:
            with suppress(ObjectDamaged, ObjectMissing):
                yield view.objects.read_commit(commit)
        return
    for object_id, kind, content in iter_objects(view.plumbing, commits):
        if kind is ObjectKind.COMMIT:
            with suppress(ObjectDamaged):
                yield decode_commit(object_id, content)


def iter_objects(
    plumbing: Plumbing, object_ids: Iterable[ObjectId]
) -> Iterator[tuple[ObjectId, ObjectKind, bytes]]:
    """Objects in the order given, through one process; absent ones are left out."""
    with plumbing.stream("cat-file", "--batch", "--buffer") as git:
        feeder = _feed(git.stdin, (f"{object_id}\n".encode() for object_id in object_ids))
        while header := git.stdout.readline():
            fields = header.decode("ascii", "replace").split()
            if len(fields) == 3:  # noqa: PLR2004 - id, kind, size; an absent object has two
                content = git.stdout.read(int(fields[2]))
                git.stdout.read(1)
                yield ObjectId(fields[0]), ObjectKind(fields[1]), content
        feeder.join()
        git.finish()


def _feed(stdin: IO[bytes], lines: Iterable[bytes]) -> threading.Thread:
    """Write lines from a thread of its own: git would block on its output before it has read them all."""

    def write() -> None:
        with suppress(BrokenPipeError, ValueError):  # git died, or the reader gave up and closed the pipe
            stdin.writelines(lines)
            stdin.close()

    feeder = threading.Thread(target=write, daemon=True)
    feeder.start()
    return feeder


@contextmanager
def isolated(view: RepositoryView) -> Iterator[Plumbing]:
    """Git on the view's objects, from an empty Git folder that lasts as long as the block.

    A clone's own configuration, index and attributes would change what `git blame` and `git diff` answer.
    """
    objects, shallow = find_objects(view)
    with tempfile.TemporaryDirectory(prefix="imprint-") as name:
        folder = Path(name)
        fill_isolated(folder, objects, read_boundary(shallow), view.objects.algorithm)
        yield view.plumbing.at(folder)


def find_objects(view: RepositoryView) -> tuple[Path, Path]:
    """Where git has a repository's objects, and where a shallow clone's boundary would be."""
    asked = [("--git-path", name) for name in ("objects", "shallow")]
    told = view.plumbing.run("rev-parse", *asked[0], *asked[1]).removesuffix(b"\n").split(b"\n")
    if len(told) != len(asked):  # the folder's own name has a line end in it
        told = [view.plumbing.run("rev-parse", *each).removesuffix(b"\n") for each in asked]
    objects, shallow = (Path(each.decode("utf-8", "surrogateescape")).absolute() for each in told)
    return objects, shallow


def read_boundary(shallow: Path) -> bytes:
    """What a shallow clone lacks the parents of (gitrepository-layout(5)); empty where it is whole."""
    try:
        return shallow.read_bytes()
    except FileNotFoundError:
        return b""


def fill_isolated(folder: Path, objects: Path, boundary: bytes, algorithm: HashAlgorithm) -> None:
    """Make an empty folder a bare repository that borrows all its objects and ends where they do.

    Raises:
        OSError: the file system refuses.
    """
    for part in ("refs", "objects/info"):
        (folder / part).mkdir(parents=True)
    quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    (folder / "objects/info/alternates").write_bytes(f'"{quoted}"\n'.encode("utf-8", "surrogateescape"))
    if boundary:
        (folder / "shallow").write_bytes(boundary)
    (folder / "config").write_text(_CONFIGS[algorithm])
    (folder / "HEAD").write_bytes(b"ref: refs/heads/none\n")


_CONFIGS: Final = {
    HashAlgorithm.SHA1: "[core]\nrepositoryformatversion = 0\nbare = true\n",
    HashAlgorithm.SHA256: "[core]\nrepositoryformatversion = 1\nbare = true\n"
    "[extensions]\nobjectFormat = sha256\n",
}


# -- what a commit added --------------------------------------------------------------------------------

_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_PAIR: Final = re.compile(rb"(?:[0-9a-f]{40} [0-9a-f]{40}|[0-9a-f]{64} [0-9a-f]{64})\n\Z")


def iter_added_lines(
    view: RepositoryView, commits: Iterable[Commit]
) -> Iterator[tuple[Commit, dict[bytes, Ranges] | None]]:
    """The lines that each commit itself added, by path, with whole-file renames followed.

    None for a commit of which files are absent: a partial clone left them out. A merge added the lines that
    none of its parents has in the file of this name or the file it was before.
    """
    ordered = list(commits)
    pairs = [list(iter_tree_pairs(view, commit)) for commit in ordered]
    with isolated(view) as plumbing:
        every = [pair for of_commit in pairs for pair in of_commit]
        diffs = iter_present(plumbing, view.objects, every, _iter_diffs)
        for commit, of_commit in zip(ordered, pairs, strict=True):
            added = [next(diffs) for _ in of_commit]
            there = [each for each in added if each is not None]
            yield commit, _common_lines(there) if len(there) == len(added) else None


def iter_tree_pairs(view: RepositoryView, commit: Commit) -> Iterator[tuple[ObjectId, ObjectId]]:
    """The commit's tree after that of each parent; after the empty one where no parent is here."""
    if not commit.parents:
        yield EMPTY_TREES[commit.id.algorithm], commit.tree
    for parent in commit.parents:
        known = view.objects.find_kind(parent) is ObjectKind.COMMIT  # absent beyond a shallow boundary
        yield view.objects.read_commit(parent).tree if known else EMPTY_TREES[parent.algorithm], commit.tree


def _common_lines(added: Sequence[dict[bytes, Ranges]]) -> dict[bytes, Ranges]:
    """Lines that every one of the diffs added."""
    common = added[0]
    for other in added[1:]:
        both = {path: _intersect(common[path], other[path]) for path in common.keys() & other.keys()}
        common = {path: ranges for path, ranges in both.items() if ranges}
    return common


def _intersect(first: Ranges, second: Ranges) -> Ranges:
    kept = []
    at = other = 0
    while at < len(first) and other < len(second):
        start = max(first[at][0], second[other][0])
        end = min(first[at][1], second[other][1])
        if start <= end:
            kept.append((start, end))
        if first[at][1] <= second[other][1]:
            at += 1
        else:
            other += 1
    return tuple(kept)


def _iter_diffs(
    plumbing: Plumbing, pairs: Sequence[tuple[ObjectId, ObjectId]]
) -> Iterator[dict[bytes, Ranges]]:
    """Added lines by path for each pair of trees, in order, through one process."""
    options = ("--stdin", "-r", "-p", "-U0", "-M", "--no-color", "--no-ext-diff", "--no-textconv")
    with plumbing.stream("diff-tree", *options, "--src-prefix=a/", "--dst-prefix=b/") as git:
        feeder = _feed(git.stdin, (f"{old} {new}\n".encode() for old, new in pairs))
        added: dict[bytes, list[tuple[int, int]]] | None = None
        path = b""
        for line in git.stdout:
            if _PAIR.match(line):
                if added is not None:
                    yield _freeze(added)
                added = {}
            elif line.startswith(b"+++ "):
                path = _read_new_path(line)
            elif added is not None and (hunk := _HUNK.match(line)):
                removed, start, count = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
                if count:
                    added.setdefault(path, []).append((start, start + count - 1))
                _skip_lines(git.stdout, removed + count)
        feeder.join()
        git.finish()  # before the last answer, which is not whole where git broke off
        if added is not None:
            yield _freeze(added)


def _skip_lines(stdout: IO[bytes], count: int) -> None:
    """Pass over a hunk's lines, whose content could look like anything; git's own remarks do not count."""
    while count and (line := stdout.readline()):
        count -= not line.startswith(b"\\")


def _freeze(added: dict[bytes, list[tuple[int, int]]]) -> dict[bytes, Ranges]:
    return {path: tuple(ranges) for path, ranges in added.items()}


def _read_new_path(line: bytes) -> bytes:
    """The path of a line `+++ b/path`: quoted if unusual, and with a tab after it if it holds a space."""
    return read_quoted(line[4:].removesuffix(b"\n").removesuffix(b"\t")).removeprefix(b"b/")


def read_quoted(text: bytes) -> bytes:
    """A path as git prints it: as it is, or in double quotes with C escapes."""
    return unquote_path(text.decode("utf-8", "surrogateescape"))
