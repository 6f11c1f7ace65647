"""Blame and why: the origin of lines, with what is claimed of it and what is not known.

Invariants:
    1. Every line has exactly one best claim; where nobody claims anything it is `unknown`, and says so.
    2. What is not known is said in words, beside what is.
    3. A line is brought as near to its cause as the claims allow: see `Level`. Where nobody claims anything
       the commit that added it and its message are left, and they are always told.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from imprint.store.errors import LimitExceeded
from imprint.store.evidence.claims import Claim, Delivery, Evidence, find_best, unknown
from imprint.store.evidence.shown import show_claims
from imprint.store.history.blame import count_lines, find_file, verify_line
from imprint.store.history.reading import iter_commits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from imprint.store.history.blame import LineOrigin, Span
    from imprint.store.objects.ports import Identity
    from imprint.store.origins.sources import Origins
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    PromptReader = Callable[[str, str], str | None]
    """Given a session and the address of a prompt: its text; None when it cannot be read."""


LINES_MAX: Final = 5000
"""Lines that are explained at once."""
MESSAGE_CHARACTERS_MAX: Final = 10_000
"""Of a commit's message."""
_WORD_ONLY: Final = frozenset({Evidence.DECLARED, Evidence.INFERRED})
_UNREAD: Final = "the prompt: it was recorded, but cannot be read here"
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
class BlameRun:
    """Neighbouring lines of a file that one commit added and that have one best claim.

    Attributes:
        line: the number of the first.
        texts: the lines, as in `BlameLine`.
        commit, claim, delivery, author: as in `BlameLine`.
    """

    line: int
    texts: tuple[str, ...]
    commit: ObjectId
    claim: Claim
    delivery: Delivery | None
    author: Identity


@dataclass(frozen=True, slots=True)
class ExplainedClaim:
    """A claim with the prompt's text where it may be read; its other fields are those of `Claim`."""

    evidence: Evidence
    actor: str | None
    agent: str | None
    model: str | None
    session: str | None
    turn: int | None
    prompt: str | None
    method: str
    score: float | None
    via: ObjectId | None


class Level(enum.Enum):
    """How near to its cause a line could be brought, best first."""

    TURN = "turn"
    """To one turn of a session."""
    SESSION = "session"
    """To a session, but to none of its turns."""
    AUTHOR = "author"
    """To an agent or an actor, but to no session."""
    COMMIT = "commit"
    """To the commit that added it and what its message says: nobody claims anything."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step from a line back to its cause.

    Attributes:
        how: `blame`: git found the commit that added the line; `rename`: the file had another name there;
            `rewrite`: the commit is another version of an earlier one, whose claims were carried over.
        commit: where the step leads.
        path, line: the line there; None where the step leads to the commit as a whole.
        method: by what a rewrite was recognised; empty for the others.
        score: how sure a rewrite is; None for the others.
    """

    how: str
    commit: ObjectId
    path: bytes | None = None
    line: int | None = None
    method: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why some neighbouring lines are there, as far as it is known: one origin, and the same claims.

    Attributes:
        commit, path, line: what was asked about; of several lines the first.
        end: the last of them.
        origin: where the first line came from.
        claims: what is claimed of its origin, best first; a single `unknown` one if nothing is.
        level: how near to the cause the claims lead.
        steps: the way there.
        subject: the first line of the origin's message.
        message: all of it, cut at `MESSAGE_CHARACTERS_MAX`.
        author: whom the origin names as its author, and when: its own word, no evidence.
        delivery: who brought the origin here; None if nobody did through Imprint.
        missing: what is not known, in words.
    """

    commit: ObjectId
    path: bytes
    line: int
    end: int
    origin: LineOrigin
    claims: tuple[ExplainedClaim, ...]
    level: Level
    steps: tuple[Step, ...]
    subject: str
    message: str
    author: Identity
    delivery: Delivery | None
    missing: tuple[str, ...]


def blame(view: RepositoryView, known: Origins, commit: ObjectId, path: bytes) -> list[BlameLine]:
    """Every line of a file with its origin, in order.

    Raises:
        PathMissing: the commit has no file at the path.
    """
    return [
        BlameLine(line, text, run.commit, run.claim, run.delivery, run.author)
        for run in blame_runs(view, known, commit, path)
        for line, text in enumerate(run.texts, run.line)
    ]


def blame_runs(view: RepositoryView, known: Origins, commit: ObjectId, path: bytes) -> list[BlameRun]:
    """As `blame`, with neighbours that have one origin together: quicker for whoever can use it so."""
    spans, content = known.lines.find_spans(view, commit, path)
    commits = {span.commit for span in spans}
    claims = show_claims(view, known.claims.claims_of(view.id, commits))
    deliveries = known.ledger.deliveries(view.id, commits)
    authors = known.authors.find(view, commits)
    unclaimed = {each: unknown(each) for each in commits}
    texts = content.decode("utf-8", "replace").split("\n")
    parts = (
        (span.commit, claim, count)
        for span in spans
        for claim, count in _cut_by_claim(span, claims.get(span.commit, ()), unclaimed[span.commit])
    )
    runs = []
    line = 1
    for (origin, _), run in groupby(parts, lambda part: (part[0], id(part[1]))):
        pieces = list(run)
        count = sum(piece[2] for piece in pieces)
        told = tuple(texts[line - 1 : line - 1 + count])
        runs.append(BlameRun(line, told, origin, pieces[0][1], deliveries.get(origin), authors[origin]))
        line += count
    return runs


def _cut_by_claim(span: Span, ranked: Sequence[Claim], unclaimed: Claim) -> Iterator[tuple[Claim, int]]:
    """The best claims of a span's lines in order, each with the number of neighbours that it is best for."""
    last = span.original_line + span.count - 1
    near = [
        claim
        for claim in ranked
        if not claim.lines
        or any(
            it.path == span.path and it.start <= last and it.end >= span.original_line for it in claim.lines
        )
    ]
    if not near or not near[0].lines:
        yield (near[0] if near else unclaimed), span.count
        return
    best = (find_best(near, span.path, line) or unclaimed for line in range(span.original_line, last + 1))
    for _, same in groupby(best, id):
        claims = list(same)
        yield claims[0], len(claims)


