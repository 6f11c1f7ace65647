"""Sizes are read from deltas whose deflated form begins with more than the sizes."""

import zlib

from agreement.build import (
    CHILD,
    NEW,
    OFS_DELTA,
    ZERO,
    Case,
    append_delta,
    blob,
    entry_header,
    offset,
    pack,
    whole,
)
from agreement.judge import ImprintJudge
from imprint.store.types import ObjectId, RepositoryName


def test_the_size_of_a_delta_is_found_behind_empty_blocks(tmp_path) -> None:
    """What a table of codes does in real packs, empty blocks do for sure: the sizes come late."""
    base = blob(b"a base of some length\n" * 50)
    grown = blob(base.data + b"more")
    delta = append_delta(base.data, b"more")
    engine = zlib.compressobj()
    packed = b"".join(engine.flush(zlib.Z_FULL_FLUSH) for _ in range(3))
    packed += b"\0\0\0\xff\xff" * 100 + engine.compress(delta) + engine.flush()
    first = whole(base)
    entry = entry_header(OFS_DELTA, len(delta)) + offset(len(first)) + packed
    judge = ImprintJudge(tmp_path)
    judge.prepare()
    try:
        case = Case("size", "late", True, ((ZERO, CHILD.id, NEW),), pack(first, entry, CHILD))
        outcome = judge.judge(case)
        assert outcome.accepted == (True,), outcome.said
        objects = judge.hosting.get(RepositoryName("acme", "r1")).view.objects
        assert objects.find_size(ObjectId(grown.id)) == len(grown.data)
        assert objects.read_blob(ObjectId(grown.id)) == grown.data
    finally:
        judge.close()
