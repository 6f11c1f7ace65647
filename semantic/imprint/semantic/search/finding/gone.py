"""Searching code that is gone: passages that the history held and the searched commit does not.

Of the versions of one definition only the last one is told, and only where no definition of its name is left
in the file that it was in: what was merely rewritten is not gone. One that other files define counts less.

Invariants:
    1. Every hit names the commit that took it away, which the searched one reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.endings import find_holders, find_last_end
from imprint.semantic.search.retrieve import Sieve, retrieve
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.semantic.lineage.past import PathTouch
    from imprint.semantic.search.corpus import Passage
    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Asked, Query
    from imprint.store.types import ObjectId

_LOOKED_AT: Final = 200
"""Passages of the history that are looked at, the best ones."""
_DEFINED_ELSEWHERE: Final = 0.5
"""What a passage is worth whose name another file defines: more likely it moved than that it is gone."""


@dataclass(frozen=True, slots=True)
class _Gone:
    """A passage, the contents that held it with the line where it began in each, and what ended the last."""

    passage: Passage
    blobs: Mapping[ObjectId, int]
    end: PathTouch
    score: float


def find_gone(place: Place, query: Query, filters: Filters, asked: Asked) -> Answer:
    """The passages that are gone and fit best, each with the commit that took it away.

    Raises:
        BadInput: the repository's history is not indexed.
    """
    is_whole = place.is_history_whole()  # asked before it is read: a note may be too much, never missing
    history = place.history() if place.history else None
    if history is None:
        raise BadInput(
            "code that is gone is found once the whole history is indexed, which it is not yet",
            hint="ask again later; in a clone, 'imprint index history' completes it",
        )
    past = place.past()
    wide = replace(query, limit=_LOOKED_AT, path_prefix=b"", path_glob="")
    gone = Sieve(np.isin(history.passages, place.corpus.passages, invert=True))
    candidates = retrieve(history, wide, asked, sieve=gone)
    holders = find_holders(history, [found.passage for found in candidates])
    last: dict[tuple[bytes, str, int], _Gone] = {}
    for found, blobs in zip(candidates, holders, strict=True):
        passage = found.passage
        end = find_last_end(past, blobs)
        if end is None or not filters.passes_kind(passage.kind) or not _passes(place, filters, end):
            continue
        key = end.old_path, passage.symbol, 0 if passage.symbol else passage.start_line
        before = last.get(key)
        score = found.score * _share_left(place, end.old_path, passage)
        if before is None or before.end.number < end.number:
            score = max(score, before.score if before else 0.0)
            last[key] = _Gone(passage, blobs, end, score)
    ranked = sorted(last.values(), key=lambda each: (-each.score, each.end.old_path, each.passage.start_line))
    hits = [_hit(place, each) for each in ranked if each.score > 0][: query.limit]
    if is_whole:
        return Answer(place.commit, place.behind, tuple(hits))
    note = "the history is still being indexed; more of what is gone may be found later"
    return Answer(place.commit, place.behind, tuple(hits), is_complete=False, notes=(note,))


def _passes(place: Place, filters: Filters, end: PathTouch) -> bool:
    return (
        bool(filters.commit_mask[end.number])
        and filters.passes_claims(place.past().commit(end.number))
        and filters.passes_path(end.old_path)
    )


def _share_left(place: Place, path: bytes, passage: Passage) -> float:
    """0 where the file still defines what the passage was, or is still there; less than 1 where others do."""
    corpus = place.corpus
    file = corpus.listing.numbers.get(path)
    if not passage.symbol:
        return 0.0 if file is not None else 1.0
    defining = corpus.find_definition(fold_name(passage.symbol.rpartition(".")[2]))
    if file is not None and bool(np.any(corpus.files[defining] == file)):
        return 0.0
    return _DEFINED_ELSEWHERE if len(defining) else 1.0


def _hit(place: Place, gone: _Gone) -> Hit:
    past, passage, number = place.past(), gone.passage, gone.end.number
    held = gone.end.old
    assert held is not None  # noqa: S101 - what ended was there
    shift = gone.blobs[held]
    return Hit(
        repo=place.view.name,
        path=gone.end.old_path,
        start_line=shift,
        end_line=shift + passage.end_line - passage.start_line,
        symbol=passage.symbol,
        kind=passage.kind,
        language=passage.language,
        score=gone.score,
        text=place.read_lines(held, shift, shift + passage.end_line - passage.start_line),
        commit=past.commit(number),
        time=past.time(number),
        author=past.author(number),
        subject=past.subject(number),
        is_removed=True,
    )
