"""What the long suites have found, each made to happen at once."""

import pytest
from acting import BRANCHES, Acting, make_folder
from oracle import verify_settled

from imprint.store.errors import StorageFailed
from imprint.store.events import EventKind
from imprint.store.maintenance.graph import list_layers
from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.rounds import maintain
from imprint.store.maintenance.work import STEPS, Work

HOURS_MS = 3 * 3600 * 1000


class Died(BaseException):
    """Stands in for the end of the process."""


class LaterClock:
    """The clock of another, some hours on."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return self.clock.now_ms() + self.ahead_ms


@pytest.mark.parametrize("died_at", ["replaced", "placed graph"])
def test_a_prune_that_dies_leaves_no_commit_graph_that_names_what_is_gone(tmp_path, died_at) -> None:
    """Crash suite, seed 1, run 149: git fsck could not read a commit that the commit-graph still had."""

    def reach(step: str) -> None:
        if step == died_at and dying:
            raise Died

    dying: list[bool] = []
    make_folder(tmp_path / "data", lambda _: None)
    acting = Acting(tmp_path / "data", "found", lambda _: None, reach)
    for name in BRANCHES:
        old = acting.refs.get(name)
        new, objects = acting.make(old)
        acting.send({name: (old, new)}, objects)
    maintain(acting.work(), everything=True)
    assert list_layers(acting.repository.git_dir)
    acting.send({name: (acting.refs[name], None) for name in BRANCHES}, [])
    assert died_at in STEPS
    dying.append(True)
    with pytest.raises(Died):
        acting.prune()
    dying.clear()

    clock = acting.hosting.clock = LaterClock(acting.hosting.clock)
    for _ in range(3):
        clock.ahead_ms += HOURS_MS
        maintain(Work(acting.repository, acting.hosting))
    verify_settled(acting.hosting, acting.ledger, acting.repository)
    acting.close()


def test_a_prune_that_happened_is_no_failure_because_of_what_comes_after_it(tmp_path) -> None:
    """Crash suite, seed 1, run 632: git died while it wrote lookups, and the prune was told failed."""

    def reach(step: str) -> None:
        if step == "indexed":
            raise StorageFailed("no lookup today")

    make_folder(tmp_path / "data", lambda _: None)
    acting = Acting(tmp_path / "data", "found", lambda _: None, lambda _: None)
    acting.send({name: (acting.refs[name], None) for name in BRANCHES}, [])
    report = prune(Work(acting.repository, acting.hosting, step=reach), 0)
    assert report.event
    assert report.event.kind is EventKind.PRUNED
    verify_settled(acting.hosting, acting.ledger, acting.repository)
    acting.close()
