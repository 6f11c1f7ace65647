"""A hosted repository with a ledger that follows it, and clones read where they lie."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imprint.store.actors import ActorKind, Principal, Verb
from imprint.store.clone import Clone
from imprint.store.events import EventKind
from imprint.store.hosting.access import SessionSeed
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger
from imprint.store.view import RepositoryView

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass
class Room:
    """A hosted repository, a work tree to push from, and the ledger."""

    bench: Any
    git: Any
    ledger: Ledger
    follower: ProvenanceFollower

    @property
    def view(self) -> RepositoryView:
        return self.bench.repository.view

    @property
    def id(self) -> str:
        return self.bench.repository.record.id

    def principal(
        self,
        actor: str,
        kind: ActorKind = ActorKind.AGENT,
        session: SessionSeed | None = None,
        emails: tuple[str, ...] = (),
    ) -> Principal:
        """Somebody with a token that may write, in a session if one is given."""
        _, secret = self.bench.hosting.issue_token(
            actor=actor,
            kind=kind,
            repositories=["acme/app"],
            verbs=frozenset({Verb.READ, Verb.WRITE}),
            session=session,
            emails=emails,
        )
        return self.bench.hosting.authenticate(secret)

    def push(
        self,
        principal: Principal,
        *refs: str,
        kind: EventKind = EventKind.PUSH,
        follow: bool = True,
        **more: Any,
    ) -> Any:
        """Push refs of the work tree (`main` for a branch, or full names) and return the event."""
        commands, wanted = {}, []
        known = self.bench.refs
        for ref in refs:
            name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
            new = self.git.run("rev-parse", "-q", "--verify", name, check=False).stdout.decode().strip()
            commands[name] = (known.get(name), new or None)
            wanted += [new] if new else []
        pack = self.bench.pack(self.git.folder, *wanted, exclude=tuple(known.values())) if wanted else None
        receipt = self.bench.push(commands, pack, principal=principal, kind=kind, **more)
        assert [result.error for result in receipt.results] == [None] * len(commands)
        if follow:
            self.catch_up()
        return receipt.event

    def catch_up(self) -> None:
        """Let the follower see what it has not seen."""
        events = self.bench.hosting.catalogue.list_events(self.id, after=self.follower.position(self.id))
        self.follower.follow(self.bench.repository, events)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger" / "provenance.db")
    yield opened
    opened.close()


@pytest.fixture
def room(bench: Any, work_tree: Any, ledger: Ledger) -> Room:
    return Room(bench, work_tree, ledger, ProvenanceFollower(ledger, bench.hosting))


@pytest.fixture
def clone_view() -> Iterator[Callable[[Path], RepositoryView]]:
    """Opens a stock repository as a clone."""
    opened: list[Clone] = []

    def open_clone(folder: Path) -> RepositoryView:
        opened.append(Clone.discover(folder))
        return opened[-1].view

    yield open_clone
    for clone in opened:
        clone.close()
