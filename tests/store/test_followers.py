"""Followers: in order, at their own pace, resumed after every kind of end, and none in another's way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.folders import make_data_folder

from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.clock import CountingIds, ManualClock
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.followers import EVENTS_PER_STEP, FollowerRunner, FollowerStatus, Stopped
from imprint.store.hosting.repositories import Hosting
from imprint.store.limits import Limits
from imprint.store.refs.export import RefExport
from imprint.store.transcripts.memory import MemoryTranscripts
from imprint.store.types import RepositoryName

APP = RepositoryName("acme", "app")


class Recorder:
    """A follower that keeps the sequences it was given in a file per repository: its derived data."""

    def __init__(self, folder, name="recorder"):
        self.name = name
        self.folder = folder
        self.steps = []
        self.fault = None
        self.gate = None
        folder.mkdir(exist_ok=True)

    def path(self, repository_id):
        return self.folder / f"{self.name}-{repository_id}.json"

    def sequences(self, repository_id):
        path = self.path(repository_id)
        return json.loads(path.read_text()) if path.exists() else []

    def position(self, repository_id):
        return max(self.sequences(repository_id), default=0)

    def follow(self, repository, events):
        if self.gate:
            self.gate.wait(30)
        if self.fault:
            raise self.fault
        self.steps.append((repository.record.id, [event.sequence for event in events]))
        known = self.sequences(repository.record.id)
        partial = self.folder / "partial"
        partial.write_text(json.dumps([*known, *(event.sequence for event in events)]))
        partial.replace(self.path(repository.record.id))

    def forget(self, repository_id):
        self.path(repository_id).unlink(missing_ok=True)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def hosting(tmp_path, clock):
    folder = make_data_folder(tmp_path / "data")
    opened = Hosting(folder, MemoryCatalogue(), MemoryTranscripts(), clock, CountingIds(), Limits())
    yield opened
    opened.close()


@pytest.fixture
def app(hosting):
    return hosting.create(APP, None).record.id


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path / "derived")


@pytest.fixture
def make_runner(hosting):
    runners = []

    def make(*followers, **options):
        runners.append(FollowerRunner(hosting, followers, **{"poll_seconds": 0.02, **options}))
        return runners[-1]

    yield make
    for runner in runners:
        assert runner.stop(30)


def add_events(hosting, count, name=APP):
    for number in range(count):
        hosting.set_head(name, f"branch-{number}", None)


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


# -- without threads ---------------------------------------------------------------------------------------


def test_catching_up_gives_every_event_once_and_in_order(hosting, app, recorder, make_runner):
    add_events(hosting, 4)
    runner = make_runner(recorder)
    assert runner.catch_up()
    assert recorder.sequences(app) == [1, 2, 3, 4, 5]
    add_events(hosting, 1)
    assert runner.catch_up()
    assert recorder.sequences(app) == [1, 2, 3, 4, 5, 6]


def test_many_events_come_in_steps_and_other_repositories_have_their_turn(
    hosting, app, recorder, make_runner
):
    other = hosting.create(RepositoryName("acme", "other"), None).record.id
    add_events(hosting, 2 * EVENTS_PER_STEP + 5)
    assert make_runner(recorder).catch_up()
    assert recorder.sequences(app) == list(range(1, 2 * EVENTS_PER_STEP + 7))
    assert [len(sequences) for _, sequences in recorder.steps if len(sequences) > 1] == [
        EVENTS_PER_STEP, EVENTS_PER_STEP, 6
    ]  # fmt: skip
    assert [repository_id for repository_id, _ in recorder.steps][:2] == [app, other]


def test_a_new_runner_goes_on_where_the_last_one_was(hosting, app, recorder, make_runner, tmp_path):
    assert make_runner(recorder).catch_up()
    add_events(hosting, 2)
    again = Recorder(tmp_path / "derived")
    assert make_runner(again).catch_up()
    assert again.steps == [(app, [2, 3])]


def test_a_follower_without_its_data_begins_again(hosting, app, recorder, make_runner, tmp_path):
    add_events(hosting, 1)
    assert make_runner(recorder).catch_up()
    recorder.path(app).unlink()
    again = Recorder(tmp_path / "derived")
    assert make_runner(again).catch_up()
    assert again.sequences(app) == [1, 2]


def test_nothing_to_follow_is_caught_up_at_once(make_runner, recorder):
    assert make_runner(recorder).catch_up(timeout=0)


def test_the_status_says_how_far_each_follower_is(hosting, app, make_runner, tmp_path):
    first, second = Recorder(tmp_path / "derived", "first"), Recorder(tmp_path / "derived", "second")
    runner = make_runner(first, second)
    assert runner.catch_up()
    add_events(hosting, 1)
    assert runner.status() == [
        FollowerStatus("first", "acme/app", 1, 2), FollowerStatus("second", "acme/app", 1, 2)
    ]  # fmt: skip


def test_a_failing_follower_is_told_and_stops_neither_the_others_nor_the_caller(
    hosting, app, make_runner, tmp_path
):
    bad, good = Recorder(tmp_path / "derived", "bad"), Recorder(tmp_path / "derived", "good")
    bad.fault = RuntimeError("it broke")
    runner = make_runner(bad, good)
    assert not runner.catch_up()
    assert good.sequences(app) == [1]
    assert runner.status() == [
        FollowerStatus("bad", "acme/app", 0, 1, "RuntimeError: it broke"),
        FollowerStatus("good", "acme/app", 1, 1),
    ]
    bad.fault = None
    assert runner.catch_up()
    assert runner.status()[0] == FollowerStatus("bad", "acme/app", 1, 1)


def test_a_follower_that_does_not_move_on_is_failing_and_not_asked_for_ever(app, make_runner, recorder):
    recorder.position = lambda repository_id: 0
    runner = make_runner(recorder)
    assert not runner.catch_up()
    assert "did not move on" in runner.status()[0].error


def test_a_deleted_repository_is_not_followed_and_a_restored_one_is(hosting, app, recorder, make_runner):
    runner = make_runner(recorder)
    hosting.delete(APP, None)
    assert runner.catch_up()
    assert (recorder.steps, runner.status()) == ([], [])
    hosting.restore(APP, None)
    assert runner.catch_up()
    assert recorder.sequences(app) == [1, 2, 3]


@pytest.mark.parametrize("same_runner", [True, False], ids=["while following", "while nobody follows"])
def test_what_is_derived_from_a_destroyed_repository_is_dropped(
    hosting, app, recorder, clock, make_runner, *, same_runner
):
    runner = make_runner(recorder)
    assert runner.catch_up()
    assert recorder.path(app).exists()
    hosting.delete(APP, None, grace_ms=0)
    clock.advance(1)
    assert hosting.purge_due() == 1
    runner = runner if same_runner else make_runner(recorder)
    runner.start()
    wait_until(lambda: not recorder.path(app).exists())
    followed = hosting.folder.root / "derived" / "followed"
    wait_until(lambda: app not in followed.read_text())


# -- with threads ------------------------------------------------------------------------------------------


def test_an_event_that_is_announced_is_followed_at_once(hosting, app, recorder, make_runner):
    runner = make_runner(recorder, poll_seconds=60)
    runner.start()
    wait_until(lambda: recorder.sequences(app) == [1])
    add_events(hosting, 1)
    runner.wake(app)
    wait_until(lambda: recorder.sequences(app) == [1, 2])


def test_an_event_that_nobody_announced_is_found(hosting, app, recorder, make_runner):
    make_runner(recorder).start()
    add_events(hosting, 3)
    wait_until(lambda: recorder.sequences(app) == [1, 2, 3, 4])


def test_catching_up_waits_for_the_threads(hosting, app, recorder, make_runner):
    runner = make_runner(recorder, poll_seconds=60)
    runner.start()
    for _ in range(5):
        add_events(hosting, 3)
        assert runner.catch_up(timeout=20)
        assert recorder.position(app) == hosting.catalogue.get_repository(app).generation


def test_catching_up_gives_up_after_its_time(app, recorder, make_runner):
    recorder.gate = threading.Event()
    runner = make_runner(recorder)
    runner.start()
    assert not runner.catch_up(timeout=0.1)
    recorder.gate.set()
    assert runner.catch_up(timeout=20)


def test_a_follower_that_failed_is_tried_again_by_itself(hosting, app, recorder, make_runner):
    recorder.fault = RuntimeError("for now")
    runner = make_runner(recorder)
    runner.start()
    wait_until(lambda: runner.status()[0].error)
    recorder.fault = None
    wait_until(lambda: recorder.sequences(app) == [1])
    wait_until(lambda: runner.status()[0].error is None)


def test_a_follower_that_keeps_failing_is_tried_ever_more_rarely(app, recorder, make_runner):
    tries = []
    recorder.follow = lambda repository, events: tries.append(time.monotonic()) or 1 / 0
    make_runner(recorder, poll_seconds=0.005).start()
    wait_until(lambda: len(tries) == 3)
    first, second = tries[1] - tries[0], tries[2] - tries[1]
    assert first >= 0.25
    assert second >= 0.5


def test_a_slow_follower_does_not_hold_up_the_others(hosting, app, make_runner, tmp_path):
    slow, quick = Recorder(tmp_path / "derived", "slow"), Recorder(tmp_path / "derived", "quick")
    slow.gate = threading.Event()
    runner = make_runner(slow, quick)
    runner.start()
    add_events(hosting, 2)
    wait_until(lambda: quick.sequences(app) == [1, 2, 3])
    wait_until(lambda: "slow" in runner.list_working())
    assert slow.sequences(app) == []
    assert not runner.stop(0.05), "it says that a follower has not ended"
    slow.gate.set()
    assert runner.stop(20)


def test_after_stopping_nothing_is_followed(hosting, app, recorder, make_runner):
    runner = make_runner(recorder)
    runner.start()
    wait_until(lambda: recorder.sequences(app) == [1])
    assert runner.stop(20)
    add_events(hosting, 1)
    runner.wake(app)
    time.sleep(0.1)
    assert recorder.sequences(app) == [1]


def test_a_follower_may_leave_its_step_when_told_to_stop(hosting, app, recorder, make_runner, caplog):
    stopping, begun = threading.Event(), threading.Event()

    def follow(repository, events):
        begun.set()
        assert stopping.wait(20)
        raise Stopped

    recorder.follow = follow
    runner = make_runner(recorder, stopping=stopping)
    runner.start()
    assert begun.wait(20)
    assert runner.list_working() == ["recorder"]
    runner.ask_to_stop()
    assert runner.stop(20)
    assert runner.list_working() == []
    assert [status.error for status in runner.status()] == [None]
    assert caplog.records == []


def test_a_runner_that_was_never_started_stops_at_once(make_runner, recorder):
    assert make_runner(recorder).stop()


# -- several processes -------------------------------------------------------------------------------------


def test_of_two_runners_one_follows_and_the_other_takes_over(hosting, app, make_runner, tmp_path):
    first, second = Recorder(tmp_path / "first"), Recorder(tmp_path / "second")
    leading, waiting = make_runner(first), make_runner(second)
    leading.start()
    wait_until(lambda: first.sequences(app) == [1])
    waiting.start()
    add_events(hosting, 1)
    wait_until(lambda: first.sequences(app) == [1, 2])
    assert second.steps == []
    assert leading.stop(20)
    wait_until(lambda: second.sequences(app) == [1, 2])


def test_catching_up_beside_another_runner_waits_for_its_work(hosting, app, recorder, make_runner, tmp_path):
    leading, beside = make_runner(recorder), make_runner(Recorder(tmp_path / "derived"))
    leading.start()
    add_events(hosting, 2)
    assert beside.catch_up(timeout=20)
    assert recorder.sequences(app) == [1, 2, 3]


FOLLOWING = """
import sys, time
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.followers import FollowerRunner
from imprint.store.hosting.repositories import Hosting
from imprint.store.refs.export import RefExport

hosting = Hosting.open(DataFolder.create_or_open(Path(sys.argv[1])))
FollowerRunner(hosting, [RefExport(hosting)], poll_seconds=0.02).start()
time.sleep(120)
"""


def test_a_killed_process_is_succeeded_by_another(tmp_path):
    hosting = Hosting.open(DataFolder.create_or_open(tmp_path / "data"))
    app = hosting.create(APP, None).record.id
    export = RefExport(hosting)
    runner = FollowerRunner(hosting, [export], poll_seconds=0.02)
    process = subprocess.Popen([sys.executable, "-c", FOLLOWING, str(tmp_path / "data")])
    try:
        wait_until(lambda: export.position(app) == 1, 60)
        runner.start()
        os.kill(process.pid, signal.SIGSTOP)
        add_events(hosting, 1)
        time.sleep(0.1)
        assert export.position(app) == 1, "a process that lives, however slow, keeps its place"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: export.position(app) == 2)
    finally:
        process.kill()
        process.wait()
        assert runner.stop(20)
        hosting.close()
