"""A small pack as it came over the wire, taken apart in memory.

Format: gitformat-pack(5). What is unusual raises `Doubt`, and git is given the same bytes.

Invariants:
    1. What is inflated is bounded, before it is: by the sizes that entries and deltas tell.
    2. Every byte of the pack belongs to an entry, the header or the checksum, which fits.
    3. Ids are hashes of what was inflated; a pack that names one object twice is unusual.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.small.held import HEADER_BYTES, HeldEntry, HeldPack, hold, join
from imprint.store.receive.small.strict import Doubt
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.store.objects.ports import Objects

BYTES_MAX: Final = 1024 * 1024
"""Of a pack; a larger one is git's to check."""
OBJECTS_MAX: Final = 300
"""Of a pack, bases that complete it not counted; beyond, git is faster."""
INFLATED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of all objects of a pack together."""
_PACK_HEADER: Final = struct.Struct(">4sLL")
_KINDS: Final = {1: ObjectKind.COMMIT, 2: ObjectKind.TREE, 3: ObjectKind.BLOB, 4: ObjectKind.TAG}
_OFFSET_DELTA: Final = 6
_REF_DELTA: Final = 7
_NUMBER_BITS_MAX: Final = 64
"""Of a size or distance, as git holds it. Without a bound, a number of a megabyte takes minutes to read."""
_PIECE_BYTES: Final = 4096
"""So much is given to zlib at a time: what is behind the end of an entry is copied back."""

Raw = tuple[ObjectKind, bytes]


class _Lying(NamedTuple):
    """An entry as it lies: what it is or is a delta of, its content or delta, and where it ends."""

    kind: ObjectKind | None
    base: int | bytes
    content: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A pack taken apart.

    Attributes:
        held: its entries, with whole bases behind them where it was thin.
        objects: what it brought, by id.
        bases: what was added to complete it.
    """

    held: HeldPack
    objects: Mapping[ObjectId, Raw]
    bases: Mapping[ObjectId, Raw]


