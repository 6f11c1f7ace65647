"""The end of a pack, found while it passes."""

import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.store.objects.git import write_pack
from imprint.store.objects.ports import ObjectKind
from imprint.store.transport.packs.packend import PackEnd, PackReader
from imprint.store.types import HashAlgorithm

NOISE = random.Random(3).randbytes(300_000)
CONTENTS = (b"", b"a", b"hello\n" * 50, b"\0" * 2_000_000, NOISE, NOISE[:70_000] * 10)
"""Among them objects that inflate in several steps, and objects that come in several pieces."""


def make_pack(contents, algorithm=HashAlgorithm.SHA1) -> bytes:
    out = io.BytesIO()
    write_pack([(ObjectKind.BLOB, content) for content in contents], out, algorithm)
    return out.getvalue()


class Trickle:
    """A stream that never ends: whoever waits for more than there is fails."""

    def __init__(self, content: bytes, step: int) -> None:
        self.content, self.step, self.at = content, step, 0

    def read(self, size: int) -> bytes:
        assert self.at < len(self.content), "waited for bytes that nobody owes"
        piece = self.content[self.at : self.at + min(size, self.step)]
        self.at += len(piece)
        return piece


def read_all(reader: PackReader) -> bytes:
    pieces = []
    while piece := reader.read(100_000):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("step", [7, 4096, 65_536, 10**9])
def test_reading_stops_at_the_end(algorithm, step) -> None:
    pack = make_pack(CONTENTS if step > 7 else CONTENTS[:4], algorithm)
    assert read_all(PackReader(Trickle(pack, step), algorithm)) == pack


def test_a_pack_of_nothing_ends_too() -> None:
    pack = make_pack(())
    assert read_all(PackReader(Trickle(pack, 5), HashAlgorithm.SHA1)) == pack


@pytest.mark.parametrize("thin", [[], ["--thin"]])
@pytest.mark.parametrize("offsets", [[], ["--delta-base-offset"]])
def test_deltas_of_both_kinds_are_passed(work_tree, thin, offsets) -> None:
    for number in range(20):
        work_tree.commit_file("a", "".join(f"{line}\n" for line in range(number, number + 500)))
    pack = work_tree.run(
        "pack-objects", "--revs", "--stdout", "-q", *thin, *offsets, stdin=b"HEAD\n^HEAD~10\n"
    ).stdout
    assert read_all(PackReader(Trickle(pack, 1000), HashAlgorithm.SHA1)) == pack


def test_what_comes_with_the_last_byte_is_passed_on_for_the_receiver_to_refuse() -> None:
    pack = make_pack((b"a",)) + b"more"
    assert PackEnd(HashAlgorithm.SHA1).feed(pack) == len(pack) - 4
    assert read_all(PackReader(Trickle(pack, 10**9), HashAlgorithm.SHA1)) == pack


def object_of(kind: int, size: int, content: bytes) -> bytes:
    assert size < 16
    return b"PACK" + (2).to_bytes(4) + (1).to_bytes(4) + bytes((kind << 4 | size,)) + content


@pytest.mark.parametrize(
    "pack",
    [
        b"JUNK" + bytes(20),
        b"PACK" + (9).to_bytes(4) + (1).to_bytes(4) + bytes(20),
        object_of(0, 1, bytes(20)),
        object_of(5, 1, bytes(20)),
        object_of(3, 1, b"this is not deflated"),
        object_of(3, 1, zlib.compress(bytes(10**6))),
        b"PACK" + (2).to_bytes(4) + (1).to_bytes(4) + b"\xff" * 30,
    ],
    ids=["magic", "version", "kind 0", "kind 5", "not deflated", "larger than it says", "endless size"],
)
def test_nothing_more_is_read_of_a_pack_that_cannot_be_followed(pack) -> None:
    assert read_all(PackReader(Trickle(pack, 10**9), HashAlgorithm.SHA1)) == pack


@given(st.binary(max_size=200), st.integers(1, 50))
@settings(max_examples=100)
def test_no_bytes_surprise_it(content, step) -> None:
    stream = io.BytesIO(b"PACK\0\0\0\2\0\0\0\3" + content)
    reader = PackReader(stream, HashAlgorithm.SHA1)
    while reader.read(step):
        pass
