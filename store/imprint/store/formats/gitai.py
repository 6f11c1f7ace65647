"""Git AI's authorship notes (`refs/notes/ai`, schema `authorship/3.0.0`): a codec that tolerates anything.

A note is an attestation section, a line `---`, and a JSON object::

    src/main.rs
      s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15-20
      h_31dce776f88375 35-40
    ---
    {"schema_version": "authorship/3.0.0", ...}

A path stands in double quotes, without escapes, when it holds white space. A key names an entry of the JSON:
`s_...` in `sessions` (what follows `::` is the checkpoint and names nothing), `h_...` in `humans`, and the
legacy hexadecimal form in `prompts`. Lines count from 1 in the files of the annotated commit.

The oldest notes (`authorship/0.0.1`, in blobs at `refs/ai/authorship/<commit>`) are JSON alone: `files` by
path, each with `authors` of a name and `lines`, single numbers and pairs. They are read as a note whose keys
are made from the names; what they said stays in the metadata.

Invariants:
    1. Total: any bytes give a note; what cannot be read is a `NoteProblem` with its line, the rest counts.
    2. `parse_note(render_note(note)) == note` for every note without problems.
    3. Unknown fields of the JSON are kept as they are.
    4. No claim without evidence: an attestation whose key names no entry, or whose lines the commit did not
       add, claims nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadPath
from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.formats.carried import SCOPE, WHOLE_COMMIT, restore
from imprint.store.formats.identities import find_product, normalise_tool, read_model
from imprint.store.paths import quote_path
from imprint.store.types import RefName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imprint.store.types import ObjectId

NOTES_REF: Final = RefName(b"refs/notes/ai")
METHOD: Final = "git-ai note"


@dataclass(frozen=True, slots=True)
class Attestation:
    """Lines of one file that one key stands for; `ranges` hold first and last line, both included."""

    path: bytes
    key: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class NoteProblem:
    """What could not be read: the line of the note, counting from 1, and what is wrong with it."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note, read. `metadata` is the JSON object with every field it had."""

    attestations: tuple[Attestation, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[NoteProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Author:
    """Whom a key of a note stands for; `agent` is None for a person. `attributes` are the entry's own."""

    actor: str | None
    agent: str | None = None
    model: str | None = None
    session: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)


_SEPARATOR: Final = b"---"
_KEY: Final = re.compile(r"(?:s_[0-9a-f]{14}(?:::t_[0-9a-f]{14})?|h_[0-9a-f]{14}|[0-9a-f]{16}|[0-9a-f]{7})\Z")
_RANGE: Final = re.compile(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?\Z")
"""Nine digits are more lines than Git can blame."""
_LINES_MAX: Final = 10**9
_WHITE_SPACE: Final = re.compile(rb"\s")
_PROBLEMS_MAX: Final = 100
"""A note that is no note at all would otherwise give a problem for each of its lines."""


def parse_note(raw: bytes) -> Note:
    """Read a note, of today's form or the oldest."""
    if raw.lstrip()[:1] == b"{":
        return _parse_oldest(raw)
    lines = raw.split(b"\n")
    separator = next((at for at, line in enumerate(lines) if line.rstrip(b"\r") == _SEPARATOR), None)
    problems: list[NoteProblem] = []
    attested = lines if separator is None else lines[:separator]
    attestations = tuple(_iter_attestations(attested, problems))
    metadata: Mapping[str, object] = {}
    if separator is None:
        problems.append(NoteProblem(len(lines), "no line '---' and no JSON after it"))
    else:
        metadata = _parse_metadata(b"\n".join(lines[separator + 1 :]), separator + 2, problems)
    return Note(attestations, metadata, tuple(problems[:_PROBLEMS_MAX]))


def _iter_attestations(lines: Sequence[bytes], problems: list[NoteProblem]) -> Iterator[Attestation]:
    path: bytes | None = None
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r")
        if not line.strip():
            continue
        if not line.startswith(b"  "):
            path = _parse_path(line)
        elif path is None:
            problems.append(NoteProblem(number, "an attestation before the first path"))
        else:
            try:
                key, ranges = _parse_entry(line[2:])
            except ValueError as bad:
                problems.append(NoteProblem(number, str(bad)))
            else:
                yield Attestation(path, key, ranges)


def _parse_path(line: bytes) -> bytes:
    is_quoted = len(line) > 1 and line.startswith(b'"') and line.endswith(b'"')
    return line[1:-1] if is_quoted else line


def _parse_entry(line: bytes) -> tuple[str, tuple[tuple[int, int], ...]]:
    """`key ranges`, or a ValueError that says what is wrong."""
    text = line.decode("ascii", "backslashreplace").strip()
    key, _, ranges = text.partition(" ")
    if not _KEY.match(key):
        msg = f"{key[:60]!r} is not a key of an author"
        raise ValueError(msg)
    return key, tuple(_parse_range(part) for part in ranges.strip().split(","))


def _parse_range(text: str) -> tuple[int, int]:
    found = _RANGE.match(text)
    start, end = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if end < start:
        msg = f"{text[:60]!r} is not a range of lines"
        raise ValueError(msg)
    return start, end


def _parse_metadata(raw: bytes, line: int, problems: list[NoteProblem]) -> Mapping[str, object]:
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as bad:
        at = getattr(bad, "lineno", 1) - 1
        problems.append(NoteProblem(line + at, "the JSON cannot be read"))
        return {}
    if not isinstance(parsed, dict):
        problems.append(NoteProblem(line, "the JSON is not an object"))
        return {}
    return parsed


def _parse_oldest(raw: bytes) -> Note:
    """A note of the form `authorship/0.0.1`."""
    problems: list[NoteProblem] = []
    metadata = dict(_parse_metadata(raw, 1, problems))
    files = metadata.get("files")
    if not isinstance(files, dict):
        problems = problems or [NoteProblem(1, "no line '---', and no 'files' in the JSON")]
        return Note((), metadata, tuple(problems))
    attestations: list[Attestation] = []
    people: dict[str, object] = {}
    prompts: dict[str, object] = {}
    for path, entry in files.items():
        for name, ranges in _iter_oldest_authors(path, entry, problems):
            digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
            model = read_model(name)
            if find_product(name) or model:
                key = digest[:16]
                prompts[key] = {"agent_id": {"tool": name, "id": "", "model": model or "unknown"}}
            else:
                key = f"h_{digest[:14]}"
                people[key] = {"author": name}
            attestations.append(Attestation(path.encode("utf-8", "surrogatepass"), key, ranges))
    metadata |= {"prompts": prompts, "humans": people}
    return Note(tuple(attestations), metadata, tuple(problems[:_PROBLEMS_MAX]))


def _iter_oldest_authors(
    path: str, entry: object, problems: list[NoteProblem]
) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    authors = entry.get("authors") if isinstance(entry, dict) else None
    for author in authors if isinstance(authors, list) else ():
        name = _text(author.get("author")) if isinstance(author, dict) else None
        lines = author.get("lines") if isinstance(author, dict) else None
        if name is None or not isinstance(lines, list):
            problems.append(NoteProblem(1, f"{quote_path(path.encode())}: an author without name or lines"))
            continue
        read = [_read_range(line) for line in lines]
        ranges = tuple(pair for pair in read if pair)
        if len(ranges) < len(read):
            problems.append(NoteProblem(1, f"{quote_path(path.encode())}: lines that are no numbers"))
        if ranges:
            yield name, ranges


def _read_range(line: object) -> tuple[int, int] | None:
    """First and last of a line's number or a pair; None for anything else."""
    pair = (line, line) if type(line) is int else line
    match pair:
        case [int(first), int(last)] if 0 < first <= last < _LINES_MAX:
            return first, last
        case _:
            return None


def render_note(note: Note) -> bytes:
    """Write a note as Git AI does: files in the order given, each file's path once.

    Raises:
        BadPath: a path holds a line feed, which the format cannot express.
    """
    out = bytearray()
    path: bytes | None = None
    for attestation in note.attestations:
        if attestation.path != path:
            path = attestation.path
            out += _render_path(path) + b"\n"
        out += f"  {attestation.key} {_render_ranges(attestation.ranges)}\n".encode()
    out += _SEPARATOR + b"\n"
    return bytes(out) + json.dumps(note.metadata, ensure_ascii=False, indent=2).encode(
        "utf-8", "surrogatepass"
    )


def _render_path(path: bytes) -> bytes:
    if not path or b"\n" in path:
        raise BadPath(f"{quote_path(path[:200])} cannot be written in a Git AI note")
    must_quote = _WHITE_SPACE.search(path) or path.startswith(b'"') or path == _SEPARATOR
    return b'"' + path + b'"' if must_quote else path


def _render_ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return ",".join(str(start) if start == end else f"{start}-{end}" for start, end in ranges)


# -- what a note claims --------------------------------------------------------------------------------


def note_claims(
    commit: ObjectId, note: Note, added: Mapping[bytes, Sequence[tuple[int, int]]]
) -> tuple[list[Claim], list[NoteProblem]]:
    """The claims of a note, and the attestations that claim nothing.

    Claims are about lines only, except where our own export said that one was about the whole commit.

    Args:
        commit: the annotated commit.
        note: what was read.
        added: the lines that the commit itself added, by path: ascending ranges that do not touch.
    """
    authors = read_authors(note)
    lines: dict[str, list[LineRange]] = {}
    problems = []
    for attestation in note.attestations:
        key = attestation.key.partition("::")[0]
        kept = [
            LineRange(attestation.path, start, end)
            for start, end in _intersect(attestation.ranges, added.get(attestation.path, ()))
        ]
        where = f"{quote_path(attestation.path)} {attestation.key}"
        if key not in authors:
            problems.append(NoteProblem(0, f"{where}: the JSON has no entry of this name"))
        elif not kept:
            problems.append(NoteProblem(0, f"{where}: the commit added none of these lines"))
        else:
            lines.setdefault(key, []).extend(kept)
    claims = [_make_claim(commit, authors[key], tuple(ranges)) for key, ranges in lines.items()]
    claims += [
        _make_claim(commit, author, ())
        for key, author in authors.items()
        if key not in lines and author.attributes.get(SCOPE) == WHOLE_COMMIT
    ]
    return claims, problems[:_PROBLEMS_MAX]


def _make_claim(commit: ObjectId, author: Author, lines: tuple[LineRange, ...]) -> Claim:
    claim = Claim(
        commit,
        Evidence.DECLARED,
        actor=author.actor,
        agent=author.agent,
        model=author.model,
        session=author.session,
        method=METHOD,
        lines=lines,
    )
    return restore(claim, author.attributes)


def _intersect(
    wanted: Sequence[tuple[int, int]], added: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The parts of `wanted` that lie in `added`. Both may be long: each is walked once."""
    first = 0
    for start, end in _coalesce(wanted):
        while first < len(added) and added[first][1] < start:
            first += 1
        at = first
        while at < len(added) and added[at][0] <= end:
            yield max(start, added[at][0]), min(end, added[at][1])
            at += 1


def _coalesce(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same lines as ascending ranges that neither overlap nor touch."""
    pending: tuple[int, int] | None = None
    for start, end in sorted(ranges):
        if pending and start <= pending[1] + 1:
            pending = (pending[0], max(end, pending[1]))
        else:
            if pending:
                yield pending
            pending = (start, end)
    if pending:
        yield pending


def read_authors(note: Note) -> dict[str, Author]:
    """Whom each key of the note stands for; entries that name no one are left out."""
    authors: dict[str, Author] = {}
    for section in ("prompts", "sessions"):
        for key, entry in _iter_entries(note, section):
            agent = entry.get("agent_id")
            if isinstance(agent, dict) and (tool := normalise_tool(_text(agent.get("tool")) or "")):
                attributes = entry.get("custom_attributes")
                authors[key] = Author(
                    _text(entry.get("human_author")),
                    tool,
                    _text(agent.get("model")),
                    _text(agent.get("id")),
                    attributes if isinstance(attributes, dict) else {},
                )
    for key, entry in _iter_entries(note, "humans"):
        if name := _text(entry.get("author")):
            authors[key] = Author(name)
    return authors


def _iter_entries(note: Note, section: str) -> Iterator[tuple[str, dict[str, object]]]:
    entries = note.metadata.get(section)
    if isinstance(entries, dict):
        for key, entry in entries.items():
            if isinstance(entry, dict):
                yield key, entry


_TEXT_LENGTH_MAX: Final = 500


def _text(value: object) -> str | None:
    """A field of the JSON if it is text that can be kept; `unknown` is what Git AI writes for nothing."""
    if not isinstance(value, str) or not value.strip() or value == "unknown":
        return None
    return value.strip()[:_TEXT_LENGTH_MAX].encode("utf-8", "replace").decode()
