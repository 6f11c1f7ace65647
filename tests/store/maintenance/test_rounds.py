"""Rounds of maintenance: few packs, fresh lookups, and every accepted object where it can be read."""

import io
import shutil
import threading
import time

import pytest

from imprint.store.errors import Conflict, StorageFailed, StoreError
from imprint.store.events import PackRecord
from imprint.store.hosting.followers import FollowerRunner, Stopped
from imprint.store.limits import Limits
from imprint.store.maintenance.geometry import choose_packs
from imprint.store.maintenance.graph import list_layers, write_graph
from imprint.store.maintenance.lookup import has_bitmap, read_covered
from imprint.store.maintenance.repack import join_packs, repack_all
from imprint.store.maintenance.retired import grace_ms, remove_retired
from imprint.store.maintenance.rounds import PAUSE_MS_MIN, MaintenanceFollower, clean_up, maintain
from imprint.store.maintenance.state import read_state
from imprint.store.maintenance.survey import survey
from imprint.store.maintenance.work import STEPS, Work, exclusively
from imprint.store.objects.folder import PackFolder
from imprint.store.objects.ports import Identity
from imprint.store.plumbing import Plumbing
from imprint.store.receive import packs
from imprint.store.receive.quarantine import quarantines_dir
from imprint.store.types import HashAlgorithm

MAIN = "refs/heads/main"
WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)


# -- the geometric rule --------------------------------------------------------------------------------------


def chosen(*counts: int, bytes_max: int = 10**9) -> list[int]:
    records = [PackRecord(f"pack-{i}", count, count) for i, count in enumerate(counts)]
    return sorted(record.object_count for record in choose_packs(records, bytes_max))


@pytest.mark.parametrize(
    ("counts", "joined"),
    [
        ((), []),
        ((5,), []),
        ((1, 2, 4, 8), []),
        ((3, 3), [3, 3]),
        ((3, 3, 100), [3, 3]),
        ((3, 3, 10, 100), [3, 3, 10]),
        ((3, 3, 12, 100), [3, 3]),
        ((1, 1, 1, 6, 13, 60), [1, 1, 1]),
        ((50, 100, 60), [50, 60, 100]),
    ],
)
def test_packs_that_break_the_rule_are_joined_with_those_that_their_sum_would_break(counts, joined) -> None:
    assert chosen(*counts) == joined


def test_a_large_pack_is_left_alone() -> None:
    assert chosen(3, 3, 4, 1000, bytes_max=999) == [3, 3, 4]
    assert chosen(600, 1000, bytes_max=999) == []


def test_over_many_pushes_few_packs_remain_and_little_is_written_twice() -> None:
    records = [PackRecord("pack-big", 60_000, 60_000)]
    written = 0
    for number in range(2000):
        records.append(PackRecord(f"pack-{number}", 3, 3))
        if len(joined := choose_packs(records, 10**9)) >= 32:
            total = sum(each.object_count for each in joined)
            written += total
            records = [each for each in records if each not in joined]
            records.append(PackRecord(f"joined-{number}", total, total))
    assert len(records) < 32 + 11
    assert written < 6000 * 11


# -- rounds --------------------------------------------------------------------------------------------------


def test_many_small_packs_become_one_and_stay_readable(yard) -> None:
    for _ in range(12):
        yard.commit()
    report = maintain(yard.work)
    assert (report.packs_before, report.packs_after, report.indexed) == (12, 1, True)
    assert survey(yard.work).uncovered == 0
    yard.check()
    again = maintain(yard.work)
    assert (again.packs_after, again.indexed) == (1, False)


def test_a_new_commit_does_not_rewrite_what_is_large(yard) -> None:
    for _ in range(12):
        yard.commit()
    maintain(yard.work)
    (large,) = yard.work.list_live()
    for _ in range(4):
        yard.commit()
    maintain(yard.work)
    assert large in yard.work.list_live()
    assert len(yard.work.list_live()) == 2
    yard.check()


