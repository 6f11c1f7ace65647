"""What objects of a pack are, from the heads of its entries: what git says, or nothing."""

import hashlib
import struct
import zlib

import pytest

from imprint.store.packing.files.listing import Listing
from imprint.store.packing.files.mapped import BadFile
from imprint.store.packing.files.pack import BLOB, OFS_DELTA

LARGE = 5 * 1024**3
EMPTY_BLOCKS = b"\x0a\x78\x9c" + b"\0\0\0\xff\xff" * 2000
"""How far back the base is, and then thousands of them in front of a delta's first byte."""


def head(kind: int, size: int) -> bytes:
    """How an entry begins."""
    byte, size = kind << 4 | size & 15, size >> 4
    said = bytearray()
    while size:
        said.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*said, byte])


def number(value: int) -> bytes:
    """A length as a delta begins with it."""
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*said, value])


def write_pack(folder, entries: list[bytes]):
    """A pack of entries that nobody has checked, and an index of it; its stem."""
    pack = struct.pack(">4sLL", b"PACK", 2, len(entries))
    offsets = []
    for entry in entries:
        offsets.append(len(pack))
        pack += entry
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    ids = [bytes([at]) * 20 for at in range(len(entries))]
    index = b"\xfftOc\0\0\0\2"
    index += b"".join(struct.pack(">L", min(first + 1, len(ids))) for first in range(256))
    index += b"".join(ids) + bytes(4 * len(ids))
    index += b"".join(struct.pack(">L", offset) for offset in offsets) + pack[-20:]
    index += hashlib.sha1(index, usedforsecurity=False).digest()
    (folder / "pack-1.pack").write_bytes(pack)
    (folder / "pack-1.idx").write_bytes(index)
    return folder / "pack-1"


def delta(back: int, content: bytes, said: int | None = None) -> bytes:
    """An entry that builds on the one so many bytes before it."""
    return head(OFS_DELTA, said or len(content)) + bytes([back]) + zlib.compress(content)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 2047, 2048, 2**32, LARGE, 2**59])
def test_sizes_of_every_length_are_read(tmp_path, size) -> None:
    """What the heads say is believed: index-pack has inflated every entry before."""
    whole = head(BLOB, size) + zlib.compress(b"")
    listing = Listing(write_pack(tmp_path, [whole, delta(len(whole), number(9) + number(size))]), 20)
    assert listing.sizes.tolist() == [size, size]
    assert listing.kinds.tolist() == [BLOB, BLOB]


def test_a_chain_has_the_type_that_it_ends_with(tmp_path) -> None:
    entries = [head(BLOB, 1) + zlib.compress(b"a")]
    for size in range(300):
        entries.append(delta(len(entries[-1]), number(1) + number(size)))
    stem = write_pack(tmp_path, entries[:256])
    listing = Listing(stem, 20)
    assert set(listing.kinds.tolist()) == {BLOB}
    assert listing.sizes.tolist() == [1, *range(255)]
    assert listing.list_blobs(range(10, 13), 2) == [bytes([at]) * 20 for at in (11, 12)]
    assert listing.list_absent([b"x" * 20, b"\xff" * 20, b"\xff" * 19 + b"x"]) == [b"\xff" * 19 + b"x"]


def ref_delta(base: int) -> bytes:
    return head(7, 2) + bytes([base]) * 20 + zlib.compress(number(1) * 2)


@pytest.mark.parametrize(
    "entries",
    [
        [head(BLOB, 2**60) + zlib.compress(b"")],
        [head(0, 1) + zlib.compress(b"a")],
        [head(5, 1) + zlib.compress(b"a")],
        [ref_delta(1), ref_delta(0)],
        [ref_delta(1), ref_delta(2), ref_delta(0)],
        [ref_delta(0)],
        [ref_delta(9)],
        [head(BLOB, 1) + zlib.compress(b"a"), delta(10, number(1) + number(2**63))],
        [head(BLOB, 1) + zlib.compress(b"a"), delta(10, number(1), said=1)],
        [head(BLOB, 1) + zlib.compress(b"a"), delta(10, b"\xff" * 30)],
        [head(BLOB, 1) + zlib.compress(b"a"), delta(10, b"")],
        [head(BLOB, 1) + zlib.compress(b"a"), head(OFS_DELTA, 2) + bytes([10]) + b"no stream"],
        # Thousands of empty blocks in front of the first byte.
        [
            head(BLOB, 1) + zlib.compress(b"a"),
            head(OFS_DELTA, 2) + b"\x0a\x78\x9c" + b"\0\0\0\xff\xff" * 2000,
        ],
    ],
)
def test_what_is_odd_is_refused(tmp_path, entries) -> None:
    with pytest.raises(BadFile):
        Listing(write_pack(tmp_path, entries), 20)


def test_any_byte_may_be_anything(tmp_path, work_tree) -> None:
    """An answer or a refusal, and never another error."""
    text = "".join(f"line {n}\n" for n in range(300))
    work_tree.commit_file("a", text)
    work_tree.commit_file("a", text + "more\n")
    work_tree("repack", "-adq")
    stem = next((work_tree.folder / ".git/objects/pack").glob("*.pack")).with_suffix("")
    shown = work_tree("show-index", stdin=stem.with_suffix(".idx").read_bytes())
    whole, answers = stem.with_suffix(".pack").read_bytes(), set()
    odd = tmp_path / "odd"
    odd.with_suffix(".idx").write_bytes(stem.with_suffix(".idx").read_bytes())
    for offset in (int(line.split()[0]) for line in shown.splitlines()):
        for byte in (0x00, 0x50, 0x60, 0x70, 0xE0, 0xFF):
            odd.with_suffix(".pack").write_bytes(whole[:offset] + bytes([byte]) + whole[offset + 1 :])
            try:
                answers.add(len(Listing(odd, 20)))
            except BadFile:
                answers.add(None)
    assert answers == {6, None}
