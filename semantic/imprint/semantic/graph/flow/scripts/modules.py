"""Imports and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.graph.flow.nodes import line_of, place_of, string_of, text_of
from imprint.semantic.graph.flow.program import Imported, Made, Name, Scope, Symbol
from imprint.semantic.graph.flow.scripts.types import Types

if TYPE_CHECKING:
    from tree_sitter import Node


class ModuleStatements(Types):
    """Imports and exports."""

    def _on_import_statement(self, node: Node, scope: Scope, path: str) -> None:
        module = string_of(node.child_by_field_name("source"))
        clause = next((child for child in node.named_children if child.type == "import_clause"), None)
        required = next(
            (child for child in node.named_children if child.type == "import_require_clause"), None
        )
        if required is not None and required.named_children:
            target = required.named_children[0]
            self._take(target, target, string_of(required.child_by_field_name("source")), "", scope)
        for child in clause.named_children if clause is not None else ():
            if child.type == "identifier":
                self._take(child, child, module, "default", scope)
            elif child.type == "namespace_import":
                self._take(child.named_children[0], child.named_children[0], module, "", scope)
            for each in child.named_children if child.type == "named_imports" else ():
                name = each.child_by_field_name("name")
                alias = each.child_by_field_name("alias") or name
                if name is not None and alias is not None:
                    self._take(alias, name, module, string_of(name), scope)
        del path

    def _take(self, alias: Node, name: Node, module: str, taken_name: str, scope: Scope) -> None:
        taken = Imported(module, taken_name, place_of(name), self.program)
        self.program.use(taken)
        scope.declare(self._symbol(alias, "import", [taken]))

    def _on_export_statement(self, node: Node, scope: Scope, path: str) -> None:
        source = node.child_by_field_name("source")
        declaration = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        exports = self.exporting if self.exporting is not None else self.program.exports
        self.program.lists_exports = True
        is_default = any(child.type == "default" for child in node.children)
        if declaration is not None and not is_default:
            before, self.exporting = self.exporting, exports
            self.statement(declaration, scope, path)
            self.exporting = before
        elif is_default and (declaration is not None or value is not None):
            self._export_default(node, declaration, value, scope, path)
        for child in node.named_children:
            if child.type == "export_clause":
                self._export_clause(child, source, exports, scope)
            elif child.type == "namespace_export":
                taken = Imported(string_of(source), "", place_of(child), self.program)
                symbol = self._symbol(child.named_children[0], "import", [taken])
                exports.setdefault(symbol.name, []).append(symbol)
        if source is not None and any(child.type == "*" for child in node.children):
            self.program.reexports.append(Imported(string_of(source), "*", place_of(source), self.program))

    def _export_default(
        self, node: Node, declaration: Node | None, value: Node | None, scope: Scope, path: str
    ) -> None:
        symbol = Symbol("default", line_of(node), "export", program=self.program)
        self.program.exports.setdefault("default", []).append(symbol)
        if declaration is not None:
            self.statement(declaration, scope, path)
            name = declaration.child_by_field_name("name")
            if name is not None:
                symbol.values.append(Name(text_of(name), scope, (0, 0, 0)))
            elif declaration.child_by_field_name("parameters") is not None:
                symbol.values.append(Made(self._function(declaration, scope, "default")))
        elif value is not None:
            symbol.values.append(self.expression(value, scope, path, name="default"))

    def _export_clause(
        self, node: Node, source: Node | None, exports: dict[str, list[Symbol]], scope: Scope
    ) -> None:
        for each in node.named_children:
            name = each.child_by_field_name("name")
            alias = each.child_by_field_name("alias") or name
            if name is None or alias is None:
                continue
            value: Name | Imported = (
                Imported(string_of(source), string_of(name), place_of(name), self.program)
                if source is not None
                else Name(text_of(name), scope, place_of(name))
            )
            self.program.use(value)
            symbol = self._symbol(alias, "export", [value])
            exports.setdefault(symbol.name, []).append(symbol)
