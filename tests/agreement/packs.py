"""Packs: header, entries, deltas, lengths and the checksum, broken one at a time."""

import struct
import zlib
from collections.abc import Iterator

from agreement.build import (
    BLOB,
    CAPABILITIES,
    CHILD,
    COMMIT,
    GHOST,
    LONELY,
    NEW,
    OFS_DELTA,
    ONE,
    REF_DELTA,
    ROOT,
    SECOND,
    TEXT,
    ZERO,
    Case,
    Obj,
    append_delta,
    blob,
    commit,
    copy_op,
    entry_header,
    insert_op,
    make_delta,
    offset,
    ofs_delta,
    pack,
    ref_delta,
    tree,
    varint,
    whole,
)

PLAIN = blob(b"a base that is pushed along, of some length so that copies have something to copy\n" * 4)
GROWN = blob(PLAIN.data + b"more\n")
GROWN_TEXT = blob(TEXT.data + b"more\n")


def sent(name: str, legal: bool, content: bytes, tip: Obj = CHILD) -> Case:
    return Case("pack", name, legal, ((ZERO, tip.id, NEW),), content)


def containers() -> Iterator[Case]:
    good = pack(CHILD)
    yield sent("plain", True, good)
    yield sent("version 3", True, pack(CHILD, version=3))
    for version in (0, 1, 4, 2**31, 2**32 - 1, 0x02000000):
        yield sent(f"version {version}", False, pack(CHILD, version=version))
    for magic in (b"pack", b"PACC", b"\0\0\0\0", b"KCAP", b"PK\x03\x04", b"0000"):
        yield sent(f"magic {magic!r}", False, pack(CHILD, magic=magic))
    for count in (0, 2, 3, 100, 2**31 - 1, 2**31, 2**32 - 1):
        yield sent(f"count {count}", False, pack(CHILD, count=count))
    yield sent("no pack", False, b"")
    for cut in (1, 4, 8, 11, 12, 13, 14, 20, len(good) - 21, len(good) - 20, len(good) - 19, len(good) - 1):
        yield sent(f"cut after {cut}", False, good[:cut])
    for what, checksum in {
        "zeros": bytes(20),
        "turned": good[-20:][::-1],
        "of nothing": bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    }.items():
        yield sent(f"checksum {what}", False, pack(CHILD, checksum=checksum))
    for after in (b"\0", b"\n", b"0000", good, b"PACK", b"x" * 10_000):
        yield sent(f"then {len(after)} bytes {after[:4]!r}", False, good + after)
    for place in (13, 15, 30, 60):
        flipped = bytearray(good)
        flipped[place] ^= 0x40
        yield sent(f"bit flipped at {place}", False, bytes(flipped))
    yield sent("something before", False, b"\n" + good)
    yield sent("empty pack for a ghost", False, pack(), blob(b"a ghost\n"))
    yield Case("pack", "empty pack for a commit here", True, ((ZERO, SECOND.id, NEW),), pack())
    yield Case("pack", "empty pack for a blob here", True, ((ZERO, LONELY.id, b"refs/tags/new"),), pack())
    yield Case("pack", "empty pack, bad checksum", False, ((ZERO, SECOND.id, NEW),), pack(checksum=bytes(20)))
    yield Case("pack", "empty pack and more", False, ((ZERO, SECOND.id, NEW),), pack(after=b"x"))
    yield Case("pack", "no pack, commit here", False, ((ZERO, SECOND.id, NEW),), b"")
    yield sent("object twice", False, pack(CHILD, CHILD))
    yield sent("object twice, packed differently", False, pack(CHILD, whole(CHILD, level=0)))
    yield sent("all objects that are here already", True, pack(CHILD, SECOND, ROOT, ONE, TEXT))
    yield sent("not compressed", True, pack(whole(CHILD, level=0)))
    yield sent("compressed well", True, pack(whole(CHILD, level=9)))


