"""Agent Trace records (version 0.1.0) from claims: one record per commit that has an origin.

A claim about lines becomes a conversation in each of its files. A claim about the whole commit covers the
lines that the commit added and no better claim names. Everything that the format has no field for is in
`metadata`, under the vendor key `VENDOR`: there each claim stands whole, in the order of the conversations.

Record ids are UUIDs of version 5 over the commit and the claims: the same claims give the same record.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from imprint.store.evidence.claims import Claim, LineRange
from imprint.store.export.effective import names_person
from imprint.store.export.intoto import render_claim
from imprint.store.formats.agent_trace import (
    VENDOR,
    Conversation,
    Trace,
    TracedFile,
    TraceRange,
    render_trace,
)
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from imprint.store.export.effective import ExportedCommit

    Json = dict[str, Any]

VERSION: Final = "0.1.0"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:imprint:agent-trace")
_MODEL_LENGTH_MAX: Final = 250


def make_trace(exported: ExportedCommit, version: str, people: Collection[str] = ()) -> Json:
    """The record of one commit.

    Args:
        exported: the commit with its claims and the lines that it added.
        version: of this program.
        people: names of actors that are persons.
    """
    claims = [render_claim(claim) for claim in exported.claims]
    files: dict[bytes, list[Conversation]] = {}
    for claim, parts in zip(exported.claims, _spread(exported), strict=True):
        by_path: dict[bytes, list[TraceRange]] = {}
        for part in parts:
            by_path.setdefault(part.path, []).append(TraceRange(part.start, part.end))
        for path, ranges in by_path.items():
            conversation = Conversation(tuple(ranges), contributor=_contributor(claim, people))
            files.setdefault(path, []).append(conversation)
    commit = exported.commit
    trace = Trace(
        id=str(uuid.uuid5(_NAMESPACE, json.dumps([commit.id, claims], sort_keys=True))),
        files=tuple(TracedFile(quote_path(path), tuple(each)) for path, each in sorted(files.items())),
        version=VERSION,
        timestamp=_time(commit.committer.at_s),
        revision=commit.id,
        tool={"name": "imprint", "version": version},
        extra={"metadata": {VENDOR: {"claims": claims}}},
    )
    return render_trace(trace)


def _spread(exported: ExportedCommit) -> list[tuple[LineRange, ...]]:
    """For each claim the lines that it counts for; of one about the whole commit, those that are left."""
    taken = {
        (part.path, line)
        for claim in exported.claims
        for part in claim.lines
        for line in range(part.start, part.end + 1)
    }
    left = (
        (path, line)
        for path, ranges in sorted(exported.added.items())
        for start, end in ranges
        for line in range(start, end + 1)
        if (path, line) not in taken
    )
    return [claim.lines or tuple(_join(left)) for claim in exported.claims]


def _join(lines: Iterable[tuple[bytes, int]]) -> Iterable[LineRange]:
    pending: LineRange | None = None
    for path, line in lines:
        if pending and (pending.path, pending.end + 1) == (path, line):
            pending = LineRange(path, pending.start, line)
        else:
            if pending:
                yield pending
            pending = LineRange(path, line, line)
    if pending:
        yield pending


def _contributor(claim: Claim, people: Collection[str]) -> Json:
    contributor: Json = {
        "type": "ai" if claim.agent else "human" if names_person(claim, people) else "unknown"
    }
    if claim.model:
        contributor["model_id"] = claim.model[:_MODEL_LENGTH_MAX]
    return contributor


def _time(at_s: int) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00Z"  # a time that no calendar holds
