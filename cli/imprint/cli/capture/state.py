"""How far the sweep is: what it knows of every transcript, and which commits are linked.

Invariants:
    1. The file is replaced whole; losing it costs work, and nothing that was kept: keeping is idempotent.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from imprint.store.durable import write_durably

if TYPE_CHECKING:
    from pathlib import Path

STATE_VERSION: Final = 1
"""1: the first."""


@dataclass(slots=True)
class Known:
    """What was kept of a transcript.

    Attributes:
        agent: whose.
        session_id: the agent's own id.
        parent_id: of a sub-agent.
        cwd: the folder that it worked in; None if it is not known.
        is_here: whether that is in this clone.
        size, mtime_ns, inode: of the file when it was read.
        lines, offset: how much of it was kept: whole lines, and their bytes.
        tail: SHA-256 of the last kept bytes; a file that has others there was written anew.
    """

    agent: str
    session_id: str = ""
    parent_id: str | None = None
    cwd: str | None = None
    is_here: bool = False
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    lines: int = 0
    offset: int = 0
    tail: str = ""


@dataclass(slots=True)
class State:
    """Everything that a sweep remembers.

    Attributes:
        files: transcripts by path.
        tops: work trees of the clone, those that are gone too.
        heads: where the reflog of each work tree ended when it was looked at last.
        linked: what sessions have in commits, as it was recorded: for each commit, session and share.
        shells: hashes of what shell tools changed, by session.
        servers: addresses of remotes, and whether they are Imprint.
        destination: where the last sweep sent to; empty for the clone.
        swept_at_ms: when the last sweep ended; None before the first.
    """

    files: dict[str, Known] = field(default_factory=dict)
    tops: list[str] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)
    linked: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    shells: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    servers: dict[str, bool] = field(default_factory=dict)
    destination: str = ""
    swept_at_ms: int | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """The state; a new one where there is none or it cannot be read."""
        try:
            document = json.loads(path.read_bytes())
            if document.pop("version") != STATE_VERSION:
                return cls()
            files = {name: Known(**one) for name, one in document.pop("files").items()}
            return cls(files=files, **document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def save(self, path: Path) -> None:
        """Keep it."""
        write_durably(path, json.dumps({"version": STATE_VERSION, **asdict(self)}).encode())
