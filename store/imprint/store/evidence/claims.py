"""Claims: who says that whom made what, and on what evidence.

Invariants:
    1. A claim is a statement, never a fact; `Evidence` says how much stands behind it.
    2. `UNKNOWN` means that nobody said anything. It never means that a person wrote it.
    3. Who delivered a commit is a `Delivery`; it says nothing of who wrote it.

Line numbers count from 1; ranges include both ends.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.store.types import ObjectId


class Evidence(enum.Enum):
    """What stands behind a claim, best first."""

    BOUND = "bound"
    """Made through the commit API, or committed and pushed by the actor with a session token."""
    OBSERVED = "observed"
    """The edit was matched in the session's transcript."""
    DECLARED = "declared"
    """The commit itself or a note on it says so: a trailer, a bot's identity, a Git AI note."""
    INFERRED = "inferred"
    """Carried over from another commit, with a method and a score."""
    UNKNOWN = "unknown"
    """Nobody said anything."""

    @property
    def rank(self) -> int:
        """0 for the best evidence; larger is weaker."""
        return _RANKS[self]


_RANKS = {evidence: rank for rank, evidence in enumerate(Evidence)}


@dataclass(frozen=True, slots=True)
class LineRange:
    """Lines `start` to `end` of a file, as it is in the claimed commit."""

    path: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about the origin of a commit, or of some lines that it added.

    Attributes:
        commit: what it is about.
        evidence: what stands behind it.
        actor: who acted: the authenticated actor when bound, otherwise whom the source names; None if nobody.
        agent: the tool that did the work, such as `claude-code`; None when none is named.
        model: None if not said.
        session: None if not said.
        prompt: address of the prompt's text among the transcripts; None if not recorded.
        method: what the claim was read from, such as `commit api` or `trailer Co-authored-by`.
        lines: the lines it is about; empty for the whole commit.
        turn: number of the session's turn that caused it, counting from 1; None if not known.
        score: how sure a matched or inferred claim is, from 0 to 1; None where nothing was estimated.
        via: the commit from which an inferred claim was carried over; None for every other.
    """

    commit: ObjectId
    evidence: Evidence
    actor: str | None = None
    agent: str | None = None
    model: str | None = None
    session: str | None = None
    prompt: str | None = None
    method: str = ""
    lines: tuple[LineRange, ...] = ()
    turn: int | None = None
    score: float | None = None
    via: ObjectId | None = None

    def covers(self, path: bytes, line: int) -> bool:
        """Whether the claim speaks about this line of the commit."""
        return not self.lines or any(
            part.start <= line <= part.end and part.path == path for part in self.lines
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who brought a commit into the repository, and when: the first event that made it reachable.

    Attributes:
        commit: what was delivered.
        actor: the authenticated actor; `operator` for imports at the data folder.
        token_id: the token used; None for the operator.
        event_id: the event.
        sequence: its place among the repository's events.
        at_ms: when it was admitted.
    """

    commit: ObjectId
    actor: str
    token_id: str | None
    event_id: str
    sequence: int
    at_ms: int


def unknown(commit: ObjectId) -> Claim:
    """What stands in for a claim where there is none."""
    return Claim(commit, Evidence.UNKNOWN, method="no claim covers this")


def rank_claims(claims: Iterable[Claim]) -> list[Claim]:
    """Best first: by evidence, then claims about lines before claims about whole commits, then as given.

    A claim about named lines is more exact than one about everything a commit holds.
    """
    return sorted(claims, key=lambda claim: (claim.evidence.rank, not claim.lines))


def find_best(ranked: Sequence[Claim], path: bytes, line: int) -> Claim | None:
    """The first of `ranked` that covers the line; None when none does."""
    return next((claim for claim in ranked if claim.covers(path, line)), None)


def merge_claims(claims: Iterable[Claim]) -> list[Claim]:
    """Join claims about one commit that name the same agent, or without an agent the same actor.

    The first of them leads; what it leaves open is filled in from the later ones, and `method` names all.
    """
    merged: dict[tuple[str | None, str | None], Claim] = {}
    for claim in claims:
        key = (claim.agent, None if claim.agent else claim.actor)
        known = merged.get(key)
        merged[key] = claim if known is None else _join(known, claim)
    return list(merged.values())


def _join(first: Claim, second: Claim) -> Claim:
    methods = first.method.split(", ")
    return replace(
        first,
        actor=first.actor or second.actor,
        model=first.model or second.model,
        session=first.session or second.session,
        prompt=first.prompt or second.prompt,
        method=first.method if second.method in methods else f"{first.method}, {second.method}",
    )
