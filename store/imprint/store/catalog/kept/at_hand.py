"""Asking only what can be answered without waiting, as on an event loop.

    with only_at_hand():
        principal = hosting.authenticate(secret)

Invariants:
    1. Inside the block no database is read and no process is started: `NotAtHand` is raised instead, and the
       same is asked again where waiting is allowed. So there is one way to ask, and no second set of rules.
    2. The block is one moment: all that it is answered is of the state that the database had when it was
       asked first, or newer.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Moment = dict[int, Any]
"""The versions of databases as they were found in a block, by the identity of who found them."""
_MOMENT: Final[ContextVar[Moment | None]] = ContextVar("imprint_at_hand", default=None)
_SHARED: Final[ContextVar[Moment | None]] = ContextVar("imprint_one_moment", default=None)


class NotAtHand(Exception):
    """What was asked cannot be answered without waiting."""


@contextmanager
def only_at_hand(moment: Moment | None = None) -> Iterator[Moment]:
    """Let nothing wait inside the block.

    Args:
        moment: of an earlier block, to go on with: only where nothing was waited for in between.
    """
    moment = {} if moment is None else moment
    token = _MOMENT.set(moment)
    try:
        yield moment
    finally:
        _MOMENT.reset(token)


@contextmanager
def one_moment() -> Iterator[None]:
    """Let all that is asked inside the block be of one state, or a newer one; there may be waited.

    For what is asked of several who came before the block: whether anything has changed is looked up once.
    """
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def find_moment() -> Moment | None:
    """The moment of the block around the caller; None outside of one."""
    moment = _MOMENT.get()
    return _SHARED.get() if moment is None else moment


def may_wait() -> bool:
    """Whether waiting is allowed here."""
    return _MOMENT.get() is None


def verify_may_wait() -> None:
    """Called before something is waited for.

    Raises:
        NotAtHand: it may not be.
    """
    if _MOMENT.get() is not None:
        raise NotAtHand
