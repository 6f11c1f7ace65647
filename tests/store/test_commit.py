"""Commits without a clone: what lands is what a stock client would have committed."""

import io
import threading

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.errors import (
    BadInput,
    BadPath,
    BadRefName,
    Denied,
    LimitExceeded,
    ObjectMissing,
    PathMissing,
    PushRefused,
    SessionConflict,
    StaleUpdate,
)
from imprint.store.events import EventKind, SessionClaim
from imprint.store.hosting.access import SessionSeed
from imprint.store.limits import Limits
from imprint.store.objects.codec import (
    EXECUTABLE_MODE,
    FILE_MODE,
    TREE_MODE,
    encode_commit,
    encode_tree,
    object_id,
)
from imprint.store.objects.edit import TreeEditor
from imprint.store.objects.git import write_pack
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.objects.trees import read_file
from imprint.store.receive.commit import CommitRequest, FileChange, commit
from imprint.store.receive.policy import ScopeJudge, Verdict
from imprint.store.receive.receiver import Receiver
from imprint.store.types import ObjectId, RefName

MAIN = RefName(b"refs/heads/main")


def change(path, content="text\n", mode=None):
    raw = content.encode() if isinstance(content, str) else content
    return FileChange(path if isinstance(path, bytes) else path.encode(), raw, mode)


def wish(*files, **fields):
    return CommitRequest(**{"branch": MAIN, "message": "change", "files": files, **fields})


def write(bench, *files, **fields):
    return commit(wish(*files, **fields), bench.repository, bench.principal, bench.receiver)


def listing(bench, commit_id):
    """`{path: (mode, content)}` as git itself lists the commit."""
    plumbing = bench.repository.view.plumbing
    found = {}
    for line in plumbing.run("ls-tree", "-r", "-z", commit_id).split(b"\0")[:-1]:
        facts, path = line.split(b"\t", 1)
        mode, _, blob = facts.decode().split()
        found[path] = (mode, plumbing.run("cat-file", "blob", blob) if mode != "160000" else blob.encode())
    return found


def first_objects():
    """Objects of a commit with files, folders, an executable, a link and a submodule; the commit is last."""
    made = []

    def add(kind, content):
        made.append((kind, content))
        return object_id(kind, content)

    def tree(**entries):
        return add(ObjectKind.TREE, encode_tree(TreeEntry(n.encode(), m, i) for n, (m, i) in entries.items()))

    def file(path, mode=0o100644):
        return mode, add(ObjectKind.BLOB, f"{path}\n".encode())

    deep = tree(**{"b.py": file("src/deep/b.py")})
    src = tree(**{"a.py": file("src/a.py"), "deep": (0o40000, deep)})
    top = {"README": file("README"), "run.sh": file("run.sh", 0o100755), "src": (0o40000, src)}
    link = (0o120000, add(ObjectKind.BLOB, b"src"))
    root = tree(**top, link=link, module=(0o160000, ObjectId("5" * 40)))
    add(ObjectKind.COMMIT, encode_commit(root, [], *[Identity("Ada", "ada@example.com", 1, 0)] * 2, "first"))
    return made


@pytest.fixture
def populated(bench):
    """A repository with one commit of everything."""
    objects, pack = first_objects(), io.BytesIO()
    write_pack(objects, pack)
    receipt = bench.push({"refs/heads/main": (None, object_id(*objects[-1]))}, pack.getvalue())
    assert receipt.event
    return bench


def head_of(bench):
    return ObjectId.parse(bench.refs["refs/heads/main"])


def test_the_first_commit_makes_the_branch(bench):
    receipt = write(bench, change("a.txt"), change("dir/b.bin", b"\0\xff"), message="first\n\nbody")
    assert (receipt.branch, receipt.old) == (MAIN, None)
    assert bench.refs == {"refs/heads/main": receipt.commit}
    assert listing(bench, receipt.commit) == {
        b"a.txt": ("100644", b"text\n"),
        b"dir/b.bin": ("100644", b"\0\xff"),
    }
    made = bench.repository.view.objects.read_commit(receipt.commit)
    assert (made.tree, made.parents, made.message) == (receipt.tree, (), "first\n\nbody\n")
    bench.fsck()


