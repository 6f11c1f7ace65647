"""From what an import says to files of the snapshot, where paths decide that.

Languages whose packages are not their paths (C#, Rust, PHP's namespaces ...) are looked up by name instead;
the ladder does that.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.semantic.graph.pages import Folders
    from imprint.semantic.snapshot import Snapshot

_ECMASCRIPT_SUFFIXES: Final = (
    ".ts",
    ".tsx",
    ".d.ts",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    ".mts",
    ".cts",
    ".vue",
    ".json",
)
_COMPILED: Final = re.compile(r"\.(?:js|jsx|mjs|cjs)$")
_GO_MODULE: Final = re.compile(rb"^module\s+\"?([^\s\"]+)", re.MULTILINE)
# Folders that hold sources and are no package themselves.
_ROOTS: Final = frozenset({"", "src", "lib", "python", "source"})
# Of a tree with more modules than this only the first are read.
_GO_MODULES_MAX: Final = 200


class Modules:
    """Finds the files of a module.

    Args:
        snapshot: the commit's files.
        folders: their paths.
    """

    def __init__(self, snapshot: Snapshot, folders: Folders) -> None:
        self._snapshot = snapshot
        self._folders = folders
        self._go: list[tuple[str, str]] | None = None
        self._finders: dict[str, Callable[[str, str], list[int]]] = {
            "python": self._python,
            "ecmascript": self._ecmascript,
            "go": self._go_package,
            "c": self._included,
            "ruby": lambda path, module: self._by_path(path, module, (".rb", "")),
            "lua": lambda path, module: self._by_path(path, module.replace(".", "/"), (".lua", "/init.lua")),
            "bash": lambda path, module: self._by_path(path, re.sub(r"^\$\{?\w+\}?/", "", module), ("",)),
            "zig": lambda path, module: self._by_path(path, module, ("",)),
            "dart": lambda path, module: self._by_path(path, re.sub(r"^package:\w+/", "lib/", module), ("",)),
            "julia": lambda path, module: self._by_path(path, module, ("",)) if "." in module else [],
            "hcl": self._folder,
        }

    def rebind(self, snapshot: Snapshot) -> None:
        """Go on with another snapshot of the same commit."""
        self._snapshot = snapshot

    def knows(self, family: str) -> bool:
        """Tell whether paths decide what a module is in these languages."""
        return family in self._finders

    def find(self, family: str, path: bytes, module: str) -> list[int]:
        """The files of a module, as a file at `path` names it; empty if none is in the snapshot."""
        finder = self._finders.get(family)
        return finder(path.decode("utf-8", "surrogateescape"), module) if finder is not None else []

    def _file(self, path: str) -> list[int]:
        file = self._folders.numbers.get(path)
        return [] if file is None else [file]

    def _python(self, path: str, module: str) -> list[int]:
        relative = len(module) - len(module.lstrip("."))
        tail = module.lstrip(".").replace(".", "/")
        if relative:
            folder = posixpath.dirname(path)
            for _ in range(relative - 1):
                folder = posixpath.dirname(folder)
            base = posixpath.join(folder, tail) if tail else folder
            prefix = f"{base}/" if base else ""
            stubs = self._file(f"{base}.py") or self._file(f"{base}.pyi") if tail else []
            return self._file(f"{prefix}__init__.py") or stubs or self._file(f"{prefix}__init__.pyi")
        found = [
            (root, file)
            for end in (f"{tail}/__init__.py", f"{tail}.py", f"{tail}.pyi")
            for file in self._folders.ending(end)
            if (root := self._folders.names[file].removesuffix(end).rstrip("/")) is not None
            and f"{root}/__init__.py".lstrip("/") not in self._folders.numbers
        ]
        near = [(root, file) for root, file in found if f"{path}/".startswith(f"{root}/" if root else "")]
        if near:
            return [max(near, key=lambda each: len(each[0]))[1]]
        usual = [file for root, file in found if root.rpartition("/")[2] in _ROOTS]
        if usual:
            return usual[:1]
        return [found[0][1]] if len(found) == 1 and "/" in tail else []

    def _ecmascript(self, path: str, module: str) -> list[int]:
        if not module.startswith("."):
            return []
        base = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
        base = "" if base == "." else base
        compiled = _COMPILED.sub("", base)
        tries = [base] if posixpath.splitext(base)[1] else []
        for stem in (base, compiled):
            tries += [f"{stem}{suffix}" for suffix in _ECMASCRIPT_SUFFIXES]
        tries += [f"{base}/index{suffix}".lstrip("/") for suffix in _ECMASCRIPT_SUFFIXES]
        return next((found for each in tries if (found := self._file(each))), [])

    def _go_package(self, path: str, module: str) -> list[int]:
        del path
        if self._go is None:
            self._go = []
            for file in self._folders.by_stem.get("go", ())[:_GO_MODULES_MAX]:
                name = self._folders.names[file]
                declared = _GO_MODULE.search(self._snapshot.read(file)) if name.endswith("go.mod") else None
                if declared:
                    self._go.append((declared[1].decode("utf-8", "replace"), posixpath.dirname(name)))
            self._go.sort(key=lambda each: -len(each[0]))
        for prefix, folder in self._go:
            if module == prefix or module.startswith(f"{prefix}/"):
                inner = posixpath.normpath(posixpath.join(folder, module[len(prefix) + 1 :]))
                return self.go_files("" if inner == "." else inner)
        return []

    def go_files(self, folder: str) -> list[int]:
        """The files of a Go package, by its folder."""
        return [
            file
            for file in self._folders.by_folder.get(folder, ())
            if self._folders.names[file].endswith(".go")
        ]

    def _included(self, path: str, module: str) -> list[int]:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
        return self._file(beside) or self._folders.ending(module)[:4]

    def _by_path(self, path: str, module: str, suffixes: tuple[str, ...]) -> list[int]:
        for suffix in suffixes:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), module + suffix))
            found = self._file(beside)
            if not found and not module.startswith("."):
                found = self._file(module + suffix) or self._folders.ending(module + suffix)
            if found:
                return found[:1]
        return []

    def _folder(self, path: str, module: str) -> list[int]:
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
        return [
            file
            for file in self._folders.by_folder.get(folder, ())
            if self._folders.names[file].endswith(".tf")
        ]
