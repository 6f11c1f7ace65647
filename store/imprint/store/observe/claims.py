"""From matched lines to claims.

Invariants:
    1. An observed claim names lines, a session with its actor, a turn, and how they matched.
    2. Lines of a captured shell command are the turn's that called it; the method names the command by its
       session and turn. Nothing but what somebody asked for is a prompt.
    3. One by a session of another actor names no turn or prompt where the commit is bound to a session.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from imprint.store.agents.captured import SUFFIX
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
        turn = turns.get(session_id, {}).get(number)
        claimant, how, counted = session, method, number or None
        if is_shell_session(session):
            claimant, turn = _find_caller(session, turn, sessions, turns)
            how = f"{method}, turn {number} of {session_id}"
            counted = turn.number if turn else None
        if is_bound and FOREIGN in method:
            turn = counted = None
        claims.append(
            Claim(
                commit,
                Evidence.OBSERVED,
                actor=session.actor,
                agent=claimant.agent,
                model=(turn.model if turn else None) or _only(claimant.models),
                session=claimant.id,
                prompt=turn.prompt if turn else None,
                method=how,
                lines=tuple(_iter_ranges(found)),
                turn=counted,
                score=round(sum(match.score for _, match in found) / len(found), 2),
            )
        )
    claims.sort(key=lambda claim: -(claim.score or 0))
    return claims


def is_shell_session(session: ArchivedSession) -> bool:
    """Whether it holds what capture saw shell commands of its parent change."""
    return session.parent_id is not None and session.id == session.parent_id + SUFFIX


def _find_caller(
    session: ArchivedSession,
    command: ArchivedTurn | None,
    sessions: Mapping[str, ArchivedSession],
    turns: Turns,
) -> tuple[ArchivedSession, ArchivedTurn | None]:
    """The session and the turn that called a shell command; no turn where none made a call of this id."""
    parent = sessions.get(session.parent_id or "")
    if parent is None or parent.actor != session.actor:
        return session, None
    calls = {call.id for call in command.calls} if command else set()
    ordered = turns.get(parent.id, {}).values()
    return parent, next((turn for turn in ordered if any(it.id in calls for it in turn.calls)), None)


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
