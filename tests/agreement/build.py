"""Objects, packs and requests byte by byte, and the repository to which every case is pushed.

Nothing here is random: the same case is the same bytes in every run.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property

ZERO = "0" * 40
GHOST = "1" * 40
"""An id that no object has."""
NEW = b"refs/heads/new"
CAPABILITIES = b"report-status object-format=sha1"
COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
_KIND = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
WHO = b"Ada <ada@example.com> 1767323045 +0000"


@dataclass(frozen=True)
class Obj:
    """A Git object; its content may be as wrong as it likes."""

    kind: int
    data: bytes

    @cached_property
    def id(self) -> str:
        return hashlib.sha1(
            b"%b %d\0%b" % (_KIND[self.kind], len(self.data), self.data), usedforsecurity=False
        ).hexdigest()

    @property
    def raw_id(self) -> bytes:
        return bytes.fromhex(self.id)


def blob(data: bytes) -> Obj:
    return Obj(BLOB, data)


def tree(*entries: tuple[bytes, bytes, str | bytes]) -> Obj:
    """Entries `(mode, name, id)` in the order given."""
    pieces = [
        mode + b" " + name + b"\0" + (bytes.fromhex(each) if isinstance(each, str) else each)
        for mode, name, each in entries
    ]
    return Obj(TREE, b"".join(pieces))


def commit(
    root: Obj | str,
    *parents: Obj | str,
    author: bytes = WHO,
    committer: bytes = WHO,
    extra: bytes = b"",
    message: bytes = b"change\n",
) -> Obj:
    lines = [b"tree " + _id(root)]
    lines += [b"parent " + _id(parent) for parent in parents]
    lines += [b"author " + author, b"committer " + committer]
    return Obj(COMMIT, b"\n".join(lines) + b"\n" + extra + b"\n" + message)


def tag(target: Obj, name: bytes = b"new", kind: bytes | None = None, tagger: bytes | None = WHO) -> Obj:
    lines = [b"object " + _id(target), b"type " + (kind or _KIND[target.kind]), b"tag " + name]
    if tagger is not None:
        lines.append(b"tagger " + tagger)
    return Obj(TAG, b"\n".join(lines) + b"\n\nrelease\n")


def _id(thing: Obj | str) -> bytes:
    return (thing.id if isinstance(thing, Obj) else thing).encode()


# -- packs -------------------------------------------------------------------------------------------


def entry_header(kind: int, size: int) -> bytes:
    first = (kind << 4) | (size & 15)
    size >>= 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first = size & 0x7F
        size >>= 7
    out.append(first)
    return bytes(out)


def whole(obj: Obj, *, size: int | None = None, level: int = 6) -> bytes:
    """One object of a pack; `size` may be a lie."""
    return entry_header(obj.kind, len(obj.data) if size is None else size) + zlib.compress(obj.data, level)


def ref_delta(base: str, delta: bytes, size: int | None = None) -> bytes:
    header = entry_header(REF_DELTA, len(delta) if size is None else size)
    return header + bytes.fromhex(base) + zlib.compress(delta)


def offset(distance: int) -> bytes:
    out = [distance & 0x7F]
    distance >>= 7
    while distance:
        distance -= 1
        out.insert(0, 0x80 | (distance & 0x7F))
        distance >>= 7
    return bytes(out)


def ofs_delta(distance: int, delta: bytes) -> bytes:
    return entry_header(OFS_DELTA, len(delta)) + offset(distance) + zlib.compress(delta)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def copy_op(start: int, size: int) -> bytes:
    out = bytearray([0x80])
    for place in range(4):
        if byte := start >> 8 * place & 0xFF:
            out[0] |= 1 << place
            out.append(byte)
    for place in range(3):
        if byte := size >> 8 * place & 0xFF:
            out[0] |= 16 << place
            out.append(byte)
    return bytes(out)


def insert_op(data: bytes) -> bytes:
    return b"".join(
        bytes([len(data[at : at + 127])]) + data[at : at + 127] for at in range(0, len(data), 127)
    )


def make_delta(base: bytes, *ops: bytes, result: int) -> bytes:
    return varint(len(base)) + varint(result) + b"".join(ops)


def append_delta(base: bytes, more: bytes) -> bytes:
    """A delta that makes `base + more`."""
    return make_delta(base, copy_op(0, len(base)), insert_op(more), result=len(base) + len(more))


def pack(
    *entries: Obj | bytes,
    count: int | None = None,
    version: int = 2,
    magic: bytes = b"PACK",
    checksum: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    body = magic + struct.pack(">LL", version, len(entries) if count is None else count)
    body += b"".join(whole(each) if isinstance(each, Obj) else each for each in entries)
    end = hashlib.sha1(body, usedforsecurity=False).digest() if checksum is None else checksum
    return body + end + after


# -- requests ----------------------------------------------------------------------------------------

Command = tuple[str, str, bytes]


def pkt(content: bytes) -> bytes:
    return b"%04x%b" % (len(content) + 4, content)


@dataclass(frozen=True)
class Case:
    """One push.

    Attributes:
        family: what it is about.
        name: unique within the family.
        legal: whether git accepts every command of it.
        commands: old id, new id, ref name.
        content: what follows the commands.
        capabilities: what follows the first command.
        shallow: ids of `shallow` lines.
        raw: the whole request, where the commands are not to be rendered from the above.
    """

    family: str
    name: str
    legal: bool
    commands: tuple[Command, ...]
    content: bytes = b""
    capabilities: bytes = CAPABILITIES
    shallow: tuple[str, ...] = ()
    raw: bytes | None = None

    @property
    def key(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def request(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [pkt(b"shallow " + each.encode()) for each in self.shallow]
        for place, (old, new, name) in enumerate(self.commands):
            line = f"{old} {new} ".encode() + name
            lines.append(pkt(line if place else line + b"\0 " + self.capabilities))
        return b"".join(lines) + b"0000" + self.content


def push(family: str, name: str, legal: bool, tip: Obj, *objects: Obj | bytes, ref: bytes = NEW) -> Case:
    """A new ref for `tip`, with a pack of it and the objects."""
    return Case(family, name, legal, ((ZERO, tip.id, ref),), pack(tip, *objects))


# -- the repository that is there --------------------------------------------------------------------

TEXT = blob(b"".join(b"line %d of a file that deltas are made against\n" % n for n in range(200)))
ONE = blob(b"one\n")
LONELY = blob(b"in a pack of the repository, reachable from no ref\n")
ROOT = tree((b"100644", b"a.txt", ONE.id), (b"100644", b"text", TEXT.id))
ROOT_2 = tree((b"100644", b"a.txt", ONE.id), (b"40000", b"sub", ROOT.id), (b"100644", b"text", TEXT.id))
FIRST = commit(ROOT, message=b"first\n")
SECOND = commit(ROOT_2, FIRST, message=b"second\n")
THIRD = commit(ROOT, FIRST, message=b"aside\n")
RELEASE = tag(SECOND, b"v1")
SEED_OBJECTS = (TEXT, ONE, LONELY, ROOT, ROOT_2, FIRST, SECOND, THIRD, RELEASE)
SEED_REFS = {
    b"refs/heads/main": SECOND.id,
    b"refs/heads/dev": THIRD.id,
    b"refs/heads/topic/one": FIRST.id,
    b"refs/tags/v1": RELEASE.id,
}
"""HEAD names `refs/heads/main`."""
SEED = Case(
    "seed", "seed", True, tuple((ZERO, each, name) for name, each in SEED_REFS.items()), pack(*SEED_OBJECTS)
)
CHILD = commit(ROOT, SECOND, message=b"child of main\n")
"""A commit that may be pushed alone."""