def test_a_commit_changes_its_files_and_nothing_else(populated):
    before, old = listing(populated, head_of(populated)), head_of(populated)
    receipt = write(
        populated,
        change("src/a.py", "new\n"),
        change("src/new/deep/c.py", "c\n"),
        change("run.sh", "changed\n"),
        change("tool", "t\n", 0o100755),
        change("other-link", "README", 0o120000),
        change(b"caf\xe9", "not UTF-8\n"),
        FileChange(b"src/deep/b.py", None),
    )
    expected = before | {
        b"src/a.py": ("100644", b"new\n"),
        b"src/new/deep/c.py": ("100644", b"c\n"),
        b"run.sh": ("100755", b"changed\n"),
        b"tool": ("100755", b"t\n"),
        b"other-link": ("120000", b"README"),
        b"caf\xe9": ("100644", b"not UTF-8\n"),
    }
    del expected[b"src/deep/b.py"]
    assert listing(populated, receipt.commit) == expected
    assert receipt.old == old
    assert populated.repository.view.objects.read_commit(receipt.commit).parents == (old,)
    populated.fsck()


def test_a_file_can_take_the_place_of_a_folder_and_a_folder_that_of_a_file(populated):
    receipt = write(
        populated,
        FileChange(b"src/a.py", None),
        FileChange(b"src/deep/b.py", None),
        FileChange(b"README", None),
        change("src", "now a file\n"),
        change("README/part", "now a folder\n"),
    )
    found = listing(populated, receipt.commit)
    assert found[b"src"] == ("100644", b"now a file\n")
    assert found[b"README/part"] == ("100644", b"now a folder\n")
    populated.fsck()


def test_deleting_every_file_leaves_an_empty_tree(bench):
    write(bench, change("a/b/c"), change("d"))
    receipt = write(bench, FileChange(b"a/b/c", None), FileChange(b"d", None))
    assert listing(bench, receipt.commit) == {}
    bench.fsck()


def test_links_and_submodules_can_be_deleted_and_a_link_replaced_by_a_link(populated):
    receipt = write(populated, FileChange(b"module", None), change("link", "README", 0o120000))
    found = listing(populated, receipt.commit)
    assert b"module" not in found
    assert found[b"link"] == ("120000", b"README")


@pytest.mark.parametrize(
    ("file", "error", "text"),
    [
        (change("../up"), BadPath, "is not a path for a tree"),
        (change("/abs"), BadPath, "is not a path for a tree"),
        (change(".git/config"), BadPath, "is not a path for a tree"),
        (change("src/.GIT/hooks/x"), BadPath, "is not a path for a tree"),
        (change(""), BadPath, "is not a path for a tree"),
        (change("link/x"), BadPath, "link is a symbolic link, not a folder"),
        (change("module/x"), BadPath, "module is a submodule, not a folder"),
        (change("README/x/y"), BadPath, "README is a file, not a folder"),
        (change("src"), BadPath, "src is a folder"),
        (change("link"), BadPath, "link is a symbolic link"),
        (change("link", mode=0o100644), BadPath, "link is a symbolic link"),
        (change("module"), BadPath, "module is a submodule"),
        (change("x", mode=0o100600), BadInput, "is not a mode"),
        (change("x", mode=0o160000), BadInput, "is not a mode"),
        (change("x", "", 0o120000), BadInput, "a symbolic link has a target"),
        (FileChange(b"nothing", None), PathMissing, "no file nothing to delete"),
        (FileChange(b"README/x", None), PathMissing, "no file README/x to delete"),
        (FileChange(b"src", None), BadPath, "src is a folder"),
        (change("README", "README\n"), BadInput, "would change nothing"),
    ],
)
def test_a_change_that_must_not_be_is_refused_and_leaves_nothing(populated, file, error, text):
    before, refs, events = populated.files, populated.refs, populated.events
    with pytest.raises(error, match=text):
        write(populated, file)
    assert (populated.files, populated.refs, populated.events) == (before, refs, events)


