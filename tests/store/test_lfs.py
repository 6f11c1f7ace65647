"""Large objects and locks of a data folder: what is acknowledged, what a crash leaves, what a purge takes."""

import hashlib
import io
import subprocess
import sys

import pytest

from imprint.store.errors import (
    BadLargeObject,
    BadPath,
    Denied,
    LargeObjectMissing,
    LimitExceeded,
    PushRefused,
    RepositoryMissing,
)
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.lfs.custody import Custody
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import LockQuery
from imprint.store.limits import Limits
from imprint.store.types import RepositoryName


def oid_of(content: bytes) -> LargeObjectId:
    return LargeObjectId(hashlib.sha256(content).hexdigest())


def put(custody: Custody, repository_id: str, content: bytes, **more) -> LargeObjectId:
    custody.put(repository_id, (oid_of(content), len(content)), io.BytesIO(content), "ada", **more)
    return oid_of(content)


def test_an_object_is_here_when_its_row_is(sql_bench):
    custody, repository_id = sql_bench.hosting.lfs, sql_bench.repository.record.id
    oid = put(custody, repository_id, b"hello")
    large, content = custody.open(repository_id, oid)
    with content:
        assert content.read() == b"hello"
    assert (large.actor, large.size_bytes) == ("ada", 5)
    assert custody.get(repository_id, Pointer(oid, 5)) == large
    with pytest.raises(BadLargeObject):
        custody.get(repository_id, Pointer(oid, 6))


def test_a_file_without_a_row_is_not_here_until_it_is_sent_again(sql_bench):
    """What a crash leaves between the two: nobody was told of it."""

    def die() -> None:
        raise PushRefused("died here", rule="test")

    custody, repository_id = sql_bench.hosting.lfs, sql_bench.repository.record.id
    with pytest.raises(PushRefused):
        put(custody, repository_id, b"hello", verify=die)
    assert custody.objects.size(repository_id, oid_of(b"hello")) == 5
    with pytest.raises(LargeObjectMissing):
        custody.open(repository_id, oid_of(b"hello"))
    assert custody.find(repository_id, [oid_of(b"hello")]) == {}
    put(custody, repository_id, b"hello")
    assert set(custody.find(repository_id, [oid_of(b"hello")])) == {oid_of(b"hello")}


def test_objects_survive_reopening(tmp_path):
    for expected in ({}, {oid_of(b"hello")}):
        hosting = Hosting.open(DataFolder.create_or_open(tmp_path / "data"))
        name = RepositoryName.parse("acme/app")
        if not expected:
            repository_id = hosting.create(name, None).record.id
            put(hosting.lfs, repository_id, b"hello")
            hosting.lfs.lock(repository_id, "a.bin", "ada")
        else:
            repository_id = hosting.get(name).record.id
            assert set(hosting.lfs.find(repository_id, [oid_of(b"hello"), oid_of(b"x")])) == expected
            (lock,), after = hosting.lfs.list_locks(repository_id, LockQuery())
            assert (lock.path, after) == ("a.bin", None)
        hosting.close()


@pytest.mark.parametrize("size_bytes", [11, None])
def test_an_object_above_the_limit_is_refused_before_or_while_it_comes(make_bench, size_bytes):
    bench = make_bench(limits=Limits(lfs_object_bytes_max=10))
    content = b"x" * 11
    with pytest.raises(LimitExceeded) as refused:
        bench.hosting.lfs.put(
            bench.repository.record.id, (oid_of(content), size_bytes), io.BytesIO(content), "ada"
        )
    assert refused.value.limit == "lfs_object_bytes_max"
    assert list(bench.hosting.lfs.objects.list(bench.repository.record.id)) == []


@pytest.mark.parametrize("fixture", ["bench", "sql_bench"])
def test_a_purge_takes_rows_files_and_locks_and_leaves_those_of_others(request, fixture):
    bench = request.getfixturevalue(fixture)
    hosting, doomed = bench.hosting, bench.repository.record
    kept = hosting.create(RepositoryName.parse("acme/kept"), None).record
    for record in (doomed, kept):
        put(hosting.lfs, record.id, b"hello")
        hosting.lfs.lock(record.id, "a", "ada")
    hosting.delete(doomed.name, None, grace_ms=0)
    assert hosting.lfs.objects.size(doomed.id, oid_of(b"hello")) == 5, "it can still be restored"
    hosting.purge_due()
    assert not (hosting.folder.lfs_path / doomed.id).exists()
    assert set(hosting.lfs.find(kept.id, [oid_of(b"hello")])) == {oid_of(b"hello")}
    if fixture == "sql_bench":
        assert hosting.lfs.register.list_objects(doomed.id) == []
        assert hosting.lfs.register.list_locks(doomed.id, LockQuery()) == []
    with pytest.raises(RepositoryMissing):
        put(hosting.lfs, doomed.id, b"too late")
    assert not (hosting.folder.lfs_path / doomed.id).exists()


