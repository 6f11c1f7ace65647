"""Exported refs: what stock git sees in the bare repository is what the catalogue says."""

import hashlib
import subprocess
import time

import pytest

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.errors import StorageFailed
from imprint.store.refs.export import RefExport, export_refs
from imprint.store.types import ObjectId, RefName, RefValue, RepositoryName


@pytest.fixture
def pushed(bench, work_tree):
    """Branches, tags of three sorts and a ref of notes: pushed, and not exported yet."""
    for number in range(2):
        work_tree.commit_file("file", f"{number}\n")
    work_tree("tag", "light")
    work_tree("tag", "-a", "v1", "-m", "annotated")
    work_tree("tag", "-a", "v1-again", "-m", "again", "v1")
    names = {name: work_tree("rev-parse", name) for name in ("main", "main~1", "light", "v1", "v1-again")}
    commands = {
        "refs/heads/main": (None, names["main"]),
        "refs/heads/topic/one": (None, names["main~1"]),
        "refs/tags/light": (None, names["light"]),
        "refs/tags/v1": (None, names["v1"]),
        "refs/tags/v1-again": (None, names["v1-again"]),
        "refs/notes/commits": (None, names["main"]),
    }
    assert bench.push(commands, bench.pack(work_tree.folder, *names.values())).event
    return bench


@pytest.fixture
def export(pushed):
    return RefExport(pushed.hosting)


def follow(export, bench):
    events = bench.hosting.catalogue.list_events(bench.repository.record.id)
    export.follow(bench.repository, events)


def git(bench, *arguments):
    done = subprocess.run(
        ["git", "--git-dir", str(bench.repository.git_dir), *arguments], capture_output=True, check=True
    )
    return done.stdout.decode()


def seen_by_git(bench):
    lines = git(bench, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split() for line in lines)


def test_before_the_first_export_git_sees_no_ref(pushed, export):
    assert export.position(pushed.repository.record.id) == 0
    assert seen_by_git(pushed) == {}


def test_after_the_export_git_sees_what_the_catalogue_says(pushed, export):
    follow(export, pushed)
    assert seen_by_git(pushed) == pushed.refs
    assert git(pushed, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    assert git(pushed, "log", "-1", "--format=%H").strip() == pushed.refs["refs/heads/main"]
    assert export.position(pushed.repository.record.id) == pushed.events
    git(pushed, "fsck", "--full", "--strict")


def test_tags_are_peeled_as_git_itself_would_write_them(pushed, export):
    """Packing the exported refs once more with git changes nothing."""
    follow(export, pushed)
    path = pushed.repository.git_dir / "packed-refs"
    exported = path.read_bytes()
    git(pushed, "pack-refs", "--all", "--prune")
    assert path.read_bytes() == exported
    assert exported.count(b"\n^") == 2


def test_an_export_without_refs_is_one(bench):
    follow(RefExport(bench.hosting), bench)
    assert seen_by_git(bench) == {}
    assert git(bench, "symbolic-ref", "HEAD") == "refs/heads/main\n"


def test_deleted_moved_and_new_refs_and_head_are_followed(pushed, export):
    follow(export, pushed)
    main, topic = pushed.refs["refs/heads/main"], pushed.refs["refs/heads/topic/one"]
    pushed.push(
        {
            "refs/heads/topic/one": (topic, None),
            "refs/heads/topic": (None, main),
            "refs/tags/v1": (pushed.refs["refs/tags/v1"], None),
        },
        None,
    )
    pushed.hosting.set_head(RepositoryName("acme", "app"), "trunk", None)
    follow(export, pushed)
    assert seen_by_git(pushed) == pushed.refs
    assert "refs/heads/topic" in pushed.refs
    assert git(pushed, "symbolic-ref", "HEAD") == "refs/heads/trunk\n"


def test_refs_that_somebody_wrote_by_hand_are_put_right(pushed, export):
    follow(export, pushed)
    main = pushed.refs["refs/heads/main"]
    git(pushed, "update-ref", "refs/heads/main", f"{main}~1")
    git(pushed, "update-ref", "refs/heads/stray/one", main)
    git(pushed, "update-ref", "-d", "refs/tags/light")
    git(pushed, "symbolic-ref", "HEAD", "refs/heads/stray/one")
    assert seen_by_git(pushed) != pushed.refs
    follow(export, pushed)
    assert seen_by_git(pushed) == pushed.refs
    assert git(pushed, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    assert sorted(path.name for path in (pushed.repository.git_dir / "refs").iterdir()) == ["heads"]


def test_a_lost_position_repeats_the_export(pushed, export):
    follow(export, pushed)
    for content in (b"", b"rubbish"):
        (pushed.repository.git_dir / "imprint" / "exported").write_bytes(content)
        assert export.position(pushed.repository.record.id) == 0
        follow(export, pushed)
        assert export.position(pushed.repository.record.id) == pushed.events
        assert seen_by_git(pushed) == pushed.refs


def test_what_a_crashed_export_left_does_not_stop_the_next(pushed, export):
    git_dir = pushed.repository.git_dir
    follow(export, pushed)
    for name in ("packed-refs.lock", "HEAD.lock"):
        (git_dir / name).hardlink_to(git_dir / "imprint" / "export.own")
    (git_dir / "imprint" / "packed-refs.new").write_bytes(b"half of a li")
    pushed.push({"refs/heads/more": (None, pushed.refs["refs/heads/main"])}, None)
    follow(export, pushed)
    assert seen_by_git(pushed) == pushed.refs
    assert not list(git_dir.glob("*.lock"))
    assert not list((git_dir / "imprint").glob("*.new"))


def test_a_lock_of_git_is_waited_for_and_respected(pushed, export):
    lock = pushed.repository.git_dir / "packed-refs.lock"
    lock.touch()
    began = time.monotonic()
    with pytest.raises(StorageFailed, match=r"packed-refs\.lock is there"):
        follow(export, pushed)
    assert 0.9 < time.monotonic() - began < 30
    assert export.position(pushed.repository.record.id) == 0
    assert lock.exists()
    lock.unlink()
    follow(export, pushed)
    assert seen_by_git(pushed) == pushed.refs


def test_a_folder_that_cannot_be_written_is_a_failure_of_the_store(pushed, export):
    (pushed.repository.git_dir / "imprint" / "packed-refs.new").mkdir()
    with pytest.raises(StorageFailed, match=r"packed-refs\.new"):
        follow(export, pushed)
    assert not list(pushed.repository.git_dir.glob("*.lock"))


def test_a_repository_that_is_gone_has_no_position(export):
    assert export.position("repo_gone") == 0
    export.forget("repo_gone")


def test_a_hundred_thousand_refs_are_exported_in_a_moment(bench):
    """A tenth of a second; measured in processor time, so that a busy machine says nothing against it."""
    refs = {
        RefName(b"refs/sessions/%06d/head" % number): RefValue(
            ObjectId(hashlib.sha1(b"%d" % number).hexdigest())
        )
        for number in range(100_000)
    }
    snapshot = RefSnapshot(1, RefName(b"refs/heads/main"), refs)
    began = time.process_time()
    export_refs(snapshot, bench.repository.git_dir)
    assert time.process_time() - began < 2
    listed = git(bench, "for-each-ref", "--format=%(refname)").split()
    assert listed == [name.text for name in refs]
