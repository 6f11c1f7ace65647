"""Whole answers to fetches, kept for the next who sends the same bytes: a fleet of agents does.

An answer follows from what was sent, the refs that may be seen, and the packs. So it is kept beside the refs
that allowed it, under the bytes of the request and the names of the packs, and found only while all three are
the same: a push, a ref that is hidden, maintenance and redaction each leave it behind. Who may read the
repository at all was asked before.

Invariants:
    1. Nothing is kept that was allowed only because a ref had it until a moment ago.
    2. Nothing is kept that git made, or that did not come to its end: the next one gets a better answer.
    3. An answer takes at most `ANSWER_BYTES_MAX`; together they are bounded as what is rendered of refs.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imprint.store.packing.shelf import Absent
from imprint.store.transport.negotiate import visible_refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository
    from imprint.store.types import ObjectId

ANSWER_BYTES_MAX: Final = 8 * 1024**2


def name_request(body: bytes, encoding: str) -> str:
    """What tells a request from others: all bytes of its body, as they came."""
    return hashlib.blake2b(encoding.encode() + b"\0" + body, digest_size=32).hexdigest()


def find_fetch_answer(repository: Repository, asked: str) -> bytes | None:
    """The answer that is kept for a request by this name; None without one. Nothing is waited for.

    Raises:
        NotAtHand: where only what is at hand may be asked, and the refs are not.
    """
    stock = repository.serving.sender.find_stock()
    if stock is None:
        return None
    visible = visible_refs(repository, repository.view.refs.snapshot())
    return visible.find_rendered((asked, stock.names))


class Draft:
    """An answer that is made now, and kept if it may be.

    Args:
        repository: whose.
        snapshot: the refs that it is made by.
        asked: the name of the request; empty if the answer is not to be kept.
    """

    def __init__(self, repository: Repository, snapshot: RefSnapshot, asked: str) -> None:
        self._sender = repository.serving.sender
        self._visible = visible_refs(repository, snapshot)
        self._asked = asked
        self._names = self._find_names() if asked else None

    def _find_names(self) -> frozenset[str] | None:
        try:
            return self._sender.stock().names
        except Absent:
            return None

    def find(self) -> bytes | None:
        """The whole answer, if it was kept."""
        return self._visible.find_rendered((self._asked, self._names)) if self._names else None

    def drop(self) -> None:
        """Keep nothing of it."""
        self._names = None

    def watch(self, recent_tips: Callable[[], frozenset[ObjectId]]) -> Callable[[], frozenset[ObjectId]]:
        """The same ids; once they are asked for, nothing is kept."""

        def find_recent_tips() -> frozenset[ObjectId]:
            self.drop()
            return recent_tips()

        return find_recent_tips

    def gather(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, which are kept as one after the last."""
        gathered: list[bytes] = []
        size_bytes = 0
        for piece in pieces:
            if self._names:
                gathered.append(piece)
                size_bytes += len(piece)
                if size_bytes > ANSWER_BYTES_MAX:
                    self.drop()
                    gathered.clear()
            yield piece
        if self._names and size_bytes and self._find_names() == self._names:
            self._visible.keep_rendered((self._asked, self._names), b"".join(gathered))
