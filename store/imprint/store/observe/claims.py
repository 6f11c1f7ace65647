"""From matched lines to claims, and from records to claims about whole commits.

Invariants:
    1. An observed claim names lines, a session and a turn, and says by its method how they were found.
    2. A record alone ties a session to a commit, and to none of its lines: that is declared, not observed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.observe.match import Tier
from imprint.store.sessions.model import AnchorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.observe.match import LineMatch
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn, Record
    from imprint.store.types import ObjectId

METHOD: Final = "transcript edit"
SHELL_METHOD: Final = "transcript shell command"
NEARBY: Final = "session nearby"
"""What a method says of a session that no record ties to the commit."""
_GIT_AI: Final = "git-ai"
"""What these say, the ledger reads from the notes themselves."""

Turns = dict[str, dict[int, "ArchivedTurn"]]
"""Turns of sessions by number."""


def observed_claims(
    commit: ObjectId,
    files: Iterable[tuple[bytes, Sequence[LineMatch]]],
    sessions: Mapping[str, ArchivedSession],
    turns: Turns,
) -> list[Claim]:
    """Claims of one commit's lines: one per session, turn and method, with its lines and their mean score."""
    groups: dict[tuple[str, int, str], list[tuple[bytes, LineMatch]]] = defaultdict(list)
    for path, matches in files:
        for match in matches:
            groups[match.session, match.turn, _method(match)].append((path, match))
    claims = []
    for (session_id, number, method), found in groups.items():
        session = sessions[session_id]
        turn = turns.get(session_id, {}).get(number)
        claims.append(
            Claim(
                commit,
                Evidence.OBSERVED,
                agent=session.agent,
                model=(turn.model if turn else None) or _only(session.models),
                session=session_id,
                prompt=turn.prompt if turn else None,
                method=method,
                lines=tuple(_iter_ranges(found)),
                turn=number,
                score=round(sum(match.score for _, match in found) / len(found), 2),
            )
        )
    claims.sort(key=lambda claim: -(claim.score or 0))
    return claims


def _method(match: LineMatch) -> str:
    method = SHELL_METHOD if match.is_shell else METHOD
    if match.tier is Tier.NEARBY:
        method += f", {NEARBY}"
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


def recorded_claims(
    commit: ObjectId, records: Iterable[Record], sessions: Mapping[str, ArchivedSession]
) -> list[Claim]:
    """Claims of a whole commit: the sessions that records tie to it, whatever became of their transcripts."""
    claims: dict[tuple[str | None, str | None], Claim] = {}
    for record in records:
        if record.source.system == _GIT_AI or record.lines:
            continue
        kinds = {anchor.kind for anchor in record.anchors}
        session = sessions.get(record.session_id or "")
        agent = record.agent or (session.agent if session else None)
        if kinds == {AnchorKind.BASE} or not (agent or record.session_id):
            continue
        model = record.model or (_only(session.models) if session else None)
        claims.setdefault(
            (record.session_id, agent),
            Claim(
                commit,
                Evidence.DECLARED,
                agent=agent,
                model=model,
                session=record.session_id,
                method=f"record of {record.source.system}",
            ),
        )
    return list(claims.values())
