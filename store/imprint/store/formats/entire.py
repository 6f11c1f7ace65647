"""Entire's checkpoints: where they lie in a repository, and which of their files belong together.

Three layouts are known, and one tree of files for all of them::

    refs/heads/entire/checkpoints/v1              <id[:2]>/<id[2:]>/...    one branch for all checkpoints
    refs/entire/checkpoints/<last two>/<id>       ...                      a ref for each checkpoint
    refs/entire/checkpoints/v2/main               <id[:2]>/<id[2:]>/...    abandoned: all but the transcripts
    refs/entire/checkpoints/v2/full/current       <id[:2]>/<id[2:]>/...    abandoned: the transcripts

A checkpoint has a `metadata.json`, a folder for each session, numbered from 0, and the records of sub-agents
in `tasks/<tool use>/`. Large transcripts are split at line ends into `full.jsonl`, `full.jsonl.001`, ...

Invariants:
    1. Total: any refs, paths and bytes give an answer; what cannot be read is a `Problem` with its place.
    2. A path out of a checkpoint's own metadata only ever selects among the files that the checkpoint has.
    3. Fields are kept as they are, known or not. Running totals of tokens are never summed.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Problem
from imprint.store.formats.foreign import DEPTH_MAX, is_deep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

SYSTEM: Final = "entire"
BRANCH_REF: Final = b"refs/heads/entire/checkpoints/v1"
_BRANCH_TAIL: Final = b"/entire/checkpoints/v1"
_REFS: Final = b"refs/entire/checkpoints/"
_V2_MAIN: Final = b"refs/entire/checkpoints/v2/main"
_V2_FULL: Final = b"refs/entire/checkpoints/v2/full/"
_ID: Final = re.compile(rb"[0-9A-Za-z]{6,64}\Z")
_SHARDED: Final = re.compile(rb"([0-9A-Za-z]{2})/([0-9A-Za-z]{4,62})/(.+)\Z", re.DOTALL)
SUMMARY: Final = "metadata.json"
METADATA_BYTES_MAX: Final = 16 * 1024**2
"""What of one metadata file, prompt or task is read."""
_PROBLEMS_MAX: Final = 100


class Layout(enum.Enum):
    """How checkpoints lie in refs."""

    BRANCH = "git-branch"
    REFS = "git-refs"
    V2_MAIN = "v2-main"
    V2_FULL = "v2-full"


def find_layout(ref: bytes) -> Layout | None:
    """The layout of what a ref holds; None for every other ref."""
    if ref == BRANCH_REF or (ref.startswith(b"refs/remotes/") and ref.endswith(_BRANCH_TAIL)):
        return Layout.BRANCH
    if ref == _V2_MAIN:
        return Layout.V2_MAIN
    if ref.startswith(_V2_FULL):
        return Layout.V2_FULL
    if ref.startswith(_REFS) and _ID.match(ref.rpartition(b"/")[2]) and ref.count(b"/") == _REF_DEPTH:
        return Layout.REFS
    return None


_REF_DEPTH: Final = 4


def split_path(layout: Layout, ref: bytes, path: bytes) -> tuple[str, str] | None:
    """The checkpoint that a file belongs to, and the file's path within it; None if it belongs to none."""
    if layout is Layout.REFS:
        return ref.rpartition(b"/")[2].decode("ascii"), path.decode("utf-8", "surrogateescape")
    found = _SHARDED.match(path)
    if found is None:
        return None
    return (found[1] + found[2]).decode("ascii"), found[3].decode("utf-8", "surrogateescape")


def shard_of(layout: Layout, checkpoint_id: str) -> str:
    """The folder of a checkpoint in the tree of its ref, with a slash at its end; empty for all of it."""
    return "" if layout is Layout.REFS else f"{checkpoint_id[:2]}/{checkpoint_id[2:]}/"


