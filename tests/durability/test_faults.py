"""A full or read-only disk, a locked or damaged catalogue: a clear error, and nothing half done."""

import os
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from acting import MAIN, Acting, make_folder
from dying import run_apart
from oracle import verify_settled

from imprint.store.catalog import database
from imprint.store.errors import DataFolderMismatch, StorageFailed
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.limits import Limits
from imprint.store.objects.codec import encode_commit, object_id
from imprint.store.objects.edit import TreeEditor
from imprint.store.objects.ports import Identity, ObjectKind

DISK_BYTES = 6 * 1024**2


def is_mountable() -> bool:
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return done.returncode == 0 and shutil.which("mount") is not None


needs_mounts = pytest.mark.skipif(not is_mountable(), reason="only root may mount a small disk")


@pytest.fixture
def small_disk(tmp_path):
    """An empty file system of its own; gone with the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


ANY_DISK = Limits(quarantine_bytes_free_min=0)


def open_acting(root: Path, limits: Limits = ANY_DISK) -> Acting:
    return Acting(root, "faults", lambda _: None, lambda _: None, limits)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    make_folder(folder / "data", lambda _: None, ANY_DISK)
    return folder


@pytest.fixture
def place(template):
    """Puts a data folder with some commits into a folder."""

    def copy(folder: Path) -> Path:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        return folder / "data"

    return copy


@pytest.fixture
def acting(tmp_path, place):
    acting = open_acting(place(tmp_path))
    yield acting
    acting.close()


def verify(acting: Acting) -> None:
    verify_settled(acting.hosting, acting.ledger, acting.repository)


def state_of(acting: Acting) -> tuple[object, ...]:
    """Refs, events, and every file of the repository but locks."""
    repository = acting.repository
    files = {path for path in repository.git_dir.rglob("*") if path.is_file() and path.suffix != ".lock"}
    return repository.view.refs.snapshot().generation, acting.refs, files


def send_text(acting: Acting, text: bytes) -> object:
    """A push of one commit with one file of this content."""
    objects = acting.repository.view.objects
    head = acting.refs[MAIN]
    editor = TreeEditor(objects, objects.read_commit(head).tree)
    editor.put(b"text", text, 0o100644)
    tree, new = editor.finish()
    made = [(kind, each) for _, kind, each in new]
    who = Identity("Ada", "ada@example.com", 1, 0)
    content = encode_commit(tree, (head,), who, who, "text")
    made.append((ObjectKind.COMMIT, content))
    return acting.send({MAIN: (head, object_id(ObjectKind.COMMIT, content))}, made)


@needs_mounts
def test_a_disk_that_fills_at_any_moment_of_a_push_leaves_nothing_half_done(small_disk, place) -> None:
    """The less is left, the earlier it fills: before the quarantine, in index-pack, in the catalogue."""
    root = place(small_disk)
    acting = open_acting(root)
    ballast = small_disk / "ballast"
    failed = landed = 0
    for left in range(0, 400_000, 24_576):
        free = shutil.disk_usage(small_disk).free
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free - left, 4096))
        before = state_of(acting)
        try:
            assert send_text(acting, os.urandom(60_000))
        except StorageFailed:
            failed += 1
            ballast.unlink()
            assert state_of(acting) == before
        else:
            landed += 1
            ballast.unlink()
    assert failed > 2, "the disk was never full"
    assert landed > 2, "the disk was always full"
    assert send_text(acting, b"and it goes on")
    verify(acting)
    acting.close()


@needs_mounts
def test_a_nearly_full_disk_refuses_before_it_begins_and_says_how_much_it_wants(small_disk, place) -> None:
    root = place(small_disk)
    acting = open_acting(root, Limits(quarantine_bytes_free_min=2 * DISK_BYTES))
    before = state_of(acting)
    for operation in (acting.push, acting.commit, acting.merge, acting.create_a_branch):
        with pytest.raises(StorageFailed, match="bytes are free"):
            operation()
    assert state_of(acting) == before
    acting.close()


@needs_mounts
@pytest.mark.parametrize("which", ["repository", "everything"])
def test_a_folder_that_turns_read_only_is_said_so_and_is_used_again_afterwards(acting, which) -> None:
    folder = acting.repository.git_dir if which == "repository" else acting.hosting.folder.root
    before = state_of(acting)
    refs = acting.repository.view.refs.snapshot()
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        for operation in (acting.push, acting.commit, acting.merge, acting.collect_only, acting.export_anew):
            with pytest.raises(StorageFailed):
                operation()
        assert acting.repository.view.refs.snapshot() == refs, "reading goes on"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert state_of(acting) == before
    assert send_text(acting, b"and it goes on")
    verify(acting)


@pytest.mark.parametrize("bytes_max", [1_000, 20_000, 70_000])
def test_a_file_that_must_not_grow_refuses_a_push_whole(tmp_path, place, bytes_max) -> None:
    """The process's own bound on file sizes stands in for a disk that is full for one file."""
    root = place(tmp_path)

    def work(tell) -> None:
        acting = open_acting(root)
        before = state_of(acting)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
        for _ in range(2):
            with pytest.raises(StorageFailed):
                send_text(acting, os.urandom(100_000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert state_of(acting) == before
        assert send_text(acting, os.urandom(100_000))
        verify(acting)
        acting.close()

    run_apart(work).verify()


def test_a_catalogue_that_another_program_locks_is_waited_for(acting) -> None:
    path = acting.hosting.folder.catalogue_path
    foreign = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN IMMEDIATE")

    def release() -> None:
        time.sleep(0.5)
        foreign.rollback()

    thread = threading.Thread(target=release)
    thread.start()
    started = time.monotonic()
    assert acting.push()
    assert time.monotonic() - started > 0.3
    thread.join()
    foreign.close()
    verify(acting)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_catalogue_that_stays_locked_is_said_so_and_the_push_is_gone(acting) -> None:
    foreign = sqlite3.connect(acting.hosting.folder.catalogue_path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    before = state_of(acting)
    started = time.monotonic()
    with pytest.raises(StorageFailed, match="SQLITE_BUSY") as caught:
        acting.push()
    assert time.monotonic() - started >= database.BUSY_SECONDS_MAX - 1
    assert "end it" in caught.value.hint
    assert state_of(acting) == before
    foreign.rollback()
    foreign.close()
    assert acting.push()
    verify(acting)


def open_and_list(root: Path) -> None:
    Hosting.open(DataFolder.create_or_open(root)).list()


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "absent"])
def test_a_damaged_catalogue_is_said_so_and_left_as_it_is(acting, damage) -> None:
    root, path = acting.hosting.folder.root, acting.hosting.folder.catalogue_path
    acting.close()
    good = path.read_bytes()
    bad = {"garbage": os.urandom(len(good)), "empty": b"", "cut": good[: len(good) // 3]}.get(damage)
    if bad is None:
        path.unlink()
    else:
        path.write_bytes(bad)
    with pytest.raises((StorageFailed, DataFolderMismatch)) as caught:
        open_and_list(root)
    assert str(path) in caught.value.message or str(root) in caught.value.message
    if bad:
        assert path.read_bytes() == bad, "a damaged catalogue was written to"
    path.write_bytes(good)
    again = open_acting(root)
    assert again.push()
    verify(again)
    again.close()
