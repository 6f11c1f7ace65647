"""What is kept for fetches stays within its bounds, as measured, and goes when it should."""

import gc
import platform
import random
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Self

import pytest
from tests.store.packing.histories import Source, as_ids, make_source

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.packing.cache import ReadyPacks
from imprint.store.packing.files.mapped import READ_BYTES_MAX
from imprint.store.packing.pressure import Pressure
from imprint.store.packing.request import PackRequest
from imprint.store.packing.serving import Servings
from imprint.store.packing.shelf import Absent
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.types import HashAlgorithm, ObjectId, RefName, RefValue

MIB = 1024**2


def ask(servings: Servings, source: Source, name: str = "", want: int = -1) -> bytes:
    """A fetch of one commit and all below it."""
    sender = servings.of(name or source.folder.name, source.folder, HashAlgorithm.SHA1).sender
    return b"".join(sender.send(PackRequest(as_ids([source.commits[want]]), ofs_delta=True)))


def make_large(folder: Path) -> Source:
    """A pack that is mapped, and sent as stretches of it, once a ref has left something out."""
    source = make_source(folder, [((), {"top": 0}), ((0,), {"top": 1})])
    noise = [random.Random(at).randbytes(700_000) for at in range(3)]
    ids = [source.git("hash-object", "-w", "--stdin", stdin=each).decode().strip() for each in noise]
    lines = "".join(f"100644 blob {each}\tf{at}\n" for at, each in enumerate(ids))
    tree = source.git("mktree", stdin=lines.encode())
    named = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    tip = source.git(*named, "commit-tree", tree.decode().strip(), "-m", "m").decode().strip()
    source.git("update-ref", "refs/heads/large", tip)
    source.commits.append(tip)
    source.git("repack", "-adq")
    source.look_up()
    return source


def list_descriptors(folder: Path) -> list[str]:
    """Files below a folder that this process holds open."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except OSError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return found


def list_deleted(folder: Path) -> list[str]:
    """Files below a folder that are gone and still mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if f"{folder}/" in line and line.endswith("(deleted)")]


