"""Folders of hosted repositories: made whole, destroyed for good, and settled after a crash.

Invariants:
    1. While a folder is made or destroyed a marker `<id>.unsettled` is beside it, held with flock(2) by the
       process that does it.
    2. A marker that nobody holds is settled by asking whether the repository is known: then its folder
       stays, else it is destroyed. A folder without a marker is never destroyed.

A marker holds, as a JSON list, the sessions whose texts go when the repository goes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from imprint.store.durable import is_file_at, sync_folder, write_durably
from imprint.store.errors import BadRefName, StorageFailed
from imprint.store.types import HashAlgorithm, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imprint.store.catalog.ports import RepositoryRecord

_MARKER: Final = ".unsettled"

# git-config(1). `preciousObjects` makes stock gc, prune and repack -d refuse: only SQL knows all tips.
_CONFIG: Final = """\
[core]
\trepositoryformatversion = 1
\tfilemode = true
\tbare = true
[gc]
\tauto = 0
[extensions]
\tpreciousObjects = true
"""


class RepositoryFolders:
    """The bare repositories of a data folder.

    Args:
        root: the folder that holds them.
        is_known: whether the catalogue has a row for an id, deleted or not.
        on_gone: told the id and the sessions of a repository whose folder was destroyed; may be told twice.
    """

    def __init__(
        self,
        root: Path,
        is_known: Callable[[str], bool],
        on_gone: Callable[[str, Sequence[str]], None],
    ) -> None:
        self._root = root
        self._is_known = is_known
        self._on_gone = on_gone

    def path(self, repository_id: str) -> Path:
        """The bare repository of this id."""
        return self._root / f"{repository_id}.git"

    def make(self, record: RepositoryRecord) -> None:
        """Make an empty bare repository that stock git can read; durable on return."""
        git_dir = self.path(record.id)
        for folder in (git_dir, git_dir / "imprint", git_dir / "objects", git_dir / "refs"):
            folder.mkdir(mode=0o700)
        for folder in (
            git_dir / "objects" / "pack",
            git_dir / "objects" / "info",
            git_dir / "refs" / "heads",
        ):
            folder.mkdir(mode=0o700)
        config = _CONFIG
        if record.algorithm is not HashAlgorithm.SHA1:
            config += f"\tobjectFormat = {record.algorithm.value}\n"
        write_durably(git_dir / "config", config.encode(), mode=0o644)
        write_durably(git_dir / "HEAD", b"ref: " + record.head + b"\n", mode=0o644)
        for folder in (git_dir / "objects", git_dir / "refs", git_dir, self._root):
            sync_folder(folder)

    @contextmanager
    def unsettled(self, repository_id: str, sessions: Sequence[str] = ()) -> Iterator[None]:
        """A block that makes or forgets a repository; at its end the folder stays or goes as the rows say.

        Args:
            repository_id: which.
            sessions: ids of its sessions, for `on_gone`.

        Raises:
            StorageFailed: the folder cannot be written.
        """
        marker = self._root / f"{repository_id}{_MARKER}"
        try:
            with _held(marker) as descriptor:
                os.write(descriptor, json.dumps(list(sessions)).encode())
                os.fsync(descriptor)
                sync_folder(self._root)
                try:
                    yield
                finally:
                    self._settle(repository_id, sessions)
                    marker.unlink()
        except OSError as failure:
            raise StorageFailed(f"{failure.filename or self._root}: {failure.strerror}") from failure

    def settle_leftovers(self) -> None:
        """Finish what processes that died were making or destroying."""
        for marker in self._root.glob(f"*{_MARKER}"):
            with _held_if_free(marker) as descriptor:
                if descriptor is not None:
                    self._settle(marker.name.removesuffix(_MARKER), _parse_sessions(marker.read_bytes()))
                    marker.unlink()

    def _settle(self, repository_id: str, sessions: Sequence[str]) -> None:
        if self._is_known(repository_id):
            return
        if self.path(repository_id).exists():
            shutil.rmtree(self.path(repository_id))
        self._on_gone(repository_id, sessions)


def _parse_sessions(content: bytes) -> list[str]:
    """The sessions in a marker; none if its writer died before it was written, and so before anything."""
    try:
        return [str(session) for session in json.loads(content)]
    except ValueError:
        return []


@contextmanager
def _held(marker: Path) -> Iterator[int]:
    """The marker, made and locked: for certain the file at its path, not one that was settled meanwhile."""
    while True:
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_file_at(descriptor, marker):
                yield descriptor
                return
        finally:
            os.close(descriptor)


@contextmanager
def _held_if_free(marker: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = is_file_at(descriptor, marker)
    except BlockingIOError:
        free = False
    try:
        yield descriptor if free else None
    finally:
        os.close(descriptor)


def branch_ref(branch: str) -> RefName:
    """The ref of a branch, given by its short or its full name.

    Raises:
        BadRefName: git would refuse it as a branch; see git-check-ref-format(1), `--branch`.
    """
    short = branch.removeprefix("refs/heads/")
    if short.startswith(("-", "refs/")) or short == "HEAD":
        raise BadRefName(branch.encode("utf-8", "surrogateescape"))
    return RefName.parse(f"refs/heads/{short}")
