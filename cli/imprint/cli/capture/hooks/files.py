"""Files of others that we change: what they were is kept, so that it can be put back byte for byte.

Invariants:
    1. Before a file is changed for the first time, its bytes and mode are kept under their SHA-256, durably.
    2. `restore` puts back what was there if the file is as we left it; else it takes out our part only.
    3. A file that we made goes, and so do the folders that we made for it once they are empty.
    4. A file that cannot be written is said; the others are written all the same. One that its owner may not
       write is left alone.
    5. No link is followed, and what is replaced is what the change was planned for (see `unlinked`).

The list is `installed.json` beside the kept bytes: `{"version": 1, "installed_at_ms", "files": [...]}`.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import io
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imprint.cli.capture.hooks.unlinked import Spot, open_spot, read_regular
from imprint.store.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST_VERSION: Final = 1
"""1: the first."""
_PRIVATE: Final = 0o700
_NO_END: Final = "\n\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class Change:
    """A wished change of one file.

    Attributes:
        path: which, with its links resolved; the last name may be a link if it is moved.
        owner: the agent or hook that it is for.
        before: its bytes now; None if it is not there.
        after: its bytes then.
        mode: of a file that is made; an existing one keeps its own.
        moved_to: where what is there goes first, as it is; None where it is changed in place.
        note: what a person should know.
    """

    path: Path
    owner: str
    before: bytes | None
    after: bytes
    mode: int = 0o644
    moved_to: Path | None = None
    note: str = ""

    def render(self) -> str:
        """The change as a unified diff."""
        name = str(self.path).replace("\n", "\\n")
        head = (
            f"rename {name} to {name}{self.moved_to.name[len(self.path.name) :]}\n" if self.moved_to else ""
        )
        old = [] if self.before is None or self.moved_to else _split(self.before)
        lines = difflib.unified_diff(old, _split(self.after), name if old else "/dev/null", name)
        return head + "".join(line if line.endswith("\n") else f"{line}{_NO_END}" for line in lines)


@dataclass(frozen=True, slots=True)
class Touched:
    """A file that was changed.

    Attributes:
        path: which.
        owner: see `Change`.
        before: SHA-256 of what it was, kept; None if it was not there.
        mode: what it had; None if it was not there.
        after: SHA-256 of what we made of it.
        moved_to: where the former file is; None if it was changed in place.
        folders: folders that were made for it, the innermost last.
    """

    path: str
    owner: str
    before: str | None
    mode: int | None
    after: str
    moved_to: str | None
    folders: list[str]


class Manifest:
    """What was changed, and what it was.

    Args:
        folder: where that is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "installed.json"
        document = _read_document(self._file)
        self.installed_at_ms: int | None = document.get("installed_at_ms")
        self.plugins: list[str] = document.get("plugins", [])
        self.files = {one["path"]: Touched(**one) for one in document.get("files", [])}

    def find(self, path: Path) -> Touched | None:
        """What is known of a file."""
        return self.files.get(os.fspath(path))

    def read_before(self, path: Path, current: bytes | None) -> bytes | None:
        """What a file was before us if it is as we left it, else what it is."""
        touched = self.find(path)
        if touched is None or current is None or _hash(current) != touched.after:
            return current
        return None if touched.before is None else self.read_kept(touched.before)

    def read_kept(self, name: str) -> bytes:
        """Bytes that were kept.

        Raises:
            OSError: they are lost.
        """
        try:
            return (self.folder / "kept" / name).read_bytes()
        except FileNotFoundError as lost:  # not to be taken for the file itself
            raise OSError(errno.EIO, f"what it was is lost: {lost.filename} is gone") from lost

    def add_plugin(self, program: str) -> None:
        """Note that a plug-in's sessions are wanted."""
        self.plugins = sorted({*self.plugins, program})
        self._save()

    def remove_plugin(self, program: str) -> None:
        """Note that they are not."""
        self.plugins = [one for one in self.plugins if one != program]
        self._save()

    def apply(self, change: Change, at_ms: int) -> None:
        """Carry a change out, remembering what was there.

        Raises:
            OSError: it cannot be written; nothing was changed.
        """
        path = change.path
        known = self.find(path)
        was_ours = known is not None and change.before is not None and _hash(change.before) == known.after
        made: list[str] = []
        try:
            with open_spot(path, made) as spot:
                mode = _check(spot, change)
                if known is None or not was_ours:
                    before = None if change.before is None or change.moved_to else self._keep(change.before)
                    known = Touched(os.fspath(path), change.owner, before, mode, "", None, made)
                _write(spot, change, mode)
        except OSError:
            _remove_folders(made)
            raise
        moved = os.fspath(change.moved_to) if change.moved_to else known.moved_to
        self.files[os.fspath(path)] = Touched(
            known.path, change.owner, known.before, known.mode, _hash(change.after), moved, known.folders
        )
        self.installed_at_ms = self.installed_at_ms or at_ms
        self._save()

    def restore(self, touched: Touched, strip: Callable[[bytes], bytes | None]) -> str:
        """Take our part of a file back.

        Args:
            touched: which.
            strip: gives the file without our part; None if nothing is left that anybody needs.

        Returns:
            `restored`, `cleaned` where it was edited since and only our part went, or `gone`.

        Raises:
            OSError: it cannot be written.
        """
        outcome = "gone"
        with suppress(FileNotFoundError), open_spot(Path(touched.path)) as spot:
            current = spot.read()
            if current is not None and _hash(current) == touched.after:
                outcome = "restored"
                _replace(
                    spot, None if touched.before is None else self.read_kept(touched.before), touched.mode
                )
            elif current is not None:
                outcome = "cleaned"
                _replace(spot, strip(current), None)
            former = Path(touched.moved_to).name if touched.moved_to else ""
            if former and spot.look(former) is not None and spot.look() is None:
                spot.move(former, spot.name)
        _remove_folders(touched.folders)
        del self.files[touched.path]
        self._save()
        return outcome

    def _keep(self, content: bytes) -> str:
        name = _hash(content)
        kept = self.folder / "kept"
        kept.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not (kept / name).exists():
            write_durably(kept / name, content)
        return name

    def _save(self) -> None:
        self.folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not self.files and not self.plugins:
            self.installed_at_ms = None
        document = {
            "version": MANIFEST_VERSION,
            "installed_at_ms": self.installed_at_ms,
            "plugins": self.plugins,
            "files": [asdict(one) for one in self.files.values()],
        }
        write_durably(self._file, json.dumps(document, indent=1).encode())


