"""Which sessions can have made a commit: those that a record or a claim ties to it, then those nearby.

Invariants:
    1. A session that a record ties to a commit is a candidate whatever the time; what it did outside the part
       that the record names must have come before the commit.
    2. A session that nothing ties is one only if it changed a file of this name within `NEARBY_MS` before.
    3. An erased session is none: its transcript cannot be read.
    4. A session of somebody who neither delivered nor made the commit is `FOREIGN`, whatever ties it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.agents.known import find_format
from imprint.store.errors import Missing
from imprint.store.observe.model import Candidate, Tier
from imprint.store.observe.payloads import collect_edits
from imprint.store.sessions.model import Anchor, AnchorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imprint.store.objects.ports import Commit
    from imprint.store.observe.owners import Owners
    from imprint.store.observe.payloads import SessionEdits
    from imprint.store.sessions.model import ArchivedSession
    from imprint.store.sessions.ports import Archive

    TranscriptReader = Callable[[str, ArchivedSession], bytes]
    """Given a repository's id and a session: its transcript. May raise `Missing`."""

NEARBY_MS: Final = 7 * 24 * 3600 * 1000
"""How long before a commit a session that nothing ties to it may have written its lines."""
LATE_MS: Final = 10 * 60 * 1000
"""How much later than the commit an edit may seem to be: clocks differ, and commits are amended."""
NEARBY_SESSIONS_MAX: Final = 20
"""Sessions nearby that are looked at for one commit, the latest."""
KEPT_LINES_MAX: Final = 500_000
"""Lines of edits kept in memory: some 150 MB."""
_HEAD_BYTES: Final = 65_536
_CHECKPOINT: Final = re.compile(r"^Entire-Checkpoint:[ \t]*(\w{1,64})[ \t]*$", re.MULTILINE | re.IGNORECASE)
_SESSION: Final = re.compile(
    r"^[A-Za-z]{1,40}-Session:[ \t]*(\S{1,200})[ \t]*$", re.MULTILINE | re.IGNORECASE
)
"""Anywhere in the message: a squash leaves the trailers of what it joined in the middle."""
_DAY_MS: Final = 24 * 3600 * 1000
_DAYS_MAX: Final = 60
"""Of a session that goes on for longer, only its last days are near to anything."""
_DEPTH_MAX: Final = 4
"""Sub-agents of sub-agents that are followed."""


def read_anchors(commit: Commit) -> list[Anchor]:
    """Everything by which a record may know the commit, but patch-ids."""
    anchors = [Anchor(AnchorKind.COMMIT, commit.id), Anchor(AnchorKind.TREE, commit.tree)]
    anchors += [Anchor(AnchorKind.BASE, parent) for parent in commit.parents[:1]]
    for found in _CHECKPOINT.finditer(commit.message):
        anchors.append(Anchor(AnchorKind.CHECKPOINT, found[1]))
    for found in _SESSION.finditer(commit.message):
        value = found[1]
        anchors += [
            Anchor(AnchorKind.SESSION, name) for name in (value, value.rstrip("/").rpartition("/")[2])
        ]
    return list(dict.fromkeys(anchors))


@dataclass(slots=True)
class Tied:
    """What is tied to a commit.

    Attributes:
        sessions: sessions of the candidates, by id.
        candidates: what may have written its lines.
        lost: sessions that are tied to it and cannot be read.
    """

    sessions: dict[str, ArchivedSession] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Edits:
    """The edits of sessions, read once and kept in memory as long as there is room. For one thread."""

    def __init__(self, read: TranscriptReader, lines_max: int = KEPT_LINES_MAX) -> None:
        self._read = read
        self._lines_max = lines_max
        self._kept: OrderedDict[tuple[str, str, str | None], SessionEdits | None] = OrderedDict()
        self._lines = 0

    def of(self, repository_id: str, session: ArchivedSession) -> SessionEdits | None:
        """What a session wrote; None if its transcript is absent, erased, or of no known format."""
        if session.erased_at_ms is not None or session.transcript is None:
            return None
        key = (repository_id, session.id, session.content_hash)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        edits = self._load(repository_id, session)
        self._kept[key] = edits
        self._lines += edits.lines if edits else 0
        while self._lines > self._lines_max and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._lines -= dropped.lines if dropped else 0
        return edits

    def _load(self, repository_id: str, session: ArchivedSession) -> SessionEdits | None:
        try:
            content = self._read(repository_id, session)
        except Missing:
            return None
        known = find_format(session.agent, content[:_HEAD_BYTES])
        return collect_edits(known.parse(content), session.id) if known else None

    def clear(self) -> None:
        """Let go of everything that was read."""
        self._kept.clear()
        self._lines = 0