def test_damage_is_found(sql_bench):
    hosting, repository_id = sql_bench.hosting, sql_bench.repository.record.id
    contents = (b"whole", b"short", b"changed", b"gone")
    paths = {}
    for content in contents:
        oid = put(hosting.lfs, repository_id, content)
        (paths[content],) = (hosting.folder.lfs_path / repository_id).rglob(str(oid))
    assert list(hosting.lfs.find_faults(repository_id)) == []
    paths[b"short"].write_bytes(b"shor")
    paths[b"changed"].write_bytes(b"CHANGED")
    paths[b"gone"].unlink()
    faults = {fault.oid: fault.what for fault in hosting.lfs.find_faults(repository_id)}
    assert faults == {
        oid_of(b"short"): "its file has 4 bytes instead of 5",
        oid_of(b"changed"): "its file was changed",
        oid_of(b"gone"): "its file is gone",
    }


def test_a_lock_is_on_a_path_that_a_tree_could_hold(bench):
    lfs, repository_id = bench.hosting.lfs, bench.repository.record.id
    for path in ("", "/a", "a/../b", "a\0"):
        with pytest.raises(BadPath):
            lfs.lock(repository_id, path, "ada")
    lock, is_new = lfs.lock(repository_id, "é/a b.bin", "ada", "refs/heads/main")
    assert (lock.path, lock.ref, is_new) == ("é/a b.bin", "refs/heads/main", True)
    assert lfs.lock(repository_id, "é/a b.bin", "bob") == (lock, False)
    with pytest.raises(Denied):
        lfs.register.remove_lock(repository_id, lock.id, "bob")


WRITER = """
import hashlib, io, sys
from pathlib import Path
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName
hosting = Hosting.open(DataFolder.create_or_open(Path(sys.argv[1])))
repository_id = hosting.get(RepositoryName.parse("acme/app")).record.id
for number in range(1_000_000):
    content = b"%d" % (number % 50) * 10_000
    oid = hashlib.sha256(content).hexdigest()
    hosting.lfs.put(repository_id, (oid, len(content)), io.BytesIO(content), sys.argv[2])
    print(oid, flush=True)
"""


def test_what_servers_acknowledged_is_here_after_they_are_killed(sql_bench):
    """Two processes take in the same objects and are killed: each that was told of is here, and whole."""
    hosting, repository_id = sql_bench.hosting, sql_bench.repository.record.id
    command = [sys.executable, "-c", WRITER, str(hosting.folder.root)]
    writers = [subprocess.Popen([*command, who], stdout=subprocess.PIPE, text=True) for who in ("a", "b")]
    told = {LargeObjectId(writer.stdout.readline().strip()) for writer in writers for _ in range(15)}
    for writer in writers:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    hosting.lfs.objects.sweep()
    assert set(hosting.lfs.find(repository_id, told)) == told
    assert list(hosting.lfs.find_faults(repository_id)) == []


# -- pushes that name objects ---------------------------------------------------------------------------


def push_pointers(bench, git, *pointers: Pointer) -> tuple[str, ...]:
    """Push a commit that adds pointers, and return what the pusher is warned of."""
    before = bench.refs.get("refs/heads/main")
    for pointer in pointers:
        (git.folder / f"{pointer.oid[:8]}.bin").write_bytes(pointer.render())
    tip = git.commit_file("other.txt", "no pointer, and of another length\n" * (len(bench.refs) + 2))
    pack = bench.pack(git.folder, tip, exclude=(before,) if before else (), thin=True)
    receipt = bench.push({"refs/heads/main": (before, tip)}, pack)
    assert receipt.event is not None
    return receipt.warnings


def test_who_pushes_pointers_to_objects_that_did_not_come_is_told_how_many(bench, work_tree):
    (here, *absent) = [Pointer(oid_of(b"%d" % number), 1) for number in range(4)]
    put(bench.hosting.lfs, bench.repository.record.id, b"0")
    assert push_pointers(bench, work_tree, here) == ()
    (said,) = push_pointers(bench, work_tree, absent[0])
    assert said.startswith("1 large object (Git LFS) ")
    (said,) = push_pointers(bench, work_tree, here, *absent[1:])
    assert said.startswith("2 large objects (Git LFS) ")
    assert "git lfs push --all" in said
    assert push_pointers(bench, work_tree) == (), "only what is new is looked at"


def test_what_only_has_the_length_of_a_pointer_is_no_reason_for_a_word(bench, work_tree):
    text = b"x" * (len(Pointer(oid_of(b"x"), 1).render()))
    work_tree.commit_file("a.bin", text)
    tip = work_tree.commit_file("b.bin", Pointer(oid_of(b""), 0).render())
    receipt = bench.push({"refs/heads/main": (None, tip)}, bench.pack(work_tree.folder, tip))
    assert receipt.event is not None
    assert receipt.warnings == ()
