"""Searching the messages of commits, by words or by pattern.

Invariants:
    1. Only commits that the searched one reaches, and that the caller may see, are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.place import TEXT_CHARACTERS_MAX
from imprint.semantic.search.signals.messages import Shown, score_messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.patterns import Pattern
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Query


def find_messages(place: Place, query: Query, filters: Filters, words: Sequence[str]) -> Answer:
    """The commits whose messages fit words best, best first."""
    past = place.past()
    scores = score_messages(past, words, Shown(past, filters.commit_mask))
    hits: list[Hit] = []
    for number in np.argsort(-scores, kind="stable").tolist():
        if scores[number] <= 0 or len(hits) >= query.limit:
            break
        if filters.passes_commit(number):
            hits.append(commit_hit(place, number, float(scores[number]), past.message(number)))
    return Answer(place.commit, place.behind, tuple(hits))


def match_messages(place: Place, query: Query, filters: Filters, pattern: Pattern) -> Answer:
    """The commits whose messages fit a pattern, newest first."""
    past = place.past()
    deadline = place.deadline()
    mask = filters.commit_mask
    for word in pattern.words:
        there = np.zeros(len(mask), bool)
        there[past.find_word(word)[0]] = True
        mask = mask & there
    hits: list[Hit] = []
    notes: tuple[str, ...] = ()
    numbers = np.flatnonzero(mask)[::-1].tolist()
    for looked, number in enumerate(numbers):
        if deadline.is_over():
            notes = (f"the newest {looked} of {len(numbers)} messages were looked at",)
            break
        message = past.message(number)
        if pattern.is_in(message.encode("utf-8", "replace")) and filters.passes_commit(number):
            hits.append(commit_hit(place, number, 1.0, message))
            if len(hits) >= query.limit:
                break
    return Answer(place.commit, place.behind, tuple(hits), is_complete=not notes, notes=notes)


def commit_hit(place: Place, number: int, score: float, text: str) -> Hit:
    """A commit as a hit; it has no path and no lines."""
    past = place.past()
    return Hit(
        repo=place.view.name,
        path=b"",
        start_line=0,
        end_line=0,
        symbol="",
        kind="commit",
        language="",
        score=score,
        text=text[:TEXT_CHARACTERS_MAX],
        commit=past.commit(number),
        time=past.time(number),
        author=past.author(number),
        subject=past.subject(number),
    )


def newest_first(filters: Filters) -> Iterator[int]:
    """The commits that fit the filters, newest first."""
    for number in np.flatnonzero(filters.commit_mask)[::-1].tolist():
        if filters.passes_commit(number):
            yield number
