"""A mirrored repository follows another: what comes, what goes, steps, crashes, divergence."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from imprint.store.errors import MirrorBusy, MirrorFailed, MirrorMissing, PushRefused
from imprint.store.events import EventKind
from imprint.store.hosting.followers import Stopped
from imprint.store.limits import Limits
from imprint.store.mirror.model import Mirror
from imprint.store.receive.policy import ScopeJudge
from imprint.store.types import HashAlgorithm, ObjectId
from imprint.store.upstream.judge import MirrorJudge
from imprint.store.upstream.schedule import sync_due
from imprint.store.upstream.sync import _alone, sync, workshop_folder


@pytest.fixture
def mirrored(make_bench, work_tree):
    """A bench whose repository mirrors the work tree, and a way to do a round."""
    return Mirrored(make_bench(), work_tree)


class Mirrored:
    """A mirror of a work tree on this machine."""

    def __init__(self, bench, git, **facts) -> None:
        self.bench = bench
        self.git = git
        self.id = bench.repository.record.id
        bench.hosting.mirrors.add(Mirror(self.id, str(git.folder / ".git"), **facts))

    def sync(self, **options):
        return sync(self.bench.hosting, self.bench.receiver, self.id, **options)

    @property
    def state(self):
        return self.bench.hosting.mirrors.find(self.id).state

    def upstream_refs(self) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split() for line in lines)

    def last_event(self):
        return self.bench.hosting.catalogue.list_events(self.id)[-1]


def test_everything_that_the_patterns_mean_comes_along(mirrored):
    git = mirrored.git
    head = git.commit_file("a.txt", "1\n")
    git("tag", "-a", "v1", "-m", "one")
    git("notes", "--ref=ai", "add", "-m", "note")
    git("update-ref", "refs/pull/1/head", git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "request"))
    git("update-ref", "refs/merge-requests/2/head", head)
    git("update-ref", "refs/entire/checkpoints/ab/abc", head)
    git("update-ref", "refs/pull/1/merge", head)
    git("update-ref", "refs/private/x", head)
    git("symbolic-ref", "refs/heads/stable", git("symbolic-ref", "HEAD"))
    report = mirrored.sync()
    expected = {
        name: value
        for name, value in mirrored.upstream_refs().items()
        if name not in {"refs/pull/1/merge", "refs/private/x"}
    }
    assert mirrored.bench.refs == expected
    assert report.changed == len(expected)
    assert (mirrored.state.error, mirrored.state.failures, mirrored.state.waiting) == ("", 0, 0)
    assert mirrored.state.synced_at_ms
    event = mirrored.last_event()
    assert (event.kind, event.details["mirror"]) == (EventKind.IMPORT, "sync")
    assert event.details["source"] == str(git.folder / ".git")
    mirrored.bench.fsck()
    before = mirrored.bench.events
    assert mirrored.sync().changed == 0
    assert mirrored.bench.events == before


def test_what_moves_follows_and_what_goes_goes_but_not_requests(mirrored):
    git = mirrored.git
    git.commit_file("a.txt", "1\n")
    for name in ("refs/heads/gone", "refs/tags/gone", "refs/pull/7/head"):
        git("update-ref", name, "HEAD")
    mirrored.sync()
    git.commit_file("a.txt", "2\n")
    for name in ("refs/heads/gone", "refs/tags/gone", "refs/pull/7/head"):
        git("update-ref", "-d", name)
    report = mirrored.sync()
    assert (report.changed, report.removed, report.forced) == (1, 2, ())
    assert mirrored.bench.refs == mirrored.upstream_refs() | {"refs/pull/7/head": git("rev-parse", "HEAD~1")}


def test_a_forced_update_is_followed_and_recorded_as_one(mirrored):
    git = mirrored.git
    git.commit_file("a.txt", "1\n")
    old = ObjectId(git.commit_file("a.txt", "2\n"))
    mirrored.sync()
    git("commit", "-q", "--amend", "-m", "rewritten")
    assert mirrored.sync().forced == ("refs/heads/main",)
    event = mirrored.last_event()
    assert event.details["forced"] == '["refs/heads/main"]'
    assert event.changes[0].old == old
    assert mirrored.bench.repository.view.objects.find_kind(old) is not None, "its commits stay stored"


def test_refs_that_are_not_mirrored_stay(mirrored):
    git, bench = mirrored.git, mirrored.bench
    first = git.commit_file("a.txt", "1\n")
    pack = bench.pack(git.folder, "HEAD")
    bench.push({"refs/local/x": (None, first)}, pack)
    mirrored.sync()
    git("update-ref", "refs/heads/other", "HEAD")
    mirrored.sync()
    assert bench.refs["refs/local/x"] == first


def test_a_ref_that_was_here_before_is_taken_over_only_if_it_is_part_of_what_is_there(mirrored):
    git, bench = mirrored.git, mirrored.bench
    first = git.commit_file("a.txt", "1\n")
    git("checkout", "-q", "-b", "mine")
    mine = git.commit_file("b.txt", "1\n")
    bench.push(
        {"refs/heads/main": (None, first), "refs/heads/work": (None, mine)}, bench.pack(git.folder, mine)
    )
    git("checkout", "-q", "main")
    git("branch", "-D", "-q", "mine")
    git.commit_file("a.txt", "2\n")
    git("branch", "work")
    report = mirrored.sync()
    assert bench.refs["refs/heads/main"] == git("rev-parse", "main")
    assert bench.refs["refs/heads/work"] == mine
    assert len(report.left) == 1
    assert report.left[0].startswith("refs/heads/work: it was here before")
    git("branch", "-D", "-q", "work")
    mirrored.sync()
    assert bench.refs["refs/heads/work"] == mine


def test_a_place_that_lost_everything_is_taken_for_broken(mirrored):
    git = mirrored.git
    git.commit_file("a.txt", "1\n")
    mirrored.sync()
    refs = mirrored.bench.refs
    git("update-ref", "-d", "refs/heads/main")
    git("update-ref", "refs/private/x", next(iter(refs.values())))
    with pytest.raises(MirrorFailed, match="none of the refs"):
        mirrored.sync()
    assert mirrored.bench.refs == refs
    assert "none of the refs" in mirrored.state.error


def test_a_first_copy_comes_in_steps_and_goes_on_where_it_was_stopped(make_bench, work_tree):
    mirrored = Mirrored(make_bench(Limits(mirror_refs_per_step=5)), work_tree)
    for number in range(1, 13):
        work_tree.commit_file("a.txt", f"{number}\n")
        work_tree("update-ref", f"refs/pull/{number}/head", "HEAD")
    asked = []

    def stop_after_two() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Stopped):
        mirrored.sync(stopping=stop_after_two)
    assert set(mirrored.bench.refs) == {f"refs/pull/{number}/head" for number in range(1, 11)}
    assert mirrored.state.waiting == 3
    events = mirrored.bench.events
    mirrored.sync()
    assert mirrored.bench.refs == mirrored.upstream_refs()
    assert mirrored.bench.events == events + 1
    mirrored.bench.fsck()


SCRIPT = """
import sys
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.limits import Limits
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import Receiver
from imprint.store.types import RepositoryName
from imprint.store.upstream.sync import sync
hosting = Hosting.open(DataFolder.create_or_open(Path(sys.argv[1])), limits=Limits(mirror_refs_per_step=2))
repository = hosting.get(RepositoryName.parse("acme/app"))
print("ready", flush=True)
def admitted(_):
    print("admitted", flush=True)
