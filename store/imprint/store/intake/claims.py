"""What records claim of commits: checkpoints that commits name, and lines of Agent Trace records.

Invariants:
    1. The claims of a commit follow from its records, its ties and its changes alone; they are worked out
       anew whenever one of these came.
    2. A record claims only lines that the commit added, and only of a commit that is there.
    3. A session that reviewed or looked around made nothing; nor did one whose files the commit leaves alone,
       where another session of the checkpoint touched some of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadPath
from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.formats import agent_trace, entire
from imprint.store.history.reading import iter_added_lines, iter_commits
from imprint.store.paths import unquote_path
from imprint.store.sessions.model import Anchor, AnchorKind
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.history.reading import Ranges
    from imprint.store.intake.state import IntakeState, Tie
    from imprint.store.objects.ports import Commit
    from imprint.store.sessions.model import ArchivedTurn, Record, RecordedLines
    from imprint.store.sessions.ports import Archive
    from imprint.store.view import RepositoryView

    Added = Mapping[bytes, Ranges]

METHOD_CHECKPOINT: Final = "entire checkpoint"
METHOD_LINKED: Final = "entire linked commit"
PARENT: Final = "parent"
"""Kind of a tie: a commit whose parent an Agent Trace record names."""
TRACED: Final = "traced"
"""Kind of a tie: a commit that an Agent Trace record names."""
_TRAILER: Final = re.compile(
    r"^Entire-Checkpoint:[ \t]*([0-9A-Za-z]{6,64})[ \t\r]*$", re.MULTILINE | re.IGNORECASE
)
_NOT_MAKING: Final = frozenset({"agent_review", "agent_investigate"})
_COMMITS_AT_ONCE: Final = 200


def read_ties(commit: Commit) -> list[Tie]:
    """What a commit can be found by: the checkpoints that it names, wherever in its message."""
    named = dict.fromkeys(_TRAILER.findall(commit.message))
    return [(commit.id, AnchorKind.CHECKPOINT.value, checkpoint) for checkpoint in named]


class Claiming:
    """Works out what records claim of commits of one repository."""

    def __init__(self, view: RepositoryView, state: IntakeState, archive: Archive) -> None:
        self._view = view
        self._state = state
        self._archive = archive
        self._turns: dict[str, list[ArchivedTurn]] = {}

    def claim(self, commits: Sequence[ObjectId]) -> dict[ObjectId, list[Claim]]:
        """The claims of each of the commits; none for those that are not there."""
        claims: dict[ObjectId, list[Claim]] = {}
        for start in range(0, len(commits), _COMMITS_AT_ONCE):
            claims |= self._claim_some(commits[start : start + _COMMITS_AT_ONCE])
        return claims

    def _claim_some(self, wanted: Sequence[ObjectId]) -> dict[ObjectId, list[Claim]]:
        commits = {commit.id: commit for commit in iter_commits(self._view, wanted)}
        ties = self._state.ties_of(self._view.id, commits)
        of_commit = {commit: [Anchor(AnchorKind.COMMIT, commit)] for commit in commits}
        for commit, named in ties.items():
            of_commit[commit] += [
                Anchor(AnchorKind(kind), value) for kind, value in named if kind in _ANCHORS
            ]
            of_commit[commit] += [Anchor(AnchorKind.BASE, value) for kind, value in named if kind == PARENT]
        anchors = {anchor for each in of_commit.values() for anchor in each}
        records: dict[Anchor, list[Record]] = {}
        for record in self._archive.find_records(self._view.id, anchors):
            for anchor in anchors.intersection(record.anchors):
                records.setdefault(anchor, []).append(record)
        bases = {
            each.value
            for each in anchors & records.keys()
            if each.kind in {AnchorKind.BASE, AnchorKind.COMMIT}
        }
        family = self._find_family(bases, records)
        needed = {commit for commit, each in of_commit.items() if any(anchor in records for anchor in each)}
        needed |= {ObjectId(each) for members in family.values() for each in members}
        added = self._find_added(sorted(needed))
        return {
            commit: self._claims_of(commits[commit], of_commit[commit], records, added, family)
            for commit in commits
        }

    def _find_added(self, commits: Sequence[ObjectId]) -> dict[ObjectId, Added]:
        """What each commit added; nothing for one whose files are not all there."""
        found = iter_added_lines(self._view, iter_commits(self._view, commits))
        return {commit.id: lines for commit, lines in found if lines is not None}

    def _find_family(
        self, bases: Iterable[str], records: Mapping[Anchor, Sequence[Record]]
    ) -> dict[str, list[ObjectId]]:
        """For each commit that an Agent Trace record names: itself, and the commits made on it."""
        family: dict[str, list[ObjectId]] = {}
        for base in sorted(bases):
            tied = (Anchor(kind, base) for kind in (AnchorKind.COMMIT, AnchorKind.BASE))
            if any(_is_trace(record) for anchor in tied for record in records.get(anchor, ())):
                children = self._state.find_tied(self._view.id, [(PARENT, base)])
                family[base] = [ObjectId(base), *children]
        return family

    def _claims_of(
        self,
        commit: Commit,
        anchors: Sequence[Anchor],
        records: Mapping[Anchor, Sequence[Record]],
        added: Mapping[ObjectId, Added],
        family: Mapping[str, Sequence[ObjectId]],
    ) -> list[Claim]:
        claims: dict[tuple[object, ...], Claim] = {}
        for anchor in anchors:
            tied = records.get(anchor, ())
            found: list[Claim] = []
            if anchor.kind in {AnchorKind.CHECKPOINT, AnchorKind.COMMIT}:
                sessions = [each for each in tied if each.source.system == entire.SYSTEM]
                method = METHOD_CHECKPOINT if anchor.kind is AnchorKind.CHECKPOINT else METHOD_LINKED
                found += self._claim_sessions(commit, sessions, added.get(commit.id, {}), method)
            if anchor.kind in {AnchorKind.BASE, AnchorKind.COMMIT}:
                for record in filter(_is_trace, tied):
                    found += _claim_lines(commit.id, record, added, family.get(anchor.value, [commit.id]))
            for claim in found:
                claims.setdefault((claim.agent, claim.actor, claim.session, claim.lines, claim.turn), claim)
        return list(claims.values())

    def _claim_sessions(
        self, commit: Commit, records: Sequence[Record], added: Added, method: str
    ) -> list[Claim]:
        makers = [record for record in records if _is_maker(record)]
        touching = [record for record in makers if _touches(record, added)]
        if method == METHOD_LINKED:  # nobody wrote it into the commit: it must at least fit
            makers = touching
        claims = []
        for record in touching or makers:
            turn = self._find_turn(record)
            claims.append(
                Claim(
                    commit.id,
                    Evidence.DECLARED,
                    actor=record.human,
                    agent=record.agent,
                    model=record.model,
                    session=record.session_id,
                    prompt=turn.prompt if turn else None,
                    method=method,
                    turn=turn.number if turn else None,
                )
            )
        return claims

    def _find_turn(self, record: Record) -> ArchivedTurn | None:
        """The only turn in the record's part of the transcript; None where there is none, or several."""
        if record.part is None or record.session_id is None:
            return None
        if record.session_id not in self._turns:
            if len(self._turns) > _COMMITS_AT_ONCE:
                self._turns.clear()
            self._turns[record.session_id] = self._archive.list_turns(self._view.id, record.session_id)
        start, end = record.part
        within = [
            turn for turn in self._turns[record.session_id] if turn.first_line < end and turn.end_line > start
        ]
        return within[0] if len(within) == 1 else None


