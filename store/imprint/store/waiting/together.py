"""Work that waits at the same time is done together: one sync of the disk for all of it.

Invariants:
    1. A piece of work is done by one thread: its own, or that of another piece that waited beside it.
    2. Pieces are taken in the order in which they came.
    3. Nobody is told of an outcome before whoever did the work has given it.
    4. A thread that waits is woken once: when its piece is done, or when it is its turn to work.

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


class _Place(Generic[P]):
    """A piece in the queue, and where its thread sleeps.

    Attributes:
        piece: the work.
        sleeping: taken while its thread has nothing to do.
        is_left: whether its thread has gone away, interrupted: it cannot work for others.
    """

    __slots__ = ("is_left", "piece", "sleeping")

    def __init__(self, piece: P) -> None:
        self.piece = piece
        self.sleeping = threading.Lock()
        self.sleeping.acquire()
        self.is_left = False


class Together(Generic[P]):
    """A queue that the waiting threads work off themselves.

    Args:
        do: does pieces in order, and gives each its outcome. What it leaves open it is given again.
        at_once_max: how many it is given at a time: bounds how long one thread works for the others.
    """

    def __init__(self, do: Callable[[list[P]], None], at_once_max: int) -> None:
        self._do = do
        self._at_once_max = at_once_max
        self._lock = threading.Lock()
        self._waiting: deque[_Place[P]] = deque()
        self._working: _Place[P] | None = None  # whose thread works, or was woken to

    def __len__(self) -> int:
        """How many pieces are here: those that wait, and the one whose thread has the turn."""
        return len(self._waiting) + (self._working is not None)

    def finish(self, own: P) -> None:
        """Wait for the turn, and work until this piece has its outcome; others may have done it by then."""
        place = _Place(own)
        with self._lock:
            self._waiting.append(place)
            is_first = self._working is None
            if is_first:
                self._working = place
        try:
            if not is_first:
                place.sleeping.acquire()
            if self._working is place:
                while not own.outcome.done():
                    self._do_next(place)
        finally:
            self._leave(place)

    def _do_next(self, own: _Place[P]) -> None:
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._at_once_max))]
        try:
            self._do([place.piece for place in taken])
        finally:
            # An interrupt ends the caller's own work only: that of others goes back to the queue.
            left = [place for place in taken if place is not own and not place.piece.outcome.done()]
            with self._lock:
                self._waiting.extendleft(reversed(left))
                for place in taken:
                    if place is not own and not place.is_left and place.piece.outcome.done():
                        place.sleeping.release()

    def _leave(self, place: _Place[P]) -> None:
        """Give the turn to the next of those that wait, if this one has it."""
        with self._lock:
            place.is_left = True
            if self._working is not place:
                return
            self._working = next((each for each in self._waiting if not each.is_left), None)
            if self._working is not None:
                self._working.sleeping.release()