sync(hosting, Receiver(hosting, ScopeJudge(), admitted), repository.record.id)
"""


def test_a_round_that_is_killed_is_gone_on_with(sql_bench, work_tree, tmp_path):
    mirrored = Mirrored(sql_bench, work_tree)
    for number in range(1, 9):
        work_tree.commit_file("a.txt", f"{number}\n" * number)
        work_tree("update-ref", f"refs/pull/{number}/head", "HEAD")
    for words in ("ready", "admitted"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
            assert child.stdout
            while (said := child.stdout.readline()) and said.strip() != words:
                pass
            assert said, "it ended before it was killed"
            child.kill()
    before = len(sql_bench.refs)
    assert 2 <= before < 9
    mirrored.sync()
    assert sql_bench.refs == mirrored.upstream_refs()
    sql_bench.fsck()


def test_one_round_at_a_time(mirrored):
    mirrored.git.commit_file("a.txt", "1\n")
    with _alone(workshop_folder(mirrored.bench.hosting, mirrored.id)), pytest.raises(MirrorBusy):
        mirrored.sync()
    mirrored.sync()


def test_a_push_to_a_mirrored_ref_is_refused_and_to_another_is_not(make_bench, work_tree):
    bench = make_bench()
    bench.receiver._judge = MirrorJudge(bench.hosting, ScopeJudge())
    mirrored = Mirrored(bench, work_tree)
    head = work_tree.commit_file("a.txt", "1\n")
    mirrored.sync()
    with pytest.raises(PushRefused, match="refs/heads/new is mirrored from"):
        bench.push({"refs/heads/new": (None, head)}, None)
    assert bench.push({"refs/local/new": (None, head)}, None).event is not None
    bench.hosting.mirrors.remove(mirrored.id)
    assert bench.push({"refs/heads/new": (None, head)}, None).event is not None


def test_failures_are_told_and_tried_ever_more_rarely(mirrored):
    hosting = mirrored.bench.hosting
    hosting.mirrors.change(mirrored.id, lambda mirror: Mirror(mirror.repository_id, "/nowhere/at all"))
    assert sync_due(hosting, mirrored.bench.receiver) == 0
    waits = []
    for _ in range(3):
        mirror = hosting.mirrors.find(mirrored.id)
        assert "/nowhere/at all" in mirror.state.error
        waits.append(mirror.next_at_ms() - mirror.state.attempted_at_ms)
        assert not mirror.is_due(hosting.clock.now_ms())
        with pytest.raises(MirrorFailed):
            mirrored.sync()
    assert waits == [600_000, 1_200_000, 2_400_000]
    assert hosting.mirrors.find(mirrored.id).state.failures == 4


def test_due_mirrors_are_synced_and_paused_ones_are_not(mirrored):
    mirrored.git.commit_file("a.txt", "1\n")
    hosting = mirrored.bench.hosting
    hosting.mirrors.change(mirrored.id, lambda mirror: replace(mirror, is_paused=True))
    assert sync_due(hosting, mirrored.bench.receiver) == 0
    hosting.mirrors.change(mirrored.id, lambda mirror: replace(mirror, is_paused=False))
    assert sync_due(hosting, mirrored.bench.receiver) == 1
    assert sync_due(hosting, mirrored.bench.receiver) == 0


def test_what_is_no_mirror_cannot_be_synced(bench):
    with pytest.raises(MirrorMissing):
        sync(bench.hosting, bench.receiver, bench.repository.record.id)


def test_more_than_may_come_at_once_is_ended(make_bench, work_tree):
    mirrored = Mirrored(make_bench(Limits(pack_bytes_max=20_000)), work_tree)
    work_tree.commit_file("a.bin", os.urandom(200_000))
    assert "pack" in mirrored.sync().left[0]
    assert mirrored.bench.refs == {}


def test_objects_that_git_s_checks_refuse_are_refused_as_in_a_push(mirrored):
    git = mirrored.git
    git.commit_file("a.txt", "1\n")
    raw = git.run("cat-file", "commit", "HEAD").stdout.replace(b"author ", b"author  <", 1)
    bad = git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
    git("update-ref", "refs/heads/bad", bad)
    assert "was refused" in mirrored.sync().left[0]
    assert set(mirrored.bench.refs) == {"refs/heads/main"}


def test_a_sha256_source_needs_a_sha256_repository(make_bench, git_client, tmp_path):
    (tmp_path / "new").mkdir()
    git = git_client(tmp_path / "new")
    git("init", "-q", "-b", "main", "--object-format=sha256")
    git.commit_file("a.txt", "1\n")
    mirrored = Mirrored(make_bench(algorithm=HashAlgorithm.SHA256), git)
    mirrored.sync()
    assert mirrored.bench.refs == mirrored.upstream_refs()


def test_two_rounds_at_once_are_one(mirrored):
    mirrored.git.commit_file("a.txt", "1\n")
    outcomes = []

    def run() -> None:
        try:
            outcomes.append(mirrored.sync().changed)
        except MirrorBusy:
            outcomes.append(0)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 1


def test_a_ref_that_cannot_be_had_holds_up_no_other(mirrored):
    git = mirrored.git
    for number in range(1, 9):
        git("checkout", "-q", "--orphan", f"b{number}")
        git.commit_file("a.txt", f"{number}\n")
    lacking = git("rev-parse", "b5^{tree}")
    (git.folder / ".git/objects" / lacking[:2] / lacking[2:]).unlink()
    report = mirrored.sync()
    assert report.left[0].startswith("refs/heads/b5: ")
    assert set(mirrored.bench.refs) == {f"refs/heads/b{number}" for number in (1, 2, 3, 4, 6, 7, 8)}
    assert mirrored.state.refused == (f"refs/heads/b5 {git('rev-parse', 'b5')}",)
    assert (mirrored.state.error, mirrored.state.failures) == ("", 0)
    mirrored.bench.hosting.clock.advance(3_600_000)
    assert sync_due(mirrored.bench.hosting, mirrored.bench.receiver) == 1
    assert mirrored.state.refused, "it is not tried again before it moves"


def test_what_a_mirror_leaves_goes_when_it_is_none_any_more(mirrored):
    hosting = mirrored.bench.hosting
    mirrored.git.commit_file("a.txt", "1\n")
    assert sync_due(hosting, mirrored.bench.receiver) == 1
    assert workshop_folder(hosting, mirrored.id).exists()
    sync_due(hosting, mirrored.bench.receiver)
    assert workshop_folder(hosting, mirrored.id).exists()
    hosting.mirrors.remove(mirrored.id)
    sync_due(hosting, mirrored.bench.receiver)
    assert list(workshop_folder(hosting, mirrored.id).parent.iterdir()) == []