def test_what_no_ref_reaches_lies_in_a_pack_of_its_own_and_stays_accepted(yard) -> None:
    for _ in range(4):
        yard.commit()
    lost = yard.commit("refs/heads/topic")
    yard.delete("refs/heads/topic")
    yard.commit(MAIN, rooted=True)
    maintain(yard.work, everything=True)
    state = read_state(yard.bench.repository.git_dir)
    (aside,) = state.aside
    with packs.PackIndex(yard.pack_dir / f"{aside}.idx", HashAlgorithm.SHA1) as index:
        assert lost in index
        assert len(index) == 5 * 3
    yard.check()
    yard.commit()
    yard.commit()
    maintain(yard.work)
    assert aside in yard.work.list_live()
    yard.check()
    assert yard.bench.push({"refs/heads/again": (None, lost)}, None).event
    maintain(yard.work, everything=True)
    yard.check()


def test_all_refs_may_be_gone(yard) -> None:
    yard.commit("refs/tags/v1")
    yard.commit("refs/tags/v1")
    yard.delete("refs/tags/v1")
    maintain(yard.work, everything=True)
    yard.check()
    assert not has_bitmap(yard.pack_dir)


def test_an_empty_repository_has_nothing_to_do(yard) -> None:
    report = maintain(yard.work, everything=True)
    assert (report.packs_before, report.packs_after) == (0, 0)


def test_git_reads_the_lookups(yard) -> None:
    for _ in range(5):
        head = yard.commit()
    maintain(yard.work)
    assert read_covered(yard.pack_dir) == yard.work.list_live()
    assert has_bitmap(yard.pack_dir)
    plumbing = Plumbing(yard.bench.repository.git_dir)
    plumbing.run("multi-pack-index", "verify")
    plumbing.run("commit-graph", "verify")
    listed = plumbing.run("rev-list", "--use-bitmap-index", "--test-bitmap", head)
    assert listed == b""


def test_the_commit_graph_grows_by_layers_and_old_layers_go(yard) -> None:
    for _ in range(40):
        yard.commit()
    write_graph(yard.work)
    (first,) = list_layers(yard.work.git_dir)
    yard.commit()
    write_graph(yard.work)
    assert list_layers(yard.work.git_dir)[0] == first
    assert len(list_layers(yard.work.git_dir)) == 2
    for _ in range(3):
        write_graph(yard.work, anew=True)
    folder = yard.work.git_dir / "objects" / "info" / "commit-graphs"
    assert [path.name for path in folder.glob("*.graph")] == [
        f"graph-{each}.graph" for each in list_layers(yard.work.git_dir)
    ]
    Plumbing(yard.work.git_dir).run("commit-graph", "verify")


# -- retired packs -------------------------------------------------------------------------------------------


def test_retired_packs_go_in_two_steps(yard) -> None:
    for _ in range(3):
        yard.commit()
    before = yard.work.list_live()
    maintain(yard.work)
    assert yard.work.list_retired().keys() == before
    assert remove_retired(yard.work) == ()
    assert all(packs.is_whole(name, yard.pack_dir) for name in before)
    yard.wait()
    assert maintain(yard.work).removed == ()
    assert {path.suffix for name in before for path in yard.pack_dir.glob(f"{name}.*")} == {
        ".pack",
        ".keep",
    }
    yard.check()
    assert remove_retired(yard.work) == ()
    yard.wait()
    assert set(clean_up(yard.work).retired) == before
    assert yard.work.list_retired() == {}
    assert packs.list_packs(yard.pack_dir) == yard.work.list_live()
    yard.check()


def test_a_grace_is_never_shorter_than_a_run_of_git_may_take() -> None:
    assert grace_ms(Limits(retired_seconds_min=1, plumbing_seconds_max=60)) == 60_000
    assert grace_ms(Limits(retired_seconds_min=90, plumbing_seconds_max=60)) == 90_000


