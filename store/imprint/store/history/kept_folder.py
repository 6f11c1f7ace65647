"""Isolated Git folders that stay, so that a question about lines starts one process and no more.

    FOLDER/<repository id>/<key>/    an empty bare repository that borrows the objects; see `reading.isolated`

The key is a hash of everything that a folder is made of: where the objects are, their format, and what a
shallow clone lacks. So a folder that is there fits; one of other objects has another name.

Invariants:
    1. No configuration, attributes, replacements and grafts of the repository have a say.
    2. A folder appears whole and goes whole, and so does an index in it: made beside their places, renamed.
       Two makers do not disturb each other, and a killed one leaves nothing in the way.
    3. Everything here may be deleted at any time; it is made again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StorageFailed
from imprint.store.history.blame import index_changed_paths
from imprint.store.history.reading import fill_isolated, find_objects, isolated, read_boundary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_UNUSED_SECONDS: Final = 24 * 3600
"""A folder so much older than one that is made beside it is taken for left over."""
_GONE: Final = "gone."
"""Begins the name of a folder that is being deleted."""


class KeptFolders:
    """Isolated folders, one per repository. Safe to share between threads and processes.

    Args:
        folder: where they lie; None to make one for each question.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._places: dict[Path, tuple[Path, Path]] = {}

    @contextmanager
    def isolated(self, view: RepositoryView) -> Iterator[Plumbing]:
        """Git on the view's objects with nothing of the view's own folder having a say.

        Raises:
            StorageFailed: the folder cannot be made.
        """
        if self._folder is None:
            with isolated(view) as plumbing:
                yield plumbing
            return
        yield view.plumbing.at(self._find(self._folder / view.id, view))

    def boundary(self, view: RepositoryView) -> bytes:
        """What tells two states of a shallow clone apart; empty for a whole repository."""
        content = read_boundary(self._find_places(view)[1])
        return hashlib.blake2b(content, digest_size=16).digest() if content else b""

    def index_changed_paths(self, view: RepositoryView, commit: ObjectId) -> None:
        """Make every later blame from `commit` quicker; see `blame.index_changed_paths`.

        Raises:
            StorageFailed: the folder cannot be made.
        """
        with self.isolated(view) as plumbing:
            if self._folder is None:
                return
            with self._making(self._folder / view.id) as made:
                shutil.copytree(plumbing.git_dir, made, dirs_exist_ok=True)
                index_changed_paths(plumbing.at(made), commit)
                index = Path("objects/info/commit-graph")
                if (made / index).exists():
                    (made / index).replace(plumbing.git_dir / index)

    def forget(self, repository_id: str) -> None:
        """Delete what is kept for a repository, and what a killed process had begun to delete."""
        if self._folder is not None:
            _remove(self._folder / repository_id)
            for left in self._folder.glob(f"{_GONE}*"):
                shutil.rmtree(left, ignore_errors=True)

    def _find_places(self, view: RepositoryView) -> tuple[Path, Path]:
        """Where the objects and the boundary of a shallow clone are."""
        git_dir = view.plumbing.git_dir
        places = self._places.get(git_dir)
        if places is None:
            places = find_objects(view)
            with self._lock:
                self._places[git_dir] = places
        return places

    def _find(self, home: Path, view: RepositoryView) -> Path:
        objects, shallow = self._find_places(view)
        boundary = read_boundary(shallow)
        parts = (os.fsencode(objects), view.objects.algorithm.value.encode(), boundary)
        key = hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()
        folder = home / key
        if (folder / "HEAD").exists():
            return folder
        with self._making(home) as made:
            fill_isolated(made, objects, boundary, view.objects.algorithm)
            _remove_unused(home, made)
            try:
                made.rename(folder)
            except OSError:
                if not (folder / "HEAD").exists():
                    raise
        return folder

    @contextmanager
    def _making(self, home: Path) -> Iterator[Path]:
        """A new folder beside those in place, gone at the end unless it was renamed."""
        try:
            home.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix="new.", dir=home))
            try:
                yield made
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure


def _remove_unused(home: Path, made: Path) -> None:
    """Delete folders that are much older than the one just made: of other boundaries, or left by a crash."""
    before = made.stat().st_mtime - _UNUSED_SECONDS
    for other in home.iterdir():
        with suppress(OSError):
            if other.stat().st_mtime < before:
                _remove(other)


def _remove(folder: Path) -> None:
    """Delete a folder, its name first: half of one would be taken for a whole one."""
    with suppress(OSError):
        gone = folder.rename(folder.with_name(f"{_GONE}{secrets.token_hex(8)}"))
        shutil.rmtree(gone, ignore_errors=True)
