"""One file's facts by name, and one snapshot's paths by folder: what the ladder looks things up in."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.semantic.parse.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_UNCALLED: Final = frozenset({EntityKind.INTERFACE, EntityKind.TYPE})
# A method as objects in braces have it: `name() {}`, `async *name() {}`, `get name() {}`.
_SHORTHAND: Final = re.compile(r"(?!function\b)(?:(?:async|get|set)\s+)?\*?\s*[\w$]+\s*[(<](?!.*=>)")
# Where a later definition of a name inside of a function takes the place of an earlier one.
REDEFINING: Final = frozenset({"python", "ecmascript", "ruby", "lua"})


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

    def is_stub(self, entity: Entity) -> bool:
        """Tell whether a definition only tells types: one of Python's `@overload`."""
        return self.family == "python" and any(
            each.name == "overload" and entity.start_line <= each.line < entity.line
            for each in self.facts.references
        )

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


def is_only_member(family: str, entity: Entity) -> bool:
    """Tell whether a callable is reached through its object alone: a member of one written in braces."""
    return family == "ecmascript" and (
        entity.kind is EntityKind.METHOD or _SHORTHAND.match(entity.signature) is not None
    )


def drop_types(page: Page, found: tuple[Found, ...], *, called: bool) -> tuple[Found, ...]:
    """Of a file's definitions of one name, one for each thing that is defined.

    Stubs and signatures go where the implementation is there, constructors where their type is, and what
    cannot be called, of a value and a type of one name.
    """
    kept = [each for each in found if not page.is_stub(each.entity)] or list(found)
    types = {each.entity.qualified_name for each in kept if each.entity.kind in TYPE_KINDS}
    kept = [each for each in kept if each.entity.container not in types]
    if page.family != "ecmascript":
        return tuple(kept)
    if called:
        kept = [each for each in kept if each.entity.kind not in _UNCALLED] or kept
    last = {_apart(each.entity): each for each in kept}  # an implementation follows its signatures
    return tuple(each for each in kept if last[_apart(each.entity)] is each)


def _apart(entity: Entity) -> tuple[object, ...]:
    """What tells definitions of one name apart that are not overloads of each other."""
    words = entity.signature.split(maxsplit=1)
    kind = None if entity.kind in CALLABLE_KINDS else entity.kind
    return entity.container, kind, words[0] if words and words[0] in {"get", "set", "static"} else ""


def in_block(lines: Sequence[bytes], found: tuple[Found, ...], line: int) -> tuple[Found, ...]:
    """Of definitions of one name inside of a function, the one that a use at a line of its file sees.

    That is the last one before it in the same block; all, where none is: blocks are told by indentation.
    """
    for each in sorted(found, key=lambda found: -found.entity.start_line):
        entity = each.entity
        if entity.start_line <= line <= entity.end_line:
            return (each,)
        if entity.end_line < line and not _ends_between(lines, entity.start_line, line):
            return (each,)
    return found


def _ends_between(lines: Sequence[bytes], start: int, end: int) -> bool:
    """Tell whether the block of line `start` ends before line `end`."""
    width = _indent(lines[start - 1])
    return any(_indent(line) < width for line in lines[start:end] if line.strip())


def _indent(line: bytes) -> int:
    line = line.expandtabs()
    return len(line) - len(line.lstrip())


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