def why(
    view: RepositoryView, known: Origins, commit: ObjectId, path: bytes, line: int, prompts: PromptReader
) -> Explanation:
    """Where one line came from, by whose word, and what is not known of it.

    Raises:
        PathMissing: the commit has no file at the path, or the file has no such line.
    """
    origin = known.lines.origin(view, commit, path, line)
    return _Explainer(view, known, prompts, [origin.commit]).explain(commit, path, [origin])


def why_lines(
    view: RepositoryView,
    known: Origins,
    commit: ObjectId,
    path: bytes,
    lines: tuple[int, int],
    prompts: PromptReader,
) -> list[Explanation]:
    """As `why`, for the lines from a first to a last, in order: neighbours with one cause stand together.

    A last line beyond the end of the file means its last line.

    Raises:
        PathMissing: the commit has no file at the path, or the file has no such first line.
        LimitExceeded: more than `LINES_MAX` lines.
    """
    first, last = lines
    if last - first >= LINES_MAX:
        raise LimitExceeded(
            f"{last - first + 1} lines are more than the {LINES_MAX} that are explained at once",
            limit="why lines",
            hint="ask for a smaller range, or for the blame of the file",
        )
    content = view.objects.read_blob(find_file(view, commit, path))
    verify_line(content, commit, path, first)
    last = min(max(first, last), count_lines(content))
    origins = known.lines.origins(view, commit, path, (first, last))
    explainer = _Explainer(view, known, prompts, {origin.commit for origin in origins})
    return [explainer.explain(commit, path, group) for group in explainer.group(origins)]


