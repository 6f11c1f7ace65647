"""The rules of the commit point, as functions of values: what an admission does to the refs it finds.

Every catalogue uses these, so that all of them refuse the same things with the same words.

Invariants:
    1. Expectations are checked against the refs before the admission, in the order of the updates.
    2. Names are checked against the refs after it, so that one admission may replace `a` by `a/b`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.errors import BadInput, Conflict, StaleUpdate
from imprint.store.events import Event
from imprint.store.types import Anything, MustBe, MustNotExist, ObjectId, RefChange, RefName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.events import Admission, PackReplacement
    from imprint.store.types import Expectation, HashAlgorithm, RefUpdate


def plan_changes(updates: Sequence[RefUpdate], now: Mapping[RefName, ObjectId]) -> tuple[RefChange, ...]:
    """What the updates would change, given the refs they name as they are now.

    Raises:
        BadInput: a ref is named twice.
        StaleUpdate: an expectation does not hold, for the first update that fails.
    """
    changes: dict[RefName, RefChange] = {}
    for update in updates:
        if update.name in changes:
            raise BadInput(f"{update.name.text} is named twice in one change", hint="name each ref once")
        actual = now.get(update.name)
        _verify_expectation(update.name, update.expectation, actual)
        changes[update.name] = RefChange(update.name, actual, update.target)
    return tuple(changes.values())


def _verify_expectation(name: RefName, expectation: Expectation, actual: ObjectId | None) -> None:
    match expectation:
        case MustNotExist():
            expected = None
        case MustBe(wanted):
            expected = wanted
        case Anything():
            return
    if actual != expected:
        raise StaleUpdate(name, expected, actual)


def iter_folders(name: bytes) -> Iterator[bytes]:
    """Every name that cannot be a ref while this one is: `refs/heads` and `refs` for `refs/heads/a`."""
    end = name.rfind(b"/")
    while end > 0:
        yield name[:end]
        end = name.rfind(b"/", 0, end)


def below(name: bytes) -> tuple[bytes, bytes]:
    """Bounds, first included and second excluded, of the names that have this one as a folder."""
    return name + b"/", name + b"0"  # "0" is the byte after "/"


def verify_names(created: Iterable[RefName], kept: Iterable[RefName]) -> None:
    """Check that new refs fit beside each other and beside those that stay.

    Args:
        created: names that were absent and will be there.
        kept: names that stay; at least those that could collide with a created one.

    Raises:
        Conflict: one name would be a folder of another.
    """
    taken: dict[bytes, RefName] = {}
    folders: dict[bytes, RefName] = {}
    for name in kept:
        _take(name, taken, folders)
    for name in created:
        above = (taken[folder] for folder in iter_folders(name) if folder in taken)
        other = folders.get(name) or next(above, None)
        if other:
            raise Conflict(
                f"{name.text} cannot be beside {other.text}: one would be a folder of the other",
                hint="choose another name, or delete the other ref first",
            )
        _take(name, taken, folders)


def _take(name: RefName, taken: dict[bytes, RefName], folders: dict[bytes, RefName]) -> None:
    taken[name] = name
    for folder in iter_folders(name):
        folders[folder] = name


def make_event(admission: Admission, sequence: int, changes: tuple[RefChange, ...]) -> Event:
    """The event that an admission becomes once it has its number."""
    return Event(
        id=admission.event_id,
        repository_id=admission.repository_id,
        sequence=sequence,
        kind=admission.kind,
        at_ms=admission.at_ms,
        actor=admission.actor,
        token_id=admission.token_id,
        verdict=admission.verdict,
        changes=changes,
        head=admission.head,
        pack=admission.pack.name if admission.pack else None,
        claim=admission.claim,
        details=dict(admission.details),
    )


def verify_replacement(replacement: PackReplacement) -> None:
    """Check that no pack is to come and to go at once.

    Raises:
        Conflict: one is.
    """
    for pack in replacement.added:
        if pack.name in replacement.retired:
            raise Conflict(f"pack {pack.name} cannot take its own place")


def verify_together(admissions: Sequence[Admission]) -> None:
    """Check that admissions which share a transaction are for one repository.

    Raises:
        BadInput: they are for several, whose writers could wait for each other in a ring.
    """
    if len({each.repository_id for each in admissions}) > 1:
        raise BadInput("admissions of one transaction must be for one repository")


def verify_format(updates: Iterable[RefUpdate], algorithm: HashAlgorithm) -> None:
    """Check that refs get ids of the repository's object format, and nothing that only looks like one.

    Raises:
        BadInput: an id is of another.
    """
    for update in updates:
        if any(each and each.algorithm is not algorithm for each in (update.target, update.peeled)):
            raise BadInput(f"{update.name.text}: this repository's object format is {algorithm.value}")
