"""Work that waits at the same time is done together: one sync of the disk for all of it.

Invariants:
    1. A piece of work is done by one thread: its own, or that of another piece that waited beside it.
    2. Pieces are taken in the order in which they came.
    3. Nobody is told of an outcome before whoever did the work has given it.

Nobody waits for company: a piece that comes alone is done alone.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class Piece(Protocol):
    """A piece of work and where its outcome goes."""

    @property
    def outcome(self) -> Future[Any]:
        """Its result, or why there is none."""
        ...


P = TypeVar("P", bound=Piece)


class Together(Generic[P]):
    """A queue that the waiting threads work off themselves.

    Args:
        do: does pieces in order, and gives each its outcome. What it leaves open it is given again.
        at_once_max: how many it is given at a time: bounds how long one thread works for the others.
    """

    def __init__(self, do: Callable[[list[P]], None], at_once_max: int) -> None:
        self._do = do
        self._at_once_max = at_once_max
        self._waiting: deque[P] = deque()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """How many pieces are here: those that wait, and the one whose thread has the turn."""
        return len(self._waiting) + self._turn.locked()

    def finish(self, own: P) -> None:
        """Wait for the turn, and work until this piece has its outcome; others may have done it by then."""
        self._waiting.append(own)
        with self._turn:
            while not own.outcome.done():
                self._do_next(own)

    def _do_next(self, own: P) -> None:
        pieces = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._at_once_max))]
        try:
            self._do(pieces)
        finally:
            # An interrupt ends the caller's own work only: that of others goes back to the queue.
            left = [piece for piece in pieces if piece is not own and not piece.outcome.done()]
            self._waiting.extendleft(reversed(left))
