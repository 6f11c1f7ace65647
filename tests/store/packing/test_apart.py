"""What lies far apart is told by bitmaps as walks over commits tell it."""

import hashlib
import random
import zlib

import numpy as np
import pytest
from tests.store.packing.histories import Source, as_ids
from tests.store.packing.test_walk import list_reached, make_skewed

from imprint.store.packing import facts
from imprint.store.packing.choosing import apart
from imprint.store.packing.choosing.apart import recall_far
from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.choosing.memory import PackMemory
from imprint.store.packing.choosing.relatives import Relatives
from imprint.store.packing.choosing.walk import Commits
from imprint.store.packing.files.bitmap import Bitmaps
from imprint.store.packing.files.ewah import gather_bits
from imprint.store.packing.files.pack import BLOB, NO_BASE, OFS_DELTA, REF_DELTA
from imprint.store.packing.making.layout import Layout
from imprint.store.packing.plan import make_plan
from imprint.store.packing.request import PackRequest
from imprint.store.packing.shelf import Place

VERSIONS = 40
LINES = 400


@pytest.fixture
def skewed(tmp_path, monkeypatch) -> Source:
    """A wide history, in which little is far."""
    monkeypatch.setattr(apart, "FAR_COMMITS", 1)
    source = make_skewed(tmp_path / "skewed.git", 1)
    source.look_up()
    return source


@pytest.fixture
def line(tmp_path) -> Source:
    """One file of many lines, of which each commit changes one."""
    source = Source(tmp_path / "line.git", 20)
    source.folder.mkdir()
    source.git("init", "-q", "--bare")
    lines = [f"line {number} says nothing of note\n" for number in range(LINES)]
    made = []
    for number in range(VERSIONS):
        lines[7 * number % LINES] = f"line that version {number} changed\n"
        text = "".join(lines)
        made.append(f"commit refs/heads/main\nmark :{number + 1}")
        made.append(f"committer A <a@example.com> {1_700_000_000 + 60 * number} +0000\ndata 1\nm")
        made += [f"from :{number}"] * (number > 0)
        made.append(f"M 644 inline file\ndata {len(text)}\n{text}")
    source.git("fast-import", "--quiet", stdin="\n".join(made).encode() + b"\n")
    source.git("repack", "-adfq")
    source.commits = source.git("rev-list", "--reverse", "main").decode().split()
    source.look_up()
    return source


def find_far(source: Source, wants, haves):
    contents = Contents(source.stock())
    raw = [bytes.fromhex(each) for each in wants], [bytes.fromhex(each) for each in haves]
    return contents.stock.multi, recall_far(contents, Commits(contents), *raw, PackMemory(10**6))


def test_far_apart_is_what_git_lists(skewed) -> None:
    chance = random.Random(3)
    far = 0
    for _ in range(12):
        wants, haves = chance.sample(skewed.commits[40:], 2), chance.sample(skewed.commits[:20], 2)
        index, found = find_far(skewed, wants, haves)
        if found is None:
            continue
        far += 1
        sent = list_reached(skewed, wants, haves, "--objects")
        had = list_reached(skewed, haves, [], "--objects")
        for raw_id in (index.ids[at] for at in range(len(index.ids))):
            assert found.has(index, raw_id) == (raw_id.hex() in had)
            assert found.sends(index, raw_id) == (raw_id.hex() in sent - had)
    assert far


def test_what_is_told_is_what_walks_tell(skewed, monkeypatch) -> None:
    chance = random.Random(4)
    asked = [(chance.sample(skewed.commits, 1), chance.sample(skewed.commits, 2)) for _ in range(20)]

    def tell() -> tuple[list[bool | None], list[frozenset[str]]]:
        ready, sent = [], []
        for wants, haves in asked:
            args = skewed.stock(), PackMemory(10**6), as_ids(wants), as_ids(haves)
            ready.append(facts.find_far_ready(*args))
            sent.append(facts.find_sent(*args, (), as_ids(skewed.commits)))
        return ready, sent

    ready, sent = tell()
    monkeypatch.setattr(apart, "FAR_COMMITS", 10**6)
    assert tell() == ([None] * len(asked), sent)
    reached = [bool(list_reached(skewed, wants, []) & set(haves)) for wants, haves in asked]
    told = [(mine, theirs) for mine, theirs in zip(ready, reached, strict=True) if mine is not None]
    assert told
    assert all(mine == theirs for mine, theirs in told)


def test_near_ones_and_large_indexes_are_walked(skewed, monkeypatch) -> None:
    assert find_far(skewed, skewed.commits[-1:], skewed.commits[-2:-1])[1] is None
    wants, haves = skewed.commits[-1:], skewed.commits[:1]
    assert find_far(skewed, wants, haves)[1] is not None
    monkeypatch.setattr(apart, "OBJECTS_MAX", 10)
    assert find_far(skewed, wants, haves)[1] is None


def test_commits_above_the_graph_are_as_far_as_they_are(line) -> None:
    tree = line.git("rev-parse", "main^{tree}").decode().strip()
    tip = line.commits[-1]
    for number in range(5):
        tip = line.git("commit-tree", tree, "-p", tip, "-m", f"{number}").decode().strip()
    line.git("update-ref", "refs/heads/main", tip)
    line.add_pack([tip], [line.commits[-1]])
    commits = Commits(Contents(line.stock()))
    assert commits.find_generation(bytes.fromhex(line.commits[-1])) == VERSIONS
    assert commits.find_generation(bytes.fromhex(tip)) == VERSIONS + 5
    index, found = find_far(line, [tip], line.commits[20:21])
    assert found.is_joined
    assert found.sends(index, bytes.fromhex(tip))
    assert not found.has(index, bytes.fromhex(tip))
    assert {each.hex() for each in found.others} == list_reached(line, [tip], [line.commits[-1]])


