"""The words of this room: files as commits left them, sessions that can have made them, matches of lines."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imprint.store.observe.payloads import Payload, SessionEdits


class Tier(enum.Enum):
    """How a session is tied to the commit, best first."""

    PART = "part"
    """A record ties this part of the transcript to the commit."""
    SESSION = "session"
    """Another part of the same session, before the commit."""
    RELATED = "related"
    """A session that the tied one started, or that started it."""
    NEARBY = "nearby"
    """Nothing ties it; it worked in the repository shortly before."""
    FOREIGN = "foreign"
    """Whoever delivered the session neither delivered nor made the commit, whatever ties it."""


LOOSE_TIERS: Final = frozenset({Tier.NEARBY, Tier.FOREIGN})
"""Ties that need more agreement, and count only where nothing better matches."""


class Likeness(enum.Enum):
    """How a line of the commit resembles the edit's."""

    EXACT = "exact"
    SPACED = "spaced"
    """White space differs."""
    LOOSE = "loose"
    """Quotes, or a comma or semicolon at the end, differ as well."""
    FRAGMENT = "fragment"
    """The edit replaced a piece of the line, and the rest of it was there before."""
    SIMILAR = "similar"
    """Changed a little, between lines of the same edit."""
    RUN = "run"
    """Nothing of its own, but in a run of the turn's lines."""


class PathTie(enum.Enum):
    """How the edit's path leads to the commit's."""

    SAME = "same"
    MOVED = "moved"
    """The commit or the session renamed the file."""
    NAMED = "named"
    """Another folder, the same name."""
    OTHER = "other"
    """Another file, or a shell command that names none."""


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A file as a commit left it, and which of its lines the commit added.

    Attributes:
        path: from the root of the repository.
        lines: all its lines, without line feeds.
        added: first and last lines that were added, from 1, ascending.
        old_path: what it was called before; None if it was not renamed.
        before: lines of the file before the commit.
    """

    path: str
    lines: tuple[str, ...]
    added: tuple[tuple[int, int], ...]
    old_path: str | None = None
    before: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session that may have made a commit.

    Attributes:
        edits: what it wrote.
        tier: how it is tied to the commit.
        part: lines of its transcript that belong to the commit; None for all.
        from_ms, until_ms: edits outside these times are left out, except in the part; None for no bound.
        commit_ms: the end of the second in which the commit was made; None if not known.
    """

    edits: SessionEdits
    tier: Tier = Tier.PART
    part: tuple[int, int] | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    commit_ms: int | None = None

    def nearness(self, at_ms: int | None) -> tuple[bool, int]:
        """Larger for an edit nearer before the commit; any before is nearer than one after or untimed."""
        if at_ms is None:
            return False, -sys.maxsize
        is_before = self.commit_ms is None or at_ms <= self.commit_ms
        return is_before, at_ms if is_before else -at_ms

    def tier_of(self, payload: Payload) -> Tier | None:
        """How an edit of the session is tied to the commit; None for one that cannot have made it.

        A turn counts whole: what it wrote may reach the transcript a little after the commit.
        """
        if self.part and payload.first_line < self.part[1] and payload.end_line > self.part[0]:
            return self.tier
        if not self._is_in_time(payload.at_ms):
            return None
        if not self.part:
            return self.tier
        is_later = payload.first_line >= self.part[1]
        if is_later and (payload.at_ms is None or self.until_ms is None):
            return None
        return Tier.SESSION if self.tier is Tier.PART else self.tier

    def _is_in_time(self, at_ms: int | None) -> bool:
        if at_ms is None:
            return self.tier not in LOOSE_TIERS
        return (self.from_ms is None or at_ms >= self.from_ms) and (
            self.until_ms is None or at_ms <= self.until_ms
        )


@dataclass(frozen=True, slots=True)
class LineMatch:
    """A line with the turn that wrote it.

    Attributes:
        line: its number in the commit's file.
        session: id of the session.
        turn: number of the turn.
        score: see the invariants.
        candidates: turns that could have been it; 1 when there is no doubt.
        likeness: how the line resembles the edit's.
        is_shell: whether a shell command wrote it.
        tier: how the edit is tied to the commit.
    """

    line: int
    session: str
    turn: int
    score: float
    candidates: int
    likeness: Likeness
    is_shell: bool
    tier: Tier = Tier.PART


def find_tie(file: AddedFile, path: str, moves: dict[str, str]) -> PathTie:
    """How a path of an edit leads to a file: worktrees and other clones have other roots."""
    if not path:
        return PathTie.OTHER
    if _is_path(path, file.path):
        return PathTie.SAME
    if file.old_path and _is_path(path, file.old_path):
        return PathTie.MOVED
    for new, old in moves.items():
        if old == path and _is_path(new, file.path):
            return PathTie.MOVED
    same_name = path.rpartition("/")[2] == file.path.rpartition("/")[2]
    return PathTie.NAMED if same_name else PathTie.OTHER


def _is_path(path: str, wanted: str) -> bool:
    if path == wanted or wanted.endswith("/" + path):  # the session's folder lies within the repository
        return True
    if not path.endswith("/" + wanted):
        return False
    above = path.removesuffix("/" + wanted)
    return "/" in wanted or above.startswith("/") or ":" in above
