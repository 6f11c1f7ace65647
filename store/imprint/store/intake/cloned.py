"""Provenance that lies in a clone's own refs, read on demand and kept in the clone's ground.

Invariants:
    1. Where no ref changed since the last reading, nothing is read but the refs.
    2. A clone without provenance of others gets no archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.formats.entire import find_layout
from imprint.store.history.reading import isolated
from imprint.store.intake.follower import READ_REFS, Tying, is_code, take_in
from imprint.store.intake.shelf import Shelf
from imprint.store.intake.state import Step
from imprint.store.intake.traces import find_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imprint.store.clock import Clock, Ids
    from imprint.store.intake.checkpoints import Progress
    from imprint.store.intake.state import IntakeState
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_OPERATOR: Final = "operator"
"""Whoever works in the clone, without a token."""


def read_clone(  # noqa: PLR0913 - each is a part of the clone
    view: RepositoryView,
    state: IntakeState,
    open_keeper: Callable[[bool], Keeper | None],
    clock: Clock,
    ids: Ids,
    *,
    tips: Iterable[ObjectId] = (),
    progress: Progress | None = None,
) -> int:
    """Bring the clone's archive up to date with its refs; how many records and transcripts were new.

    Args:
        view: the clone.
        state: how far it was read.
        open_keeper: gives the clone's keeper; None where it has none and is told not to make one.
        clock: the time.
        ids: makes ids of records.
        tips: commits to look at beside those of the refs.
        progress: told of sessions read.
    """
    refs = view.refs.snapshot().refs
    new = {name: value.id for name, value in refs.items() if name.startswith(READ_REFS)}
    old = state.refs(view.id)
    moved = {name: tip for name, tip in new.items() if old.get(name) != tip}
    has_some = any(find_layout(name) for name in moved) or (moved and find_traces(view.plumbing, moved))
    keeper = open_keeper(bool(has_some))
    kept = 0
    if keeper is not None:
        step = Step()
        if has_some:
            shelf = Shelf(keeper.archive, keeper, view.id, _OPERATOR, clock.now_ms(), ids)
            with isolated(view) as plumbing:  # in a partial clone's own folder git would want to fetch
                intake = take_in(plumbing, shelf, old, new, progress=progress)
            kept = intake.counts["new records"] + intake.counts["kept"]
            step.problems, step.counts = intake.problems, intake.counts
        wanted = {value.peeled or value.id for name, value in refs.items() if is_code(name)} | set(tips)
        wanted -= state.find_known(view.id, wanted)
        Tying(view, state, keeper.archive).update(sorted(wanted))
        step.refs = {**dict.fromkeys(old.keys() - new.keys()), **moved}
        if step.refs or kept:
            state.finish(view.id, step)
    return kept
