"""Pushes, from the quarantine to the commit point, with packs made by stock git."""

import io
import json
import os
import resource
import subprocess

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.errors import LimitExceeded, PushRefused, StorageFailed
from imprint.store.events import Admission, EventKind
from imprint.store.hosting.repositories import SessionSeed
from imprint.store.limits import Limits
from imprint.store.receive.policy import Verdict
from imprint.store.receive.receiver import STEPS, Push, RefCommand
from imprint.store.types import MustBe, ObjectId, RefName, RefUpdate

MAIN = "refs/heads/main"
GHOST = "1" * 40


def errors(receipt):
    return {result.name.decode(): result.error for result in receipt.results}


def test_a_first_push_is_admitted_with_its_event(bench, work_tree) -> None:
    head = work_tree.commit_file("a.txt", "one")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert errors(receipt) == {MAIN: None}
    assert bench.refs == {MAIN: head}
    assert receipt.event.changes[0].new == head
    assert receipt.event.actor == "ada"
    assert receipt.event.verdict == "allowed: token scope"
    assert receipt.event.pack in bench.hosting.catalogue.list_packs(bench.repository.record.id)
    assert bench.admitted == [bench.repository.record.id]
    bench.fsck()


def test_the_steps_are_told_in_order(make_bench, work_tree) -> None:
    seen: list[str] = []
    bench = make_bench(step=seen.append)
    bench.push({MAIN: (None, work_tree.commit_file("a", "1"))}, bench.pack(work_tree.folder, "HEAD"))
    assert tuple(seen) == STEPS


def test_a_thin_pack_is_completed(bench, work_tree) -> None:
    text = "".join(f"line {n}\n" for n in range(2000))
    first = work_tree.commit_file("a.txt", text)
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a.txt", text + "more\n")
    pack = bench.pack(work_tree.folder, second, exclude=(first,), thin=True)
    assert errors(bench.push({MAIN: (first, second)}, pack)) == {MAIN: None}
    bench.fsck()


def test_annotated_tags_are_peeled_at_admission(bench, work_tree) -> None:
    head = work_tree.commit_file("a.txt", "one")
    work_tree("tag", "-a", "v1", "-m", "first")
    work_tree("tag", "-a", "again", "v1", "-m", "a tag of a tag")
    tag = work_tree("rev-parse", "refs/tags/again")
    bench.push({"refs/tags/again": (None, tag)}, bench.pack(work_tree.folder, "again"))
    value = bench.repository.view.refs.snapshot().refs[RefName(b"refs/tags/again")]
    assert (value.id, value.peeled) == (tag, head)


