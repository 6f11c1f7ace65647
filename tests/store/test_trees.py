"""Finding files in trees, with `git ls-tree` as the oracle."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import LimitExceeded, ObjectDamaged, ObjectMissing, PathMissing
from imprint.store.objects.codec import EXECUTABLE_MODE, FILE_MODE, SUBMODULE_MODE, TREE_MODE, encode_tree
from imprint.store.objects.git import GitObjects
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import ObjectKind, TreeEntry
from imprint.store.objects.trees import TreeListing, find_entry, iter_files, read_file, read_root
from imprint.store.plumbing import Plumbing
from imprint.store.refs.clone import CloneRefs
from imprint.store.types import ObjectId
from imprint.store.view import RepositoryView


@pytest.fixture
def repository(work_tree):
    """Folders whose names sort differently as folders than as files, a link, a submodule."""
    for path in ("a/b.txt", "a.b/c", "a-b", "a0", "deep/er/still/file", "z"):
        (work_tree.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (work_tree.folder / path).write_text(path)
    (work_tree.folder / "z").chmod(0o755)
    (work_tree.folder / "link").symlink_to("a/b.txt")
    work_tree("add", "-A")
    work_tree("commit", "-q", "-m", "first")
    work_tree("update-index", "--add", "--cacheinfo", f"160000,{work_tree('rev-parse', 'HEAD')},sub")
    work_tree("commit", "-q", "-m", "second")
    return work_tree


@pytest.fixture
def objects(repository):
    opened = GitObjects(repository.folder / ".git" / "objects")
    yield opened
    opened.close()


@pytest.fixture
def tree(repository):
    return ObjectId.parse(repository("rev-parse", "HEAD^{tree}"))


def ls_tree(repository, tree):
    listed = repository.run("ls-tree", "-r", "-z", tree).stdout.split(b"\0")[:-1]
    found = []
    for line in listed:
        facts, path = line.split(b"\t", 1)
        mode, _, entry_id = facts.split()
        found.append((path, ObjectId.parse(entry_id), int(mode, 8)))
    return found


def test_files_come_as_ls_tree_lists_them(repository, objects, tree):
    walked = [(path, entry.id, entry.mode) for path, entry in iter_files(objects, tree)]
    assert walked == ls_tree(repository, tree)
    assert [path for path, _, _ in walked] == sorted(path for path, _, _ in walked)
    assert {mode for _, _, mode in walked} == {0o100644, 0o100755, 0o120000, 0o160000}


def test_a_listing_is_what_the_walk_finds_also_when_remembered(repository, objects, tree):
    listing = TreeListing(objects)
    for _ in range(2):
        assert list(listing.files(tree)) == ls_tree(repository, tree)
    inner = ObjectId.parse(repository("rev-parse", "HEAD:deep/er"))
    assert [path for path, _, _ in listing.files(inner)] == [b"still/file"]


def test_a_listing_that_remembers_nothing_is_still_right(repository, objects, tree):
    assert list(TreeListing(objects, files_kept=0).files(tree)) == ls_tree(repository, tree)


def test_a_new_commit_costs_only_the_folders_that_changed(repository, tree):
    """Objects are handed over one commit at a time, so that a second reading of an old folder would fail."""
    objects = MemoryObjects()
    copy_reachable(repository, objects, "HEAD")
    listing = TreeListing(objects)
    listing.files(tree)
    repository.commit_file("deep/er/new", "new")
    only_new = MemoryObjects()
    copy_reachable(repository, only_new, "HEAD", "^HEAD~1")
    listing._objects = only_new
    changed = ObjectId.parse(repository("rev-parse", "HEAD^{tree}"))
    assert list(listing.files(changed)) == ls_tree(repository, changed)


def test_what_a_listing_remembers_is_no_work_for_the_collector():
    objects = MemoryObjects()
    blob = objects.add(ObjectKind.BLOB, b"")
    files = [TreeEntry(b"%d" % number, FILE_MODE, blob) for number in range(1_000)]
    inner = objects.add(ObjectKind.TREE, encode_tree(files))
    folders = [TreeEntry(b"%d" % number, TREE_MODE, inner) for number in range(3)]
    tree = objects.add(ObjectKind.TREE, encode_tree(folders))
    listing = TreeListing(objects)
    gc.collect()
    before = len(gc.get_objects())
    assert len(listing.files(tree)) == 3_000
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def copy_reachable(repository, objects, *revisions):
    for line in repository("rev-list", "--objects", *revisions).splitlines():
        object_id = line.split()[0]
        kind = repository("cat-file", "-t", object_id)
        objects.add(ObjectKind(kind), repository.run("cat-file", kind, object_id).stdout)


def test_entries_are_found_by_path(repository, objects, tree):
    for path, entry_id, mode in ls_tree(repository, tree):
        assert find_entry(objects, tree, path) == TreeEntry(path.rpartition(b"/")[2], mode, entry_id)
    assert find_entry(objects, tree, b"deep/er").mode == TREE_MODE


@pytest.mark.parametrize(
    "path", [b"", b"nothing", b"a/", b"/a", b"a//b.txt", b"z/file", b"link/x", b"sub/x", b"a\0"]
)
def test_a_path_that_is_not_there_is_not_found(objects, tree, path):
    assert find_entry(objects, tree, path) is None


def test_a_file_is_read_at_a_commit(repository, objects):
    view = make_view(repository, objects)
    head = ObjectId.parse(repository("rev-parse", "HEAD"))
    assert read_file(view, head, b"deep/er/still/file") == b"deep/er/still/file"
    assert read_file(view, head, b"link") == b"a/b.txt"
    for path, what in ((b"a", "is a folder"), (b"sub", "is a submodule"), (b"no\xff", r'no file "no\\377"')):
        with pytest.raises(PathMissing, match=what):
            read_file(view, head, path)


def make_view(repository, objects):
    plumbing = Plumbing(repository.folder / ".git")
    return RepositoryView("clone", "work", objects, CloneRefs(plumbing, objects), plumbing)


def bomb(objects, width, depth):
    """A tree of `depth` objects that names `width ** depth` files."""
    entry = TreeEntry(b"f", FILE_MODE, objects.add(ObjectKind.BLOB, b""))
    for _ in range(depth):
        names = [b"%d" % number for number in range(width)]
        content = encode_tree(TreeEntry(name, entry.mode, entry.id) for name in names)
        entry = TreeEntry(b"d", TREE_MODE, objects.add(ObjectKind.TREE, content))
    return entry.id


def test_a_tree_that_names_endless_files_is_given_up():
    objects = MemoryObjects()
    tree = bomb(objects, 100, 20)
    with pytest.raises(LimitExceeded, match="names more than"):
        TreeListing(objects).files(tree)


@pytest.mark.parametrize("list_files", [lambda objects, tree: TreeListing(objects).files(tree), iter_files])
def test_a_tree_that_nests_endlessly_is_given_up(list_files):
    objects = MemoryObjects()
    assert len(list(list_files(objects, bomb(objects, 1, 2_000)))) == 1
    with pytest.raises(LimitExceeded, match="nests more than"):
        list(list_files(objects, bomb(objects, 1, 2_100)))


def test_a_folder_that_is_missing_is_said_to_be_missing():
    objects = MemoryObjects()
    absent = ObjectId("5" * 40)
    tree = objects.add(ObjectKind.TREE, encode_tree([TreeEntry(b"d", TREE_MODE, absent)]))
    for list_files in (TreeListing(objects).files, lambda wanted: list(iter_files(objects, wanted))):
        with pytest.raises(ObjectMissing, match=absent):
            list_files(tree)


NAMES = st.text("ab.-0/", min_size=1, max_size=6).filter(lambda name: "/" not in name and name.strip("."))
FOLDERS = st.recursive(
    st.sampled_from([FILE_MODE, EXECUTABLE_MODE, SUBMODULE_MODE]),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=5),
    max_leaves=20,
).filter(lambda value: isinstance(value, dict))


@given(FOLDERS)
def test_any_tree_lists_its_files_in_byte_order(folder):
    objects = MemoryObjects()
    expected = {}

    def write(content, prefix):
        entries = []
        for name, inner in content.items():
            path = prefix + name.encode()
            if isinstance(inner, dict):
                entries.append(TreeEntry(name.encode(), TREE_MODE, write(inner, path + b"/")))
            else:
                entries.append(TreeEntry(name.encode(), inner, objects.add(ObjectKind.BLOB, path)))
                expected[path] = (path, entries[-1].id, inner)
        return objects.add(ObjectKind.TREE, encode_tree(entries))

    tree = write(folder, b"")
    assert list(TreeListing(objects).files(tree)) == [expected[path] for path in sorted(expected)]
    assert [path for path, _ in iter_files(objects, tree)] == sorted(expected)


def test_the_root_of_a_commit_is_gits(repository, objects, tree):
    head = ObjectId(repository("rev-parse", "HEAD"))
    assert read_root(objects, head) == tree == objects.read_commit(head).tree
    for other in (tree, ObjectId("1" * 40)):
        with pytest.raises(ObjectMissing):
            read_root(objects, other)
    memory = MemoryObjects()
    damaged = memory.add(ObjectKind.COMMIT, b"parent none\n\ntree\n")
    with pytest.raises(ObjectDamaged):
        read_root(memory, damaged)
