"""One door to every way of finding: what is asked decides which one it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imprint.semantic.parse.languages import verify_language
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.finding.budget import fit_tokens
from imprint.semantic.search.finding.diffs import find_diffs
from imprint.semantic.search.finding.exact import find_exact
from imprint.semantic.search.finding.files import find_files
from imprint.semantic.search.finding.filters import Filters
from imprint.semantic.search.finding.gone import find_gone
from imprint.semantic.search.finding.messages import find_messages, match_messages
from imprint.semantic.search.finding.patterns import Pattern, exact_pattern, regular_pattern
from imprint.semantic.search.finding.prompts import find_prompts
from imprint.semantic.search.query import QUERY_CHARACTERS_MAX, Mode, What, read_mode, read_query
from imprint.semantic.search.retrieve import Beside, Sieve, retrieve
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Asked, Query
    from imprint.semantic.search.retrieve import Found


@dataclass(frozen=True, slots=True)
class Wish:
    """A query, read: either words or a pattern."""

    query: Query
    wanted: Asked | Pattern


def read_wish(query: Query) -> Wish:
    """Read a query.

    Raises:
        BadInput: it holds no word or no expression that can be searched, asks for no hits or too many, or for
            a language that there is not.
    """
    if query.language:
        verify_language(query.language)
    mode, text = read_mode(query)
    if mode is Mode.WORDS and query.what is not What.FILES:
        text = text[:QUERY_CHARACTERS_MAX]
    query = replace(query, text=text, mode=mode)
    if mode is Mode.WORDS:
        return Wish(query, read_query(query))
    return Wish(query, exact_pattern(text) if mode is Mode.EXACT else regular_pattern(text))


def answer_wish(place: Place, wish: Wish) -> Answer:
    """The best hits for a query at a place.

    Raises:
        BadInput: it needs what is not known here, or so few tokens hold no hit.
    """
    query, filters = wish.query, Filters(place, wish.query)
    if isinstance(wish.wanted, Pattern):
        answer = _answer_pattern(place, query, filters, wish.wanted)
    else:
        answer = _answer_words(place, query, filters, wish.wanted)
    hits = answer.hits if query.tokens is None else fit_tokens(answer.hits, query.tokens)
    left_out = len(answer.hits) - len(hits)
    notes = (*answer.notes, *([f"{left_out} hits were left out to keep to the tokens"] if left_out else []))
    return replace(answer, hits=hits, notes=notes, mode=query.mode.value)


def _answer_words(place: Place, query: Query, filters: Filters, asked: Asked) -> Answer:
    if query.what is What.FILES:
        return find_files(place, query, filters)
    if query.what is What.MESSAGES:
        return find_messages(place, query, filters, asked.words)
    if query.what is What.DIFFS:
        return find_diffs(place, query, filters, asked.words)
    if query.what is What.PROMPTS:
        return find_prompts(place, query, filters, asked.words)
    if query.removed:
        return find_gone(place, query, filters, asked)
    beside = Beside(place.background, place.commit, place.near)
    sieve = Sieve(filters.chunk_mask(), filters.passes_history if query.asks_of_commits else None)
    found = retrieve(place.corpus, query, asked, beside, sieve)
    return Answer(place.commit, place.behind, tuple(_hit(place, one, explain=query.explain) for one in found))


def _answer_pattern(place: Place, query: Query, filters: Filters, pattern: Pattern) -> Answer:
    if query.what is What.MESSAGES:
        return match_messages(place, query, filters, pattern)
    if query.what is What.DIFFS:
        return find_diffs(place, query, filters, pattern)
    if query.what is What.PROMPTS:
        return find_prompts(place, query, filters, pattern)
    if query.removed or query.what is What.FILES:
        raise BadInput(
            "files, and code that is gone, are searched by words or names",
            hint="search differences (what: diffs) for exact text that was taken away",
        )
    return find_exact(place, query, filters, pattern)


def _hit(place: Place, found: Found, *, explain: bool) -> Hit:
    passage = found.passage
    listing = place.corpus.listing
    return Hit(
        repo=place.view.name,
        path=listing.paths[passage.file],
        start_line=passage.start_line,
        end_line=passage.end_line,
        symbol=passage.symbol,
        kind=passage.kind,
        language=passage.language,
        score=found.score,
        text=place.read_lines(listing.blob(passage.file), passage.start_line, passage.end_line),
        parts=found.parts if explain else {},
    )