# -- which files belong together ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionFiles:
    """The files of one session within a checkpoint; names are paths within it, as they are there.

    Attributes:
        folder: where, such as `0`; of a sub-agent's record, `tasks/<tool use>`.
        metadata: None if there is none.
        transcript: the parts of the whole transcript, in order; empty if there is none.
        compact: the compact transcript; None without one.
        content_hash: what says how the transcript hashes; None without one.
        prompt: the prompts alone; None without them.
        tool_use: the tool call that started the sub-agent; None for the session itself.
    """

    folder: str
    metadata: str | None = None
    transcript: tuple[str, ...] = ()
    compact: str | None = None
    content_hash: str | None = None
    prompt: str | None = None
    tool_use: str | None = None

    @property
    def parent_folder(self) -> str:
        """Of a sub-agent's record: the folder of the session that started it; empty for the checkpoint's."""
        return self.folder.rpartition("tasks/")[0].rstrip("/")

    @property
    def agent_id(self) -> str | None:
        """Of a sub-agent's record: the id in the name of its transcript; None if it has none."""
        for name in self.transcript:
            if found := _TASK_TRANSCRIPT.match(name.rpartition("/")[2]):
                return found[1]
        return None


_TRANSCRIPTS: Final = ("full.jsonl", "raw_transcript", "full.log")
"""Names of whole transcripts: of today, of the abandoned v2, of the oldest ones."""
_COMPACT: Final = "transcript.jsonl"
_OF_COMPACT: Final = frozenset({_COMPACT, "transcript_hash.txt"})
_HASHES: Final = ("content_hash.txt", "raw_transcript_hash.txt")
_PROMPT: Final = "prompt.txt"
_FOLDER: Final = re.compile(r"([0-9]{1,6})/")
_TASK: Final = re.compile(r"((?:[0-9]{1,6}/)?tasks/([^/]+))/[^/]+\Z")
_TASK_TRANSCRIPT: Final = re.compile(r"agent-(.+?)\.jsonl(?:\.[0-9]{3,6})?\Z")
_TASK_FILE: Final = "task.json"
_CHUNK: Final = re.compile(r"\.([0-9]{3,6})\Z")


def is_transcript(name: str) -> bool:
    """Whether a file of a checkpoint is a transcript or a part of one, by its name."""
    base = _CHUNK.sub("", name.rpartition("/")[2])
    return base in {*_TRANSCRIPTS, _COMPACT} or _TASK_TRANSCRIPT.match(base) is not None


def list_sessions(
    checkpoint_id: str, names: Collection[str], summary: Mapping[str, object]
) -> list[SessionFiles]:
    """The sessions of a checkpoint: those that its summary lists, those that only lie there, sub-agents last.

    Args:
        checkpoint_id: the checkpoint's.
        names: paths of all its files, within it.
        summary: its `metadata.json`; may be empty.
    """
    listed: dict[str, Mapping[str, object]] = {}
    entries = summary.get("sessions")
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            listed[_folder_of(checkpoint_id, entry) or str(number)] = entry
    within = _group_names(names)
    folders = {found[1] for name in names if (found := _FOLDER.match(name))}
    ordered = sorted(folders | {each for each in listed if each in folders}, key=int)
    sessions = [_find_files(checkpoint_id, folder, within, listed.get(folder, {})) for folder in ordered]
    if not ordered and any(name in names for name in _TRANSCRIPTS):
        sessions.append(_find_files(checkpoint_id, "", within, {}))  # the oldest had one session, at the top
    tasks = {found[1]: found[2] for name in sorted(names) if (found := _TASK.match(name))}
    return [*sessions, *(_find_task(folder, tool_use, within) for folder, tool_use in tasks.items())]


def _folder_of(checkpoint_id: str, entry: Mapping[str, object]) -> str | None:
    for value in entry.values():
        path = _within(checkpoint_id, value)
        if path and (found := _FOLDER.match(path)):
            return found[1]
    return None


def _within(checkpoint_id: str, value: object) -> str | None:
    """A path from the metadata as one within the checkpoint: without slash in front and shard prefix."""
    if not isinstance(value, str):
        return None
    return value.lstrip("/").removeprefix(f"{checkpoint_id[:2]}/{checkpoint_id[2:]}/")


def _group_names(names: Iterable[str]) -> dict[str, set[str]]:
    """The names that lie in each folder."""
    within: dict[str, set[str]] = {}
    for name in names:
        within.setdefault(name.rpartition("/")[0], set()).add(name)
    return within


