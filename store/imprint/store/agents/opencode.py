"""Transcripts of OpenCode: what `opencode export <id>` prints, and the same out of its database.

The export is `{info, messages: [{info, parts}]}`. A message's `info` has `role`, `modelID`, `tokens`,
`cost`; parts are `text`, `tool` with `state {status, input, metadata}`, and others. The database,
`opencode.db`, has tables `session`, `message` and `part`, whose column `data` holds the same as JSON.

Invariants:
    1. `tokens` are those of one request; `reasoning` comes on top of `output`. `cost` is in US dollars.
    2. The database is opened read-only; what is being written to it meanwhile is not waited for.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from imprint.store.agents.model import Edit, EditKind, ToolCall, Usage
from imprint.store.agents.ports import TranscriptFormat
from imprint.store.agents.reading.draft import Draft
from imprint.store.agents.reading.lines import Document
from imprint.store.agents.reading.patches import read_patch
from imprint.store.agents.reading.tools import judge_call, read_call
from imprint.store.agents.reading.values import (
    as_cost,
    as_count,
    as_map,
    as_maps,
    as_name,
    as_optional,
    as_path,
    as_text,
    as_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imprint.store.agents.model import ParsedSession

AGENT: Final = "opencode"

_HEAD: Final = re.compile(rb'\s*\{\s*"(?:info|messages)"\s*:')
_OUTCOMES: Final = {"completed": False, "error": True}


class OpenCode(TranscriptFormat):
    """See the module."""

    agent = AGENT

    def recognises(self, head: bytes) -> bool:
        """See `TranscriptFormat.recognises`."""
        return _HEAD.match(head) is not None and (b'"ses_' in head or b'"parts"' in head)

    def parse(self, content: bytes) -> ParsedSession:
        """See `TranscriptFormat.parse`."""
        document = Document(content)
        draft = Draft(AGENT)
        info = as_map(document.value.get("info"))
        draft.id = as_optional(info.get("id"))
        draft.parent_id = as_optional(info.get("parentID"))
        draft.agent_version = as_optional(info.get("version"))
        draft.cwd = as_path(info.get("directory")) or None
        draft.see_time(as_time(as_map(info.get("time")).get("created")))
        if isinstance(info.get("title"), str):
            draft.extra["title"] = as_text(info["title"])[:1000]
        for message in as_maps(document.value.get("messages")):
            number = document.find_line(as_text(as_map(message.get("info")).get("id")))
            _take_message(draft, number, as_map(message.get("info")), message)
        return draft.build(document)


def _take_message(
    draft: Draft, number: int, info: Mapping[str, object], message: Mapping[str, object]
) -> None:
    at_ms = as_time(as_map(info.get("time")).get("created"))
    draft.see_time(at_ms)
    parts = as_maps(message.get("parts"))
    if info.get("role") == "user":
        texts = [
            as_text(part.get("text"))
            for part in parts
            if part.get("type") == "text" and not part.get("synthetic")
        ]
        prompt = "\n\n".join(filter(None, texts))
        if prompt.strip():
            draft.begin_turn(number, prompt, at_ms, as_name(info.get("id")))
        return
    if info.get("role") != "assistant":
        return
    model = as_optional(info.get("modelID")) or as_optional(as_map(info.get("model")).get("modelID"))
    draft.see_model(model)
    draft.cwd = draft.cwd or as_path(as_map(info.get("path")).get("cwd")) or None
    _take_usage(draft, info, model)
    for part in parts:
        if part.get("type") == "tool":
            _take_call(draft, part, at_ms)
    draft.see_time(as_time(as_map(info.get("time")).get("completed")))


def _take_usage(draft: Draft, info: Mapping[str, object], model: str | None) -> None:
    tokens = as_map(info.get("tokens"))
    cost = as_cost(info.get("cost"))
    if not tokens and not cost:
        return
    cache, reasoning = as_map(tokens.get("cache")), as_count(tokens.get("reasoning"))
    draft.add_usage(
        Usage(
            request_id=as_optional(info.get("id")),
            model=model,
            input_tokens=as_count(tokens.get("input")),
            output_tokens=as_count(tokens.get("output")) + reasoning,
            cache_read_tokens=as_count(cache.get("read")),
            cache_write_tokens=as_count(cache.get("write")),
            reasoning_tokens=reasoning,
            cost_usd=cost,
        )
    )


def _take_call(draft: Draft, part: Mapping[str, object], at_ms: int | None) -> None:
    state = as_map(part.get("state"))
    begun = as_time(as_map(state.get("time")).get("start")) or at_ms
    call = ToolCall(as_name(part.get("callID")) or as_name(part.get("id")), as_name(part.get("tool")), begun)
    call = read_call(call, state.get("input"), draft.cwd or "")
    failed = _OUTCOMES.get(as_name(state.get("status")))
    ok = None if failed is None else judge_call(call, failed=failed)
    metadata = as_map(state.get("metadata"))
    sub_session = as_optional(metadata.get("sessionId")) or as_optional(metadata.get("sessionID"))
    edits = _exact_edits(call.edits, as_text(metadata.get("diff")))
    draft.add_call(replace(call, ok=ok, sub_session=sub_session, edits=edits))


def _exact_edits(edits: tuple[Edit, ...], diff: str) -> tuple[Edit, ...]:
    """The edit as the tool reports that it made it, where it made one to one file."""
    exact = [edit for edit in read_patch(diff) if edit.added or edit.removed] if diff else []
    if len(edits) != 1 or len(exact) != 1 or edits[0].kind is EditKind.SHELL:
        return edits
    return (replace(exact[0], path=edits[0].path, kind=EditKind.PATCH, old_path=None),)


def list_database_sessions(database: Path) -> list[tuple[str, str, int]]:
    """Sessions of OpenCode's database, the one that changed last first: id, folder, and when it changed.

    Raises:
        OSError: it cannot be read, or is none.
    """
    with _open(database) as connection:
        rows = connection.execute(
            "SELECT id, directory, time_updated FROM session ORDER BY time_updated DESC, id"
        ).fetchall()
    return [(as_name(row[0]), as_path(row[1]), as_time(row[2]) or 0) for row in rows]


def export_session(database: Path, session_id: str) -> bytes | None:
    """A session as `opencode export` prints it; None if the database has none of this id.

    Raises:
        OSError: the database cannot be read, or is none.
    """
    with _open(database) as connection:
        row = connection.execute(
            "SELECT id, parent_id, directory, title, version, time_created, time_updated"
            " FROM session WHERE id = ?",
            (session_id,),
        ).fetchone()
        if row is None:
            return None
        messages = connection.execute(
            "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created, id", (session_id,)
        ).fetchall()
        parts = connection.execute(
            "SELECT message_id, id, data FROM part WHERE session_id = ? ORDER BY id", (session_id,)
        ).fetchall()
    names = ("id", "parentID", "directory", "title", "version")
    info: dict[str, object] = {
        name: value for name, value in zip(names, row, strict=False) if value is not None
    }
    info["time"] = {"created": row[5], "updated": row[6]}
    parts_of: dict[str, list[dict[str, object]]] = {}
    for message_id, part_id, data in parts:
        part: dict[str, object] = {"id": part_id}
        parts_of.setdefault(message_id, []).append(part | _object(data))
    listed = [
        {"info": {"id": message_id} | _object(data), "parts": parts_of.get(message_id, [])}
        for message_id, data in messages
    ]
    return json.dumps({"info": info, "messages": listed}, indent=2).encode()


@contextlib.contextmanager
def _open(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=1.0)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(f"{database}: no OpenCode database that can be read: {error}") from error


def _object(data: object) -> dict[str, object]:
    try:
        value = json.loads(data) if isinstance(data, str | bytes) else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
