"""Transcripts of agents on this machine: where each agent keeps them, and which belong to a clone.

Invariants:
    1. Nothing is written there, and a file that cannot be read is passed over.
    2. A transcript belongs to a clone only if its session's folder is known and lies in one of the clone's
       work trees, in no repository within them, and in no excluded folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.capture.hooks.agents import agent_folder
from imprint.store.agents.known import HEAD_SIZE, find_format
from imprint.store.agents.opencode import export_session, list_database_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from imprint.cli.capture.notes import Note

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")
_CODEX_ID: Final = re.compile(r"rollout-.*?-([0-9a-f]{8}-[0-9a-f-]{27})\Z")
_DATABASE: Final = "#"


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session's transcript on disk.

    Attributes:
        agent: whose.
        path: the file; of OpenCode, its database.
        session_id: as the file's name or the database has it; empty if neither says.
        parent_id: of a sub-agent, as its folder says.
        cwd: as something beside the transcript says; None if nothing does.
        updated: for what is in a database: when it changed last, in milliseconds.
        read_whole: how to read it, where its file is not to be read as it is.
        is_noted: whether a hook named it, from a folder that the session may only have come to.
    """

    agent: str
    path: Path
    session_id: str = ""
    parent_id: str | None = None
    cwd: str | None = None
    updated: int | None = None
    read_whole: Callable[[], bytes] | None = field(default=None, compare=False)
    is_noted: bool = False

    @property
    def key(self) -> str:
        """What the sweep remembers it by."""
        return os.fspath(self.path) + (_DATABASE + self.session_id if self.updated is not None else "")

    @property
    def is_growing(self) -> bool:
        """Whether it only ever gets more lines."""
        return self.updated is None and self.read_whole is None and self.path.suffix == ".jsonl"

    def stamp(self) -> tuple[int, int, int]:
        """Size, time and inode; of what is in a database, its own time.

        Raises:
            OSError: it is gone.
        """
        if self.updated is not None:
            return 0, self.updated * 10**6, 0
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns, status.st_ino

    def read(self, offset: int = 0) -> bytes:
        """Its bytes from an offset on.

        Raises:
            OSError: it cannot be read.
        """
        if self.read_whole is not None:
            return self.read_whole()[offset:]
        if self.updated is not None:
            return (export_session(self.path, self.session_id) or b"")[offset:]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read()

    def find_cwd(self) -> str | None:
        """The folder that the session works in, as its first lines say; else as something beside it."""
        if self.updated is not None or self.read_whole is not None:
            return self.cwd
        if self.cwd is not None and not self.is_noted:
            return self.cwd
        with self.path.open("rb") as file:
            head = file.read(HEAD_SIZE)
        form = find_format(self.agent, head)
        if form is None:
            return self.cwd
        if len(head) == HEAD_SIZE and self.is_growing:
            head = head[: head.rfind(b"\n") + 1]
        return form.parse(head).cwd or self.cwd


class Ground:
    """The work trees of a clone, and which folders lie in them.

    Args:
        tops: of all its work trees, those that are gone too.
        excluded: folders whose sessions are left alone.
    """

    def __init__(self, tops: Iterable[str], excluded: Iterable[Path] = ()) -> None:
        self.tops = list(dict.fromkeys(chain.from_iterable((top, os.path.realpath(top)) for top in tops)))
        self._excluded = [os.path.realpath(one) for one in excluded]

    def holds(self, cwd: str) -> bool:
        """Whether a session in this folder is one of the clone's."""
        real = os.path.realpath(cwd)
        if any(_lies_in(real, one) for one in self._excluded):
            return False
        # The innermost: work trees may lie within each other.
        around = [top for top in self.tops if _lies_in(real, top)]
        if not around:
            return False
        top, here = max(around, key=len), real
        while here != top and len(here) > len(top):
            if os.path.lexists(os.path.join(here, ".git")):  # noqa: PTH118 - plain text, many times
                return False
            here = os.path.dirname(here)  # noqa: PTH120 - likewise
        return True

    def find_top(self, cwd: str) -> str | None:
        """The real path of the work tree that a folder lies in."""
        real = os.path.realpath(cwd)
        around = [top for top in self.tops if _lies_in(real, top)]
        return os.path.realpath(max(around, key=len)) if around else None


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def list_transcripts(home: Path, environment: Mapping[str, str], ground: Ground) -> Iterator[Transcript]:
    """Every transcript of every agent that can be of this clone, and some that are not."""
    yield from _list_claude(agent_folder("claude-code", home, environment))
    yield from _list_codex(agent_folder("codex", home, environment))
    yield from _list_gemini(agent_folder("gemini-cli", home, environment), ground)
    yield from _list_cursor(agent_folder("cursor", home, environment), ground)
    for path in (agent_folder("copilot-cli", home, environment) / "session-state").glob("*/events.jsonl"):
        yield Transcript("copilot-cli", path, path.parent.name)
    yield from _list_opencode(home, environment)


