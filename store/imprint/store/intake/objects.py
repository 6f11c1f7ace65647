"""What changed in refs, and the content of what is new: in bulk, through few git processes.

Invariants:
    1. The number of processes does not grow with the number of refs, files or checkpoints.
    2. An object that is not there is None, never an error: public copies lack some.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.history.reading import EMPTY_TREES, read_quoted
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.plumbing import GitProcess, Plumbing

_FIELDS: Final = 5
"""Of a raw line of git diff-tree(1): two modes, two ids, what happened."""
_FILE_MODES: Final = ("100644", "100755", "100664")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree: its path from the top, and its content; None where it was removed."""

    path: bytes
    blob: ObjectId | None


def find_trees(plumbing: Plumbing, tips: Iterable[ObjectId]) -> dict[ObjectId, ObjectId]:
    """The tree of each commit, tag or tree; tips that lead to none, or whose tree is absent, are left out."""
    wanted = list(dict.fromkeys(tips))
    if not wanted:
        return {}
    given = "".join(f"{tip}^{{tree}}\n" for tip in wanted).encode()
    out = plumbing.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=given)
    trees = {}
    for tip, line in zip(wanted, out.decode("ascii", "replace").splitlines(), strict=True):
        object_id, _, kind = line.partition(" ")
        if kind == "tree":
            trees[tip] = ObjectId(object_id)
    return trees


def iter_changes(
    plumbing: Plumbing, pairs: Sequence[tuple[ObjectId | None, ObjectId]]
) -> Iterator[list[Entry]]:
    """For each pair of an old tree, or None, and a new one: the files that differ.

    Raises:
        PlumbingFailed: a tree below one of them is absent.
    """
    if not pairs:
        return
    settled = [(old or EMPTY_TREES[new.algorithm], new) for old, new in pairs]
    given = "".join(f"{old} {new}\n" for old, new in settled).encode()
    options = ("--stdin", "-r", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
    with plumbing.stream("diff-tree", *options) as git, git.fed(given):
        entries: list[Entry] | None = None
        for line in git.stdout:
            if not line.startswith(b":"):
                if entries is not None:
                    yield entries
                entries = []
            elif entries is not None and (entry := _read_entry(line)) is not None:
                entries.append(entry)
        if entries is not None:
            yield entries
        git.finish()


def _read_entry(line: bytes) -> Entry | None:
    facts, _, path = line.rstrip(b"\n").partition(b"\t")
    fields = facts.decode("ascii", "replace").split(" ")
    if len(fields) != _FIELDS:
        return None
    if fields[4] == "D":
        return Entry(read_quoted(path), None)
    return Entry(read_quoted(path), ObjectId(fields[3])) if fields[1] in _FILE_MODES else None


def list_files(plumbing: Plumbing, tree: ObjectId) -> list[Entry]:
    """Every file of a tree.

    Raises:
        PlumbingFailed: a tree below it is absent.
    """
    return next(iter(iter_changes(plumbing, [(None, tree)])), [])


def find_sizes(plumbing: Plumbing, blobs: Iterable[ObjectId]) -> dict[ObjectId, int]:
    """Bytes of each blob; those that are not there are left out."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    given = "".join(f"{blob}\n" for blob in wanted).encode()
    out = plumbing.run("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=given)
    found = (line.split(" ") for line in out.decode("ascii", "replace").splitlines())
    return {ObjectId(each[0]): int(each[2]) for each in found if each[1:2] == ["blob"]}


class Blobs:
    """Contents of blobs, read one after the other through one process, in the order announced."""

    def __init__(self, git: GitProcess) -> None:
        self._git = git

    def read(self, blob: ObjectId) -> bytes | None:
        """The next content, which must be that of `blob`; None if it is not there."""
        header = self._git.stdout.readline().split()
        assert header[:1] == [blob.encode()], f"asked for {blob}, got {header[:1]}"  # noqa: S101
        if len(header) != 3:  # noqa: PLR2004 - id, kind, size; an absent object has two
            return None
        content = self._git.stdout.read(int(header[2]))
        self._git.stdout.read(1)
        return content


@contextmanager
def reading_blobs(plumbing: Plumbing, blobs: Iterable[ObjectId]) -> Iterator[Blobs]:
    """Announce every blob that the block will read, in its order, repeated where it is read again."""
    given = "".join(f"{blob}\n" for blob in blobs).encode()
    with plumbing.stream("cat-file", "--batch", "--buffer") as git, git.fed(given):
        yield Blobs(git)


def read_some(plumbing: Plumbing, blobs: Iterable[ObjectId]) -> Mapping[ObjectId, bytes]:
    """Small contents, all at once; absent ones are left out."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    with reading_blobs(plumbing, wanted) as reader:
        contents = {blob: reader.read(blob) for blob in wanted}
    return {blob: content for blob, content in contents.items() if content is not None}
