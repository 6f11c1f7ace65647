"""Paths of a transcript: with `/`, relative to the session's folder where they lie in it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imprint.store.agents.model import Edit, ToolCall

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")


class Places:
    """Settles the paths of one session.

    A path of Windows, known by its drive or by the session's folder, gets `/` for its backslashes. Parts `.`
    and `..` are resolved. What lies outside the folder stays absolute; other relative paths stay as they are.
    """

    def __init__(self, cwd: str | None) -> None:
        self._windows = bool(cwd and (_DRIVE.match(cwd) or cwd.startswith("\\\\")))
        self._cwd = self._slashes(cwd or "").rstrip("/")
        self._known: dict[str, str] = {}

    def settle(self, call: ToolCall) -> ToolCall:
        """The call with its paths settled."""
        if not call.paths and not call.edits:
            return call
        return replace(
            call,
            paths=tuple(dict.fromkeys(self.settle_path(path) for path in call.paths)),
            edits=tuple(self._settle_edit(edit) for edit in call.edits),
        )

    def settle_path(self, path: str) -> str:
        """One path settled."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._settle(path)
        return known

    def _settle_edit(self, edit: Edit) -> Edit:
        path = self.settle_path(edit.path)
        old_path = edit.old_path if edit.old_path is None else self.settle_path(edit.old_path)
        return (
            edit
            if (path, old_path) == (edit.path, edit.old_path)
            else replace(edit, path=path, old_path=old_path)
        )

    def _settle(self, path: str) -> str:
        if not path:
            return ""
        path = resolve(self._slashes(path))
        if not self._cwd:
            return path
        folder, name = (self._cwd.lower(), path.lower()) if self._windows else (self._cwd, path)
        return path[len(folder) + 1 :] if name.startswith(folder + "/") else path

    def _slashes(self, path: str) -> str:
        return path.replace("\\", "/") if self._windows or _DRIVE.match(path) else path


def resolve(path: str) -> str:
    """A path without `.`, `..` and doubled slashes, as far as it says by itself."""
    if "./" not in path and "//" not in path and not path.endswith(("/", "/.", "/..")) and path != ".":
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def join(folder: str, path: str) -> str:
    """A path as seen from a folder; itself if it is absolute or the folder is not known."""
    if not folder or not path or path.startswith(("/", "~")) or _DRIVE.match(path):
        return path
    return resolve(f"{folder}/{path}")
