"""Statements and scopes of JavaScript and TypeScript."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.nodes import line_of, string_of, text_of
from imprint.semantic.graph.flow.program import (
    Class,
    Expression,
    Function,
    Item,
    Program,
    Record,
    Scope,
    Symbol,
)

if TYPE_CHECKING:
    from tree_sitter import Node

BLOCKS: Final = frozenset(
    {
        "statement_block",
        "for_statement",
        "for_in_statement",
        "switch_body",
        "catch_clause",
        "class_static_block",
    }
)


class Statements(ABC):
    """Walks the statements of one file. Depth of recursion is that of the source; the caller bounds it."""

    @abstractmethod
    def bind(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None,
        types: list[Expression] | None = None,
    ) -> None:  # fmt: skip
        """Bind a pattern to a value: names are declared in `home`, or assigned where it is None."""

    def __init__(self, program: Program, *, typed: bool) -> None:
        self.program = program
        self.typed = typed
        self.anonymous: dict[str, int] = {}
        self.functions: list[Function] = []
        self.owners: list[Class | Function | Record] = []
        self.exporting: dict[str, list[Symbol]] | None = None

    @abstractmethod
    def expression(self, node: Node, scope: Scope, path: str, *, name: str = "") -> Expression:
        """Lower an expression; of one whose value is not followed, what is in it."""

    @abstractmethod
    def key(self, node: Node | None, scope: Scope, path: str) -> str | None:
        """The key that an index says; None where it is not written out."""

    def statements(self, node: Node, scope: Scope, path: str) -> None:
        """Lower what stands in a node."""
        for child in node.named_children:
            self.statement(child, scope, path)

    def statement(self, node: Node, scope: Scope, path: str) -> Expression | None:
        """Lower a statement; an expression gives its value."""
        handler = getattr(self, f"_on_{node.type}", None)
        if handler is not None:
            done = handler(node, scope, path)
            return done if isinstance(done, Expression) else None
        if node.type in BLOCKS:
            self.statements(node, Scope("block", scope, self.program), path)
        elif node.type.endswith("_statement") or node.type in {
            "else_clause",
            "finally_clause",
            "switch_case",
            "switch_default",
            "ERROR",
        }:
            self.statements(node, scope, path)
        else:
            return self.expression(node, scope, path)
        return None

    def _on_with_statement(self, node: Node, scope: Scope, path: str) -> None:
        self.statements(node, scope, path)

    def _on_for_in_statement(self, node: Node, scope: Scope, path: str) -> None:
        inner = Scope("block", scope, self.program)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        kind = text_of(node.child_by_field_name("kind"))
        value = Item(self.expression(right, inner, path), None) if right is not None else None
        if left is not None:
            self.bind(left, value, inner, path, self._home(inner, kind) if kind else None)
        body = node.child_by_field_name("body")
        if body is not None:
            self.statement(body, inner, path)

    def _on_catch_clause(self, node: Node, scope: Scope, path: str) -> None:
        inner = Scope("block", scope, self.program)
        parameter = node.child_by_field_name("parameter")
        if parameter is not None:
            self.bind(parameter, None, inner, path, inner)
        body = node.child_by_field_name("body")
        if body is not None:
            self.statements(body, inner, path)

    def _home(self, scope: Scope, kind: str) -> Scope:
        while kind == "var" and scope.kind == "block" and scope.parent is not None:
            scope = scope.parent
        return scope

    def _on_variable_declaration(self, node: Node, scope: Scope, path: str) -> None:
        self._declare(node, self._home(scope, "var"), scope, path)

    def _on_lexical_declaration(self, node: Node, scope: Scope, path: str) -> None:
        self._declare(node, scope, scope, path)

    def _declare(self, node: Node, home: Scope, scope: Scope, path: str) -> None:
        for child in node.named_children:
            name = child.child_by_field_name("name")
            if child.type != "variable_declarator" or name is None:
                continue
            value = child.child_by_field_name("value")
            inner = f"{path}.{text_of(name)}" if path else text_of(name)
            lowered = self.expression(value, scope, path, name=inner) if value is not None else None
            kind = child.child_by_field_name("type")
            types = [self.expression(kind, scope, path)] if kind is not None else []
            self.bind(name, lowered, scope, path, home, types)

    def _symbol(self, node: Node, kind: str, values: list[Expression]) -> Symbol:
        return Symbol(string_of(node), line_of(node), kind, values, program=self.program)