def test_deltas_are_made_of_versions_that_the_client_has(line) -> None:
    want, have = line.commits[VERSIONS - 3], line.commits[2]
    packs = []
    for thin in (True, False):
        request = PackRequest(as_ids([want]), as_ids([have]), thin=thin, ofs_delta=True)
        packs.append(b"".join(make_plan(line.stock(), request, PackMemory(10**6)).splices().blocks()))
    theirs = line.pack([want], "--thin", haves=[have])
    blob_bytes = int(line.git("cat-file", "-s", f"{want}:file"))
    assert len(packs[0]) < 1.2 * len(theirs)
    assert len(packs[1]) > len(packs[0])
    assert len(packs[0]) < blob_bytes * VERSIONS / 4


@pytest.mark.parametrize("far", [1, 10**6])
def test_a_blob_for_a_client_without_blobs_builds_on_none(line, tmp_path, monkeypatch, far) -> None:
    monkeypatch.setattr(apart, "FAR_COMMITS", far)
    line.git("init", "-q", "--bare", str(tmp_path / "empty.git"))
    deltas = 0
    for version in range(4, VERSIONS, 6):
        blob = line.git("rev-parse", f"{line.commits[version]}:file").decode().strip()
        asked = as_ids([line.commits[-1], blob]), as_ids([line.commits[-2]])
        packs = []
        for chosen in ("", "blob:none"):
            request = PackRequest(*asked, thin=True, ofs_delta=True, filter=chosen)
            packs.append(b"".join(make_plan(line.stock(), request, PackMemory(10**6)).splices().blocks()))
        deltas += len(packs[0]) < len(packs[1])
        whole = packs[1] + hashlib.sha1(packs[1], usedforsecurity=False).digest()
        line.git("index-pack", "--stdin", stdin=whole, folder=tmp_path / "empty.git")
    assert deltas


def test_the_nearest_relative_is_the_fewest_deltas_away(line) -> None:
    stock = line.stock()
    (pack,) = stock.packs
    bases = pack.bases.tolist()
    chain = [next(rank for rank in range(len(pack)) if rank not in bases and bases[rank] != NO_BASE)]
    while bases[chain[-1]] != NO_BASE:
        chain.append(bases[chain[-1]])
    raw_ids = [pack.id_of(rank) for rank in chain]
    assert len(chain) > 5
    found = {raw_ids[0], raw_ids[2]}
    ats = [stock.multi.ids.find(raw_id) for raw_id in found]
    words = gather_bits(np.array([int(stock.multi.numbers[at]) for at in ats]), stock.bitmaps.size)
    relatives = Relatives(stock, words)
    assert relatives.find(stock.find(raw_ids[4])) == raw_ids[2]
    assert relatives.find(stock.find(raw_ids[1])) == raw_ids[0]
    nothing = Relatives(stock, np.zeros(stock.bitmaps.size, np.uint64))
    assert nothing.find(stock.find(raw_ids[4])) is None


def test_what_is_remembered_changes_no_pack(line, monkeypatch) -> None:
    tree = line.git("rev-parse", "main~5^{tree}").decode().strip()
    tip = line.commits[-1]
    for number in range(3):
        tip = line.git("commit-tree", tree, "-p", tip, "-m", f"{number}").decode().strip()
    line.add_pack([tip], [line.commits[-1]])
    is_there = Bitmaps.__contains__
    monkeypatch.setattr(Bitmaps, "__contains__", lambda self, at: at % 3 == 0 and is_there(self, at))
    memory = PackMemory(10**6)
    packs = []
    for have in (1, 3, 5, 8):
        for kept in (memory, PackMemory(0)):
            request = PackRequest(as_ids([tip]), as_ids([line.commits[have]]), thin=True, ofs_delta=True)
            packs.append(b"".join(make_plan(line.stock(), request, kept).splices().blocks()))
    assert packs[0::2] == packs[1::2]
    assert len(set(packs)) == 4


def list_kinds(pack: bytes, count: int) -> list[int]:
    """The types of a pack's entries, in their order."""
    kinds, at = [], 12
    for _ in range(count):
        kinds.append(pack[at] >> 4 & 7)
        while pack[at] & 0x80:
            at += 1
        at += 1
        if kinds[-1] == OFS_DELTA:
            while pack[at] & 0x80:
                at += 1
            at += 1
        elif kinds[-1] == REF_DELTA:
            at += 20
        inflater = zlib.decompressobj()
        inflater.decompress(pack[at:])
        at = len(pack) - len(inflater.unused_data)
    assert at == len(pack)
    return kinds


def test_a_delta_of_what_was_made_anew_tells_a_distance(line, tmp_path) -> None:
    stock = line.stock()
    (pack,) = stock.packs
    is_blob = np.array([Contents(stock).kind_of(Place(0, rank)) == BLOB for rank in range(len(pack))])
    deltas = np.flatnonzero(is_blob & (pack.bases != NO_BASE))
    for every in (3, 5, 11):
        ranks = np.delete(np.arange(len(pack)), deltas[::every])
        layout = Layout(Contents(stock), [(0, ranks)])
        sent = b"".join(layout.splices().blocks())
        kinds = list_kinds(sent, len(ranks))
        assert REF_DELTA not in kinds
        assert kinds.count(BLOB) < 4  # the first of all, and the first that was made anew
        client = tmp_path / f"client-{every}"
        line.git("init", "-q", "--bare", str(client))
        line.git("index-pack", "--stdin", stdin=sent + hashlib.sha1(sent).digest(), folder=client)
        listed = line.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", folder=client)
        assert listed.decode().split() == sorted(raw_id.hex() for raw_id in pack.ids_of(ranks))
