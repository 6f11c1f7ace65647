"""What changes are known by: equal where git's patch-id says so, and the same after the database."""

import random
import subprocess

import pytest

from imprint.store.clone import Clone
from imprint.store.history.patches import iter_patches
from imprint.store.history.reading import EMPTY_TREES, isolated
from imprint.store.links.anchors import (
    as_removed,
    line_number,
    line_weight,
    mentioned_commits,
    pack_files,
    patch_numbers,
    read_files,
    unpack_files,
)
from imprint.store.types import HashAlgorithm, ObjectId

STRANGE = ("a b.py", "tab\tname.py", 'quote".py', "größe.py", "deep/er/x.py")


@pytest.fixture
def changes(work_tree):
    """The patches between consecutive commits of a repository, by git's own words and by ours."""

    def read():
        trees = work_tree("log", "--reverse", "--format=%T").split()
        empty = EMPTY_TREES[HashAlgorithm.SHA1]
        pairs = [(ObjectId(old), ObjectId(new)) for old, new in zip([empty, *trees], trees, strict=False)]
        with Clone.discover(work_tree.folder) as clone, isolated(clone.view) as plumbing:
            return [read_files(patch) for patch in iter_patches(plumbing, pairs, 10_000)]

    return read


def patch_ids(work_tree) -> list[str]:
    log = work_tree.run("log", "--reverse", "-p", "-M", "-U0", "--format=commit %H").stdout
    out = subprocess.run(["git", "patch-id", "--stable"], input=log, capture_output=True, check=True).stdout
    return [line.split()[0] for line in out.decode().splitlines()]


def test_equal_patches_are_those_of_git(work_tree, changes):
    """Two changes get the same number exactly where `git patch-id --stable` without context says so."""
    chance = random.Random(5)
    lines = [f"line {number}" for number in range(12)]
    for _ in range(14):
        at = chance.randrange(len(lines))
        lines[at] = f"{lines[at]}!" if chance.random() < 0.5 else lines[at].rstrip("!")
        work_tree.commit_file("a.txt", "\n".join(lines) + "\n")
    ours = [patch_numbers(files)[0] for files in changes()]
    logged = work_tree("log", "--reverse", "--format=%H", "--shortstat").count("changed")
    theirs = patch_ids(work_tree)
    told = [number for number in ours if number]
    assert len(told) == len(theirs) == logged
    same_ours = [[one == other for other in told] for one in told]
    assert same_ours == [[one == other for other in theirs] for one in theirs]


def test_taking_back_is_the_reverse(work_tree, changes):
    work_tree.commit_file("a.txt", "one\ntwo\nthree\n")
    work_tree.commit_file("a.txt", "one\n2\nthree\n")
    work_tree("revert", "--no-edit", "HEAD")
    _, made, undone = (patch_numbers(files) for files in changes())
    assert made[1] == undone[0]
    assert made[0] == undone[1]
    assert made[0] != made[1]


def test_places_paths_and_binaries_are_read(work_tree, changes):
    for path in STRANGE:
        work_tree.commit_file(path, "first\nsecond\n", f"add {path}")
    work_tree.commit_file("image", b"\0\1\2", "binary")
    work_tree("mv", "a b.py", "moved file.py")
    work_tree.commit_file("deep/er/x.py", "first\nsecond\n@@ -1 +1 @@\n--- a\n", "no line feed tricks")
    read = changes()
    assert [files[0].path for files in read[: len(STRANGE)]] == [path.encode() for path in STRANGE]
    assert list(read[0][0].iter_places()) == [1, 2]
    assert read[len(STRANGE)][0].blobs
    last = {file.path: file for file in read[-1]}
    assert last[b"moved file.py"].old_path == b"a b.py"
    assert list(last[b"deep/er/x.py"].iter_places()) == [3, 4]
    assert [unpack_files(pack_files(files)) for files in read] == read


def test_white_space_does_not_count_and_brackets_weigh_nothing():
    assert line_number(b"  x =  compute(1)\r\n") == line_number(b"x = compute(1)\n")
    assert line_number(b"x = compute(2)\n") != line_number(b"x = compute(1)\n")
    assert line_weight(line_number(b"    }\n")) < 0.05 < line_weight(line_number(b"x = compute(1)"))
    assert as_removed(as_removed(line_number(b"x"))) == line_number(b"x")


def test_messages_name_what_they_revert_and_pick():
    message = f"Revert\n\nThis reverts commit {'a' * 40}.\n(cherry picked from commit {'b' * 12})\n"
    assert mentioned_commits(message) == ["a" * 40, "b" * 12]
