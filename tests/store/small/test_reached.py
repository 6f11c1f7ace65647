"""What branches have passed counts while they are where they were last seen, and is bounded."""

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.receive.small.reached import BRANCHES_MAX, COMMITS_MAX, REPOSITORIES_MAX, Reached
from imprint.store.types import ObjectId, RefName, RefValue

MAIN = RefName(b"refs/heads/main")


def commit(number: int) -> ObjectId:
    return ObjectId(f"{number:040x}")


def at(number: int, name: RefName = MAIN) -> RefSnapshot:
    return RefSnapshot(1, MAIN, {name: RefValue(commit(number))})


def test_what_was_passed_counts_while_the_branch_is_there() -> None:
    reached = Reached()
    reached.note("r", MAIN, commit(1), commit(3), [commit(2), commit(3)])
    reached.note("r", MAIN, commit(3), commit(4), [commit(4)])
    assert all(reached.has("r", commit(number), at(4)) for number in (1, 2, 3, 4))
    assert not reached.has("r", commit(1), at(3))
    assert not reached.has("r", commit(1), at(4, RefName(b"refs/heads/other")))
    assert not reached.has("r", commit(5), at(4))
    assert not reached.has("s", commit(1), at(4))


def test_a_branch_that_jumped_begins_anew() -> None:
    reached = Reached()
    reached.note("r", MAIN, commit(1), commit(2), [])
    reached.note("r", MAIN, commit(8), commit(9), [])
    assert reached.has("r", commit(8), at(9))
    assert not reached.has("r", commit(1), at(9))
    assert not reached.has("r", commit(1), at(2)), "also when it is back"


def test_what_is_remembered_is_bounded() -> None:
    reached = Reached()
    for number in range(1, COMMITS_MAX + 10):
        reached.note("r", MAIN, commit(number), commit(number + 1), [])
    assert not reached.has("r", commit(3), at(COMMITS_MAX + 10))
    assert reached.has("r", commit(COMMITS_MAX), at(COMMITS_MAX + 10))
    for number in range(BRANCHES_MAX + 1):
        reached.note("r", b"refs/heads/%d" % number, commit(1), commit(2), [])
    assert len(reached._known["r"]) == BRANCHES_MAX
    for number in range(REPOSITORIES_MAX + 1):
        reached.note(f"r{number}", MAIN, commit(1), commit(2), [])
    assert len(reached._known) == REPOSITORIES_MAX
