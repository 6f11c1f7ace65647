"""Flat tables for analysts: each row one line of a table, the same columns whatever the row holds.

Times are ISO 8601 in UTC; empty means not known. Prompts and transcripts are not in them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from imprint.store.evidence.shown import show_claims
from imprint.store.history.reading import iter_commits, list_commits
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.agents.model import Usage
    from imprint.store.evidence.claims import Claim
    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.objects.ports import Commit
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

    Row = dict[str, Any]

_CLAIM: Final = ("evidence", "method", "actor", "agent", "model", "session", "turn", "score", "via")
COLUMNS: Final = {
    "commits": ("commit", "author", "author_email", "at", "subject", *_CLAIM, "claims"),
    "claims": ("commit", "ordinal", *_CLAIM, "lines"),
    "lines": ("commit", "ordinal", "path", "start", "end"),
    "sessions": (
        *("session", "root", "parent", "agent", "agent_version", "actor", "source", "models"),
        *("started_at", "ended_at", "turns", "calls", "input_tokens", "output_tokens"),
        *("cache_read_tokens", "cache_write_tokens", "cost_usd", "erased"),
    ),
    "turns": ("session", "turn", "at", "model", "calls", "paths"),
    "usage": (
        *("session", "turn", "request", "model", "input_tokens", "output_tokens"),
        *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd"),
    ),
}
"""The columns of each table, in order."""
_PAGE: Final = 500


def iter_commit_rows(
    view: RepositoryView, claims: ClaimSource, commit: ObjectId
) -> Iterator[tuple[str, Row]]:
    """Rows of `commits`, `claims` and `lines` for everything reachable from a commit; unknown origins too."""
    found = show_claims(view, claims.all_claims(view.id))
    for each in iter_commits(view, list_commits(view, [commit])):
        ranked = found.get(each.id, [])
        yield "commits", _commit_row(each, ranked)
        for ordinal, claim in enumerate(ranked, 1):
            said = {name: _plain(getattr(claim, name)) for name in _CLAIM}
            count = sum(part.end - part.start + 1 for part in claim.lines) if claim.lines else None
            yield "claims", {"commit": each.id, "ordinal": ordinal, **said, "lines": count}
            for part in claim.lines:
                place = {"path": quote_path(part.path), "start": part.start, "end": part.end}
                yield "lines", {"commit": each.id, "ordinal": ordinal, **place}


def _commit_row(commit: Commit, ranked: Sequence[Claim]) -> Row:
    best = ranked[0] if ranked else None
    said = {name: _plain(getattr(best, name)) if best else None for name in _CLAIM}
    return {
        "commit": commit.id,
        "author": commit.author.name,
        "author_email": commit.author.email,
        "at": _time(commit.author.at_s * 1000),
        "subject": commit.subject,
        **said,
        "evidence": best.evidence.value if best else "unknown",
        "claims": len(ranked),
    }


def iter_session_rows(archive: Archive, repository_id: str) -> Iterator[tuple[str, Row]]:
    """Rows of `sessions`, `turns` and `usage` for everything in a repository's archive."""
    after = 0
    while page := archive.list_sessions(repository_id, after_serial=after, limit=_PAGE):
        for session in page:
            turns = archive.list_turns(repository_id, session.id)
            yield "sessions", _session_row(session, turns)
            for turn in turns:
                yield "turns", _turn_row(session, turn)
                for each in turn.usage:
                    yield "usage", {"session": session.id, "turn": turn.number, **_usage_row(each)}
        after = page[-1].serial


def _session_row(session: ArchivedSession, turns: Sequence[ArchivedTurn]) -> Row:
    usage = [each for turn in turns for each in turn.usage]
    costs = [each.cost_usd for each in usage if each.cost_usd is not None]
    return {
        "session": session.id,
        "root": session.root_id,
        "parent": session.parent_id,
        "agent": session.agent,
        "agent_version": session.agent_version,
        "actor": session.actor,
        "source": session.source.system,
        "models": " ".join(session.models),
        "started_at": _time(session.started_at_ms),
        "ended_at": _time(session.ended_at_ms),
        "turns": len(turns),
        "calls": sum(len(turn.calls) for turn in turns),
        "input_tokens": sum(each.input_tokens for each in usage),
        "output_tokens": sum(each.output_tokens for each in usage),
        "cache_read_tokens": sum(each.cache_read_tokens for each in usage),
        "cache_write_tokens": sum(each.cache_write_tokens for each in usage),
        "cost_usd": sum(costs) if costs else None,
        "erased": session.erased_at_ms is not None,
    }


def _turn_row(session: ArchivedSession, turn: ArchivedTurn) -> Row:
    paths = sorted({path for call in turn.calls for path in call.paths})
    return {
        "session": session.id,
        "turn": turn.number,
        "at": _time(turn.at_ms),
        "model": turn.model,
        "calls": len(turn.calls),
        "paths": " ".join(quote_path(path.encode("utf-8", "surrogateescape")) for path in paths),
    }


def _usage_row(usage: Usage) -> Row:
    names = COLUMNS["usage"][3:]
    return {"request": usage.request_id} | {name: getattr(usage, name) for name in names}


def _plain(value: object) -> object:
    return getattr(value, "value", value) if value != "" else None


def _time(at_ms: int | None) -> str | None:
    try:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None  # a time that no calendar holds
