"""Commits to one repository that are asked for while others are made: one thread takes all that wait.

Invariants:
    1. Each is answered as `answer_alone` answers it, whatever becomes of those taken with it.
    2. Nobody waits for company: who comes alone is answered alone.
    3. One thread at a time prepares commits to a repository. When it comes to the last step, which waits for
       the disk, or has taken `PATIENCE_SECONDS`, another one takes those who wait then.
    4. Those taken together are for different branches. What may take long, as it waits for git or for another
       transaction, has a thread of its own.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import to_thread
from pydantic import ValidationError
from starlette.responses import Response

from imprint.api.refusal import refuse
from imprint.api.rest.access import NOT_KEPT
from imprint.api.rest.commits import make_commit, read_request, read_session, tell_receipt
from imprint.api.services import open_access
from imprint.api.wire import NewCommit
from imprint.store.actors import Verb
from imprint.store.catalog.kept.at_hand import one_moment
from imprint.store.errors import StoreError
from imprint.store.receive.commit import CommitReceipt, commit_together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from imprint.api.services import Access
    from imprint.api.wire import CommitAnswer
    from imprint.store.receive.commit import CommitRequest

TOGETHER_MAX: Final = 16
"""Commits that one thread takes: bounds how long the first of them waits for the last. With more, the disk
would have nothing to do meanwhile."""
PATIENCE_SECONDS: Final = 0.25
"""How long those who wait leave all work to one thread."""
T = TypeVar("T")


class Left(enum.Enum):
    """What is left to do of a commit that was taken together with others; nothing of it has happened."""

    ROUTE = "the routes refuse it"
    ALONE = "it may take long"
    LATER = "another one of them is for the same branch"


Outcome = Response | Left | Exception


@dataclass(eq=False, slots=True)
class Asked:
    """A commit that is asked for, behind the gate, with its body."""

    request: Request
    owner: str
    repo: str
    body: bytes

    @property
    def place(self) -> str:
        """What those have in common that are for one repository."""
        return f"{self.owner}/{self.repo}".casefold()


@dataclass(eq=False, slots=True)
class _Place:
    """A repository where somebody works, and those who wait: each with where its outcome goes."""

    name: str
    waiting: deque[tuple[Asked, asyncio.Future[Outcome]]] = field(default_factory=deque)
    turn: object = None
    is_over: bool = False
    """Whether who has the turn needs it no more."""

    def take(self) -> list[tuple[Asked, asyncio.Future[Outcome]]]:
        """The next of those who are still there."""
        taken: list[tuple[Asked, asyncio.Future[Outcome]]] = []
        while self.waiting and len(taken) < TOGETHER_MAX:
            asked, outcome = self.waiting.popleft()
            if not outcome.done():
                taken.append((asked, outcome))
        return taken


class Gathering:
    """Answers commits; used on one event loop."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, asked: Asked) -> Response | None:
        """The answer to a commit that is durable or was refused; None where it is for the routes to refuse.

        Raises:
            Exception: what it met that is no refusal.
        """
        while True:
            place = self._places.setdefault(asked.place, _Place(asked.place))
            if place.turn is None or (place.is_over and not place.waiting):
                return await self._work(place, partial(answer_alone, asked))
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            place.waiting.append((asked, outcome))
            found = await outcome
            if isinstance(found, Response):
                return found
            if found is Left.ROUTE:
                return None
            if found is Left.ALONE:
                return await to_thread.run_sync(answer_alone, asked)

    async def _work(self, place: _Place, work: Callable[[Callable[[], None]], T]) -> T:
        """Work in a thread, which says when the next may begin; that is after `PATIENCE_SECONDS` at last."""
        loop, own = asyncio.get_running_loop(), object()
        place.turn, place.is_over = own, False

        def end_turn() -> None:
            if place.turn is own:
                place.is_over = True
                if place.waiting:  # who comes later sees that it is over
                    with suppress(RuntimeError):  # the loop has ended, and nobody waits on it
                        loop.call_soon_threadsafe(self._go_on, place, own)

        timer = loop.call_later(PATIENCE_SECONDS, self._go_on, place, own)
        try:
            return await to_thread.run_sync(work, end_turn)
        finally:
            timer.cancel()
            self._go_on(place, own)

    def _go_on(self, place: _Place, own: object) -> None:
        """Let the next work, if it is still this one's turn."""
        if place.turn is not own:
            return
        taken = place.take()
        if not taken:
            self._places.pop(place.name, None)
            place.turn = None
            return
        task = asyncio.get_running_loop().create_task(self._answer_taken(place, taken))
        place.turn, place.is_over = task, False
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_taken(
        self, place: _Place, taken: Sequence[tuple[Asked, asyncio.Future[Outcome]]]
    ) -> None:
        try:
            work = partial(answer_together, [asked for asked, _ in taken])
            found = await self._work(place, work)
        except asyncio.CancelledError:
            for _, outcome in taken:
                outcome.cancel()
            raise
        except Exception as fault:  # noqa: BLE001 - raised again for each who waits
            found = [fault] * len(taken)
        for (_, outcome), each in zip(taken, found, strict=True):
            _give(outcome, each)


