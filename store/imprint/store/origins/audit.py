"""The audit: every commit and every text line of a tree in exactly one evidence class, and what does not fit.

A commit's class is the best evidence of any claim about it, even one about some of its lines. A line's class
is the evidence of the best claim that covers it where it was added. What is a text line, see `history`.

Invariants:
    1. Where nothing is left out, the classes of commits sum up to what `git rev-list --count` prints; those
       of lines to what `git diff --numstat` counts from the empty tree where no attribute has a say.
    2. `unknown` is a class of its own and never counted as anybody's.
    3. A range of dates or a path leaves commits and lines out; the answer says which was asked for.

Months and ranges are of the author's date, in UTC; times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from imprint.store.errors import BadInput
from imprint.store.evidence.claims import Evidence
from imprint.store.history.reading import isolated, iter_commits, list_commits
from imprint.store.origins.costs import Costs, sum_costs
from imprint.store.origins.findings import Finding, FindingKind, Inspector, Unrecorded
from imprint.store.origins.tally import Place, Share, Tally
from imprint.store.origins.tree_lines import iter_file_spans
from imprint.store.paths import quote_path, unquote_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.store.objects.ports import Commit
    from imprint.store.origins.sources import Origins
    from imprint.store.origins.tally import Locate
    from imprint.store.origins.tree_lines import Progress
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Json = dict[str, object]

_DATE_LENGTH: Final = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a history is audited.

    Attributes:
        since_ms: only commits authored at this time or later; None for all.
        until_ms: only commits authored before this time; None for all.
        path: only this file, or files in this folder; empty for all.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    path: bytes = b""

    @classmethod
    def read(cls, since: str | None = None, until: str | None = None, path: str | None = None) -> Self:
        """A scope as people write it.

        Args:
            since: `2026-01-31`, `2026-01-31T12:00` or with a zone; without one, UTC.
            until: likewise; a date alone includes that day.
            path: as `quote_path` writes it.

        Raises:
            BadInput: a date is none, or the range is empty.
        """
        return cls(
            None if since is None else _read_moment(since, "since"),
            None if until is None else _read_moment(until, "until", whole_day=True),
            unquote_path(path) if path else b"",
        )

    def __post_init__(self) -> None:
        if self.since_ms is not None and self.until_ms is not None and self.since_ms >= self.until_ms:
            raise BadInput("the range of dates is empty", hint="'since' is to be before 'until'")

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.since_ms is None and self.until_ms is None and not self.path

    def holds_time(self, commit: Commit) -> bool:
        """Whether the commit's date is in the range."""
        at_ms = commit.author.at_s * 1000
        return (self.since_ms is None or at_ms >= self.since_ms) and (
            self.until_ms is None or at_ms < self.until_ms
        )

    def holds_path(self, path: bytes) -> bool:
        """Whether the file counts."""
        folder = self.path.rstrip(b"/")
        return not folder or path == folder or path.startswith(folder + b"/")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of the origin of a commit's history and files.

    Attributes:
        commit: what was audited. `scope`: what of it.
        commits: reachable commits by class.
        lines: text lines of its files by class.
        files_text, files_binary: files by kind; links and submodules are text.
        months: by month, such as `2026-01`: commits by class; in order.
        agents: per agent, most lines first.
        models: likewise per model.
        actors: people and services that claims name without an agent, most lines first.
        folders: lines of folders, the root first.
        symbols: lines of symbols; empty where nobody could locate them.
        unrecorded: commits that declare an agent and have no record, newest first.
        findings: what does not fit, by kind.
        costs: what sessions took, by date; None where no archive was at hand.
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
    behind: int = 0
    problems: tuple[tuple[ObjectId, int, str], ...] = ()
    models: tuple[Share, ...] = ()
    folders: tuple[Place, ...] = ()
    symbols: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = ()
    costs: Costs | None = None
    scope: Scope = field(default_factory=Scope)

    def to_json(self) -> Json:
        """The audit as JSON."""
        return {
            "commit": self.commit,
            "scope": {
                "since_ms": self.scope.since_ms,
                "until_ms": self.scope.until_ms,
                "path": quote_path(self.scope.path) if self.scope.path else None,
            },
            "commits": _classes_json(self.commits),
            "lines": _classes_json(self.lines),
            "files": {"text": self.files_text, "binary": self.files_binary},
            "months": [
                {"month": month, "commits": _classes_json(counts)} for month, counts in self.months.items()
            ],
            "agents": [_share_json("agent", share) for share in self.agents],
            "models": [_share_json("model", share) for share in self.models],
            "actors": [_share_json("actor", share) for share in self.actors],
            "folders": [_place_json(place) for place in self.folders],
            "symbols": [_place_json(place) for place in self.symbols],
            "unrecorded": [found.to_json() for found in self.unrecorded],
            "findings": _findings_json(self.findings),
            "costs": self.costs.to_json() if self.costs else None,
            "behind": self.behind,
            "problems": [
                {"commit": commit, "line": line, "problem": text} for commit, line, text in self.problems
            ],
        }


