"""The tree of notes, with git's own notes as the oracle."""

import hashlib
import io
import subprocess
from pathlib import Path

import pytest

from imprint.store.objects.codec import encode_tree
from imprint.store.objects.git import write_pack
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import ObjectKind, TreeEntry
from imprint.store.receive.notes import FOLDER_NOTES_MAX, NotesTree
from imprint.store.types import HashAlgorithm, ObjectId


class Kept:
    """Objects in memory, and the same in a repository of stock git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = MemoryObjects()
        self.git("init", "-q", "--bare", ".")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def grow(self, tree: ObjectId | None, numbers: list[int], text: str) -> ObjectId:
        """Write notes, a hundred at once."""
        made: list[tuple[ObjectKind, bytes]] = []
        for first in range(0, len(numbers), 100):
            notes = NotesTree(self.objects, tree)
            for number in numbers[first : first + 100]:
                content = f"{number} {text}".encode()
                made.append((ObjectKind.BLOB, content))
                notes.put(named(number), self.objects.add(ObjectKind.BLOB, content))
            tree, new = notes.finish()
            made += new
            for kind, content in new:
                self.objects.add(kind, content)
        pack = io.BytesIO()
        write_pack(made, pack, HashAlgorithm.SHA1)
        self.git("unpack-objects", "-q", stdin=pack.getvalue())
        assert tree is not None
        self.git("update-ref", "refs/notes/ai", self.git("commit-tree", "-m", "x", tree))
        return tree

    def listed(self) -> dict[str, str]:
        """Annotated objects and the contents of their notes, as git lists them."""
        notes = dict(reversed(line.split()) for line in self.git("notes", "--ref=ai", "list").splitlines())
        return {
            annotated: self.objects.read_blob(ObjectId(blob)).decode() for annotated, blob in notes.items()
        }


def named(number: int) -> ObjectId:
    return ObjectId(hashlib.sha1(b"%d" % number, usedforsecurity=False).hexdigest())


@pytest.mark.parametrize("count", [1, FOLDER_NOTES_MAX, FOLDER_NOTES_MAX + 1, 900])
def test_git_reads_every_note(tmp_path, count) -> None:
    kept = Kept(tmp_path)
    numbers = list(range(count))
    tree = kept.grow(None, numbers, "old")
    tree = kept.grow(tree, numbers[::7], "new")
    expected = {named(each): f"{each} {'old' if each % 7 else 'new'}" for each in numbers}
    assert kept.listed() == expected
    read = NotesTree(kept.objects, tree)
    assert all(read.find(each) for each in expected)
    assert read.find(named(count)) is None
    depth = {path.count("/") for path in kept.git("ls-tree", "-r", "--name-only", tree).splitlines()}
    assert depth == ({0} if count <= FOLDER_NOTES_MAX else {1})
    kept.git("fsck", "--strict")


def test_a_note_that_lies_twice_is_one_after_it_was_written(tmp_path) -> None:
    """Merges of notes by hand leave such trees."""
    kept = Kept(tmp_path)
    blob = kept.objects.add(ObjectKind.BLOB, b"stale")
    name = named(1).encode()
    inner = kept.objects.add(ObjectKind.TREE, encode_tree([TreeEntry(name[2:], 0o100644, blob)]))
    other = TreeEntry(b"README", 0o100644, blob)
    tree = kept.objects.add(
        ObjectKind.TREE,
        encode_tree([TreeEntry(name, 0o100644, blob), TreeEntry(name[:2], 0o40000, inner), other]),
    )
    pack = io.BytesIO()
    write_pack([(ObjectKind.BLOB, b"stale")], pack, HashAlgorithm.SHA1)
    kept.git("unpack-objects", "-q", stdin=pack.getvalue())
    tree = kept.grow(tree, [1], "new")
    assert kept.listed() == {named(1): "1 new"}
    assert "README" in kept.git("ls-tree", "--name-only", tree)
