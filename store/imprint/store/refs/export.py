"""Refs written where stock git on the server's disk finds them: `packed-refs` and `HEAD`.

The catalogue decides; what is written here is a copy that follows it.

Invariants:
    1. When `follow` returns, git sees exactly the refs and HEAD of one generation, that of the last event or
       a later one.
    2. A ref that is in both generations is never absent in between: `packed-refs` is replaced whole, and only
       then do loose refs go, which only stock git run by hand can have made.
    3. The position is written last, when the rest is durable. A crash before that repeats the export, which
       gives the same files.
    4. Every file is replaced under git's own lock for it (`packed-refs.lock`, `HEAD.lock`), so that a git
       command run by hand and the export do not overwrite each other half-way.

Formats: gitrepository-layout(5); the header of packed-refs from refs/packed-backend.c. `imprint/exported`
holds the generation in decimal.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from imprint.store.durable import sync_folder
from imprint.store.errors import RepositoryMissing, StorageFailed
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.events import Event
    from imprint.store.refs.ports import Refs

_HEADER: Final = b"# pack-refs with: peeled fully-peeled sorted \n"
_LOCK_SECONDS_MAX: Final = 1.0
"""Git's own default of core.packedRefsTimeout (git-config(1))."""
_LOCK_POLL_SECONDS: Final = 0.02
_OURS: Final = b"imprint ref export\n"
"""Content of a lock that the export made; one found by the next exporter is left over from a crash."""


class _HasRefs(Protocol):
    @property
    def refs(self) -> Refs: ...


class _Exported(Protocol):
    """What is needed of a hosted repository."""

    @property
    def git_dir(self) -> Path: ...

    @property
    def view(self) -> _HasRefs: ...


class _Repositories(Protocol):
    """What is needed of the hosting."""

    def get_by_id(self, repository_id: str, /) -> _Exported: ...


class RefExport:
    """A follower that exports refs. Several events are one export."""

    name = "export"

    def __init__(self, hosting: _Repositories) -> None:
        self._hosting = hosting

    def position(self, repository_id: str) -> int:
        """The generation last exported; 0 if none was."""
        try:
            return int((self._hosting.get_by_id(repository_id).git_dir / "imprint" / "exported").read_bytes())
        except (FileNotFoundError, ValueError, RepositoryMissing):
            return 0

    def follow(self, repository: _Exported, events: Sequence[Event]) -> None:  # noqa: ARG002 - a copy of today is enough
        """Export the refs as they are now.

        Raises:
            StorageFailed: the repository's folder cannot be written, or git holds a lock for long.
        """
        export_refs(repository.view.refs.snapshot(), repository.git_dir)

    def forget(self, repository_id: str) -> None:
        """Nothing: the export goes with the repository's folder."""


def export_refs(snapshot: RefSnapshot, git_dir: Path) -> None:
    """Make the ref files of a bare repository equal to a snapshot.

    Raises:
        StorageFailed: the folder cannot be written, or git holds a lock for long.
    """
    try:
        with FileLock(git_dir / "imprint" / "export.lock").hold():
            _replace(git_dir / "packed-refs", render_packed_refs(snapshot))
            _replace(git_dir / "HEAD", b"ref: " + snapshot.head + b"\n")
            _remove_loose(git_dir / "refs")
            sync_folder(git_dir)
            _write_position(git_dir / "imprint" / "exported", snapshot.generation)
    except OSError as failure:
        raise StorageFailed(f"{failure.filename or git_dir}: {failure.strerror}") from failure


def render_packed_refs(snapshot: RefSnapshot) -> bytes:
    """The content of `packed-refs`: every ref in byte order, an annotated tag with what it peels to."""
    lines = [_HEADER]
    for name, value in snapshot.refs.items():
        lines.append(b"%s %s\n" % (value.id.encode("ascii"), name))
        if value.peeled:
            lines.append(b"^%s\n" % value.peeled.encode("ascii"))
    return b"".join(lines)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file of git's under its lock; a file that is as it should be is left alone."""
    with _locked(path):
        with suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return
        partial = path.parent / "imprint" / f"{path.name}.new"
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold git's lock on a file, waiting as git would; only one exporter at a time may come here."""
    lock = path.with_name(path.name + ".lock")
    own = path.parent / "imprint" / "export.own"
    own.write_bytes(_OURS)
    deadline = time.monotonic() + _LOCK_SECONDS_MAX
    while True:
        try:
            lock.hardlink_to(own)  # git's own locks are empty files: this one is never seen empty
            break
        except FileExistsError:
            if not _remove_own(lock) and time.monotonic() > deadline:
                raise StorageFailed(
                    f"{lock} is there: a git command is running in the repository, or one has crashed",
                    hint="when no git runs there any more, remove the file; the export tries again by itself",
                ) from None
            time.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _remove_own(lock: Path) -> bool:
    """Remove a lock that an export left when it crashed; False if it is somebody else's."""
    with suppress(FileNotFoundError):
        if lock.read_bytes() != _OURS:
            return False
        lock.unlink()
    return True


def _remove_loose(refs: Path) -> None:
    """Remove loose refs: they would hide the packed ones. Files that git is writing (`.lock`) stay."""
    for folder, _, files in os.walk(refs, topdown=False):
        for name in files:
            if not name.endswith(".lock"):
                Path(folder, name).unlink(missing_ok=True)
        if Path(folder) not in {refs, refs / "heads"}:
            with suppress(OSError):  # not empty: git writes there at this moment
                Path(folder).rmdir()


def _write_position(path: Path, generation: int) -> None:
    """Not made durable itself: a position that is lost or old only repeats the export."""
    partial = path.with_name(path.name + ".new")
    partial.write_bytes(b"%d\n" % generation)
    partial.replace(path)
