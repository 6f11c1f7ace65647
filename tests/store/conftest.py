"""A data folder with one repository, and somebody who pushes to it without a wire in between."""

import gc
import io
import socket
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.folders import make_data_folder

from imprint.store.actors import ActorKind, Principal, Verb
from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.clock import CountingIds, ManualClock
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.limits import Limits
from imprint.store.plumbing import Plumbing
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import Push, Receipt, Receiver, RefCommand
from imprint.store.transcripts.memory import MemoryTranscripts
from imprint.store.types import HashAlgorithm, ObjectId, RepositoryName


@dataclass
class Bench:
    """One hosted repository `acme/app`, a receiver, and the principal `ada` who may write."""

    hosting: Hosting
    repository: Repository
    receiver: Receiver
    principal: Principal
    admitted: list[str] = field(default_factory=list)

    def pack(self, source: Path, *include: str, exclude: tuple[str, ...] = (), thin: bool = False) -> bytes:
        """A pack of what is reachable from `include` and not from `exclude` in a stock repository."""
        revisions = "\n".join([*include, *(f"^{each}" for each in exclude)]) + "\n"
        done = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q", *(["--thin"] if thin else [])],
            cwd=source,
            input=revisions.encode(),
            capture_output=True,
            check=True,
        )
        return done.stdout

    def push(
        self, commands: dict[str, tuple[str | None, str | None]], pack: bytes | io.BytesIO | None, **more: Any
    ) -> Receipt:
        """Push `{ref: (old, new)}`; `more` are further fields of `Push`."""
        values = {
            "principal": self.principal,
            "commands": tuple(
                RefCommand(name.encode(), ObjectId(old) if old else None, ObjectId(new) if new else None)
                for name, (old, new) in commands.items()
            ),
            "pack": io.BytesIO(pack) if isinstance(pack, bytes) else pack,
            **more,
        }
        return self.receiver.receive(Push(**values), self.repository)

    @property
    def refs(self) -> dict[str, str]:
        snapshot = self.repository.view.refs.snapshot()
        return {name.text: value.id for name, value in snapshot.refs.items()}

    @property
    def files(self) -> set[str]:
        """Every file below the repository's folder, except locks, which stay."""
        root = self.repository.git_dir
        found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        return {name for name in found if not name.endswith(".lock")}

    @property
    def events(self) -> int:
        return len(self.hosting.catalogue.list_events(self.repository.record.id))

    def fsck(self) -> None:
        """`git fsck --full` with every SQL tip; raises when anything is wrong."""
        Plumbing(self.repository.git_dir).run(
            "fsck", "--full", "--strict", "--no-dangling", *self.refs.values()
        )


def open_bench(
    hosting: Hosting,
    name: str = "acme/app",
    judge: Any = None,
    algorithm: HashAlgorithm = HashAlgorithm.SHA1,
    **options: Any,
) -> Bench:
    key = RepositoryName.parse(name)
    found = hosting.catalogue.find_repository(key)
    repository = hosting.get(key) if found else hosting.create(key, None, algorithm=algorithm)
    _, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=[name], verbs=frozenset({Verb.READ, Verb.WRITE})
    )
    admitted: list[str] = []
    receiver = Receiver(hosting, judge or ScopeJudge(), admitted.append, **options)
    return Bench(hosting, repository, receiver, hosting.authenticate(secret), admitted)


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a bench over a catalogue in memory; `limits`, `judge`, `algorithm` and `step` may be given."""
    opened: list[Hosting] = []

    def make(limits: Limits | None = None, **options: Any) -> Bench:
        folder = make_data_folder(tmp_path / f"data{len(opened)}")
        hosting = Hosting(
            folder, MemoryCatalogue(), MemoryTranscripts(), ManualClock(), CountingIds(), limits or Limits()
        )
        opened.append(hosting)
        return open_bench(hosting, **options)

    yield make
    for hosting in opened:
        hosting.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def sql_hosting(tmp_path: Path) -> Iterator[Hosting]:
    """A data folder as a server has it: SQLite on disk."""
    hosting = Hosting.open(make_data_folder(tmp_path / "data"))
    yield hosting
    hosting.close()


@pytest.fixture
def sql_bench(sql_hosting: Hosting) -> Bench:
    return open_bench(sql_hosting)


# -- a database whose connections break -----------------------------------------------------------------


class Proxy:
    """Stands before a database, and cuts a connection around a writer's commit when told to.

    `cut` is one of: `None`; "before", the commit never arrives; "after", it arrives and its answer does not.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut: str | None = None
        self.is_closed_to_new = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_closed_to_new:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                writes = threading.Event()
                for ends in ((client, server, "before"), (server, client, "after")):
                    threading.Thread(target=self._copy, args=(*ends, writes), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, cut: str, writes: threading.Event) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if b"READ COMMITTED" in piece:
                    writes.set()
                if b"READ ONLY" in piece:
                    writes.clear()
                if self.cut == cut and writes.is_set() and b"commit\0" in piece.lower():
                    self.cut = None
                    break
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()  # the other end is closed by the thread that reads it


@pytest.fixture
def proxied() -> Iterator[Callable[[int], Proxy]]:
    """Makes a `Proxy` before the port of a database."""
    made: list[Proxy] = []

    def make(port: int) -> Proxy:
        made.append(Proxy(port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def sockets_of_the_driver() -> Iterator[None]:
    """pg8000 leaves the socket of a connection that did not come about to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def make_bench_on() -> Callable[..., Bench]:
    """Makes a bench on an opened hosting; `judge` and `step` may be given."""
    return open_bench
