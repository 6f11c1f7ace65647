"""Somebody's clone, read where it lies; no server is involved.

Imprint keeps what it needs in the clone's common Git folder, so that all worktrees share it:

    <common>/imprint/ground/    what cannot be recomputed, such as captured sessions
    <common>/imprint/cache/     what can: it may be deleted at any time

Invariants:
    1. Nothing outside `<common>/imprint/` is ever written.
    2. Each of the two folders holds a file `format` with a version. A ground of another version is refused;
       a cache of another version is thrown away and begun again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from imprint.store.errors import DataFolderMismatch, Missing, StorageFailed
from imprint.store.objects.git import GitObjects
from imprint.store.plumbing import Plumbing
from imprint.store.refs.clone import CloneRefs
from imprint.store.types import HashAlgorithm
from imprint.store.view import RepositoryView

if TYPE_CHECKING:
    from types import TracebackType

GROUND_FORMAT: Final = 1
"""1: the folder exists; what is in it says its own version."""
CACHE_FORMAT: Final = 1
"""1: as the ground."""


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone that was found on disk.

    Attributes:
        git_dir: the Git folder of this worktree.
        common_dir: the Git folder that all worktrees share; the same as `git_dir` in the main one.
        top_level: the worktree's top folder; None in a bare repository, and inside a Git folder.
        ground: where to keep what cannot be recomputed.
        cache: where to keep what can.
        view: the repository to read from.
    """

    git_dir: Path
    common_dir: Path
    top_level: Path | None
    ground: Path
    cache: Path
    view: RepositoryView

    @classmethod
    def discover(cls, start: Path) -> Self:
        """Open the clone that a folder or file lies in, as git would find it.

        Raises:
            Missing: neither the folder nor any above it is a Git repository.
            StorageFailed: Imprint's own folder in it cannot be made.
            DataFolderMismatch: the ground was written by another version.
        """
        try:
            git_dir, top_level = _find_git_dir(start.resolve())
            common_dir = _find_common_dir(git_dir)
            ground = _prepare_ground(common_dir / "imprint" / "ground")
            cache = _prepare_cache(common_dir / "imprint" / "cache")
        except OSError as fault:
            raise StorageFailed(
                f"{fault.filename}: {fault.strerror}",
                hint="Imprint keeps its state in the clone's Git folder and must be able to write there",
            ) from fault
        plumbing = Plumbing(git_dir)
        algorithm = HashAlgorithm(plumbing.run("rev-parse", "--show-object-format").decode().strip())
        objects = GitObjects(common_dir / "objects", algorithm)
        return cls(
            git_dir=git_dir,
            common_dir=common_dir,
            top_level=top_level,
            ground=ground,
            cache=cache,
            view=RepositoryView(
                id="clone",
                name=_render_name(top_level or common_dir),
                objects=objects,
                refs=CloneRefs(plumbing, objects),
                plumbing=plumbing,
            ),
        )

    def close(self) -> None:
        """Release files; the clone is not used again."""
        self.view.objects.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _find_git_dir(start: Path) -> tuple[Path, Path | None]:
    """The Git folder that git would take, and the worktree's top folder, searching upwards."""
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if dot_git.is_file():
            return _follow_git_file(dot_git), folder
        if _is_git_dir(dot_git):
            return dot_git, folder
        if _is_git_dir(folder):
            return folder, None
    raise Missing(
        f"{start} is not inside a Git repository", hint="run it in a clone, or name a server and a repository"
    )


def _follow_git_file(file: Path) -> Path:
    """The folder that a `.git` file names: a linked worktree's or a submodule's (gitrepository-layout(5))."""
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    target = (file.parent / text.removeprefix("gitdir: ").rstrip("\n")).resolve()
    if not text.startswith("gitdir: ") or not _is_git_dir(target):
        raise Missing(
            f"{file} names {target}, which is no Git folder",
            hint="'git worktree repair' may mend a moved worktree",
        )
    return target


def _is_git_dir(folder: Path) -> bool:
    """Whether git would take the folder for a Git folder: it has a HEAD, and objects and refs in common."""
    if not (folder / "HEAD").is_file() and not (folder / "HEAD").is_symlink():
        return False
    common = _find_common_dir(folder)
    return (common / "objects").is_dir() and (common / "refs").is_dir()


def _find_common_dir(git_dir: Path) -> Path:
    try:
        text = (git_dir / "commondir").read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return git_dir
    return (git_dir / text.rstrip("\n")).resolve()


def _render_name(folder: Path) -> str:
    """A name for people: the folder's, without `.git`."""
    name = folder.parent.name if folder.name == ".git" else folder.name.removesuffix(".git")
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _prepare_ground(folder: Path) -> Path:
    version = _read_format(folder)
    if version is None:
        _create(folder, GROUND_FORMAT)
    elif version != str(GROUND_FORMAT):
        raise DataFolderMismatch(
            folder,
            f"it has format {version[:20]!r}, this version of Imprint knows {GROUND_FORMAT}",
            hint="use the version of Imprint that wrote it, or a newer one",
        )
    return folder


def _prepare_cache(folder: Path) -> Path:
    version = _read_format(folder)
    if version != str(CACHE_FORMAT):
        if version is not None:
            _discard(folder)
        _create(folder, CACHE_FORMAT)
    return folder


def _read_format(folder: Path) -> str | None:
    """The version in the folder's `format` file; None if the folder is not there or not finished."""
    try:
        return (folder / "format").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None


def _create(folder: Path, version: int) -> None:
    """Make the folder with its format file; several processes may do so at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="format.", delete=False) as file:
        file.write(f"{version}\n")
    Path(file.name).replace(folder / "format")


def _discard(folder: Path) -> None:
    """Take the folder away in one step, then delete it at leisure."""
    away = Path(tempfile.mkdtemp(dir=folder.parent, prefix="discarded."))
    with suppress(FileNotFoundError):  # another process was faster
        folder.rename(away / folder.name)
    shutil.rmtree(away)
