"""What patterns and members are bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.graph.flow.nodes import place_of, string_of, text_of
from imprint.semantic.graph.flow.program import (
    Call,
    Class,
    Either,
    Expression,
    Function,
    Given,
    Instance,
    Item,
    Made,
    Member,
    Name,
    Record,
    Scope,
    Symbol,
)
from imprint.semantic.graph.flow.scripts.statements import Statements

if TYPE_CHECKING:
    from tree_sitter import Node


class Patterns(Statements):
    """What patterns and members are bound to."""

    def bind(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None,
        types: list[Expression] | None = None,
    ) -> None:  # fmt: skip
        """Bind a pattern to a value: names are declared in `home`, or assigned where it is None."""
        value_or_type = value or (Instance(types[0]) if types else None)
        match target.type:
            case "identifier" | "shorthand_property_identifier_pattern" | "undefined":
                self._bind_name(target, value, scope, home, types or [])
            case "object_pattern" | "object":
                self._bind_object(target, value_or_type, scope, path, home)
            case "assignment_pattern" | "object_assignment_pattern" | "assignment_expression":
                self._bind_default(target, value, scope, path, home, types)
            case "member_expression":
                self._bind_member(target, value, scope, path)
            case "subscript_expression":
                self._bind_item(target, value, scope, path)
            case _:
                self._bind_parts(target, value_or_type, scope, path, home)

    def _bind_default(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None,
        types: list[Expression] | None,
    ) -> None:  # fmt: skip
        left, right = target.child_by_field_name("left"), target.child_by_field_name("right")
        default = self.expression(right, scope, path) if right is not None else None
        options = [each for each in (value, default) if each is not None]
        if left is not None:
            self.bind(left, Either(options), scope, path, home, types)

    def _bind_item(self, target: Node, value: Expression | None, scope: Scope, path: str) -> None:
        base = target.child_by_field_name("object")
        if base is not None and value is not None:
            lowered = self.expression(base, scope, path)
            key = self.key(target.child_by_field_name("index"), scope, path)
            self.program.item_stores.append((lowered, key, value))

    def _bind_parts(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None
    ) -> None:
        """Bind an array's pattern, what takes the rest, or what stands in parentheses."""
        for index, child in enumerate(target.named_children):
            part = value
            if target.type in {"array_pattern", "array"}:
                part = Item(value, str(index)) if value is not None else None
            elif target.type in {"rest_pattern", "spread_element"}:
                part = Made(Record(elements=[value])) if value is not None else None
            self.bind(child, part, scope, path, home)

    def _bind_name(
        self,
        target: Node,
        value: Expression | None,
        scope: Scope,
        home: Scope | None,
        types: list[Expression],
    ) -> None:
        symbol = self._symbol(target, "variable", [value] if value is not None else [])
        symbol.types += types
        if home is None:
            around: Scope | None = scope
            while around is not None and symbol.name not in around.names:
                around = around.parent
            self.program.use(Name(symbol.name, scope, place_of(target)))
            if around is not None:
                known = around.names[symbol.name]
                if not self.typed:
                    symbol.kind = "assigned"
                    known.append(symbol)
                elif value is not None:
                    known[-1].values.append(value)
                return
            if self.typed:
                return
            symbol.kind = "assigned"
            home = self._home(scope, "var")
        home.declare(symbol)
        self._export(symbol)

    def _export(self, symbol: Symbol) -> None:
        if self.exporting is not None:
            self.exporting.setdefault(symbol.name, []).append(symbol)

    def _bind_object(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None
    ) -> None:
        for child in target.named_children:
            key = child.child_by_field_name("key") if child.type in {"pair_pattern", "pair"} else None
            inner = child.child_by_field_name("value") if key is not None else child
            named = key or (child.child_by_field_name("left") if "assignment" in child.type else child)
            if inner is None or named is None or child.type in {"rest_pattern", "spread_element"}:
                self.bind(child, value, scope, path, home)
                continue
            part = Member(value, string_of(named), place_of(named)) if value is not None else None
            if part is not None and key is not None:
                self.program.use(part)
            if key is not None and key.type == "computed_property_name":
                self.expression(key.named_children[0], scope, path)
            self.bind(inner, part, scope, path, home)

    def _bind_member(self, target: Node, value: Expression | None, scope: Scope, path: str) -> None:
        base, name = target.child_by_field_name("object"), target.child_by_field_name("property")
        if base is None or name is None:
            return
        symbol = self._symbol(name, "field", [value] if value is not None else [])
        written = text_of(base)
        owner = self.owners[-1] if self.owners else None
        if written == "module" and symbol.name == "exports":
            self.program.exports.setdefault("module.exports", []).append(symbol)
        elif written in {"exports", "module.exports"}:
            self.program.exports.setdefault(symbol.name, []).append(symbol)
        elif base.type == "this" and isinstance(owner, Class | Function | Record):
            owner.fields.setdefault(symbol.name, []).append(symbol)
        else:
            lowered = self.expression(base, scope, path)
            if isinstance(lowered, Member) and lowered.name == "prototype":
                lowered = Call(lowered.base, [], symbol.line, path, constructs=True)
            self.program.stores.append((lowered, symbol))
            self.program.use(Member(lowered, symbol.name, place_of(name)))
            return
        self.program.use(Given(symbol), place_of(name))
