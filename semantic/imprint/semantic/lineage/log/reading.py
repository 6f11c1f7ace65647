"""What commits did to files, read from git in streams.

Invariants:
    1. The number of processes does not grow with the number of commits.
    2. Only regular files count: a file that becomes a link is removed, a submodule is nothing.
    3. Renames are those of equal content, and those of content alike by half that git finds within
       `RENAMES_MAX`; where a partial clone lacks content, only equal content tells.
    4. A merge is read against its first parent. Content that none of its parents has is also read against
       each other parent that has a file of this path.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, NamedTuple

from imprint.store.errors import PlumbingFailed
from imprint.store.history.reading import EMPTY_TREES, isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imprint.store.objects.ports import Commit
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

RENAMES_MAX: Final = 1_000
"""New files, and removed ones, of one commit that are compared with each other; docs/limits.md."""
_SIMILAR: Final = ("-M50%", f"-l{RENAMES_MAX}")
_EQUAL: Final = ("-M100%",)
_RAW: Final = ("--stdin", "-r", "-z", "--raw", "--no-abbrev")
_STARTS_MAX: Final = 64
"""How often git is started again after content that is not here, for one stretch of commits."""
_CHUNK_BYTES: Final = 1 << 20

TreePair = tuple["ObjectId", "ObjectId"]


class FileChange(NamedTuple):
    """One file of one commit: its paths, and its contents as binary ids, empty where there is none.

    `other` says that it is against another parent than the first.
    """

    path: bytes
    old_path: bytes
    old: bytes
    new: bytes
    other: bool = False


def iter_changes(
    view: RepositoryView,
    commits: Sequence[Commit],
    find_tree: Callable[[ObjectId], ObjectId | None],
) -> Iterator[list[FileChange]]:
    """What each commit changed, in order; nothing of one whose first parent is beyond a shallow boundary.

    Args:
        view: the repository.
        commits: the commits.
        find_tree: gives the tree of a parent; None of one that is not here.
    """
    plain: list[TreePair] = []
    merged: list[TreePair] = []
    kinds = []
    for commit in commits:
        tree = find_tree(commit.parents[0]) if commit.parents else EMPTY_TREES[commit.id.algorithm]
        kind = "cut" if tree is None else "merge" if len(commit.parents) > 1 else "plain"
        kinds.append(kind)
        if tree is not None:
            (merged if kind == "merge" else plain).append((tree, commit.tree))
    with isolated(view) as plumbing:
        ordinary = _iter_similar(plumbing, plain)
        merges = _iter_pairs(plumbing, merged, ("--no-renames",))
        contents = _read_combined(
            plumbing, [commit.id for commit, kind in zip(commits, kinds, strict=True) if kind == "merge"]
        )
        for commit, kind in zip(commits, kinds, strict=True):
            if kind == "cut":
                yield []
            elif kind == "plain":
                yield next(ordinary)
            else:
                yield next(merges) + contents.get(commit.id, [])


def _iter_similar(plumbing: Plumbing, pairs: Sequence[TreePair]) -> Iterator[list[FileChange]]:
    """Changes with renames; of a pair whose content is not all here, equal content alone tells."""
    done = 0
    for _ in range(_STARTS_MAX):
        try:
            for changes in _iter_pairs(plumbing, pairs[done:], _SIMILAR):
                done += 1
                yield changes
        except PlumbingFailed:  # trees it must have
            yield from _iter_pairs(plumbing, pairs[done : done + 1], _EQUAL)
            done += 1
        else:
            return
    yield from _iter_pairs(plumbing, pairs[done:], _EQUAL)


def _iter_pairs(
    plumbing: Plumbing, pairs: Sequence[TreePair], renames: Sequence[str]
) -> Iterator[list[FileChange]]:
    """The changes between each pair of trees, through one process."""
    if not pairs:
        return
    given = "".join(f"{old} {new}\n" for old, new in pairs).encode()
    with plumbing.stream("diff-tree", *_RAW, *renames) as git, git.fed(given):
        tokens = _iter_tokens(git.stdout)
        changes: list[FileChange] | None = None
        for token in tokens:
            *headers, entry = token.split(b"\n") if not token.startswith(b":") else (token,)
            for _ in headers:
                if changes is not None:
                    yield changes
                changes = []
            if not entry or changes is None:
                continue
            old_mode, mode, old, new, status = entry.split(b" ")
            old_path = path = next(tokens)
            if status[:1] in b"RC":
                path = next(tokens)
            change = FileChange(path, old_path, _id(old_mode[1:], old), _id(mode, new))
            if change.old or change.new:
                changes.append(change)
        git.finish()
        if changes is not None:
            yield changes


def _id(mode: bytes, hexadecimal: bytes) -> bytes:
    return bytes.fromhex(hexadecimal.decode("ascii")) if mode.startswith(b"100") else b""


def _read_combined(plumbing: Plumbing, merges: Sequence[ObjectId]) -> dict[str, list[FileChange]]:
    """What merges hold that none of their parents has, against each parent but the first."""
    found: dict[str, list[FileChange]] = {}
    if not merges:
        return found
    given = "".join(f"{merge}\n" for merge in merges).encode()
    with plumbing.stream("diff-tree", *_RAW, "-c") as git, git.fed(given):
        tokens = _iter_tokens(git.stdout)
        commit = ""
        for token in tokens:
            *headers, entry = token.split(b"\n")
            if not entry.startswith(b":"):
                headers, entry = [*headers, entry], b""
            commit = next((header.decode("ascii") for header in reversed(headers) if header), commit)
            if entry:
                path = next(tokens)
                found.setdefault(commit, []).extend(_parse_combined(entry, path))
        git.finish()
    return found


def _parse_combined(entry: bytes, path: bytes) -> Iterator[FileChange]:
    parents = len(entry) - len(entry.lstrip(b":"))
    fields = entry[parents:].split(b" ")
    modes, ids = fields[: parents + 1], fields[parents + 1 : 2 * parents + 2]
    new = _id(modes[-1], ids[-1])
    for mode, old in zip(modes[1:-1], ids[1:-1], strict=True):
        if new and (content := _id(mode, old)):
            yield FileChange(path, path, content, new, other=True)


def _iter_tokens(out: IO[bytes]) -> Iterator[bytes]:
    """What stands between zero bytes; what stands after the last comes last."""
    rest = b""
    while chunk := out.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest
