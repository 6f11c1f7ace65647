"""The place where a pack waits: what is let in, and that nothing stays."""

import contextlib
import fcntl
import hashlib
import io
import os
import struct
import subprocess
import threading
import zlib

import pytest

from imprint.store.errors import LimitExceeded, ProtocolError, PushRefused, StorageFailed
from imprint.store.lfs.pointer import POINTER_BYTES
from imprint.store.limits import Limits
from imprint.store.plumbing import Plumbing
from imprint.store.receive import quarantine as quarantine_module
from imprint.store.receive.checking import kinds as checking_kinds
from imprint.store.receive.packs import PackIndex
from imprint.store.receive.quarantine import open_quarantine, quarantines_dir, sweep
from imprint.store.types import HashAlgorithm

LIMITS = Limits()


@pytest.fixture
def bare(tmp_path, git_client):
    git_client(tmp_path)("init", "-q", "--bare", "bare.git")
    return tmp_path / "bare.git"


@pytest.fixture
def quarantine(bare):
    with open_quarantine(bare, "q1", Plumbing(bare), HashAlgorithm.SHA1) as opened:
        yield opened


def pack_of(git, *revisions, thin=False) -> bytes:
    options = ["--thin"] if thin else []
    stdin = "\n".join(revisions).encode()
    return git.run("pack-objects", "--revs", "--stdout", "-q", *options, stdin=stdin).stdout


def test_an_unpacked_pack_is_indexed_and_counted(quarantine, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    content = pack_of(work_tree, head)
    unpacked = quarantine.unpack(io.BytesIO(content), LIMITS)
    assert (unpacked.record.object_count, unpacked.record.size_bytes) == (3, len(content))
    assert unpacked.self_contained
    with PackIndex(unpacked.index_path, HashAlgorithm.SHA1) as index:
        assert len(index) == 3
        assert head in index
        assert "1" * 40 not in index
        assert "1" * 64 not in index


def test_a_pack_that_refers_to_outside_is_not_self_contained(quarantine, bare, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    work_tree("push", "-q", str(bare), "main")
    second = work_tree.commit_file("b", "2")
    unpacked = quarantine.unpack(io.BytesIO(pack_of(work_tree, second, f"^{first}")), LIMITS)
    assert not unpacked.self_contained


def test_an_empty_pack_is_none(quarantine, work_tree) -> None:
    assert quarantine.unpack(io.BytesIO(pack_of(work_tree)), LIMITS) is None


def test_the_index_finds_every_object_of_a_larger_pack(quarantine, work_tree) -> None:
    for number in range(300):
        (work_tree.folder / str(number)).write_bytes(os.urandom(10))
    work_tree.commit_file("last", "1")
    unpacked = quarantine.unpack(io.BytesIO(pack_of(work_tree, "HEAD")), LIMITS)
    ids = work_tree("rev-list", "--objects", "--no-object-names", "HEAD").split()
    with PackIndex(unpacked.index_path, HashAlgorithm.SHA1) as index:
        assert len(index) == len(ids)
        assert all(each in index for each in ids)
        nearby = [f"{int(each, 16) + 1:040x}" for each in ids]
        assert not any(each in index for each in nearby)
        shown = work_tree("show-index", stdin=unpacked.index_path.read_bytes()).splitlines()
        assert index.offsets() == sorted(int(line.split()[0]) for line in shown)


def test_an_index_that_is_none_is_a_failure_of_the_machine(tmp_path) -> None:
    for content in (b"", b"x" * 2000):
        (tmp_path / "bad.idx").write_bytes(content)
        with pytest.raises(StorageFailed):
            PackIndex(tmp_path / "bad.idx", HashAlgorithm.SHA1)


def test_sha256_repositories_have_quarantines_too(tmp_path, git_client) -> None:
    git = git_client(tmp_path)
    git("init", "-q", "--bare", "--object-format=sha256", "bare.git")
    git("init", "-q", "--object-format=sha256", "-b", "main", "work")
    work = git_client(tmp_path / "work")
    head = work.commit_file("a", "1")
    plumbing = Plumbing(tmp_path / "bare.git")
    with open_quarantine(tmp_path / "bare.git", "q", plumbing, HashAlgorithm.SHA256) as opened:
        unpacked = opened.unpack(io.BytesIO(pack_of(work, head)), LIMITS)
        assert opened.alone.run("cat-file", "-t", head) == b"commit\n"
        with PackIndex(unpacked.index_path, HashAlgorithm.SHA256) as index:
            assert head in index
        with pytest.raises(ProtocolError, match="follow the end"):
            opened.unpack(io.BytesIO(pack_of(work, head) + b"x"), LIMITS)


def test_alone_sees_only_the_quarantine_and_beside_sees_both(quarantine, bare, work_tree) -> None:
    first = work_tree.commit_file("a", "1")
    work_tree("push", "-q", str(bare), "main")
    second = work_tree.commit_file("b", "2")
    quarantine.unpack(io.BytesIO(pack_of(work_tree, second, f"^{first}")), LIMITS)
    questions = f"{first}\n{second}\n".encode()
    assert quarantine.alone.run("cat-file", "--batch-check=%(objecttype)", stdin=questions).split(b"\n")[
        :2
    ] == [
        f"{first} missing".encode(),
        b"commit",
    ]
    assert (
        quarantine.beside.run("cat-file", "--batch-check=%(objecttype)", stdin=questions) == b"commit\n" * 2
    )
    with pytest.raises(Exception, match="rev-list"):
        Plumbing(bare).run("rev-list", "-1", second)


def test_memory_is_bounded_while_a_pack_is_copied(quarantine, work_tree) -> None:
    """However large the pack, it is asked for in pieces of at most 1 MiB."""
    asked: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    work_tree.commit_file("big", os.urandom(4_000_000))
    quarantine.unpack(Watched(pack_of(work_tree, "HEAD")), LIMITS)
    assert len(asked) > 4
    assert min(asked) > 0
    assert max(asked) <= 1024 * 1024


def test_an_object_that_is_small_packed_and_large_inflated_is_refused(quarantine, work_tree) -> None:
    work_tree.commit_file("zeros", b"\0" * 3_000_000)
    content = pack_of(work_tree, "HEAD")
    assert len(content) < 10_000
    with pytest.raises(LimitExceeded) as bound:
        quarantine.unpack(io.BytesIO(content), Limits(object_bytes_max=1_000_000))
    assert bound.value.limit == "object_bytes_max"


def test_the_folder_is_gone_however_the_block_ends(bare) -> None:
    def fail() -> None:
        with open_quarantine(bare, "q", Plumbing(bare), HashAlgorithm.SHA1) as opened:
            (opened.folder / "more").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(quarantines_dir(bare).iterdir()) == []


def fill_up(file) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as raw:
        while raw.write(b"x" * 4096):
            pass


def test_a_full_disk_is_a_storage_failure_and_leaves_nothing(tmp_path, work_tree, git_client) -> None:
    """On a real file system of 400 KB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        git_client(disk)("init", "-q", "--bare", "--template=", "bare.git")
        bare = disk / "bare.git"
        work_tree.commit_file("big", os.urandom(1_000_000))
        content = pack_of(work_tree, "HEAD")
        with (
            pytest.raises(StorageFailed, match="No space left"),
            open_quarantine(bare, "q", Plumbing(bare), HashAlgorithm.SHA1) as opened,
        ):
            opened.unpack(io.BytesIO(content), LIMITS)
        assert list(quarantines_dir(bare).iterdir()) == []
        fill_up(disk / "filler")
        with (
            pytest.raises(StorageFailed),
            open_quarantine(bare, "q", Plumbing(bare), HashAlgorithm.SHA1) as opened,
        ):
            opened.unpack(io.BytesIO(content), LIMITS)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_a_storage_failure(tmp_path) -> None:
    (tmp_path / "imprint").write_text("a file is in the way")
    with (
        pytest.raises(StorageFailed),
        open_quarantine(tmp_path, "q", Plumbing(tmp_path), HashAlgorithm.SHA1) as opened,
    ):
        assert opened.folder


def test_a_quarantine_that_nothing_needs_makes_no_folder(bare) -> None:
    with open_quarantine(bare, "q", Plumbing(bare), HashAlgorithm.SHA1) as opened:
        assert opened.reading.run("rev-parse", "--git-dir")
    assert not quarantines_dir(bare).exists()


def test_sweep_takes_the_dead_and_leaves_the_living(bare) -> None:
    with open_quarantine(bare, "alive", Plumbing(bare), HashAlgorithm.SHA1) as alive:
        assert alive.folder.exists()
        for name in ("dead", "unlocked"):
            (quarantines_dir(bare) / name / "objects").mkdir(parents=True)
        (quarantines_dir(bare) / "dead" / "lock").touch()
        assert sweep(bare) == 2
        assert [path.name for path in quarantines_dir(bare).iterdir()] == ["alive"]
    assert sweep(bare) == 0


def test_a_quarantine_that_is_swept_while_it_is_made_is_made_again(bare) -> None:
    """Making and sweeping race; whoever gets a quarantine has a folder that is there and locked."""
    stop = threading.Event()

    def sweep_on() -> None:
        while not stop.is_set():
            sweep(bare)

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        for number in range(60):
            with open_quarantine(bare, f"q{number}", Plumbing(bare), HashAlgorithm.SHA1) as opened:
                assert (opened.folder / "HEAD").exists()
                with (opened.folder / "lock").open() as lock, pytest.raises(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        stop.set()
        sweeper.join()


def identity(name="A", email="<a@b>", when="1 +0000") -> str:
    return f"{name} {email} {when}"


def commit(author=None, committer=None, tree="{tree}", parents="", message="x") -> bytes:
    people = f"author {author or identity()}\ncommitter {committer or identity()}\n"
    return f"tree {tree}\n{parents}{people}\n{message}\n".encode("latin-1")


def entry(mode: str, name: bytes, object_id: str) -> bytes:
    return mode.encode() + b" " + name + b"\0" + bytes.fromhex(object_id)


BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"  # "hello\n"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ODD_OBJECTS = {
    "good commit": ("commit", commit()),
    "missingEmail": ("commit", commit(author="A 1 +0000")),
    "missingSpaceBeforeEmail": ("commit", commit(author="A<a@b> 1 +0000")),
    "missingSpaceBeforeDate": ("commit", commit(author="A <a@b>1 +0000")),
    "badDate": ("commit", commit(author="A <a@b> x +0000")),
    "badDateOverflow": ("commit", commit(author="A <a@b> 18446744073709551616 +0000")),
    "zeroPaddedDate": ("commit", commit(author="A <a@b> 01 +0000")),
    "badTimezone": ("commit", commit(author="A <a@b> 1 +00")),
    "badEmail": ("commit", commit(author="A <a@<b> 1 +0000")),
    "badName": ("commit", commit(author="A> <a@b> 1 +0000")),
    "missingNameBeforeEmail": ("commit", commit(author="<a@b> 1 +0000")),
    "nulInCommit": ("commit", commit(message="a\0b")),
    "nulInHeader": ("commit", commit(author="A\0 <a@b> 1 +0000")),
    "multipleAuthors": ("commit", commit(author=f"{identity()}\nauthor {identity()}")),
    "missingAuthor": ("commit", b"tree {tree}\ncommitter A <a@b> 1 +0000\n\nx\n"),
    "missingCommitter": ("commit", b"tree {tree}\nauthor A <a@b> 1 +0000\n\nx\n"),
    "missingTree": ("commit", b"author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"),
    "badTreeSha1": ("commit", commit(tree="x" * 40)),
    "badParentSha1": ("commit", commit(parents="parent xyz\n")),
    "unterminatedHeader": ("commit", b"tree {tree}\nauthor A <a@b> 1 +0000"),
    "good tree": ("tree", entry("100644", b"a", BLOB)),
    "hasDot": ("tree", entry("100644", b".", BLOB)),
    "hasDotdot": ("tree", entry("100644", b"..", BLOB)),
    "hasDotgit": ("tree", entry("100644", b".git", BLOB)),
    "hasDotgit, other case": ("tree", entry("100644", b".GiT", BLOB)),
    "hasDotgit, NTFS": ("tree", entry("100644", b"git~1", BLOB)),
    "hasDotgit, HFS": ("tree", entry("100644", b".g\xe2\x80\x8cit", BLOB)),
    "backslash": ("tree", entry("100644", b"a\\b", BLOB)),
    "fullPathname": ("tree", entry("100644", b"a/b", BLOB)),
    "emptyName": ("tree", entry("100644", b"", BLOB)),
    "nullSha1": ("tree", entry("160000", b"a", "0" * 40)),
    "zeroPaddedFilemode": ("tree", entry("0100644", b"a", BLOB)),
    "badFilemode": ("tree", entry("100600", b"a", BLOB)),
    "treeNotSorted": ("tree", entry("100644", b"b", BLOB) + entry("100644", b"a", BLOB)),
    "duplicateEntries": ("tree", entry("100644", b"a", BLOB) + entry("100755", b"a", BLOB)),
    "gitmodulesSymlink": ("tree", entry("120000", b".gitmodules", BLOB)),
    "gitmodulesBlob": ("tree", entry("40000", b".gitmodules", EMPTY_TREE)),
    "gitmodulesParse": ("tree", entry("100644", b".gitmodules", BLOB)),
    "gitmodulesUrl": ("tree", entry("100644", b".gitmodules", BLOB)),  # the blob is made in the test
    "gitignoreSymlink": ("tree", entry("120000", b".gitignore", BLOB)),
    "good tag": ("tag", f"object {BLOB}\ntype blob\ntag v1\ntagger {identity()}\n\nx\n".encode()),
    "missingTaggerEntry": ("tag", f"object {BLOB}\ntype blob\ntag v1\n\nx\n".encode()),
    "badTagName": ("tag", f"object {BLOB}\ntype blob\ntag v1..x\ntagger {identity()}\n\nx\n".encode()),
    "missingTypeEntry": ("tag", f"object {BLOB}\ntag v1\ntagger {identity()}\n\nx\n".encode()),
    "badType": ("tag", f"object {BLOB}\ntype thing\ntag v1\ntagger {identity()}\n\nx\n".encode()),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder for a stock server and a work tree that all odd objects share."""
    return tmp_path_factory.mktemp("odd")


@pytest.fixture
def stock_server(shared, git_client):
    """A stock server that checks what it receives, with the objects that the odd ones refer to at hand."""
    git = git_client(shared)
    if not (shared / "theirs.git").exists():
        git("init", "-q", "--bare", "theirs.git")
        git_client(shared / "theirs.git")("config", "receive.fsckObjects", "true")
    return git_client(shared / "theirs.git")


@pytest.mark.parametrize("name", ODD_OBJECTS)
def test_odd_objects_are_judged_as_by_receive_pack(quarantine, stock_server, name) -> None:
    """The same pack to a stock server with `receive.fsckObjects`: the same answer."""
    kind, content = ODD_OBJECTS[name]
    content = content.replace(b"{tree}", EMPTY_TREE.encode())

    def store(stored_kind: str, raw: bytes) -> str:
        return stock_server("hash-object", "-t", stored_kind, "-w", "--stdin", "--literally", stdin=raw)

    known = [store("blob", b"hello\n"), store("tree", b"")]
    if name == "gitmodulesUrl":
        known.append(store("blob", b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=evil\n'))
        content = entry("100644", b".gitmodules", known[-1])
    odd = store(kind, content)
    listed = "\n".join([*known, odd]).encode()
    made = stock_server.run("pack-objects", "--stdout", "-q", "--window=0", stdin=listed)
    line = f"{'0' * 40} {odd} refs/odd/{odd}\0report-status".encode()
    wire = b"%04x%b0000%b" % (len(line) + 4, line, made.stdout)
    said = stock_server.run("receive-pack", "--stateless-rpc", ".", stdin=wire, check=False)
    theirs_takes_it = b"unpack ok" in said.stdout
    try:
        ours_takes_it = quarantine.unpack(io.BytesIO(made.stdout), LIMITS) is not None
    except PushRefused:
        ours_takes_it = False
    assert ours_takes_it == theirs_takes_it, said.stderr.decode()
    assert ours_takes_it or not name.startswith("good")


def list_as_git(quarantine, shown="%(objectname) %(objecttype)") -> list[str]:
    said = quarantine.alone.run("cat-file", "--batch-all-objects", f"--batch-check={shown}")
    return said.decode().splitlines()


@pytest.mark.parametrize("options", [("--delta-base-offset",), ()])
def test_what_objects_are_is_read_from_a_pack_as_git_does(quarantine, work_tree, options) -> None:
    text = "".join(f"line {n}\n" for n in range(3000))
    for at in range(4):
        work_tree.commit_file("a", f"{text}{at}\n" * (at + 1))
        work_tree.commit_file(f"b{at}", "" if at == 0 else "x" * at * 10)
    work_tree("tag", "-a", "v1", "-m", "first")
    pack = work_tree.run("pack-objects", "--all", "--stdout", "-q", "--window=20", *options, stdin=b"").stdout
    kinds = quarantine.unpack(io.BytesIO(pack), LIMITS).kinds
    assert any(set(line) != {"0"} for line in list_as_git(quarantine, "%(deltabase)"))
    assert sorted(f"{each} {kind.value}" for each, kind in kinds.items()) == sorted(list_as_git(quarantine))
    assert "1" * 40 not in kinds
    assert "1" * 64 not in kinds


def copying_delta(size: int, copies: int) -> tuple[bytes, bytes]:
    """A content, and a delta by which an object is so many copies of all of it (gitformat-pack(5))."""
    content = (b"line\n" * size)[:size]
    lengths = b"".join(
        bytes([*(n >> shift & 0x7F | 0x80 for shift in (0, 7, 14)), n >> 21]) for n in (size, size * copies)
    )
    return content, lengths + (b"\xf0" + size.to_bytes(3, "little")) * copies


@pytest.mark.parametrize("bytes_max", [2**18 * 40 - 1, 2**18 * 40])
def test_a_delta_of_few_bytes_that_makes_very_many_is_refused(quarantine, bytes_max) -> None:
    base, delta = copying_delta(2**18, 40)
    entries = [b"\xb0\x80\x80\x01" + zlib.compress(base)]
    entries.append(bytes([0xE0 | len(delta) & 15, len(delta) >> 4]))
    entries[1] += encode_distance(len(entries[0])) + zlib.compress(delta)
    pack = b"PACK" + struct.pack(">LL", 2, 2) + b"".join(entries)
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    assert len(pack) < 30_000
    if bytes_max == 2**18 * 40:
        assert len(quarantine.unpack(io.BytesIO(pack), Limits(object_bytes_max=bytes_max)).kinds) == 2
    else:
        with pytest.raises(LimitExceeded, match=f"larger than {bytes_max} bytes"):
            quarantine.unpack(io.BytesIO(pack), Limits(object_bytes_max=bytes_max))


def encode_distance(back: int) -> bytes:
    """How far back a base lies, as a delta of a pack says it."""
    said = [back & 0x7F]
    while back := back >> 7:
        back -= 1
        said.insert(0, back & 0x7F | 0x80)
    return bytes(said)


@pytest.mark.parametrize("count", [2, 1100])
def test_a_whole_history_is_taken_in_with_one_process(quarantine, work_tree, monkeypatch, count) -> None:
    for number in range(count):
        (work_tree.folder / str(number)).write_text(f"{number}\n")
    work_tree.commit_file("last", "1")
    content, started = pack_of(work_tree, "HEAD"), []
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **how: started.append(words) or start(words, **how)
    )
    assert quarantine.unpack(io.BytesIO(content), LIMITS).kinds
    assert len(started) == 1


@pytest.mark.parametrize("least", [3, 4])
def test_large_packs_alone_get_a_reverse_index(quarantine, work_tree, monkeypatch, least) -> None:
    monkeypatch.setattr(quarantine_module, "REVERSED_MIN", least)
    work_tree.commit_file("a", "1")
    unpacked = quarantine.unpack(io.BytesIO(pack_of(work_tree, "HEAD")), LIMITS)
    assert unpacked.index_path.with_suffix(".rev").exists() == (least == 3)


def test_packs_that_are_not_listed_here_are_listed_by_git(quarantine, work_tree, monkeypatch) -> None:
    monkeypatch.setattr(checking_kinds, "LISTED_MAX", 2)
    work_tree.commit_file("a", "x" * POINTER_BYTES.start)
    work_tree.commit_file("b", "x" * 1000)
    content = pack_of(work_tree, "HEAD")
    unpacked = quarantine.unpack(io.BytesIO(content), LIMITS)
    assert not unpacked.kinds
    assert unpacked.may_point == (work_tree("rev-parse", "HEAD:a").strip(),)
    with pytest.raises(LimitExceeded):
        quarantine.unpack(io.BytesIO(content), Limits(object_bytes_max=999))
