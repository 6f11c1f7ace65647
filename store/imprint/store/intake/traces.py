"""Agent Trace records into the archive: those in a branch's `.agent-trace/traces.jsonl`, and files given.

Only heads of branches are looked at, and only where the file changed: writers append to it.

Invariants:
    1. A record that was read before is the same record again, whichever branch it comes from.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Problem
from imprint.store.errors import BadInput
from imprint.store.formats.agent_trace import (
    SYSTEM,
    TRACES_PATH,
    parse_traces,
    read_anchors,
    read_lines,
    render_trace,
)
from imprint.store.formats.foreign import UNFORESEEN
from imprint.store.intake.checkpoints import Intake
from imprint.store.intake.objects import find_sizes, read_some
from imprint.store.intake.planning import tell_surprise
from imprint.store.sessions.model import Record, Source
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.formats.agent_trace import Trace
    from imprint.store.intake.listing import Refs
    from imprint.store.intake.shelf import Shelf
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import RefName

TRACES_BYTES_MAX: Final = 64 * 1024**2
"""The longest file of records that is read."""
_HEADS: Final = (b"refs/heads/", b"refs/remotes/")
_RECORDS_AT_ONCE: Final = 500


def find_traces(plumbing: Plumbing, refs: Refs) -> dict[RefName, ObjectId]:
    """The file of records at the head of each branch that has one."""
    heads = [ref for ref in refs if ref.startswith(_HEADS)]
    if not heads:
        return {}
    given = b"".join(refs[ref].encode() + b":" + TRACES_PATH + b"\n" for ref in heads)
    out = plumbing.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=given)
    found = {}
    for ref, line in zip(heads, out.decode("ascii", "replace").splitlines(), strict=True):
        blob, _, kind = line.partition(" ")
        if kind == "blob":
            found[ref] = ObjectId(blob)
    return found


def keep_traces(plumbing: Plumbing, shelf: Shelf, old: Refs, new: Refs) -> Intake:
    """Keep the records of files that changed between two states of the refs.

    Args:
        plumbing: git on the objects.
        shelf: where.
        old: the refs as they were read last.
        new: as they are.
    """
    intake = Intake()
    moved = {ref: tip for ref, tip in new.items() if old.get(ref) != tip}
    files = find_traces(plumbing, moved)
    if not files:
        return intake
    known = set(find_traces(plumbing, {ref: old[ref] for ref in files if ref in old}).values())
    by_blob = {blob: ref for ref, blob in files.items() if blob not in known}
    sizes = find_sizes(plumbing, by_blob)
    for blob, ref in by_blob.items():
        place = TRACES_PATH.decode()
        if sizes.get(blob, TRACES_BYTES_MAX + 1) > TRACES_BYTES_MAX:
            intake.problems.append(
                (ref.text, Problem(place, f"too_large: {sizes.get(blob)} bytes; not read"))
            )
            continue
        content = read_some(plumbing, [blob]).get(blob, b"")
        keep_trace_file(content, place, ref.text, shelf, intake)
    return intake


def keep_trace_file(content: bytes, place: str, ref: str | None, shelf: Shelf, intake: Intake) -> None:
    """Keep the records of one file.

    Args:
        content: the file.
        place: its name, for people.
        ref: the branch on which it lies; None for a file that was given.
        shelf: where.
        intake: told of problems and counts.
    """
    traces, problems = parse_traces(content, place)
    records = []
    for number, trace in enumerate(traces, 1):
        try:
            record = _make_record(trace, f"{place} record {number}", shelf)
        except UNFORESEEN as surprise:
            problems.append(tell_surprise(f"{place} record {number}", surprise))
            continue
        if record is None:
            named = f"{trace.id or 'record'} names no commit of git: {str(trace.revision)[:80]}"
            problems.append(Problem(f"{place} record {number}", f"no_revision: {named}"))
        else:
            records.append(record)
            problems += record.problems
    intake.problems += [(ref or place, problem) for problem in problems]
    intake.counts["traces"] += len(records)
    intake.counts["records"] += len(records)
    for start in range(0, len(records), _RECORDS_AT_ONCE):
        some = records[start : start + _RECORDS_AT_ONCE]
        try:
            intake.counts["new records"] += shelf.add(some)
        except (*UNFORESEEN, BadInput):
            for record in some:
                _add_alone(record, place, ref, shelf, intake)


def _add_alone(record: Record, place: str, ref: str | None, shelf: Shelf, intake: Intake) -> None:
    try:
        intake.counts["new records"] += shelf.add([record])
    except (*UNFORESEEN, BadInput) as surprise:
        intake.problems.append((ref or place, tell_surprise(place, surprise)))


def _make_record(trace: Trace, place: str, shelf: Shelf) -> Record | None:
    anchors = read_anchors(trace)
    if not anchors:
        return None
    lines, problems = read_lines(trace, place)
    raw = json.dumps(render_trace(trace), sort_keys=True).encode()
    extra: dict[str, object] = {"id": trace.id, **_open_fields(trace.extra)}
    if trace.tool:
        extra["tool"] = dict(trace.tool)
    if trace.timestamp:
        extra["timestamp"] = trace.timestamp
    agents = {each.agent for each in lines if each.agent}
    models = {each.model for each in lines if each.model}
    return Record(
        id=shelf.ids.new_id("rec"),
        source=Source(SYSTEM, trace.version, None, hashlib.sha256(raw).hexdigest()),
        actor=shelf.actor,
        received_at_ms=shelf.at_ms,
        anchors=anchors,
        agent=agents.pop() if len(agents) == 1 else None,
        model=models.pop() if len(models) == 1 else None,
        lines=lines,
        problems=tuple(Problem("record", each.text) for each in (*trace.problems, *problems)),
        extra=shelf.redact(extra),
    )


def _open_fields(extra: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in extra.items() if key not in {"id", "tool", "timestamp"}}
