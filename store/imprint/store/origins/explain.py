"""Blame and why: the origin of lines, with what is claimed of it and what is not known.

Invariants:
    1. Every line has exactly one best claim; where nobody claims anything it is `unknown`, and says so.
    2. What is not known is said in words, beside what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Delivery, Evidence, find_best, unknown
from imprint.store.history.reading import iter_commits

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.history.blame import LineOrigin
    from imprint.store.objects.ports import Identity
    from imprint.store.origins.sources import Origins
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    PromptReader = Callable[[str, str], str | None]
    """Given a session and the address of a prompt: its text; None when it cannot be read."""


_NOT_READ: Final = "what the commit declares: it arrived just now and has not been read yet"


@dataclass(frozen=True, slots=True)
class BlameLine:
    """One line of a file with its origin.

    Attributes:
        line: its number.
        text: the line, without line feed; bytes that are not UTF-8 become U+FFFD.
        commit: what added it.
        claim: the best claim that covers it; an `unknown` one if there is none.
        delivery: who brought the commit here; None if nobody did through Imprint.
        author: whom the commit names as its author, and when: its own word, no evidence.
    """

    line: int
    text: str
    commit: ObjectId
    claim: Claim
    delivery: Delivery | None
    author: Identity


@dataclass(frozen=True, slots=True)
class ExplainedClaim:
    """A claim with the prompt's text where it may be read."""

    evidence: Evidence
    actor: str | None
    agent: str | None
    model: str | None
    session: str | None
    prompt: str | None
    method: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a line is there, as far as it is known.

    Attributes:
        commit, path, line: what was asked about.
        origin: where the line came from.
        claims: what is claimed of its origin, best first; a single `unknown` one if nothing is.
        subject: the first line of the origin's message.
        author: whom the origin names as its author, and when: its own word, no evidence.
        delivery: who brought the origin here; None if nobody did through Imprint.
        missing: what is not known, in words.
    """

    commit: ObjectId
    path: bytes
    line: int
    origin: LineOrigin
    claims: tuple[ExplainedClaim, ...]
    subject: str
    author: Identity
    delivery: Delivery | None
    missing: tuple[str, ...]


def blame(view: RepositoryView, known: Origins, commit: ObjectId, path: bytes) -> list[BlameLine]:
    """Every line of a file with its origin, in order.

    Raises:
        PathMissing: the commit has no file at the path.
    """
    origins = known.lines.origins(view, commit, path)
    commits = {origin.commit for origin in origins}
    claims = known.claims.claims_of(view.id, commits)
    deliveries = known.ledger.deliveries(view.id, commits)
    authors = {found.id: found.author for found in iter_commits(view, commits)}
    return [
        BlameLine(
            line=origin.line,
            text=origin.text.decode("utf-8", "replace"),
            commit=origin.commit,
            claim=_find_claim(claims.get(origin.commit, []), origin),
            delivery=deliveries.get(origin.commit),
            author=authors[origin.commit],
        )
        for origin in origins
    ]


def _find_claim(ranked: list[Claim], origin: LineOrigin) -> Claim:
    return find_best(ranked, origin.path, origin.original_line) or unknown(origin.commit)


def why(
    view: RepositoryView, known: Origins, commit: ObjectId, path: bytes, line: int, prompts: PromptReader
) -> Explanation:
    """Where one line came from, by whose word, and what is not known of it.

    Raises:
        PathMissing: the commit has no file at the path, or the file has no such line.
    """
    origin = known.lines.origin(view, commit, path, line)
    ranked = known.claims.claims_of(view.id, [origin.commit]).get(origin.commit, [])
    covering = [claim for claim in ranked if claim.covers(origin.path, origin.original_line)]
    claims = covering or [unknown(origin.commit)]
    explained = tuple(_explain_claim(claim, prompts) for claim in claims)
    delivery = known.ledger.delivery(view.id, origin.commit)
    found = view.objects.read_commit(origin.commit)
    return Explanation(
        commit=commit,
        path=path,
        line=line,
        origin=origin,
        claims=explained,
        subject=found.subject,
        author=found.author,
        delivery=delivery,
        missing=(
            *(() if known.ledger.find_known(view.id, [origin.commit]) else (_NOT_READ,)),
            *_list_missing(claims[0], explained[0], delivery),
        ),
    )


def _explain_claim(claim: Claim, prompts: PromptReader) -> ExplainedClaim:
    text = prompts(claim.session, claim.prompt) if claim.session and claim.prompt else None
    return ExplainedClaim(
        claim.evidence, claim.actor, claim.agent, claim.model, claim.session, text, claim.method
    )


def _list_missing(best: Claim, explained: ExplainedClaim, delivery: Delivery | None) -> list[str]:
    """What the best claim leaves open."""
    missing = []
    if best.evidence is Evidence.UNKNOWN:
        missing.append("who or what wrote the line: nobody said, which does not make it a person's")
    elif best.evidence is not Evidence.BOUND:
        missing.append("proof: the claim rests on what the commit or a note says of itself")
    if best.agent and not best.model:
        missing.append("the model")
    if best.evidence is not Evidence.UNKNOWN and not best.session:
        missing.append("the session")
    if best.session and not best.prompt:
        missing.append("the prompt: none was recorded")
    elif best.prompt and explained.prompt is None:
        missing.append("the prompt: it was recorded, but cannot be read here")
    if delivery is None:
        missing.append("who delivered the commit: it did not come through an Imprint server")
    return missing
