"""Small pushes that were made to be slow: each is given up soon, and left to git."""

import hashlib
import struct
import time
import zlib
from collections.abc import Callable, Iterable

import pytest

from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.receive.small.links import Links
from imprint.store.receive.small.parse import parse
from imprint.store.receive.small.strict import ATTRIBUTES, MODULES, Doubt, Strict, verify_special
from imprint.store.types import HashAlgorithm, ObjectId

SHA1 = HashAlgorithm.SHA1
BYTES = 200_000
"""Of each input; whatever takes their square runs for seconds to minutes."""
SECONDS_MAX = 0.5
AUTHOR = Identity("A", "a@b", 1, 0)
BLOB = object_id(ObjectKind.BLOB, b"")


def seal(*entries: bytes) -> bytes:
    body = struct.pack(">4sLL", b"PACK", 2, len(entries)) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def parse_alone(pack: bytes) -> None:
    parse(pack, MemoryObjects(SHA1))


def delta_of(lengths: bytes) -> bytes:
    """A pack of a blob, and a delta upon it that begins with these bytes."""
    size = len(lengths)
    head = bytes([0x80 | 6 << 4 | size & 15])
    for shift in (4, 11, 18):
        head += bytes([size >> shift & 0x7F | (0x80 if shift < 18 else 0)])
    blob = b"\x30" + zlib.compress(b"")
    return seal(blob, head + bytes([len(blob)]) + zlib.compress(lengths))


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda: parse_alone(seal(b"\xff" * BYTES)), id="the size of an entry"),
        pytest.param(lambda: parse_alone(seal(b"\xe1\x01" + b"\xff" * BYTES)), id="the distance to a base"),
        pytest.param(lambda: parse_alone(delta_of(b"\xff" * BYTES)), id="the size of a base"),
        pytest.param(lambda: Strict(SHA1).split(b"100644 " * (BYTES // 7)), id="entries without an end"),
        pytest.param(lambda: verify_special(MODULES, b" " * 60_000 + b"!"), id="spaces"),
        pytest.param(lambda: verify_special(MODULES, b"path = a" + b" " * 60_000 + b"!"), id="spaces behind"),
        pytest.param(lambda: verify_special(ATTRIBUTES, b" " * 60_000 + b"!"), id="a long line"),
        pytest.param(
            lambda: Strict(SHA1).read_commit(b"tree " + b"a" * 40 + b"\nauthor a" + b" <" * BYTES),
            id="a name",
        ),
    ],
)
def test_numbers_and_texts_without_end(read: Callable[[], None]) -> None:
    begun = time.process_time()
    with pytest.raises(Doubt):
        read()
    assert time.process_time() - begun < SECONDS_MAX


@pytest.mark.parametrize("line", [b"\x0b", b'\x0c[submodule "a"]', b"path = a\x0b", b"\r\r"])
def test_white_space_that_git_does_not_skip(line: bytes) -> None:
    with pytest.raises(Doubt):
        verify_special(MODULES, b'[submodule "a"]\n' + line + b"\n")


# -- links ------------------------------------------------------------------------------------------------


class Counting(MemoryObjects):
    """Counts what is read."""

    reads = 0

    def read_raw(self, object_id: ObjectId) -> tuple[ObjectKind, bytes]:
        self.reads += 1
        return super().read_raw(object_id)


def put(objects: dict[ObjectId, tuple[ObjectKind, bytes]], kind: ObjectKind, content: bytes) -> ObjectId:
    name = object_id(kind, content)
    objects[name] = (kind, content)
    return name


def commit_of(tree: ObjectId, parents: Iterable[ObjectId]) -> bytes:
    return encode_commit(tree, tuple(parents), AUTHOR, AUTHOR, "m\n")


def test_the_modes_of_a_large_folder_change() -> None:
    names = [b"%05d" % number for number in range(6_000)]
    here, brought = Counting(SHA1), {}
    old = here.add(ObjectKind.TREE, encode_tree([TreeEntry(name, 0o100644, BLOB) for name in names]))
    parent = here.add(ObjectKind.COMMIT, commit_of(old, ()))
    tree = put(brought, ObjectKind.TREE, encode_tree([TreeEntry(name, 0o100755, BLOB) for name in names]))
    tip = put(brought, ObjectKind.COMMIT, commit_of(tree, [parent]))
    begun = time.process_time()
    assert Links(brought, here).find_connected([tip], lambda each: each == parent) == {tip}
    assert time.process_time() - begun < SECONDS_MAX


def test_a_folder_beside_many_others() -> None:
    """Each folder of the push stands at many places, where another one was at each."""
    here, brought = Counting(SHA1), {}
    below = [
        here.add(ObjectKind.TREE, encode_tree([TreeEntry(b"%d" % n, 0o100644, BLOB)])) for n in range(2**14)
    ]
    inner = put(
        brought, ObjectKind.TREE, encode_tree([TreeEntry(b"x", 0o40000, object_id(ObjectKind.TREE, b""))])
    )
    put(brought, ObjectKind.TREE, b"")
    while len(below) > 1:
        pairs = zip(below[::2], below[1::2], strict=True)
        below = [here.add(ObjectKind.TREE, folder_of(*pair)) for pair in pairs]
        inner = put(brought, ObjectKind.TREE, folder_of(inner, inner))
    parent = here.add(ObjectKind.COMMIT, commit_of(below[0], ()))
    tip = put(brought, ObjectKind.COMMIT, commit_of(inner, [parent]))
    assert not Links(brought, here).find_connected([tip], lambda each: each == parent)
    assert here.reads < 2**13


def folder_of(one: ObjectId, two: ObjectId) -> bytes:
    return encode_tree([TreeEntry(b"a", 0o40000, one), TreeEntry(b"b", 0o40000, two)])


def test_one_parent_a_thousand_times() -> None:
    here, brought = Counting(SHA1), {}
    old = here.add(ObjectKind.TREE, encode_tree([TreeEntry(b"a", 0o100644, BLOB)]))
    parent = here.add(ObjectKind.COMMIT, commit_of(old, ()))
    blob = put(brought, ObjectKind.BLOB, b"new")
    tree = put(brought, ObjectKind.TREE, encode_tree([TreeEntry(b"a", 0o100644, blob)]))
    tip = put(brought, ObjectKind.COMMIT, commit_of(tree, [parent] * 1000))
    assert Links(brought, here).find_connected([tip], lambda each: each == parent) == {tip}
    assert here.reads <= 2
