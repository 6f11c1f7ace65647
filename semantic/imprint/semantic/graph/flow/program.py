"""A file as scopes, symbols and expressions: what the lowerings make and the machine evaluates.

Invariants:
1. A program is a function of a file's content; it knows no other file.
2. Nothing orders its statements: every assignment to a name counts everywhere in the name's scope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# A place: line from 1, columns in bytes from 0.
Place = tuple[int, int, int]


@dataclass(eq=False, slots=True)
class Symbol:
    """A name that is declared; `values` are what it is assigned, `types` what it is annotated with."""

    name: str
    line: int
    kind: str
    values: list[Expression] = field(default_factory=list)
    types: list[Expression] = field(default_factory=list)
    # Of a parameter: its function, and its position.
    function: Function | None = None
    position: int = -1
    program: Program | None = None
    exported: bool = True


@dataclass(eq=False, slots=True)
class Scope:
    """Where names are declared. A class's names are not visible from the functions in it."""

    kind: str
    parent: Scope | None
    program: Program | None = None
    names: dict[str, list[Symbol]] = field(default_factory=dict)
    owner: Function | Class | None = None
    open_imports: list[Imported] = field(default_factory=list)

    def declare(self, symbol: Symbol) -> Symbol:
        """Add a symbol."""
        self.names.setdefault(symbol.name, []).append(symbol)
        return symbol


@dataclass(eq=False, slots=True)
class Function:
    """A function: its parameters, what it returns and yields. `path` is its qualified name."""

    path: str
    line: int
    program: Program
    parameters: list[Symbol] = field(default_factory=list)
    returns: list[Expression] = field(default_factory=list)
    yields: list[Expression] = field(default_factory=list)
    result: list[Expression] = field(default_factory=list)
    owner: Class | None = None
    is_static: bool = False
    is_async: bool = False
    # Fields that the function gives to what it constructs (JavaScript).
    fields: dict[str, list[Symbol]] = field(default_factory=dict)
    symbol: Symbol | None = None


@dataclass(eq=False, slots=True)
class Class:
    """A class or interface: `names` are its members, `fields` those of its objects only."""

    path: str
    line: int
    program: Program
    names: dict[str, list[Symbol]] = field(default_factory=dict)
    fields: dict[str, list[Symbol]] = field(default_factory=dict)
    bases: list[Expression] = field(default_factory=list)
    # Whether its methods are reached through it and not only through its objects (Python).
    is_open: bool = True
    symbol: Symbol | None = None


@dataclass(eq=False, slots=True)
class Record:
    """An object, list, tuple or dict as written: its fields, and elements whose key is not known."""

    fields: dict[str, list[Symbol]] = field(default_factory=dict)
    elements: list[Expression] = field(default_factory=list)
    # Objects that it takes all fields from.
    spread: list[Expression] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Name:
    """A use of a name."""

    name: str
    scope: Scope
    place: Place


@dataclass(eq=False, slots=True)
class Member:
    """A member of a value, by name."""

    base: Expression
    name: str
    place: Place


@dataclass(eq=False, slots=True)
class Item:
    """An element of a value, by key, or any of them."""

    base: Expression
    key: str | None


@dataclass(eq=False, slots=True)
class Call:
    """A call; arguments have a name, or None by position, or `*` where several are spread."""

    callee: Expression
    arguments: list[tuple[str | None, Expression]]
    line: int
    container: str
    constructs: bool = False


@dataclass(eq=False, slots=True)
class Made:
    """A function, class or record that is made here."""

    thing: Function | Class | Record


@dataclass(eq=False, slots=True)
class Either:
    """One of several."""

    options: list[Expression]


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a type."""

    type: Expression


@dataclass(eq=False, slots=True)
class Imported:
    """A module, or a name of it; `name` is `*` for all of its names."""

    module: str
    name: str
    place: Place
    program: Program


@dataclass(eq=False, slots=True)
class Above:
    """What the bases of a class give (`super`)."""

    owner: Class


@dataclass(eq=False, slots=True)
class Given:
    """A symbol, as a value."""

    symbol: Symbol


Expression = Name | Member | Item | Call | Made | Either | Instance | Imported | Above | Given


@dataclass(eq=False, slots=True)
class Program:
    """A lowered file.

    Attributes:
        file: its number in the snapshot.
        scope: its outermost names.
        line: where its code begins.
        is_package: it speaks for a folder (`__init__.py`), whose files are members of it.
        exports: names that it gives to others, where the language lists them; otherwise the scope's.
        stores: assignments to members: base, symbol.
        calls: every call, in order of position.
        uses: every use of a name, by line.
    """

    file: int
    scope: Scope
    line: int
    language: str
    exports: dict[str, list[Symbol]] = field(default_factory=dict)
    reexports: list[Imported] = field(default_factory=list)
    lists_exports: bool = False
    is_package: bool = False
    stores: list[tuple[Expression, Symbol]] = field(default_factory=list)
    item_stores: list[tuple[Expression, str | None, Expression]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    uses: dict[int, list[tuple[Place, Expression]]] = field(default_factory=dict)

    def use(self, expression: Name | Member | Imported | Given, place: Place | None = None) -> None:
        """Remember where a name is used."""
        where = place or (NO_PLACE if isinstance(expression, Given) else expression.place)
        self.uses.setdefault(where[0], []).append((where, expression))


NO_PLACE: Final = (0, 0, 0)
