"""What large objects and locks promise, tested on every implementation; then what only files can show."""

import hashlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import (
    BadLargeObject,
    Denied,
    LargeObjectMissing,
    LimitExceeded,
    LockMissing,
    ProtocolError,
    RepositoryMissing,
    StorageFailed,
)
from imprint.store.events import Admission, EventKind
from imprint.store.lfs.files import FileLargeObjects
from imprint.store.lfs.memory import MemoryLargeObjects, MemoryRegister
from imprint.store.lfs.pointer import LargeObjectId, Pointer
from imprint.store.lfs.ports import LargeObject, LargeObjects, Lock, LockQuery, Register, Upload
from imprint.store.lfs.sql import SqlRegister
from imprint.store.types import HashAlgorithm, RefName, RepositoryName

ONE, TWO = "repo_1", "repo_2"
CONTENT = bytes(range(256)) * 8192  # two pieces
MEBIBYTE = 1024**2


def oid_of(content: bytes) -> LargeObjectId:
    return LargeObjectId.parse(hashlib.sha256(content).hexdigest())


def put(objects: LargeObjects, content: bytes, repository_id: str = ONE, **changes) -> LargeObjectId:
    values = {"oid": oid_of(content), "size_bytes": len(content), "bytes_max": 64 * MEBIBYTE, **changes}
    objects.write(repository_id, Upload(**values), io.BytesIO(content))
    return oid_of(content)


def read(objects: LargeObjects, oid: LargeObjectId, repository_id: str = ONE) -> bytes:
    with objects.open(repository_id, oid) as file:
        return file.read()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["memory", "files"])
def objects(request, tmp_path) -> LargeObjects:
    return MemoryLargeObjects() if request.param == "memory" else FileLargeObjects(tmp_path / "lfs")


# -- contents -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"a", CONTENT, CONTENT[:MEBIBYTE]])
def test_an_object_is_read_back_whole_and_in_ranges(objects, content):
    oid = put(objects, content)
    assert objects.size(ONE, oid) == len(content)
    with objects.open(ONE, oid) as file:
        assert file.read() == content
        file.seek(len(content) // 2)
        assert file.read(10) == content[len(content) // 2 :][:10]


def test_an_object_belongs_to_its_repository_alone(objects):
    oid = put(objects, b"hello")
    assert objects.size(TWO, oid) is None
    assert list(objects.list(TWO)) == []
    with pytest.raises(LargeObjectMissing):
        objects.open(TWO, oid)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"oid": oid_of(b"something else")}, BadLargeObject),
        ({"size_bytes": 4}, BadLargeObject),
        ({"size_bytes": 6}, BadLargeObject),
        ({"bytes_max": 4}, LimitExceeded),
    ],
)
def test_content_that_is_not_what_was_said_is_refused_and_nothing_kept(objects, tmp_path, changes, refusal):
    with pytest.raises(refusal):
        put(objects, b"hello", **changes)
    assert list(objects.list(ONE)) == []
    assert objects.size(ONE, changes.get("oid", oid_of(b"hello"))) is None
    assert files(tmp_path) == []


def test_a_length_that_nobody_said_is_found(objects):
    upload = Upload(oid_of(b"hello"), None, 5)
    assert objects.write(ONE, upload, io.BytesIO(b"hello")) == 5


def test_an_upload_that_is_cut_off_leaves_nothing(objects, tmp_path):
    class CutOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= MEBIBYTE:
                raise ProtocolError("the client went away")
            return super().read(size)

    with pytest.raises(ProtocolError):
        objects.write(ONE, Upload(oid_of(CONTENT), len(CONTENT), 64 * MEBIBYTE), CutOff(CONTENT))
    assert list(objects.list(ONE)) == []
    assert files(tmp_path) == []


def test_objects_are_listed_with_their_lengths(objects):
    expected = {Pointer(put(objects, content), len(content)) for content in (b"", b"a", CONTENT)}
    put(objects, b"other", TWO)
    assert set(objects.list(ONE)) == expected


def test_sending_an_object_again_is_as_sending_it_once(objects, tmp_path):
    assert put(objects, CONTENT) == put(objects, CONTENT)
    assert list(objects.list(ONE)) == [Pointer(oid_of(CONTENT), len(CONTENT))]
    assert len(files(tmp_path)) <= 1


def test_many_may_send_one_object_at_once(objects):
    barrier = threading.Barrier(8)

    def send(_: int) -> bytes:
        barrier.wait()
        return read(objects, put(objects, CONTENT))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {CONTENT}
    assert len(list(objects.list(ONE))) == 1


def test_destroying_a_repository_takes_its_objects_and_no_others(objects, tmp_path):
    oid = put(objects, b"hello")
    kept = put(objects, b"kept", TWO)
    for _ in range(2):
        objects.destroy(ONE)
        assert objects.size(ONE, oid) is None
    assert read(objects, kept, TWO) == b"kept"
    assert put(objects, b"hello") == oid, "the id may be used again"
    assert len(files(tmp_path)) in (0, 2)


