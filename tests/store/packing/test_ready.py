"""Framing, and the packs that are kept ready."""

import hashlib
import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.packing.cache import SMALL_BYTES, ReadyPack, ReadyPacks
from imprint.store.packing.files.pack import OFS_DELTA
from imprint.store.packing.making.entries import render_delta_headers, render_entry_header
from imprint.store.packing.making.framing import frame_blocks
from imprint.store.packing.making.splices import BLOCK_BYTES, Splices
from imprint.store.transport.pktline import Band, render_band

pieces_strategy = st.lists(st.binary(max_size=50), max_size=12)


@given(pieces=pieces_strategy, band_bytes_max=st.integers(1, 70))
def test_frames_are_those_of_the_whole(pieces, band_bytes_max) -> None:
    whole = b"".join(pieces)
    framed = b"".join(frame_blocks(pieces, band_bytes_max))
    assert framed == render_band(Band.DATA, whole, band_bytes_max)
    assert b"".join(frame_blocks(pieces, 0)) == whole


def splice(pieces) -> Splices:
    ends = np.cumsum([0, *map(len, pieces)])
    return Splices([b"".join(pieces)], np.zeros(len(pieces), np.int64), ends[:-1], ends[1:])


def make_ready(pieces, names=frozenset(), checksum=None) -> ReadyPack:
    return ReadyPack(splice(pieces), frozenset(names), "sha1", checksum)


@given(pieces=pieces_strategy)
def test_a_ready_pack_ends_with_its_checksum_every_time(pieces) -> None:
    whole = b"".join(pieces)
    pack = make_ready(pieces)
    for _ in range(2):
        assert b"".join(pack.blocks()) == whole + hashlib.sha1(whole).digest()


def test_a_large_one_is_not_put_together_and_read_once_for_its_checksum() -> None:
    pieces = [bytes(SMALL_BYTES), b"head", b"x" * SMALL_BYTES]
    first = make_ready(pieces)
    told, again = b"".join(first.blocks()), b"".join(first.blocks())
    assert told == again == b"".join(pieces) + hashlib.sha1(b"".join(pieces)).digest()
    assert b"".join(make_ready(pieces, checksum=b"known").blocks()) == b"".join(pieces) + b"known"


def test_stretches_are_put_together_in_blocks() -> None:
    source = random.Random(3).randbytes(3 * BLOCK_BYTES)
    begins = np.array([5, 0, 100, BLOCK_BYTES, 7])
    ends = np.array([5, 3 * BLOCK_BYTES, 300, 2 * BLOCK_BYTES + 1, 9])
    splices = Splices([source, b"other bytes"], np.array([0, 0, 0, 0, 1]), begins, ends)
    blocks = list(splices.blocks())
    expected = [source[b:e] for b, e in zip(begins, ends, strict=True)][:-1]
    assert b"".join(blocks) == b"".join(expected) + b"other bytes"[7:9]
    assert splices.size_bytes == sum(map(len, blocks))
    assert max(map(len, blocks)) <= 2 * BLOCK_BYTES


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    one = make_ready([bytes(1000)])
    ready = ReadyPacks(4 * one.weight_bytes)
    for name in "abc":
        ready.keep(("r", name), make_ready([bytes(1000)]))
    assert ready.find(("r", "a"))
    ready.keep(("r", "d"), make_ready([bytes(1000)]))
    assert [name for name in "abcd" if ready.find(("r", name))] == ["a", "c", "d"]
    assert ready.size_bytes == 3 * one.weight_bytes


def test_packs_of_what_was_replaced_or_destroyed_go() -> None:
    ready = ReadyPacks(10**9)
    large = [bytes(SMALL_BYTES), b"more"]
    ready.keep(("r", "old"), make_ready(large, {"pack-old"}))
    ready.keep(("r", "new"), make_ready(large, {"pack-new"}))
    ready.keep(("other", "old"), make_ready(large, {"pack-old"}))
    ready.forget("r", but=frozenset({"pack-new"}))
    keys = ("r", "old"), ("r", "new"), ("other", "old")
    assert [ready.find(key) is not None for key in keys] == [False, True, True]
    ready.forget("r")
    assert ready.find(("r", "new")) is None


def test_nothing_is_kept_without_room() -> None:
    ready = ReadyPacks(0)
    ready.keep(("r", "a"), make_ready([b"some"]))
    assert ready.find(("r", "a")) is None


@given(distances=st.lists(st.integers(1, 2**62), max_size=5), size=st.integers(0, 2**40))
def test_distances_are_read_back_as_git_reads_them(distances, size) -> None:
    lies = render_entry_header(OFS_DELTA, size)
    begins = np.full(len(distances), 3, np.int64)
    array = np.frombuffer(b"abc" + lies, np.uint8)
    headers = render_delta_headers(array, begins, begins + len(lies), np.array(distances, np.int64))
    for begin, end, distance in zip(headers.begins, headers.ends, distances, strict=True):
        header = headers.content[begin:end].tobytes()
        assert header[: len(lies)] == lies
        value, *rest = header[len(lies) :]
        number = value & 0x7F
        for byte in rest:
            assert value & 0x80
            number, value = (number + 1 << 7) | byte & 0x7F, byte
        assert (number, value & 0x80) == (distance, 0)


@given(kind=st.integers(1, 7), size=st.integers(0, 2**62))
def test_headers_of_entries_are_read_back(kind, size) -> None:
    header = render_entry_header(kind, size)
    number = header[0] & 15
    for place, byte in enumerate(header[1:]):
        number |= (byte & 0x7F) << 4 + 7 * place
    assert (header[0] >> 4 & 7, number, header[-1] & 0x80) == (kind, size, 0)
    assert all(byte & 0x80 for byte in header[:-1])
