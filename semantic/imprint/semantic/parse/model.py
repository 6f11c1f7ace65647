"""What extraction finds in a file: entities, references and chunks.

Lines are 1-based and inclusive and are Git's lines: a line ends at a line feed, and nowhere else. Names are
text as written in the source; qualified names join the names of nested entities with dots in every language.

Invariants:
1. Everything here is a value: frozen, comparable, and a function of (language, content) alone, never of a
   path.
2. `start_line <= line <= end_line` for every entity, and all three are lines of the file.
3. The first entity of a file with a grammar is its MODULE: it has no name, and it is what calls outside of
   every function, method and type belong to.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class EntityKind(enum.Enum):
    """What an entity is, in words that hold in every language."""

    MODULE = "module"
    NAMESPACE = "namespace"
    CLASS = "class"
    INTERFACE = "interface"
    TRAIT = "trait"
    STRUCT = "struct"
    ENUM = "enum"
    TYPE = "type"
    FUNCTION = "function"
    METHOD = "method"
    PROPERTY = "property"
    FIELD = "field"
    CONSTANT = "constant"
    VARIABLE = "variable"
    MACRO = "macro"
    DECLARATION = "declaration"
    ROUTE = "route"
    TEST = "test"


class ReferenceKind(enum.Enum):
    """How a name is used."""

    CALL = "call"
    IMPORT = "import"
    INHERIT = "inherit"
    USE = "use"


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that the source defines.

    Attributes:
        kind: what it is. A DECLARATION announces a function or method without its body (C, C++). A TEST is a
            function or method that a test framework runs, or a call that gives it a title and a body; its
            name is the function's or the title, and a group of tests is a TEST that holds them. A ROUTE is
            there besides its handler and has the handler's lines; its name is method and path
            (`GET /users/{id}`).
        name: its own name; empty for the module.
        container: the qualified name of what it is defined in; empty at the top.
        start_line: where it begins, with its decorators, attributes or annotations, without its comments.
        end_line: where it ends.
        line: the line that its name is on.
        signature: how it is declared, on one line, without its body and its decorators.
        doc: the first paragraph of its documentation; empty if it has none.
        structural_hash: equal for two entities whose code differs only in white space, comments,
            documentation and their own name.
    """

    kind: EntityKind
    name: str
    container: str
    start_line: int
    end_line: int
    line: int
    signature: str
    doc: str
    structural_hash: str

    @property
    def qualified_name(self) -> str:
        """The container's name and its own, joined with a dot."""
        return f"{self.container}.{self.name}" if self.container else self.name


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of a name that is defined somewhere, perhaps elsewhere.

    Attributes:
        name: the last part of what is called, inherited or used. An import gives one reference for the
            module, as written, and one for each name taken from it.
        kind: how it is used.
        line: where.
        container: the qualified name of the innermost function, method, type or namespace around it; empty in
            the module's body.
        qualifier: what stands before the name and its separator, as written (`self.client` in
            `self.client.send`); empty if nothing does.
    """

    name: str
    kind: ReferenceKind
    line: int
    container: str
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a file takes from elsewhere.

    Attributes:
        module: where from, as written, with the dots or slashes of a relative import.
        name: what is taken; empty for the module itself, `*` for everything that it gives.
        alias: under which name it is known here; empty where that follows from `name` or `module`.
        line: where.
        container: the qualified name of the innermost entity around it; empty in the module's body.
    """

    module: str
    name: str
    alias: str
    line: int
    container: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a name stands for, as far as one statement tells: raw material for resolving calls.

    Attributes:
        container: the qualified name of the innermost entity around it; empty in the module's body.
        target: the dotted name that is bound, as written (`self.client`); of a returned value, `<return>`.
        kind: `name` for another name, `call` for what a call gives, `type` for an annotation.
        value: the dotted name that it is bound to, called, or annotated with.
        line: where.
    """

    container: str
    target: str
    kind: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file, small enough to read and to rank.

    Attributes:
        start_line: its first line.
        end_line: its last line. A line too long for one chunk is cut into several that name the same line.
        symbol: the qualified name of the entity that it mainly holds; empty if none.
        kind: what that entity is (a value of `EntityKind`), "module" for code outside of entities, "text" in
            a file without a grammar.
        text: its content, with line feeds only and without a byte order mark; bytes that are not UTF-8 are
            replaced.
    """

    start_line: int
    end_line: int
    symbol: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that was found in one file.

    Attributes:
        language: the name of its language, as `imprint.semantic.parse.languages` lists them.
        entities: in the order of their start; the module first.
        references: in the order of their position.
        chunks: in order; together they hold every line.
        skipped: why nothing was extracted, in a word or two; None if something was.
        imports: in the order of their position.
        bindings: in the order of their position.
    """

    language: str
    entities: tuple[Entity, ...]
    references: tuple[Reference, ...]
    chunks: tuple[Chunk, ...]
    skipped: str | None
    imports: tuple[Import, ...] = ()
    bindings: tuple[Binding, ...] = ()