def entries() -> Iterator[Case]:
    for kind in (0, 5):
        yield sent(
            f"entry of kind {kind}",
            False,
            pack(entry_header(kind, len(CHILD.data)) + zlib.compress(CHILD.data)),
        )
    for lie in (0, 1, len(CHILD.data) - 1, len(CHILD.data) + 1, 2**20, 2**40, 2**62):
        yield sent(f"claims {lie} bytes", False, pack(whole(CHILD, size=lie)))
    yield sent(
        "kind is another", False, pack(entry_header(BLOB, len(CHILD.data)) + zlib.compress(CHILD.data))
    )
    header = entry_header(COMMIT, len(CHILD.data))
    packed = zlib.compress(CHILD.data)
    yield sent("garbage for zlib", False, pack(header + b"\xff" * 40))
    yield sent("raw text for zlib", False, pack(header + CHILD.data))
    yield sent("deflate without zlib", False, pack(header + packed[2:-4]))
    yield sent("gzip", False, pack(header + b"\x1f\x8b\x08" + bytes(7) + packed[2:]))
    yield sent("wrong adler", False, pack(header + packed[:-1] + bytes([packed[-1] ^ 1])))
    yield sent("zlib cut", False, pack(header + packed[:-5]))
    yield sent("zlib with dictionary flag", False, pack(header + b"\x78\xbb" + packed[2:]))
    yield sent("stored blocks", True, pack(header + zlib.compress(CHILD.data, 0)))
    yield sent("several deflate blocks", True, pack(header + _blocks(CHILD.data)))
    yield sent("junk between entries", False, pack(whole(CHILD) + b"junk", ONE))
    yield sent("size in too many bytes", True, pack(_padded_header(COMMIT, len(CHILD.data), 2) + packed))
    yield sent("size in 12 bytes", False, pack(_padded_header(COMMIT, len(CHILD.data), 10) + packed))
    yield sent("header without end", False, pack(b"\x9f" + b"\xff" * 30))
    yield sent(
        "a bomb that lies", False, pack(entry_header(BLOB, 10) + zlib.compress(bytes(20_000_000)), CHILD)
    )
    bomb = blob(bytes(20_000_000))
    yield sent("20 MB of zeros", True, pack(bomb, CHILD))


def _blocks(data: bytes) -> bytes:
    engine = zlib.compressobj()
    pieces = [
        engine.compress(data[:50]),
        engine.flush(zlib.Z_FULL_FLUSH),
        engine.compress(data[50:]),
        engine.flush(),
    ]
    return b"".join(pieces)


def _padded_header(kind: int, size: int, more: int) -> bytes:
    header = bytearray(entry_header(kind, size))
    header[-1] |= 0x80
    return bytes(header) + b"\x80" * (more - 1) + b"\0"


def _tip(content: Obj) -> tuple[Obj, Obj]:
    root = tree((b"100644", b"f", content.id))
    return commit(root, SECOND), root


