"""What commits made here have done to a repository: its kept answers follow, without being read again.

Invariants:
    1. An answer follows only from the very event before: where any is missing in between, it is forgotten.
    2. What follows is what reading the database would give: the record, and the refs.
    3. At most `MOVES_MAX` moves of refs are kept of a repository, however many refs it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.types import RefValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.catalog.ports import RepositoryRecord
    from imprint.store.events import Admission, Event, EventKind
    from imprint.store.types import RefName

MOVES_MAX: Final = 256


class Move(NamedTuple):
    """Where an event left a ref; None for a deletion."""

    sequence: int
    name: RefName
    value: RefValue | None


@dataclass(frozen=True, slots=True)
class Moves:
    """What happened to the refs of a repository lately.

    Attributes:
        first: the generation after which every move is here.
        newest: the generation of now.
        head: what HEAD names now.
        moves: in order.
        newest_of: the newest event of each kind that has happened since `first`.
    """

    first: int
    newest: int
    head: RefName
    moves: tuple[Move, ...] = ()
    newest_of: Mapping[EventKind, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, snapshot: RefSnapshot) -> Self:
        """What has happened since the refs were read: nothing yet."""
        return cls(snapshot.generation, snapshot.generation, snapshot.head)

    def follow(self, admissions: Sequence[Admission], events: Sequence[Event]) -> Moves | None:
        """The same after the next events; None where they are not the next, or too much."""
        if events[0].sequence != self.newest + 1 or sum(len(each.changes) for each in events) > MOVES_MAX:
            return None
        new = [
            Move(event.sequence, change.name, RefValue(change.new, wished.peeled) if change.new else None)
            for admission, event in zip(admissions, events, strict=True)
            for wished, change in zip(admission.updates, event.changes, strict=True)
        ]
        moves, first = (*self.moves, *new), self.first
        if len(moves) > MOVES_MAX:
            at = len(moves) - MOVES_MAX
            first = moves[at - 1].sequence
            while at < len(moves) and moves[at].sequence == first:  # an event is here whole or not
                at += 1
            moves = moves[at:]
        newest_of = {**self.newest_of, **{event.kind: event.sequence for event in events}}
        return Moves(first, events[-1].sequence, _find_head(events, self.head), moves, newest_of)

    def has_event(self, kind: EventKind, after: int) -> bool | None:
        """Whether there is an event of a kind above a sequence; None where that is not known."""
        return self.newest_of.get(kind, 0) > after if after >= self.first else None

    def bring_up(self, since: RefSnapshot) -> RefSnapshot | None:
        """An earlier snapshot with what has happened since; None where that is not known."""
        if not self.first <= since.generation <= self.newest:
            return None
        later = ((move.name, move.value) for move in self.moves if move.sequence > since.generation)
        return RefSnapshot(self.newest, self.head, replay(since.refs, later))


def follow_record(
    record: RepositoryRecord, admissions: Sequence[Admission], events: Sequence[Event]
) -> RepositoryRecord | None:
    """A repository's record after the next events; None where they are not, or change what it is."""
    if events[0].sequence != record.generation + 1 or any(each.settings for each in admissions):
        return None
    return replace(record, generation=events[-1].sequence, head=_find_head(events, record.head))


def replay(
    refs: Mapping[RefName, RefValue], moves: Iterable[tuple[RefName, RefValue | None]]
) -> dict[RefName, RefValue]:
    """Refs with what happened to them; sorted by name, as they were."""
    now, grown = dict(refs), False
    for name, value in moves:
        if value is None:
            now.pop(name, None)
        else:
            grown = grown or name not in now
            now[name] = value
    return {name: now[name] for name in sorted(now)} if grown else now


def _find_head(events: Sequence[Event], before: RefName) -> RefName:
    return next((each.head for each in reversed(events) if each.head), before)