@pytest.mark.parametrize("waits", [0, 1, 2])
def test_a_retired_pack_that_is_pushed_again_is_live_again(yard, waits) -> None:
    """Its rows are revived, its files come back if they had begun to go, and no later round takes them."""
    new = yard.commit()
    pack = io.BytesIO()
    (name,) = yard.work.list_live()
    content = (yard.pack_dir / f"{name}.pack").read_bytes()
    pack.write(content)
    yard.commit()
    maintain(yard.work)
    assert name in yard.work.list_retired()
    for _ in range(waits):
        yard.wait()
        remove_retired(yard.work)
    assert yard.bench.push({"refs/heads/again": (None, new)}, content).event
    assert name in yard.work.list_live()
    for _ in range(3):
        yard.wait()
        remove_retired(yard.work)
    assert packs.is_whole(name, yard.pack_dir)
    yard.check()


def test_a_pack_that_is_pushed_while_it_is_about_to_go_stays(make_yard) -> None:
    """The push holds the lock first; whoever removes looks at the row again under the lock."""
    yard = make_yard()
    new = yard.commit()
    (name,) = yard.work.list_live()
    content = (yard.pack_dir / f"{name}.pack").read_bytes()
    yard.commit()
    maintain(yard.work)
    yard.wait()
    removing = threading.Thread(target=remove_retired, args=(yard.work,))

    def step(reached: str) -> None:
        if reached == "locked":
            removing.start()
            time.sleep(0.3)

    yard.bench.receiver._step = step
    assert yard.bench.push({"refs/heads/again": (None, new)}, content).event
    removing.join()
    assert name in yard.work.list_live()
    assert packs.is_whole(name, yard.pack_dir)
    yard.check()


def test_nothing_goes_while_the_index_in_place_names_it(yard) -> None:
    for _ in range(3):
        yard.commit()
    maintain(yard.work)
    Plumbing(yard.work.git_dir).run("multi-pack-index", "write")
    assert read_covered(yard.pack_dir) > yard.work.list_live()
    yard.wait()
    remove_retired(yard.work)
    assert read_covered(yard.pack_dir) == yard.work.list_live()
    yard.check()


def test_nothing_goes_while_a_live_pack_is_missing(yard) -> None:
    for _ in range(3):
        yard.commit()
    before = yard.work.list_live()
    maintain(yard.work)
    (new,) = yard.work.list_live()
    yard.wait()
    (yard.pack_dir / f"{new}.pack").rename(yard.pack_dir / "away")
    assert remove_retired(yard.work) == ()
    assert all(packs.is_whole(name, yard.pack_dir) for name in before)


def test_a_reader_from_before_goes_on_while_packs_are_replaced_under_it(yard) -> None:
    """A git process that has listed the packs, and a reader in this process with some of them open."""
    for _ in range(30):
        head = yard.commit()
    objects = yard.bench.repository.view.objects
    objects.read_commit(head)
    plumbing = Plumbing(yard.work.git_dir)
    with plumbing.stream("cat-file", "--batch-check", "--buffer") as process:
        process.stdin.write(f"{head}\n".encode())
        process.stdin.flush()
        maintain(yard.work)
        yard.wait()
        remove_retired(yard.work)
        process.stdin.write("".join(f"{each}\n" for each in yard.accepted).encode())
        process.stdin.close()
        assert b"missing" not in process.stdout.read()
        process.finish()
    yard.check()


# -- races and crashes ---------------------------------------------------------------------------------------


def test_pushes_go_on_while_packs_are_written(yard) -> None:
    for _ in range(5):
        yard.commit()
    pushed = []

    def step(reached: str) -> None:
        if reached in {"packed", "verified", "released", "indexed"}:
            pushed.append(yard.commit())

    maintain(Work(yard.bench.repository, yard.bench.hosting, step=step))
    assert len(pushed) == 4
    yard.check()


def test_of_two_that_replace_a_pack_one_fails_and_leaves_no_file(yard) -> None:
    for _ in range(2):
        yard.commit()
    names = yard.work.list_live()

    def step(reached: str) -> None:
        if reached == "verified":
            join_packs(yard.work, names)

    for _ in range(2):
        yard.commit()
    with pytest.raises(Conflict):
        repack_all(Work(yard.bench.repository, yard.bench.hosting, step=step), better=False)
    yard.check()


