"""Pushes that are checked in memory: git would have accepted them, and what it would refuse goes to git."""

import hashlib
import random
import subprocess
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.store.hosting.settings import FSCK
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.receive.small.held import hold, render
from imprint.store.receive.small.links import Links
from imprint.store.receive.small.parse import OBJECTS_MAX, parse
from imprint.store.receive.small.strict import Doubt, Strict
from imprint.store.types import HashAlgorithm, ObjectId

MAIN = "refs/heads/main"
SHA1 = HashAlgorithm.SHA1
PERSON = Identity("A", "a@b", 1, 0)


def runs(bench) -> Counter[str]:
    """How often each git command was run on the bench's repository."""
    return Counter(
        {name: use.runs for name, use in bench.repository.view.plumbing.children.list_uses().items()}
    )


@pytest.fixture
def begun(bench, work_tree):
    """A repository with a folder of long files, which a delta pays for."""
    for number in range(30):
        path = work_tree.folder / "src" / f"f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"line {line} of {number}\n" for line in range(200)))
    work_tree("add", ".")
    first = work_tree.commit_file("a.txt", "one\n")
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    return bench


def push_next(bench, work_tree, old: str, new: str, **more):
    pack = bench.pack(work_tree.folder, new, exclude=(old,), thin=True)
    return bench.push({MAIN: (old, new)}, pack, **more)


# -- the usual way starts no git -------------------------------------------------------------------------


def test_a_commit_on_a_branch_is_taken_without_git(begun, work_tree) -> None:
    old, before = begun.refs[MAIN], runs(begun)
    path = work_tree.folder / "src" / "f3.txt"
    path.write_text(path.read_text().replace("line 7 ", "line seven "))
    work_tree("add", ".")
    new = work_tree.commit_file("b.txt", "two\n")
    assert push_next(begun, work_tree, old, new).event
    assert runs(begun) == before
    begun.fsck()
    assert begun.repository.view.objects.read_blob(
        ObjectId(work_tree("rev-parse", f"{new}:src/f3.txt"))
    ).startswith(b"line 0 of 3\n")


def test_a_merge_and_a_new_branch_are_taken_without_git(begun, work_tree) -> None:
    root, before = begun.refs[MAIN], runs(begun)
    one = work_tree.commit_file("one", "1")
    work_tree("checkout", "-q", "-B", "side", root)
    work_tree.commit_file("src/two", "2")
    work_tree("merge", "-q", "--no-edit", one)
    merged = work_tree("rev-parse", "HEAD")
    pack = begun.pack(work_tree.folder, merged, exclude=(root,), thin=True)
    assert begun.push({"refs/heads/side": (None, merged)}, pack).event
    assert begun.push(
        {"refs/heads/other": (None, root)}, begun.pack(work_tree.folder, root, exclude=(root,))
    ).event
    assert runs(begun) == before
    begun.fsck()


def test_a_branch_that_only_goes_forward_is_seen_to_without_git(begun, work_tree) -> None:
    begun.hosting.change_settings(
        begun.repository.record.name, {"receive.denyNonFastForwards": "true"}, begun.principal
    )
    begun.repository = begun.hosting.get(begun.repository.record.name)
    old = begun.refs[MAIN]
    work_tree.commit_file("one", "1")
    new, before = work_tree.commit_file("one", "2"), runs(begun)
    assert push_next(begun, work_tree, old, new).event
    assert runs(begun) == before


def test_a_branch_from_where_another_was_is_taken_without_git(begun, work_tree) -> None:
    """As of an agent that cloned some time ago; the third branch builds on what the push itself passed."""
    root = begun.refs[MAIN]
    between = work_tree.commit_file("one", "1")
    newer = work_tree.commit_file("one", "2")
    assert push_next(begun, work_tree, root, newer).event
    before = runs(begun)
    for name, start in (("b", root), ("c", between)):
        work_tree("checkout", "-q", "-B", name, start)
        tip = work_tree.commit_file(name, name)
        pack = begun.pack(work_tree.folder, tip, exclude=(start,), thin=True)
        assert begun.push({f"refs/heads/{name}": (None, tip)}, pack).event
    assert begun.push({"refs/heads/d": (None, root)}, None).event
    assert runs(begun) == before
    begun.fsck()