def list_noted(notes: Sequence[Note]) -> Iterator[Transcript]:
    """Transcripts that hooks named, wherever they lie."""
    for note in notes:
        if note.transcript:
            yield Transcript(
                note.agent, Path(note.transcript), note.session, cwd=note.cwd or None, is_noted=True
            )
        if note.child:
            path = Path(note.child)
            yield Transcript(
                note.agent, path, path.stem, note.session or None, note.cwd or None, is_noted=True
            )


def _list_claude(folder: Path) -> Iterator[Transcript]:
    for project in _folders(folder / "projects"):
        for path in project.glob("*.jsonl"):
            yield Transcript("claude-code", path, path.stem)
        for path in project.glob("*/subagents/**/agent-*.jsonl"):
            parent = path.relative_to(project).parts[0]
            yield Transcript("claude-code", path, path.stem, parent)


def _list_codex(folder: Path) -> Iterator[Transcript]:
    for place in ("sessions", "archived_sessions"):
        for path in (folder / place).rglob("rollout-*.jsonl"):
            found = _CODEX_ID.match(path.stem)
            yield Transcript("codex", path, found[1] if found else path.stem)


def _list_gemini(folder: Path, ground: Ground) -> Iterator[Transcript]:
    """A project's folder is named by the hash of its path, or holds its path in `.project_root`."""
    hashed = {hashlib.sha256(os.fsencode(top)).hexdigest(): top for top in ground.tops}
    for project in _folders(folder / "tmp"):
        cwd = hashed.get(project.name)
        with suppress(OSError):
            cwd = cwd or (project / ".project_root").read_text("utf-8", "surrogateescape").strip() or None
        for path in project.glob("chats/**/session-*.json*"):
            yield Transcript("gemini-cli", path, cwd=cwd)


def _list_cursor(folder: Path, ground: Ground) -> Iterator[Transcript]:
    """A project's folder is named by its path, with all but letters and digits made one hyphen."""
    named = {_UNSAFE.sub("-", top).strip("-"): top for top in ground.tops}
    for project in _folders(folder / "projects"):
        cwd = named.get(project.name)
        for path in (project / "agent-transcripts").rglob("*.jsonl"):
            parts = path.relative_to(project / "agent-transcripts").parts
            parent = parts[0] if len(parts) > 2 else None  # noqa: PLR2004 - ID/subagents/ID.jsonl
            yield Transcript("cursor", path, path.stem, parent, cwd)


def _list_opencode(home: Path, environment: Mapping[str, str]) -> Iterator[Transcript]:
    named = environment.get("XDG_DATA_HOME") or ""
    data = Path(named) if named.startswith("/") else home / ".local" / "share"
    database = data / "opencode" / "opencode.db"
    if database.is_file():
        with suppress(OSError):
            for session_id, cwd, updated in list_database_sessions(database):
                yield Transcript("opencode", database, session_id, cwd=cwd or None, updated=updated)


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in folder.iterdir() if one.is_dir())
    return []
