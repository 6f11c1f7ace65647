"""Work that waits is done together: each piece once, in order, and nobody sleeps for ever."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from imprint.store.waiting.together import Together

SECONDS_MAX = 20


@dataclass(eq=False)
class Piece:
    number: int
    outcome: Future[int] = field(default_factory=Future)


class Interrupted(BaseException):
    """As when somebody presses Ctrl-C."""


class Work:
    """Does pieces, the first time only when it is let."""

    def __init__(self, fail: Callable[[list[Piece]], None] = lambda _: None) -> None:
        self.began, self.let = threading.Event(), threading.Event()
        self.done: list[list[int]] = []
        self._fail = fail

    def __call__(self, pieces: list[Piece]) -> None:
        self.began.set()
        assert self.let.wait(SECONDS_MAX)
        self.done.append([piece.number for piece in pieces])
        self._fail(pieces)
        for piece in pieces:
            piece.outcome.set_result(piece.number)


def start(queue: Together[Piece], piece: Piece) -> threading.Thread:
    thread = threading.Thread(target=queue.finish, args=(piece,), daemon=True)
    thread.start()
    return thread


def wait_for(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def start_in_order(queue: Together[Piece], numbers: range) -> list[threading.Thread]:
    threads = []
    for number in numbers:
        before = len(queue)
        threads.append(start(queue, Piece(number)))
        wait_for(lambda before=before: len(queue) > before)
    return threads


def test_what_comes_meanwhile_is_done_together_in_order_and_bounded():
    work = Work()
    queue = Together(work, 3)
    threads = [start(queue, Piece(0))]
    assert work.began.wait(SECONDS_MAX)
    threads += start_in_order(queue, range(1, 6))
    work.let.set()
    for thread in threads:
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()
    assert work.done == [[0], [1, 2, 3], [4, 5]]
    assert len(queue) == 0


def test_each_piece_of_many_threads_is_done_once():
    work = Work()
    work.let.set()
    queue = Together(work, 5)

    def finish_many(first: int) -> None:
        for number in range(first, first + 200):
            piece = Piece(number)
            queue.finish(piece)
            assert piece.outcome.result(0) == number

    threads = [threading.Thread(target=finish_many, args=(at * 200,), daemon=True) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()
    assert sorted(number for numbers in work.done for number in numbers) == list(range(1600))


def test_who_is_interrupted_leaves_the_work_of_others_to_them():
    def interrupt_once(_: list[Piece]) -> None:
        if len(work.done) == 2:
            raise Interrupted

    work = Work(interrupt_once)
    queue = Together(work, 8)
    first, own, *others = (Piece(number) for number in range(4))
    threads, raised = [start(queue, first)], []
    assert work.began.wait(SECONDS_MAX)

    def be_interrupted() -> None:
        with pytest.raises(Interrupted):
            queue.finish(own)
        raised.append(own)

    threads.append(threading.Thread(target=be_interrupted, daemon=True))
    threads[-1].start()
    wait_for(lambda: len(queue) == 2)
    for at, piece in enumerate(others, 3):
        threads.append(start(queue, piece))
        wait_for(lambda at=at: len(queue) == at)
    work.let.set()
    for thread in threads:
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()
    assert raised == [own]
    assert not own.outcome.done()
    assert work.done == [[0], [1, 2, 3], [2, 3]]
    assert [piece.outcome.result(0) for piece in others] == [2, 3]


def test_a_refusal_is_the_callers_and_ends_nothing_else():
    def refuse_alone(pieces: list[Piece]) -> None:
        if pieces[0].number == 0:
            raise ValueError("no")

    work = Work(refuse_alone)
    work.let.set()
    queue = Together(work, 8)
    with pytest.raises(ValueError, match="no"):
        queue.finish(Piece(0))
    piece = Piece(1)
    queue.finish(piece)
    assert piece.outcome.result(0) == 1
    assert len(queue) == 0
