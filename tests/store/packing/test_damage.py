"""Files that are cut off, foreign or flipped end in `BadFile` or `Absent`, and in nothing else."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.packing.histories import as_ids

from imprint.store.packing.files.bitmap import Bitmaps
from imprint.store.packing.files.graph import CommitGraph
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.multi import MultiIndex
from imprint.store.packing.files.pack import PackFile
from imprint.store.packing.plan import make_plan
from imprint.store.packing.request import PackRequest
from imprint.store.packing.shelf import Absent, Stock

KINDS = ("*.idx", "*.pack", "multi-pack-index", "multi-pack-index-*.bitmap", "*.graph")


def open_all(objects) -> None:
    """Read every table of every file."""
    pack_dir = objects / "pack"
    for path in pack_dir.glob("*.idx"):
        pack = PackFile(path.with_suffix(""), 20)
        assert len(pack.bases) == len(pack.starts) == len(pack.ranks)
    multi = MultiIndex(pack_dir, 20)
    bitmaps = Bitmaps(pack_dir, multi, 20)
    for place in range(len(multi.ids)):
        if place in bitmaps:
            bitmaps.read(place)
    graph = CommitGraph(objects / "info", 20)
    for layer in graph.layers:
        for place in range(len(layer.ids)):
            graph.look_up(layer.ids[place])


def find_file(objects, pattern):
    (path,) = objects.rglob(pattern)
    path.chmod(0o600)
    return path


def test_good_files_are_read_whole(line) -> None:
    open_all(line.folder / "objects")


@pytest.mark.parametrize("pattern", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_a_file_that_is_cut_off_is_refused(line, pattern, share) -> None:
    path = find_file(line.folder / "objects", pattern)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadFile):
        open_all(line.folder / "objects")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=st.sampled_from(KINDS), places=st.lists(st.integers(0, 2**31), min_size=1, max_size=8))
def test_flipped_bytes_raise_nothing_else(line, tmp_path_factory, pattern, places) -> None:
    folder = tmp_path_factory.mktemp("flipped") / "objects"
    shutil.copytree(line.folder / "objects", folder)
    path = find_file(folder, pattern)
    content = bytearray(path.read_bytes())
    for place in places:
        content[place % len(content)] ^= 1 + place % 255
    path.write_bytes(bytes(content))
    request = PackRequest(as_ids(line.commits[-1:]), ofs_delta=True)
    try:
        sent = b"".join(make_plan(Stock(folder, 20), request).splices().blocks())
        assert pattern == "*.pack" or sent == sound_pack(line, request)
        open_all(folder)
    except (BadFile, Absent):
        pass
    finally:
        shutil.rmtree(folder.parent)


def sound_pack(line, request) -> bytes:
    return b"".join(make_plan(line.stock(), request).splices().blocks())


def test_an_index_of_another_pack_is_refused(line, tmp_path) -> None:
    """It lists the same objects, and is sound by itself."""
    for name, level in (("one", 0), ("other", 9)):
        pack = tmp_path / f"{name}.pack"
        options = "--no-use-bitmap-index", "--no-reuse-object", f"--compression={level}"
        pack.write_bytes(line.pack(line.commits, *options))
        line.git("index-pack", str(pack))
        assert len(PackFile(tmp_path / name, 20))
    (tmp_path / "other.idx").replace(tmp_path / "one.idx")
    with pytest.raises(BadFile, match="another pack"):
        PackFile(tmp_path / "one", 20)


def test_what_is_not_there_is_absent(line) -> None:
    stock = line.stock()
    with pytest.raises(Absent):
        make_plan(stock, PackRequest(as_ids(["1" * 40]), ofs_delta=True))
    with pytest.raises(Absent):
        make_plan(stock, PackRequest(as_ids(line.commits[-1:]), ofs_delta=True, filter="tree:0"))
    with pytest.raises(Absent):
        make_plan(stock, PackRequest(as_ids(line.commits[-1:])))
