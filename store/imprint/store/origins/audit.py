"""The audit: every commit and every text line of a tree in exactly one evidence class.

A commit's class is the best evidence of any claim about it, even one about some of its lines. A line's class
is the evidence of the best claim that covers it where it was added. What is a text line, see `lines`.

Invariants:
    1. The classes of commits sum up to what `git rev-list --count` prints; those of lines to what
       `git diff --numstat` counts from the empty tree where no attribute has a say.
    2. `unknown` is a class of its own and never counted as anybody's.

Months are of the author's date, in UTC; times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence
from imprint.store.formats.gitai import METHOD as GIT_AI
from imprint.store.history.reading import iter_commits, list_commits
from imprint.store.origins.tree_lines import iter_file_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.history.blame import Span
    from imprint.store.objects.ports import Commit
    from imprint.store.origins.sources import Origins
    from imprint.store.origins.tree_lines import Progress
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Json = dict[str, object]

_METHODS_OF_RECORDS: Final = frozenset({Evidence.BOUND, Evidence.OBSERVED})


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent, or one actor without an agent, has a part in.

    Attributes:
        name: the agent's id or the actor's name.
        commits: commits of which any claim names it, by the best evidence of these claims.
        lines: text lines whose best claim names it.
        models: models named with it, ordered by name.
    """

    name: str
    commits: Mapping[Evidence, int]
    lines: int
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A commit that declares an agent but has no record of it: not bound, not observed, not in a note."""

    commit: ObjectId
    agent: str
    model: str | None
    subject: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of the origin of a commit's history and files.

    Attributes:
        commit: what was audited.
        commits: reachable commits by class.
        lines: text lines of its files by class.
        files_text, files_binary: files by kind; links and submodules are text.
        months: by month, such as `2026-01`: commits by class; in order.
        agents: per agent, most lines first.
        actors: people and services that claims name without an agent, most lines first.
        unrecorded: newest first.
        behind: reachable commits that the ledger has not read yet; they are `unknown` so far.
        problems: notes that could not be used in full: the commit, the note's line, and what is wrong.
    """

    commit: ObjectId
    commits: Mapping[Evidence, int]
    lines: Mapping[Evidence, int]
    files_text: int
    files_binary: int
    months: Mapping[str, Mapping[Evidence, int]]
    agents: tuple[Share, ...]
    actors: tuple[Share, ...]
    unrecorded: tuple[Unrecorded, ...]
    behind: int
    problems: tuple[tuple[ObjectId, int, str], ...]

    def to_json(self) -> Json:
        """The audit as JSON."""
        return {
            "commit": self.commit,
            "commits": _classes_json(self.commits),
            "lines": _classes_json(self.lines),
            "files": {"text": self.files_text, "binary": self.files_binary},
            "months": [
                {"month": month, "commits": _classes_json(counts)} for month, counts in self.months.items()
            ],
            "agents": [_share_json("agent", share) for share in self.agents],
            "actors": [_share_json("actor", share) for share in self.actors],
            "unrecorded": [
                {
                    "commit": found.commit,
                    "agent": found.agent,
                    "model": found.model,
                    "subject": found.subject,
                    "at_ms": found.at_ms,
                }
                for found in self.unrecorded
            ],
            "behind": self.behind,
            "problems": [
                {"commit": commit, "line": line, "problem": text} for commit, line, text in self.problems
            ],
        }


def _classes_json(counts: Mapping[Evidence, int]) -> Json:
    return {"total": sum(counts.values()), **{evidence.value: counts[evidence] for evidence in Evidence}}


def _share_json(kind: str, share: Share) -> Json:
    json: Json = {
        kind: share.name,
        "commits": sum(share.commits.values()),
        "lines": share.lines,
        "evidence": {evidence.value: count for evidence, count in share.commits.items() if count},
    }
    return json | {"models": list(share.models)} if kind == "agent" else json


def audit(
    view: RepositoryView, origins: Origins, commit: ObjectId, progress: Progress | None = None
) -> Coverage:
    """Count every commit reachable from `commit` and every text line of its files.

    The first audit runs git blame on every text file, several at a time; later ones of commits nearby only on
    the files that changed in between.
    """
    ledger = origins.ledger
    claims = origins.claims.all_claims(view.id)
    tally = _Tally(claims)
    reachable = list_commits(view, [commit])
    recorded = ledger.agent_notes(view.id)
    for found in iter_commits(view, reachable):
        tally.add_commit(found, is_noted=found.id in recorded)
    tally.commits[Evidence.UNKNOWN] += len(reachable) - sum(
        tally.commits.values()
    )  # those that do not decode
    with ledger.tracing(view.id):
        for spans in iter_file_spans(view, origins, commit, len(reachable), progress):
            tally.add_file(spans)
    known = ledger.find_known(view.id, reachable)
    within = frozenset(reachable)
    return tally.finish(
        commit,
        behind=len(reachable) - len(known),
        problems=[problem for problem in ledger.problems(view.id) if problem[0] in within],
    )


