"""Types, enumerations and name spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.nodes import line_of, string_of, text_of
from imprint.semantic.graph.flow.program import (
    Class,
    Either,
    Expression,
    Instance,
    Item,
    Made,
    Record,
    Scope,
    Symbol,
)
from imprint.semantic.graph.flow.scripts.functions import Functions

if TYPE_CHECKING:
    from tree_sitter import Node

_WRAPPERS: Final = frozenset({"Promise", "Readonly", "Partial", "Required", "NonNullable", "Awaited"})
_LISTS: Final = frozenset({"Array", "ReadonlyArray", "Set", "Iterable", "Generator"})


class Types(Functions):
    """Types, enumerations and name spaces."""

    def _on_type_alias_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and value is not None:
            symbol = scope.declare(self._symbol(name, "type", []))
            self._export(symbol)
            inner = Scope("block", scope, self.program)
            self._type_parameters(node, inner, path)
            symbol.values.append(self.expression(value, inner, path))

    def _of_object_type(self, node: Node, scope: Scope, path: str) -> Expression:
        made = Class(path, line_of(node), self.program, is_open=False)
        for child in node.named_children:
            self._member_of_class(child, made, scope, path)
        return Made(Record(fields=made.names))

    def _of_function_type(self, node: Node, scope: Scope, path: str) -> Expression:
        return Made(self._function(node, scope, f"{path}.<type>"))

    def _of_constructor_type(self, node: Node, scope: Scope, path: str) -> Expression:
        returned = node.child_by_field_name("type")
        inner = Scope("block", scope, self.program)
        return self.expression(returned, inner, path) if returned is not None else Either([])

    def _of_array_type(self, node: Node, scope: Scope, path: str) -> Expression:
        return Made(Record(elements=[Instance(self.expression(node.named_children[0], scope, path))]))

    def _of_tuple_type(self, node: Node, scope: Scope, path: str) -> Expression:
        record = Record()
        for index, child in enumerate(node.named_children):
            inner = child.child_by_field_name("type") or child
            value = Instance(self.expression(inner, scope, path))
            record.fields[str(index)] = [Symbol(str(index), line_of(child), "element", [value])]
        return Made(record)

    def _of_generic_type(self, node: Node, scope: Scope, path: str) -> Expression:
        name = node.child_by_field_name("name")
        listed = [child for child in node.named_children if child.type == "type_arguments"]
        arguments = [self.expression(each, scope, path) for child in listed for each in child.named_children]
        base = self.expression(name, scope, path) if name is not None else Either([])
        if text_of(name) in _WRAPPERS:
            return Either(arguments)
        if text_of(name) in _LISTS:
            return Made(Record(elements=[Instance(each) for each in arguments]))
        return base

    def _of_union_type(self, node: Node, scope: Scope, path: str) -> Expression:
        return Either([self.expression(child, scope, path) for child in node.named_children])

    _of_intersection_type = _of_union_type

    def _of_lookup_type(self, node: Node, scope: Scope, path: str) -> Expression:
        base, index = node.named_children[0], node.named_children[-1]
        return Item(Instance(self.expression(base, scope, path)), string_of(index))

    def _on_enum_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is None:
            return
        record = Record()
        symbol = scope.declare(self._symbol(name, "enum", [Made(record)]))
        self._export(symbol)
        for child in body.named_children if body is not None else ():
            named = child.child_by_field_name("name") or child
            if named.type in {"property_identifier", "string"}:
                record.fields[string_of(named)] = [self._symbol(named, "constant", [])]
            value = child.child_by_field_name("value")
            if value is not None:
                self.expression(value, scope, path)

    def _on_internal_module(self, node: Node, scope: Scope, path: str) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is None or name.type == "string":
            for child in node.named_children:
                self.statement(child, scope, path)
            return
        parts = name.named_children if name.type == "nested_identifier" else [name]
        exporting = self.exporting
        home = scope
        record = Record()
        for index, part in enumerate(parts):
            known = home.names.get(text_of(part), []) if index == 0 else []
            record = next(
                (
                    value.thing
                    for each in known
                    for value in each.values
                    if isinstance(value, Made) and isinstance(value.thing, Record)
                ),
                Record(),
            )
            symbol = home.declare(self._symbol(part, "namespace", [Made(record)]))
            if index == 0 or exporting is not None:
                self._export(symbol)
            home = Scope("block", home, self.program)
            self.exporting = record.fields
        outer, self.exporting = exporting, None
        shared = Scope("block", scope, self.program, names=record.fields)
        inner = Scope("block", shared, self.program)
        if body is not None:
            for child in body.named_children:
                if child.type == "export_statement":
                    self.exporting = record.fields
                self.statement(child, inner, path)
                self.exporting = None
        self.exporting = outer

    _on_module = _on_internal_module

    def _on_ambient_declaration(self, node: Node, scope: Scope, path: str) -> None:
        self.statements(node, scope, path)
