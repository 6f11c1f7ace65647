"""Whose a commit is: whoever delivered it, and whoever its committer is known to be.

A transcript is the word of whoever delivered it. Of one's own commits one may say what made them; of
another's it is a rumour, however well the text agrees: anybody can write a transcript of what is there.

Invariants:
    1. What was delivered by `operator`, at the data folder, counts as everybody's own.
    2. What a commit says of itself makes nobody its owner, but for the committer whom an identity names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imprint.store.sessions.rules import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imprint.store.actors import Actor
    from imprint.store.evidence.claims import Delivery
    from imprint.store.objects.ports import Commit
    from imprint.store.types import ObjectId


@dataclass(slots=True)
class Owners:
    """Tells whose commits of some repositories are. For one thread.

    Attributes:
        deliveries: given a repository's id and commits: who delivered them.
        find_actor: given a name: the actor with its identities.
    """

    deliveries: Callable[[str, Iterable[ObjectId]], Mapping[ObjectId, Delivery]]
    find_actor: Callable[[str], Actor | None]
    _delivered: Mapping[ObjectId, Delivery] = field(default_factory=dict)
    _actors: dict[str, Actor | None] = field(default_factory=dict)

    def read(self, repository_id: str, commits: Iterable[ObjectId]) -> None:
        """Read what is known of some commits, to be asked about next."""
        self._delivered = self.deliveries(repository_id, commits)
        self._actors.clear()

    def is_own(self, commit: Commit, actor: str) -> bool:
        """Whether what the actor delivered may speak for the commit, which was given to `read`."""
        if actor == OPERATOR:
            return True
        delivery = self._delivered.get(commit.id)
        if delivery is not None and delivery.actor == actor:
            return True
        if actor not in self._actors:
            self._actors[actor] = self.find_actor(actor)
        known = self._actors[actor]
        return known is not None and known.is_identity(commit.committer.name, commit.committer.email)