def deltas() -> Iterator[Case]:
    tip, root = _tip(GROWN)
    delta = append_delta(PLAIN.data, b"more\n")
    first = whole(PLAIN)

    def made(name: str, legal: bool, *parts: Obj | bytes) -> Case:
        return Case("delta", name, legal, ((ZERO, tip.id, NEW),), pack(*parts, tip, root))

    yield made("by offset", True, first, ofs_delta(len(first), delta))
    yield made("by id", True, first, ref_delta(PLAIN.id, delta))
    yield made("by id, base behind", True, ref_delta(PLAIN.id, delta), first)
    yield made("offset 0", False, first, ofs_delta(0, delta))
    yield made("offset into the entry before", False, first, ofs_delta(len(first) - 1, delta))
    yield made("offset to the header", False, first, ofs_delta(len(first) + 12, delta))
    yield made("offset before the pack", False, first, ofs_delta(len(first) + 5000, delta))
    yield made("offset of 2^40", False, first, ofs_delta(2**40, delta))
    yield made(
        "offset of ten bytes",
        False,
        first,
        entry_header(OFS_DELTA, len(delta)) + b"\xff" * 10 + b"\0" + zlib.compress(delta),
    )
    yield made("base missing", False, ref_delta(GHOST, delta))
    yield made("base of zeros", False, ref_delta(ZERO, delta))
    yield made("its own base", False, ref_delta(GROWN.id, append_delta(GROWN.data, b"")))
    yield made(
        "base is its result",
        False,
        ref_delta(GROWN.id, make_delta(GROWN.data, copy_op(0, len(GROWN.data)), result=len(GROWN.data))),
    )
    one, two = blob(b"cycle one " * 9), blob(b"cycle two " * 9)
    cycle = [ref_delta(two.id, append_delta(two.data, b"x")), ref_delta(one.id, append_delta(one.data, b"x"))]
    yield made("cycle of two", False, *cycle)
    yield made(
        "base packed wrongly", False, entry_header(BLOB, len(PLAIN.data)) + b"\xff" * 20, ofs_delta(22, delta)
    )
    for name, wrong in {
        "base size too small": varint(len(PLAIN.data) - 1) + delta[len(varint(len(PLAIN.data))) :],
        "base size too large": varint(len(PLAIN.data) + 1) + delta[len(varint(len(PLAIN.data))) :],
        "result too small": make_delta(
            PLAIN.data, copy_op(0, len(PLAIN.data)), insert_op(b"more\n"), result=len(GROWN.data) - 1
        ),
        "result too large": make_delta(
            PLAIN.data, copy_op(0, len(PLAIN.data)), insert_op(b"more\n"), result=len(GROWN.data) + 1
        ),
        "result of 2^40": make_delta(
            PLAIN.data, copy_op(0, len(PLAIN.data)), insert_op(b"more\n"), result=2**40
        ),
        "result of 2^63": make_delta(
            PLAIN.data, copy_op(0, len(PLAIN.data)), insert_op(b"more\n"), result=2**63
        ),
        "copies behind the base": make_delta(
            PLAIN.data, copy_op(10, len(PLAIN.data)), insert_op(b"more\n"), result=len(GROWN.data)
        ),
        "copies far behind the base": make_delta(PLAIN.data, copy_op(2**31, 4), result=4),
        "copies wrapping around": make_delta(PLAIN.data, copy_op(2**32 - 1, 2), result=2),
        "reserved operation": make_delta(PLAIN.data, b"\0", result=1),
        "insert cut": make_delta(PLAIN.data, b"\x7fabc", result=127),
        "copy cut": make_delta(PLAIN.data, b"\xff\x01", result=5),
        "no operations": make_delta(PLAIN.data, result=5),
        "empty": b"",
        "only sizes cut": b"\x80",
        "one byte": b"\x01",
        "sizes without end": b"\xff" * 20,
        "operations left over": delta + insert_op(b"x"),
    }.items():
        yield made(name, False, first, ofs_delta(len(first), wrong))
        yield made(f"{name}, by id", False, first, ref_delta(PLAIN.id, wrong))
    yield made("size of the delta lies", False, first, ref_delta(PLAIN.id, delta, len(delta) + 3))
    yield made("size of the delta lies by little", False, first, ref_delta(PLAIN.id, delta, len(delta) - 1))
    yield from _legal_deltas()
    yield from _thin()


def _legal_deltas() -> Iterator[Case]:
    def made(name: str, result: Obj, *parts: Obj | bytes) -> Case:
        tip, root = _tip(result)
        return Case("delta", name, True, ((ZERO, tip.id, NEW),), pack(*parts, tip, root))

    first = whole(PLAIN)
    half = blob(PLAIN.data[100:200])
    yield made(
        "a part", half, first, ofs_delta(len(first), make_delta(PLAIN.data, copy_op(100, 100), result=100))
    )
    pieces = blob(b"".join(bytes([65 + n]) * 3 + PLAIN.data[n : n + 5] for n in range(20)))
    ops = [op for n in range(20) for op in (insert_op(bytes([65 + n]) * 3), copy_op(n, 5))]
    yield made(
        "many operations",
        pieces,
        first,
        ref_delta(PLAIN.id, make_delta(PLAIN.data, *ops, result=len(pieces.data))),
    )
    twice = blob(PLAIN.data * 2)
    both = make_delta(
        PLAIN.data, copy_op(0, len(PLAIN.data)), copy_op(0, len(PLAIN.data)), result=len(twice.data)
    )
    yield made("the base twice", twice, first, ofs_delta(len(first), both))
    new = blob(b"nothing of the base\n")
    yield made(
        "only inserts",
        new,
        first,
        ofs_delta(len(first), make_delta(PLAIN.data, insert_op(new.data), result=len(new.data))),
    )
    nothing = blob(b"")
    yield made(
        "of an empty base",
        blob(b"x"),
        whole(nothing),
        ref_delta(nothing.id, make_delta(b"", insert_op(b"x"), result=1)),
    )
    huge = blob(bytes(0x10000) + b"tail")
    span = make_delta(huge.data, b"\x80", insert_op(b"end"), result=0x10000 + 3)
    yield made("copy of 64 KiB written as 0", blob(bytes(0x10000) + b"end"), huge, ref_delta(huge.id, span))
    for depth in (10, 50, 200):
        chain, content, parts = whole(PLAIN), PLAIN.data, [whole(PLAIN)]
        for n in range(depth):
            more = b"%d\n" % n
            parts.append(ofs_delta(len(chain), append_delta(content, more)))
            content, chain = content + more, parts[-1]
        yield made(f"chain of {depth}", blob(content), *parts)
    older = commit(ROOT, SECOND, message=b"older " * 30)
    newer = commit(ROOT, SECOND, message=b"older " * 30 + b"and newer")
    parts = [older, ref_delta(older.id, append_delta(older.data, b"and newer"))]
    yield Case("delta", "of a commit", True, ((ZERO, newer.id, NEW),), pack(*parts))
    wide = tree(*((b"100644", b"%04d" % n, ONE.id) for n in range(30)))
    wider = Obj(wide.kind, wide.data + b"100644 x\0" + ONE.raw_id)
    tip = commit(wider, SECOND)
    parts = [wide, ref_delta(wide.id, append_delta(wide.data, b"100644 x\0" + ONE.raw_id)), tip]
    yield Case("delta", "of a tree", True, ((ZERO, tip.id, NEW),), pack(*parts))
    bad = Obj(wide.kind, wide.data + b"100644 .git\0" + ONE.raw_id)
    tip = commit(bad, SECOND)
    parts = [wide, ref_delta(wide.id, append_delta(wide.data, b"100644 .git\0" + ONE.raw_id)), tip]
    yield Case("delta", "hides a bad tree", False, ((ZERO, tip.id, NEW),), pack(*parts))


