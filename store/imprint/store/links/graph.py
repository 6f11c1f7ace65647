"""The commits of a repository and their parents, in memory: who is whose ancestor, and where heads left.

Invariants:
    1. Parents are added before their children, so that every commit's number is above its ancestors'.
    2. No walk visits a commit whose number is below the lowest one asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.store.types import ObjectId

PRIVATE_MAX: Final = 2_000
"""Commits of a head beyond the default branch; a head with more is a line of its own, not a change to it."""


class Graph:
    """Commits by number. Not safe to change from several threads."""

    def __init__(self) -> None:
        self._numbers: dict[ObjectId, int] = {}
        self._ids: list[ObjectId] = []
        self._parents: list[tuple[int, ...]] = []
        self._on_target: set[int] = set()
        self._target: int | None = None

    def __contains__(self, commit: object) -> bool:
        return commit in self._numbers

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, commit: ObjectId, parents: Iterable[ObjectId]) -> None:
        """Add a commit; parents that are not there, beyond a shallow boundary, are passed over."""
        if commit in self._numbers:
            return
        known = [self._numbers[parent] for parent in parents if parent in self._numbers]
        self._numbers[commit] = len(self._ids)
        self._ids.append(commit)
        self._parents.append(tuple(known))

    def parents(self, commit: ObjectId) -> list[ObjectId]:
        """The commit's parents that are there."""
        return [self._ids[number] for number in self._parents[self._numbers[commit]]]

    def is_ancestor(self, ancestor: ObjectId, commit: ObjectId) -> bool:
        """Whether `ancestor` is `commit`, or below it; False where one is not there."""
        goal, start = self._numbers.get(ancestor), self._numbers.get(commit)
        if goal is None or start is None:
            return False
        if start in self._on_target and goal not in self._on_target:
            return False
        seen, stack = {start}, [start]
        while stack:
            number = stack.pop()
            if number == goal:
                return True
            for parent in self._parents[number]:
                if parent >= goal and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return False

    def move_target(self, tip: ObjectId | None) -> list[ObjectId]:
        """Say where the default branch is; the commits that it has gained."""
        number = None if tip is None else self._numbers.get(tip)
        if number == self._target:
            return []
        if number is None or (self._target is not None and not self._reaches(number, self._target)):
            self._on_target.clear()  # it was rewound or exchanged
        self._target = number
        if number is None:
            return []
        gained, stack = [], [number]
        while stack:
            at = stack.pop()
            if at not in self._on_target:
                self._on_target.add(at)
                gained.append(self._ids[at])
                stack.extend(self._parents[at])
        return gained

    def _reaches(self, start: int, goal: int) -> bool:
        return self.is_ancestor(self._ids[goal], self._ids[start])

    def is_on_target(self, commit: ObjectId) -> bool:
        """Whether the default branch has the commit."""
        return self._numbers.get(commit) in self._on_target

    def find_private(self, head: ObjectId) -> tuple[ObjectId | None, Sequence[ObjectId]]:
        """Where a head left the default branch, None for nowhere, and its commits since, newest first.

        No commits for a head on the default branch, and for one with more than `PRIVATE_MAX`.
        """
        start = self._numbers.get(head)
        if start is None or start in self._on_target:
            return None, ()
        seen, stack, bases = {start}, [start], set()
        while stack:
            for parent in self._parents[stack.pop()]:
                if parent in self._on_target:
                    bases.add(parent)
                elif parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
                    if len(seen) > PRIVATE_MAX:
                        return None, ()
        base = self._ids[max(bases)] if bases else None
        return base, [self._ids[number] for number in sorted(seen, reverse=True)]
