"""JavaScript and TypeScript files to programs. Types and values share one name space."""

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

if TYPE_CHECKING:
    from tree_sitter import Node

_BLOCKS: Final = frozenset(
    {
        "statement_block",
        "for_statement",
        "for_in_statement",
        "switch_body",
        "catch_clause",
        "class_static_block",
    }
)
_TRANSPARENT: Final = frozenset(
    {
        "parenthesized_expression",
        "await_expression",
        "type_annotation",
        "non_null_expression",
        "parenthesized_type",
        "spread_element",
        "type_query",
        "readonly_type",
        "asserts",
        "optional_type",
        "rest_type",
        "extends_clause",
        "jsx_expression",
    }
)
_NAMES: Final = frozenset(
    {"identifier", "type_identifier", "shorthand_property_identifier", "jsx_identifier", "undefined"}
)
_WRAPPERS: Final = frozenset({"Promise", "Readonly", "Partial", "Required", "NonNullable", "Awaited"})
_LISTS: Final = frozenset({"Array", "ReadonlyArray", "Set", "Iterable", "Generator"})


def lower_ecmascript(root: Node, file: int, *, typed: bool) -> Program:
    """Lower a parsed file; in a typed one an assignment declares nothing."""
    scope = Scope("module", None)
    program = Program(file, scope, root.start_point[0] + 1, "ecmascript")
    scope.program = program
    lowering = _Lowering(program, typed=typed)
    lowering.statements(root, scope, "")
    return program


def _text(node: Node | None) -> str:
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else ""


def _place(node: Node) -> tuple[int, int, int]:
    return node.start_point[0] + 1, node.start_point[1], node.end_point[1]


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _string(node: Node | None) -> str:
    return _text(node).strip("\"'`")


