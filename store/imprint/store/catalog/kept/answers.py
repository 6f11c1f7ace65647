"""Answers of a database, each of them good until somebody commits.

Every request asks who holds a token, what the token may do and which repository has a name. The answers
change rarely, reading them takes milliseconds, and that nothing has changed is seen in microseconds.

Invariants:
    1. A commit that was told to its caller before a question was asked is in the answer, whichever process
       made it: a token that was revoked is no longer good in the next request.
    2. At most `ANSWERS_MAX` answers are kept; an answer "there is none" is not, so that nobody fills the
       memory with questions about nothing.

An answer is kept under a version of the database that was found *before* it was read: it may be newer than
its version says, and then another version will be found by the next one who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from imprint.store.catalog.kept.at_hand import find_moment, verify_may_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ANSWERS_MAX: Final = 8192
"""Each has a kilobyte or so."""

T = TypeVar("T")


class KeptAnswers:
    """What a database answered lately. Safe to share between threads.

    Args:
        find_version: gives a value that differs from every earlier one once anybody has committed since;
            None when it cannot be found.
    """

    def __init__(self, find_version: Callable[[], Hashable | None]) -> None:
        self._find_version = find_version
        self._newest: tuple[Hashable | None, dict[Hashable, Any]] = (None, {})

    def ask(self, question: Hashable, read: Callable[[], T]) -> T:
        """The kept answer, where it is still good; else what `read` gives now, or raises.

        Raises:
            NotAtHand: it would have to be read where nothing may be waited for.
        """
        version = self._find_moment_version()
        known, answers = self._newest
        if version is None or version != known:
            answers = {}
            self._newest = (version, answers)
        elif (answer := answers.get(question)) is not None:
            kept: T = answer
            return kept
        verify_may_wait()
        read_now = read()
        if version is not None and read_now is not None:
            if len(answers) >= ANSWERS_MAX:
                answers.clear()
            answers[question] = read_now
        return read_now

    def _find_moment_version(self) -> Hashable | None:
        """The version now; inside a block of `only_at_hand`, the one that was found there first."""
        moment = find_moment()
        if moment is None:
            return self._find_version()
        if id(self) not in moment:
            moment[id(self)] = self._find_version()
        version: Hashable | None = moment[id(self)]
        return version