def parse(pack: bytes, here: Objects) -> Parsed:
    """Take a pack apart.

    Args:
        pack: all of it.
        here: where bases are that it does not bring.

    Raises:
        Doubt: it is unusual, broken, or more than is looked at here.
    """
    algorithm = here.algorithm
    count = _verify_frame(pack, algorithm)
    lying = _read_entries(pack, count, algorithm.hex_length // 2)
    resolved = _Resolver(lying, here).resolve()
    entries = []
    objects: dict[ObjectId, Raw] = {}
    for (begin, each), raw in zip(lying.items(), resolved.contents, strict=True):
        raw_id = hash_object(*raw, algorithm)
        objects[ObjectId(raw_id.hex())] = raw
        entries.append(HeldEntry(raw_id, each.end - begin, zlib.crc32(pack[begin : each.end])))
    if len(objects) != count or not objects.keys().isdisjoint(resolved.bases):
        raise Doubt
    is_whole = all(each.kind for each in lying.values())
    body = pack[HEADER_BYTES : -(algorithm.hex_length // 2)]
    held = HeldPack(algorithm, body, tuple(entries), is_whole)
    if resolved.bases:
        added = hold([(each, *raw) for each, raw in resolved.bases.items()], algorithm)
        completed = join([held, added])
        assert completed is not None  # noqa: S101 - no id is in both
        held = completed
    return Parsed(held, objects, resolved.bases)


def hash_object(kind: ObjectKind, content: bytes, algorithm: HashAlgorithm) -> bytes:
    """The raw id of an object."""
    digest = hashlib.new(
        algorithm.value, b"%s %d\0" % (kind.value.encode(), len(content)), usedforsecurity=False
    )
    digest.update(content)
    return digest.digest()


def _verify_frame(pack: bytes, algorithm: HashAlgorithm) -> int:
    """Check what is before and behind the entries; how many there are."""
    id_bytes = algorithm.hex_length // 2
    if len(pack) < HEADER_BYTES + id_bytes:
        raise Doubt
    magic, version, count = _PACK_HEADER.unpack_from(pack)
    if (magic, version) != (b"PACK", 2) or count > OBJECTS_MAX:
        raise Doubt
    if hashlib.new(algorithm.value, pack[:-id_bytes], usedforsecurity=False).digest() != pack[-id_bytes:]:
        raise Doubt
    return int(count)


def _read_entries(pack: bytes, count: int, id_bytes: int) -> dict[int, _Lying]:
    """The entries by where they begin."""
    lying: dict[int, _Lying] = {}
    view, at, room = memoryview(pack)[:-id_bytes], HEADER_BYTES, INFLATED_BYTES_MAX
    try:
        for _ in range(count):
            lying[at] = each = _read_entry(view, at, id_bytes, room)
            at = each.end
            room -= len(each.content)
    except (IndexError, zlib.error) as broken:
        raise Doubt from broken
    if at != len(view):
        raise Doubt
    return lying


def _read_entry(view: memoryview, begin: int, id_bytes: int, room: int) -> _Lying:
    byte, at = view[begin], begin + 1
    code, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        byte, at = view[at], at + 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if size > room or shift > _NUMBER_BITS_MAX:
            raise Doubt
    if size > room:
        raise Doubt
    base: int | bytes = 0
    if code == _OFFSET_DELTA:
        byte, at = view[at], at + 1
        back = byte & 0x7F
        while byte & 0x80:
            byte, at = view[at], at + 1
            back = (back + 1) << 7 | byte & 0x7F
            if back > begin:
                raise Doubt
        base = begin - back
    elif code == _REF_DELTA:
        base, at = bytes(view[at : at + id_bytes]), at + id_bytes
    elif code not in _KINDS:
        raise Doubt
    content, end = _inflate(view, at, size)
    return _Lying(_KINDS.get(code), base, content, end)


def _inflate(view: memoryview, at: int, size: int) -> tuple[bytes, int]:
    """So many bytes, no more and no less; and where their stream ends."""
    inflater = zlib.decompressobj()
    pieces, left = [], size + 1
    while not inflater.eof:
        piece = view[at : at + _PIECE_BYTES]
        if not piece:
            raise Doubt
        pieces.append(inflater.decompress(piece, left))
        left -= len(pieces[-1])
        if left <= 0 or inflater.unconsumed_tail:
            raise Doubt
        at += len(piece) - len(inflater.unused_data)
    if left != 1:
        raise Doubt
    return b"".join(pieces), at


class _Resolver:
    """Puts deltas together.

    Attributes:
        bases: what was read from the repository for it.
    """

    def __init__(self, lying: Mapping[int, _Lying], here: Objects) -> None:
        self._lying = lying
        self._here = here
        self._room = INFLATED_BYTES_MAX
        self._at: dict[int, Raw] = {}
        self._named: dict[bytes, Raw] = {}
        self.bases: dict[ObjectId, Raw] = {}

    @property
    def contents(self) -> list[Raw]:
        """What each entry is, in order."""
        return [self._at[begin] for begin in self._lying]

    def resolve(self) -> _Resolver:
        """Do all of them: those whose base is known first; what none of the pack is, is read."""
        for begin, each in self._lying.items():
            if each.kind:
                self._note(begin, (each.kind, each.content))
        waiting = {begin: each for begin, each in self._lying.items() if not each.kind}
        while waiting:
            ready = [begin for begin, each in waiting.items() if self._find_base(each)]
            if not ready:
                self._read_bases([each.base for each in waiting.values() if isinstance(each.base, bytes)])
            for begin in ready:
                each = waiting.pop(begin)
                if found := self._find_base(each):
                    self._note(begin, (found[0], self._apply(each.content, found[1])))
        return self

    def _note(self, begin: int, raw: Raw) -> None:
        self._at[begin] = raw
        self._named[hash_object(*raw, self._here.algorithm)] = raw

    def _find_base(self, each: _Lying) -> Raw | None:
        return self._at.get(each.base) if isinstance(each.base, int) else self._named.get(each.base)

    def _read_bases(self, raw_ids: Sequence[bytes]) -> None:
        """Read from the repository those bases that are there; another may be what a delta upon one makes.

        Raises:
            Doubt: none is there.
        """
        before = len(self.bases)
        for raw_id in raw_ids:
            wanted = ObjectId(raw_id.hex())
            size = self._here.find_size(wanted)
            if size is not None:
                self._take(size)
                self.bases[wanted] = self._named[raw_id] = self._here.read_raw(wanted)
        if len(self.bases) == before:
            raise Doubt

    def _apply(self, delta: bytes, base: bytes) -> bytes:
        try:
            base_size, at = _read_length(delta, 0)
            size, at = _read_length(delta, at)
            self._take(size)
            made = apply_delta(base, delta, at)
        except IndexError as broken:
            raise Doubt from broken
        if base_size != len(base) or len(made) != size:
            raise Doubt
        return made

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise Doubt


def _read_length(delta: bytes, at: int) -> tuple[int, int]:
    """A number, lowest seven bits first, and where it ends."""
    length = shift = 0
    while True:
        byte = delta[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return length, at
        if shift > _NUMBER_BITS_MAX:
            raise Doubt


def apply_delta(base: bytes, delta: bytes, at: int) -> bytes:
    """What a delta makes of its base.

    Args:
        base: what it counts from.
        delta: the whole delta.
        at: where its instructions begin.

    Raises:
        Doubt: it copies from outside of the base, or more than a delta of this size should.
        IndexError: it ends within an instruction.
    """
    pieces, made = [], 0
    while at < len(delta):
        code = delta[at]
        at += 1
        if not code & 0x80:
            if not code or at + code > len(delta):
                raise Doubt
            pieces.append(delta[at : at + code])
            made += code
            at += code
            continue
        offset = size = 0
        for place in range(4):
            if code >> place & 1:
                offset |= delta[at] << 8 * place
                at += 1
        for place in range(3):
            if code >> place + 4 & 1:
                size |= delta[at] << 8 * place
                at += 1
        size = size or 0x10000
        made += size
        if offset + size > len(base) or made > INFLATED_BYTES_MAX:
            raise Doubt
        pieces.append(base[offset : offset + size])
    return b"".join(pieces)
