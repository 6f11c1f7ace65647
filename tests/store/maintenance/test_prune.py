"""Dropping objects on request: exactly what nothing has reached for long, recorded, never under a push."""

import io

import pytest

from imprint.store.errors import Conflict, ObjectMissing
from imprint.store.events import EventKind
from imprint.store.maintenance.lookup import read_covered
from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.retired import grace_ms
from imprint.store.maintenance.rounds import maintain
from imprint.store.maintenance.work import Work
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.git import GitObjects, write_pack
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.types import ObjectId

MAIN = "refs/heads/main"
TOPIC = "refs/heads/topic"
DAY_MS = 24 * 3600 * 1000
WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)


def make(number: int, parent: str | None = None):
    """A commit with a file of its own: its id, and a pack with what is new."""
    blob = f"number {number}\n".encode()
    tree = encode_tree([TreeEntry(b"number.txt", 0o100644, object_id(ObjectKind.BLOB, blob))])
    parents = (ObjectId(parent),) if parent else ()
    commit = encode_commit(object_id(ObjectKind.TREE, tree), parents, WHO, WHO, f"number {number}\n")
    pack = io.BytesIO()
    write_pack([(ObjectKind.BLOB, blob), (ObjectKind.TREE, tree), (ObjectKind.COMMIT, commit)], pack)
    return object_id(ObjectKind.COMMIT, commit), pack.getvalue()


@pytest.fixture
def two(bench):
    """`main` with a commit, and `topic` with another that was deleted two days ago: their ids."""
    first, pack = make(1)
    assert bench.push({MAIN: (None, first)}, pack).event
    second, pack = make(2, first)
    assert bench.push({TOPIC: (None, second)}, pack).event
    assert bench.push({TOPIC: (second, None)}, None).event
    bench.hosting.clock.advance(2 * DAY_MS)
    return first, second


def work_on(bench, **more) -> Work:
    return Work(bench.repository, bench.hosting, **more)


def settle(bench) -> None:
    """Let every retired pack go."""
    for _ in range(2):
        bench.hosting.clock.advance(grace_ms(bench.hosting.limits))
        maintain(work_on(bench))


def is_there(bench, each: str) -> bool:
    objects = GitObjects(bench.repository.git_dir / "objects")
    try:
        objects.read_commit(ObjectId(each))
    except ObjectMissing:
        return False
    finally:
        objects.close()
    return True


def test_what_was_unreached_for_long_is_dropped_and_the_event_says_so(bench, two) -> None:
    first, second = two
    dry = prune(work_on(bench), DAY_MS, dry_run=True)
    assert (dry.objects, dry.event) == (3, None)
    assert dry.size_bytes > 0
    events = bench.events
    report = prune(work_on(bench), DAY_MS)
    assert bench.events == events + 1
    assert report.event.kind is EventKind.PRUNED
    assert report.event.actor == "operator"
    assert report.event.details["objects"] == "3"
    assert report.event.changes == ()
    bench.fsck()
    settle(bench)
    assert (is_there(bench, first), is_there(bench, second)) == (True, False)
    assert read_covered(bench.repository.git_dir / "objects" / "pack") == work_on(bench).list_live()
    bench.fsck()


def test_what_was_reached_lately_stays(bench, two) -> None:
    _, second = two
    assert prune(work_on(bench), 3 * DAY_MS).event is None
    settle(bench)
    assert is_there(bench, second)


def test_what_was_pushed_since_the_cutoff_stays(bench, two) -> None:
    first, second = two
    stray, pack = make(3)
    third, more = make(4, first)
    assert bench.push({"refs/heads/x": (None, stray)}, pack).event
    assert bench.push({MAIN: (first, third)}, more).event
    assert bench.push({"refs/heads/x": (stray, None)}, None).event
    prune(work_on(bench), DAY_MS)
    settle(bench)
    assert (is_there(bench, stray), is_there(bench, second)) == (True, False)
    report = prune(work_on(bench), 0)
    assert report.objects == 3
    settle(bench)
    assert (is_there(bench, stray), is_there(bench, third)) == (False, True)


def test_a_second_prune_finds_values_of_refs_that_are_gone(bench, two) -> None:
    prune(work_on(bench), DAY_MS)
    settle(bench)
    assert prune(work_on(bench), 100 * DAY_MS).event is None
    bench.fsck()


def test_nothing_to_drop_is_no_event(bench) -> None:
    first, pack = make(1)
    bench.push({MAIN: (None, first)}, pack)
    events = bench.events
    assert prune(work_on(bench), 0).event is None
    assert bench.events == events


def test_a_push_that_was_judged_before_the_prune_is_judged_again(make_bench) -> None:
    """It builds on a commit that no ref reaches, which is dropped between its check and its admission."""
    bench = make_bench()
    first, pack = make(1)
    bench.push({MAIN: (None, first)}, pack)
    second, pack = make(2, first)
    bench.push({TOPIC: (None, second)}, pack)
    bench.push({TOPIC: (second, None)}, None)
    bench.hosting.clock.advance(2 * DAY_MS)
    third, pack = make(3, second)
    dropped = []

    def step(reached: str) -> None:
        if reached == "judged" and not dropped:
            dropped.append(prune(work_on(bench), DAY_MS).objects)

    bench.receiver._step = step
    receipt = bench.push({"refs/heads/late": (None, third)}, pack)
    assert dropped == [3]
    assert receipt.event is None
    assert receipt.results[0].error == "missing necessary objects"
    bench.receiver._step = lambda _: None
    settle(bench)
    bench.fsck()
    assert not is_there(bench, third)


def test_a_push_that_needs_nothing_of_what_was_dropped_is_admitted(make_bench) -> None:
    bench = make_bench()
    first, pack = make(1)
    bench.push({MAIN: (None, first)}, pack)
    lost, pack = make(2)
    bench.push({TOPIC: (None, lost)}, pack)
    bench.push({TOPIC: (lost, None)}, None)
    bench.hosting.clock.advance(2 * DAY_MS)
    third, pack = make(3, first)

    def step(reached: str) -> None:
        if reached == "judged":
            assert prune(work_on(bench), DAY_MS).event

    bench.receiver._step = step
    assert bench.push({MAIN: (first, third)}, pack).event
    bench.receiver._step = lambda _: None
    settle(bench)
    bench.fsck()
    assert is_there(bench, third)


def test_what_is_pushed_again_while_the_packs_are_written_is_not_dropped(bench, two) -> None:
    _, second = two

    def step(reached: str) -> None:
        if reached == "planned":
            assert bench.push({TOPIC: (None, second)}, None).event

    events = bench.events
    with pytest.raises(Conflict, match="pushed again"):
        prune(work_on(bench, step=step), DAY_MS)
    assert bench.events == events + 1
    settle(bench)
    assert is_there(bench, second)
    bench.fsck()


def test_what_is_pushed_beside_while_the_packs_are_written_stays(bench, two) -> None:
    first, second = two
    third, pack = make(3, first)

    def step(reached: str) -> None:
        if reached == "planned":
            assert bench.push({MAIN: (first, third)}, pack).event

    assert prune(work_on(bench, step=step), DAY_MS).objects == 3
    settle(bench)
    assert (is_there(bench, third), is_there(bench, second)) == (True, False)
    bench.fsck()


def test_a_dropped_object_may_be_pushed_anew(bench, two) -> None:
    first, second = two
    prune(work_on(bench), DAY_MS)
    _, pack = make(2, first)
    assert bench.push({TOPIC: (None, second)}, pack).event
    settle(bench)
    assert is_there(bench, second)
    bench.fsck()