@pytest.mark.parametrize(
    ("fields", "files", "error"),
    [
        ({"message": " \n"}, [change("a")], BadInput),
        ({"message": "nul\0"}, [change("a")], BadInput),
        ({"author_name": "a\nb"}, [change("a")], BadInput),
        ({"author_email": "<x>"}, [change("a")], BadInput),
        ({"branch": RefName(b"refs/tags/v1")}, [change("a")], BadRefName),
        ({"branch": RefName(b"refs/heads/HEAD")}, [change("a")], PushRefused),
        ({}, [], BadInput),
        ({}, [change("a"), change("a")], BadPath),
        ({}, [change("a"), change("a/b")], BadPath),
        ({}, [change("a/b"), change("a")], BadPath),
    ],
)
def test_a_malformed_request_is_refused_and_leaves_nothing(bench, fields, files, error):
    before = bench.files
    with pytest.raises(error):
        write(bench, *files, **fields)
    assert (bench.files, bench.refs, bench.events) == (before, {}, 1)


def test_an_empty_commit_is_made_when_asked_for(populated):
    old = head_of(populated)
    receipt = write(populated, allow_empty=True, message="nothing changes")
    assert receipt.tree == populated.repository.view.objects.read_commit(old).tree
    assert head_of(populated) == receipt.commit != old


def test_what_git_refuses_in_an_object_is_refused_here(populated):
    """A `.gitmodules` that is a link is an attack that git's own check knows."""
    before = populated.files
    with pytest.raises(PushRefused, match="gitmodules"):
        write(populated, change(".gitmodules", "elsewhere", 0o120000))
    assert populated.files == before


# -- who ---------------------------------------------------------------------------------------------------


def test_the_committer_is_the_actor_and_the_author_whom_the_caller_names(bench):
    made = bench.repository.view.objects.read_commit(
        write(bench, change("a"), author_name="Bo", author_email="bo@example.org").commit
    )
    assert (made.author.name, made.author.email) == ("Bo", "bo@example.org")
    assert bench.principal.actor.is_identity(made.committer.name, made.committer.email)
    assert made.committer.at_s == bench.hosting.clock.now_ms() // 1000
    own = bench.repository.view.objects.read_commit(write(bench, change("b")).commit)
    assert own.author == own.committer


@pytest.mark.parametrize(("name", "emails"), [("Ada L.", ("ada@example.org",)), ("a <b> c", ()), ("<>", ())])
def test_any_actor_can_be_a_committer_and_is_known_again(bench, name, emails):
    _, secret = bench.hosting.issue_token(
        actor=name,
        kind=ActorKind.AGENT,
        repositories=["acme/app"],
        verbs=frozenset({Verb.WRITE}),
        emails=emails,
    )
    principal = bench.hosting.authenticate(secret)
    receipt = commit(wish(change("a")), bench.repository, principal, bench.receiver)
    made = bench.repository.view.objects.read_commit(receipt.commit)
    if "<" not in name:
        assert principal.actor.is_identity(made.committer.name, made.committer.email)
    assert receipt.event.actor == name
    bench.fsck()


def test_a_token_that_may_not_write_leaves_no_session_and_no_commit(bench):
    _, secret = bench.hosting.issue_token(
        actor="eve", kind=ActorKind.AGENT, repositories=["acme/app"], verbs=frozenset({Verb.READ})
    )
    request = wish(change("a"), session=SessionSeed("s1", prompt="do it"))
    with pytest.raises(Denied):
        commit(request, bench.repository, bench.hosting.authenticate(secret), bench.receiver)
    assert bench.hosting.catalogue.list_sessions(bench.repository.record.id) == []
    assert bench.refs == {}