class _Lowering:
    """Walks one file. Depth of recursion is that of the source; the caller bounds it."""

    def __init__(self, program: Program, *, typed: bool) -> None:
        self.program = program
        self.typed = typed
        self.anonymous: dict[str, int] = {}
        self.functions: list[Function] = []
        self.owners: list[Class | Function | Record] = []
        self.exporting: dict[str, list[Symbol]] | None = None

    # --- statements

    def statements(self, node: Node, scope: Scope, path: str) -> None:
        for child in node.named_children:
            self.statement(child, scope, path)

    def statement(self, node: Node, scope: Scope, path: str) -> Expression | None:
        handler = getattr(self, f"_on_{node.type}", None)
        if handler is not None:
            done = handler(node, scope, path)
            return done if isinstance(done, Expression) else None
        if node.type in _BLOCKS:
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

    def _symbol(self, node: Node, kind: str, values: list[Expression]) -> Symbol:
        return Symbol(_string(node), _line(node), kind, values, program=self.program)

    def _on_with_statement(self, node: Node, scope: Scope, path: str) -> None:
        self.statements(node, scope, path)

    def _on_for_in_statement(self, node: Node, scope: Scope, path: str) -> None:
        inner = Scope("block", scope, self.program)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        kind = _text(node.child_by_field_name("kind"))
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
            inner = f"{path}.{_text(name)}" if path else _text(name)
            lowered = self.expression(value, scope, path, name=inner) if value is not None else None
            kind = child.child_by_field_name("type")
            types = [self.expression(kind, scope, path)] if kind is not None else []
            self.bind(name, lowered, scope, path, home, types)

    def bind(
        self, target: Node, value: Expression | None, scope: Scope, path: str, home: Scope | None,
        types: list[Expression] | None = None,
    ) -> None:  # fmt: skip
        """Bind a pattern to a value: names are declared in `home`, or assigned where it is None."""
        if target.type in {"identifier", "shorthand_property_identifier_pattern", "undefined"}:
            self._bind_name(target, value, scope, home, types or [])
        elif target.type in {"object_pattern", "object"}:
            self._bind_object(target, value or (Instance(types[0]) if types else None), scope, path, home)
        elif target.type in {"array_pattern", "array"}:
            whole = value or (Instance(types[0]) if types else None)
            for index, child in enumerate(target.named_children):
                part = Item(whole, str(index)) if whole is not None else None
                self.bind(child, part, scope, path, home)
        elif target.type in {"assignment_pattern", "object_assignment_pattern", "assignment_expression"}:
            left, right = target.child_by_field_name("left"), target.child_by_field_name("right")
            default = self.expression(right, scope, path) if right is not None else None
            options = [each for each in (value, default) if each is not None]
            if left is not None:
                self.bind(left, Either(options), scope, path, home, types)
        elif target.type in {"rest_pattern", "spread_element"}:
            for child in target.named_children:
                self.bind(child, Made(Record(elements=[value])) if value else None, scope, path, home)
        elif target.type == "member_expression":
            self._bind_member(target, value, scope, path)
        elif target.type == "subscript_expression":
            base, key = target.child_by_field_name("object"), target.child_by_field_name("index")
            if base is not None and value is not None:
                lowered = self.expression(base, scope, path)
                self.program.item_stores.append((lowered, self._key(key, scope, path), value))
        elif target.type == "parenthesized_expression" and target.named_children:
            self.bind(target.named_children[0], value, scope, path, home, types)

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
            self.program.use(Name(symbol.name, scope, _place(target)))
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
            part = Member(value, _string(named), _place(named)) if value is not None else None
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
        written = _text(base)
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
            self.program.use(Member(lowered, symbol.name, _place(name)))
            return
        self.program.use(Given(symbol), _place(name))

    # --- functions and classes

    def _on_function_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            function = self._function(node, scope, f"{path}.{_text(name)}" if path else _text(name))
            symbol = self._symbol(name, "function", [Made(function)])
            function.symbol = symbol
            scope.declare(symbol)
            self._export(symbol)

    _on_generator_function_declaration = _on_function_declaration
    _on_function_signature = _on_function_declaration

    def _function(self, node: Node, scope: Scope, path: str, owner: Class | None = None) -> Function:
        function = Function(path, _line(node), self.program, owner=owner)
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
            _text(pattern) if pattern.type == "identifier" else f"<{len(function.parameters)}>", _line(pattern),
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
            made = self._class(node, scope, f"{path}.{_text(name)}" if path else _text(name))
            made.symbol = symbol
            symbol.values.append(Made(made))

    _on_abstract_class_declaration = _on_class_declaration
    _on_interface_declaration = _on_class_declaration

    def _of_class(self, node: Node, scope: Scope, path: str, name: str = "") -> Expression:
        own = node.child_by_field_name("name")
        inner = scope
        if own is not None:
            inner = Scope("block", scope, self.program)
            symbol = inner.declare(self._symbol(own, "class", []))
            made = self._class(node, inner, name or _text(own))
            symbol.values.append(Made(made))
            return Made(made)
        return Made(self._class(node, inner, name or "<class>"))

    def _class(self, node: Node, scope: Scope, path: str) -> Class:
        made = Class(path, _line(node), self.program, is_open=False)
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
        written = _string(name)
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

    # --- types

    def _on_type_alias_declaration(self, node: Node, scope: Scope, path: str) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and value is not None:
            symbol = scope.declare(self._symbol(name, "type", []))
            self._export(symbol)
            inner = Scope("block", scope, self.program)
            self._type_parameters(node, inner, path)
            symbol.values.append(self.expression(value, inner, path))

    def _of_object_type(self, node: Node, scope: Scope, path: str) -> Expression:
        made = Class(path, _line(node), self.program, is_open=False)
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
            record.fields[str(index)] = [Symbol(str(index), _line(child), "element", [value])]
        return Made(record)

    def _of_generic_type(self, node: Node, scope: Scope, path: str) -> Expression:
        name = node.child_by_field_name("name")
        listed = [child for child in node.named_children if child.type == "type_arguments"]
        arguments = [self.expression(each, scope, path) for child in listed for each in child.named_children]
        base = self.expression(name, scope, path) if name is not None else Either([])
        if _text(name) in _WRAPPERS:
            return Either(arguments)
        if _text(name) in _LISTS:
            return Made(Record(elements=[Instance(each) for each in arguments]))
        return base

    def _of_union_type(self, node: Node, scope: Scope, path: str) -> Expression:
        return Either([self.expression(child, scope, path) for child in node.named_children])

    _of_intersection_type = _of_union_type

    def _of_lookup_type(self, node: Node, scope: Scope, path: str) -> Expression:
        base, index = node.named_children[0], node.named_children[-1]
        return Item(Instance(self.expression(base, scope, path)), _string(index))

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
                record.fields[_string(named)] = [self._symbol(named, "constant", [])]
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
            known = home.names.get(_text(part), []) if index == 0 else []
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

    # --- modules

    def _on_import_statement(self, node: Node, scope: Scope, path: str) -> None:
        module = _string(node.child_by_field_name("source"))
        clause = next((child for child in node.named_children if child.type == "import_clause"), None)
        required = next(
            (child for child in node.named_children if child.type == "import_require_clause"), None
        )
        if required is not None and required.named_children:
            target = required.named_children[0]
            self._take(target, target, _string(required.child_by_field_name("source")), "", scope)
        for child in clause.named_children if clause is not None else ():
            if child.type == "identifier":
                self._take(child, child, module, "default", scope)
            elif child.type == "namespace_import":
                self._take(child.named_children[0], child.named_children[0], module, "", scope)
            for each in child.named_children if child.type == "named_imports" else ():
                name = each.child_by_field_name("name")
                alias = each.child_by_field_name("alias") or name
                if name is not None and alias is not None:
                    self._take(alias, name, module, _string(name), scope)
        del path

    def _take(self, alias: Node, name: Node, module: str, taken_name: str, scope: Scope) -> None:
        taken = Imported(module, taken_name, _place(name), self.program)
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
                taken = Imported(_string(source), "", _place(child), self.program)
                symbol = self._symbol(child.named_children[0], "import", [taken])
                exports.setdefault(symbol.name, []).append(symbol)
        if source is not None and any(child.type == "*" for child in node.children):
            self.program.reexports.append(Imported(_string(source), "*", _place(source), self.program))

    def _export_default(
        self, node: Node, declaration: Node | None, value: Node | None, scope: Scope, path: str
    ) -> None:
        symbol = Symbol("default", _line(node), "export", program=self.program)
        self.program.exports.setdefault("default", []).append(symbol)
        if declaration is not None:
            self.statement(declaration, scope, path)
            name = declaration.child_by_field_name("name")
            if name is not None:
                symbol.values.append(Name(_text(name), scope, (0, 0, 0)))
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
                Imported(_string(source), _string(name), _place(name), self.program)
                if source is not None
                else Name(_text(name), scope, _place(name))
            )
            self.program.use(value)
            symbol = self._symbol(alias, "export", [value])
            exports.setdefault(symbol.name, []).append(symbol)

    # --- expressions

    def expression(self, node: Node, scope: Scope, path: str, *, name: str = "") -> Expression:
        """Lower an expression; of one whose value is not followed, what is in it."""
        if node.type in _NAMES:
            used = Name(_text(node), scope, _place(node))
            self.program.use(used)
            return used
        if node.type in _TRANSPARENT and node.named_children:
            return self.expression(node.named_children[0], scope, path, name=name)
        if name and node.type in {"arrow_function", "function_expression", "generator_function", "class"}:
            return getattr(self, f"_of_{node.type}")(node, scope, path, name)  # type: ignore[no-any-return]
        handler = getattr(self, f"_of_{node.type}", None)
        if handler is not None:
            found = handler(node, scope, path)
            return found if isinstance(found, Expression) else Either([])
        if hasattr(self, f"_on_{node.type}") or node.type in _BLOCKS:
            return self.statement(node, scope, path) or Either([])
        for child in node.named_children:
            self.expression(child, scope, path)
        return Either([])

    def _of_this(self, node: Node, scope: Scope, path: str) -> Expression:
        del node, scope, path
        owner = self.owners[-1] if self.owners else None
        if isinstance(owner, Class):
            return Instance(Made(owner))
        if isinstance(owner, Record):
            return Made(owner)
        if isinstance(owner, Function):
            return Made(Record(fields=owner.fields))
        return Either([])

    def _of_super(self, node: Node, scope: Scope, path: str) -> Expression:
        del node, scope, path
        owner = next((each for each in reversed(self.owners) if isinstance(each, Class)), None)
        return Above(owner) if owner is not None else Either([])

    def _of_member_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        base, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if base is None or name is None:
            return Either([])
        used = Member(self.expression(base, scope, path), _text(name), _place(name))
        self.program.use(used)
        return used

    def _of_nested_identifier(self, node: Node, scope: Scope, path: str) -> Expression:
        first, *rest = node.named_children
        found = self.expression(first, scope, path)
        for part in rest:
            found = Member(found, _text(part), _place(part))
            self.program.use(found)
        return found

    _of_nested_type_identifier = _of_nested_identifier

    def _key(self, node: Node | None, scope: Scope, path: str) -> str | None:
        if node is None:
            return None
        self.expression(node, scope, path)
        return _string(node) if node.type in {"string", "number"} else None

    def _of_subscript_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        base, index = node.child_by_field_name("object"), node.child_by_field_name("index")
        value = self.expression(base, scope, path) if base is not None else Either([])
        return Item(value, self._key(index, scope, path))

    def _of_call_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        callee, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if callee is None or arguments is None:
            return Either([])
        first = arguments.named_children[0] if arguments.named_children else None
        if first is not None and first.type == "string" and _text(callee) in {"require", "import"}:
            taken = Imported(_string(first), "", _place(first), self.program)
            self.program.use(taken)
            return taken
        lowered = self.expression(callee, scope, path)
        call = self._call(node, lowered, arguments, scope, path)
        if isinstance(lowered, Member) and lowered.name in {"extend", "assign"}:
            for _, argument in call.arguments:
                self.program.stores.append((lowered.base, Symbol("<spread>", 0, "spread", [argument])))
        return call

    def _call(self, node: Node, callee: Expression, arguments: Node | None, scope: Scope, path: str) -> Call:
        call = Call(callee, [], _line(node), path)
        for child in arguments.named_children if arguments is not None else ():
            spread = child.type == "spread_element"
            call.arguments.append(("*" if spread else None, self.expression(child, scope, path)))
        self.program.calls.append(call)
        return call

    def _of_new_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        constructor = node.child_by_field_name("constructor")
        callee = self.expression(constructor, scope, path) if constructor is not None else Either([])
        call = self._call(node, callee, node.child_by_field_name("arguments"), scope, path)
        call.constructs = True
        return Either([call, Instance(callee)])

    def _of_assignment_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return Either([])
        value = self.expression(right, scope, path, name=_text(left) if left.type == "identifier" else "")
        self.bind(left, value, scope, path, None)
        return value

    def _of_augmented_assignment_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        parts = [self.expression(child, scope, path) for child in node.named_children]
        if node.named_children[0].type == "identifier" and not self.typed:
            self._bind_name(node.named_children[0], None, scope, None, [])
        return parts[0]

    _of_update_expression = _of_augmented_assignment_expression

    def _of_ternary_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        return Either([self.expression(child, scope, path) for child in node.named_children][1:])

    def _of_binary_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        parts = [self.expression(child, scope, path) for child in node.named_children]
        operator = _text(node.child_by_field_name("operator"))
        return Either(parts) if operator in {"||", "??", "&&"} else Either([])

    def _of_sequence_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        return [self.expression(child, scope, path) for child in node.named_children][-1]

    def _of_as_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        parts = [self.expression(child, scope, path) for child in node.named_children]
        return Instance(parts[-1]) if len(parts) > 1 else parts[0]

    _of_satisfies_expression = _of_as_expression

    def _of_type_assertion(self, node: Node, scope: Scope, path: str) -> Expression:
        parts = [self.expression(child, scope, path) for child in node.named_children]
        return Instance(parts[0])

    def _of_type_arguments(self, node: Node, scope: Scope, path: str) -> Expression:
        return Either([self.expression(child, scope, path) for child in node.named_children])

    def _of_yield_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        for child in node.named_children:
            value = self.expression(child, scope, path)
            if self.functions:
                self.functions[-1].yields.append(value)
        return Either([])

    def _on_return_statement(self, node: Node, scope: Scope, path: str) -> None:
        for child in node.named_children:
            value = self.expression(child, scope, path)
            if self.functions:
                self.functions[-1].returns.append(value)

    def _of_array(self, node: Node, scope: Scope, path: str) -> Expression:
        record = Record()
        for index, child in enumerate(node.named_children):
            value = self.expression(child, scope, path)
            if child.type == "spread_element":
                record.elements.append(Item(value, None))
            else:
                record.fields[str(index)] = [Symbol(str(index), _line(child), "element", [value])]
        return Made(record)

    def _of_object(self, node: Node, scope: Scope, path: str) -> Expression:
        record = Record()
        self.owners.append(record)
        for child in node.named_children:
            key = child.child_by_field_name("key") or child.child_by_field_name("name")
            value = child.child_by_field_name("value")
            if child.type == "spread_element":
                record.spread.append(self.expression(child, scope, path))
            elif child.type == "shorthand_property_identifier":
                used = self.expression(child, scope, path)
                record.fields.setdefault(_text(child), []).append(self._symbol(child, "element", [used]))
            elif key is not None and key.type == "computed_property_name":
                self.expression(key.named_children[0], scope, path)
                inner = self.expression(value, scope, path) if value is not None else Either([])
                record.fields.setdefault(_string(key.named_children[0]), []).append(
                    Symbol(_string(key.named_children[0]), _line(key), "element", [inner])
                )
            elif key is not None:
                name = f"{path}.{_string(key)}" if path else _string(key)
                if value is not None:
                    values = [self.expression(value, scope, path, name=name)]
                else:
                    values = [Made(self._function(child, scope, name))]
                record.fields.setdefault(_string(key), []).append(self._symbol(key, "element", values))
        self.owners.pop()
        return Made(record)
