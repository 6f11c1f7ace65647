"""Packs in memory: what a small push brings needs no file before it lands, and several can land as one.

Invariants:
    1. An entry's bytes are not changed after it was checked; entries that a delta counts back over stay
       where they are, relative to it.
    2. The files rendered are those that git would write for the same pack: gitformat-pack(5). The reverse
       index is left out: git makes that of a small pack in memory.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.objects.ports import ObjectKind
from imprint.store.packing.making.entries import render_entry_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.types import HashAlgorithm, ObjectId

HEADER_BYTES: Final = 12
"""Magic, version and count, before the first entry of a pack."""
_PACK_HEADER: Final = struct.Struct(">4sLL")
_INDEX_HEADER: Final = struct.pack(">4sL", b"\xfftOc", 2)
_TYPE_NUMBERS: Final = {
    ObjectKind.COMMIT: 1,
    ObjectKind.TREE: 2,
    ObjectKind.BLOB: 3,
    ObjectKind.TAG: 4,
}
_COMPRESSION: Final = 1
"""zlib's level: of what is written here the difference to level 6 is 1 % of bytes, and a third of time."""
_NARROW_BITS: Final = 13
"""Contents of up to 8 KiB need no wider window than that. zlib clears its tables for each object: those of
its widest window are 270 KB, which takes ten times as long as what is in a commit."""
_NARROW_MEMORY: Final = 5
_LARGE_OFFSET: Final = 0x80000000


class HeldEntry(NamedTuple):
    """One object of a pack: its raw id, how many bytes its entry takes, and their CRC-32."""

    raw_id: bytes
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class HeldPack:
    """The entries of a pack, in memory.

    Attributes:
        algorithm: of its ids.
        body: the entries as they lie, without what is before and behind them.
        entries: what each of them is, in the order of the body.
        is_whole: whether none of them is a delta.
    """

    algorithm: HashAlgorithm
    body: bytes
    entries: tuple[HeldEntry, ...]
    is_whole: bool

    @property
    def size_bytes(self) -> int:
        """Length of the `.pack` file."""
        return HEADER_BYTES + len(self.body) + self.algorithm.hex_length // 2

    @property
    def name(self) -> str:
        """What its files are called: `pack-<hash>`."""
        return f"pack-{self.checksum.hex()}"

    @property
    def checksum(self) -> bytes:
        """What is behind the entries."""
        return _digest(self.algorithm, self.header, self.body)

    @property
    def header(self) -> bytes:
        """What is before the entries."""
        return _PACK_HEADER.pack(b"PACK", 2, len(self.entries))


class PackFiles(NamedTuple):
    """A pack as files.

    Attributes:
        name: `pack-<hash>`.
        contents: by suffix, in the order in which they are put in place.
    """

    name: str
    contents: Mapping[str, bytes]


def hold(objects: Iterable[tuple[ObjectId, ObjectKind, bytes]], algorithm: HashAlgorithm) -> HeldPack:
    """A pack of whole objects, each once."""
    pieces, entries = [], []
    for object_id, kind, content in {each[0]: each for each in objects}.values():
        header = render_entry_header(_TYPE_NUMBERS[kind], len(content))
        entry = header + _compress(content)
        pieces.append(entry)
        entries.append(HeldEntry(bytes.fromhex(object_id), len(entry), zlib.crc32(entry)))
    return HeldPack(algorithm, b"".join(pieces), tuple(entries), is_whole=True)


def _compress(content: bytes) -> bytes:
    if len(content) > 1 << _NARROW_BITS:
        return zlib.compress(content, _COMPRESSION)
    narrow = zlib.compressobj(_COMPRESSION, zlib.DEFLATED, _NARROW_BITS, _NARROW_MEMORY)
    return narrow.compress(content) + narrow.flush()


def join(packs: Sequence[HeldPack]) -> HeldPack | None:
    """One pack of the objects of several; None where one of them has a delta and an object of another.

    An object that several have is there once.
    """
    pieces: list[bytes] = []
    entries: dict[bytes, HeldEntry] = {}
    for pack in packs:
        twice = any(each.raw_id in entries for each in pack.entries)
        if not twice:
            pieces.append(pack.body)
            entries.update((each.raw_id, each) for each in pack.entries)
            continue
        if not pack.is_whole:
            return None
        at = 0
        for each in pack.entries:
            if each.raw_id not in entries:
                pieces.append(pack.body[at : at + each.length])
                entries[each.raw_id] = each
            at += each.length
    is_whole = all(pack.is_whole for pack in packs)
    return HeldPack(packs[0].algorithm, b"".join(pieces), tuple(entries.values()), is_whole)


def render(pack: HeldPack) -> PackFiles:
    """The files of a pack."""
    checksum = pack.checksum
    offsets = list(accumulate((each.length for each in pack.entries), initial=HEADER_BYTES))[:-1]
    by_id = sorted(range(len(offsets)), key=lambda at: pack.entries[at].raw_id)
    contents = {
        ".pack": pack.header + pack.body + checksum,
        ".idx": _render_index(pack, by_id, offsets, checksum),
    }
    return PackFiles(f"pack-{checksum.hex()}", contents)


def _render_index(pack: HeldPack, by_id: Sequence[int], offsets: Sequence[int], checksum: bytes) -> bytes:
    """An index of version 2."""
    counts = [0] * 256
    for each in pack.entries:
        counts[each.raw_id[0]] += 1
    large = [offsets[at] for at in by_id if offsets[at] >= _LARGE_OFFSET]
    small = iter(range(len(large)))
    table = [_LARGE_OFFSET | next(small) if offsets[at] >= _LARGE_OFFSET else offsets[at] for at in by_id]
    count = len(by_id)
    content = b"".join(
        (
            _INDEX_HEADER,
            struct.pack(">256L", *accumulate(counts)),
            *(pack.entries[at].raw_id for at in by_id),
            struct.pack(f">{count}L", *(pack.entries[at].crc for at in by_id)),
            struct.pack(f">{count}L", *table),
            struct.pack(f">{len(large)}Q", *large),
            checksum,
        )
    )
    return content + _digest(pack.algorithm, content)


def _digest(algorithm: HashAlgorithm, *contents: bytes) -> bytes:
    digest = hashlib.new(algorithm.value, usedforsecurity=False)
    for content in contents:
        digest.update(content)
    return digest.digest()
