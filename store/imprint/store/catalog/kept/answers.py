"""Answers of a database, each of them good until somebody commits.

Every request asks who holds a token, what the token may do and which repository has a name. The answers
change rarely, reading them takes milliseconds, and that nothing has changed is seen in microseconds.

Invariants:
    1. A commit that was told to its caller before a question was asked is in the answer, whichever process
       made it: a token that was revoked is no longer good in the next request.
    2. An answer outlives a commit only where that was made here, nobody else could commit beside it, and it
       is known not to have changed the answer, or what it has made of it.
    3. At most `ANSWERS_MAX` answers are kept; an answer "there is none" is not, so that nobody fills the
       memory with questions about nothing.

An answer is kept under a version of the database that was found *before* it was read: it may be newer than
its version says, and then another version will be found by the next one who asks.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from imprint.store.catalog.kept.at_hand import find_moment, may_wait, verify_may_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    Touched = Sequence[tuple[Hashable, Callable[[Any], Any]]]

ANSWERS_MAX: Final = 8192
"""Each has a kilobyte or so."""

T = TypeVar("T")
_Kept = tuple["Hashable | None", dict["Hashable", Any]]
"""A version of the database, and answers that are good for it."""


class KeptAnswers:
    """What a database answered lately. Safe to share between threads.

    Args:
        find_version: gives a value that differs from every earlier one once anybody has committed since;
            None when it cannot be found.
    """

    def __init__(self, find_version: Callable[[], Hashable | None]) -> None:
        self._find_version = find_version
        self._lock = threading.Lock()
        self._newest: _Kept = (None, {})
        self._before: _Kept = (None, {})

    def carry(self, before: Hashable | None, after: Hashable | None, touched: Touched) -> None:
        """Take answers over a commit that was made here.

        Args:
            before: the version when nobody else could commit any more,
            after: and when the commit had been made, and still nobody else could.
            touched: the questions whose answers it may have changed, and what makes the new of the old. An
                old answer may be as new as the commit: it was read while that was made.
        """
        if before is None or after is None:
            return
        with self._lock:
            newer: dict[Hashable, Any] = {}
            known, answers = self._newest
            if known == after:  # somebody has seen the commit before this was told of it
                newer = answers
                known, answers = self._before
            if known != before:
                return
            kept = dict(answers)  # whoever reads now may still put older answers into the other one
            for question, follow in touched:
                old = kept.pop(question, None)
                if old is not None and question not in newer and (new := follow(old)) is not None:
                    kept[question] = new
            self._newest = (after, kept | newer if len(kept) + len(newer) <= ANSWERS_MAX else newer)
            self._before = (None, {})

    def ask(self, question: Hashable, read: Callable[[], T], version: Hashable | None = None) -> T:
        """The kept answer, where it is still good; else what `read` gives now, or raises.

        Args:
            question: what is asked.
            read: finds the answer.
            version: of the database, where it was found just now.

        Raises:
            NotAtHand: it would have to be read where nothing may be waited for.
        """
        version = self.find_version() if version is None else version
        with self._lock:
            known, answers = self._newest
            if version != known:  # another may have been carried on since the version was found
                version = self.find_version(anew=may_wait())
            if version is not None and version == known:
                answer = answers.get(question)
                if answer is not None:
                    kept: T = answer
                    return kept
            verify_may_wait()
            if version is None or version != known:
                answers = {}
                self._newest, self._before = (version, answers), self._newest
        read_now = read()
        if version is not None and read_now is not None:
            if len(answers) >= ANSWERS_MAX:
                answers.clear()
            answers[question] = read_now
        return read_now

    def find(self, question: Hashable) -> Any:
        """The kept answer, where it is still good; else None, and nothing is read."""
        version = self.find_version()
        known, answers = self._newest
        return answers.get(question) if version is not None and version == known else None

    def find_version(self, *, anew: bool = False) -> Hashable | None:
        """The version now; inside a block of one moment, the one that was found there last.

        Args:
            anew: whether it is looked for in such a block too.
        """
        moment = find_moment()
        if moment is None:
            return self._find_version()
        if anew or id(self) not in moment:
            moment[id(self)] = self._find_version()
        version: Hashable | None = moment[id(self)]
        return version
