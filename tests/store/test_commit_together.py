"""Commits that are made together: each becomes what it would be alone, and they share what landing takes."""

from pathlib import Path

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.errors import (
    BadInput,
    BadRefName,
    Denied,
    OutcomeUnknown,
    PathMissing,
    StaleUpdate,
    StorageFailed,
)
from imprint.store.receive.commit import (
    CommitReceipt,
    CommitRequest,
    FileChange,
    commit,
    commit_together,
)
from imprint.store.receive.push import Push, RefCommand
from imprint.store.types import RefName

BRANCHES = [RefName(b"refs/heads/b%d" % at) for at in range(5)]


def wish(branch: RefName, path: bytes = b"file", content: bytes | None = b"new\n", **more) -> CommitRequest:
    return CommitRequest(branch, "change", (FileChange(path, content),), **more)


@pytest.fixture
def begun(sql_bench):
    """A repository whose branches are at one commit of three files in two folders."""
    first = CommitRequest(
        BRANCHES[0], "first", tuple(FileChange(each, b"old\n") for each in (b"file", b"other", b"src/deep"))
    )
    head = commit(first, sql_bench.repository, sql_bench.principal, sql_bench.receiver).commit
    sql_bench.push({name.text: (None, head) for name in BRANCHES[1:]}, None)
    return sql_bench


def together(bench, *wishes: CommitRequest, before_landing=lambda: None):
    asked = [(each, bench.principal) for each in wishes]
    return commit_together(asked, bench.repository, bench.receiver, before_landing)


def list_packs(bench) -> set[str]:
    folder = Path(bench.repository.git_dir) / "objects" / "pack"
    return {path.stem for path in folder.glob("*.pack")}


def list_events(bench):
    return bench.hosting.catalogue.list_events(bench.repository.record.id)


def test_they_share_a_pack_and_each_has_its_event(begun) -> None:
    packs, events = list_packs(begun), len(list_events(begun))
    receipts = together(begun, *(wish(name, content=b"by %b\n" % name) for name in BRANCHES))
    assert all(isinstance(each, CommitReceipt) for each in receipts)
    assert begun.refs == {each.branch.text: each.commit for each in receipts}
    new = list_events(begun)[events:]
    assert new == [each.event for each in receipts]
    assert [each.sequence for each in new] == list(range(events + 1, events + 6))
    assert {each.pack for each in new} == list_packs(begun) - packs
    assert len(list_packs(begun)) == len(packs) + 1
    objects = begun.repository.view.objects
    assert {objects.read_commit(each.commit).parents for each in receipts} == {(receipts[0].old,)}
    begun.fsck()


def test_who_is_refused_leaves_nothing_and_holds_up_nobody(begun) -> None:
    _, secret = begun.hosting.issue_token(
        actor="eve", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=frozenset({Verb.READ})
    )
    eve = begun.hosting.authenticate(secret)
    refused = {
        BadInput: wish(BRANCHES[0], content=b"old\n"),
        PathMissing: wish(BRANCHES[1], b"nowhere", None),
        StaleUpdate: wish(BRANCHES[2], expected_head=None),
        BadRefName: wish(RefName(b"refs/tags/v1")),
    }
    asked = [(each, begun.principal) for each in (*refused.values(), wish(BRANCHES[3]))]
    before = list_packs(begun), len(list_events(begun))
    found = commit_together([(wish(BRANCHES[4]), eve), *asked], begun.repository, begun.receiver)
    assert [type(each) for each in found] == [Denied, *refused, CommitReceipt]
    assert len(list_packs(begun)) == len(before[0]) + 1
    assert list_events(begun)[before[1] :] == [found[-1].event]
    begun.fsck()
    assert together(begun, wish(BRANCHES[0], content=b"old\n"))[0].message  # and where none is left


def test_a_branch_that_moves_meanwhile_is_built_upon_anew(begun) -> None:
    moved = []

    def move() -> None:
        if not moved:
            other = wish(BRANCHES[1], b"other", b"theirs\n")
            moved.append(commit(other, begun.repository, begun.principal, begun.receiver))

    found = together(begun, wish(BRANCHES[0]), wish(BRANCHES[1]), before_landing=move)
    assert [type(each) for each in found] == [CommitReceipt] * 2
    assert found[1].old == moved[0].commit
    assert begun.refs[BRANCHES[1].text] == found[1].commit
    begun.fsck()


