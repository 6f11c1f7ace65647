"""How the server answers what a client says it has, in protocol versions 0 and 1.

Source: gitprotocol-pack(5), section "Packfile Negotiation". Three ways, of which the client chose one: only
the first common object is acknowledged; each is (`multi_ack`); each is, and it is told when enough is known
(`multi_ack_detailed`).

Invariants:
    1. The pack that follows is made with what was acknowledged here, and nothing else.
    2. Looking for whether enough is known is bounded. Not finding out costs a client rounds, never an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.objects.ports import ObjectKind
from imprint.store.transport.negotiate import find_common, is_ready
from imprint.store.transport.pktline import render_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.transport.v0.request import Batch
    from imprint.store.types import ObjectId

WALKS_MAX: Final = 64
"""How often in one fetch the history is searched for whether enough is known."""


class Acknowledger:
    """One client's negotiation.

    Attributes:
        common: what both sides have, in the order in which it came up.
        is_over: the client waits for its pack now.

    Args:
        repository: whose.
        wants: what the client wants.
        capabilities: what it chose.
    """

    def __init__(
        self, repository: Repository, wants: Collection[ObjectId], capabilities: Collection[bytes]
    ) -> None:
        self.common: list[ObjectId] = []
        self.is_over = False
        self._repository = repository
        self._wants = wants
        self._is_detailed = b"multi_ack_detailed" in capabilities
        self._is_multi = self._is_detailed or b"multi_ack" in capabilities
        self._needs_no_done = b"no-done" in capabilities
        self._said_ready = False
        self._walks = 0
        self._looked_at = 0
        self._enough = False
        self._implied: set[ObjectId] = set()
        self._counted = 0

    def answer(self, batch: Batch) -> Iterator[bytes]:
        """The lines for one batch."""
        here = frozenset(find_common(self._repository, batch.haves))
        unknown = 0
        for have in batch.haves:
            if have in here:
                yield from self._acknowledge(have)
            else:
                unknown += 1
                if self._is_multi and self._is_enough():
                    yield self._say_ready(have)
        if batch.is_done:
            yield from self._end()
        else:
            yield from self._pause(has_new=bool(here) and not unknown)

    def _acknowledge(self, have: ObjectId) -> Iterator[bytes]:
        self.common.append(have)
        if self._is_detailed:
            yield _render(have, " common")
        elif self._is_multi:
            yield _render(have, " continue")
        elif self._count(have) == 1:
            yield _render(have)

    def _count(self, have: ObjectId) -> int:
        """How many common objects count: as in git, one that is the parent of an earlier one does not."""
        objects = self._repository.view.objects
        if have not in self._implied:
            self._counted += 1
        if objects.find_kind(have) is ObjectKind.COMMIT:
            self._implied.update((have, *objects.read_commit(have).parents))
        return self._counted

    def _say_ready(self, have: ObjectId) -> bytes:
        if not self._is_detailed:
            return _render(have, " continue")
        self._said_ready = True
        return _render(have, " ready")

    def _end(self) -> Iterator[bytes]:
        self.is_over = True
        if not self.common:
            yield render_frame("NAK\n")
        elif self._is_multi:
            yield _render(self.common[-1])

    def _pause(self, *, has_new: bool) -> Iterator[bytes]:
        if self._is_detailed and has_new and self._is_enough():
            yield self._say_ready(self.common[-1])
        if not self.common or self._is_multi:
            yield render_frame("NAK\n")
        if self._needs_no_done and self._said_ready:
            yield _render(self.common[-1])
            self.is_over = True

    def _is_enough(self) -> bool:
        """Whether each want reaches something common; looked up anew only where more has become common."""
        if not self._enough and len(self.common) > self._looked_at and self._walks < WALKS_MAX:
            self._walks += 1
            self._looked_at = len(self.common)
            self._enough = is_ready(self._repository, self._wants, self.common)
        return self._enough


def _render(have: ObjectId, state: str = "") -> bytes:
    return render_frame(f"ACK {have}{state}\n")
