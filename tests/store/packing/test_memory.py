"""What making one pack teaches for the next, and where ids lie in bulk."""

import hashlib
import random
import struct
import zlib

import numpy as np
import pytest
from tests.store.packing.histories import Source

from imprint.store.packing.choosing.brought import find_brought
from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.choosing.gather import peel
from imprint.store.packing.choosing.memory import PackMemory, name_walk
from imprint.store.packing.choosing.reach import Reach
from imprint.store.packing.choosing.walk import Commits
from imprint.store.packing.files.ids import FANOUT_BYTES, IdTable
from imprint.store.packing.files.mapped import BadFile, Mapped
from imprint.store.packing.files.pack import NO_BASE, PackFile
from imprint.store.packing.making.layout import Layout
from imprint.store.packing.plan import make_plan
from imprint.store.packing.request import PackRequest
from imprint.store.packing.shelf import Absent
from imprint.store.packing.weighed import Weighed
from imprint.store.types import ObjectId


def test_what_is_kept_is_bounded_and_goes_by_age() -> None:
    kept: Weighed[int] = Weighed(1000)
    for number in range(10):
        kept.keep(bytes([number]), number, 300)
        kept.find(b"\0")
    assert [number for number in range(10) if kept.find(bytes([number])) is not None] == [0, 8, 9]
    kept.keep(b"\0", 7, 300)
    assert (kept.find(b"\0"), kept.size_bytes) == (0, 900)
    kept.let_go()
    assert (kept.find(b"\0"), kept.size_bytes) == (None, 0)


def test_nothing_is_remembered_without_memory() -> None:
    memory = PackMemory(0)
    memory.keep_entry(b"id", 3, b"entry")
    assert (memory.find_entry(b"id"), memory.size_bytes) == (None, 0)


def test_an_entry_is_remembered_with_its_base() -> None:
    memory = PackMemory(10**5)
    memory.keep_entry(b"id", 7, b"delta", b"base")
    assert memory.find_entry(b"id", b"base") == (7, b"delta")
    assert memory.find_entry(b"id") is None
    memory.let_go()
    assert memory.find_entry(b"id", b"base") is None


def test_a_tag_is_read_once(line, monkeypatch) -> None:
    line.git("tag", "-a", "-m", "t", "outer", line.git("rev-parse", line.commits[-1]).decode().strip())
    line.git("tag", "-a", "-m", "t", "outermost", "outer")
    line.git("repack", "-adq")
    tags = [bytes.fromhex(line.git("rev-parse", name).decode().strip()) for name in ("outermost", "outer")]
    commit = bytes.fromhex(line.commits[-1])
    blob = bytes.fromhex(line.git("rev-parse", f"{line.commits[-1]}:top").decode().strip())
    memory = PackMemory(10**6)
    contents = Contents(line.stock())
    assert peel(contents, [tags[0], blob], memory) == ([commit], [], [*tags, blob])
    monkeypatch.setattr(Contents, "read_tag", None)
    assert peel(contents, [tags[0], commit], memory) == ([commit], [], tags)
    memory.let_go()
    assert (memory.find_tag(tags[0]), memory.size_bytes) == (None, 0)


def test_deltas_that_build_on_each_other_have_no_root(line, monkeypatch) -> None:
    (pack,) = line.stock().packs[:1]
    bases = np.full(len(pack), NO_BASE, np.int64)
    bases[1], bases[2], bases[3] = 0, 1, 2
    monkeypatch.setattr(PackFile, "bases", bases)
    assert [pack.find_root(rank) for rank in range(4)] == [0, 0, 0, 0]
    bases[0] = 2
    del pack.__dict__["_roots"]
    with pytest.raises(BadFile, match="build on each other"):
        pack.find_root(4)


def test_a_walk_is_named_by_what_it_depends_on() -> None:
    names = {
        name_walk([b"a", b"b"], [], []),
        name_walk([b"a"], [b"b"], []),
        name_walk([b"a"], [], [b"b"]),
        name_walk([b"b", b"a"], [], []),
    }
    assert len(names) == 3


def plan(source: Source, memory: PackMemory, want: int, have: int) -> bytes:
    wants, haves = (ObjectId(source.commits[want]),), (ObjectId(source.commits[have]),)
    request = PackRequest(wants, haves, thin=True, ofs_delta=True)
    return b"".join(make_plan(source.stock(), request, memory).splices().blocks())


def test_neighbours_read_no_tree_that_one_before_compared(line, monkeypatch) -> None:
    read: list[bytes] = []
    read_tree = Contents.read_tree
    monkeypatch.setattr(
        Contents, "read_tree", lambda self, tree: (read.append(tree), read_tree(self, tree))[1]
    )
    memory = PackMemory(10**6)
    plan(line, memory, 10, 3)
    assert read
    read.clear()
    pack = plan(line, memory, 9, 4)
    assert read == []
    assert pack == plan(line, PackMemory(0), 9, 4)


def test_all_below_a_tree_is_brought_where_nothing_was_before(line) -> None:
    tree = line.git("rev-parse", f"{line.commits[-1]}^{{tree}}").decode().strip()
    listed = line.git("ls-tree", "-rt", "--format=%(objecttype) %(objectname)", tree).decode().split("\n")
    brought = find_brought(Contents(line.stock()), bytes.fromhex(tree), ())
    assert {each.hex() for each in brought.blobs} == {each[5:] for each in listed if each.startswith("blob")}
    trees = {tree, *(each[5:] for each in listed if each.startswith("tree"))}
    assert {each.hex() for each in brought.trees} == trees
    assert brought.replaced == brought.likes == ()


