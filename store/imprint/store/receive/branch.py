"""Branches made and deleted without a clone: pushes that bring no objects.

Invariants:
    1. A branch is made only where none is, and at a commit that is connected: the receiver checks both.
    2. A branch is deleted at the head that was expected. Without an expectation it is deleted wherever it is,
       tried again `ATTEMPTS_MAX` times while it moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.errors import BadRefName, Conflict, PushRefused, RefMissing, StaleUpdate
from imprint.store.receive.commit import ATTEMPTS_MAX, verify_caller
from imprint.store.receive.docket import is_stale
from imprint.store.receive.push import Push, RefCommand
from imprint.store.types import Anything, ObjectId, RefName

if TYPE_CHECKING:
    from imprint.store.actors import Principal
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Repository
    from imprint.store.receive.receiver import Receiver

_BRANCHES = b"refs/heads/"


def create_branch(
    name: RefName, commit: ObjectId, repository: Repository, principal: Principal, receiver: Receiver
) -> Event:
    """Make a branch at a commit that is there.

    Raises:
        BadRefName: it is no branch's name.
        StaleUpdate: the branch is there already.
        Conflict: it would be a folder of another, or have one as a folder.
        Denied, PushRefused: the token or the judge does not allow it, or the commit is not connected.
        StoreFailure: the machine failed; nothing was changed.
    """
    _verify(name, repository, principal)
    for _ in range(ATTEMPTS_MAX):
        event, error = _push(RefCommand(name, None, commit), repository, principal, receiver)
        if event:
            return event
        actual = _find(name, repository)
        if actual is not None:
            raise StaleUpdate(name, None, actual)
        if not is_stale(error):  # otherwise it was there, and has gone since
            break
    if error.startswith("it collides"):
        raise Conflict(f"{name.text}: {error}", hint="choose another name, or delete the other branch first")
    raise PushRefused(f"{name.text}: {error}", rule="ref-check")


def delete_branch(
    name: RefName,
    expected: ObjectId | Anything,
    repository: Repository,
    principal: Principal,
    receiver: Receiver,
) -> Event:
    """Delete a branch. What only it reached stays stored.

    Raises:
        BadRefName: it is no branch's name.
        RefMissing: there is none.
        StaleUpdate: it is not at the expected head, or moves all the time.
        Denied, PushRefused: the token or the judge does not allow it, or HEAD names the branch.
        StoreFailure: the machine failed; nothing was changed.
    """
    _verify(name, repository, principal)
    actual: ObjectId | None = None
    for _ in range(ATTEMPTS_MAX):
        actual = _find(name, repository)
        if actual is None:
            raise RefMissing(f"no branch {name.short!r}")
        if not isinstance(expected, Anything) and expected != actual:
            raise StaleUpdate(name, expected, actual)
        event, error = _push(RefCommand(name, actual, None), repository, principal, receiver)
        if event:
            return event
        if not is_stale(error):
            raise PushRefused(f"{name.text}: {error}", rule="ref-check")
    raise StaleUpdate(name, actual, _find(name, repository))


def _verify(name: RefName, repository: Repository, principal: Principal) -> None:
    if not name.startswith(_BRANCHES):
        raise BadRefName(name)
    verify_caller(principal, repository, name, None)


def _find(name: RefName, repository: Repository) -> ObjectId | None:
    value = repository.view.refs.snapshot().refs.get(name)
    return value.id if value else None


def _push(
    command: RefCommand, repository: Repository, principal: Principal, receiver: Receiver
) -> tuple[Event | None, str]:
    receipt = receiver.receive(Push(principal, (command,), None, atomic=True), repository)
    return receipt.event, receipt.results[0].error or ""