# -- counting --------------------------------------------------------------------------------------------


def _no_classes() -> Counter[Evidence]:
    return Counter(dict.fromkeys(Evidence, 0))


@dataclass(slots=True)
class _Party:
    """An agent or an actor while it is counted."""

    commits: Counter[Evidence] = field(default_factory=_no_classes)
    lines: int = 0
    models: set[str] = field(default_factory=set)


class _Tally:
    """Sums up commits, then files."""

    def __init__(self, claims: Mapping[ObjectId, Sequence[Claim]]) -> None:
        self._claims = claims
        self._covers: dict[ObjectId, _Cover] = {}
        self._months: dict[str, Counter[Evidence]] = {}
        self._agents: dict[str, _Party] = {}
        self._actors: dict[str, _Party] = {}
        self._unrecorded: list[Unrecorded] = []
        self._files: Counter[bool] = Counter()
        self.commits = _no_classes()
        self._lines = _no_classes()

    def add_commit(self, commit: Commit, *, is_noted: bool) -> None:
        """Count a commit; `is_noted` says that a note names its agent."""
        claims = self._claims.get(commit.id, ())
        best = claims[0].evidence if claims else Evidence.UNKNOWN
        self.commits[best] += 1
        self._months.setdefault(_month(commit.author.at_s), _no_classes())[best] += 1
        seen = set()
        for claim in claims:
            party = self._find_party(claim)
            if party is None:
                continue
            if claim.model:
                party.models.add(claim.model)
            if id(party) not in seen:
                seen.add(id(party))
                party.commits[claim.evidence] += 1
        if best not in _METHODS_OF_RECORDS and not is_noted:
            self._add_unrecorded(commit, claims)

    def _add_unrecorded(self, commit: Commit, claims: Iterable[Claim]) -> None:
        for claim in claims:
            if claim.agent and claim.evidence is Evidence.DECLARED and claim.method != GIT_AI:
                at_ms = commit.author.at_s * 1000
                self._unrecorded.append(
                    Unrecorded(commit.id, claim.agent, claim.model, commit.subject, at_ms)
                )
                return

    def add_file(self, spans: Sequence[Span] | None) -> None:
        """Count a file's lines; None stands for a binary file."""
        self._files[spans is not None] += 1
        for span in spans or ():
            cover = self._covers.get(span.commit)
            if cover is None:
                cover = self._covers[span.commit] = _Cover(self._claims.get(span.commit, ()))
            for claim, count in cover.split(span):
                self._lines[claim.evidence if claim else Evidence.UNKNOWN] += count
                if claim and (party := self._find_party(claim)):
                    party.lines += count

    def _find_party(self, claim: Claim) -> _Party | None:
        if claim.agent:
            return self._agents.setdefault(claim.agent, _Party())
        return self._actors.setdefault(claim.actor, _Party()) if claim.actor else None

    def finish(
        self, commit: ObjectId, *, behind: int, problems: Iterable[tuple[ObjectId, int, str]]
    ) -> Coverage:
        """The sums."""
        return Coverage(
            commit=commit,
            commits=dict(self.commits),
            lines=dict(self._lines),
            files_text=self._files[True],
            files_binary=self._files[False],
            months=dict(sorted(self._months.items())),
            agents=_order_shares(self._agents),
            actors=_order_shares(self._actors),
            unrecorded=tuple(self._unrecorded),
            behind=behind,
            problems=tuple(problems),
        )


def _order_shares(parties: Mapping[str, _Party]) -> tuple[Share, ...]:
    shares = [
        Share(name, dict(party.commits), party.lines, tuple(sorted(party.models)))
        for name, party in parties.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.lines, -sum(share.commits.values()), share.name)))


def _month(at_s: int) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m")
    except (OverflowError, ValueError, OSError):
        return "unknown"  # a time that no calendar holds


class _Cover:
    """The best claim for each line that a commit added, found without going through its ranges each time."""

    def __init__(self, ranked: Sequence[Claim]) -> None:
        self._whole: Claim | None = next((claim for claim in ranked if not claim.lines), None)
        before = ranked[: ranked.index(self._whole)] if self._whole else ranked
        self._lines: dict[bytes, dict[int, Claim]] = {}
        for claim in reversed(before):  # so that better ones overwrite
            for part in claim.lines:
                of_path = self._lines.setdefault(part.path, {})
                of_path.update(dict.fromkeys(range(part.start, part.end + 1), claim))

    def split(self, span: Span) -> Iterator[tuple[Claim | None, int]]:
        """The span's lines as counts, each with the best claim that covers them."""
        of_path = self._lines.get(span.path)
        if not of_path:
            yield self._whole, span.count
            return
        for line in range(span.original_line, span.original_line + span.count):
            yield of_path.get(line, self._whole), 1
