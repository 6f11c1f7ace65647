"""Settings of a repository: what is taken, what a push meets because of them, and what is remembered."""

import json

import pytest

from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.events import EventKind
from imprint.store.hosting.settings import FATAL_IDS, MESSAGE_IDS, parse_changes
from imprint.store.limits import Limits
from imprint.store.types import RepositoryName

MAIN = "refs/heads/main"
ONE, TWO = "1" * 40, "2" * 40
PADDED = "zeroPaddedFilemode"


def errors(receipt):
    return {result.name.decode(): result.error for result in receipt.results}


def choose(bench, **changes):
    """Settings by their last word: `fsck_zeroPaddedFilemode` is `receive.fsck.zeroPaddedFilemode`."""
    named = {f"receive.{key.replace('_', '.')}": value for key, value in changes.items()}
    bench.repository = bench.hosting.change_settings(bench.repository.record.name, named, bench.principal)


def last_event(bench):
    return bench.hosting.catalogue.list_events(bench.repository.record.id)[-1]


@pytest.fixture
def padded(work_tree):
    """A commit whose tree is written with a leading zero, and a pack of it."""
    blob = work_tree("hash-object", "-w", "--stdin", stdin=b"x\n")
    tree = work_tree(
        *("hash-object", "-w", "--literally", "-t", "tree", "--stdin"),
        stdin=b"0100644 a\0" + bytes.fromhex(blob),
    )
    commit = work_tree("commit-tree", tree, "-m", "padded")
    pack = work_tree.run(
        "pack-objects", "--stdout", "-q", stdin=f"{blob}\n{tree}\n{commit}\n".encode()
    ).stdout
    return tree, commit, pack


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("RECEIVE.FSCK.ZEROPADDEDFILEMODE", "warn", ("receive.fsck.zeroPaddedFilemode", "warn")),
        ("receive.denydeletes", "yes", ("receive.denyDeletes", "true")),
        ("receive.denyNonFastForwards", "0", ("receive.denyNonFastForwards", "false")),
        ("receive.maxInputSize", "2m", ("receive.maxInputSize", str(2 * 1024**2))),
        ("receive.denyDeleteCurrent", "warn", ("receive.denyDeleteCurrent", "warn")),
        ("receive.fsck.skiplist", f"{TWO},{ONE}\n{TWO}", ("receive.fsck.skipList", f"{ONE}\n{TWO}")),
        ("transfer.hideRefs", " refs/a \n\n!refs/a/b", ("transfer.hideRefs", "refs/a\n!refs/a/b")),
        ("receive.fsckObjects", "true", ("receive.fsckObjects", "true")),
        ("receive.denyDeletes", None, ("receive.denyDeletes", None)),
    ],
)
def test_a_setting_is_kept_in_one_spelling(name, value, kept) -> None:
    assert parse_changes({name: value}, 1000) == dict([kept])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("receive.fsckObjects", "false", "cannot be turned off"),
        ("receive.fsck.zeroPaddedFilemode", "off", "no severity"),
        ("receive.fsck.zeroPaddedFilmode", "warn", "receive.fsck.zeroPaddedFilemode"),
        ("receive.fsck.nulInHeader", "warn", "cannot be downgraded"),
        ("receive.fsck.unterminatedheader", "ignore", "cannot be downgraded"),
        ("receive.denyDelete", "true", "receive.denyDeletes"),
        ("core.hooksPath", "/tmp", "there is no setting"),
        ("receive.denyDeletes", "perhaps", "neither true nor false"),
        ("receive.maxInputSize", "0", "is not a size"),
        ("receive.maxInputSize", "-1", "is not a size"),
        ("receive.denyDeleteCurrent", "never", "refuse, warn, ignore"),
        ("receive.fsck.skipList", "1234", "takes ids"),
        ("receive.fsck.skipList", f"{ONE},x=y", "takes ids"),
        ("transfer.hideRefs", "heads/x", "begins with refs/"),
    ],
)
def test_what_cannot_be_set_is_refused_with_what_could(name, value, words) -> None:
    with pytest.raises(BadInput) as refused:
        parse_changes({name: value}, 1000)
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_a_setting_has_a_largest_length() -> None:
    with pytest.raises(LimitExceeded) as bound:
        parse_changes({"transfer.hideRefs": "refs/" + "x" * 1000}, 1000)
    assert bound.value.limit == "setting_bytes_max"


