"""Whose git work is done next: slots that actors share fairly, and a queue that has an end.

A slot is taken when a request gives something to work on, never to wait for its first byte, and held to the
end of its work, also of work that goes on after its client hung up: it stands for the threads, git processes
and memory that the work takes. Used on the event loop of the server, by HTTP and SSH alike:

    async with services.git_queue.slot(actor):
        ...

Invariants:
    1. At most `slots` are held at the same time, and at most `slots_per_actor` of them by one actor, so that
       whoever comes next finds one free or waits for others, never for one actor alone. The last eighth of
       them is given only to actors that hold none: a few actors together never have everything either.
    2. While actors wait, a free slot goes to one that holds less than an equal share of all slots among those
       who hold or wait, in turn; only if there is none, to the one that holds the fewest. What is held
       already is not taken back.
    3. Each actor's requests are served in their order. Nobody waits in a queue longer than `waiting_max`, or
       for more than `wait_seconds_max`: `Busy` is raised, and nothing was begun.
    4. Who is cancelled while waiting, or leaves its block in whatever way, holds nothing afterwards.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from imprint.api.errors import Busy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NEWCOMERS_PART: Final = 8
"""One slot of so many is kept for actors that hold none."""
_NICENESS_MAX: Final = 19
"""The kernel's own (nice(1)): about a seventieth of the share of a process at 0."""
_NICENESS_STEP: Final = 2


class FairQueue:
    """Slots for git work. Not to be shared between event loops.

    Args:
        slots: how many are held at the same time.
        slots_per_actor: how many of them by one actor.
        waiting_max: requests that wait, of all actors together.
        wait_seconds_max: how long each of them waits.
    """

    def __init__(self, slots: int, slots_per_actor: int, waiting_max: int, wait_seconds_max: float) -> None:
        self._slots = slots
        self._slots_per_actor = slots_per_actor
        self._waiting_max = waiting_max
        self._wait_seconds_max = wait_seconds_max
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()
        self.refused = 0
        """Requests that were told to come again, ever."""

    @property
    def held(self) -> int:
        """Slots in use."""
        return self._held.total()

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return sum(len(events) for events in self._waiting.values())

    def held_by(self, actor: str) -> int:
        """Slots that one actor uses."""
        return self._held[actor]

    def find_niceness(self, actor: str) -> int:
        """How far an actor's git processes stand back for those of others: the more it has, the further."""
        return min(_NICENESS_MAX, _NICENESS_STEP * max(0, self._held[actor] - 1))

    @asynccontextmanager
    async def slot(self, actor: str) -> AsyncIterator[None]:
        """Hold a slot for the length of the block; waits for its turn first.

        Args:
            actor: who asks; every request of the same actor shares its turn.

        Raises:
            Busy: too many wait already, or the turn did not come in time.
        """
        await self._enter(actor)
        try:
            yield
        finally:
            self._leave(actor)

    async def _enter(self, actor: str) -> None:
        if actor not in self._waiting and self._has_room_for(actor):
            self._held[actor] += 1
            return
        if self.waiting >= self._waiting_max:
            self.refused += 1
            raise Busy(self._wait_seconds_max)
        turn = anyio.Event()
        self._waiting.setdefault(actor, deque()).append(turn)
        try:
            with anyio.fail_after(self._wait_seconds_max):
                await turn.wait()
        except TimeoutError:
            self._give_up(actor, turn)
            self.refused += 1
            raise Busy(self._wait_seconds_max) from None
        except BaseException:
            self._give_up(actor, turn)
            raise

    def _give_up(self, actor: str, turn: anyio.Event) -> None:
        """Take somebody out who waits no longer; a slot that came at the same moment goes on to the next."""
        if turn.is_set():
            self._leave(actor)
            return
        queue = self._waiting[actor]
        queue.remove(turn)
        if not queue:
            del self._waiting[actor]

    def _leave(self, actor: str) -> None:
        self._held[actor] -= 1
        if not self._held[actor]:
            del self._held[actor]
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free slots to those who wait: each actor one, then to the end of the line."""
        while chosen := self._choose():
            queue = self._waiting[chosen]
            self._held[chosen] += 1
            queue.popleft().set()
            if queue:
                self._waiting.move_to_end(chosen)
            else:
                del self._waiting[chosen]

    def _choose(self) -> str | None:
        """Whose turn it is; nobody's when nobody who waits may have a slot."""
        able = [actor for actor in self._waiting if self._has_room_for(actor)]
        share = max(1, self._slots // max(1, len(self._held.keys() | self._waiting.keys())))
        in_turn = (actor for actor in able if self._held[actor] < share)
        return next(in_turn, min(able, key=self._held.__getitem__, default=None))

    def _has_room_for(self, actor: str) -> bool:
        held = self._held[actor]
        slots = self._slots - (self._slots // _NEWCOMERS_PART if held else 0)
        return self._held.total() < slots and held < self._slots_per_actor
