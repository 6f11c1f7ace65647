"""What a change of a symbol can reach."""

import pytest

from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.overview.impact import find_impact
from imprint.store.errors import BadInput

FILES = {
    "store.py": """
        class Store:
            def save(self, row):
                return write(row)


        class Cached(Store):
            pass


        def write(row):
            return row
        """,
    "service.py": """
        from store import write

        def handle(row):
            return write(row)

        def answer(row):
            return handle(row)
        """,
    "test_service.py": """
        from service import answer

        def test_answer():
            assert answer(1)
        """,
    "test_names.py": """
        from store import write
        """,
}


def test_callers_come_by_distance_to_the_bound(snapshot_of) -> None:
    snapshot = snapshot_of(FILES)
    callers = find_impact(snapshot, None, "write").callers
    by_name = {each.definition.qualified_name: each.distance for each in callers}
    assert by_name == {"Store.save": 1, "handle": 1, "answer": 2, "test_answer": 3}
    assert [each.distance for each in callers] == sorted(each.distance for each in callers)
    nearer = find_impact(snapshot, None, "write", distance=1).callers
    assert {each.definition.qualified_name for each in nearer} == {"Store.save", "handle"}
    assert len(find_impact(snapshot, None, "write", limit=1).callers) == 1


def test_tests_say_why_they_are_here(snapshot_of) -> None:
    tests = find_impact(snapshot_of(FILES), None, "write").tests
    assert [(test.path, test.name, test.reason) for test in tests] == [
        (b"test_service.py", "test_answer", "reaches it over 3 calls"),
        (b"test_names.py", "", "names it"),
    ]


def test_subtypes_are_those_that_inherit(snapshot_of) -> None:
    impact = find_impact(snapshot_of(FILES), None, "Store")
    assert [(edge.use.path, edge.use.container) for edge in impact.subtypes] == [(b"store.py", "Cached")]
    assert 0 < impact.resolved <= impact.considered


def test_what_nobody_knows_reaches_nothing(snapshot_of) -> None:
    impact = find_impact(snapshot_of(FILES), None, "unheard_of")
    assert (impact.definitions, impact.callers, impact.subtypes, impact.tests) == ((), (), (), ())


def test_no_name_is_refused(snapshot_of) -> None:
    with pytest.raises(BadInput):
        find_impact(snapshot_of({"a.py": "A = 1\n"}), None, "")


def test_what_changes_together_is_told_with_its_tests(
    commit_files, snapshot_of, work_tree, open_view, tmp_path
) -> None:
    for number in range(4):
        commit_files(
            {
                "rates.py": f"def rate():\n    return {number}\n",
                "tests/test_prices.py": f"def test_price():\n    assert {number} >= 0\n",
                "gone.py": f"GONE = {number}\n",
            },
            f"rate {number}",
        )
    (work_tree.folder / "gone.py").unlink()
    snapshot = snapshot_of({"other.py": "OTHER = 1\n"})
    view = open_view(work_tree.folder)
    log = ChangeLog.open(tmp_path / "log")
    log.ensure(view, [snapshot.commit])
    impact = find_impact(snapshot, log.of(view.id), "rate")
    assert [(each.path, each.times) for each in impact.together] == [(b"tests/test_prices.py", 4)]
    (test,) = impact.tests
    assert (test.path, test.reason) == (b"tests/test_prices.py", "changed together with it 4 times")