def test_the_installed_git_knows_every_finding_by_the_same_name(work_tree) -> None:
    """Asked by the one rule that differs: a fatal one cannot be demoted, an unknown one is not handled."""
    every = ",".join(f"{each}=warn" for each in MESSAGE_IDS)
    head = work_tree.commit_file("a", "1")
    pack = work_tree.run("pack-objects", "--revs", "--stdout", "-q", stdin=head.encode()).stdout
    work_tree.run("index-pack", "--stdin", f"--strict={every}", stdin=pack)
    for fatal in FATAL_IDS:
        refused = work_tree.run("index-pack", "--stdin", f"--strict={fatal}=warn", stdin=pack, check=False)
        assert b"Cannot demote" in refused.stderr


def test_a_change_is_an_event_with_what_was_and_what_is(bench) -> None:
    choose(bench, denyDeletes="yes")
    choose(bench, denyDeletes=None, maxInputSize="1k")
    event = last_event(bench)
    assert (event.kind, event.actor) == (EventKind.SETTINGS, "ada")
    assert json.loads(event.details["old"]) == {"receive.denyDeletes": "true", "receive.maxInputSize": None}
    assert json.loads(event.details["new"]) == {"receive.denyDeletes": None, "receive.maxInputSize": "1024"}
    assert bench.repository.record.settings == {"receive.maxInputSize": "1024"}
    count = bench.events
    choose(bench, maxInputSize="1024")
    assert bench.events == count


def test_a_downgraded_finding_is_a_warning_and_the_event_tells(bench, padded) -> None:
    _, commit, pack = padded
    refused = bench.push({MAIN: (None, commit)}, pack)
    assert PADDED in refused.unpack_error
    name = bench.repository.record.name
    assert f"imprint import PATH_OR_URL {name} --skip-list-from-report" in refused.warnings[0]
    assert f"imprint repo settings {name} receive.fsck.{PADDED}=warn" in refused.warnings[0]
    choose(bench, fsck_zeroPaddedFilemode="warn")
    taken = bench.push({MAIN: (None, commit)}, pack)
    assert errors(taken) == {MAIN: None}
    assert any(PADDED in warning for warning in taken.warnings)
    assert taken.event.details == {f"receive.fsck.{PADDED}": "warn"}
    choose(bench, fsck_zeroPaddedFilemode=None)
    again = bench.push({"refs/heads/x": (None, commit)}, pack)
    assert PADDED in again.unpack_error


def test_an_excepted_object_is_taken_and_no_other(bench, padded, work_tree) -> None:
    tree, commit, pack = padded
    choose(bench, fsck_skipList=ONE)
    assert PADDED in bench.push({MAIN: (None, commit)}, pack).unpack_error
    choose(bench, fsck_skipList=f"{ONE}\n{tree}")
    taken = bench.push({MAIN: (None, commit)}, pack)
    assert errors(taken) == {MAIN: None}
    assert taken.event.details == {"receive.fsck.skipList": "2 objects"}
    other = work_tree(
        *("hash-object", "-w", "--literally", "-t", "tree", "--stdin"),
        stdin=b"0100755 b\0" + bytes.fromhex(work_tree("rev-parse", f"{commit}:a")),
    )
    second = work_tree("commit-tree", other, "-m", "another")
    more = work_tree.run("pack-objects", "--stdout", "-q", stdin=f"{other}\n{second}\n".encode()).stdout
    assert PADDED in bench.push({"refs/heads/x": (None, second)}, more).unpack_error


def test_what_git_calls_fatal_stays_refused(bench, work_tree) -> None:
    choose(bench, **{f"fsck_{each}": "ignore" for each in MESSAGE_IDS})
    tree = work_tree("mktree", stdin=b"")
    bad = work_tree(
        *("hash-object", "-w", "--literally", "-t", "commit", "--stdin"),
        stdin=f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000".encode(),
    )
    pack = work_tree.run("pack-objects", "--stdout", "-q", stdin=f"{tree}\n{bad}\n".encode()).stdout
    assert "unterminatedHeader" in bench.push({MAIN: (None, bad)}, pack).unpack_error


