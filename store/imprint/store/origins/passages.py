"""Where passages come from, in a few words each: for the hits of a search.

Invariants:
    1. Every passage has an origin; it is the one of most of its lines, and says of how many.
    2. What the whole file was found to come from is kept, so that the next search pays little.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from imprint.store.errors import Missing
from imprint.store.evidence.claims import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.history.blame import LineOrigin
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
    files: dict[bytes, list[LineOrigin]] = {}
    for path, _, _ in passages:
        if path not in files:
            files[path] = _find(view, known, commit, path)
    parts = [files[path][start - 1 : end] for path, start, end in passages]
    commits = {origin.commit for part in parts for origin in part}
    claims = known.claims.claims_of(view.id, commits)
    return [_choose(part, claims, prompts) for part in parts]


def _find(view: RepositoryView, known: Origins, commit: ObjectId, path: bytes) -> list[LineOrigin]:
    try:
        return known.lines.origins(view, commit, path)
    except Missing:
        return []


def _choose(
    part: Sequence[LineOrigin], claims: dict[ObjectId, list[Claim]], prompts: PromptReader
) -> PassageOrigin | None:
    if not part:
        return None
    counts: Counter[tuple[ObjectId, Claim]] = Counter()
    for origin in part:
        ranked = [it for it in claims.get(origin.commit, ()) if it.covers(origin.path, origin.original_line)]
        counts[origin.commit, _pick(ranked) or unknown(origin.commit)] += 1
    (commit, claim), lines = max(
        counts.items(), key=lambda item: (item[1], item[0][1].turn is not None, -item[0][1].evidence.rank)
    )
    text = prompts(claim.session, claim.prompt) if claim.session and claim.prompt else None
    return PassageOrigin(commit, claim, lines, _first_line(text))


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