def test_what_a_branch_has_left_is_not_taken_for_reached(begun, work_tree) -> None:
    """It moved on from there, and then elsewhere: git has to say what is still there."""
    root = begun.refs[MAIN]
    left = work_tree.commit_file("one", "1")
    newest = work_tree.commit_file("one", "2")
    assert push_next(begun, work_tree, root, left).event
    assert push_next(begun, work_tree, left, newest).event
    assert begun.push({MAIN: (newest, root)}, None).event
    work_tree("checkout", "-q", "-B", "b", left)
    tip, before = work_tree.commit_file("b", "b"), runs(begun)
    pack = begun.pack(work_tree.folder, tip, exclude=(left,), thin=True)
    assert begun.push({"refs/heads/b": (None, tip)}, pack).event, "it lies in an admitted pack"
    assert (runs(begun) - before)["index-pack"] == 1


def test_what_was_moved_and_what_is_back_as_it_was_is_taken_without_git(begun, work_tree) -> None:
    old, before = begun.refs[MAIN], runs(begun)
    work_tree("mv", "src/f1.txt", "moved.txt")
    work_tree("commit", "-qm", "moved")
    work_tree.commit_file("a.txt", "two\n")
    work_tree("mv", "src", "sources")
    work_tree("commit", "-qm", "a folder was moved")
    new = work_tree.commit_file("a.txt", "one\n")
    assert push_next(begun, work_tree, old, new).event
    assert runs(begun) == before
    begun.fsck()


# -- what is unusual is git's to judge ---------------------------------------------------------------------


def test_what_is_back_from_history_is_left_to_git_and_accepted(begun, work_tree) -> None:
    old = begun.refs[MAIN]
    new = work_tree.commit_file("a.txt", "two\n")
    assert push_next(begun, work_tree, old, new).event
    before, back = runs(begun), work_tree.commit_file("a.txt", "one\n")
    brought = [read(work_tree, back), read(work_tree, work_tree("rev-parse", f"{back}^{{tree}}"))]
    assert begun.push({MAIN: (new, back)}, render(hold(brought, SHA1)).contents[".pack"]).event
    assert (runs(begun) - before)["index-pack"] == 1
    begun.fsck()


def test_an_entry_is_looked_for_elsewhere_as_what_it_is(begun, work_tree) -> None:
    """A file with the id of a folder that was there under another name."""
    old = begun.refs[MAIN]
    folder = ObjectId(work_tree("rev-parse", "HEAD:src"))
    one = ObjectId(work_tree("rev-parse", "HEAD:a.txt"))
    for mode, name, is_good in ((0o100644, folder, False), (0o40000, one, False), (0o40000, folder, True)):
        tree = encode_tree([TreeEntry(b"x", mode, name)])
        tree_id = object_id(ObjectKind.TREE, tree)
        commit = encode_commit(tree_id, (ObjectId(old),), PERSON, PERSON, "m\n")
        tip = object_id(ObjectKind.COMMIT, commit)
        made = [(tree_id, ObjectKind.TREE, tree), (tip, ObjectKind.COMMIT, commit)]
        links = Links({each: raw for each, *raw in made}, begun.repository.view.objects)
        assert bool(links.find_connected([tip], lambda each: each == old)) is is_good


def test_two_commits_do_not_vouch_for_each_other(begun, work_tree) -> None:
    """Both have a file that is nowhere, in place of a.txt and below a new name."""
    old, ghost = begun.refs[MAIN], object_id(ObjectKind.BLOB, b"nobody sent this")
    made, tip = {}, ObjectId(old)
    for name in (b"a.txt", b"b.txt", b"a.txt"):
        tree = encode_tree([TreeEntry(name, 0o100644, ghost)])
        commit = encode_commit(object_id(ObjectKind.TREE, tree), (tip,), PERSON, PERSON, "m\n")
        tip = object_id(ObjectKind.COMMIT, commit)
        made |= {object_id(ObjectKind.TREE, tree): (ObjectKind.TREE, tree), tip: (ObjectKind.COMMIT, commit)}
    links = Links(made, begun.repository.view.objects)
    assert not links.find_connected(list(made), lambda each: each == old)


