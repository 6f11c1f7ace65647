"""Commits that branches have passed: who builds on one of them builds on what a ref reaches.

An agent that cloned `main` an hour ago pushes a branch from where `main` was then. That this is an ancestor
of a ref was seen when `main` moved on from there by a push that was checked in memory.

Invariants:
    1. What is remembered of a branch counts only while it has the value at which it was last seen to arrive;
       then all of it is below that value.
    2. What is remembered is bounded, in commits of a branch, branches of a repository and repositories; what
       was not added to for longest goes first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.types import RefName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.types import ObjectId

COMMITS_MAX: Final = 1000
"""Of a branch."""
BRANCHES_MAX: Final = 32
"""Of a repository."""
REPOSITORIES_MAX: Final = 500


@dataclass(slots=True)
class _Passed:
    """What a branch has passed on its way to a value; a dictionary for its order."""

    value: ObjectId
    commits: dict[ObjectId, None] = field(default_factory=dict)


class Reached:
    """Remembers for all repositories of a process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, OrderedDict[bytes, _Passed]] = OrderedDict()

    def note(
        self, repository_id: str, name: bytes, old: ObjectId, new: ObjectId, between: Iterable[ObjectId]
    ) -> None:
        """A branch was moved forward.

        Args:
            repository_id: where.
            name: of the branch.
            old: where it was: an ancestor of
            new: where it is.
            between: more ancestors of `new`.
        """
        with self._lock:
            branches = self._known.setdefault(repository_id, OrderedDict())
            self._known.move_to_end(repository_id)
            passed = branches.get(name)
            if passed is None or passed.value != old:
                passed = branches[name] = _Passed(old)
            branches.move_to_end(name)
            passed.value = new
            passed.commits.update(dict.fromkeys((old, *between)))
            while len(passed.commits) > COMMITS_MAX:
                del passed.commits[next(iter(passed.commits))]
            while len(branches) > BRANCHES_MAX:
                branches.popitem(last=False)
            while len(self._known) > REPOSITORIES_MAX:
                self._known.popitem(last=False)

    def has(self, repository_id: str, commit: ObjectId, snapshot: RefSnapshot) -> bool:
        """Whether a branch of the snapshot surely has a commit among the ancestors of its value."""
        with self._lock:
            branches = self._known.get(repository_id) or OrderedDict()
            names = [(name, passed.value) for name, passed in branches.items() if commit in passed.commits]
        found = ((snapshot.refs.get(RefName(name)), value) for name, value in names)
        return any(now is not None and now.id == value for now, value in found)
