"""Checkpoints of Entire in its git-refs layout, from archived sessions and their records.

    refs/entire/checkpoints/<last two digits of the id>/<id>     one commit, whose tree holds
        metadata.json            the checkpoint
        <n>/metadata.json        its n-th session
        <n>/full.jsonl, .001 ... the transcript, as it is kept here: redacted; split at line ends
        <n>/prompt.txt           its prompts
        <n>/content_hash.txt     `sha256:` and the hash of the whole transcript

A checkpoint that was read from Entire keeps its id and every field that it had. One that was not gets an id
made from its record: the same record gives the same id. Usage is per checkpoint, never a running total
(`token_usage_version` 2). Commits are named in `linked_commits`: no commit is rewritten to hold a trailer.

Invariants:
    1. A session whose texts were erased, or that has no transcript, gives a checkpoint without one.
    2. What is in the archive goes out, or is listed as lost.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import Missing
from imprint.store.evidence.claims import Evidence
from imprint.store.export.losses import Loss
from imprint.store.sessions.model import AnchorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.agents.model import Usage
    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.model import ArchivedSession, ArchivedTurn, Record
    from imprint.store.sessions.ports import Archive
    from imprint.store.view import RepositoryView

    Json = dict[str, Any]

REF_PREFIX: Final = "refs/entire/checkpoints/"
CHUNK_BYTES: Final = 50 * 1024**2
"""Transcripts are split at line ends into files of at most this size."""
_PROMPT_SEPARATOR: Final = "\n\n---\n\n"
_USAGE_VERSION: Final = 2
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAGE: Final = 500
_ULID_LENGTH: Final = 26
_USAGE_FIELDS: Final = (
    "input_tokens",
    "cache_creation_tokens",
    "cache_read_tokens",
    "output_tokens",
    "api_call_count",
)
_AGENT_NAMES: Final = {
    "claude-code": "Claude Code",
    "codex": "Codex",
    "gemini-cli": "Gemini CLI",
    "cursor": "Cursor",
    "copilot": "Copilot CLI",
    "opencode": "OpenCode",
}
"""What Entire calls the agents."""
_SEEN: Final = frozenset({Evidence.BOUND, Evidence.OBSERVED})


@dataclass(frozen=True, slots=True)
class _Part:
    """A session within a checkpoint, and the record that put it there, if one did."""

    session: ArchivedSession
    record: Record | None


def iter_checkpoints(
    view: RepositoryView, claims: ClaimSource, keeper: Keeper, history: frozenset[str]
) -> Iterator[Json | Loss]:
    """Every checkpoint as `{"ref", "message", "files": {path: base64}}`, and what could not be said.

    Args:
        view: the repository.
        claims: who claims; they tie sessions to commits beside the records.
        keeper: sessions and transcripts.
        history: the commits to speak of; others are not linked.
    """
    commits = _list_commits_of_sessions(view.id, claims, history)
    told: dict[str, int] = {}
    for checkpoint_id, records in _group_records(keeper.archive, view.id).items():
        found = [
            (keeper.archive.find_session(view.id, record.session_id or ""), record) for record in records
        ]
        parts = [_Part(session, record) for session, record in found if session]
        for part in parts:
            told[part.session.id] = max(told.get(part.session.id, 0), _find_end(part))
        if parts:
            named = {
                anchor.value
                for record in records
                for anchor in record.anchors
                if anchor.kind is AnchorKind.COMMIT
            }
            linked = named.union(*(commits.get(part.session.id, ()) for part in parts))
            yield _make_checkpoint(keeper, view.id, checkpoint_id, parts, sorted(linked & history))
        else:
            yield Loss(None, f"record {records[0].id}", "its session was never kept")
    for session in _iter_sessions(keeper.archive, view.id):
        if told.get(session.id, -1) < session.line_count:  # what no record speaks of goes out as well
            checkpoint_id = _make_id(session.id, session.started_at_ms)
            linked = commits.get(session.id, set())
            yield _make_checkpoint(keeper, view.id, checkpoint_id, [_Part(session, None)], sorted(linked))


def _find_end(part: _Part) -> int:
    """The line of the transcript up to which a part holds it."""
    return part.record.part[1] if part.record and part.record.part else part.session.line_count


def _list_commits_of_sessions(
    repository_id: str, claims: ClaimSource, history: frozenset[str]
) -> dict[str, set[str]]:
    """The commits that claims tie to each session by what was seen, not by what was carried over."""
    found: dict[str, set[str]] = {}
    for commit, ranked in claims.all_claims(repository_id).items():
        for claim in ranked:
            if claim.session and claim.evidence in _SEEN and commit in history:
                found.setdefault(claim.session, set()).add(commit)
    return found


def _group_records(archive: Archive, repository_id: str) -> dict[str, list[Record]]:
    """Records of sessions by the checkpoint that they belong to, in the order of their arrival."""
    grouped: dict[str, list[Record]] = {}
    after = 0
    while page := archive.list_records(repository_id, after_serial=after, limit=_PAGE):
        for record in page:
            if record.session_id:
                named = [anchor.value for anchor in record.anchors if anchor.kind is AnchorKind.CHECKPOINT]
                checkpoint_id = named[0] if named else _make_id(_describe(record), record.received_at_ms)
                grouped.setdefault(checkpoint_id, []).append(record)
        after = page[-1].serial
    return grouped


def _iter_sessions(archive: Archive, repository_id: str) -> Iterator[ArchivedSession]:
    after = 0
    while page := archive.list_sessions(repository_id, after_serial=after, limit=_PAGE):
        yield from page
        after = page[-1].serial


def _describe(record: Record) -> str:
    """What tells a record from others, and is the same wherever it is kept."""
    anchors = sorted(f"{anchor.kind.value}:{anchor.value}" for anchor in record.anchors)
    return json.dumps([record.session_id, record.part, anchors])


def _make_id(text: str, at_ms: int | None) -> str:
    """A ULID (ulid/spec, Crockford base 32) whose last 80 bits are a hash, where others are random."""
    digest = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10])
    number = (max(at_ms or 0, 0) % 2**48) << 80 | digest
    digits = []
    for _ in range(_ULID_LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def _make_checkpoint(
    keeper: Keeper, repository_id: str, checkpoint_id: str, parts: Sequence[_Part], commits: Sequence[str]
) -> Json:
    files: dict[str, bytes] = {}
    entries, totals, prompts = [], [], 0
    for place, part in enumerate(parts):
        turns = keeper.archive.list_turns(repository_id, part.session.id)
        within = [turn for turn in turns if _is_within(turn, part.record)]
        usage = _sum_usage(each for turn in within for each in turn.usage)
        metadata = _describe_session(checkpoint_id, part, within, usage)
        entries.append(_write_session(files, place, metadata, _read(keeper, repository_id, part, within)))
        totals.append(usage)
        prompts += len(within)
    root = {
        **_kept_fields(parts[0].record, "checkpoint"),
        "checkpoint_id": checkpoint_id,
        "strategy": "imprint",
        "checkpoints_count": prompts,
        "files_touched": sorted({path for each in entries for path in each.pop("files_touched")}),
        "linked_commits": [{"sha": commit} for commit in commits],
        "sessions": entries,
        "token_usage": {name: sum(total[name] for total in totals) for name in _USAGE_FIELDS},
        "token_usage_version": _USAGE_VERSION,
    }
    files["metadata.json"] = _json(root)
    return {
        "ref": f"{REF_PREFIX}{checkpoint_id[-2:]}/{checkpoint_id}",
        "message": f"Checkpoint: {checkpoint_id}\n",
        "files": {path: base64.b64encode(content).decode() for path, content in files.items()},
    }


def _is_within(turn: ArchivedTurn, record: Record | None) -> bool:
    """Whether a turn has lines in the part of the transcript that the record speaks of."""
    if record is None or record.part is None:
        return True
    start, end = record.part
    return turn.first_line < end and turn.end_line > start


def _sum_usage(usage: Iterable[Usage]) -> dict[str, int]:
    totals = dict.fromkeys(_USAGE_FIELDS, 0)
    for each in usage:
        totals["input_tokens"] += each.input_tokens
        totals["cache_creation_tokens"] += each.cache_write_tokens
        totals["cache_read_tokens"] += each.cache_read_tokens
        totals["output_tokens"] += each.output_tokens
        totals["api_call_count"] += 1
    return totals


def _describe_session(
    checkpoint_id: str, part: _Part, turns: Sequence[ArchivedTurn], usage: Mapping[str, int]
) -> Json:
    session, record = part.session, part.record
    said = {
        "checkpoint_id": checkpoint_id,
        "session_id": session.id,
        "strategy": "imprint",
        "agent": _AGENT_NAMES.get(session.agent, session.agent),
        "model": session.models[-1] if session.models else None,
        "branch": session.branch,
        "created_at": _time(session.started_at_ms),
        "checkpoints_count": len(turns),
        "files_touched": sorted({path for turn in turns for call in turn.calls for path in call.paths}),
        "checkpoint_transcript_start": record.part[0] if record and record.part else 0,
        "parent_session_id": session.parent_id,
        "token_usage": usage,
        "token_usage_version": _USAGE_VERSION,
    }
    return _kept_fields(record, "session") | {
        name: value for name, value in said.items() if value is not None
    }


def _kept_fields(record: Record | None, name: str) -> Json:
    """What the source said that has no place in the model; see `imprint.store.intake.statements`."""
    kept = record.extra.get(name) if record else None
    return dict(kept) if isinstance(kept, dict) else {}


def _read(
    keeper: Keeper, repository_id: str, part: _Part, turns: Sequence[ArchivedTurn]
) -> tuple[bytes | None, list[str]]:
    """The transcript as it was at the end of the part, None without one, and the prompts that can be read."""
    session = part.session
    try:
        transcript = keeper.read_transcript(repository_id, session) if session.transcript else None
    except Missing:
        transcript = None
    if transcript is not None and part.record is not None and part.record.part is not None:
        transcript = b"".join(islice(io.BytesIO(transcript), part.record.part[1]))
    texts = (keeper.read_prompt(repository_id, session, turn.prompt) for turn in turns if turn.prompt)
    return transcript, [text for text in texts if text]


def _write_session(
    files: dict[str, bytes], place: int, metadata: Json, texts: tuple[bytes | None, list[str]]
) -> Json:
    """Add a session's files; its entry in the checkpoint's metadata."""
    transcript, prompts = texts
    entry: Json = {"metadata": f"/{place}/metadata.json", "files_touched": metadata["files_touched"]}
    files[f"{place}/metadata.json"] = _json(metadata)
    if prompts:
        files[f"{place}/prompt.txt"] = _PROMPT_SEPARATOR.join(prompts).encode("utf-8", "surrogatepass")
        entry["prompt"] = f"/{place}/prompt.txt"
    if transcript is not None:
        for number, chunk in enumerate(split_at_lines(transcript)):
            files[f"{place}/full.jsonl" + (f".{number:03}" if number else "")] = chunk
        digest = hashlib.sha256(transcript).hexdigest()
        files[f"{place}/content_hash.txt"] = f"sha256:{digest}".encode()
        entry |= {"transcript": f"/{place}/full.jsonl", "content_hash": f"/{place}/content_hash.txt"}
    return entry


def split_at_lines(content: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Pieces of at most `size` bytes, a longer line whole; joined by line feeds they are the content."""
    start = 0
    while len(content) - start > size:
        end = content.rfind(b"\n", start, start + size + 1)
        if end < 0:
            end = content.find(b"\n", start)
        if end < 0:
            break
        yield content[start:end]
        start = end + 1
    yield content[start:]


def _json(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass") + b"\n"


def _time(at_ms: int | None) -> str | None:
    try:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None  # a time that no calendar holds