def test_an_object_that_no_tip_leads_to_is_left_to_git(begun, work_tree) -> None:
    """It may refer to what is nowhere: git looks."""
    old = begun.refs[MAIN]
    new = work_tree.commit_file("b", "2")
    ghost = object_id(ObjectKind.BLOB, b"nobody sent this")
    stray = encode_tree([TreeEntry(b"x", 0o100644, ghost)])
    names = work_tree("rev-list", "--objects", "--no-object-names", new, f"^{old}").split()
    brought = [read(work_tree, name) for name in names]
    made = [*brought, (object_id(ObjectKind.TREE, stray), ObjectKind.TREE, stray)]
    pack = render(hold(made, SHA1)).contents[".pack"]
    receipt = begun.push({MAIN: (old, new)}, pack)
    assert receipt.unpack_error
    assert begun.refs == {MAIN: old}


@pytest.mark.parametrize("lacking", ["blob", "tree"])
def test_a_commit_that_lacks_something_is_refused(begun, work_tree, lacking) -> None:
    old = begun.refs[MAIN]
    new = work_tree.commit_file("src/new/b", "2")
    names = work_tree("rev-list", "--objects", "--no-object-names", new, f"^{old}").split()
    brought = [read(work_tree, name) for name in names]
    left_out = next(each for each in reversed(brought) if each[1].value == lacking)
    pack = render(hold([each for each in brought if each != left_out], SHA1)).contents[".pack"]
    receipt = begun.push({MAIN: (old, new)}, pack)
    assert receipt.event is None
    assert begun.refs == {MAIN: old}


def test_what_is_only_on_disk_connects_nothing(begun, work_tree) -> None:
    """A parent whose pack lies there without a row, as after a crash."""
    old = begun.refs[MAIN]
    parent = work_tree.commit_file("b", "2")
    subprocess.run(
        ["git", "index-pack", "--stdin", "--fix-thin"],
        cwd=begun.repository.git_dir,
        input=begun.pack(work_tree.folder, parent, exclude=(old,)),
        capture_output=True,
        check=True,
    )
    new = work_tree.commit_file("c", "3")
    receipt = begun.push({MAIN: (old, new)}, begun.pack(work_tree.folder, new, exclude=(parent,)))
    assert receipt.results[0].error == "missing necessary objects"


def test_a_branch_must_be_a_commit_whoever_looks(begun, work_tree) -> None:
    new = work_tree.commit_file("b", "2")
    tree = work_tree("rev-parse", f"{new}^{{tree}}")
    pack = begun.pack(work_tree.folder, new, exclude=(begun.refs[MAIN],))
    receipt = begun.push({"refs/heads/t": (None, tree)}, pack)
    assert receipt.results[0].error == "a branch must be a commit, not a tree"


def test_eased_checks_are_git_s(begun, work_tree) -> None:
    begun.hosting.change_settings(
        begun.repository.record.name, {f"{FSCK}zeroPaddedFilemode": "warn"}, begun.principal
    )
    begun.repository = begun.hosting.get(begun.repository.record.name)
    before = runs(begun)
    assert push_next(begun, work_tree, begun.refs[MAIN], work_tree.commit_file("b", "2")).event
    assert (runs(begun) - before)["index-pack"] == 1


def read(work_tree, name: str) -> tuple[ObjectId, ObjectKind, bytes]:
    kind = work_tree("cat-file", "-t", name)
    return ObjectId(name), ObjectKind(kind), work_tree.run("cat-file", kind, name).stdout


# -- packs -------------------------------------------------------------------------------------------------


def test_what_git_packs_is_taken_apart_as_git_does(begun, work_tree) -> None:
    """With deltas of both sorts, upon others, and with bases that the pack does not bring."""
    old = begun.refs[MAIN]
    for round_ in range(4):
        for number in range(5):
            path = work_tree.folder / "src" / f"f{number}.txt"
            path.write_text(path.read_text().replace(f"line {round_} ", f"line {round_}, {number} "))
        work_tree("add", ".")
        new = work_tree.commit_file("a.txt", f"{round_}\n")
    here = begun.repository.view.objects
    wanted = {name: read(work_tree, name)[1:] for name in objects_between(work_tree, old, new)}
    for thin in (False, True):
        pack = begun.pack(work_tree.folder, new, exclude=(old,), thin=thin)
        parsed = parse(pack, here)
        assert parsed.objects == wanted
        assert bool(parsed.bases) == thin
        assert not parsed.held.is_whole


def objects_between(work_tree, old: str, new: str) -> list[str]:
    return work_tree("rev-list", "--objects", "--no-object-names", new, f"^{old}").split()


