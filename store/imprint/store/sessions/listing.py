"""Sessions as documents, the same over REST, on the command line and in pages: both kinds in one list.

A session is `opened` (with a token or through the commit API), `archived` (its transcript was delivered), or
both. No document holds a word of a prompt or a transcript, unless a reader for prompts is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import SessionMissing
from imprint.store.sessions.keeping import ID_LENGTH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.actors import Session, Turn
    from imprint.store.agents.model import Usage
    from imprint.store.catalog.ports import Catalogue
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn
    from imprint.store.sessions.ports import Archive

    PromptReader = Callable[[str, str], str | None]
    """Given a session and the address of a prompt: its text; None when it cannot be read."""

WITHHELD: Final = "[withheld]"
"""In place of what a tool named and is no path: it may be words of the session."""
_AT_ONCE: Final = 1000
_PATH_LENGTH_MAX: Final = 500
_SPACES_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session by its id, as far as it is known; one of the two is there.

    Attributes:
        id: its id.
        opened: as it was opened with a token or through the commit API.
        archived: as its transcript was kept.
    """

    id: str
    opened: Session | None = None
    archived: ArchivedSession | None = None

    @property
    def actor(self) -> str:
        """Whose it is."""
        if self.archived is not None:
            return self.archived.actor
        return self.opened.actor if self.opened else ""

    @property
    def began_at_ms(self) -> int:
        """When it began, as far as anybody says."""
        if self.opened is not None:
            return self.opened.opened_at_ms
        if self.archived is None:
            return 0
        return self.archived.started_at_ms or self.archived.received_at_ms


