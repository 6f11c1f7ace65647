"""A hosted repository to which checkpoints are pushed, in every layout, and the follower that reads them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imprint.store.intake.follower import RecordsFollower
from imprint.store.intake.state import IntakeState
from imprint.store.sessions.model import Anchor, AnchorKind, Record

BRANCH = "refs/heads/entire/checkpoints/v1"


def line(number: int, text: str, kind: str = "user") -> bytes:
    """One line of a transcript as Claude Code writes it."""
    content = text if kind == "user" else [{"type": "text", "text": text}]
    said = {
        "type": kind,
        "uuid": f"u{number}",
        "sessionId": "s1",
        "timestamp": f"2026-01-02T03:{number // 60:02}:{number % 60:02}.000Z",
        "message": {"role": kind, "content": content, "model": "claude-opus-4-5"},
    }
    return json.dumps(said).encode() + b"\n"


def transcript(*texts: str) -> bytes:
    """A transcript of prompts, each with an answer."""
    lines = []
    for number, text in enumerate(texts):
        lines += [line(2 * number, text), line(2 * number + 1, f"done: {text}", "assistant")]
    return b"".join(lines)


def checkpoint(
    checkpoint_id: str, sessions: Mapping[str, bytes], *, prefix: str = "", start: int = 0, **more: Any
) -> dict[str, bytes]:
    """The files of a checkpoint whose sessions have these transcripts."""
    files: dict[str, bytes] = {}
    entries = []
    for number, (session_id, content) in enumerate(sessions.items()):
        entries.append(
            {"metadata": f"/{prefix}{number}/metadata.json", "transcript": f"/{prefix}{number}/full.jsonl"}
        )
        metadata = {
            "session_id": session_id,
            "checkpoint_id": checkpoint_id,
            "agent": "Claude Code",
            "model": "claude-opus-4-5",
            "created_at": "2026-01-02T03:04:05Z",
            "checkpoint_transcript_start": start,
            **more,
        }
        files[f"{prefix}{number}/metadata.json"] = json.dumps(metadata).encode()
        files[f"{prefix}{number}/full.jsonl"] = content
        digest = hashlib.sha256(content).hexdigest()
        files[f"{prefix}{number}/content_hash.txt"] = f"sha256:{digest}".encode()
    summary = {"cli_version": "1.0", "checkpoint_id": checkpoint_id, "sessions": entries, "future_field": [1]}
    files[f"{prefix}metadata.json"] = json.dumps(summary).encode()
    return files


@dataclass
class Intake:
    """See the module."""

    bench: Any
    git: Any
    state: IntakeState
    follower: RecordsFollower

    branch = BRANCH
    talk = staticmethod(transcript)
    files = staticmethod(checkpoint)

    @staticmethod
    def on_branch(checkpoint_id: str, sessions: Mapping[str, bytes], **more: Any) -> dict[str, bytes]:
        """The files of a checkpoint where the branch of checkpoints has them."""
        return checkpoint(checkpoint_id, sessions, prefix=f"{checkpoint_id[:2]}/{checkpoint_id[2:]}/", **more)

    @property
    def id(self) -> str:
        return str(self.bench.repository.record.id)

    @property
    def archive(self) -> Any:
        return self.bench.hosting.keeper.archive

    def commit(self, ref: str, files: Mapping[str, bytes], remove: tuple[str, ...] = ()) -> str:
        """A commit on a ref, in one stream to git."""
        parts = [f"commit {ref}\ncommitter Ada <ada@example.com> 1767323045 +0000\ndata 1\nx\n".encode()]
        tip = self.git.run("rev-parse", "-q", "--verify", ref, check=False).stdout.decode().strip()
        if tip:
            parts.append(f"from {tip}\n".encode())
        parts += [f"D {path}\n".encode() for path in remove]
        for path, content in files.items():
            parts.append(f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
        self.git.run("fast-import", "--quiet", "--force", stdin=b"".join(parts))
        return str(self.git("rev-parse", ref))

    def push(self, *refs: str, follow: bool = True) -> Any:
        """Push refs of the work tree as they are; a ref that is gone there is deleted."""
        commands, wanted = {}, []
        for ref in refs:
            new = self.git.run("rev-parse", "-q", "--verify", ref, check=False).stdout.decode().strip()
            commands[ref] = (self.bench.refs.get(ref), new or None)
            wanted += [new] if new else []
        pack = (
            self.bench.pack(self.git.folder, *wanted, exclude=tuple(self.bench.refs.values()))
            if wanted
            else None
        )
        receipt = self.bench.push(commands, pack)
        assert [result.error for result in receipt.results] == [None] * len(commands)
        if follow:
            self.catch_up()
        return receipt.event

    def catch_up(self) -> None:
        """Let the follower see what it has not seen."""
        events = self.bench.hosting.catalogue.list_events(self.id, after=self.follower.position(self.id))
        if events:
            self.follower.follow(self.bench.repository, events)

    def records(self, checkpoint_id: str | None = None) -> list[Record]:
        """All records, or those of a checkpoint."""
        if checkpoint_id is None:
            return list(self.archive.list_records(self.id))
        return list(self.archive.find_records(self.id, [Anchor(AnchorKind.CHECKPOINT, checkpoint_id)]))

    def kept(self, session_id: str) -> bytes:
        """The transcript as it is kept."""
        session = self.archive.find_session(self.id, session_id)
        return bytes(self.bench.hosting.keeper.read_transcript(self.id, session))

    def problems(self) -> list[tuple[str, str]]:
        return [(problem.place, problem.text) for _, problem in self.state.problems(self.id)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[IntakeState]:
    opened = IntakeState.open(tmp_path / "derived" / "intake.db")
    yield opened
    opened.close()


@pytest.fixture
def intake(bench: Any, work_tree: Any, state: IntakeState) -> Intake:
    return Intake(bench, work_tree, state, RecordsFollower(state, bench.hosting))
