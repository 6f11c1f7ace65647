"""What a checkpoint says of one session's part in a commit, as a record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imprint.store.formats import entire
from imprint.store.formats.entire import SUMMARY, SYSTEM
from imprint.store.formats.identities import normalise_tool
from imprint.store.intake.growth import Worth
from imprint.store.intake.planning import parse_file
from imprint.store.sessions.model import Anchor, AnchorKind, Record, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.agents.model import Problem
    from imprint.store.formats.entire import Said
    from imprint.store.intake.planning import Part
    from imprint.store.intake.shelf import Shelf

    Contents = Mapping[str, bytes | None]

_NAMELESS: Final = frozenset({"agent"})
"""What Entire wrote for an agent that it did not know."""
_PLACED: Final = frozenset({"sessions", "checkpoint_id", "cli_version"})
"""Fields that are in the record's own places."""


def name_agent(part: Part, contents: Contents) -> str | None:
    """The agent's id as the checkpoint names it; None where it names none."""
    summary, metadata = _read(part, contents, [])
    agent = entire.read_said(summary, metadata).agent
    return None if agent is None or agent.casefold() in _NAMELESS else normalise_tool(agent)


def make_record(part: Part, session_id: str, contents: Contents, content: bytes, shelf: Shelf) -> Record:
    """The record.

    Args:
        part: which session of which checkpoint.
        session_id: the session that holds its transcript.
        contents: the files that were read.
        content: the transcript; empty without one.
        shelf: in whose name it is kept.
    """
    problems: list[Problem] = []
    summary, metadata = _read(part, contents, problems)
    said = entire.read_said(summary, metadata)
    told = contents.get(part.files.content_hash or "")
    if content and told and part.worth is Worth.WHOLE and part.files.content_hash:
        place = f"{part.checkpoint.id}/{part.files.content_hash}"
        if mismatch := entire.check_content(content, told, place):
            problems.append(mismatch)
    raw = [contents.get(name or "") or b"" for name in (SUMMARY, part.files.metadata)]
    anchors = [Anchor(AnchorKind.CHECKPOINT, part.checkpoint.id)]
    anchors += [Anchor(AnchorKind.COMMIT, commit) for commit in said.commits]
    return Record(
        id=shelf.ids.new_id("rec"),
        source=Source(
            SYSTEM, said.cli_version, part.checkpoint.ref, hashlib.sha256(b"\0".join(raw)).hexdigest()
        ),
        actor=shelf.actor,
        received_at_ms=shelf.at_ms,
        anchors=tuple(anchors),
        session_id=session_id,
        part=_find_part(part, said, content, is_apart=session_id != part.session_id),
        agent=name_agent(part, contents),
        model=said.model,
        problems=entire.cap_problems(problems),
        extra=shelf.redact(_collect_extra(part, summary, metadata, said)),
    )


def _read(
    part: Part, contents: Contents, problems: list[Problem]
) -> tuple[dict[str, object], dict[str, object]]:
    summary = parse_file(part.checkpoint, SUMMARY, contents, problems)
    return summary, parse_file(part.checkpoint, part.files.metadata, contents, problems)


def _find_part(part: Part, said: Said, content: bytes, *, is_apart: bool) -> tuple[int, int] | None:
    """The lines of the transcript that belong to the checkpoint.

    A start beyond the end counts in another transcript: old versions wrote only what was new.
    """
    if not content or part.worth is Worth.PROMPTS:
        return None
    end = entire.count_lines(content)
    start = said.start if part.worth is Worth.WHOLE else said.compact_start
    return (0, end) if is_apart or start >= end else (start, end)


def _collect_extra(
    part: Part, summary: Mapping[str, object], metadata: Mapping[str, object], said: Said
) -> dict[str, object]:
    """What has no place in a record, as it was written; words are named, not kept."""
    open_summary, words = entire.part_texts({k: v for k, v in summary.items() if k not in _PLACED})
    open_metadata, more = entire.part_texts({k: v for k, v in metadata.items() if k not in _PLACED})
    extra: dict[str, object] = {"folder": part.files.folder, "checkpoint": open_summary}
    extra["task" if part.files.tool_use is not None else "session"] = open_metadata
    if part.files.tool_use is not None:
        extra["tool_use"] = part.files.tool_use
    if said.files:
        extra["files"] = list(said.files)
    if words or more:
        extra["withheld"] = sorted({*words, *more})
    return extra
