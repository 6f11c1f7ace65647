"""Differences of trees against the files that either has."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import LimitExceeded, ObjectDamaged, ObjectMissing
from imprint.store.objects.difference import FileChange, TreeReader, estimate_difference, find_changes
from imprint.store.objects.edit import TreeEditor
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.trees import iter_files
from imprint.store.types import HashAlgorithm, ObjectId

PATHS = ("a", "a.b", "b/a", "b/c/a", "b/c/d", "b/e/f", "c/a", "c/b/a/d", "d")
MODES = (0o100644, 0o100755, 0o120000)

trees = st.dictionaries(st.sampled_from(PATHS), st.tuples(st.sampled_from(MODES), st.binary(max_size=1)))


def make_tree(objects, files):
    """A tree; a path that has a file where another needs a folder is left out."""
    editor = TreeEditor(objects, None)
    for path, (mode, content) in sorted(files.items()):
        editor.put(path.encode(), content, mode)
    tree, made = editor.finish()
    for _, kind, content in made:
        objects.add(kind, content)
    return tree


def regular(objects, tree):
    return {path: entry.id for path, entry in iter_files(objects, tree) if stat.S_ISREG(entry.mode)}


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@given(trees, trees, st.sampled_from([0, 1 << 20]))
def test_changes_are_the_regular_files_that_differ(algorithm, one, other, kept):
    objects = MemoryObjects(algorithm)
    objects.add(ObjectKind.TREE, b"")
    old, new = make_tree(objects, one), make_tree(objects, other)
    before, after = regular(objects, old), regular(objects, new)
    expected = [
        FileChange(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    reader = TreeReader(kept)
    assert find_changes(objects, reader, old, new, 100) == expected
    assert bool(estimate_difference(objects, reader, old, new)) == (old != new)
    if expected:
        with pytest.raises(LimitExceeded):
            find_changes(objects, reader, old, new, len(expected) - 1)


def test_of_several_trees_the_nearest_differs_least():
    objects, reader = MemoryObjects(), TreeReader()
    files = {f"{folder}/{name}": (0o100644, b"") for folder in "abcdefgh" for name in "abcdefgh"}
    trees = [
        make_tree(objects, files | dict.fromkeys(sorted(files)[::step], (0o100644, b"1")))
        for step in (1, 3, 9)
    ]
    tree = make_tree(objects, files)
    far = [estimate_difference(objects, reader, other, tree) for other in trees]
    assert far == sorted(far, reverse=True)
    assert len(set(far)) == len(trees)


def test_a_file_in_the_place_of_a_folder_takes_its_files_away():
    objects = MemoryObjects()
    old, new = make_tree(objects, {"a/b": (0o100644, b"")}), make_tree(objects, {"a": (0o100644, b"")})
    paths = [change.path for change in find_changes(objects, TreeReader(), old, new, 9)]
    assert paths == [b"a", b"a/b"]


def test_trees_that_are_missing_or_damaged_are_not_compared():
    objects = MemoryObjects()
    tree = make_tree(objects, {"a": (0o100644, b"1")})
    entry = b"100644 a\0%s"
    twice = objects.add(ObjectKind.TREE, entry % bytes(20) + entry % (b"1" * 20))
    for other, error in ((twice, ObjectDamaged), (ObjectId("1" * 40), ObjectMissing)):
        with pytest.raises(error):
            find_changes(objects, TreeReader(), tree, other, 9)
    blob = objects.add(ObjectKind.BLOB, b"no tree")
    with pytest.raises(ObjectMissing):
        find_changes(objects, TreeReader(), tree, blob, 9)