class _Explainer:
    """Explains lines whose origins are known; reads each commit and its claims once."""

    def __init__(
        self, view: RepositoryView, known: Origins, prompts: PromptReader, commits: Collection[ObjectId]
    ) -> None:
        self._prompts = prompts
        self._id, self._erased = view.id, known.erased
        self._claims = show_claims(view, known.claims.claims_of(view.id, commits))
        self._deliveries = known.ledger.deliveries(view.id, commits)
        self._read = known.ledger.find_known(view.id, commits)
        self._commits = {found.id: found for found in iter_commits(view, list(commits))}
        self._texts: dict[tuple[str, str], str | None] = {}

    def group(self, origins: Iterable[LineOrigin]) -> list[list[LineOrigin]]:
        """Neighbours that one commit added to one file and that the same claims cover."""
        return [
            list(group)
            for _, group in groupby(
                origins, lambda it: (it.commit, it.path, [id(claim) for claim in self._covering(it)])
            )
        ]

    def _covering(self, origin: LineOrigin) -> list[Claim]:
        ranked = self._claims.get(origin.commit, [])
        return [claim for claim in ranked if claim.covers(origin.path, origin.original_line)]

    def explain(self, commit: ObjectId, path: bytes, lines: Sequence[LineOrigin]) -> Explanation:
        """Explain neighbouring lines of one group."""
        origin = lines[0]
        claims = self._covering(origin) or [unknown(origin.commit)]
        explained = tuple(map(self._explain_claim, claims))
        found = self._commits[origin.commit]
        delivery = self._deliveries.get(origin.commit)
        return Explanation(
            commit=commit,
            path=path,
            line=origin.line,
            end=lines[-1].line,
            origin=origin,
            claims=explained,
            level=_find_level(claims),
            steps=tuple(_iter_steps(path, origin, claims)),
            subject=found.subject,
            message=found.message[:MESSAGE_CHARACTERS_MAX],
            author=found.author,
            delivery=delivery,
            missing=(
                *(() if origin.commit in self._read else (_NOT_READ,)),
                *map(self._say_erased(claims), _list_missing(claims, explained, delivery)),
            ),
        )

    def _say_erased(self, claims: Sequence[Claim]) -> Callable[[str], str]:
        """What puts the day of the erasure in place of words about a prompt that cannot be read."""
        asked = {claim.session for claim in claims if claim.session and claim.prompt}

        def say(gap: str) -> str:
            if gap != _UNREAD or self._erased is None:
                return gap
            times = [self._erased(self._id, session) for session in asked]
            at_ms = min((it for it in times if it is not None), default=None)
            if at_ms is None:
                return gap
            return f"the prompt: it was erased on {datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"

        return say

    def _explain_claim(self, claim: Claim) -> ExplainedClaim:
        return ExplainedClaim(
            evidence=claim.evidence,
            actor=claim.actor,
            agent=claim.agent,
            model=claim.model,
            session=claim.session,
            turn=claim.turn,
            prompt=self._read_prompt(claim),
            method=claim.method,
            score=claim.score,
            via=claim.via,
        )

    def _read_prompt(self, claim: Claim) -> str | None:
        if not claim.session or not claim.prompt:
            return None
        key = (claim.session, claim.prompt)
        if key not in self._texts:
            self._texts[key] = self._prompts(*key)
        return self._texts[key]


def _find_level(claims: Sequence[Claim]) -> Level:
    if any(claim.turn is not None for claim in claims):
        return Level.TURN
    if any(claim.session for claim in claims):
        return Level.SESSION
    named = any(claim.agent or claim.actor for claim in claims)
    return Level.AUTHOR if named else Level.COMMIT


def _iter_steps(path: bytes, origin: LineOrigin, claims: Sequence[Claim]) -> Iterator[Step]:
    how = "rename" if origin.path != path else "blame"
    yield Step(how, origin.commit, origin.path, origin.original_line)
    for claim in claims:
        if claim.via is not None:
            yield Step("rewrite", claim.via, method=claim.method, score=claim.score)
            return


def _list_missing(
    claims: Sequence[Claim], explained: Sequence[ExplainedClaim], delivery: Delivery | None
) -> Iterator[str]:
    """What all claims together leave open."""
    best = claims[0]
    if best.evidence is Evidence.UNKNOWN:
        yield "who or what wrote the line: nobody said, which does not make it a person's"
    elif best.evidence in _WORD_ONLY:
        yield "proof: the claim rests on what the commit or a note says of itself"
    if any(claim.agent for claim in claims) and not any(claim.model for claim in claims):
        yield "the model"
    if best.evidence is not Evidence.UNKNOWN and not any(claim.session for claim in claims):
        yield "the session"
    yield from _list_missing_cause(claims, explained)
    if delivery is None:
        yield "who delivered the commit: it did not come through an Imprint server"


def _list_missing_cause(claims: Sequence[Claim], explained: Sequence[ExplainedClaim]) -> Iterator[str]:
    """What is missing of the turn and its prompt."""
    if not any(claim.session for claim in claims):
        return
    has_turn = any(claim.turn is not None for claim in claims)
    if not has_turn and not any(claim.prompt for claim in claims):
        yield "the turn: no edit in a transcript that can be read here matches the line"
    if any(claim.prompt for claim in explained):
        return
    if any(claim.prompt for claim in claims):
        yield _UNREAD
    else:
        yield "the prompt: none was recorded"