def _thin() -> Iterator[Case]:
    tip, root = _tip(GROWN_TEXT)
    delta = append_delta(TEXT.data, b"more\n")
    thin = ref_delta(TEXT.id, delta)

    def made(name: str, legal: bool, content: bytes) -> Case:
        return Case("thin", name, legal, ((ZERO, tip.id, NEW),), content)

    yield made("plain", True, pack(thin, tip, root))
    yield made("base comes along as well", True, pack(thin, TEXT, tip, root))
    yield made("and a byte more", False, pack(thin, tip, root, after=b"x"))
    yield made("checksum wrong", False, pack(thin, tip, root, checksum=bytes(20)))
    yield made(
        "base size wrong",
        False,
        pack(ref_delta(TEXT.id, append_delta(TEXT.data[1:], b"more\n\n")), tip, root),
    )
    yield made(
        "base unreachable from refs",
        True,
        pack(ref_delta(LONELY.id, append_delta(LONELY.data, b"x")), thin, tip, root),
    )
    yield made("base is a tree", False, pack(ref_delta(ROOT.id, append_delta(ROOT.data, b"x")), tip, root))
    yield made("base nowhere", False, pack(ref_delta(blob(b"nowhere\n").id, delta), tip, root))
    yield made(
        "two deltas, one base",
        True,
        pack(thin, ref_delta(TEXT.id, append_delta(TEXT.data, b"other\n")), tip, root),
    )
    yield made(
        "chain on a base that is here",
        True,
        pack(thin, ref_delta(GROWN_TEXT.id, append_delta(GROWN_TEXT.data, b"!\n")), tip, root),
    )
    yield made("only one of two bases", False, pack(thin, ref_delta(GHOST, delta), tip, root))
    older = commit(ROOT, SECOND, message=b"child of main\n" + b"x" * 50)
    assert REF_DELTA
    thin_commit = ref_delta(SECOND.id, append_delta(SECOND.data, b"again\n"))
    made_commit = Obj(COMMIT, SECOND.data + b"again\n")
    yield Case("thin", "commit", True, ((ZERO, made_commit.id, NEW),), pack(thin_commit))
    yield Case("thin", "commit beside", True, ((ZERO, older.id, NEW),), pack(older, thin_commit))


def framing() -> Iterator[Case]:
    """The pack behind other capabilities."""
    for extra in (
        b" side-band-64k",
        b" ofs-delta",
        b" quiet",
        b" side-band-64k quiet",
        b" agent=x/1",
        b" atomic",
        b" nonsense",
        b" report-status-v2",
    ):
        yield Case(
            "pack", f"with{extra.decode()}", True, ((ZERO, CHILD.id, NEW),), pack(CHILD), CAPABILITIES + extra
        )
        yield Case(
            "pack",
            f"broken with{extra.decode()}",
            False,
            ((ZERO, CHILD.id, NEW),),
            pack(CHILD)[:-1],
            CAPABILITIES + extra,
        )
    assert struct
    assert offset(0) == b"\0"


def cases() -> Iterator[Case]:
    yield from containers()
    yield from entries()
    yield from deltas()
    yield from framing()