def _find_files(
    checkpoint_id: str, folder: str, within: Mapping[str, Collection[str]], entry: Mapping[str, object]
) -> SessionFiles:
    def pick(key: str, *usual: str) -> str | None:
        told = _within(checkpoint_id, entry.get(key))
        if told and told.rpartition("/")[2] in _OF_COMPACT and key in {"transcript", "content_hash"}:
            told = None  # what v2 lists there is the compact one
        places = [told, *(f"{folder}/{name}" if folder else name for name in usual)]
        return next(
            (place for place in places if place is not None and place in _beside(place, within)), None
        )

    transcript = pick("transcript", *_TRANSCRIPTS)
    return SessionFiles(
        folder,
        metadata=pick("metadata", SUMMARY),
        transcript=_join_chunks(transcript, within),
        compact=pick("compact_transcript", _COMPACT),
        content_hash=pick("content_hash", *_HASHES),
        prompt=pick("prompt", _PROMPT),
    )


def _beside(name: str, within: Mapping[str, Collection[str]]) -> Collection[str]:
    return within.get(name.rpartition("/")[0], ())


def _find_task(folder: str, tool_use: str, within: Mapping[str, Collection[str]]) -> SessionFiles:
    names = within.get(folder, ())
    first = min((name for name in names if _is_task_transcript(folder, name)), default=None)
    task = f"{folder}/{_TASK_FILE}"
    return SessionFiles(
        folder,
        metadata=task if task in names else None,
        transcript=_join_chunks(first, within),
        tool_use=tool_use,
    )


def _is_task_transcript(folder: str, name: str) -> bool:
    return name.startswith(f"{folder}/agent-") and _TASK_TRANSCRIPT.match(name.rpartition("/")[2]) is not None


