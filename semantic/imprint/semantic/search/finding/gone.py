"""Searching code that is gone: passages that the history held and the searched commit does not.

Of the versions of one definition only the last one is told, and only where no definition of its name is left
in the file that it was in: what was merely rewritten is not gone. One that other files define counts less.

Invariants:
    1. Every hit names the commit that took it away, which the searched one reaches: its text is not in what
       that commit left of the file, in whichever passages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.endings import find_holders, find_last_end
from imprint.semantic.search.finding.place import find_text
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
_FOLLOWED_MAX: Final = 200
"""Contents through which the text of one passage is followed, whose passages are cut in other ways."""
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
    notes = []
    if not is_whole:
        notes.append("the history is still being indexed; more of what is gone may be found later")
    deadline = place.deadline()
    told: dict[tuple[bytes, str, int], _Gone] = {}
    for each in ranked:
        if len(told) == query.limit or each.score <= 0:
            break
        if deadline.is_over():
            notes.append(f"{len(told)} passages were followed to their end, further ones may be gone too")
            break
        gone_for_good = _follow(place, each)
        if gone_for_good is not None and _passes(place, filters, gone_for_good.end):
            told.setdefault(_key(gone_for_good), gone_for_good)
    hits = tuple(_hit(place, each) for each in told.values())
    return Answer(place.commit, place.behind, hits, is_complete=not notes, notes=tuple(notes))


def _key(gone: _Gone) -> tuple[bytes, str, int]:
    passage = gone.passage
    return gone.end.old_path, passage.symbol, 0 if passage.symbol else passage.start_line


def _follow(place: Place, gone: _Gone) -> _Gone | None:
    """The passage with the commit that took its text away; None if none did, or its file defines it anew.

    A passage also ends where the same text is cut in another way, as when something above it grows: there its
    text goes on.
    """
    first = gone
    for _ in range(_FOLLOWED_MAX):
        assert gone.end.old is not None  # noqa: S101 - what ended was there
        start = gone.blobs[gone.end.old]
        text = place.read_lines(gone.end.old, start, start + gone.passage.end_line - gone.passage.start_line)
        line = find_text(place.view, gone.end.new, text) if gone.end.new is not None else None
        if gone.end.new is None or line is None:
            break
        blobs = {**gone.blobs, gone.end.new: line}
        end = find_last_end(place.past(), blobs)
        if end is None:
            return None
        gone = replace(gone, blobs=blobs, end=end)
    if gone.end.old_path != first.end.old_path and not _share_left(place, gone.end.old_path, gone.passage):
        return None
    return gone


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