def test_objects_are_located_together_as_one_by_one(line) -> None:
    stock = line.stock()
    raw_ids = [pack.ids[at] for pack in stock.packs for at in range(0, len(pack), 2)]
    found = {(number, rank) for number, ranks in stock.locate(raw_ids) for rank in ranks.tolist()}
    assert found == {tuple(stock.require(each)) for each in raw_ids}
    with pytest.raises(Absent):
        stock.locate([*raw_ids, bytes(20)])
    assert stock.locate([]) == []


def test_ids_with_the_same_head_are_told_apart(tmp_path) -> None:
    source = random.Random(7)
    heads = [source.randbytes(8) for _ in range(5)]
    ids = sorted(head + bytes([number]) * 12 for head in heads for number in range(4))
    fanout = [sum(each[0] <= byte for each in ids) for byte in range(256)]
    path = tmp_path / "table"
    path.write_bytes(struct.pack(">256L", *fanout) + b"".join(ids))
    table = IdTable(Mapped(path), 0, FANOUT_BYTES, 20)
    asked = [*ids, bytes(20), b"\xff" * 20, heads[0] + b"\x07" * 12]
    assert table.find_all(asked).tolist() == [table.find(each) for each in asked] == [*range(20), -1, -1, -1]


def test_commits_stay_decoded_while_the_graph_is_the_same(line) -> None:
    stock = line.stock()
    tip = bytes.fromhex(line.commits[-1])
    known = stock.graph.look_up(tip)
    assert known
    assert [parent.hex() for parent in known.parents] == [line.commits[-2]]
    assert line.stock(stock).graph.look_up(tip) is known
    assert line.stock().graph.look_up(tip) is not known
    assert stock.graph.look_up(bytes(20)) is None


def test_of_a_family_of_deltas_only_one_is_made_whole(tmp_path) -> None:
    source = Source(tmp_path / "family.git", 20)
    source.folder.mkdir()
    source.git("init", "-q", "--bare")
    lines = [random.Random(line).randbytes(30).hex() for line in range(200)]
    blobs = []
    for number in range(6):
        lines[30 * number] = f"changed {number}"
        blobs.append(
            source.git("hash-object", "-w", "--stdin", stdin="\n".join(lines).encode()).decode().strip()
        )
    source.git(
        "pack-objects", "-q", str(source.folder / "objects/pack/pack"), stdin="\n".join(blobs).encode()
    )
    stock = source.stock()
    (pack,) = stock.packs
    roots = {pack.find_root(rank) for rank in range(len(pack))}
    assert len(roots) == 1
    picked = np.array([rank for rank in range(len(pack)) if pack.bases[rank] in roots], np.int64)
    layout = Layout(Contents(stock), [(0, picked)])
    sent = b"".join(layout.splices().blocks())
    assert len(picked) > 1
    assert len(sent) < 2 * len(zlib.compress("\n".join(lines).encode()))
    source.git("init", "-q", "--bare", str(tmp_path / "client.git"))
    whole = sent + hashlib.sha1(sent).digest()
    source.git("index-pack", "--stdin", stdin=whole, folder=tmp_path / "client.git")


def test_tips_far_below_a_bitmap_are_not_walked(tmp_path, monkeypatch) -> None:
    source = Source(tmp_path / "long.git", 20)
    source.folder.mkdir()
    source.git("init", "-q", "--bare")
    made = "".join(
        f"commit refs/heads/main\nmark :{number}\ncommitter A <a@example.com> {10**9 + number} +0000\n"
        f"data 1\nm\nM 644 inline file\ndata 4\n{number:4}\n\n"
        for number in range(1, 601)
    )
    source.git("fast-import", "--quiet", stdin=made.encode())
    source.look_up()
    tips = [bytes.fromhex(each) for each in source.git("rev-list", "main").decode().split()]
    stock = source.stock()
    without = [each for each in tips if stock.multi.ids.find(each) not in stock.bitmaps]
    assert len(without) > 100
    monkeypatch.setattr("imprint.store.packing.choosing.reach.COMMITS_MAX", 5)
    contents = Contents(stock)
    reach = Reach(contents, PackMemory(0))
    reach.add(tips, Commits(contents))
    assert all(map(reach.holds, tips))


@pytest.mark.parametrize("end", [b"", b"1 a" * 100_000, b"100644 cut\0" + bytes(19)])
def test_what_is_no_tree_is_told_at_once(line, end) -> None:
    good = b"100644 file\0" + bytes.fromhex(line.git("hash-object", "-w", "--stdin", stdin=b"x").decode())
    tree = (
        line.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=good + end)
        .decode()
        .strip()
    )
    line.git("pack-objects", "-q", str(line.folder / "objects/pack/pack"), stdin=tree.encode())
    contents = Contents(line.stock())
    if end:
        with pytest.raises(Absent, match="no list of entries"):
            contents.read_tree(bytes.fromhex(tree))
    else:
        assert contents.read_tree(bytes.fromhex(tree)) == {good}