def test_branches_only_move_forwards(bench, work_tree) -> None:
    first, second = work_tree.commit_file("a", "1"), work_tree.commit_file("a", "2")
    bench.push({MAIN: (None, second), "refs/tags/t": (None, second)}, bench.pack(work_tree.folder, "HEAD"))
    choose(bench, denyNonFastForwards="true")
    back = bench.push({MAIN: (second, first), "refs/tags/t": (second, first)}, None)
    assert errors(back) == {MAIN: "non-fast-forward", "refs/tags/t": None}
    third = work_tree.commit_file("a", "3")
    onward = bench.push({MAIN: (second, third)}, bench.pack(work_tree.folder, third, exclude=(second,)))
    assert errors(onward) == {MAIN: None}
    work_tree("checkout", "-q", "--detach", first)
    aside = work_tree.commit_file("b", "1")
    pack = bench.pack(work_tree.folder, aside, exclude=(first,))
    assert errors(bench.push({MAIN: (third, aside)}, pack)) == {MAIN: "non-fast-forward"}


def test_an_import_is_held_to_it_where_the_branch_is_then(make_bench, work_tree) -> None:
    """An import names no old value: what counts is where the branch is under the lock."""
    first, second = work_tree.commit_file("a", "1"), work_tree.commit_file("a", "2")
    bench = make_bench()
    bench.push({MAIN: (None, first)}, bench.pack(work_tree.folder, "HEAD"))
    choose(bench, denyNonFastForwards="true")

    def overtake(step: str) -> None:
        if step == "judged":
            bench.receiver._step = lambda _: None
            assert errors(bench.push({MAIN: (first, second)}, None)) == {MAIN: None}

    bench.receiver._step = overtake
    late = bench.push({MAIN: (None, first)}, None, kind=EventKind.IMPORT)
    assert errors(late) == {MAIN: "non-fast-forward"}
    assert bench.refs == {MAIN: second}


def test_deletions_can_be_denied_and_that_of_the_current_branch_allowed(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    refs = {MAIN: (None, head), "refs/heads/x": (None, head), "refs/tags/t": (None, head)}
    bench.push(refs, bench.pack(work_tree.folder, "HEAD"))
    choose(bench, denyDeletes="true", denyDeleteCurrent="ignore")
    gone = dict.fromkeys(refs, (head, None))
    denied = "deletion prohibited"
    assert errors(bench.push(gone, None)) == {MAIN: denied, "refs/heads/x": denied, "refs/tags/t": None}
    choose(bench, denyDeletes="false", denyDeleteCurrent="warn")
    receipt = bench.push({MAIN: (head, None)}, None)
    assert errors(receipt) == {MAIN: None}
    assert receipt.warnings == ("the current branch is deleted",)
    assert bench.refs == {"refs/heads/x": head}


def test_hidden_refs_cannot_be_changed(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    name = bench.repository.record.name
    hide = {"transfer.hideRefs": "refs/secret\n!refs/secret/open"}
    bench.repository = bench.hosting.change_settings(name, hide, None)
    refs = {"refs/secret/x": (None, head), "refs/secret/open/x": (None, head), "refs/secrets/x": (None, head)}
    told = errors(bench.push(refs, bench.pack(work_tree.folder, "HEAD")))
    assert told.pop("refs/secret/x") == "deny updating a hidden ref"
    assert set(told.values()) == {None}


def test_a_smaller_pack_can_be_asked_for_but_no_larger_one(make_bench, work_tree) -> None:
    head = work_tree.commit_file("a", "x" * 100)
    bench = make_bench(Limits(pack_bytes_max=150))
    pack = bench.pack(work_tree.folder, "HEAD")
    for asked in ("100", "1g"):
        choose(bench, maxInputSize=asked)
        with pytest.raises(LimitExceeded):
            bench.push({MAIN: (None, head)}, pack)


def test_objects_and_refs_are_bounded(make_bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    few = make_bench(Limits(pack_objects_max=2))
    with pytest.raises(LimitExceeded) as bound:
        few.push({MAIN: (None, head)}, few.pack(work_tree.folder, "HEAD"))
    assert bound.value.limit == "pack_objects_max"
    narrow = make_bench(Limits(refs_max=2))
    refs = dict.fromkeys((MAIN, "refs/heads/a", "refs/heads/b"), (None, head))
    told = errors(narrow.push(refs, narrow.pack(work_tree.folder, "HEAD")))
    assert [name for name, error in told.items() if error] == ["refs/heads/b"]
    swap = narrow.push({"refs/heads/a": (head, None), "refs/heads/b": (None, head)}, None)
    assert set(errors(swap).values()) == {None}


def test_settings_survive_a_restart(sql_bench) -> None:
    choose(sql_bench, denyDeletes="true")
    found = sql_bench.hosting.catalogue.find_repository(RepositoryName("acme", "app"))
    assert found.settings == {"receive.denyDeletes": "true"}
