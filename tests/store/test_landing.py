"""Pushes that come to the last step at the same time take it together: each becomes what it would have."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from imprint.store.errors import OutcomeUnknown, StorageFailed
from imprint.store.events import Admission, EventKind
from imprint.store.limits import Limits
from imprint.store.receive import packs
from imprint.store.types import Anything, RefName, RefUpdate

MAIN = "refs/heads/main"


@contextmanager
def held(bench, root=None) -> Iterator[Callable[[], list]]:
    """Pushes wait for each other until the block asks for their receipts: one first, the others behind it."""
    threads: list[threading.Thread] = []
    receipts: dict[int, object] = {}

    def push(at: int, commands, pack) -> None:
        try:
            receipts[at] = bench.push(commands, pack, atomic=True)
        except Exception as failure:  # noqa: BLE001 - given to the test
            receipts[at] = failure

    def begin(commands, pack=None) -> None:
        threads.append(threading.Thread(target=push, args=(len(threads), commands, pack)))
        threads[-1].start()
        wait_until(lambda: count_here(bench) == len(threads))

    lock = packs.promotion_lock(bench.repository.git_dir).hold()
    lock.__enter__()
    try:
        # This one takes the turn, and waits for the lock alone.
        begin({"refs/heads/first": (None, root or bench.refs[MAIN])})
        yield begin
    finally:
        lock.__exit__(None, None, None)
        for thread in threads:
            thread.join()
    begin.receipts = [receipts[at] for at in range(len(threads))]


def count_here(bench) -> int:
    """How many pushes are at their last step."""
    return len(bench.receiver._landing._queues.get(bench.repository.record.id, ()))


def wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.002)


def error_of(receipt) -> str | None:
    return receipt.results[0].error


@pytest.fixture
def begun(bench, work_tree):
    """A bench whose branch `main` has a commit."""
    bench.push({MAIN: (None, work_tree.commit_file("a", "1"))}, bench.pack(work_tree.folder, "HEAD"))
    return bench


def count_transactions(bench, monkeypatch) -> list[int]:
    """How many pushes each transaction held, in order."""
    catalogue, counts = bench.hosting.catalogue, []
    alone, together = catalogue.admit, catalogue.admit_all
    monkeypatch.setattr(catalogue, "admit", lambda one: (counts.append(1), alone(one))[1])
    monkeypatch.setattr(catalogue, "admit_all", lambda many: (counts.append(len(many)), together(many))[1])
    return counts


def test_what_waits_is_admitted_in_one_transaction(begun, work_tree, monkeypatch) -> None:
    root = begun.refs[MAIN]
    counts = count_transactions(begun, monkeypatch)
    with held(begun) as begin:
        for at in range(4):
            work_tree("checkout", "-q", "-B", f"b{at}", root)
            tip = work_tree.commit_file("b", f"{at}")
            begin({f"refs/heads/b{at}": (None, tip)}, begun.pack(work_tree.folder, tip, exclude=(root,)))
    assert [error_of(receipt) for receipt in begin.receipts] == [None] * 5
    assert [receipt.event.sequence for receipt in begin.receipts] == [3, 4, 5, 6, 7]
    assert counts == [1, 4]
    begun.fsck()
    assert begun.admitted[1:] == [begun.repository.record.id] * 5


def test_what_waits_goes_together_though_heads_branch_is_not_there(bench, work_tree, monkeypatch) -> None:
    root = work_tree.commit_file("a", "1")
    work = {"refs/heads/w": (None, root), "refs/heads/x": (None, root)}
    bench.push(work, bench.pack(work_tree.folder, "HEAD"))
    counts = count_transactions(bench, monkeypatch)
    with held(bench, root) as begin:
        for name in "abc":
            begin({f"refs/heads/{name}": (None, root)})
    assert counts == [1, 3]


def test_of_two_for_the_same_ref_the_first_wins_and_the_other_leaves_nothing(begun, work_tree) -> None:
    root = begun.refs[MAIN]
    tips = []
    for at in range(2):
        work_tree("checkout", "-q", "-B", f"b{at}", root)
        tips.append(work_tree.commit_file("b", f"{at}"))
    with held(begun) as begin:
        for tip in tips:
            begin({MAIN: (root, tip)}, begun.pack(work_tree.folder, tip, exclude=(root,)))
    assert error_of(begin.receipts[1]) is None
    assert "stale" in error_of(begin.receipts[2])
    assert begun.refs[MAIN] == tips[0]
    recorded = begun.hosting.catalogue.list_packs(begun.repository.record.id)
    assert packs.list_packs(begun.repository.git_dir / "objects" / "pack") == recorded


def test_the_same_pack_for_two_refs_comes_once(begun, work_tree) -> None:
    root = begun.refs[MAIN]
    tip = work_tree.commit_file("b", "2")
    pack = begun.pack(work_tree.folder, tip, exclude=(root,))
    with held(begun) as begin:
        begin({"refs/heads/b": (None, tip)}, pack)
        begin({"refs/heads/c": (None, tip)}, pack)
    assert [error_of(receipt) for receipt in begin.receipts] == [None] * 3
    assert begun.refs["refs/heads/b"] == begun.refs["refs/heads/c"] == tip
    begun.fsck()


def test_one_that_the_catalogue_refuses_does_not_hold_up_the_others(begun, work_tree, monkeypatch) -> None:
    """Somebody at another machine moves a ref between the last look and the transaction."""
    root = begun.refs[MAIN]
    tip = work_tree.commit_file("b", "2")
    pack = begun.pack(work_tree.folder, tip, exclude=(root,))
    catalogue = begun.hosting.catalogue
    together = catalogue.admit_all

    def overtaken(admissions):
        update = RefUpdate(RefName(MAIN.encode()), None, Anything())
        catalogue.admit(
            Admission(begun.repository.record.id, "evt_rival", EventKind.PUSH, 0, "eve", None, "", (update,))
        )
        return together(admissions)

    monkeypatch.setattr(catalogue, "admit_all", overtaken)
    with held(begun) as begin:
        begin({"refs/heads/b": (None, root)})
        begin({MAIN: (root, tip)}, pack)
        begin({"refs/heads/c": (None, root)})
    assert [error_of(begin.receipts[at]) for at in (0, 1, 3)] == [None] * 3
    assert "stale" in error_of(begin.receipts[2])
    recorded = catalogue.list_packs(begun.repository.record.id)
    assert packs.list_packs(begun.repository.git_dir / "objects" / "pack") == recorded


def test_a_bound_that_they_share_holds(make_bench, work_tree) -> None:
    bench = make_bench(limits=Limits(refs_max=3))
    root = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, root)}, bench.pack(work_tree.folder, "HEAD"))
    with held(bench) as begin:
        for name in "bcd":
            begin({f"refs/heads/{name}": (None, root)})
    assert [error_of(receipt) is None for receipt in begin.receipts] == [True, True, False, False]
    assert len(bench.refs) == 3


def test_a_name_that_is_a_folder_of_anothers_is_refused(begun) -> None:
    root = begun.refs[MAIN]
    with held(begun) as begin:
        begin({"refs/heads/a": (None, root)})
        begin({"refs/heads/a/b": (None, root)})
        begin({"refs/heads/c": (None, root)})
    assert [error_of(begin.receipts[at]) for at in (1, 3)] == [None, None]
    assert "collides" in error_of(begin.receipts[2])


def test_an_unknown_outcome_is_told_to_all_and_their_packs_stay(begun, work_tree, monkeypatch) -> None:
    root = begun.refs[MAIN]
    tip = work_tree.commit_file("b", "2")

    def break_off(admissions):
        raise OutcomeUnknown(f"the database broke off during a commit of {len(admissions)}")

    monkeypatch.setattr(begun.hosting.catalogue, "admit_all", break_off)
    with held(begun) as begin:
        begin({"refs/heads/b": (None, tip)}, begun.pack(work_tree.folder, tip, exclude=(root,)))
        begin({"refs/heads/c": (None, root)})
    assert [type(receipt) for receipt in begin.receipts[1:]] == [OutcomeUnknown] * 2
    pack_dir = begun.repository.git_dir / "objects" / "pack"
    assert len(packs.list_packs(pack_dir)) == 2, "it may be what the refs need"


def test_a_disk_that_fails_fails_all_and_leaves_nothing(begun, work_tree, monkeypatch) -> None:
    root = begun.refs[MAIN]
    tip = work_tree.commit_file("b", "2")
    before = begun.files

    def fail(*_: object) -> None:
        raise StorageFailed("no space")

    monkeypatch.setattr(packs, "place", fail)
    with held(begun) as begin:
        begin({"refs/heads/b": (None, tip)}, begun.pack(work_tree.folder, tip, exclude=(root,)))
        begin({"refs/heads/c": (None, root)})
    assert [type(receipt) for receipt in begin.receipts[1:]] == [StorageFailed] * 2
    assert begun.files == before
    assert set(begun.refs) == {MAIN, "refs/heads/first"}


def test_objects_that_were_dropped_meanwhile_are_looked_for_again(begun, work_tree) -> None:
    """A pruning between the checks of a push and its turn; see `test_prune.py` for the real one."""
    root = begun.refs[MAIN]
    looked: list[str] = []
    begun.receiver._step = looked.append
    with held(begun) as begin:
        begin({"refs/heads/b": (None, root)})
        begun.hosting.catalogue.admit(
            Admission(begun.repository.record.id, "evt_prune", EventKind.PRUNED, 0, "ada", None, "")
        )
    assert error_of(begin.receipts[1]) is None
    assert looked.count("connected") == 2 + 2