def test_no_pack_that_is_damaged_is_taken(begun, work_tree) -> None:
    old = begun.refs[MAIN]
    path = work_tree.folder / "src" / "f1.txt"
    path.write_text(path.read_text().replace("line 9 ", "line nine "))
    work_tree("add", ".")
    pack = begun.pack(work_tree.folder, work_tree.commit_file("b", "2"), exclude=(old,), thin=True)
    here, chance = begun.repository.view.objects, random.Random(5)
    for _ in range(300):
        damaged = bytearray(pack)
        at = chance.randrange(len(pack))
        damaged[at] ^= 1 << chance.randrange(8)
        body = bytes(damaged[: -SHA1.hex_length // 2])
        sealed = body + hashlib.sha1(body).digest() if chance.random() < 0.7 else bytes(damaged)
        for candidate in (sealed, pack[:at], pack + pack[:1]):
            try:
                taken = parse(candidate, here)
            except Doubt:
                continue
            assert git_takes(begun, candidate), "what is taken is what git takes"
            assert taken.objects


def git_takes(bench, pack: bytes) -> bool:
    done = subprocess.run(
        ["git", "index-pack", "--stdin", "--fix-thin"],
        cwd=bench.repository.git_dir,
        input=pack,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_a_pack_of_many_objects_is_left_to_git_before_it_is_read(bench) -> None:
    made = [make_blob(b"%d" % number) for number in range(OBJECTS_MAX + 1)]
    with pytest.raises(Doubt):
        parse(render(hold(made, SHA1)).contents[".pack"], bench.repository.view.objects)


def make_blob(content: bytes) -> tuple[ObjectId, ObjectKind, bytes]:
    return object_id(ObjectKind.BLOB, content), ObjectKind.BLOB, content


# -- objects -----------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            b".git",
            b".GIT",
            b"git~1",
            b".gitmodules",
            b".gitattributes",
            b".mailmap",
            b".gitignore",
            b"gi7eba~1",
        ),
        *(
            b".",
            b"..",
            b"a",
            b"B",
            b"a.b",
            b"a-b",
            b" ",
            b"\\",
            b":",
            b"~1",
            b"~",
            b"\xe2\x80\x8c",
            b"\xc3\xa9",
        ),
        *(b"\xef\xbb\xbf", b"\xff", b"x" * 200, b"con", b"\n", b"$DATA", b"README.md", b"src"),
    ]
)
NAMES = st.lists(PIECES, min_size=1, max_size=3).map(b"".join)
MODES = st.sampled_from([b"100644", b"100755", b"120000", b"40000", b"160000", b"100664", b"040000", b"0"])
LINES = st.lists(st.tuples(MODES, NAMES, st.integers(0, 9)), max_size=4)
PEOPLE = st.sampled_from(
    [
        *(b"A <a@b> 1 +0000", b"A <a@b> 1700000000 -0330", b"\xc3\xa9 B <> 0 +0000", b"A <a@b> 01 +0000"),
        *(b"A<a@b> 1 +0000", b" <a@b> 1 +0000", b"A <a@b> 1 0000", b"A <a@b>1 +0000", b"A <a<b> 1 +0000"),
        *(b"A <a@b> 99999999999999999999 +0000", b"A <a@b> 1 +00000", b"A <a@b>", b"A <a@b> -1 +0000"),
    ]
)
BODIES = st.sampled_from(
    [b"\nwords\n", b"\n", b"", b"words", b"\nw\0rds", b"gpgsig x\n y\n\nwords", b"encoding x\n\n"]
)


EMPTY, FOLDER, ROOT = (
    b"",
    b"",
    encode_commit(
        object_id(ObjectKind.TREE, b""), (), Identity("A", "a@b", 1, 0), Identity("A", "a@b", 1, 0), "root\n"
    ),
)
LEAVES = [(ObjectKind.BLOB, EMPTY), (ObjectKind.TREE, FOLDER), (ObjectKind.COMMIT, ROOT)]