def _read_moment(text: str, name: str, *, whole_day: bool = False) -> int:
    try:
        moment = datetime.fromisoformat(text[:64])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if whole_day and len(text) == _DATE_LENGTH:
            moment += timedelta(days=1)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"{text[:64]!r} is no date for {name!r}", hint="write 2026-01-31 or 2026-01-31T12:00Z"
        ) from error


def _classes_json(counts: Mapping[Evidence, int]) -> Json:
    return {"total": sum(counts.values()), **{evidence.value: counts[evidence] for evidence in Evidence}}


def _share_json(kind: str, share: Share) -> Json:
    json: Json = {
        kind: share.name,
        "commits": sum(share.commits.values()),
        "lines": share.lines,
        "evidence": {evidence.value: count for evidence, count in share.commits.items() if count},
        "line_evidence": {evidence.value: count for evidence, count in share.line_classes.items() if count},
    }
    return json | {"models": list(share.models)} if kind == "agent" else json


def _place_json(place: Place) -> Json:
    json: Json = {"path": quote_path(place.path), "lines": _classes_json(place.lines)}
    return json if place.symbol is None else json | {"symbol": place.symbol}


def _findings_json(findings: Sequence[Finding]) -> Json:
    counts = Counter(finding.kind for finding in findings)
    return {
        "total": len(findings),
        "kinds": [
            {"kind": kind.value, "text": kind.text, "count": counts[kind]}
            for kind in FindingKind
            if counts[kind]
        ],
        "list": [finding.to_json() for finding in findings],
    }


def audit(  # noqa: PLR0913 - a question with many sides, most of which have a default
    view: RepositoryView,
    origins: Origins,
    commit: ObjectId,
    progress: Progress | None = None,
    *,
    scope: Scope | None = None,
    archive: Archive | None = None,
    locate: Locate | None = None,
) -> Coverage:
    """Count every commit reachable from `commit` and every text line of its files.

    The first audit runs git blame on every text file, several at a time; later ones of commits nearby only on
    the files that changed in between.

    Args:
        view: the repository.
        origins: what is claimed.
        commit: whose history and files are audited.
        progress: told how many files are done.
        scope: what of it; all where left out.
        archive: sessions and records, for costs and for links that lead nowhere; None where there is none.
        locate: names symbols of files of this commit; None where symbols are not asked for.
    """
    scope = scope or Scope()
    ledger = origins.ledger
    claims = origins.claims.all_claims(view.id)
    reachable = list_commits(view, [commit])
    selected = iter_commits(view, _select(view, reachable, commit, scope))
    counted = [each for each in selected if scope.holds_time(each)]
    tally = Tally(claims, _list_within(view, reachable, scope))
    inspector = Inspector(view, origins, archive)
    for each in counted:
        tally.add_commit(each)
        inspector.add_commit(each, claims.get(each.id, ()))
    if scope.is_all:
        for _ in range(len(reachable) - len(counted)):  # those that do not decode
            tally.add_class(Evidence.UNKNOWN, "unknown")
    with ledger.tracing(view.id):
        for path, spans in iter_file_spans(view, origins, commit, len(reachable), progress):
            if scope.holds_path(path):
                tally.add_file(path, spans, locate)
    inspector.finish()
    names = {each.id for each in counted}
    return replace(
        _sum_up(commit, tally, inspector),
        scope=scope,
        costs=sum_costs(archive, view.id, scope.since_ms, scope.until_ms) if archive else None,
        behind=len(reachable) - len(ledger.find_known(view.id, reachable)),
        problems=tuple(problem for problem in ledger.problems(view.id) if problem[0] in names),
    )


def _sum_up(commit: ObjectId, tally: Tally, inspector: Inspector) -> Coverage:
    return Coverage(
        commit=commit,
        commits=dict(tally.commits),
        lines=dict(tally.lines),
        files_text=tally.files[True],
        files_binary=tally.files[False],
        months=dict(sorted(tally.months.items())),
        agents=tally.agents,
        models=tally.models,
        actors=tally.actors,
        folders=tally.folders,
        symbols=tally.symbols,
        unrecorded=tuple(inspector.unrecorded),
        findings=tuple(sorted(inspector.findings, key=lambda found: list(FindingKind).index(found.kind))),
    )


def _list_within(
    view: RepositoryView, reachable: Sequence[ObjectId], scope: Scope
) -> frozenset[ObjectId] | None:
    """The commits of which lines count; None for all."""
    if scope.since_ms is None and scope.until_ms is None:
        return None
    return frozenset(each.id for each in iter_commits(view, reachable) if scope.holds_time(each))


def _select(
    view: RepositoryView, reachable: Sequence[ObjectId], commit: ObjectId, scope: Scope
) -> Sequence[ObjectId]:
    """The reachable commits that touch what is audited, newest first."""
    if not scope.path:
        return reachable
    with isolated(view) as plumbing:
        path = ":(top,literal)" + scope.path.decode("utf-8", "surrogateescape")
        out = plumbing.run("rev-list", "--full-history", commit, "--", path)
    touching = set(out.decode("ascii").split())
    return [each for each in reachable if each in touching]
