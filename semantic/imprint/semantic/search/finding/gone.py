"""Searching code that is gone: passages that the history held and the searched commit does not.

Of the versions of one definition only the last one that fits is told, and only where no definition of its
name is left in the file that it was in: what was merely rewritten is not gone.

Invariants:
    1. Every hit names the commit that took it away, which the searched one reaches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.lineage.removed import find_removals
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.retrieve import Sieve, retrieve
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from imprint.semantic.lineage.model import Removal
    from imprint.semantic.search.corpus import Passage
    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Asked, Query
    from imprint.store.types import ObjectId

_LOOKED_AT: Final = 200
"""Passages of the history that are looked at, the best ones."""


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
    present = {place.corpus.listing.blob(file) for file in range(len(place.corpus.listing))}
    wide = replace(query, limit=_LOOKED_AT, path_prefix=b"", path_glob="")
    hits: list[Hit] = []
    told: set[tuple[bytes, str, int]] = set()
    gone = Sieve(np.isin(history.passages, place.corpus.passages, invert=True))
    for found in retrieve(history, wide, asked, sieve=gone):
        passage = found.passage
        blob = history.listing.blob(passage.file)
        removal = find_removals(past, [blob], present).get(blob)
        if removal is None or not _passes(place, filters, removal):
            continue
        key = removal.path, passage.symbol, 0 if passage.symbol else passage.start_line
        if key in told or not filters.passes_kind(passage.kind) or _is_left(place, removal.path, passage):
            continue
        told.add(key)
        hits.append(_hit(place, passage, blob, removal, found.score))
        if len(hits) >= query.limit:
            break
    if is_whole:
        return Answer(place.commit, place.behind, tuple(hits))
    note = "the history is still being indexed; more of what is gone may be found later"
    return Answer(place.commit, place.behind, tuple(hits), is_complete=False, notes=(note,))


def _passes(place: Place, filters: Filters, removal: Removal) -> bool:
    number = place.past().find(removal.commit)
    return (
        number is not None
        and bool(filters.commit_mask[number])
        and filters.passes_claims(removal.commit)
        and filters.passes_path(removal.path)
    )


def _is_left(place: Place, path: bytes, passage: Passage) -> bool:
    """Whether the file still defines what the passage was; without a name, whether it is still there."""
    corpus = place.corpus
    file = corpus.listing.numbers.get(path)
    if file is None or not passage.symbol:
        return file is not None
    defining = corpus.find_definition(fold_name(passage.symbol.rpartition(".")[2]))
    return bool(np.any(corpus.files[defining] == file))


def _hit(place: Place, passage: Passage, blob: ObjectId, removal: Removal, score: float) -> Hit:
    number = place.past().find(removal.commit)
    return Hit(
        repo=place.view.name,
        path=removal.path,
        start_line=passage.start_line,
        end_line=passage.end_line,
        symbol=passage.symbol,
        kind=passage.kind,
        language=passage.language,
        score=score,
        text=place.read_lines(blob, passage.start_line, passage.end_line),
        commit=removal.commit,
        time=removal.time,
        author=place.past().author(number) if number is not None else "",
        subject=removal.subject,
        is_removed=True,
    )