class Died(Exception):
    pass


@pytest.mark.parametrize("step", STEPS)
def test_a_round_that_dies_at_any_step_leaves_a_whole_repository(yard, step) -> None:
    for _ in range(4):
        yard.commit()
    yard.commit("refs/heads/topic")
    yard.delete("refs/heads/topic")

    def die(reached: str) -> None:
        if reached == step:
            raise Died

    dying = Work(yard.bench.repository, yard.bench.hosting, step=die)
    if step == "adopted":
        maintain(yard.work)
        (lost, *_) = sorted(yard.work.list_live())
        for path in yard.pack_dir.glob(f"{lost}.*"):
            path.unlink()
    try:
        for _ in range(4):
            maintain(dying)
            yard.wait()
            yard.commit()
    except Died:
        pass
    else:
        pytest.fail("the step was never reached")
    clean_up(yard.work)
    yard.check()
    for _ in range(3):
        maintain(yard.work)
        yard.wait()
    assert not any(quarantines_dir(yard.work.git_dir).iterdir())
    yard.check()
    assert not yard.work.list_retired() or step == "adopted"


def test_a_round_stops_soon_and_the_next_one_goes_on(yard) -> None:
    for _ in range(4):
        yard.commit()
    stopping = threading.Event()
    work = Work(yard.bench.repository, yard.bench.hosting, stopping.is_set)
    timer = threading.Timer(0.2, stopping.set)
    with work.workshop() as shop:
        timer.start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            work.run(shop.beside, "-c", "alias.wait=!exec sleep 60", "wait")
    timer.join()
    assert time.monotonic() - began < 5
    with pytest.raises(Stopped):
        maintain(work)
    maintain(yard.work)
    yard.check()


def test_only_one_maintains_a_repository_at_a_time(yard) -> None:
    with exclusively(yard.work) as first, exclusively(yard.work, wait=False) as second:
        assert (first, second) == (True, False)
        stopped = Work(yard.bench.repository, yard.bench.hosting, lambda: True)
        with pytest.raises(Stopped), exclusively(stopped):
            pass


# -- by itself -----------------------------------------------------------------------------------------------


def test_the_follower_waits_until_there_are_enough_packs(make_yard) -> None:
    yard = make_yard(Limits(maintain_packs_min=4))
    hosting, repository = yard.bench.hosting, yard.bench.repository
    runner = FollowerRunner(hosting, [MaintenanceFollower(hosting)])
    for _ in range(3):
        yard.commit()
    assert runner.catch_up(30)
    assert len(yard.work.list_live()) == 3
    yard.commit()
    assert runner.catch_up(30)
    assert len(yard.work.list_live()) == 1
    assert MaintenanceFollower(hosting).position(repository.record.id) == repository.record.generation + 4
    yard.check()


def test_a_round_uses_no_more_than_the_open_files_there_are(yard, monkeypatch) -> None:
    """More packs than may be joined at once are joined in portions."""
    monkeypatch.setattr("imprint.store.maintenance.rounds.JOIN_MAX", 4)
    for _ in range(11):
        yard.commit()
    maintain(yard.work)
    assert len(yard.work.list_live()) == 1
    yard.check()
    for _ in range(6):
        yard.commit()
    maintain(yard.work, everything=True)
    assert len(yard.work.list_live()) == 1
    yard.check()


