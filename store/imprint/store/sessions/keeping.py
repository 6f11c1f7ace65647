"""Keeping sessions: a transcript comes in, is redacted, cut, written, read into turns, and noted.

Invariants:
    1. The texts of one keeping are durable together, before the archive names them in one transaction; a
       crash between leaves texts that nothing names.
    2. No word of a prompt or a transcript is anywhere but among the transcripts, under the key of the
       session's root. What the archive has of a session stays readable when the key is gone.
    3. A session of one actor never joins the tree of another's, even where it names it as its parent: whoever
       erases a tree erases only what is theirs.
    4. Two who grow one session at once both succeed, or one is told where the transcript stands.
    5. Erasing destroys keys first: what crashes half-way has erased, and is finished by erasing again.
"""

from __future__ import annotations

import json
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

from imprint.store.agents.known import find_format
from imprint.store.agents.model import Problem
from imprint.store.errors import (
    BadInput,
    LimitExceeded,
    SessionConflict,
    SessionMissing,
    SessionMoved,
    TranscriptErased,
    TranscriptMissing,
)
from imprint.store.limits import Limits
from imprint.store.sessions.chunks import count_lines
from imprint.store.sessions.growing import Growth, iter_texts, skip_lines
from imprint.store.sessions.manifest import Manifest
from imprint.store.sessions.model import ArchivedSession, ArchivedTurn, Redaction, Source
from imprint.store.sessions.rules import OPERATOR, PacedRedactor, with_facts
from imprint.store.transcripts.ports import transcript_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imprint.store.agents.model import ParsedTurn
    from imprint.store.clock import Clock
    from imprint.store.redaction.ports import Redactor
    from imprint.store.sessions.ports import Archive
    from imprint.store.transcripts.ports import Batch, Transcripts

ID_LENGTH_MAX: Final = 200
"""Characters in the id of a session."""
EXTRA_BYTES_MAX: Final = 1024**2
"""Bytes of what a source says of a session beside its transcript, as JSON."""
_PROBLEMS_MAX: Final = 100
_HEAD_BYTES: Final = 256 * 1024
"""A line-based transcript names itself and its parent in its first lines."""
_TRIES: Final = 20
_TREE_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class GivenSession:
    """A session as somebody delivers it.

    Attributes:
        agent: the tool's id; None to see it from the transcript.
        content: lines of the transcript as the agent wrote them; empty where only facts are known.
        source: where it was read.
        session_id: the agent's own id; None to take the transcript's.
        parent_id: the session that started it; None to take the transcript's.
        first_line: the line of the transcript at which `content` begins; 0 for the whole transcript.
        extra: what the source says beside; never words of the session, which would outlive its key.
    """

    agent: str | None
    content: bytes
    source: Source
    session_id: str | None = None
    parent_id: str | None = None
    first_line: int = 0
    extra: Mapping[str, object] = field(default_factory=dict)


