"""Rows that are remembered, and what Python's collector has to do with them."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.index.ports import BlobKey, BlobRow
from imprint.semantic.index.sql.known import KnownRows

keys = st.builds(
    BlobKey, st.sampled_from(["0" * 40, "1" * 40, "1" * 64]), st.sampled_from(["*", "*.py", "Makefile"])
)
rows = st.builds(
    BlobRow,
    st.integers(1, 2**40),
    st.sampled_from(["", "Python", "Go"]),
    st.integers(0, 100_000),
    st.sampled_from([None, "too large", "generated"]),
)


@given(st.lists(st.dictionaries(keys, rows)), st.sets(keys))
def test_what_was_added_last_is_found(added, wanted):
    known, expected = KnownRows(), {}
    for some in added:
        known.add(some)
        expected |= some
    assert known.find(wanted) == {key: expected[key] for key in wanted & expected.keys()}
    assert known.list_unknown(wanted) == wanted - expected.keys()


def test_remembered_rows_are_no_work_for_the_collector():
    known = KnownRows()
    gc.collect()
    before = len(gc.get_objects())
    known.add(
        {BlobKey(f"{number:040x}", "*.py"): BlobRow(number, "Python", 3, None) for number in range(5_000)}
    )
    gc.collect()
    assert len(gc.get_objects()) - before < 100