@pytest.mark.parametrize("more", [{}, {"expected_head": "head"}])
def test_a_file_that_changes_meanwhile_is_not_overwritten(begun, more) -> None:
    head = begun.repository.view.refs.snapshot().refs[BRANCHES[1]].id
    more = dict.fromkeys(more, head)
    moved = []

    def move() -> None:
        if not moved:
            path = b"other" if more else b"file"
            other = wish(BRANCHES[1], path, b"theirs\n")
            moved.append(commit(other, begun.repository, begun.principal, begun.receiver))

    found = together(begun, wish(BRANCHES[0]), wish(BRANCHES[1], **more), before_landing=move)
    assert [type(each) for each in found] == [CommitReceipt, StaleUpdate]
    assert begun.refs[BRANCHES[1].text] == moved[0].commit


def test_what_git_has_to_look_at_is_left(begun) -> None:
    """A name that is unusual: the others land, and alone it lands too."""
    odd = wish(BRANCHES[1], b"git~9")
    found = together(begun, wish(BRANCHES[0]), odd)
    assert isinstance(found[0], CommitReceipt)
    assert found[1] is None
    assert commit(odd, begun.repository, begun.principal, begun.receiver).old == found[0].old


def test_ids_that_git_does_not_give_are_left_alone(begun) -> None:
    """As where content was made to collide: git is asked about all at once, then about each."""
    good = wish(BRANCHES[0])
    pushes = []
    real = begun.receiver.receive_made

    def spoil(made: list[Push], repository, before_landing):
        objects = list(made[1].made)
        blob = next(at for at, each in enumerate(objects) if each[1].value == "blob")
        objects[blob] = (objects[blob][0], objects[blob][1], b"another\n")
        pushes.extend([made[0], Push(made[1].principal, made[1].commands, None, made=tuple(objects))])
        return real(pushes, repository, before_landing)

    begun.receiver.receive_made = spoil
    found = together(begun, good, wish(BRANCHES[1]))
    assert isinstance(found[0], CommitReceipt)
    assert found[1] is None
    begun.fsck()


def test_rules_of_the_repository_that_ease_gits_checks_leave_them_to_git(begun) -> None:
    name = begun.repository.record.name
    begun.repository = begun.hosting.change_settings(name, {"receive.fsck.badDate": "warn"}, None)
    assert together(begun, *map(wish, BRANCHES)) == [None] * 5


@pytest.mark.parametrize("failure", [StorageFailed("full"), OutcomeUnknown("broken")], ids=["no", "perhaps"])
def test_where_nothing_can_be_written_nobody_is_told_otherwise(begun, monkeypatch, failure) -> None:
    before = begun.refs, list_packs(begun)

    def fail(_admissions):
        raise failure

    monkeypatch.setattr(begun.hosting.catalogue, "admit_all", fail)
    monkeypatch.setattr(begun.hosting.catalogue, "admit", fail)
    found = together(begun, *map(wish, BRANCHES))
    assert [type(each) for each in found] == [type(failure)] * 5
    assert begun.refs == before[0]
    if not isinstance(failure, OutcomeUnknown):
        assert list_packs(begun) == before[1]


def test_a_repository_that_goes_meanwhile_is_missing_for_all(begun) -> None:
    name = begun.repository.record.name

    def delete() -> None:
        begun.hosting.delete(name, None)

    found = together(begun, *map(wish, BRANCHES), before_landing=delete)
    assert {type(each).__name__ for each in found} == {"RepositoryMissing"}


def test_two_commands_for_one_push_are_judged_as_alone(begun) -> None:
    """Through the receiver: what is not a commit's own push is refused as `receive` refuses it."""
    head = begun.refs[BRANCHES[0].text]
    push = Push(begun.principal, (RefCommand(b"refs/heads/b0", None, head),), None)
    alone = begun.receiver.receive(push, begun.repository)
    assert begun.receiver.receive_made([push], begun.repository) == [alone]