def test_a_sweep_never_takes_an_object(objects):
    oid = put(objects, b"hello")
    assert objects.sweep() == 0
    assert read(objects, oid) == b"hello"


@pytest.mark.parametrize(
    "text", ["", "0" * 63, "0" * 65, "A" * 64, "../" * 21 + "a", "é" * 64, "0" * 64 + "\n"]
)
def test_an_id_is_64_lower_case_digits(text):
    with pytest.raises(BadLargeObject):
        LargeObjectId.parse(text)


# -- files ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "lfs"


def test_a_damaged_file_is_mended_by_sending_the_object_again(folder):
    oid = put(FileLargeObjects(folder), CONTENT)
    (path,) = files(folder)
    path.write_bytes(b"damaged")
    assert FileLargeObjects(folder).size(ONE, oid) == 7
    assert read(FileLargeObjects(folder), put(FileLargeObjects(folder), CONTENT)) == CONTENT


def test_files_are_for_the_owner_alone(folder):
    put(FileLargeObjects(folder), b"hello")
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


def test_an_object_that_would_fill_the_disk_is_refused(folder):
    free = os.statvfs(folder.parent).f_bavail * os.statvfs(folder.parent).f_frsize
    with pytest.raises(StorageFailed, match="free"):
        put(FileLargeObjects(folder, bytes_free_min=2 * free), b"hello")
    with pytest.raises(StorageFailed, match="free"):
        put(FileLargeObjects(folder), b"hello", size_bytes=2 * free)
    assert files(folder) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        put(FileLargeObjects(tmp_path / "file" / "lfs"), b"hello")


def test_a_repository_whose_destruction_was_cut_short_is_swept(folder):
    objects = FileLargeObjects(folder)
    put(objects, b"hello")
    (folder / ONE).rename(folder / f".{ONE}.0123")
    assert objects.sweep() == 1
    assert list(folder.iterdir()) == []


WRITER = """
import hashlib, io, sys
from pathlib import Path
from imprint.store.lfs.files import FileLargeObjects
from imprint.store.lfs.ports import Upload

class Slow(io.BytesIO):
    def read(self, size=-1):
        return super().read(4096)

objects = FileLargeObjects(Path(sys.argv[1]))
for number in range(1_000_000):
    content = b"%d" % (number % 60) * 65536
    oid = hashlib.sha256(content).hexdigest()
    objects.write("repo_1", Upload(oid, len(content), len(content)), Slow(content))
    print(oid, flush=True)
"""


