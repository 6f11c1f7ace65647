"""Files of others that we change: what they were is kept, so that it can be put back byte for byte.

Invariants:
    1. Before a file is changed for the first time, its bytes and mode are kept under their SHA-256, durably.
    2. `restore` puts back what was there if the file is as we left it; else it takes out our part only.
    3. A file that we made goes, and so do the folders that we made for it once they are empty.
    4. A file that cannot be written is said; the others are written all the same.

The list is `installed.json` beside the kept bytes: `{"version": 1, "installed_at_ms", "files": [...]}`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imprint.store.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST_VERSION: Final = 1
"""1: the first."""
_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Change:
    """A wished change of one file.

    Attributes:
        path: which.
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
        old = (self.before or b"").decode("utf-8", "backslashreplace").splitlines(keepends=True)
        new = self.after.decode("utf-8", "backslashreplace").splitlines(keepends=True)
        name = str(self.path)
        lines = difflib.unified_diff(old, new, name if self.before is not None else "/dev/null", name)
        text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
        return f"rename {name} to {self.moved_to}\n{text}" if self.moved_to else text


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
        """Bytes that were kept."""
        return (self.folder / "kept" / name).read_bytes()

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
        folders = [os.fspath(one) for one in _missing_folders(path.parent)]
        mode = stat.S_IMODE(path.stat().st_mode) if change.before is not None else None
        if known is None or not was_ours:
            before = None if change.before is None or change.moved_to else self._keep(change.before)
            known = Touched(os.fspath(path), change.owner, before, mode, "", None, folders)
        if change.moved_to is not None:
            path.rename(change.moved_to)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = change.before is None or change.moved_to is not None
        write_durably(path, change.after, mode=change.mode if is_new or mode is None else mode)
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
        path = Path(touched.path)
        current = read_file(path)
        outcome = "restored"
        if current is None:
            outcome = "gone"
        elif _hash(current) == touched.after:
            content = None if touched.before is None else self.read_kept(touched.before)
            _replace(path, content, touched.mode)
        else:
            outcome = "cleaned"
            _replace(path, strip(current), None)
        if touched.moved_to and os.path.lexists(touched.moved_to) and not os.path.lexists(path):
            Path(touched.moved_to).rename(path)
        for folder in reversed(touched.folders):
            with suppress(OSError):
                Path(folder).rmdir()
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
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _replace(path: Path, content: bytes | None, mode: int | None) -> None:
    if content is None:
        path.unlink()
        return
    write_durably(path, content, mode=stat.S_IMODE(path.stat().st_mode) if mode is None else mode)


def _missing_folders(folder: Path) -> list[Path]:
    """Folders that have to be made, the outermost first."""
    missing: list[Path] = []
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    return missing


def _read_document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(document, dict) and document.get("version") == MANIFEST_VERSION
    return document if known else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
