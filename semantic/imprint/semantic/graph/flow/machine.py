"""Follows expressions to the symbols and values that they may have.

It is not sensitive to the order of statements, but to the arguments of a call, up to `DEPTH_MAX` calls deep.

Invariants:
1. Total and bounded: a question takes at most `WORK_MAX` steps, circles give what is known when they close.
2. Files are lowered when they are first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.program import (
    Above,
    Call,
    Class,
    Either,
    Expression,
    Function,
    Given,
    Imported,
    Instance,
    Item,
    Made,
    Member,
    Name,
    Program,
    Record,
    Scope,
    Symbol,
)
from imprint.semantic.graph.flow.values import Frame, Value, bind_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DEPTH_MAX: Final = 6
WORK_MAX: Final = 30_000
NESTING_MAX: Final = 60
ROUNDS_MAX: Final = 5


class Machine:
    """Evaluates expressions of the programs of one snapshot.

    Args:
        load: gives the programs of a module, as a program names it.
        through_parameters: whether a parameter stands for the arguments of all known calls.
    """

    def __init__(self, load: Callable[[Program, str], list[Program]], *, through_parameters: bool) -> None:
        self._load = load
        self._through = through_parameters
        self._given: dict[Symbol, dict[Value, None]] = {}
        self._fields: dict[object, dict[str, dict[Symbol, None]]] = {}
        self._elements: dict[object, dict[str | None, list[tuple[Expression, Frame | None]]]] = {}
        self._memo: dict[tuple[int, int], tuple[Value, ...]] = {}
        self._partial: dict[tuple[int, int], tuple[Value, ...]] = {}
        self._keep: list[object] = []
        self._open: set[tuple[int, int]] = set()
        self._work = 0
        self._cut = 0
        self._settling = False
        self._settled: set[int] = set()

    # --- preparing

    def settle(self, programs: Iterable[Program]) -> None:
        """Run through stores and calls of programs until nothing more is learned."""
        listed = [each for each in programs if id(each) not in self._settled]
        self._settled |= {id(each) for each in listed}
        self._work = 0
        self._settling = True
        for _ in range(ROUNDS_MAX):
            before = self._size()
            self._memo.clear()
            for program in listed:
                self._run(program)
            if self._size() == before:
                break
        self._memo.clear()
        self._settling = False

    def _size(self) -> int:
        fields = sum(len(each) for names in self._fields.values() for each in names.values())
        elements = sum(len(each) for keys in self._elements.values() for each in keys.values())
        return fields + elements + sum(map(len, self._given.values()))

    def _run(self, program: Program) -> None:
        for base, symbol in program.stores:
            for value in self.evaluate(base):
                if isinstance(value.thing, Symbol) and not self._is_plain(value.thing):
                    continue
                key = self._key(value)
                self._fields.setdefault(key, {}).setdefault(symbol.name, {})[symbol] = None
        for base, key, stored in program.item_stores:
            for value in self.evaluate(base):
                if isinstance(value.thing, Record):
                    listed = self._elements.setdefault(value.thing, {}).setdefault(key, [])
                    if all(each[0] is not stored for each in listed):
                        listed.append((stored, None))
        if self._through:
            for call in program.calls:
                self._pass_arguments(call)

    def _is_plain(self, symbol: Symbol) -> bool:
        return not any(value.thing is not symbol for value in self._of_symbol(symbol, None, 0))

    def _pass_arguments(self, call: Call) -> None:
        for value in self.callees(call):
            function = value.thing
            if not isinstance(function, Function):
                continue
            skip = 0
            if value.receiver is not None and function.owner is not None and function.parameters:
                self._given.setdefault(function.parameters[0], {})[value.receiver] = None
                skip = 1
            for symbol, argument in bind_arguments(function, call, skip):
                given = self._given.setdefault(symbol, {})
                for each in self.evaluate(argument):
                    if not isinstance(each.thing, Symbol):
                        given[Value(each.thing, None, each.made, each.receiver, each.above)] = None

    # --- questions

    def callees(self, call: Call) -> list[Value]:
        """The functions that a call may run: of a class, what constructs it."""
        self._work = 0 if not self._settling else self._work
        found: dict[Value, None] = {}
        for value in self.evaluate(call.callee):
            if isinstance(value.thing, Function):
                found[value] = None
            elif isinstance(value.thing, Class):
                found |= dict.fromkeys(self._run_by(value, value.thing))
        return list(found)

    def _run_by(self, value: Value, called: Class) -> list[Value]:
        """What the call of a class, or of an object of it, runs: without a constructor, the class."""
        is_python = called.program.language == "python"
        name = "__call__" if value.made else "__init__" if is_python else "constructor"
        made = Value(called, None, made=True)
        found = [
            Value(each.thing, each.frame, receiver=made)
            for symbol in self.member_symbols(made, name)
            for each in self._of_symbol(symbol, None, 1)
            if isinstance(each.thing, Function)
        ]
        return found or ([] if value.made else [value])

    def definitions(self, expression: Expression) -> list[Symbol | Program]:
        """The symbols that a use goes through, and modules."""
        self._work = 0
        found: dict[Symbol | Program, None] = {}
        for value in self.evaluate(expression):
            if isinstance(value.thing, Symbol | Program) and not value.made:
                found[value.thing] = None
        return list(found)

    # --- evaluation

    def evaluate(
        self, expression: Expression, frame: Frame | None = None, depth: int = 0
    ) -> tuple[Value, ...]:
        """Every value that an expression may have, the symbols that lead to it among them."""
        key = id(expression), id(frame)
        known = self._memo.get(key) or self._partial.get(key)
        if known is not None:
            return known
        if key in self._open or self._work > WORK_MAX or depth > NESTING_MAX:
            self._cut += 1
            return ()
        cut = self._cut
        self._work += 1
        self._open.add(key)
        found = tuple(dict.fromkeys(self._evaluate(expression, frame, depth + 1)))
        self._open.discard(key)
        # What a circle cut short is good until the outermost question is answered, and asked anew after it.
        whole = self._cut == cut or not self._open
        (self._memo if whole else self._partial)[key] = found
        self._keep.append((expression, frame))
        if not self._open:
            self._partial.clear()
        return found

    def _evaluate(self, expression: Expression, frame: Frame | None, depth: int) -> list[Value]:
        found: list[Value] = []
        match expression:
            case Name():
                for symbol in self.look_up(expression.scope, expression.name):
                    found += self._symbol_and_values(symbol, frame, depth)
            case Either():
                for each in expression.options:
                    found += self.evaluate(each, frame, depth)
            case Made():
                thing = expression.thing
                held = None if isinstance(thing, Class) else frame
                found.append(Value(thing, held, isinstance(thing, Record)))
            case Above():
                found.append(Value(expression.owner, frame, made=True, above=True))
            case _:
                found = self._follow(expression, frame, depth)
        return found

    def _follow(
        self, expression: Member | Given | Call | Item | Instance | Imported, frame: Frame | None, depth: int
    ) -> list[Value]:
        match expression:
            case Member():
                found = self._member(expression, frame, depth)
            case Given():
                found = self._symbol_and_values(expression.symbol, frame, depth)
            case Call():
                found = self._call(expression, frame, depth)
            case Item():
                found = self._item(expression, frame, depth)
            case Instance():
                found = self._objects_of(expression.type, frame, depth)
            case Imported():
                found = self._imported(expression, depth)
        return found

    def _symbol_and_values(self, symbol: Symbol, frame: Frame | None, depth: int) -> list[Value]:
        return [Value(symbol), *self._of_symbol(symbol, frame, depth)]

    def _of_symbol(self, symbol: Symbol, frame: Frame | None, depth: int) -> list[Value]:
        """What a symbol stands for."""
        found: list[Value] = []
        around = frame
        passed = False
        while symbol.function is not None and around is not None:
            if around.function is symbol.function:
                for parameter, argument in around.arguments:
                    if parameter is symbol:
                        passed = True
                        found += self.evaluate(argument, around.caller, depth)
                if symbol.position == 0 and around.receiver is not None:
                    passed = True
                    found.append(around.receiver)
                break
            around = around.caller
        if symbol.function is not None and not passed:
            found += self._given.get(symbol, ()) if self._through else ()
            is_own = symbol.position == 0 and symbol.function.owner is not None
            if (
                is_own
                and not symbol.function.is_static
                and symbol.function.program.language == "python"
                and not found
            ):
                found.append(Value(symbol.function.owner, None, made=True))  # type: ignore[arg-type]
        typed = [
            each
            for expression in symbol.types
            for each in self._objects_of(expression, frame, depth)
            if each.made
        ]
        if not passed and not typed:
            for expression in symbol.values:
                found += self.evaluate(expression, frame, depth)
        return [*found, *typed]

    def look_up(self, scope: Scope | None, name: str) -> list[Symbol]:
        """The symbols of a name that are visible from a scope: the nearest scope's."""
        first = True
        while scope is not None:
            if (first or scope.kind != "class") and name in scope.names:
                return scope.names[name]
            for taken in scope.open_imports:
                found = [
                    symbol
                    for program in self._load(taken.program, taken.module)
                    for symbol in self.exported(program, name)
                ]
                if found:
                    return found
            first = first and scope.kind == "comprehension"
            scope = scope.parent
        return []

    # --- members

    def _member(self, expression: Member, frame: Frame | None, depth: int) -> list[Value]:
        found: list[Value] = []
        for value in self.evaluate(expression.base, frame, depth):
            for symbol in self.member_symbols(value, expression.name):
                held = value.frame or frame
                for each in self._symbol_and_values(symbol, held, depth):
                    binds = value.made and isinstance(each.thing, Function) and not each.thing.is_static
                    receiver = Value(value.thing, value.frame, made=True) if binds else each.receiver
                    found.append(Value(each.thing, each.frame, each.made, receiver, each.above))
            if isinstance(value.thing, Program):
                found += self._submodule(value.thing, expression.name)
        return found

    def _submodule(self, program: Program, name: str) -> list[Value]:
        if not program.is_package or self.exported(program, name):
            return []
        return [
            made for each in self._load(program, f".{name}") for made in (Value(each),) if each is not program
        ]

    def member_symbols(self, value: Value, name: str, depth: int = 0) -> list[Symbol]:
        """The symbols of a member."""
        thing = value.thing
        stored = list(self._fields.get(self._key(value), {}).get(name, ()))
        match thing:
            case Program():
                return [*self.exported(thing, name), *stored]
            case Record():
                return [*thing.fields.get(name, ()), *stored, *self._spread(thing, value, name, depth)]
            case Function():
                return [*thing.fields.get(name, ()), *stored] if value.made else stored
            case Class():
                own = [] if value.above else self._own_members(thing, value, name, stored)
                return own or self._inherited(thing, value, name, depth)
            case Symbol():
                return stored

    def _spread(self, record: Record, value: Value, name: str, depth: int) -> list[Symbol]:
        """The symbols of a member of what a record takes all fields from."""
        if depth > DEPTH_MAX:
            return []
        return [
            symbol
            for each in record.spread
            for inner in self.evaluate(each, value.frame, depth + 1)
            if inner.thing is not record
            for symbol in self.member_symbols(inner, name, depth + 1)
        ]

    def _own_members(self, made: Class, value: Value, name: str, stored: list[Symbol]) -> list[Symbol]:
        named = made.names.get(name, [])
        if value.made:
            return [*stored, *made.fields.get(name, ()), *named]
        if made.is_open:
            return [*stored, *named]
        return [*stored, *(each for each in named if each.kind == "static")]

    def _inherited(self, made: Class, value: Value, name: str, depth: int) -> list[Symbol]:
        """The symbols of a member of the first base that has it."""
        for base in made.bases if depth < 2 * DEPTH_MAX else ():
            for each in self.evaluate(base, None, 1):
                if isinstance(each.thing, Class) and each.thing is not made:
                    found = self.member_symbols(Value(each.thing, None, value.made), name, depth + 1)
                    if found:
                        return found
        return []

    def _key(self, value: Value) -> object:
        return (value.thing, "object") if value.made and isinstance(value.thing, Class) else value.thing

    def exported(self, program: Program, name: str, depth: int = 0) -> list[Symbol]:
        """What a program gives to others under a name."""
        if depth > DEPTH_MAX:
            return []
        if program.lists_exports:
            own = program.exports.get(name, [])
        else:
            own = program.scope.names.get(name, []) or program.exports.get(name, [])
        if own:
            return own
        for taken in [*program.reexports, *program.scope.open_imports]:
            if name == "default" and program.language != "python":
                continue
            for each in self._load(program, taken.module):
                found = self.exported(each, name, depth + 1) if each is not program else []
                if found:
                    return found
        return []

    # --- calls and items

    def _call(self, call: Call, frame: Frame | None, depth: int) -> list[Value]:
        found: list[Value] = []
        for value in self.evaluate(call.callee, frame, depth):
            thing = value.thing
            if isinstance(thing, Class) and not value.made:
                found.append(self._constructed(thing, call, frame))
            elif isinstance(thing, Class):
                for symbol in self.member_symbols(value, "__call__"):
                    for each in self._of_symbol(symbol, frame, depth):
                        if isinstance(each.thing, Function):
                            found += self._returned(each.thing, call, frame, value, depth)
            elif isinstance(thing, Function) and call.constructs:
                inner = self._enter(thing, call, frame, None)
                found.append(Value(thing, inner, made=True))
            elif isinstance(thing, Function):
                found += self._returned(thing, call, frame, value.receiver, depth)
        return found

    def _constructed(self, made: Class, call: Call, frame: Frame | None) -> Value:
        """The object that a call of a class makes, with the arguments of its constructor."""
        plain = Value(made, None, made=True)
        if self._through:
            return plain
        name = "__init__" if made.program.language == "python" else "constructor"
        for symbol in self.member_symbols(plain, name):
            for each in symbol.values:
                if isinstance(each, Made) and isinstance(each.thing, Function):
                    return Value(made, self._enter(each.thing, call, frame, plain), made=True)
        return plain

    def _enter(
        self, function: Function, call: Call, frame: Frame | None, receiver: Value | None
    ) -> Frame | None:
        depth = frame.depth + 1 if frame is not None else 1
        if depth > DEPTH_MAX:
            return None
        skip = 1 if receiver is not None and function.program.language == "python" else 0
        entered = Frame(
            function, tuple(bind_arguments(function, call, skip)), frame, receiver if skip else None, depth
        )
        self._keep.append(entered)
        return entered

    def _returned(
        self, function: Function, call: Call, frame: Frame | None, receiver: Value | None, depth: int
    ) -> list[Value]:
        inner = self._enter(function, call, frame, receiver)
        if inner is None:
            return []
        found = [
            value for each in function.result for value in self._objects_of(each, None, depth) if value.made
        ]
        if not found:
            found = [value for each in function.returns for value in self.evaluate(each, inner, depth)]
        if function.yields:
            if function.program.language == "python":
                found.append(Value(Record(elements=list(function.yields)), inner, made=True))
            else:
                found += [value for each in function.yields for value in self.evaluate(each, inner, depth)]
        return found

    def _item(self, item: Item, frame: Frame | None, depth: int) -> list[Value]:
        found: list[Value] = []
        for value in self.evaluate(item.base, frame, depth):
            record = value.thing
            if not isinstance(record, Record):
                continue
            held = value.frame or frame
            stored = self._elements.get(record, {})
            if item.key is None:
                symbols = [symbol for each in record.fields.values() for symbol in each]
                late = [each for listed in stored.values() for each in listed]
            else:
                symbols = record.fields.get(item.key, [])
                late = [*stored.get(item.key, ()), *stored.get(None, ())]
            for symbol in symbols:
                found += self._symbol_and_values(symbol, held, depth)
            for expression in record.elements:
                found += self.evaluate(expression, held, depth)
            for expression, where in late:
                found += self.evaluate(expression, where, depth)
        return found

    def _objects_of(self, expression: Expression, frame: Frame | None, depth: int) -> list[Value]:
        """Objects of the types that an expression names; records are their own type."""
        found = []
        for value in self.evaluate(expression, frame, depth):
            if isinstance(value.thing, Class):
                found.append(Value(value.thing, value.frame, made=True))
            elif isinstance(value.thing, Record):
                found.append(value)
        return found

    def _imported(self, taken: Imported, depth: int) -> list[Value]:
        home = taken.program
        found: list[Value] = []
        for program in self._load(home, taken.module):
            if not taken.name:
                found.append(Value(program))
                for symbol in program.exports.get("module.exports", ()):
                    found += self._symbol_and_values(symbol, None, depth)
                continue
            for symbol in self.exported(program, taken.name):
                found += self._symbol_and_values(symbol, None, depth)
        if taken.name and not found and home.language == "python":
            joined = f"{taken.module}{'' if taken.module.endswith('.') else '.'}{taken.name}"
            found = [Value(program) for program in self._load(home, joined)]
        return found