def test_what_was_told_survives_processes_that_are_killed(folder):
    """Three processes send the same objects and are killed: what they told is whole, the rest is swept."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = {writer.stdout.readline().strip() for writer in writers for _ in range(40)}
    objects = FileLargeObjects(folder)
    objects.sweep()
    for writer in writers:
        writer.kill()
        rest, _ = writer.communicate()
        told |= {line for line in rest.split("\n")[:-1] if line}
    for oid in told:
        assert hashlib.sha256(read(objects, LargeObjectId(oid))).hexdigest() == oid
    objects.sweep()
    assert list((folder / ONE / "incoming").iterdir()) == []
    for pointer in objects.list(ONE):
        assert hashlib.sha256(read(objects, pointer.oid)).hexdigest() == pointer.oid


def test_a_sweep_leaves_alone_what_is_being_sent(folder):
    objects, reading, swept = FileLargeObjects(folder), threading.Event(), threading.Event()

    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reading.set()
            assert swept.wait(30)
            return super().read(size)

    with ThreadPoolExecutor(1) as pool:
        upload = Upload(oid_of(b"hello"), 5, 5)
        sending = pool.submit(objects.write, ONE, upload, Waiting(b"hello"))
        assert reading.wait(30)
        assert objects.sweep() == 0
        swept.set()
        assert sending.result() == 5
    assert read(objects, upload.oid) == b"hello"


# -- the register ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres_template(postgres) -> str:
    """A database with every table, to be copied."""
    name = postgres.make()
    database = PostgresDatabase(postgres.url(name))
    upgrade_database(database)
    database.close()
    return name


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def register(request, tmp_path) -> Iterator[Register]:
    if request.param == "memory":
        yield MemoryRegister({ONE, TWO}.__contains__)
        return
    databases: list[SqlDatabase]
    if request.param == "sqlite":
        upgrade(tmp_path / "catalogue.db")
        databases = [Database(tmp_path / "catalogue.db") for _ in range(2)]
    else:
        server = request.getfixturevalue("postgres")
        url = server.url(server.make(request.getfixturevalue("postgres_template")))
        databases = [PostgresDatabase(url) for _ in range(2)]
    catalogue, register = SqlCatalogue.open(databases[0]), SqlRegister(databases[1])
    for repository_id in (ONE, TWO):
        record = RepositoryRecord(
            repository_id,
            RepositoryName("acme", repository_id),
            HashAlgorithm.SHA1,
            RefName.parse("refs/heads/main"),
            generation=0,
            created_at_ms=1,
        )
        admission = Admission(repository_id, f"evt {repository_id}", EventKind.CREATED, 1, "ada", None, "yes")
        catalogue.create_repository(record, admission)
    yield register
    register.close()
    catalogue.close()


def large(content: bytes, repository_id: str = ONE, actor: str = "ada") -> LargeObject:
    return LargeObject(repository_id, oid_of(content), len(content), actor, 1)


def lock(number: int, path: str = "", actor: str = "ada", ref: str | None = None) -> Lock:
    return Lock(f"lock_{number:04}", path or f"path {number}", actor, 1_700_000_000_000 + number, ref)


def test_what_was_said_first_of_an_object_stays(register):
    assert register.record(large(b"a")) == large(b"a")
    assert register.record(large(b"a", actor="bob")) == large(b"a")
    assert register.find(ONE, [oid_of(b"a"), oid_of(b"b")]) == {oid_of(b"a"): large(b"a")}


def test_objects_are_found_in_their_repository_only(register):
    register.record(large(b"a"))
    register.record(large(b"b", TWO))
    assert register.list_objects(ONE) == [large(b"a")]
    assert register.find(TWO, [oid_of(b"a")]) == {}
    assert register.find(TWO, []) == {}
    assert register.list_objects("repo_none") == []


def test_objects_are_listed_by_id(register):
    contents = [b"%d" % number for number in range(20)]
    for content in contents:
        register.record(large(content))
    assert register.list_objects(ONE) == sorted(map(large, contents), key=lambda each: each.oid)


def test_nothing_is_kept_of_a_repository_that_is_not_there(register):
    with pytest.raises(RepositoryMissing):
        register.record(large(b"a", "repo_none"))
    with pytest.raises(RepositoryMissing):
        register.add_lock("repo_none", lock(1))


def test_a_path_has_one_lock_in_each_repository(register):
    first = lock(1, "a.bin", "ada", "refs/heads/main")
    assert register.add_lock(ONE, first) == first
    assert register.add_lock(ONE, lock(2, "a.bin", "bob", "refs/heads/other")) == first
    assert register.add_lock(TWO, lock(3, "a.bin", "bob")).actor == "bob"
    assert register.add_lock(ONE, lock(4, "A.bin", "bob")).actor == "bob", "paths differ by letter case"


def test_locks_are_asked_for_by_path_and_id_and_in_pages(register):
    locks = [lock(number) for number in range(1, 8)]
    for each in reversed(locks):
        register.add_lock(ONE, each)
    assert register.list_locks(ONE, LockQuery()) == locks
    assert register.list_locks(ONE, LockQuery(limit=3)) == locks[:3]
    assert register.list_locks(ONE, LockQuery(after=locks[2].id, limit=3)) == locks[3:6]
    assert register.list_locks(ONE, LockQuery(path="path 4")) == [locks[3]]
    assert register.list_locks(ONE, LockQuery(id="lock_0004")) == [locks[3]]
    assert register.list_locks(ONE, LockQuery(id="lock_0004", path="path 5")) == []
    assert register.list_locks(TWO, LockQuery()) == []


def test_a_lock_is_given_back_by_its_holder_or_by_force(register):
    for number in (1, 2):
        register.add_lock(ONE, lock(number))
    with pytest.raises(Denied, match="ada"):
        register.remove_lock(ONE, "lock_0001", "bob")
    with pytest.raises(LockMissing):
        register.remove_lock(TWO, "lock_0001", "ada")
    assert register.list_locks(ONE, LockQuery()) == [lock(1), lock(2)]
    assert register.remove_lock(ONE, "lock_0001", "Ada") == lock(1)
    assert register.remove_lock(ONE, "lock_0002", None) == lock(2)
    with pytest.raises(LockMissing):
        register.remove_lock(ONE, "lock_0001", None)
    assert register.add_lock(ONE, lock(3, "path 1", "bob")).actor == "bob"


def test_of_many_that_lock_a_path_at_once_one_gets_it(register):
    barrier = threading.Barrier(8)

    def take(number: int) -> str:
        barrier.wait()
        return register.add_lock(ONE, lock(number, "a.bin", f"actor {number}")).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(take, range(8)))) == 1
    assert len(register.list_locks(ONE, LockQuery())) == 1


# -- pointers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [0, 1, 12345, 10**18])
def test_a_pointer_reads_what_it_renders(size_bytes):
    pointer = Pointer(oid_of(b"a"), size_bytes)
    assert Pointer.read(pointer.render()) == pointer


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n",
        Pointer(oid_of(b"a"), 5).render()[:-1],
        Pointer(oid_of(b"a"), 5).render() + b"x",
        Pointer(oid_of(b"a"), 5).render().replace(b"sha256", b"sha512"),
        Pointer(oid_of(b"a"), 5).render().replace(b"size 5", b"size 05"),
        Pointer(oid_of(b"a"), 5).render().replace(b"size 5", b"size -5"),
    ],
)
def test_other_texts_are_no_pointers(content):
    assert Pointer.read(content) is None