def test_the_judge_has_the_last_word(make_bench):
    class Closed:
        def judge(self, push, repository):
            return Verdict(allowed=False, rule="frozen", text="the store is frozen")

    bench = make_bench(judge=Closed())
    with pytest.raises(PushRefused, match="frozen") as refused:
        write(bench, change("a"))
    assert refused.value.rule == "frozen"
    assert bench.refs == {}


# -- the session and the event -------------------------------------------------------------------------------


def test_the_event_that_admits_the_commit_carries_the_session(bench):
    receipt = write(bench, change("a"), session=SessionSeed("s1", "claude-code", "opus", "add a"))
    event = bench.hosting.catalogue.list_events(bench.repository.record.id)[-1]
    assert receipt.event == event
    assert (event.kind, event.actor, event.token_id) == (EventKind.COMMIT, "ada", bench.principal.token.id)
    assert [(c.name, c.old, c.new) for c in event.changes] == [(MAIN, None, receipt.commit)]
    turns = bench.hosting.catalogue.list_turns(bench.repository.record.id, "s1")
    assert event.claim == SessionClaim("s1", "claude-code", "opus", turns[0].prompt, None)
    assert bench.admitted == [bench.repository.record.id]


def test_a_session_token_binds_without_being_asked_and_to_no_other_session(bench):
    _, secret = bench.hosting.issue_token(
        actor="bot",
        kind=ActorKind.AGENT,
        repositories=["acme/app"],
        verbs=frozenset({Verb.WRITE}),
        session=SessionSeed("mine", "claude-code", "opus", "first prompt"),
    )
    principal = bench.hosting.authenticate(secret)
    receipt = commit(wish(change("a")), bench.repository, principal, bench.receiver)
    assert receipt.event.claim.session == "mine"
    other = wish(change("b"), session=SessionSeed("other"))
    with pytest.raises(SessionConflict, match="belongs to session 'mine'"):
        commit(other, bench.repository, principal, bench.receiver)
    same = wish(change("b"), session=SessionSeed("mine", prompt="second prompt"))
    receipt = commit(same, bench.repository, principal, bench.receiver)
    turns = bench.hosting.catalogue.list_turns(bench.repository.record.id, "mine")
    assert [turn.prompt for turn in turns][-1] == receipt.event.claim.prompt
    assert len(turns) == 2


def test_a_session_of_another_actor_is_not_taken_over(bench):
    write(bench, change("a"), session=SessionSeed("s1"))
    _, secret = bench.hosting.issue_token(
        actor="eve", kind=ActorKind.AGENT, repositories=["acme/app"], verbs=frozenset({Verb.WRITE})
    )
    with pytest.raises(SessionConflict):
        commit(
            wish(change("b"), session=SessionSeed("s1")),
            bench.repository,
            bench.hosting.authenticate(secret),
            bench.receiver,
        )


# -- races ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [None, ObjectId("5" * 40)], ids=["absent", "another"])
def test_an_expected_head_that_is_not_there_is_stale(populated, expected):
    before = populated.files
    with pytest.raises(StaleUpdate) as stale:
        write(populated, change("x"), expected_head=expected)
    assert (stale.value.expected, stale.value.actual) == (expected, head_of(populated))
    assert populated.files == before


def test_an_expected_head_that_is_there_is_built_upon(populated):
    head = head_of(populated)
    assert write(populated, change("x"), expected_head=head).old == head
    assert write(populated, change("y"), branch=RefName(b"refs/heads/new"), expected_head=None).old is None


def race(bench, first, second):
    """Make the second commit at the very moment before the first takes the lock; outcome of the first."""
    waiting = [second]

    def step(name):
        if name == "judged" and waiting:
            commit(waiting.pop(), bench.repository, bench.principal, bench.receiver)

    receiver = Receiver(bench.hosting, ScopeJudge(), step=step)
    return commit(first, bench.repository, bench.principal, receiver)