def test_a_repository_of_sha256_is_maintained_alike(make_bench, git_client, tmp_path) -> None:
    bench = make_bench(algorithm=HashAlgorithm.SHA256)
    (tmp_path / "work").mkdir()
    git = git_client(tmp_path / "work")
    git("init", "-q", "-b", "main", "--object-format=sha256")
    old = None
    for number in range(4):
        new = git.commit_file("a.txt", f"{number}\n")
        exclude = (old,) if old else ()
        assert bench.push({MAIN: (old, new)}, bench.pack(git.folder, new, exclude=exclude)).event
        old = new
    work = Work(bench.repository, bench.hosting)
    assert maintain(work).packs_after == 1
    assert read_covered(work.pack_dir) == work.list_live()
    assert has_bitmap(work.pack_dir)
    assert len(list_layers(work.git_dir)) == 1
    for _ in range(2):
        bench.hosting.clock.advance(grace_ms(bench.hosting.limits))
        maintain(work)
    assert packs.list_packs(work.pack_dir) == work.list_live()
    bench.fsck()


# -- trouble -------------------------------------------------------------------------------------------------


def test_a_round_that_fails_is_not_tried_again_at_once(make_yard) -> None:
    """A damaged pack stays damaged: rounds would take the machine for nothing."""
    yard = make_yard(Limits(maintain_packs_min=3))
    for _ in range(3):
        yard.commit()
    hosting, repository = yard.bench.hosting, yard.bench.repository
    damaged = yard.pack_dir / f"{min(yard.work.list_live())}.pack"
    content = damaged.read_bytes()
    damaged.chmod(0o600)
    damaged.write_bytes(content[:40] + b"damage" + content[46:])
    tries = []
    follower = MaintenanceFollower(hosting, step=tries.append)
    events = hosting.catalogue.list_events(repository.record.id)
    before = yard.work.list_live()
    for pause_ms in (0, PAUSE_MS_MIN - 1, 1, PAUSE_MS_MIN, PAUSE_MS_MIN):
        hosting.clock.advance(pause_ms)
        with pytest.raises(StoreError):
            follower.follow(repository, events)
    assert tries == ["planned"] * 3, "at once, after one pause, and after one twice as long"
    assert yard.work.list_live() == before
    assert yard.work.list_retired() == {}
    damaged.write_bytes(content)
    hosting.clock.advance(4 * PAUSE_MS_MIN)
    follower.follow(repository, events)
    assert len(yard.work.list_live()) == 1
    yard.check()


def test_a_disk_without_room_is_not_filled(yard) -> None:
    for _ in range(3):
        yard.commit()
    files = sorted(yard.pack_dir.iterdir())
    free = shutil.disk_usage(yard.pack_dir).free
    yard.bench.hosting.limits = Limits(quarantine_bytes_free_min=free * 2)
    with pytest.raises(StorageFailed, match="are free"):
        maintain(yard.work)
    assert sorted(yard.pack_dir.iterdir()) == files


def test_readers_in_this_process_never_miss_an_object(yard) -> None:
    """They read all the time, from several threads, while packs are joined, retired and removed."""
    for _ in range(6):
        yard.commit()
    objects = yard.bench.repository.view.objects
    over = threading.Event()
    faults: list[BaseException] = []
    count = 0

    def read() -> None:
        nonlocal count
        try:
            while not over.is_set():
                for each in list(yard.accepted):
                    objects.read_raw(each)
                    count += 1
        except BaseException as fault:  # noqa: BLE001 - shown by the test
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(4):
        yard.commit()
        yard.commit()
        maintain(yard.work, everything=number % 2 == 0)
        for _ in range(2):
            yard.wait()
            remove_retired(yard.work)
    over.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert count > 100
    yard.check()


def test_a_pack_that_went_while_it_was_listed_is_found_when_it_comes_again(tmp_path) -> None:
    """As when a retired pack has lost its index and is pushed once more."""

    class Once:
        """A reader to whom each pack is gone at first."""

        def __init__(self) -> None:
            self.asked = 0

        def list_ids(self, stem, at_most):
            self.asked += 1
            if self.asked == 1:
                raise FileNotFoundError(stem)
            return [b"\x01" * 20]

    for suffix in (".pack", ".idx"):
        (tmp_path / f"pack-a{suffix}").touch()
    reader = Once()
    folder = PackFolder(tmp_path, reader)
    folder.rescan()
    folder.rescan()
    folder.rescan()
    assert reader.asked == 2
