"""What every archive decides alike: who may write a session, when nothing changed, and what is noted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput, SessionConflict, SessionMoved, TranscriptErased
from imprint.store.redaction.ports import Redactor
from imprint.store.sessions.codec import verify_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.agents.model import ParsedSession, Problem
    from imprint.store.redaction.ports import Redacted
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn, Record

OPERATOR: Final = "operator"
"""The actor of what is delivered at the data folder: whoever else delivers the session next may have it."""
_FACT_LENGTH_MAX: Final = 4096


class PacedRedactor(Redactor):
    """Another redactor, with a check before and after each text: what the check raises ends the work.

    Args:
        redactor: what redacts.
        check: what is called.
    """

    def __init__(self, redactor: Redactor, check: Callable[[], None]) -> None:
        self._redactor = redactor
        self._check = check
        self.engine = redactor.engine
        self.policy_hash = redactor.policy_hash
        self.kinds = redactor.kinds

    def __getattr__(self, name: str) -> Any:
        """What else the redactor says of itself."""
        return getattr(self._redactor, name)

    def redact(self, text: str) -> Redacted:
        """See `Redactor.redact`."""
        self._check()
        done = self._redactor.redact(text)
        self._check()
        return done


def with_facts(
    session: ArchivedSession, parsed: ParsedSession, problems: Sequence[Problem]
) -> ArchivedSession:
    """A session with what its transcript says of it as a whole; long texts are cut."""
    return replace(
        session,
        agent=parsed.agent,
        agent_version=_fact(parsed.agent_version),
        models=tuple(filter(None, (_fact(model) for model in parsed.models))),
        cwd=_fact(parsed.cwd),
        branch=_fact(parsed.branch),
        started_at_ms=parsed.started_at_ms,
        ended_at_ms=parsed.ended_at_ms,
        problems=tuple(problems),
    )


def _fact(text: str | None) -> str | None:
    return text[:_FACT_LENGTH_MAX] if text else None


def verify_session(session: ArchivedSession, turns: Sequence[ArchivedTurn]) -> None:
    """Check what becomes columns.

    Raises:
        BadInput: a name cannot be kept, or turns are not in order.
    """
    verify_name("the id of a session", session.id)
    verify_name("the id of a session", session.root_id)
    if session.parent_id is not None:
        verify_name("the id of a session", session.parent_id)
    verify_name("the name of an agent", session.agent)
    numbers = [turn.number for turn in turns]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise BadInput(f"the turns of session {session.id!r} are not in order")


def verify_record(record: Record) -> None:
    """Check what becomes columns.

    Raises:
        BadInput: a name cannot be kept, or there is no anchor.
    """
    verify_name("the id of a record", record.id)
    if record.session_id is not None:
        verify_name("the id of a session", record.session_id)
    if not record.anchors:
        raise BadInput("a record needs at least one anchor", hint="say to which commit or session it belongs")
    for anchor in record.anchors:
        verify_name(f"an anchor ({anchor.kind.value})", anchor.value)


def verify_writable(kept: ArchivedSession | None, session: ArchivedSession, *, is_erased: bool) -> None:
    """Check that a session may take the place of what was kept of it.

    Raises:
        TranscriptErased: it, or the root of its tree, was erased.
        SessionConflict: it is another actor's.
    """
    if is_erased:
        raise TranscriptErased(
            f"session {session.id!r} was erased", hint="nothing more is taken of it; begin another session"
        )
    if kept is not None and kept.actor not in {session.actor, OPERATOR}:
        raise SessionConflict(
            f"session {session.id!r} belongs to {kept.actor}", hint="choose another id for your session"
        )


def verify_expected(kept: ArchivedSession | None, session: ArchivedSession, expected: int | None) -> None:
    """Check that nobody wrote the session since the caller looked.

    Raises:
        SessionMoved: somebody did.
    """
    if expected is not None and expected != (kept.serial if kept else 0):
        raise SessionMoved(session.id, kept.line_count if kept else 0)


def is_same(kept: ArchivedSession, session: ArchivedSession) -> bool:
    """Whether nothing changed but when and where it was read."""
    unread = replace(session, source=kept.source, received_at_ms=kept.received_at_ms, serial=kept.serial)
    return unread == kept