class Keeper:
    """Takes sessions into one archive. Safe to share between threads; several processes may have one each.

    Args:
        archive: where sessions are noted.
        transcripts: where their texts are kept.
        redactor: what takes secrets out before anything is written.
        clock: the time.
        limits: bounds of transcripts; the default ones if not given.
        find_owner: given a repository's and a session's id, the actor for whom the session was opened with a
            token; None where it was not.

    Attributes:
        archive: as given.
    """

    def __init__(
        self,
        archive: Archive,
        transcripts: Transcripts,
        redactor: Redactor,
        clock: Clock,
        limits: Limits | None = None,
        *,
        find_owner: Callable[[str, str], str | None] = lambda _repository_id, _session_id: None,
    ) -> None:
        self.archive = archive
        self._transcripts = transcripts
        self._redactor = redactor
        self._clock = clock
        self._limits = limits or Limits()
        self._find_owner = find_owner

    def keep(self, repository_id: str, given: GivenSession, actor: str) -> ArchivedSession:
        """Keep a session, or what it has grown by; as the archive has it now.

        The same transcript again, or an older and shorter state of it, changes nothing.

        Raises:
            RepositoryMissing: no repository of this id.
            BadInput: the session has no id, or one that cannot be shown.
            LimitExceeded: the transcript, or a line of it, is too long.
            SessionConflict: the session is another actor's.
            SessionMoved: `first_line` is not where the kept transcript ends.
            TranscriptErased: it was erased.
        """
        given, form_agent = self._identified(repository_id, given)
        for _ in range(_TRIES - 1):
            seen = self._serial(repository_id, given)
            try:
                return self._keep_once(repository_id, given, form_agent, actor)
            except (SessionMoved, TranscriptMissing):
                if self._serial(repository_id, given) == seen:
                    raise
        return self._keep_once(repository_id, given, form_agent, actor)

    def paced(self, check: Callable[[], None]) -> Self:
        """The same keeper with a check between its steps: what that raises ends a keeping, without effect."""
        paced = copy(self)
        paced._redactor = PacedRedactor(self._redactor, check)  # noqa: SLF001 - its own kind
        return paced

    def redact_again(self, repository_id: str, session_id: str) -> ArchivedSession:
        """Redact what is kept of a session by the policy of today; as it is where that was done already.

        Raises:
            SessionMissing: it was never kept.
            TranscriptErased: it was erased.
        """
        kept = self._get(repository_id, session_id)
        nothing = GivenSession(
            kept.agent, b"", kept.source, kept.id, kept.parent_id, kept.line_count, kept.extra
        )
        return self.keep(repository_id, nothing, kept.actor)

    def read_transcript(self, repository_id: str, session: ArchivedSession) -> bytes:
        """The whole redacted transcript.

        Raises:
            TranscriptMissing: none was kept.
            TranscriptErased: it was erased.
        """
        try:
            return b"".join(self.iter_transcript(repository_id, session))
        except TranscriptMissing:
            grown = self.archive.find_session(repository_id, session.id)
            if grown is None or grown.transcript == session.transcript:
                raise
            return b"".join(self.iter_transcript(repository_id, grown))

    def iter_transcript(self, repository_id: str, session: ArchivedSession) -> Iterator[bytes]:
        """The redacted transcript in pieces of whole lines; errors as in `read_transcript`."""
        key_id = transcript_key(repository_id, session.root_id)
        return iter_texts(self._transcripts, key_id, self._read_manifest(key_id, session))

    def read_prompt(self, repository_id: str, session: ArchivedSession | str, address: str) -> str | None:
        """The text of a prompt of a session; None where there is none at the address, or it was erased.

        Args:
            repository_id: where.
            session: the session or its id, whether archived or opened with a token.
            address: of the prompt.
        """
        if isinstance(session, str):
            session = self.archive.find_session(repository_id, session) or session
        root_id = session if isinstance(session, str) else session.root_id
        try:
            text = self._transcripts.read(transcript_key(repository_id, root_id), address)
        except (TranscriptMissing, TranscriptErased):
            return None
        return text.decode("utf-8", "replace")

    def redact_prompt(self, text: str) -> bytes:
        """A prompt as it may be written."""
        redacted = self._redactor.redact(text).text.encode("utf-8", "replace")
        return redacted[: self._limits.prompt_bytes_max]

    def list_tree(self, repository_id: str, session_id: str) -> list[ArchivedSession]:
        """The session, those above it and all below them that belong to the same actor; each once."""
        named = self.archive.find_session(repository_id, session_id)
        top, seen = named, {session_id}
        while top is not None and top.parent_id is not None and top.parent_id not in seen:
            seen.add(top.parent_id)
            parent = self.archive.find_session(repository_id, top.parent_id)
            if parent is None or parent.actor != top.actor:
                break
            top = parent
        owner = top.actor if top else self._find_owner(repository_id, session_id)
        found = {top.id: top} if top else {}
        waiting = [top.id if top else session_id]
        while waiting and len(found) < _TREE_MAX:
            for child in self.archive.list_children(repository_id, waiting.pop()):
                if child.id not in found and child.actor == owner:
                    found[child.id] = child
                    waiting.append(child.id)
        return list(found.values())

    def erase(self, repository_id: str, session_id: str) -> list[ArchivedSession]:
        """Destroy the texts of a session's whole tree, for ever; the archived sessions of the tree.

        What was never kept is closed as well. Repeating it finishes what a crash left.

        Raises:
            RepositoryMissing: no repository of this id.
            BadInput: the id cannot be one.
        """
        _verify_id(session_id)
        tree = self.list_tree(repository_id, session_id)
        roots = dict.fromkeys([*(session.root_id for session in tree), *(() if tree else (session_id,))])
        for root_id in roots:
            self._transcripts.erase(transcript_key(repository_id, root_id))
        at_ms = self._clock.now_ms()
        marked = [self.archive.mark_erased(repository_id, root_id, at_ms) for root_id in roots]
        return [session for sessions in marked for session in sessions]

    def close(self) -> None:
        """Release the archive, where it was opened for this keeper alone, as a clone's is."""
        self.archive.close()

    def __enter__(self) -> Self:
        """For a `with` block that closes it."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close it."""
        self.close()

    # -- one attempt --------------------------------------------------------------------------------------

    def _identified(self, repository_id: str, given: GivenSession) -> tuple[GivenSession, str]:
        """What was given with the ids that its transcript says, and the agent that wrote it."""
        if given.first_line < 0:
            raise BadInput("a line's number cannot be negative")
        if len(given.content) > self._limits.transcript_bytes_max:
            raise LimitExceeded(
                f"the transcript has {len(given.content)} bytes", limit="transcript_bytes_max"
            )
        if count_lines(given.content) > self._limits.transcript_lines_max:
            raise LimitExceeded("the transcript has too many lines", limit="transcript_lines_max")
        form = find_format(given.agent, given.content) if given.content and not given.first_line else None
        agent = form.agent if form else given.agent or "unknown"
        if form is not None and not (given.session_id and self._serial(repository_id, given)):
            whole = given.content[: self._limits.transcript_parse_bytes_max]
            head = whole if len(whole) <= _HEAD_BYTES else whole[: whole.rfind(b"\n", 0, _HEAD_BYTES) + 1]
            said = form.parse(head)
            if not said.id and head != whole:
                said = form.parse(whole)
            given = replace(
                given,
                session_id=given.session_id or said.id or None,
                parent_id=given.parent_id or said.parent_id or None,
            )
        if not given.session_id:
            raise BadInput("the session has no id", hint="give the id by which the agent knows it")
        _verify_id(given.session_id)
        if given.parent_id:
            _verify_id(given.parent_id)
        return given, agent

    def _serial(self, repository_id: str, given: GivenSession) -> int:
        kept = self.archive.find_session(repository_id, given.session_id or "")
        return kept.serial if kept else 0

    def _keep_once(self, repository_id: str, given: GivenSession, agent: str, actor: str) -> ArchivedSession:
        session_id = given.session_id or ""
        kept = self.archive.find_session(repository_id, session_id)
        self._verify_owner(repository_id, session_id, kept, actor)
        root_id = kept.root_id if kept else self._find_root(repository_id, given, actor)
        key_id = transcript_key(repository_id, root_id)
        before = self._read_manifest(key_id, kept) if kept and kept.transcript else None
        if given.first_line and kept:
            agent = kept.agent
        base = kept or ArchivedSession(session_id, root_id, agent, actor, given.source, 0)
        session = replace(
            base,
            agent=agent,
            actor=actor,
            source=given.source,
            received_at_ms=self._clock.now_ms(),
            parent_id=base.parent_id or _other(given.parent_id, session_id),
            extra=self.redact_extra(given.extra) or base.extra,
        )
        turns: list[ArchivedTurn] = []
        known = self.archive.list_turns(repository_id, session_id) if kept else []
        with self._transcripts.writing(key_id) as batch:
            growth = Growth(self._transcripts, batch, self._redactor, self._limits, before, agent)
            after = self._grow(growth, given, kept, before, actor)
            if after is None and kept is not None:
                return kept
            if after is not None and after.entries:
                session, turns = self._read_turns(session, growth, key_id, batch, known)
                session = replace(
                    session,
                    transcript=batch.write(after.encode()),
                    content_hash=growth.content_hash,
                    line_count=after.line_count,
                    redaction=Redaction(after.engine, after.policy_hash, after.counts),
                )
        done = self.archive.put_session(repository_id, session, turns, expected=kept.serial if kept else 0)
        if kept and before and done.transcript != kept.transcript:
            gone = {kept.transcript, *(entry.address for entry in before.entries)}
            if before.policy_hash != self._redactor.policy_hash:
                gone |= {turn.prompt for turn in known}
            self._forget(repository_id, done, gone)
        return done

    def _grow(
        self,
        growth: Growth,
        given: GivenSession,
        kept: ArchivedSession | None,
        before: Manifest | None,
        actor: str,
    ) -> Manifest | None:
        """The transcript's next state; None where there is nothing new to it."""
        lines = before.line_count if before else 0
        is_current = before is None or before.policy_hash == self._redactor.policy_hash
        is_takeover = kept is not None and kept.actor == OPERATOR != actor and before is not None
        session_id = given.session_id or ""
        if given.first_line == 0:
            if is_takeover and not growth.is_held_by(given.content):
                raise _belongs(session_id, OPERATOR)
            if before is None:
                return growth.take_whole(given.content) if given.content or kept is None else None
            is_old = count_lines(given.content) <= lines and growth.holds(given.content)
            if not is_old:
                return growth.take_whole(given.content)
            return None if is_current else growth.append(b"")
        if is_takeover:
            raise _belongs(session_id, OPERATOR)
        if given.first_line > lines or not growth.overlaps(given.content, given.first_line):
            raise SessionMoved(session_id, lines)
        new = skip_lines(given.content, lines - given.first_line)
        return growth.append(new) if new or not is_current else None

    def _verify_owner(
        self, repository_id: str, session_id: str, kept: ArchivedSession | None, actor: str
    ) -> None:
        owner = kept.actor if kept else self._find_owner(repository_id, session_id)
        if owner not in {None, actor, OPERATOR}:
            raise _belongs(session_id, str(owner))
        if kept is not None and kept.erased_at_ms is not None:
            raise TranscriptErased(
                f"session {session_id!r} was erased", hint="nothing more is taken of it; begin another"
            )

    def _find_root(self, repository_id: str, given: GivenSession, actor: str) -> str:
        """Whose key the session's texts get: that of its parent's tree, if that is the same actor's."""
        own = given.session_id or ""
        parent_id = _other(given.parent_id, own)
        if parent_id is None or self._find_owner(repository_id, own) is not None:
            return own
        parent = self.archive.find_session(repository_id, parent_id)
        if parent is not None:
            return parent.root_id if parent.actor == actor else own
        return parent_id if self._find_owner(repository_id, parent_id) == actor else own

    def _read_manifest(self, key_id: str, session: ArchivedSession) -> Manifest:
        if session.transcript is None:
            raise TranscriptMissing(f"no transcript of session {session.id!r} was kept")
        return Manifest.decode(self._transcripts.read(key_id, session.transcript))

    def redact_extra(self, extra: Mapping[str, object]) -> Mapping[str, object]:
        """What a source says beside, as it may be written.

        Raises:
            LimitExceeded: it has more than `EXTRA_BYTES_MAX` bytes.
        """
        if not extra:
            return {}
        text = json.dumps(extra)
        if len(text) > EXTRA_BYTES_MAX:
            raise LimitExceeded(f"what is said beside has {len(text)} bytes", limit="EXTRA_BYTES_MAX")
        redacted = json.loads(self._redactor.redact(text).text)
        return redacted if isinstance(redacted, dict) else {}

    # -- turns --------------------------------------------------------------------------------------------

    def _read_turns(
        self,
        session: ArchivedSession,
        growth: Growth,
        key_id: str,
        batch: Batch,
        known: Sequence[ArchivedTurn],
    ) -> tuple[ArchivedSession, list[ArchivedTurn]]:
        """The session with what its redacted transcript says, and its turns."""
        head = growth.head
        form = find_format(session.agent, head)
        if form is None:
            problem = Problem("", f"no reader for transcripts of {session.agent}: its turns are not known")
            return replace(session, problems=(problem,)), []
        parsed = form.parse(head)
        problems = [*parsed.problems[:_PROBLEMS_MAX]]
        if not growth.is_head_whole:
            problems.append(
                Problem(f"line {parsed.line_count}", "turns were read up to here: transcript_parse_bytes_max")
            )
        noted = parsed.turns[: self._limits.turns_max]
        if len(noted) < len(parsed.turns):
            place = f"line {noted[-1].end_line if noted else 0}"
            problems.append(Problem(place, "turns were noted up to here, their number being turns_max"))
        prompts = {turn.number: turn.prompt for turn in known}
        turns = [self._keep_turn(turn, key_id, batch, prompts.get(turn.number)) for turn in noted]
        return with_facts(session, parsed, problems), turns

    def _keep_turn(self, turn: ParsedTurn, key_id: str, batch: Batch, known: str | None) -> ArchivedTurn:
        return ArchivedTurn(
            number=turn.number,
            prompt=self._keep_prompt(turn.prompt, key_id, batch, known) if turn.prompt else None,
            at_ms=turn.at_ms,
            model=turn.model,
            first_line=turn.first_line,
            end_line=turn.end_line,
            calls=tuple(replace(call, edits=()) for call in turn.calls),
            usage=turn.usage,
        )

    def _keep_prompt(self, prompt: str, key_id: str, batch: Batch, known: str | None) -> str:
        text = self.redact_prompt(prompt)
        if known is not None and self._transcripts.read(key_id, known) == text:
            return known
        return batch.write(text)

    def _forget(self, repository_id: str, session: ArchivedSession, replaced: set[str | None]) -> None:
        """Drop texts that this growth has replaced, where no session of the tree names them."""
        key_id = transcript_key(repository_id, session.root_id)
        gone = set(filter(None, replaced))
        for each in self.list_tree(repository_id, session.id):
            if each.root_id != session.root_id:
                continue
            gone -= {turn.prompt for turn in self.archive.list_turns(repository_id, each.id)}
            if each.transcript is not None:
                entries = self._read_manifest(key_id, each).entries
                gone -= {each.transcript, *(entry.address for entry in entries)}
        self._transcripts.forget(key_id, gone)

    def _get(self, repository_id: str, session_id: str) -> ArchivedSession:
        kept = self.archive.find_session(repository_id, session_id)
        if kept is None:
            raise SessionMissing(f"no session {session_id[:ID_LENGTH_MAX]!r} in this repository")
        return kept


def _other(parent_id: str | None, session_id: str) -> str | None:
    return parent_id if parent_id and parent_id != session_id else None


def _belongs(session_id: str, actor: str) -> SessionConflict:
    return SessionConflict(
        f"session {session_id!r} belongs to {actor}", hint="choose another id for your session"
    )


def _verify_id(session_id: str) -> None:
    """Ids are shown in terminals and pages, and are parts of addresses."""
    if not session_id.strip() or len(session_id) > ID_LENGTH_MAX or not session_id.isprintable():
        raise BadInput(
            f"{session_id[:80]!r} cannot name a session",
            hint=f"use 1 to {ID_LENGTH_MAX} printable characters",
        )
