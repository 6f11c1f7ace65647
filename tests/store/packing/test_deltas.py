"""Deltas of texts, read back by another's code."""

import random

from dulwich.pack import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.packing.making.deltas import make_delta

lines = st.lists(st.sampled_from([b"a line\n", b"another line\n", b"x", b"\r\n", b"", b"\0\xff" * 9, b"end"]))


@given(base=lines.map(b"".join), target=lines.map(b"".join))
def test_a_delta_makes_the_target_of_its_base(base, target) -> None:
    assert b"".join(apply_delta(base, make_delta(base, target))) == target


@given(base=st.binary(max_size=300), target=st.binary(max_size=300))
def test_any_bytes_do(base, target) -> None:
    assert b"".join(apply_delta(base, make_delta(base, target))) == target


def test_a_changed_line_takes_little() -> None:
    content = [b"line %d of a file\n" % number for number in range(5000)]
    base = b"".join(content)
    for number in (17, 2500, 4990):
        content[number] = b"changed\n"
    content[100:100] = [b"new %d\n" % number for number in range(10)]
    del content[3000:3100]
    delta = make_delta(base, b"".join(content))
    assert len(delta) < 250
    assert b"".join(apply_delta(base, delta)) == b"".join(content)


def test_copies_of_any_length_and_place_are_written() -> None:
    base = random.Random(7).randbytes(20_000_000)
    target = b"begin" + base[300:70_000] + b"between" + base[1 << 24 : (1 << 24) + 65_536] + base[:100]
    assert b"".join(apply_delta(base, make_delta(base, target))) == target
    assert len(make_delta(base, base)) < 30
