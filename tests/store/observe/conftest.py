"""Sessions of Claude Code made up for the tests, and the archive that keeps them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imprint.store.events import EventKind
from imprint.store.evidence.claims import Evidence
from imprint.store.observe.follower import ObservationsFollower
from imprint.store.observe.owners import Owners
from imprint.store.observe.store import Observations
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.model import Anchor, ArchivedSession, Record, Source
from imprint.store.types import ObjectId

START_S = 1_760_000_000
"""When the made-up sessions begin: 2025-10-09."""


def _at(second: int) -> str:
    return datetime.fromtimestamp(START_S + second, UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Script:
    """A transcript in the making; each line comes a second after the one before."""

    session: str = "11111111-0000-4000-8000-000000000001"
    cwd: str = "/srv/ada/app"
    begins_s: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def _add(self, kind: str, content: Any, **more: Any) -> None:
        number = len(self.lines)
        self.lines.append(
            {
                "type": kind,
                "uuid": f"{self.session}-{number}",
                "sessionId": self.session,
                "cwd": self.cwd,
                "version": "2.0.0",
                "timestamp": _at(self.begins_s + number),
                "message": {"role": kind, "id": f"m{number}", "model": "claude-opus-4-6", "content": content},
                **more,
            }
        )

    def prompt(self, text: str) -> "Script":
        self._add("user", text)
        return self

    def write(self, path: str, text: str) -> "Script":
        return self._use("Write", {"file_path": path, "content": text})

    def edit(self, path: str, old: str, new: str, *, fails: bool = False) -> "Script":
        return self._use("Edit", {"file_path": path, "old_string": old, "new_string": new}, fails=fails)

    def _use(self, name: str, given: dict[str, str], *, fails: bool = False) -> "Script":
        number = f"toolu_{self.session[:8]}_{len(self.lines)}"
        self._add("assistant", [{"type": "tool_use", "id": number, "name": name, "input": given}])
        result = {"type": "tool_result", "tool_use_id": number, "content": "done", "is_error": fails}
        self._add("user", [result])
        return self

    @property
    def count(self) -> int:
        return len(self.lines)

    @property
    def content(self) -> bytes:
        return "".join(f"{json.dumps(line)}\n" for line in self.lines).encode()


@pytest.fixture
def script() -> Callable[..., Script]:
    return Script


@dataclass
class Room:
    """A hosted repository whose archive and observations follow what is pushed and kept."""

    bench: Any
    git: Any
    observations: Observations
    ledger: Ledger
    stops: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        hosting = self.bench.hosting
        self.reads: list[str] = []

        def read(repository_id: str, session: ArchivedSession) -> bytes:
            self.reads.append(session.id)
            return hosting.keeper.read_transcript(repository_id, session)

        self.deliveries = ProvenanceFollower(self.ledger, hosting)
        self.follower = ObservationsFollower(
            self.observations,
            hosting.archive,
            read,
            self.ledger,
            lambda: bool(self.stops),
            Owners(self.ledger.deliveries, hosting.catalogue.find_actor),
        )

    @property
    def id(self) -> str:
        return self.bench.repository.record.id

    def commit(self, path: str, text: str, second: int, message: str = "change") -> ObjectId:
        stamp = f"{START_S + second} +0000"
        made = self.git.commit_file(path, text, message, author_date=stamp, committer_date=stamp)
        return ObjectId(made)

    def push(self, branch: str = "main", *, follow: bool = True) -> None:
        name = f"refs/heads/{branch}"
        new = self.git("rev-parse", name)
        old = self.bench.refs.get(name)
        pack = self.bench.pack(self.git.folder, new, exclude=tuple(self.bench.refs.values()))
        receipt = self.bench.push({name: (old, new)}, pack)
        assert [result.error for result in receipt.results] == [None]
        if follow:
            self.catch_up()

    def keep(
        self,
        script: Script,
        *anchors: Anchor,
        part: tuple[int, int] | None = None,
        parent: str | None = None,
        actor: str = "ada",
    ) -> None:
        """Keep a session, with a record that has the anchors, and let the followers know."""
        hosting = self.bench.hosting
        given = GivenSession(
            "claude-code", script.content, Source("capture"), session_id=script.session, parent_id=parent
        )
        hosting.keeper.keep(self.id, given, actor)
        if anchors:
            record = Record(
                f"r{hosting.archive.last_serial(self.id)}", Source("capture"), actor, 0, anchors,
                session_id=script.session, part=part,
            )  # fmt: skip
            hosting.archive.add_records(self.id, [record])
        hosting.announce(self.id, EventKind.RECORDED, self.bench.principal, {})
        self.catch_up()

    def catch_up(self) -> None:
        catalogue = self.bench.hosting.catalogue
        for follower in (self.deliveries, self.follower):
            while events := catalogue.list_events(self.id, after=follower.position(self.id)):
                follower.follow(self.bench.repository, events)

    def told(self, commit: ObjectId) -> list[tuple[int | None, list[tuple[str, int, int]], str]]:
        """What is observed of a commit: turn, lines, method."""
        claims = self.observations.claims_of(self.id, [commit]).get(commit, [])
        assert all(claim.evidence is Evidence.OBSERVED and claim.session and claim.score for claim in claims)
        return sorted(
            (claim.turn, [(it.path.decode(), it.start, it.end) for it in claim.lines], claim.method)
            for claim in claims
        )


@pytest.fixture
def room(bench: Any, work_tree: Any, tmp_path: Path) -> Iterator[Room]:
    observations = Observations.open(tmp_path / "derived" / "observations.db")
    ledger = Ledger.open(tmp_path / "derived" / "provenance.db")
    yield Room(bench, work_tree, observations, ledger)
    observations.close()
    ledger.close()
