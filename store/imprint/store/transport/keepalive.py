"""Doing slow work while saying something from time to time.

Proxies and clients give up on a silent stream; checking a large pack is silent for minutes.
"""

from __future__ import annotations

import queue
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

SECONDS: Final = 5.0
"""Silence after which something is said, as in git (receive.keepAlive, uploadpack.keepAlive)."""


class SlowWork(Generic[_T]):
    """One piece of work on a thread of its own, with signs of life while it lasts.

    Iterate to the end, then ask for the `outcome`. If nobody iterates to the end, the work goes on all the
    same: a client that hangs up does not undo a push. Closing the iteration waits until the work has ended,
    so that whoever counts what runs counts it too.
    """

    def __init__(self, work: Callable[[], _T], seconds: float = SECONDS) -> None:
        self._work = work
        self._seconds = seconds
        self._done: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()
        self._ended: tuple[_T | None, BaseException | None] | None = None
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="imprint-push", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[float]:
        """Gives the seconds waited so far, each time that another `seconds` have passed in silence."""
        waited = 0.0
        while self._ended is None:
            try:
                self._ended = self._done.get(timeout=self._seconds)
            except queue.Empty:
                waited += self._seconds
                try:
                    yield waited
                except GeneratorExit:
                    self._thread.join()
                    raise

    def outcome(self) -> _T:
        """What the work returned; what it raised is raised here."""
        value, failure = self._ended or self._done.get()
        if failure is not None:
            raise failure
        return value  # type: ignore[return-value]  # it did not fail, so this is its value

    def _run(self) -> None:
        try:
            self._done.put((self._work(), None))
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the caller's thread gets it
            self._done.put((None, failure))
