"""Slots for git work: in turn, bounded, and free again whatever happens."""

from collections import Counter
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.api.errors import Busy
from imprint.api.running.fair import FairQueue


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


class Crowd:
    """Requests that hold their slots until they are let go, and the order in which they got them."""

    def __init__(self, queue: FairQueue, group) -> None:
        self.queue = queue
        self.group = group
        self.served: list[str] = []
        self.ends: list[tuple[str, anyio.Event]] = []
        self.refused: Counter[str] = Counter()

    async def come(self, *actors: str) -> None:
        for actor in actors:
            self.group.start_soon(self.work, actor)
            await settle()

    async def work(self, actor: str) -> None:
        try:
            async with self.queue.slot(actor):
                end = anyio.Event()
                self.served.append(actor)
                self.ends.append((actor, end))
                await end.wait()
        except Busy:
            self.refused[actor] += 1

    async def finish(self, count: int = 1) -> None:
        for _ in range(count):
            self.ends.pop(0)[1].set()
            await settle()


def run(play, *arguments) -> None:
    """Play with a queue of these numbers; in the end nothing may be held or wait."""

    async def main() -> None:
        queue = FairQueue(*arguments)
        async with anyio.create_task_group() as group:
            crowd = Crowd(queue, group)
            await play(crowd)
            while crowd.ends:
                await crowd.finish()
        assert (queue.held, queue.waiting) == (0, 0)

    anyio.run(main)


def test_waiting_actors_are_served_in_turn() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come("noisy", "noisy", "noisy", "noisy", "noisy", "noisy", "ada", "bob", "ada")
        assert crowd.served == ["noisy", "noisy"]
        await crowd.finish(6)
        assert crowd.served[2:] == ["ada", "noisy", "bob", "ada", "noisy", "noisy"]

    run(play, 2, 2, 100, 10)


def test_one_actor_never_has_all_slots() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come(*["noisy"] * 10)
        assert crowd.served == ["noisy"] * 3
        await crowd.come("ada")
        assert crowd.served == ["noisy"] * 3 + ["ada"]
        assert crowd.queue.held_by("noisy") == 3

    run(play, 4, 3, 100, 10)


def test_who_holds_less_than_an_equal_share_comes_first() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come(*["noisy"] * 6, "ada", *["noisy"] * 4, *["ada"] * 4)
        assert crowd.queue.held_by("noisy") == 5, "the sixth and the others wait"
        assert crowd.served[5:] == ["ada"] * 2
        await crowd.finish()
        assert crowd.served[7:] == ["ada"]
        for _ in range(4):
            await crowd.finish()
            assert sorted([crowd.queue.held_by("noisy"), crowd.queue.held_by("ada")]) == [3, 4]

    run(play, 7, 5, 100, 10)


def test_two_actors_never_have_all_slots_together() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come(*["noisy", "loud"] * 20)
        assert crowd.queue.held == 14
        await crowd.come("ada")
        assert crowd.served[-1] == "ada"

    run(play, 16, 12, 100, 10)


def test_more_than_may_wait_are_told_to_come_again() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come("a", "b", "c", "d")
        assert crowd.served == ["a"]
        assert crowd.refused == {"d": 1}
        assert crowd.queue.refused == 1

    run(play, 1, 1, 2, 10)


def test_who_waits_too_long_is_told_to_come_again_and_leaves_no_gap() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come("a", "b")
        await anyio.sleep(0.1)
        assert crowd.refused == {"b": 1}
        await crowd.come("c")
        await crowd.finish()
        assert crowd.served == ["a", "c"]

    run(play, 1, 1, 10, 0.05)


def test_a_slot_goes_on_when_its_holder_fails_or_its_waiter_is_cancelled() -> None:
    async def main() -> None:
        queue = FairQueue(1, 1, 10, 10)
        with suppress(ValueError):
            async with queue.slot("a"):
                raise ValueError
        async with queue.slot("a"):
            with anyio.move_on_after(0.01) as late:
                async with queue.slot("b"):
                    pytest.fail("there was no slot")
            assert late.cancelled_caught
        async with queue.slot("c"):
            assert queue.held == 1
        assert (queue.held, queue.waiting) == (0, 0)

    anyio.run(main)


def test_the_more_an_actor_has_the_further_it_stands_back() -> None:
    async def play(crowd: Crowd) -> None:
        await crowd.come(*["noisy"] * 20, "ada")
        assert crowd.queue.find_niceness("ada") == 0
        assert crowd.queue.find_niceness("noisy") == 19

    run(play, 64, 48, 100, 10)


@given(
    st.lists(st.sampled_from(["a", "b", "c", "finish"]), max_size=60), st.integers(1, 4), st.integers(1, 4)
)
def test_slots_are_bounded_and_never_idle_while_somebody_may_have_them(
    moves: list[str], slots: int, share: int
) -> None:
    async def play(crowd: Crowd) -> None:
        for move in moves:
            if move != "finish":
                await crowd.come(move)
            elif crowd.ends:
                await crowd.finish()
            held = Counter(actor for actor, _ in crowd.ends)
            assert held.total() == crowd.queue.held <= slots
            assert max(held.values(), default=0) <= share
            if crowd.queue.waiting and crowd.queue.held < slots:
                waiting = Counter(m for m in moves if m != "finish")
                assert all(held[actor] == share for actor in waiting if actor in crowd.queue._waiting)

    run(play, slots, share, 1000, 100)