class SessionList:
    """The sessions of one repository.

    Args:
        repository_id: which.
        archive: those with transcripts.
        catalogue: those opened with tokens; None in a clone, which has no tokens.
    """

    def __init__(self, repository_id: str, archive: Archive, catalogue: Catalogue | None = None) -> None:
        self._repository_id = repository_id
        self._archive = archive
        self._catalogue = catalogue

    def list_all(self) -> list[KnownSession]:
        """All of them, oldest first."""
        opened = self._catalogue.list_sessions(self._repository_id) if self._catalogue else []
        known = {session.id: KnownSession(session.id, opened=session) for session in opened}
        serial = 0
        while found := self._archive.list_sessions(self._repository_id, after_serial=serial, limit=_AT_ONCE):
            for session in found:
                both = known.get(session.id)
                known[session.id] = KnownSession(session.id, both.opened if both else None, session)
            serial = found[-1].serial
        return sorted(known.values(), key=lambda session: (session.began_at_ms, session.id))

    def get(self, session_id: str) -> KnownSession:
        """One session.

        Raises:
            SessionMissing: there is none of this id.
        """
        archived = self._archive.find_session(self._repository_id, session_id)
        opened = self._catalogue.find_session(self._repository_id, session_id) if self._catalogue else None
        if archived is None and opened is None:
            raise SessionMissing(
                f"no session {session_id[:ID_LENGTH_MAX]!r} in this repository",
                hint="'imprint session list' shows those that are there",
            )
        return KnownSession(session_id, opened, archived)

    def describe(self, session: KnownSession, count: int | None = None) -> dict[str, Any]:
        """What a list says of a session; its turns are counted where no count is given."""
        opened, archived = session.opened, session.archived
        models = list(archived.models) if archived else []
        return {
            "id": session.id,
            "kinds": [*(["opened"] if opened else []), *(["archived"] if archived else [])],
            "actor": session.actor,
            "agent": (archived.agent if archived else None) or (opened.agent if opened else None),
            "model": models[-1] if models else (opened.model if opened else None),
            "models": models,
            "parent": archived.parent_id if archived else None,
            "source": archived.source.system if archived else None,
            "base_sha": opened.base if opened else None,
            "opened_at_ms": session.began_at_ms,
            "ended_at_ms": archived.ended_at_ms if archived else None,
            "received_at_ms": archived.received_at_ms if archived else None,
            "erased_at_ms": archived.erased_at_ms if archived else None,
            "line_count": archived.line_count if archived else 0,
            "turn_count": self._count(session) if count is None else count,
        }

    def describe_all(self, sessions: Sequence[KnownSession]) -> list[dict[str, Any]]:
        """What a list says of each of them."""
        counts = self._archive.count_turns(
            self._repository_id, [session.id for session in sessions if session.archived]
        )
        return [self.describe(session, counts.get(session.id)) for session in sessions]

    def describe_whole(self, session: KnownSession) -> dict[str, Any]:
        """What is known of a session beside its turns: its tree, what it cost, what was taken out."""
        archived = session.archived
        turns = self._archive.list_turns(self._repository_id, session.id) if archived else []
        redaction = archived.redaction if archived else None
        heads: Sequence[ArchivedTurn | Turn] = turns or self._opened_turns(session)
        children = self._archive.list_children(self._repository_id, session.id)
        counts = self._archive.count_turns(self._repository_id, [child.id for child in children])
        return self.describe(session, len(heads)) | {
            "turns": [{"number": turn.number, "at_ms": turn.at_ms, "model": turn.model} for turn in heads],
            "agent_version": archived.agent_version if archived else None,
            "cwd": archived.cwd if archived else None,
            "branch": archived.branch if archived else None,
            "content_hash": archived.content_hash if archived else None,
            "redaction": {
                "engine": redaction.engine,
                "policy_hash": redaction.policy_hash,
                "counts": dict(redaction.counts),
            }
            if redaction
            else None,
            "usage": sum_usage(usage for turn in turns for usage in turn.usage),
            "calls": sum(len(turn.calls) for turn in turns),
            "paths": sorted({path for turn in turns for call in turn.calls for path in call.paths}),
            "problems": [
                {"place": problem.place, "text": problem.text}
                for problem in (archived.problems if archived else ())
            ],
            "children": [
                {"id": child.id, "agent": child.agent, "actor": child.actor, "turns": counts.get(child.id, 0)}
                for child in children
            ],
            "commits": self._commits(session.id),
        }

    def turns(
        self, session: KnownSession, read_prompt: PromptReader, *, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The turns of a session with their calls and what they cost; prompts where they may be read.

        Args:
            session: whose.
            read_prompt: how prompts are read.
            after: turns with a higher number only.
            limit: at most so many; None for all.
        """
        if session.archived is not None and (session.opened is None or self._count_archived(session.id)):
            kept = self._archive.list_turns(self._repository_id, session.id, after=after, limit=limit)
            return [_archived_turn(session.id, turn, read_prompt) for turn in kept]
        opened = [turn for turn in self._opened_turns(session) if turn.number > after][:limit]
        return [_opened_turn(session.id, turn, read_prompt) for turn in opened]

    def _opened_turns(self, session: KnownSession) -> list[Turn]:
        if self._catalogue is None or session.opened is None:
            return []
        return self._catalogue.list_turns(self._repository_id, session.id)

    def list_left(self, erased: Iterable[str]) -> list[str]:
        """Sessions below erased ones that keep their texts, as they are not of the same actor's tree."""
        seen = dict.fromkeys(erased)
        known = set(seen)
        waiting = list(seen)
        left = []
        while waiting:
            for child in self._archive.list_children(self._repository_id, waiting.pop()):
                if child.id not in known:
                    known.add(child.id)
                    waiting.append(child.id)
                    left += [] if child.erased_at_ms else [child.id]
        return sorted(left)

    def _count(self, session: KnownSession) -> int:
        return self._count_archived(session.id) or len(self._opened_turns(session))

    def _count_archived(self, session_id: str) -> int:
        return self._archive.count_turns(self._repository_id, [session_id]).get(session_id, 0)

    def _commits(self, session_id: str) -> list[str]:
        """Commits that records tie to the session."""
        records = self._archive.records_of_session(self._repository_id, session_id)
        anchors = (anchor for record in records for anchor in record.anchors)
        return list(dict.fromkeys(anchor.value for anchor in anchors if anchor.kind.value == "commit"))


def withhold(path: str) -> str:
    """A path of a tool call as those may see it who may not read words: itself, if it looks like a path.

    One does not that has more than 500 characters, control characters, spaces in a row, or more than six
    spaces in one of its parts.
    """
    is_path = (
        len(path) <= _PATH_LENGTH_MAX
        and path.isprintable()
        and "  " not in path
        and all(part.count(" ") <= _SPACES_MAX for part in path.split("/"))
    )
    return path if is_path else WITHHELD


def sum_usage(usage: Iterable[Usage]) -> dict[str, Any]:
    """Usage of several requests as one; each request once, however often a transcript repeats it."""
    requests: dict[object, Usage] = {}
    for each in usage:
        requests[each.request_id or object()] = each
    all_of_it = list(requests.values())
    costs = [each.cost_usd for each in all_of_it if each.cost_usd is not None]
    return {
        "requests": len(all_of_it),
        "input_tokens": sum(each.input_tokens for each in all_of_it),
        "output_tokens": sum(each.output_tokens for each in all_of_it),
        "cache_read_tokens": sum(each.cache_read_tokens for each in all_of_it),
        "cache_write_tokens": sum(each.cache_write_tokens for each in all_of_it),
        "reasoning_tokens": sum(each.reasoning_tokens for each in all_of_it),
        "cost_usd": sum(costs) if costs else None,
    }


def _archived_turn(session_id: str, turn: ArchivedTurn, read_prompt: PromptReader) -> dict[str, Any]:
    return {
        "number": turn.number,
        "at_ms": turn.at_ms,
        "model": turn.model,
        "prompt": read_prompt(session_id, turn.prompt) if turn.prompt else None,
        "has_prompt": turn.prompt is not None,
        "lines": [turn.first_line, turn.end_line],
        "calls": [
            {
                "name": call.name,
                "at_ms": call.at_ms,
                "paths": list(call.paths),
                "ok": call.ok,
                "session": call.sub_session,
            }
            for call in turn.calls
        ],
        "usage": sum_usage(turn.usage),
    }


def _opened_turn(session_id: str, turn: Turn, read_prompt: PromptReader) -> dict[str, Any]:
    return {
        "number": turn.number,
        "at_ms": turn.at_ms,
        "model": turn.model,
        "prompt": read_prompt(session_id, turn.prompt),
        "has_prompt": True,
        "lines": [0, 0],
        "calls": [],
        "usage": sum_usage(()),
    }