def _join_chunks(first: str | None, within: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The first part of a transcript and those after it, by number."""
    if first is None:
        return ()
    names = _beside(first, within)
    rest = [name for name in names if name.startswith(f"{first}.") and _CHUNK.fullmatch(name[len(first) :])]
    return (first, *sorted(rest, key=lambda name: (int(name[len(first) + 1 :]), name)))


# -- what files say ------------------------------------------------------------------------------------


def parse_object(raw: bytes, place: str, problems: list[Problem]) -> dict[str, object]:
    """A JSON object; an empty one, and a problem, where there is none."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as bad:
        line = getattr(bad, "lineno", None)
        problems.append(Problem(f"{place} line {line}" if line else place, "the JSON cannot be read"))
        return {}
    if not isinstance(parsed, dict):
        problems.append(Problem(place, "the JSON is not an object"))
        return {}
    if is_deep(parsed):
        problems.append(Problem(place, f"the JSON is nested deeper than {DEPTH_MAX}"))
        return {}
    return parsed


def join_transcript(parts: Iterable[bytes]) -> bytes:
    """The whole of a split transcript: parts end at line ends, with or without their line feed."""
    ordered = list(parts)
    if len(ordered) == 1:
        return ordered[0]
    return b"\n".join(part.removesuffix(b"\n") for part in ordered)


def check_content(content: bytes, told: bytes, place: str) -> Problem | None:
    """The problem `hash_mismatch` where a transcript has another SHA-256 than is told; historical ones do."""
    wanted = told.decode("ascii", "replace").strip().rpartition(":")[2].casefold()
    found = hashlib.sha256(content).hexdigest()
    if not wanted or wanted == found:
        return None
    return Problem(place, f"hash_mismatch: the transcript hashes to {found[:16]}..., not {wanted[:16]}...")


def count_lines(content: bytes) -> int:
    """Lines of a transcript; a last one without line feed counts."""
    return content.count(b"\n") + (not content.endswith(b"\n") if content else 0)


def split_prompts(raw: bytes) -> list[str]:
    """The prompts of a `prompt.txt`."""
    text = raw.decode("utf-8", "replace")
    return [prompt for prompt in (part.strip() for part in text.split("\n\n---\n\n")) if prompt]


def render_prompts(raw: bytes, agent: str) -> bytes:
    """Prompts as a compact transcript that holds nothing else; empty without any."""
    contents = ([{"type": "text", "text": prompt}] for prompt in split_prompts(raw))
    lines = (
        json.dumps({"v": 1, "agent": agent, "type": "user", "content": content}, ensure_ascii=False)
        for content in contents
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Said:
    """What the metadata of a session say that the archive has a place for.

    Attributes:
        session_id: the agent's own; None if not said.
        agent, model, created_at, cli_version: as written; None if not said.
        commits: commits that are named, full ids only.
        start: the line of the transcript where the checkpoint's part begins; 0 if not said.
        compact_start: likewise in the compact transcript.
        files: paths that the work touched.
        kind: `agent_review`, `agent_investigate`, `imported`; None for work like any other.
    """

    session_id: str | None = None
    agent: str | None = None
    model: str | None = None
    created_at: str | None = None
    cli_version: str | None = None
    commits: tuple[str, ...] = ()
    start: int = 0
    compact_start: int = 0
    files: tuple[str, ...] = field(default=())
    kind: str | None = None


def read_said(summary: Mapping[str, object], session: Mapping[str, object]) -> Said:
    """What the two metadata files say together; the session's own word counts before the checkpoint's."""

    def text(key: str) -> str | None:
        return read_text(session.get(key)) or read_text(summary.get(key))

    agents = session.get("agents") or summary.get("agents")
    first = agents[0] if isinstance(agents, list) and agents else None
    session_id = read_text(session.get("session_id"))
    return Said(
        session_id=_DATED.sub("", session_id) if session_id else None,
        agent=text("agent") or read_text(first),
        model=read_text(session.get("model")),
        created_at=text("created_at"),
        cli_version=text("cli_version"),
        commits=tuple(_list_commits(summary, session)),
        start=_first_number(session, "checkpoint_transcript_start", "transcript_lines_at_start"),
        compact_start=_first_number(session, "compact_transcript_start"),
        files=tuple(_list_texts(session.get("files_touched") or summary.get("files_touched"))),
        kind=read_text(session.get("kind")),
    )


_DATED: Final = re.compile(r"\A\d{4}-\d\d-\d\d-(?=[0-9a-f]{8}-[0-9a-f]{4}-)")
"""Old versions wrote the day in front of the agent's own id."""
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_TEXT_BYTES_MAX: Final = 512
_LISTED_MAX: Final = 10_000
_NUMBER_MAX: Final = 2**31 - 1
_UNKNOWN: Final = frozenset({"", "unknown"})


def read_text(value: object) -> str | None:
    """A short text of the JSON that can be kept; None for everything else."""
    if not isinstance(value, str) or value.strip().casefold() in _UNKNOWN or "\0" in value:
        return None
    kept = value.strip().encode("utf-8", "replace")[:_TEXT_BYTES_MAX]
    return kept.decode("utf-8", "ignore")


def _list_commits(summary: Mapping[str, object], session: Mapping[str, object]) -> Iterable[str]:
    linked = summary.get("linked_commits")
    named = [session.get("commit_sha"), summary.get("commit_sha")]
    if isinstance(linked, list):
        # A commit of another repository is no tie to this one.
        named += [each.get("sha") for each in linked if isinstance(each, dict) and not each.get("repo")]
    seen = dict.fromkeys(each for each in named if isinstance(each, str) and _COMMIT.match(each))
    return list(seen)[:_LISTED_MAX]


def _first_number(values: Mapping[str, object], *keys: str) -> int:
    for key in keys:
        value = values.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return min(value, _NUMBER_MAX)
    return 0


def _list_texts(value: object) -> Sequence[str]:
    if not isinstance(value, list):
        return []
    return [each for each in value[:_LISTED_MAX] if isinstance(each, str)]


def cap_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Problems as they are kept: not more than can be read."""
    return tuple(problems[:_PROBLEMS_MAX])


_TEXTS: Final = frozenset(
    {"summary", "review_prompt", "investigate_topic", "skill_events", "transcript_path", "transcript_excerpt"}
)
"""Fields of a session's or task's metadata that hold words of people or of the transcript."""


def part_texts(metadata: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The fields that may be kept in the open, and those that are kept like transcripts."""
    texts = {key: value for key, value in metadata.items() if key in _TEXTS or _is_wordy(value)}
    return {key: value for key, value in metadata.items() if key not in texts}, texts


def _is_wordy(value: object) -> bool:
    """Whether a field that nobody knows may hold prose: a long text, or many lines."""
    return isinstance(value, str) and (len(value) > _TEXT_BYTES_MAX or "\n" in value)
