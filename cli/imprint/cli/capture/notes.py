"""Notes that hooks left in the spool, read and taken away.

Invariants:
    1. A note is taken away after what it says was used; one that cannot be read is taken away at once.
    2. Nothing of a payload is kept but ids, paths and the command of a shell tool.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.cli.capture.hooks.script import PAYLOAD_BYTES_MAX, POST_COMMIT, POST_REWRITE

if TYPE_CHECKING:
    from pathlib import Path

_TREE: Final = re.compile(rb"\nimprint-tree (\S+)\n\Z")
_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEAD_PARTS: Final = 4
_STALE_SECONDS: Final = 3600
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "session": ("session_id", "sessionId", "conversation_id"),
    "transcript": ("transcript_path", "transcriptPath"),
    "child": ("agent_transcript_path",),
    "cwd": ("cwd",),
    "call": ("tool_use_id", "toolUseId", "toolCallId", "call_id", "turn_id"),
    "input": ("tool_input", "toolArgs", "toolInput"),
}
"""What payloads of the agents call these."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a hook said.

    Attributes:
        file: the note itself.
        at_ns: when.
        agent: who called, `git` for git's own hooks.
        event: what happened.
        session: the agent's id of its session; empty if not said.
        transcript, child: paths of transcripts, the session's and its sub-agent's; empty if not said.
        cwd: empty if not said.
        call: id of the tool call; empty if not said.
        command: of a shell tool.
        tree: a snapshot's id, or why there is none; empty if none was wanted.
        commit: the commit that was made.
        rewritten: commits before and after.
    """

    file: Path
    at_ns: int
    agent: str
    event: str
    session: str = ""
    transcript: str = ""
    child: str = ""
    cwd: str = ""
    call: str = ""
    command: str = ""
    tree: str = ""
    commit: str = ""
    rewritten: tuple[tuple[str, str], ...] = ()

    def discard(self) -> None:
        """Take the note away."""
        with suppress(FileNotFoundError):
            self.file.unlink()


def read_notes(spool: Path) -> list[Note]:
    """All notes, oldest first; what cannot be read is taken away."""
    notes = []
    try:
        files = list(spool.iterdir())
    except FileNotFoundError:
        return []
    newest = 0
    for file in files:
        with suppress(FileNotFoundError):
            newest = max(newest, file.stat().st_mtime_ns)
            if file.name.startswith("."):
                continue
            note = _read_note(file)
            if note is None:
                file.unlink()
            else:
                notes.append(note)
    _drop_halves(files, newest)
    return sorted(notes, key=lambda note: (note.at_ns, note.file.name))


def _drop_halves(files: list[Path], newest_ns: int) -> None:
    """Take away what a hook that was killed had begun to write, an hour later by the files' own times."""
    for file in files:
        if file.name.startswith("."):
            with suppress(FileNotFoundError):
                if newest_ns - file.stat().st_mtime_ns > _STALE_SECONDS * 10**9:
                    file.unlink()


def _read_note(file: Path) -> Note | None:
    with file.open("rb") as opened:
        content = opened.read(PAYLOAD_BYTES_MAX + 4096)
    at_ns = file.stat().st_mtime_ns
    first, _, rest = content.partition(b"\n")
    head = first.decode("ascii", "replace").split(" ")
    if len(head) != _HEAD_PARTS or head[0] != "imprint-note":
        return None
    agent, event = head[2], head[3]
    if agent == "git":
        return _read_git_note(file, at_ns, event, rest.decode("utf-8", "surrogateescape"))
    tree = ""
    if found := _TREE.search(rest):
        tree, rest = found[1].decode("ascii", "replace"), rest[: found.start()]
    event = file.name.partition(".")[0]
    said = _read_payload(rest.decode("utf-8", "replace"))
    return Note(
        file,
        at_ns,
        agent,
        event,
        session=said["session"],
        transcript=said["transcript"],
        child=said["child"],
        cwd=said["cwd"],
        call=said["call"],
        command=said["command"],
        tree=tree,
    )


def _read_git_note(file: Path, at_ns: int, event: str, text: str) -> Note | None:
    lines = text.splitlines()
    if event == POST_COMMIT and lines and _ID.fullmatch(lines[0]):
        return Note(file, at_ns, "git", event, commit=lines[0])
    if event == POST_REWRITE:
        pairs = [line.split(" ")[:2] for line in lines]
        rewritten = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and all(map(_ID.fullmatch, pair))]  # noqa: PLR2004
        return Note(file, at_ns, "git", event, rewritten=tuple(rewritten))
    return Note(file, at_ns, "git", event)


def _read_payload(text: str) -> dict[str, str]:
    """Ids and paths of a payload; one that was cut off is searched for them."""
    try:
        payload = json.loads(text)
    except ValueError:
        payload = {
            name: found for names in _NAMES.values() for name in names if (found := _salvage(text, name))
        }
    if not isinstance(payload, dict):
        payload = {}
    said = {
        what: next((value for name in names if isinstance(value := payload.get(name), str)), "")
        for what, names in _NAMES.items()
        if what != "input"
    }
    given = next((payload[name] for name in _NAMES["input"] if name in payload), None)
    if isinstance(given, str):
        with suppress(ValueError):
            given = json.loads(given)
    command = given.get("command") if isinstance(given, dict) else None
    roots = payload.get("workspace_roots")
    if not said["cwd"] and isinstance(roots, list) and roots and isinstance(roots[0], str):
        said["cwd"] = roots[0]
    return said | {"command": command if isinstance(command, str) else ""}


def _salvage(text: str, name: str) -> str:
    found = re.search(rf'"{name}"\s*:\s*("(?:[^"\\]|\\.)*")', text)
    if not found:
        return ""
    with suppress(ValueError):
        return str(json.loads(found[1]))
    return ""
