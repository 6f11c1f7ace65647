"""Files reached without following a link: what was looked at is what is changed.

A clone brings links along, and one of them can stand where an agent's settings or git's hooks belong. So a
path is resolved and judged first (`resolve_within`), and then walked from the root, name by name, each
opened relative to the one before it with O_NOFOLLOW: a link that came in between ends the walk.

Invariants:
    1. Nothing is read, written, moved or removed through a link: `OSError` says where one is.
    2. A file is replaced whole and durably; it has the mode that is asked for, whatever the umask.
    3. Only regular files are read, and at most `FILE_BYTES_MAX` of them.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_BYTES_MAX: Final = 16 * 1024**2
"""Settings and hooks are far smaller; what is larger is left alone."""
# O_PATH (Linux): folders that may be passed through, but not listed, can be walked too.
_STEP: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_GIT_FOLDER: Final = ".git"


class LeadsOut(Exception):
    """A path in a work tree leads out of it. Its words say where to."""


def resolve_within(path: Path, top: Path) -> Path:
    """A path of a work tree with its links resolved: links that stay in the work tree are followed.

    Args:
        path: below `top`; it need not be there.
        top: the work tree, resolved.

    Raises:
        LeadsOut: it is elsewhere, or in a Git folder.
    """
    real = resolve(path)
    if not real.is_relative_to(top):
        raise LeadsOut(f"it leads out of this work tree, to {real}")
    if any(part.lower() == _GIT_FOLDER for part in real.relative_to(top).parts):
        raise LeadsOut(f"it leads into a Git folder, to {real}")
    return real


def resolve(path: Path) -> Path:
    """A path with its links resolved.

    Raises:
        LeadsOut: its links lead to themselves.
    """
    try:
        return path.resolve()
    except (RuntimeError, OSError) as wrong:  # a loop; which of both depends on the version of Python
        raise LeadsOut("its links lead nowhere") from wrong


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a folder that is open.

    Attributes:
        folder: its descriptor.
        name: of the file.
    """

    folder: int
    name: str

    def look(self, name: str = "") -> os.stat_result | None:
        """What is there, a link itself; None if nothing is. Of another name in the folder, if given."""
        try:
            return os.stat(name or self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self) -> bytes | None:
        """The bytes; None if nothing is there.

        Raises:
            OSError: it is a link, a folder or too large, or cannot be read.
        """
        status = self.look()
        if status is None:
            return None
        if stat.S_ISLNK(status.st_mode):
            raise _is_link(self.name)
        return read_descriptor(os.open(self.name, _READ | os.O_NOFOLLOW, dir_fd=self.folder))

    def write(self, content: bytes, mode: int, *, is_exact: bool = True) -> None:
        """Replace the file; `is_exact` is false where the umask may take from the mode."""
        partial = f".{self.name}.{secrets.token_hex(8)}"
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(partial, how, mode, dir_fd=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                if is_exact:
                    os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            self.move(partial, self.name)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial, dir_fd=self.folder)
            raise

    def move(self, source: str, target: str) -> None:
        """Rename within the folder, durably."""
        os.replace(source, target, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        self._sync()

    def remove(self) -> None:
        """Take the file away."""
        os.unlink(self.name, dir_fd=self.folder)
        self._sync()

    def remove_folder(self) -> None:
        """Take an empty folder away.

        Raises:
            OSError: it is not empty, or none.
        """
        os.rmdir(self.name, dir_fd=self.folder)

    def _sync(self) -> None:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def open_spot(path: Path, made: list[str] | None = None) -> Iterator[Spot]:
    """Hold the folder of a file open.

    Args:
        path: absolute, and without links.
        made: folders that are not there are made and put in, the outermost first; None to make none.

    Raises:
        OSError: one of its folders is a link, is none, or is not there.
    """
    descriptor = os.open(path.anchor, _STEP)
    try:
        at = type(path)(path.anchor)
        for name in path.parts[1:-1]:
            at /= name
            below = _step(descriptor, name, at, made)
            os.close(descriptor)
            descriptor = below
        yield Spot(descriptor, path.name)
    finally:
        os.close(descriptor)


def _step(folder: int, name: str, at: Path, made: list[str] | None) -> int:
    try:
        return os.open(name, _STEP, dir_fd=folder)
    except FileNotFoundError:
        if made is None:
            raise
        os.mkdir(name, dir_fd=folder)
        made.append(os.fspath(at))
        return os.open(name, _STEP, dir_fd=folder)
    except OSError as wrong:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _is_link(os.fspath(at)) from wrong
        raise OSError(wrong.errno, wrong.strerror, os.fspath(at)) from wrong


def read_descriptor(descriptor: int) -> bytes:
    """All of an open file, which is closed.

    Raises:
        OSError: it is not a regular file, or too large.
    """
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(kind) else "it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise OSError(errno.EFBIG, f"it has more than {FILE_BYTES_MAX} bytes")
    return content


def read_regular(path: Path) -> bytes:
    """All of a regular file, links followed.

    Raises:
        OSError: it is not there, something else, or too large.
    """
    return read_descriptor(os.open(path, _READ))


def _is_link(name: str) -> OSError:
    return OSError(errno.ELOOP, "it is a link: links in a work tree are not followed", name)