class Finder:
    """Finds the sessions that can have made commits of one repository. For one thread.

    What sessions there are is read once: make a new one after the archive has grown.
    """

    def __init__(
        self, archive: Archive, edits: Edits, repository_id: str, owners: Owners | None = None
    ) -> None:
        self._owners = owners
        self._archive = archive
        self._edits = edits
        self._id = repository_id
        self._days: dict[int, list[ArchivedSession]] | None = None
        self._names: dict[str, frozenset[str]] = {}

    def find(self, commit: Commit, claimed: Iterable[str]) -> Tied:
        """What is tied to a commit by records, by its trailers, or by claims about it.

        Args:
            commit: the commit.
            claimed: ids of sessions that claims about it name.
        """
        anchors = read_anchors(commit)
        parts: dict[str, tuple[int, int] | None] = dict.fromkeys(claimed)
        hearsay: dict[str, None] = {}
        for anchor in anchors:
            if anchor.kind is AnchorKind.SESSION:
                parts.setdefault(anchor.value, None)
        for record in self._archive.find_records(self._id, anchors):
            if record.session_id is not None and not self._is_own(commit, record.actor):
                hearsay[record.session_id] = None
            elif record.session_id is not None:
                parts[record.session_id] = _join_parts(parts.get(record.session_id), record.part)
        tied = Tied()
        for session_id, part in parts.items():
            session = self._archive.find_session(self._id, session_id)
            if session is not None:
                self._add(tied, session, Tier.PART, part, commit)
                self._add_related(tied, session, commit)
        for session_id in hearsay:
            session = (
                None if session_id in tied.sessions else self._archive.find_session(self._id, session_id)
            )
            if session is not None:
                self._add(tied, session, Tier.SESSION, None, commit)
        return tied

    def _is_own(self, commit: Commit, actor: str) -> bool:
        return self._owners is None or self._owners.is_own(commit, actor)

    def _add(
        self, tied: Tied, session: ArchivedSession, tier: Tier, part: tuple[int, int] | None, commit: Commit
    ) -> None:
        tied.sessions[session.id] = session
        edits = self._edits.of(self._id, session)
        if edits is None:
            tied.lost.append(session.id)
        elif self._is_own(commit, session.actor):
            tied.candidates.append(
                Candidate(edits, tier, part, None, _latest(commit), _end_of_second(commit))
            )
        else:
            tied.candidates.append(_far(edits, Tier.FOREIGN, commit))

    def _add_related(self, tied: Tied, root: ArchivedSession, commit: Commit) -> None:
        """Sessions that a tied one started, and those that they did."""
        level = [root]
        for _ in range(_DEPTH_MAX):
            level = [
                child
                for parent in level
                for child in self._archive.list_children(self._id, parent.id)
                if child.id not in tied.sessions
            ]
            for child in level:
                self._add(tied, child, Tier.RELATED, None, commit)

    def list_near(self, commit: Commit) -> list[ArchivedSession]:
        """Sessions that ended, or were going on, within `NEARBY_MS` before a commit; the latest first."""
        until_ms = _latest(commit)
        from_ms = until_ms - NEARBY_MS
        days = self._list_days()
        near = {
            session.id: session
            for day in range(from_ms // _DAY_MS, until_ms // _DAY_MS + 1)
            for session in days.get(day, ())
            if (session.started_at_ms or 0) <= until_ms and _end(session) >= from_ms
        }
        return sorted(near.values(), key=_end, reverse=True)

    def add_near(self, tied: Tied, commit: Commit, names: frozenset[str]) -> None:
        """Add sessions nearby that touched a file of one of these names, given without their folders."""
        found = 0
        for session in self.list_near(commit):
            if session.id in tied.sessions or self._names_of(session.id).isdisjoint(names):
                continue
            edits = self._edits.of(self._id, session)
            if edits is not None:
                found += 1
                tier = Tier.NEARBY if self._is_own(commit, session.actor) else Tier.FOREIGN
                tied.sessions[session.id] = session
                tied.candidates.append(_far(edits, tier, commit))
            if found == NEARBY_SESSIONS_MAX:
                break

    def _list_days(self) -> dict[int, list[ArchivedSession]]:
        """Sessions by the days, since 1970, on which they went on: their last `_DAYS_MAX`."""
        if self._days is None:
            self._days = {}
            serial = 0
            while part := self._archive.list_sessions(self._id, after_serial=serial):
                for session in part:
                    if session.started_at_ms is not None and session.erased_at_ms is None:
                        last = _end(session) // _DAY_MS
                        first = max(session.started_at_ms // _DAY_MS, last - _DAYS_MAX + 1)
                        for day in range(first, last + 1):
                            self._days.setdefault(day, []).append(session)
                serial = part[-1].serial
        return self._days

    def _names_of(self, session_id: str) -> frozenset[str]:
        """Names of the files that a session's calls name."""
        names = self._names.get(session_id)
        if names is None:
            names = self._names[session_id] = frozenset(
                path.rpartition("/")[2]
                for turn in self._archive.list_turns(self._id, session_id)
                for call in turn.calls
                for path in call.paths
            )
        return names


def _end(session: ArchivedSession) -> int:
    return max(session.ended_at_ms or 0, session.started_at_ms or 0)


def _latest(commit: Commit) -> int:
    return commit.committer.at_s * 1000 + LATE_MS


def _end_of_second(commit: Commit) -> int:
    return commit.committer.at_s * 1000 + 999


def _far(edits: SessionEdits, tier: Tier, commit: Commit) -> Candidate:
    """A candidate of which only what it wrote shortly before the commit counts."""
    until_ms = _latest(commit)
    return Candidate(edits, tier, None, until_ms - NEARBY_MS, until_ms, _end_of_second(commit))


def _join_parts(first: tuple[int, int] | None, second: tuple[int, int] | None) -> tuple[int, int] | None:
    if first is None or second is None:
        return first or second
    return min(first[0], second[0]), max(first[1], second[1])