def _give(outcome: asyncio.Future[Outcome], found: Outcome) -> None:
    if outcome.done():  # the client has gone
        return
    if isinstance(found, Exception):
        outcome.set_exception(found)
    else:
        outcome.set_result(found)


def answer_alone(asked: Asked, end_turn: Callable[[], None] = lambda: None) -> Response | None:
    """The answer to a commit that is durable or was refused; None where it is for the routes to refuse.

    Args:
        asked: the request.
        end_turn: called when others may begin.
    """
    try:
        wish, access = _open(asked)
    except (ValidationError, StoreError):
        return None
    try:
        answer = make_commit(access, wish, end_turn)
    except StoreError as refused:
        return refuse(asked.request, refused)
    return _render(answer)


def answer_together(every: Sequence[Asked], end_turn: Callable[[], None]) -> list[Outcome]:
    """The same of several for one repository; or what is left to do."""
    taken: dict[int, tuple[NewCommit, Access, CommitRequest]] = {}
    with one_moment():
        outcomes = [_take(at, asked, taken) for at, asked in enumerate(every)]
    if not taken:
        return outcomes
    wishes = [(request, access.principal) for _, access, request in taken.values()]
    _, first, _ = next(iter(taken.values()))
    made = commit_together(wishes, first.repository, first.services.receiver, end_turn)
    for (at, (wish, _, _)), each in zip(taken.items(), made, strict=True):
        if each is not None:
            outcomes[at] = _tell(every[at], wish, each)
    return outcomes


def _tell(asked: Asked, wish: NewCommit, made: CommitReceipt | Exception) -> Response | Exception:
    """The answer to a commit that was made together with others, or was not."""
    try:
        if isinstance(made, CommitReceipt):
            return _render(tell_receipt(wish, made))
        return refuse(asked.request, made) if isinstance(made, StoreError) else made
    except Exception as fault:  # noqa: BLE001 - given to whom it belongs
        return fault


def _take(at: int, asked: Asked, taken: dict[int, tuple[NewCommit, Access, CommitRequest]]) -> Outcome:
    """Add what is wished to what is taken; what is left to do unless the commit is made with these."""
    try:
        found = _prepare(asked, taken)
    except (ValidationError, StoreError):
        return Left.ROUTE
    except Exception as fault:  # noqa: BLE001 - given to whom it belongs
        return fault
    if not isinstance(found, tuple):
        return found
    taken[at] = found
    return Left.ALONE


def _prepare(
    asked: Asked, taken: Mapping[int, tuple[NewCommit, Access, CommitRequest]]
) -> tuple[NewCommit, Access, CommitRequest] | Left | Response:
    """What is wished, where it can be done beside those taken already.

    Raises:
        ValidationError, StoreError: the routes refuse it.
    """
    wish, access = _open(asked)
    if read_session(wish, access) is not None or "base_ref" in wish.model_fields_set:
        return Left.ALONE
    try:
        request = read_request(wish, access)
    except StoreError as refused:
        return refuse(asked.request, refused)
    for _, other, before in taken.values():
        if other.repository.record.id != access.repository.record.id:
            return Left.ALONE  # it was given the name just now
        if before.branch == request.branch:
            return Left.LATER
    return wish, access, request


def _open(asked: Asked) -> tuple[NewCommit, Access]:
    wish = NewCommit.model_validate_json(asked.body)
    return wish, open_access(asked.request, asked.owner, asked.repo, Verb.WRITE)


def _render(answer: CommitAnswer) -> Response:
    return Response(answer.model_dump_json().encode(), HTTPStatus.CREATED, NOT_KEPT, "application/json")
