"""What every part of maintenance works with: a repository, git that stands back for others, a way to stop.

Invariants:
    1. One process at a time maintains a repository; the kernel gives `imprint/maintain.lock` back when it
       dies.
    2. New files are made in a workshop, a quarantine of their own: what a crash leaves there is swept.
    3. A git process ends within `_LOOK_SECONDS` of the wish to stop.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed, StorageFailed
from imprint.store.hosting.followers import Stopped, never
from imprint.store.plumbing import CHILD_NICENESS
from imprint.store.receive.quarantine import open_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.plumbing import GitProcess, Plumbing
    from imprint.store.receive.quarantine import Quarantine
    from imprint.store.types import HashAlgorithm, ObjectId

STEPS: Final = (
    "adopted",
    "planned",
    "packed",
    "verified",
    "locked",
    "placed .pack",
    "placed .rev",
    "placed .idx",
    "placed",
    "replaced",
    "released",
    "placed bitmap",
    "indexed",
    "placed graph",
    "graphed",
    "hidden",
    "removed",
    "forgotten",
)
"""Where maintenance is; a `step` callback hears each as it is reached. Several packs repeat some of them."""
_NICENESS: Final = 10
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Work:
    """One repository being maintained.

    Attributes:
        repository: which.
        hosting: whose.
        stopping: whether to stop; what is then under way is left, and done again at the next start.
        step: told each of `STEPS` as it is reached; for tests that stop the world there.
    """

    repository: Repository
    hosting: Hosting
    stopping: Callable[[], bool] = never
    step: Callable[[str], None] = lambda _: None

    @property
    def git_dir(self) -> Path:
        """The bare repository."""
        return self.repository.git_dir

    @property
    def pack_dir(self) -> Path:
        """Where its packs are."""
        return self.repository.git_dir / "objects" / "pack"

    @property
    def algorithm(self) -> HashAlgorithm:
        """Of its ids."""
        return self.repository.record.algorithm

    def list_live(self) -> frozenset[str]:
        """Names of the packs that the catalogue vouches for."""
        return self.hosting.catalogue.list_packs(self.repository.record.id)

    def list_retired(self) -> dict[str, int]:
        """The packs whose files may go, with when they were retired."""
        return self.hosting.catalogue.list_retired_packs(self.repository.record.id)

    def snapshot(self) -> RefSnapshot:
        """The refs, hidden ones included."""
        return self.repository.view.refs.snapshot()

    @contextmanager
    def workshop(self, names: Iterable[str] = ()) -> Iterator[Quarantine]:
        """A place for new files on the same file system; gone at the end of the block.

        Args:
            names: packs that will be written again there.

        Raises:
            StorageFailed: there is no room for them beside what pushes need.
        """
        files = (self.pack_dir / f"{name}.pack" for name in names)
        more_bytes = sum(path.stat().st_size for path in files if path.exists())
        with open_in(self.repository, self.hosting, "work", more_bytes=more_bytes) as quarantine:
            yield quarantine

    def run(self, plumbing: Plumbing, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run one git command, standing back for others, and return its output.

        Raises:
            Stopped: it was time to stop; the process is gone.
            PlumbingFailed: it failed.
        """
        if self.stopping():
            raise Stopped
        nice = CHILD_NICENESS.set(_NICENESS)
        try:
            with plumbing.stream(*arguments) as process, self._watched(process), process.fed(stdin):
                output = process.stdout.read()
                process.finish()
        except (PlumbingFailed, ValueError):  # a killed process's pipes are closed
            if self.stopping():
                raise Stopped from None
            raise
        finally:
            CHILD_NICENESS.reset(nice)
        return output

    @contextmanager
    def _watched(self, process: GitProcess) -> Iterator[None]:
        """Kill the process when it is time to stop."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_SECONDS):
                if self.stopping():
                    process.kill()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


@contextmanager
def exclusively(work: Work, *, wait: bool = True) -> Iterator[bool]:
    """A block in which nobody else maintains the repository.

    Args:
        work: what is to be done.
        wait: for others to finish; otherwise the block gets False when there are any.

    Raises:
        Stopped: it was time to stop while waiting.
        StorageFailed: the lock's file cannot be made.
    """
    path = work.git_dir / "imprint" / "maintain.lock"
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise StorageFailed(f"{path}: {failure.strerror}") from failure
    try:
        taken = _try_lock(descriptor)
        while wait and not taken:
            if work.stopping():
                raise Stopped
            time.sleep(_LOOK_SECONDS)
            taken = _try_lock(descriptor)
        yield taken
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def render_tips(snapshot: RefSnapshot) -> bytes:
    """Every id that a ref has, one per line."""
    return render_ids(value.id for value in snapshot.refs.values())


def render_ids(ids: Iterator[ObjectId] | frozenset[ObjectId], prefix: str = "") -> bytes:
    """Ids, one per line."""
    return "".join(f"{prefix}{each}\n" for each in dict.fromkeys(ids)).encode()
