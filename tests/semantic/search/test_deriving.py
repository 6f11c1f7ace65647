"""A listing derived from a near tree's against the one made of all files."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.index.flavours import flavour
from imprint.semantic.index.memory import MemoryIndex
from imprint.semantic.index.ports import BlobKey, BlobRow
from imprint.semantic.library import Library
from imprint.semantic.search.deriving.listing import Told, can_be_base, derive, list_again
from imprint.semantic.search.deriving.near import find_near
from imprint.semantic.search.listing import Listing
from imprint.semantic.search.query import Query
from imprint.store.objects.difference import FileChange, TreeReader
from imprint.store.objects.ports import ObjectKind
from imprint.store.types import ObjectId

NAMES = (
    "alpha.py",
    "beta.go",
    "alpha_beta.py",
    "é.md",
    "a/alpha.py",
    "a/b/c/d/beta.py",
    "a.b",
    "a0",
    "z/y",
    "alpha",
)
REASONS = (None, None, "too large", "generated")

trees = st.dictionaries(st.sampled_from([name.encode() for name in NAMES]), st.integers(1, 6), min_size=1)


def blob(number):
    return ObjectId(f"{number:040x}")


def list_keys(*trees):
    return {BlobKey(blob(number), flavour(path)) for tree in trees for path, number in tree.items()}


def list_rows(*trees):
    """A row of each content under each flavour; some were skipped."""
    keys = enumerate(sorted(list_keys(*trees)))
    return {key: BlobRow(place + 1, "", 0, REASONS[place % len(REASONS)]) for place, key in keys}


def take_out(rows, places):
    """What is left of rows without some, less the last of a content."""
    left = dict(rows)
    for place, key in enumerate(rows):
        if place in places and sum(key.blob == other.blob for other in left) > 1:
            del left[key]
    return left


def tell(rows, *trees):
    """What an index that has these rows tells of trees."""
    wanted = list_keys(*trees)
    first = {key.blob: row for key, row in sorted(rows.items(), reverse=True)}
    return Told(
        {key: rows[key] for key in wanted & rows.keys()},
        {key: first[key.blob] for key in wanted - rows.keys() if key.blob in first},
        {row.id: row.skipped for row in rows.values()},
    )


def build(tree, rows):
    told = tell(rows, tree)
    return Listing.build([(path, blob(number)) for path, number in sorted(tree.items())], told.rows, told.kin)


def list_changes(old, new):
    both = ((path, old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys()))
    return [
        FileChange(path, blob(was) if was else None, blob(now) if now else None)
        for path, was, now in both
        if was != now
    ]


def arrays_of(listing):
    own = {
        "paths": listing.paths.text,
        "starts": listing.paths.starts,
        "rows": listing.row_ids,
        "blobs": listing.blobs,
        "borrowed": listing.borrowed,
    }
    return own | listing.words.to_arrays("words") | {"lengths": listing.path_lengths}


def test_a_question_at_a_near_commit_is_answered_as_where_all_files_were_listed(
    work_tree, open_view, tmp_path
):
    for number in range(4):
        work_tree.commit_file(f"src/part{number}.py", f"def load_{number}():\n    pass\n", "add")
    view, library = open_view(work_tree.folder), Library(MemoryIndex(), tmp_path)
    other = Library(MemoryIndex())
    library.search(view, Query("load"))
    work_tree("mv", "src/part1.py", "src/moved.py")
    work_tree("rm", "-q", "src/part2.py")
    (work_tree.folder / "src/part0.py").write_text("def load_other():\n    pass\n")
    work_tree.commit_file("src/deep/load.py", "def save():\n    pass\n", "change")
    answer = library.search(view, Query("load"))
    assert answer.commit == work_tree("rev-parse", "HEAD")
    assert answer == other.search(view, Query("load"))
    assert library.status(view) == other.status(view)
    written = [path.name for path in tmp_path.glob("*.listing")]
    assert len(written) == 1, "what is derived is not written"
    library.close()
    other.close()


def test_a_commit_from_before_files_got_another_suffix_is_derived_from_one_of_then(
    work_tree, open_view, tmp_path
):
    for number in range(3):
        work_tree.commit_file(f"page{number}.txt", f"where the gaskets number {number} are kept\n", "add")
    work_tree.commit_file("page2.txt", "where the bolts are kept\n", "change")
    for number in range(3):
        work_tree("mv", f"page{number}.txt", f"page{number}.md")
    work_tree("commit", "-q", "-m", "rename")
    view, index = open_view(work_tree.folder), MemoryIndex()
    library = Library(index, at_once=0, histories=tmp_path)
    other = Library(index, at_once=0)
    library.extend(view)
    library.search(view, Query("kept"), ref="HEAD~2")
    near = library._shelf.find_near(view.objects, ObjectId(work_tree("rev-parse", "HEAD~1^{tree}")))
    assert near.base.borrowed.tolist() == [0, 1], "the third was indexed as it was then"
    assert near.derive(index).borrowed.tolist() == [0, 1, 2]
    answer = library.search(view, Query("bolts kept"), ref="HEAD~1")
    assert answer.hits[0].path == b"page2.txt"
    assert answer == other.search(view, Query("bolts kept"), ref="HEAD~1")


@given(trees, trees, st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_a_derived_listing_equals_one_that_is_made_of_all_files(old, new, absent, still_absent):
    """Also where contents are known under another flavour alone, and where some got their own rows since."""
    later = take_out(list_rows(old, new), still_absent)
    rows = take_out(later, absent)
    base, expected = build(old, rows), build(new, later)
    before = {name: array.copy() for name, array in arrays_of(base).items()}
    derived = derive(base, list_again(base, list_changes(old, new)), tell(later, old, new))
    for name, array in arrays_of(expected).items():
        assert arrays_of(derived)[name].dtype == array.dtype, name
        np.testing.assert_array_equal(arrays_of(derived)[name], array, name)
        np.testing.assert_array_equal(arrays_of(base)[name], before[name], name)
    assert derived.skipped == expected.skipped
    assert derived.decoded_paths == expected.decoded_paths
    assert derived.shown_paths == expected.shown_paths
    assert derived.numbers == expected.numbers


def test_nothing_is_derived_where_a_row_or_a_file_is_missing():
    old, new = {b"alpha.py": 1, b"beta.go": 2}, {b"alpha.py": 1, b"beta.go": 3}
    rows = list_rows(old, new)
    base, changes = build(old, rows), list_changes(old, new)
    told = tell(rows, old, new)
    assert derive(base, changes, told) is not None
    assert derive(base, changes, tell(list_rows(old), old, new)) is None
    assert derive(base, changes, told._replace(reasons={})) is None
    assert derive(base, [FileChange(b"gamma.go", blob(2), blob(3))], told) is None
    assert derive(base, [FileChange(b"beta.go", blob(3), blob(2))], told) is None
    assert derive(base, [FileChange(b"beta.go", None, blob(3))], told) is None
    assert derive(base, list_changes(old, {}), told) is None


def test_only_a_listing_that_lacks_no_file_is_derived_from():
    tree = {b"alpha.py": 1, b"beta.go": 2}
    assert can_be_base(build(tree, list_rows(tree)))
    borrowing = build(tree, list_rows({b"alpha.py": 1, b"beta.py": 2}))
    assert borrowing.borrowed.tolist() == [1]
    assert can_be_base(borrowing)
    assert not can_be_base(build(tree, list_rows({b"alpha.py": 1})))
    assert not can_be_base(build({}, {}))


class OneTree:
    """Objects that are one tree, whatever its id."""

    def __init__(self, path, id_bytes):
        self.content = b"100644 " + path + b"\0" + bytes(id_bytes)

    def read_raw(self, _):
        return ObjectKind.TREE, self.content


def test_a_listing_of_ids_of_another_length_is_near_none():
    """Its tree may be remembered, from another repository that the server has."""
    tree = {b"alpha.py": 1}
    listing = build(tree, list_rows(tree))
    reader, short, wide = TreeReader(), ObjectId("1" * 40), ObjectId("2" * 64)
    reader.read(OneTree(b"alpha.py", 20), short)
    assert find_near(OneTree(b"alpha.py", 32), reader, "i", [(short, listing)], wide) is None
    assert find_near(OneTree(b"alpha.py", 20), reader, "i", [(short, listing)], ObjectId("2" * 40))