class Measured:
    """Memory that was taken since, and is still held."""

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()

    def bytes(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("is_looked_up", [False, True])
def test_no_more_is_taken_than_is_counted(tmp_path, is_looked_up: bool) -> None:
    source = make_source(
        tmp_path / "s.git",
        [((at - 1,) if at else (), {f"dir/{at % 7}/f{at}": at % 6}) for at in range(150)],
        tags=range(5),
    )
    source.git("repack", "-adq")
    if is_looked_up:
        source.look_up()
    ask(Servings(ReadyPacks(0), MIB), source)  # modules are loaded
    takings = []
    for _ in range(3):  # threads of others in this process may take memory meanwhile
        servings = Servings(ReadyPacks(0), 100 * MIB)
        with Measured() as measured:
            for want in range(0, 150, 10):
                ask(servings, source, want=want)
            takings.append(measured.bytes())
    counted, _ = servings.of("s.git", source.folder, HashAlgorithm.SHA1).sender.count()
    assert min(takings) <= 1.1 * counted
    assert counted <= 2 * max(takings) + 20_000


def test_tables_of_many_repositories_stay_within_their_bound(line, tmp_path) -> None:
    sources = []
    for number in range(50):
        shutil.copytree(line.folder, tmp_path / f"r{number}.git")
        sources.append(Source(tmp_path / f"r{number}.git", 20, line.commits))
    one = Servings(ReadyPacks(0), MIB)
    ask(one, line)
    each, _ = one.of(line.folder.name, line.folder, HashAlgorithm.SHA1).sender.count()
    ready = ReadyPacks(100_000)
    servings = Servings(ready, 10 * each)
    with Measured() as measured:
        for source in sources * 2:
            ask(servings, source)
        assert measured.bytes() <= (10 + 32) * each + 100_000  # so many are asked from look to look
        for _ in range(32):
            ask(servings, sources[0])
        assert measured.bytes() <= 11 * each + 100_000
    assert ready.size_bytes <= 100_000


def test_rendered_refs_count_too(line) -> None:
    servings = Servings(ReadyPacks(0), MIB)
    refs = {RefName(b"refs/heads/%d" % at): RefValue(ObjectId(line.commits[0])) for at in range(5)}
    snapshot = RefSnapshot(1, RefName(b"refs/heads/0"), refs)
    serving = servings.of("r", line.folder, HashAlgorithm.SHA1)
    serving.visible.of(snapshot, HiddenRefs()).keep_rendered("all", bytes(2 * MIB))
    assert serving.count()[0] > 2 * MIB
    for _ in range(32):
        ask(servings, line, "other")
    assert servings.of("r", line.folder, HashAlgorithm.SHA1) is not serving


def test_descriptors_stay_within_their_bound(tmp_path) -> None:
    first = make_large(tmp_path / "r0.git")
    sources = [first]
    for number in range(1, 6):
        shutil.copytree(first.folder, tmp_path / f"r{number}.git")
        sources.append(Source(tmp_path / f"r{number}.git", 20, first.commits))
    servings = Servings(ReadyPacks(10 * MIB), 100 * MIB, files_max=2)
    for source in sources:
        assert len(ask(servings, source)) > READ_BYTES_MAX
    assert len(list_descriptors(tmp_path)) == 6
    for _ in range(32):
        ask(servings, sources[3])
    gc.collect()
    assert len(list_descriptors(tmp_path)) <= 2


@pytest.mark.parametrize(("left_kib", "is_short"), [(60_000, False), (40_000, True)])
def test_when_the_machine_is_short_of_memory_nothing_is_kept(tmp_path, line, left_kib, is_short) -> None:
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: {left_kib} kB\n")
    ready = ReadyPacks(MIB)
    servings = Servings(ready, 100 * MIB, pressure=Pressure(root))
    ask(servings, line)
    assert ready.size_bytes > 0
    servings.of("other", line.folder, HashAlgorithm.SHA1)
    assert (ready.size_bytes == 0) is is_short
    assert len(ask(servings, line)) > 0, "it is served all the same"


def test_a_group_of_processes_may_be_short_too(tmp_path) -> None:
    """The cache of files is given back when it is needed: it is not counted."""
    group = tmp_path / "sys/fs/cgroup/system.slice/imprint.service"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:name=x:/\n0::/system.slice/imprint.service\n")
    seconds = [0.0]
    pressure = Pressure(tmp_path, lambda: seconds[0])
    (group / "memory.max").write_text("max\n")
    assert not pressure.is_short()
    for at, (where, cached, is_short) in enumerate(
        [(group, 50, False), (group, 4, True), (group.parent, 4, True)], start=1
    ):
        for folder in (group, group.parent):
            (folder / "memory.max").write_text("100\n" if folder == where else "max\n")
            (folder / "memory.current").write_text("99\n")
            (folder / "memory.stat").write_text(f"anon 40\nfile {cached - 1}\nkernel 3\n")
        assert pressure.is_short() is (at > 2), "it looks once in a while"
        seconds[0] += 1
        assert pressure.is_short() is is_short


def test_a_system_that_tells_nothing_is_never_short(tmp_path) -> None:
    assert not Pressure(tmp_path).is_short()


def test_what_maintenance_removed_takes_no_space_for_long(tmp_path) -> None:
    source = make_large(tmp_path / "r.git")
    ready = ReadyPacks(10 * MIB)
    servings = Servings(ready, 100 * MIB)
    sender = servings.of(source.folder.name, source.folder, HashAlgorithm.SHA1).sender
    before = ask(servings, source)
    request = PackRequest(as_ids(source.commits[-1:]), ofs_delta=True)
    running = sender.send(request)
    begun = next(running)
    source.git("repack", "-adfq", "--depth=0")
    source.look_up()
    assert list_deleted(tmp_path)
    sender.refresh()
    assert before == begun + b"".join(running), "what has begun ends well"
    del running
    gc.collect()
    assert not list_deleted(tmp_path)
    assert ready.size_bytes == 0
    assert len(ask(servings, source)) > MIB


def test_what_was_pruned_is_not_given_any_more(tmp_path) -> None:
    source = make_source(tmp_path / "s.git", [((), {"top": 0}), ((0,), {"top": 1})])
    servings = Servings(ReadyPacks(MIB), MIB)
    assert ask(servings, source) == ask(servings, source)
    source.git("update-ref", "-d", "refs/heads/c1")
    source.git("repack", "-adq")
    source.git("prune-packed")
    with pytest.raises(Absent):
        ask(servings, source)
    assert ask(servings, source, want=0)


def test_what_others_destroyed_is_dropped(line, tmp_path) -> None:
    ready = ReadyPacks(MIB)
    servings = Servings(ready, MIB)
    ask(servings, line, "a")
    ask(servings, line, "b")
    before = ready.size_bytes
    servings.keep_only(["a"])
    assert ready.size_bytes == before / 2


FREED = """
from pathlib import Path
from imprint.store.packing.pressure import Pressure

def count_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 >> 20

pieces = [bytes(100_000) + b"." for _ in range(1500)]
last = pieces[-1]
full = count_mib()
del pieces
freed = count_mib()
Pressure().give_back()
print(full - count_mib(), full - freed)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators keep nothing")
def test_what_was_let_go_is_given_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", FREED], capture_output=True, check=True, text=True).stdout
    given_back, at_once = map(int, told.split())
    assert given_back > 120
    assert at_once < 60, "or nothing was to be given back"