def test_a_stale_ref_is_refused_and_leaves_nothing(bench, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a", "2")
    before, events = bench.files, bench.events
    receipt = bench.push({MAIN: (None, second)}, bench.pack(work_tree.folder, second, exclude=(first,)))
    assert "stale" in errors(receipt)[MAIN]
    assert receipt.event is None
    assert (bench.files, bench.events, bench.refs) == (before, events, {MAIN: first})


def test_a_ref_that_moves_during_the_push_is_refused_and_the_pack_goes(make_bench, work_tree) -> None:
    """The race is lost after the checks, when the pack lies among the others already."""
    first = work_tree.commit_file("a", "1")
    second = work_tree.commit_file("a", "2")
    third = work_tree.commit_file("a", "3")
    rival = make_bench()

    def overtake(step: str) -> None:
        if step == "placed":
            catalogue = rival.hosting.catalogue
            event = catalogue.list_events(rival.repository.record.id)[-1]
            assert event.changes[0].new == first
            rival.receiver.hosting.catalogue.admit(admission(event, second))

    def admission(event, target):
        update = RefUpdate(RefName(MAIN.encode()), ObjectId(target), MustBe(ObjectId(first)))
        return Admission(event.repository_id, "evt_rival", EventKind.PUSH, 0, "eve", None, "", (update,))

    rival.push({MAIN: (None, first)}, rival.pack(work_tree.folder, second, first))
    rival.receiver._step = overtake
    before = rival.files
    receipt = rival.push({MAIN: (first, third)}, rival.pack(work_tree.folder, third, exclude=(second,)))
    assert "stale" in errors(receipt)[MAIN]
    assert rival.files == before
    assert rival.refs == {MAIN: second}


def test_one_stale_ref_does_not_hold_up_the_others(bench, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a", "2")
    receipt = bench.push(
        {MAIN: (None, second), "refs/heads/other": (None, second)},
        bench.pack(work_tree.folder, second, exclude=(first,)),
    )
    assert errors(receipt)["refs/heads/other"] is None
    assert "stale" in errors(receipt)[MAIN]
    assert bench.refs == {MAIN: first, "refs/heads/other": second}


def test_an_atomic_push_is_all_or_nothing(bench, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a", "2")
    before, events = bench.files, bench.events
    receipt = bench.push(
        {MAIN: (None, second), "refs/heads/other": (None, second), "refs/heads/third": (None, first)},
        bench.pack(work_tree.folder, second, exclude=(first,)),
        atomic=True,
    )
    told = errors(receipt)
    assert "stale" in told[MAIN]
    assert told["refs/heads/other"] == told["refs/heads/third"] == "atomic push failure"
    assert (bench.files, bench.events, bench.refs) == (before, events, {MAIN: first})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("HEAD", "funny refname"),
        ("refs/foo", "funny refname"),
        ("refs/heads/a..b", "funny refname"),
        ("refs/heads/x.lock", "funny refname"),
        ("refs/heads/" + "x" * 300, "funny refname"),
        ("refs/heads/with\x01control", "funny refname"),
        ("../../etc/passwd", "funny refname"),
        ("refs/imprint/sessions/1", "deny updating a hidden ref"),
        ("refs/Imprint/sessions/1", "deny updating a hidden ref"),
        ("refs/heads/HEAD", "taken for HEAD"),
        ("refs/heads/HEAD/x", "taken for HEAD"),
    ],
)
def test_a_name_that_cannot_be_is_refused_alone(bench, work_tree, name, reason) -> None:
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({name: (None, head), MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert reason in errors(receipt)[name]
    assert errors(receipt)[MAIN] is None
    assert bench.refs == {MAIN: head}


def twice(bench, work_tree, *olds, atomic=False):
    """Two commands for `main`, to the first and to the second commit, with these old ids."""
    news = work_tree.commit_file("a", "1"), work_tree.commit_file("a", "2")
    pack = io.BytesIO(bench.pack(work_tree.folder, "HEAD"))
    commands = tuple(
        RefCommand(MAIN.encode(), ObjectId(news[old]) if old is not None else None, ObjectId(new))
        for old, new in zip(olds, news, strict=True)
    )
    receipt = bench.receiver.receive(Push(bench.principal, commands, pack, atomic=atomic), bench.repository)
    return news, receipt


def test_of_two_commands_for_one_ref_the_second_meets_what_the_first_made(bench, work_tree) -> None:
    (_, second), receipt = twice(bench, work_tree, None, 0)
    assert [result.error for result in receipt.results] == [None, None]
    assert [(change.old, change.new) for change in receipt.event.changes] == [(None, second)]


def test_of_two_creations_of_one_ref_the_first_stands(bench, work_tree) -> None:
    (first, _), receipt = twice(bench, work_tree, None, None)
    assert receipt.results[0].error is None
    assert "stale" in receipt.results[1].error
    assert bench.refs == {MAIN: first}


def test_an_atomic_push_names_a_ref_once(bench, work_tree) -> None:
    _, receipt = twice(bench, work_tree, None, 0, atomic=True)
    assert [result.error for result in receipt.results] == ["multiple updates for one ref"] * 2
    assert bench.refs == {}


def test_folder_collisions_are_told_per_ref_and_letter_case_is_none(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    receipt = bench.push(
        {
            "refs/heads/main/sub": (None, head),
            "refs/heads/MAIN": (None, head),
            "refs/heads/new/one": (None, head),
            "refs/heads/new": (None, head),
            "refs/heads/fine": (None, head),
        },
        None,
    )
    told = errors(receipt)
    assert told.pop("refs/heads/fine") is None
    assert told.pop("refs/heads/new/one") is None
    assert told.pop("refs/heads/MAIN") is None
    assert told == {
        "refs/heads/main/sub": "it collides with refs/heads/main",
        "refs/heads/new": "it collides with refs/heads/new/one",
    }
    assert set(bench.refs) == {MAIN, "refs/heads/MAIN", "refs/heads/fine", "refs/heads/new/one"}


def test_a_branch_can_become_a_folder_in_one_push(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head), "refs/heads/a": (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    change = {"refs/heads/a": (head, None), "refs/heads/a/b": (None, head)}
    atomic = bench.push(change, None, atomic=True)
    assert errors(atomic)["refs/heads/a/b"] == "it collides with refs/heads/a"
    turned = bench.push(dict(reversed(change.items())), None)
    assert errors(turned) == {"refs/heads/a/b": "it collides with refs/heads/a", "refs/heads/a": None}
    bench.push({"refs/heads/a": (None, head)}, None)
    assert errors(bench.push(change, None)) == {"refs/heads/a": None, "refs/heads/a/b": None}
    assert bench.refs == {MAIN: head, "refs/heads/a/b": head}


def test_a_branch_that_looks_like_an_option_is_taken_and_never_becomes_head(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({"refs/heads/--output=x": (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert errors(receipt) == {"refs/heads/--output=x": None}
    assert bench.repository.view.refs.snapshot().head == b"refs/heads/main"
    bench.fsck()


def test_what_is_absent_may_be_deleted_by_whoever_does_not_know_what_it_was(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    receipt = bench.push({"refs/heads/x": (GHOST, None)}, None)
    assert (errors(receipt), receipt.event) == ({"refs/heads/x": None}, None)
    assert "stale" in errors(bench.push({"refs/heads/x": (head, None)}, None))["refs/heads/x"]


def test_a_push_that_only_deletes_needs_no_pack(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head), "refs/heads/x": (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert errors(bench.push({"refs/heads/x": (head, None)}, None)) == {"refs/heads/x": None}
    assert bench.refs == {MAIN: head}
    assert errors(bench.push({"refs/heads/x": (None, None)}, None)) == {"refs/heads/x": None}


def test_the_current_branch_cannot_be_deleted(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    receipt = bench.push({MAIN: (head, None)}, None)
    assert errors(receipt) == {MAIN: "deletion of the current branch prohibited"}
    assert bench.refs == {MAIN: head}


@pytest.mark.parametrize("what", ["HEAD^{tree}", "HEAD:a", "refs/tags/v1"])
def test_a_branch_must_be_a_commit(bench, work_tree, what) -> None:
    work_tree.commit_file("a", "1")
    work_tree("tag", "-a", "v1", "-m", "x")
    target = work_tree("rev-parse", what)
    receipt = bench.push({MAIN: (None, target)}, bench.pack(work_tree.folder, "HEAD", "v1"))
    assert "a branch must be a commit" in errors(receipt)[MAIN]
    assert bench.refs == {}
    anywhere = bench.push({"refs/other/thing": (None, target)}, bench.pack(work_tree.folder, "HEAD", "v1"))
    assert errors(anywhere) == {"refs/other/thing": None}


def test_a_ref_to_nothing_is_refused_with_an_empty_pack(bench, work_tree) -> None:
    """An empty pack proves nothing: the tip is looked for all the same."""
    work_tree.commit_file("a", "1")
    empty = bench.pack(work_tree.folder)
    before = bench.files
    receipt = bench.push({MAIN: (None, GHOST)}, empty)
    assert errors(receipt) == {MAIN: "missing necessary objects"}
    assert bench.files == before


def test_a_ref_to_an_object_that_is_there_needs_no_objects(bench, work_tree) -> None:
    first, second = work_tree.commit_file("a", "1"), work_tree.commit_file("a", "2")
    bench.push({MAIN: (None, second)}, bench.pack(work_tree.folder, "HEAD"))
    before = bench.files
    receipt = bench.push({"refs/heads/old": (None, first)}, bench.pack(work_tree.folder))
    assert errors(receipt) == {"refs/heads/old": None}
    assert bench.files == before


def test_a_commit_that_was_admitted_once_can_come_back_without_its_objects(bench, work_tree) -> None:
    """Unreachable, but in a pack that the catalogue has a row for."""
    first = work_tree.commit_file("a", "1")
    bench.push({"refs/heads/x": (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    bench.push({"refs/heads/x": (first, None)}, None)
    assert errors(bench.push({MAIN: (None, first)}, None)) == {MAIN: None}
    bench.fsck()


@pytest.mark.parametrize("lacking", ["HEAD^{tree}", "HEAD:a", "HEAD~1", "HEAD~1:a"])
def test_a_tip_that_lacks_an_object_is_refused(bench, work_tree, lacking) -> None:
    work_tree.commit_file("a", "1")
    head = work_tree.commit_file("a", "2")
    missing = work_tree("rev-parse", lacking)
    listed = work_tree("rev-list", "--objects", "--no-object-names", "HEAD").split()
    some = "\n".join(each for each in listed if each != missing).encode()
    pack = work_tree.run("pack-objects", "--stdout", "-q", stdin=some).stdout
    before = bench.files
    receipt = bench.push({MAIN: (None, head)}, pack)
    assert receipt.unpack_error or errors(receipt)[MAIN] == "missing necessary objects"
    assert (bench.refs, bench.files) == ({}, before)


def test_one_disconnected_tip_does_not_hold_up_the_others(bench, work_tree) -> None:
    good = work_tree.commit_file("a", "1")
    receipt = bench.push(
        {"refs/heads/bad": (None, GHOST), MAIN: (None, good), "refs/heads/c": (None, good)},
        bench.pack(work_tree.folder, "HEAD"),
    )
    assert errors(receipt) == {
        "refs/heads/bad": "missing necessary objects",
        MAIN: None,
        "refs/heads/c": None,
    }


def test_what_only_lies_on_disk_connects_nothing(bench, work_tree) -> None:
    """A pack without a row may be a crash's leftover; nothing is built on it."""
    first = work_tree.commit_file("a", "1")
    leftover = bench.repository.git_dir / "objects" / "pack"
    subprocess.run(
        ["git", "index-pack", "--stdin"],
        input=bench.pack(work_tree.folder, first),
        cwd=bench.repository.git_dir,
        check=True,
        capture_output=True,
    )
    assert any(leftover.glob("*.idx"))
    second = work_tree.commit_file("a", "2")
    pack = bench.pack(work_tree.folder, second, exclude=(first,))
    assert errors(bench.push({MAIN: (None, second)}, pack)) == {MAIN: "missing necessary objects"}
    assert errors(bench.push({MAIN: (None, first)}, None)) == {MAIN: "missing necessary objects"}
    assert errors(bench.push({MAIN: (None, second)}, bench.pack(work_tree.folder, second))) == {MAIN: None}


def test_a_push_from_below_a_shallow_boundary_is_refused_by_name(bench, work_tree) -> None:
    work_tree.commit_file("a", "1")
    head = work_tree.commit_file("a", "2")
    objects = [head, work_tree("rev-parse", "HEAD^{tree}"), work_tree("rev-parse", "HEAD:a")]
    pack = work_tree.run("pack-objects", "--stdout", "-q", stdin="\n".join(objects).encode()).stdout
    receipt = bench.push({MAIN: (None, head)}, pack, shallow=(ObjectId(head),))
    assert (receipt.unpack_error, errors(receipt)) == (None, {MAIN: "shallow update not allowed"})


@pytest.mark.parametrize("damage", ["cut", "header", "garbage", "flip", "none", "text"])
def test_a_broken_pack_is_an_unpack_error_and_leaves_nothing(bench, work_tree, damage) -> None:
    head = work_tree.commit_file("a", "x" * 5000)
    good = bench.pack(work_tree.folder, "HEAD")
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    bad = {
        "cut": good[: len(good) // 2],
        "header": good[:7],
        "garbage": good + b"more",
        "flip": bytes(flipped),
        "none": b"",
        "text": b"hello, this is not a pack",
    }[damage]
    before, events = bench.files, bench.events
    receipt = bench.push({MAIN: (None, head), "refs/heads/b": (None, head)}, bad)
    assert receipt.unpack_error
    assert errors(receipt) == {MAIN: "unpacker error", "refs/heads/b": "unpacker error"}
    assert (bench.files, bench.events, bench.refs) == (before, events, {})


def test_garbage_after_a_thin_pack_is_noticed(bench, work_tree) -> None:
    text = "".join(f"line {n}\n" for n in range(2000))
    first = work_tree.commit_file("a.txt", text)
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a.txt", text + "more\n")
    pack = bench.pack(work_tree.folder, second, exclude=(first,), thin=True)
    receipt = bench.push({MAIN: (first, second)}, pack + b"!")
    assert receipt.unpack_error == "1 bytes follow the end of the pack"
    assert errors(bench.push({MAIN: (first, second)}, pack)) == {MAIN: None}


def test_an_object_that_fsck_refuses_is_refused_by_name(bench, work_tree) -> None:
    tree = work_tree("mktree", stdin=b"")
    commit = f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter no email 1 +0000\n\nx\n".encode()
    bad = work_tree("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=commit)
    pack = work_tree.run("pack-objects", "--stdout", "-q", stdin=f"{bad}\n{tree}\n".encode()).stdout
    receipt = bench.push({MAIN: (None, bad)}, pack)
    assert "missingEmail" in receipt.unpack_error
    assert bench.refs == {}


def test_an_object_that_is_merely_odd_is_admitted_with_a_warning(bench, work_tree) -> None:
    work_tree.commit_file("a", "1")
    blob = work_tree("rev-parse", "HEAD:a")
    entry = b"100600 a\0" + bytes.fromhex(blob)
    tree = work_tree("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=entry)
    head = work_tree("commit-tree", tree, "-m", "odd mode")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, head))
    assert errors(receipt) == {MAIN: None}
    assert any("badFilemode" in warning for warning in receipt.warnings)


def test_a_pack_over_the_limit_is_refused_and_leaves_nothing(make_bench, work_tree) -> None:
    bench = make_bench(Limits(pack_bytes_max=10_000))
    head = work_tree.commit_file("a", os.urandom(50_000))
    before = bench.files
    stream = io.BytesIO(bench.pack(work_tree.folder, "HEAD"))
    with pytest.raises(LimitExceeded, match="larger than 10000 bytes"):
        bench.push({MAIN: (None, head)}, stream)
    assert stream.read() == b"", "the rest is read, so that the client gets to see the answer"
    assert bench.files == before


@pytest.mark.parametrize(("size", "room"), [(300_000, 100_000), (3, 600)], ids=["pack", "index"])
def test_a_full_disk_is_the_machines_fault_and_leaves_nothing(bench, work_tree, size, room) -> None:
    head = work_tree.commit_file("a", os.urandom(size))
    pack = bench.pack(work_tree.folder, "HEAD")
    before = bench.files
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(StorageFailed):
            bench.push({MAIN: (None, head)}, pack)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (bench.files, bench.refs) == (before, {})
    assert errors(bench.push({MAIN: (None, head)}, pack)) == {MAIN: None}


def test_a_nearly_full_disk_refuses_before_it_begins(make_bench, work_tree) -> None:
    bench = make_bench(Limits(quarantine_bytes_free_min=2**62))
    head = work_tree.commit_file("a", "1")
    with pytest.raises(StorageFailed, match="are free"):
        bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))


def test_the_judge_decides(make_bench, work_tree) -> None:
    class Never:
        def judge(self, push, repository):
            return Verdict(allowed=False, rule="never", text="nobody pushes on Sundays")

    bench = make_bench(judge=Never())
    head = work_tree.commit_file("a", "1")
    before, events = bench.files, bench.events
    with pytest.raises(PushRefused, match="Sundays") as refused:
        bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert refused.value.rule == "never"
    assert (bench.files, bench.events, bench.refs) == (before, events, {})


def test_a_token_without_the_verb_cannot_push(bench, work_tree) -> None:
    _, secret = bench.hosting.issue_token(
        actor="eve", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=frozenset({Verb.READ})
    )
    bench.principal = bench.hosting.authenticate(secret)
    head = work_tree.commit_file("a", "1")
    with pytest.raises(PushRefused, match="does not allow writing"):
        bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))


def test_a_token_that_ends_during_the_push_admits_nothing(make_bench, work_tree) -> None:
    bench = make_bench()
    head = work_tree.commit_file("a", "1")

    def revoke(step: str) -> None:
        if step == "unpacked":
            bench.hosting.catalogue.revoke_token(bench.principal.token.id, 1)

    bench.receiver._step = revoke
    with pytest.raises(PushRefused, match="ended during the push"):
        bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert bench.refs == {}


def test_an_import_wins_over_what_is_there_and_moves_head(bench, work_tree) -> None:
    first, second = work_tree.commit_file("a", "1"), work_tree.commit_file("a", "2")
    bench.push({MAIN: (None, second)}, bench.pack(work_tree.folder, "HEAD"))
    receipt = bench.push(
        {MAIN: (None, first), "refs/heads/trunk": (None, second)},
        None,
        kind=EventKind.IMPORT,
        head=RefName(b"refs/heads/trunk"),
        principal=None,
    )
    assert errors(receipt) == {MAIN: None, "refs/heads/trunk": None}
    assert (receipt.event.kind, receipt.event.actor) == (EventKind.IMPORT, "operator")
    assert bench.repository.view.refs.snapshot().head_id == second


def test_push_options_are_kept_with_the_event_as_they_came(bench, work_tree) -> None:
    options = ("ci.skip", "a;b\\n$(x)", "ünïcode")
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"), options=options)
    assert tuple(json.loads(receipt.event.details["push_options"])) == options


def test_the_same_pack_twice_is_recorded_once_and_kept(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    pack = bench.pack(work_tree.folder, "HEAD")
    bench.push({MAIN: (None, head)}, pack)
    before = bench.files
    assert errors(bench.push({"refs/heads/b": (None, head)}, pack)) == {"refs/heads/b": None}
    assert bench.files == before
    bench.fsck()


def test_what_a_session_token_delivers_carries_its_claim(bench, work_tree) -> None:
    _, secret = bench.hosting.issue_token(
        actor="bot",
        kind=ActorKind.AGENT,
        repositories=["acme/app"],
        verbs=frozenset({Verb.WRITE}),
        session=SessionSeed("s-1", "some-agent", "some-model", "write it"),
    )
    bench.principal = bench.hosting.authenticate(secret)
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    claim = receipt.event.claim
    assert (claim.session, claim.agent, claim.model, claim.base) == ("s-1", "some-agent", "some-model", None)
    assert claim.prompt


def test_hundred_refused_pushes_leave_the_folder_as_it_was(bench, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    second = work_tree.commit_file("a", "2")
    pack = bench.pack(work_tree.folder, second, exclude=(first,))
    before, events = bench.files, bench.events
    for _ in range(20):
        bench.push({MAIN: (first, GHOST)}, pack)
        bench.push({MAIN: (None, second)}, pack)
        bench.push({MAIN: (first, second)}, pack[:-5])
        bench.push({"refs/imprint/x": (None, second)}, pack)
        bench.push({MAIN: (first, second), "refs/heads/y": (first, second)}, pack, atomic=True)
    assert (bench.files, bench.events) == (before, events)


@pytest.mark.parametrize(
    ("first", "head"),
    [
        (["main"], "main"),
        (["trunk"], "trunk"),
        (["a", "master", "trunk"], "master"),
        (["a", "main", "master"], "main"),
        (["a", "b"], "main"),
    ],
)
def test_the_first_branches_say_what_head_names(bench, work_tree, first, head) -> None:
    commit = work_tree.commit_file("a", "1")
    pack = bench.pack(work_tree.folder, "HEAD")
    bench.push({f"refs/heads/{name}": (None, commit) for name in first}, pack)
    assert bench.repository.view.refs.snapshot().head == f"refs/heads/{head}".encode()
    bench.push({"refs/heads/later": (None, commit)}, None)
    assert bench.repository.view.refs.snapshot().head == f"refs/heads/{head}".encode()


def test_deleting_a_branch_that_is_not_there_does_not_move_head(bench) -> None:
    before = bench.repository.view.refs.snapshot().head
    assert errors(bench.push({"refs/heads/gone": (None, None)}, None)) == {"refs/heads/gone": None}
    assert bench.repository.view.refs.snapshot().head == before


def test_a_prompt_and_a_secret_among_push_options_are_not_kept_with_the_event(bench, work_tree) -> None:
    secret = "ghp_" + "aB3dE5fG7h" * 3 + "J9kL1m"
    options = ("session=s-1", "prompt=Say the word.", " prompt=and again", f"note={secret}")
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"), options=options)
    kept = json.loads(receipt.event.details["push_options"])
    assert kept[0] == "session=s-1"
    assert len(kept) == 2
    assert secret not in str(kept)