_ANCHORS: Final = frozenset({AnchorKind.CHECKPOINT.value})


def _is_trace(record: Record) -> bool:
    return record.source.system == agent_trace.SYSTEM


def _is_maker(record: Record) -> bool:
    """Whether the record speaks of a session that made something: named, and no sub-agent's."""
    session = record.extra.get("session")
    kind = session.get("kind") if isinstance(session, dict) else None
    return "task" not in record.extra and kind not in _NOT_MAKING and bool(record.agent or record.model)


def _touches(record: Record, added: Added) -> bool:
    """Whether the commit added lines to a file that the session touched; of one that names none, yes."""
    files = record.extra.get("files")
    if not isinstance(files, list) or not files:
        return True
    return bool({str(each).encode("utf-8", "surrogatepass") for each in files} & added.keys())


def _claim_lines(
    commit: ObjectId, record: Record, added: Mapping[ObjectId, Added], family: Sequence[ObjectId]
) -> list[Claim]:
    """What a trace claims of the commit: in each file where, of all that it may mean, this fits best."""
    by_author: dict[tuple[str | None, str | None, str | None], list[LineRange]] = {}
    for path in dict.fromkeys(each.path for each in record.lines):
        try:
            raw = unquote_path(path)
        except BadPath:
            continue
        parts = [each for each in record.lines if each.path == path]
        fits = {
            each: sum(_count(part, added.get(each, {}).get(raw, ())) for part in parts) for each in family
        }
        best = max(family, key=lambda each: fits[each])  # the first of equals: what the record names
        if best != commit or not fits[best]:
            continue
        for part in parts:
            if part.contributor in {"ai", "mixed"} and (part.agent or part.model):
                ranges = _clip(raw, part.start, part.end, added[commit].get(raw, ()))
                by_author.setdefault((part.agent, part.model, part.session), []).extend(ranges)
    return [
        Claim(
            commit,
            Evidence.DECLARED,
            agent=agent,
            model=model,
            session=session,
            method=agent_trace.METHOD,
            lines=tuple(sorted(set(ranges), key=lambda each: (each.path, each.start))),
        )
        for (agent, model, session), ranges in by_author.items()
        if ranges
    ]


def _count(part: RecordedLines, added: Ranges) -> int:
    return sum(max(0, min(part.end, last) - max(part.start, first) + 1) for first, last in added)


def _clip(path: bytes, start: int, end: int, added: Ranges) -> list[LineRange]:
    return [
        LineRange(path, max(start, first), min(end, last))
        for first, last in added
        if first <= end and last >= start
    ]
