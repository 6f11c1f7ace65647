"""Where passages come from, in a few words each: for the hits of a search.

Invariants:
    1. Every passage has an origin; it is the one of most of its lines, and says of how many.
    2. What the whole file was found to come from is kept, so that the next search pays little; neighbouring
       lines that came together are looked at together, and only those of the passages.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, cast

from imprint.store.errors import Missing
from imprint.store.evidence.claims import unknown
from imprint.store.history.blame import count_lines
from imprint.store.history.kept_trace import cut_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.history.blame import Span
    from imprint.store.origins.explain import PromptReader
    from imprint.store.origins.sources import Origins
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Json = dict[str, object]
    Passage = tuple[bytes, int, int]
    """A path, the first and the last line."""

_TOLD_CHARACTERS: Final = 200
"""Of a prompt's first line."""


@dataclass(frozen=True, slots=True)
class PassageOrigin:
    """Where most of a passage comes from.

    Attributes:
        commit: what added these lines.
        claim: the best claim about them that names a turn, else the best one.
        lines: how many of the passage's lines it is.
        prompt: the first line of the prompt, where it may be read.
    """

    commit: ObjectId
    claim: Claim
    lines: int
    prompt: str | None


def passage_origins(
    view: RepositoryView,
    known: Origins,
    commit: ObjectId,
    passages: Sequence[Passage],
    prompts: PromptReader,
) -> list[PassageOrigin | None]:
    """The origin of each passage of a commit's files, in order; None where the lines are not there."""
    places: dict[bytes, dict[tuple[int, int], list[Span]]] = {}
    for path, first, last in passages:
        places.setdefault(path, {})[first, last] = []
    for path, parts in places.items():
        _fill(parts, view, known, commit, path)
    found = [places[path][first, last] for path, first, last in passages]
    claims = known.claims.claims_of(view.id, {span.commit for part in found for span in part})
    return [_choose(part, claims, prompts) for part in found]


def _fill(
    parts: dict[tuple[int, int], list[Span]],
    view: RepositoryView,
    known: Origins,
    commit: ObjectId,
    path: bytes,
) -> None:
    """Put in the spans of ranges of a file's lines; none where the file has no such lines."""
    try:
        spans, content = known.lines.find_spans(view, commit, path)
    except Missing:
        return
    count = count_lines(content)
    there = [lines for lines in parts if lines[0] <= min(lines[1], count)]
    cut = cut_ranges(spans, [(first, min(last, count)) for first, last in there]) if there else []
    parts.update(zip(there, cut, strict=True))


def _choose(
    part: Sequence[Span], claims: dict[ObjectId, list[Claim]], prompts: PromptReader
) -> PassageOrigin | None:
    if not part:
        return None
    counts: Counter[tuple[ObjectId, int]] = Counter()
    picked: dict[int, Claim] = {}
    unclaimed = {span.commit: unknown(span.commit) for span in part}
    for span in part:
        for claim, lines in _cut_by_claim(span, claims.get(span.commit, ())):
            told = claim or unclaimed[span.commit]
            picked[id(told)] = told
            counts[span.commit, id(told)] += lines
    ((commit, key), lines) = max(
        counts.items(),
        key=lambda it: (it[1], picked[it[0][1]].turn is not None, -picked[it[0][1]].evidence.rank),
    )
    claim = picked[key]
    text = prompts(claim.session, claim.prompt) if claim.session and claim.prompt else None
    return PassageOrigin(commit, claim, lines, _first_line(text))


def _cut_by_claim(span: Span, ranked: Sequence[Claim]) -> Iterator[tuple[Claim | None, int]]:
    """What is picked for the lines of a span, with the number of neighbours that it is picked for."""
    first, last = span.original_line, span.original_line + span.count - 1
    near = [claim for claim in ranked if not claim.lines or _touches(claim, span)]
    if not any(claim.lines for claim in near):
        yield _pick(near), span.count
        return
    picks = (
        _pick([claim for claim in near if claim.covers(span.path, line)]) for line in range(first, last + 1)
    )
    for _, same in groupby(picks, id):
        told = list(same)
        yield told[0], len(told)


def _touches(claim: Claim, span: Span) -> bool:
    last = span.original_line + span.count - 1
    return any(
        it.path == span.path and it.start <= last and it.end >= span.original_line for it in claim.lines
    )


def _pick(ranked: Sequence[Claim]) -> Claim | None:
    """The best claim; one that names a turn before one of the same session or agent that does not."""
    best = ranked[0] if ranked else None
    if best is None or best.turn is not None:
        return best
    return next((it for it in ranked if it.turn is not None and it.agent == best.agent), best)


def _first_line(text: str | None) -> str | None:
    if text is None:
        return None
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= _TOLD_CHARACTERS else first[:_TOLD_CHARACTERS] + " ..."


def commit_origins(
    view: RepositoryView, known: Origins, commits: Sequence[ObjectId], prompts: PromptReader
) -> dict[ObjectId, Json]:
    """The best claim about each commit, as JSON; one that names a turn before one that does not."""
    claims = known.claims.claims_of(view.id, set(commits))
    told = {}
    for commit in commits:
        claim = _pick(claims.get(commit, ())) or unknown(commit)
        text = prompts(claim.session, claim.prompt) if claim.session and claim.prompt else None
        told[commit] = passage_json(PassageOrigin(commit, claim, 0, _first_line(text)))
    return told


def add_origins(answer: Json, origins: Sequence[PassageOrigin | None]) -> Json:
    """The JSON of an answer with `hits`, each of which now has its `origin`."""
    hits = cast("list[Json]", answer["hits"])
    told = [
        hit | {"origin": passage_json(origin) if origin else None}
        for hit, origin in zip(hits, origins, strict=True)
    ]
    return answer | {"hits": told}


def passage_json(origin: PassageOrigin) -> Json:
    """An origin as JSON."""
    claim = origin.claim
    return {
        "commit": origin.commit,
        "lines": origin.lines,
        "evidence": claim.evidence.value,
        "agent": claim.agent,
        "actor": claim.actor,
        "model": claim.model,
        "session": claim.session,
        "turn": claim.turn,
        "score": claim.score,
        "prompt": origin.prompt,
    }
