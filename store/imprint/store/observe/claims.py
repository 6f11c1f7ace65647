"""From matched lines to claims.

Invariants:
    1. An observed claim names lines, a session with its actor, a turn, and how they matched.
    2. One by a session of another actor names no turn or prompt where the commit is bound to a session.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.observe.model import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.observe.model import LineMatch
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn
    from imprint.store.types import ObjectId

METHOD: Final = "transcript edit"
SHELL_METHOD: Final = "transcript shell command"
NEARBY: Final = "session nearby"
"""What a method says of a session that no record ties to the commit."""
FOREIGN: Final = "session of another actor"
"""What a method says of a session whose actor neither delivered nor made the commit."""

Turns = dict[str, dict[int, "ArchivedTurn"]]
"""Turns of sessions by number."""


def observed_claims(
    commit: ObjectId,
    files: Iterable[tuple[bytes, Sequence[LineMatch]]],
    sessions: Mapping[str, ArchivedSession],
    turns: Turns,
    *,
    is_bound: bool = False,
) -> list[Claim]:
    """Claims of one commit's lines: one per session, turn and method, with its lines and their mean score.

    Args:
        commit: the commit.
        files: Git's path of each file with its matches.
        sessions: what the matches name.
        turns: theirs.
        is_bound: whether a bound claim names a session for the commit.
    """
    groups: dict[tuple[str, int, str], list[tuple[bytes, LineMatch]]] = defaultdict(list)
    for path, matches in files:
        for match in matches:
            groups[match.session, match.turn, _method(match)].append((path, match))
    claims = []
    for (session_id, number, method), found in groups.items():
        session = sessions[session_id]
        is_hearsay = is_bound and FOREIGN in method
        turn = None if is_hearsay else turns.get(session_id, {}).get(number)
        claims.append(
            Claim(
                commit,
                Evidence.OBSERVED,
                actor=session.actor,
                agent=session.agent,
                model=(turn.model if turn else None) or _only(session.models),
                session=session_id,
                prompt=turn.prompt if turn else None,
                method=method,
                lines=tuple(_iter_ranges(found)),
                turn=None if is_hearsay else number,
                score=round(sum(match.score for _, match in found) / len(found), 2),
            )
        )
    claims.sort(key=lambda claim: -(claim.score or 0))
    return claims


def _method(match: LineMatch) -> str:
    method = SHELL_METHOD if match.is_shell else METHOD
    if match.tier is Tier.NEARBY:
        method += f", {NEARBY}"
    elif match.tier is Tier.FOREIGN:
        method += f", {FOREIGN}"
    return f"{method}, 1 of {match.candidates} turns" if match.candidates > 1 else method


def _only(models: Sequence[str]) -> str | None:
    return models[0] if len(models) == 1 else None


def _iter_ranges(found: Sequence[tuple[bytes, LineMatch]]) -> Iterator[LineRange]:
    start = 0
    for at, (path, match) in enumerate(found):
        following = found[at + 1] if at + 1 < len(found) else None
        if following is None or following[0] != path or following[1].line != match.line + 1:
            yield LineRange(path, found[start][1].line, match.line)
            start = at + 1