def read_file(path: Path) -> bytes | None:
    """The bytes of a file; None if it is not there.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _split(content: bytes) -> list[str]:
    """Lines as git and agents know them, which end at line feeds only."""
    return io.StringIO(content.decode("utf-8", "backslashreplace"), newline="\n").readlines()


def _check(spot: Spot, change: Change) -> int | None:
    """The mode of what is there, if that is what the change was planned for; None if nothing is.

    Raises:
        OSError: it is something else now, or not to be written.
    """
    status = spot.look()
    if change.moved_to is not None:
        if status is None or spot.look(change.moved_to.name) is not None:
            raise OSError(errno.EEXIST, f"{change.moved_to.name} is there already, or nothing to move to it")
        return None if stat.S_ISLNK(status.st_mode) else stat.S_IMODE(status.st_mode)
    if spot.read() != change.before:
        raise OSError(errno.EAGAIN, "it was changed meanwhile: install again")
    return None if status is None else _writable_mode(status)


def _writable_mode(status: os.stat_result) -> int:
    mode = stat.S_IMODE(status.st_mode)
    if not mode & stat.S_IWUSR:
        raise PermissionError(errno.EACCES, "it is read-only: make it writable, or leave it")
    return mode


def _write(spot: Spot, change: Change, mode: int | None) -> None:
    if change.moved_to is None:
        spot.write(change.after, change.mode if mode is None else mode, is_exact=mode is not None)
        return
    spot.move(spot.name, change.moved_to.name)
    try:
        spot.write(change.after, change.mode, is_exact=False)
    except OSError:
        spot.move(change.moved_to.name, spot.name)
        raise


def _replace(spot: Spot, content: bytes | None, mode: int | None) -> None:
    status = spot.look()
    now = None if status is None else _writable_mode(status)
    if content is None:
        spot.remove()
    else:
        spot.write(content, mode if mode is not None else now or 0o600)


def _remove_folders(folders: list[str]) -> None:
    """Remove folders that are empty, the innermost first."""
    for folder in reversed(folders):
        with suppress(OSError), open_spot(Path(folder)) as spot:
            spot.remove_folder()


def _read_document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(document, dict) and document.get("version") == MANIFEST_VERSION
    return document if known else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
