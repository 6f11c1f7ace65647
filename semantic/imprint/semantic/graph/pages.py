"""One file's facts by name, and one snapshot's paths by folder: what the ladder looks things up in."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Binding, Entity, Import
    from imprint.semantic.snapshot import Facts, Snapshot

FAMILIES: Final = {
    "javascript": "ecmascript",
    "typescript": "ecmascript",
    "tsx": "ecmascript",
    "vue": "ecmascript",
    "c": "c",
    "cpp": "c",
    "java": "jvm",
    "kotlin": "jvm",
    "scala": "jvm",
}

TYPE_KINDS: Final = frozenset(
    {
        EntityKind.CLASS,
        EntityKind.INTERFACE,
        EntityKind.TRAIT,
        EntityKind.STRUCT,
        EntityKind.ENUM,
        EntityKind.TYPE,
    }
)
CALLABLE_KINDS: Final = frozenset({EntityKind.FUNCTION, EntityKind.METHOD, EntityKind.TEST, EntityKind.MACRO})

_SEPARATOR: Final = re.compile(r"[./\\]|::")


def family_of(language: str) -> str:
    """The languages that call one another without a bridge, by one name."""
    return FAMILIES.get(language, language)


@dataclass(frozen=True, slots=True)
class Found:
    """An entity in a file of the snapshot."""

    file: int
    entity: Entity


class Page:
    """The facts of one file, by name."""

    def __init__(self, file: int, facts: Facts) -> None:
        self.file = file
        self.facts = facts
        self.language = facts.language
        self.family = family_of(facts.language)
        self.by_name: dict[str, list[Entity]] = defaultdict(list)
        self.by_path: dict[str, list[Entity]] = defaultdict(list)
        self.imports: dict[str, list[Import]] = defaultdict(list)
        self.open_imports: list[Import] = []
        self.bindings: dict[str, list[Binding]] = defaultdict(list)
        self.bases: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for entity in facts.entities:
            if entity.name:
                self.by_name[entity.name].append(entity)
                self.by_path[entity.qualified_name].append(entity)
        for each in facts.imports:
            if each.name == "*":
                self.open_imports.append(each)
            else:
                self.imports[local_name(each)].append(each)
        for binding in facts.bindings:
            self.bindings[binding.target].append(binding)
        for reference in facts.references:
            if reference.kind.value == "inherit":
                self.bases[reference.container].append((reference.qualifier, reference.name))

    def is_type(self, path: str) -> bool:
        """Tell whether a qualified name is a type's."""
        return any(each.kind in TYPE_KINDS for each in self.by_path.get(path, ()))

    def type_around(self, container: str) -> str:
        """The qualified name of the innermost type around a container; empty if there is none."""
        while container:
            if self.is_type(container):
                return container
            container = container.rpartition(".")[0]
        return ""


def local_name(taken: Import) -> str:
    """Under which name an import is known in its file."""
    if taken.alias:
        return taken.alias
    if taken.name:
        return taken.name
    parts = _SEPARATOR.split(taken.module)
    # `import a.b` binds `a` in Python, but what is written before a call is `a.b`: found by its whole name.
    return taken.module if "." in taken.module and "/" not in taken.module else parts[-1]


class Folders:
    """The paths of a snapshot, by folder and by the name of the file without its suffix."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.by_folder: dict[str, list[int]] = defaultdict(list)
        self.by_stem: dict[str, list[int]] = defaultdict(list)
        self.names: list[str] = []
        for file, path in enumerate(snapshot.paths):
            name = path.decode("utf-8", "surrogateescape")
            self.names.append(name)
            folder, _, base = name.rpartition("/")
            self.by_folder[folder].append(file)
            self.by_stem[base.partition(".")[0]].append(file)
        self.numbers = {name: file for file, name in enumerate(self.names)}

    def ending(self, tail: str) -> list[int]:
        """The files whose path is, or ends after a slash in, `tail`."""
        stem = tail.rpartition("/")[2].partition(".")[0]
        return [
            file
            for file in self.by_stem.get(stem, ())
            if self.names[file] == tail or self.names[file].endswith(f"/{tail}")
        ]
