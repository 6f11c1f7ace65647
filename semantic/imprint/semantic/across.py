"""Searching many repositories at once: those that the caller may read, in one answer.

Scores of two repositories do not compare: each is in units of its own best passage. So a hit's score is
multiplied by the share of the question that it answers: the words that its text, path and symbol hold,
each by how rare it is among all hits of the answer.

Invariants:
    1. Only views that are given are searched: whoever gives them has limited them to what the caller may see.
    2. Whoever asks is told which repositories were not searched, and at which commit each one was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import log1p
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.background import NOTHING
from imprint.semantic.search.finding.ask import read_wish
from imprint.semantic.search.finding.budget import fit_tokens
from imprint.semantic.search.query import Mode, read_mode, read_query
from imprint.semantic.search.stems import Family
from imprint.store.errors import BadRevision, RefMissing, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.library import Library
    from imprint.semantic.search.answer import Answer, Hit
    from imprint.semantic.search.background import Background
    from imprint.semantic.search.query import Query
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

REPOSITORIES_MAX: Final = 500
"""Repositories of one question."""
SECONDS_MAX: Final = 5.0
"""After so long, no further repository is begun."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A repository that was searched: at which commit, and how many commits that is behind."""

    repo: str
    commit: ObjectId | None
    behind: int


@dataclass(frozen=True, slots=True)
class AnswerAcross:
    """The hits of many repositories, best first; the rest as in `Answer`."""

    searched: tuple[Searched, ...]
    hits: tuple[Hit, ...]
    is_complete: bool = True
    notes: tuple[str, ...] = ()
    mode: str = "words"


def _nothing(_: RepositoryView) -> Background:
    return NOTHING


def search_many(
    library: Library,
    views: Sequence[RepositoryView],
    query: Query,
    *,
    ref: str = "HEAD",
    background: Callable[[RepositoryView], Background] = _nothing,
    clock: Callable[[], float] = time.monotonic,
) -> AnswerAcross:
    """The best hits for a query in many repositories, each at what `ref` names in it.

    A repository without such a ref is passed over.

    Raises:
        BadInput: as for `Library.search`.
        StoreError: no repository can be searched.
    """
    read_wish(query)
    mode, text = read_mode(query)
    each = replace(query, tokens=None)
    end = clock() + SECONDS_MAX
    searched: list[Searched] = []
    answers: list[Answer] = []
    notes: list[str] = []
    refusals: list[StoreError] = []
    for number, view in enumerate(views):
        if number >= REPOSITORIES_MAX or clock() >= end:
            notes.append(f"{number} of {len(views)} repositories were searched")
            break
        try:
            answer = library.search(view, each, ref=ref, background=background(view))
        except (RefMissing, BadRevision):
            continue
        except StoreError as refused:  # deleted meanwhile, or its history is not indexed: the others answer
            refusals.append(refused)
            notes.append(f"{view.name} was not searched: {refused}")
            continue
        searched.append(Searched(view.name, answer.commit, answer.behind))
        answers.append(answer)
        if answer.commit is None and answer.behind:
            notes.append(f"{view.name} is not indexed yet: ask again in some seconds")
        notes += [f"{view.name}: {note}" for note in answer.notes]
    if refusals and not answers:
        raise refusals[0]
    hits = [hit for answer in answers for hit in answer.hits]
    if mode is Mode.WORDS:
        hits = _compare(hits, read_query(replace(query, text=text)).words)
    hits.sort(key=lambda hit: (-hit.score, hit.repo, hit.path, hit.start_line))
    told = tuple(hits[: query.limit])
    return AnswerAcross(
        tuple(searched),
        told if query.tokens is None else fit_tokens(told, query.tokens),
        is_complete=not notes,
        notes=tuple(notes),
        mode=mode.value,
    )


def _compare(hits: Sequence[Hit], words: Sequence[str]) -> list[Hit]:
    """The hits with scores that compare."""
    families = [
        Family(terms(f"{hit.text} {hit.symbol} {hit.path.decode('utf-8', 'replace')}")) for hit in hits
    ]
    held = [{word for word in words if family.has_relative(word)} for family in families]
    rarity = {word: log1p((len(hits) + 1) / (sum(word in some for some in held) + 0.5)) for word in words}
    total = sum(rarity.values()) or 1.0
    return [
        replace(hit, score=hit.score * sum(rarity[word] for word in some) / total)
        for hit, some in zip(hits, held, strict=True)
    ]