def make_tree(lines: list[tuple[bytes, bytes, int]], *, is_sorted: bool) -> bytes:
    """A tree of leaves of the right kind; one entry in ten names the null id."""
    if is_sorted:
        lines = sorted(lines, key=lambda line: line[1] + b"/" if line[0] == b"40000" else line[1])
    leaf_of = {b"40000": LEAVES[1], b"040000": LEAVES[1]}
    return b"".join(
        b"%s %s\0%s"
        % (mode, name, bytes.fromhex(object_id(*leaf_of.get(mode, LEAVES[0]))) if digit else bytes(20))
        for mode, name, digit in lines
    )


def make_commit(author: bytes, committer: bytes, body: bytes, parents: int) -> bytes:
    tree, parent = object_id(*LEAVES[1]).encode(), object_id(*LEAVES[2]).encode()
    head = b"tree %s\n" % tree + b"parent %s\n" % parent * parents
    return head + b"author %s\ncommitter %s\n" % (author, committer) + body


@settings(max_examples=60, deadline=None)
@given(
    trees=st.lists(st.tuples(LINES, st.booleans()), min_size=5, max_size=30),
    commits=st.lists(st.tuples(PEOPLE, PEOPLE, BODIES, st.integers(0, 2)), min_size=5, max_size=20),
)
def test_objects_that_are_accepted_are_accepted_by_git(tmp_path_factory, trees, commits) -> None:
    """All that pass of one example go to git as one pack: it neither refuses nor warns."""
    strict = Strict(SHA1)
    made = [
        *((ObjectKind.TREE, make_tree(lines, is_sorted=is_sorted)) for lines, is_sorted in trees),
        *((ObjectKind.COMMIT, make_commit(*each)) for each in commits),
    ]
    checks = {ObjectKind.TREE: strict.read_tree, ObjectKind.COMMIT: strict.read_commit}
    accepted = [each for each in made if passes(checks[each[0]], each[1])]
    folder = tmp_path_factory.getbasetemp() / "asked"
    if not folder.exists():
        subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    objects = [(object_id(*each), *each) for each in (*LEAVES, *accepted)]
    done = subprocess.run(
        ["git", "index-pack", "--strict", "--stdin"],
        cwd=folder,
        input=render(hold(objects, SHA1)).contents[".pack"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b""), objects


def passes(check, content: bytes) -> bool:
    try:
        check(content)
    except Doubt:
        return False
    return True


@pytest.mark.parametrize("name", [b".git\xff", b".GIT\xffz", b".git\xe2..", b".git\xd1\xd6modules"])
def test_bytes_that_are_no_utf8_end_a_name(name) -> None:
    """As on HFS+, which git keeps safe: it sees `.git` there."""
    with pytest.raises(Doubt):
        Strict(SHA1).read_tree(make_tree([(b"100644", name, 1)], is_sorted=True))


def test_usual_objects_are_accepted(begun, work_tree) -> None:
    """A check that doubts everything would pass the test above."""
    strict = Strict(SHA1)
    for name in (".gitignore", ".github/ci.yml", "src/a b.txt", "\u65e5.txt", "a~", "run.sh"):
        work_tree.commit_file(name, name)
    for name in work_tree("rev-list", "--objects", "--no-object-names", "--all").split():
        _, kind, content = read(work_tree, name)
        if kind is ObjectKind.TREE:
            strict.read_tree(content)
        elif kind is ObjectKind.COMMIT:
            strict.read_commit(content)


@pytest.mark.parametrize(
    ("content", "is_good"),
    [
        ("* text=auto\n", True),
        ("x" * 2048, False),
    ],
)
def test_attributes_are_looked_into(begun, work_tree, content, is_good) -> None:
    old, before = begun.refs[MAIN], runs(begun)
    new = work_tree.commit_file(".gitattributes", content)
    assert bool(push_next(begun, work_tree, old, new).event) is is_good
    assert ((runs(begun) - before)["index-pack"] == 0) is is_good


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://example.org/a.git", True),
        ("ssh://git@example.org:2222/a.git", True),
        ("-u./x", False),
        ("https://a%0ab/c", False),
        ("https://example.org@/a", False),
    ],
)
def test_submodules_are_looked_into(begun, work_tree, url, is_good) -> None:
    old, before = begun.refs[MAIN], runs(begun)
    new = work_tree.commit_file(".gitmodules", f'[submodule "lib/a"]\n\tpath = lib/a\n\turl = {url}\n')
    assert bool(push_next(begun, work_tree, old, new).event) is is_good
    assert ((runs(begun) - before)["index-pack"] == 0) is is_good
