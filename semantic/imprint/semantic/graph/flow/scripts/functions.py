"""Functions and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.graph.flow.nodes import line_of, string_of, text_of
from imprint.semantic.graph.flow.program import Class, Expression, Function, Given, Made, Scope, Symbol
from imprint.semantic.graph.flow.scripts.patterns import Patterns

if TYPE_CHECKING:
    from tree_sitter import Node


class Functions(Patterns):
    """Functions and classes."""

    def _on_function_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            function = self._function(node, scope, f"{path}.{text_of(name)}" if path else text_of(name))
            symbol = self._symbol(name, "function", [Made(function)])
            function.symbol = symbol
            scope.declare(symbol)
            self._export(symbol)

    _on_generator_function_declaration = _on_function_declaration
    _on_function_signature = _on_function_declaration

    def _function(self, node: Node, scope: Scope, path: str, owner: Class | None = None) -> Function:
        function = Function(path, line_of(node), self.program, owner=owner)
        function.is_static = True
        inner = Scope("function", scope, self.program, owner=function)
        self._type_parameters(node, inner, path)
        name = node.child_by_field_name("name")
        if node.type in {"function_expression", "generator_function"} and name is not None:
            inner.declare(self._symbol(name, "function", [Made(function)]))
        exporting, self.exporting = self.exporting, None
        parameters = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
        if parameters is not None:
            listed = [parameters] if parameters.type == "identifier" else parameters.named_children
            for child in listed:
                self._parameter(child, inner, function, path)
        returned = node.child_by_field_name("return_type")
        if returned is not None:
            function.result.append(self.expression(returned, inner, path))
        body = node.child_by_field_name("body")
        self.functions.append(function)
        rebinds = node.type != "arrow_function"
        if rebinds:
            self.owners.append(owner if owner is not None else function)
        if body is not None and body.type == "statement_block":
            self.statements(body, inner, path)
        elif body is not None:
            function.returns.append(self.expression(body, inner, path))
        if rebinds:
            self.owners.pop()
        self.functions.pop()
        self.exporting = exporting
        return function

    def _parameter(self, node: Node, inner: Scope, function: Function, path: str) -> None:
        pattern = node.child_by_field_name("pattern") or node
        types = []
        kind = node.child_by_field_name("type")
        if kind is not None:
            types.append(self.expression(kind, inner, path))
        value = node.child_by_field_name("value")
        default = self.expression(value, inner, path) if value is not None else None
        if pattern.type == "assignment_pattern":
            right = pattern.child_by_field_name("right")
            default = self.expression(right, inner, path) if right is not None else None
            pattern = pattern.child_by_field_name("left") or pattern
        symbol = Symbol(
            text_of(pattern) if pattern.type == "identifier" else f"<{len(function.parameters)}>",
            line_of(pattern),
            "parameter", [default] if default is not None else [], types, function, len(function.parameters),
            self.program,
        )  # fmt: skip
        function.parameters.append(symbol)
        if pattern.type == "identifier":
            inner.declare(symbol)
            modifiers = {child.type for child in node.children}
            if modifiers & {"accessibility_modifier", "readonly"} and function.owner is not None:
                function.owner.fields.setdefault(symbol.name, []).append(symbol)
        elif pattern.type != "this":
            symbol.kind = "pattern"
            self.bind(pattern, Given(symbol), inner, path, inner)

    def _type_parameters(self, node: Node, scope: Scope, path: str) -> None:
        listed = node.child_by_field_name("type_parameters")
        for child in listed.named_children if listed is not None else ():
            name = child.child_by_field_name("name")
            if name is not None:
                symbol = scope.declare(self._symbol(name, "type", []))
                constraint = child.child_by_field_name("constraint")
                for each in constraint.named_children if constraint is not None else ():
                    symbol.types.append(self.expression(each, scope, path))

    def _of_arrow_function(self, node: Node, scope: Scope, path: str, name: str = "") -> Expression:
        if not name:
            count = self.anonymous[path] = self.anonymous.get(path, 0) + 1
            name = f"{path}.<function{count}>" if path else f"<function{count}>"
        return Made(self._function(node, scope, name))

    _of_function_expression = _of_arrow_function
    _of_generator_function = _of_arrow_function

    def _on_class_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            symbol = scope.declare(self._symbol(name, "class", []))
            self._export(symbol)
            made = self._class(node, scope, f"{path}.{text_of(name)}" if path else text_of(name))
            made.symbol = symbol
            symbol.values.append(Made(made))

    _on_abstract_class_declaration = _on_class_declaration
    _on_interface_declaration = _on_class_declaration

    def _of_class(self, node: Node, scope: Scope, path: str, name: str = "") -> Expression:
        del path
        own = node.child_by_field_name("name")
        inner = scope
        if own is not None:
            inner = Scope("block", scope, self.program)
            symbol = inner.declare(self._symbol(own, "class", []))
            made = self._class(node, inner, name or text_of(own))
            symbol.values.append(Made(made))
            return Made(made)
        return Made(self._class(node, inner, name or "<class>"))

    def _class(self, node: Node, scope: Scope, path: str) -> Class:
        made = Class(path, line_of(node), self.program, is_open=False)
        inner = Scope("block", scope, self.program, owner=made)
        self._type_parameters(node, inner, path)
        exporting, self.exporting = self.exporting, None
        for child in node.named_children:
            if child.type in {"class_heritage", "extends_type_clause", "extends_clause"}:
                self._bases(child, made, scope, path)
        body = node.child_by_field_name("body")
        self.owners.append(made)
        for child in body.named_children if body is not None else ():
            self._member_of_class(child, made, inner, path)
        self.owners.pop()
        self.exporting = exporting
        return made

    def _bases(self, node: Node, made: Class, scope: Scope, path: str) -> None:
        for child in node.named_children:
            if child.type in {"extends_clause", "implements_clause"}:
                self._bases(child, made, scope, path)
            elif child.type == "type_arguments":
                self.expression(child, scope, path)
            else:
                made.bases.append(self.expression(child, scope, path))

    def _member_of_class(self, node: Node, made: Class, scope: Scope, path: str) -> None:
        name = node.child_by_field_name("name") or node.child_by_field_name("property")
        if name is None:
            self.statement(node, scope, path)
            return
        if name.type == "computed_property_name":
            self.expression(name.named_children[0], scope, path)
        written = string_of(name)
        is_static = any(child.type == "static" for child in node.children)
        symbol = self._symbol(name, "static" if is_static else "member", [])
        kind, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if node.child_by_field_name("parameters") is not None:
            function = self._function(node, scope, f"{path}.{written}", made)
            is_getter = any(child.type == "get" for child in node.children)
            symbol.values += function.returns if is_getter else [Made(function)]
            symbol.types += function.result if is_getter else []
        if kind is not None:
            symbol.types.append(self.expression(kind, scope, path))
        if value is not None:
            symbol.values.append(self.expression(value, scope, path, name=f"{path}.{written}"))
        made.names.setdefault(written, []).append(symbol)