def test_a_commit_without_an_expected_head_lands_on_top_of_one_that_came_between(populated):
    receipt = race(populated, wish(change("mine")), wish(change("theirs")))
    found = listing(populated, head_of(populated))
    assert {b"mine", b"theirs"} <= set(found)
    assert receipt.commit == head_of(populated)
    assert populated.repository.view.objects.read_commit(receipt.commit).parents == (receipt.old,)
    populated.fsck()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (change("src/a.py", "mine\n"), change("src/a.py", "theirs\n")),
        (change("new", "mine\n"), change("new", "theirs\n")),
        (change("src/a.py", "mine\n"), FileChange(b"src/a.py", None)),
        (FileChange(b"src/a.py", None), change("src/a.py", "theirs\n")),
        (change("fresh", "mine\n"), change("fresh/inner", "theirs\n")),
    ],
)
def test_a_change_that_came_between_to_the_same_file_is_not_overwritten(populated, mine, theirs):
    with pytest.raises(StaleUpdate):
        race(populated, wish(mine), wish(theirs))
    found = listing(populated, head_of(populated))
    assert found.get(theirs.path, (None, None))[1] == theirs.content
    populated.fsck()


def test_a_commit_with_an_expected_head_loses_its_race_and_leaves_nothing(populated):
    head = head_of(populated)
    with pytest.raises(StaleUpdate) as stale:
        race(populated, wish(change("mine"), expected_head=head), wish(change("theirs")))
    assert (stale.value.expected, stale.value.actual) == (head, head_of(populated))
    packs = {name for name in populated.files if name.endswith(".pack")}
    recorded = populated.hosting.catalogue.list_packs(populated.repository.record.id)
    assert {name.rpartition("/")[2].removesuffix(".pack") for name in packs} == recorded


def test_many_writers_at_once_lose_nothing(sql_bench):
    write(sql_bench, change("start"))
    failed = []

    def work(number):
        try:
            for turn in range(3):
                write(sql_bench, change(f"by-{number}/{turn}", f"{number} {turn}\n"))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = listing(sql_bench, sql_bench.refs["refs/heads/main"])
    assert len(found) == 1 + 6 * 3
    count = sql_bench.repository.view.plumbing.run("rev-list", "--count", sql_bench.refs["refs/heads/main"])
    assert int(count) == 1 + 6 * 3
    sql_bench.fsck()


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(Limits(commit_files_max=1), "commit_files_max"), (Limits(commit_bytes_max=10), "commit_bytes_max")],
)
def test_a_commit_that_is_too_large_is_refused(make_bench, limits, limit):
    bench = make_bench(limits=limits)
    with pytest.raises(LimitExceeded) as refused:
        write(bench, change("a", "12345"), change("b", "67890"))
    assert refused.value.limit == limit
    assert write(bench, change("a", "1"), message="m").old is None


def test_a_file_committed_is_read_back_at_its_commit(bench):
    receipt = write(bench, change("dir/file", "content\n"))
    assert read_file(bench.repository.view, receipt.commit, b"dir/file") == b"content\n"


def test_modes_of_old_tools_are_written_as_git_takes_them() -> None:
    objects = MemoryObjects()
    blob = objects.add(ObjectKind.BLOB, b"1")
    raw = bytes.fromhex(blob)
    below = objects.add(ObjectKind.TREE, b"100664 a\0" + raw)
    lines = (b"100664 a\0" + raw, b"040000 b\0" + bytes.fromhex(below), b"100777 b.c\0" + raw)
    editor = TreeEditor(objects, objects.add(ObjectKind.TREE, b"".join(lines)))
    editor.put(b"new", b"1", FILE_MODE)
    tree, made = editor.finish()
    assert made[-1][2] == encode_tree(
        [
            TreeEntry(b"a", FILE_MODE, blob),
            TreeEntry(b"b", TREE_MODE, below),
            TreeEntry(b"b.c", EXECUTABLE_MODE, blob),
            TreeEntry(b"new", FILE_MODE, blob),
        ]
    )
    assert tree == made[-1][0] == object_id(*made[-1][1:])
    with pytest.raises(ObjectMissing):
        TreeEditor(objects, blob)
