"""Python files to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.nodes import place_of, text_of
from imprint.semantic.graph.flow.program import (
    Above,
    Call,
    Class,
    Either,
    Expression,
    Function,
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

_COMPREHENSIONS: Final = frozenset(
    {"list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_SEQUENCES: Final = frozenset(
    {"list", "tuple", "set", "expression_list", "pattern_list", "tuple_pattern", "list_pattern"}
)
_TRANSPARENT: Final = frozenset(
    {"parenthesized_expression", "await", "type", "list_splat", "as_pattern_target"}
)
_UNPACKED: Final = frozenset(
    {"pattern_list", "tuple_pattern", "list_pattern", "expression_list", "tuple", "list"}
)


def lower_python(root: Node, file: int) -> Program:
    """Lower a parsed file."""
    scope = Scope("module", None)
    program = Program(file, scope, root.start_point[0] + 1, "python")
    scope.program = program
    _Lowering(program).statements(root, scope, "")
    return program


class _Lowering:
    """Walks one file. Depth of recursion is that of the source; the caller bounds it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lambdas: dict[str, int] = {}
        self.functions: list[Function] = []
        self.classes: list[Class] = []

    # --- statements

    def statements(self, node: Node, scope: Scope, path: str) -> None:
        for child in node.named_children:
            self.statement(child, scope, path)

    def statement(self, node: Node, scope: Scope, path: str) -> None:
        handler = getattr(self, f"_on_{node.type}", None)
        if handler is not None:
            handler(node, scope, path)
        elif node.type.endswith(("_statement", "_clause", "block")) or node.type in {"ERROR", "module"}:
            self.statements(node, scope, path)
        else:
            self.expression(node, scope, path)

    def _on_function_definition(
        self, node: Node, scope: Scope, path: str, decorators: tuple[Expression, ...] = ()
    ) -> None:
        name_node = node.child_by_field_name("name")
        if name_node is None:
            return
        name = text_of(name_node)
        function = self._function(node, scope, path, name)
        symbol = Symbol(
            name, name_node.start_point[0] + 1, "function", [Made(function)], program=self.program
        )
        function.symbol = symbol
        self._decorate(symbol, decorators, function, path)
        scope.declare(symbol)

    def _decorate(
        self, symbol: Symbol, decorators: tuple[Expression, ...], function: Function, path: str
    ) -> None:
        made: Expression = Made(function)
        for each in reversed(decorators):
            if isinstance(each, Name) and each.name in {"staticmethod", "property", "classmethod"}:
                function.is_static = each.name == "staticmethod"
                continue
            call = Call(each, [(None, made)], symbol.line, path)
            self.program.calls.append(call)
            made = call
            symbol.values = [call]

    def _function(self, node: Node, scope: Scope, path: str, name: str) -> Function:
        inner_path = f"{path}.{name}" if path else name
        function = Function(inner_path, node.start_point[0] + 1, self.program)
        function.owner = scope.owner if isinstance(scope.owner, Class) and scope.kind == "class" else None
        inner = Scope("function", scope, self.program, owner=function)
        self._parameters(node.child_by_field_name("parameters"), scope, inner, function, path)
        returned = node.child_by_field_name("return_type")
        if returned is not None:
            function.result.append(self._type(returned, scope, path))
        body = node.child_by_field_name("body")
        self.functions.append(function)
        if body is not None and node.type == "lambda":
            function.returns.append(self.expression(body, inner, inner_path))
        elif body is not None:
            self.statements(body, inner, inner_path)
        self.functions.pop()
        return function

    def _parameters(
        self, node: Node | None, scope: Scope, inner: Scope, function: Function, path: str
    ) -> None:
        for child in node.named_children if node is not None else ():
            name_node = child
            value: Expression | None = None
            kind: Expression | None = None
            if child.type in {"default_parameter", "typed_default_parameter"}:
                name_node = child.child_by_field_name("name") or child
                default = child.child_by_field_name("value")
                value = self.expression(default, scope, path) if default is not None else None
            elif child.type == "typed_parameter":
                name_node = child.named_children[0]
            annotation = child.child_by_field_name("type")
            if annotation is not None:
                kind = self._type(annotation, scope, path)
            if (
                name_node.type in {"list_splat_pattern", "dictionary_splat_pattern"}
                and name_node.named_children
            ):
                name_node = name_node.named_children[0]
            if name_node.type != "identifier":
                continue
            symbol = Symbol(
                text_of(name_node), name_node.start_point[0] + 1, "parameter", function=function,
                position=len(function.parameters), program=self.program,
            )  # fmt: skip
            symbol.values += [value] if value is not None else []
            symbol.types += [kind] if kind is not None else []
            function.parameters.append(inner.declare(symbol))

    def _on_class_definition(
        self, node: Node, scope: Scope, path: str, decorators: tuple[Expression, ...] = ()
    ) -> None:
        del decorators
        name_node = node.child_by_field_name("name")
        if name_node is None:
            return
        name = text_of(name_node)
        inner_path = f"{path}.{name}" if path else name
        made = Class(inner_path, name_node.start_point[0] + 1, self.program)
        for base in (
            (node.child_by_field_name("superclasses") or node).named_children
            if node.child_by_field_name("superclasses")
            else ()
        ):
            if base.type != "keyword_argument":
                made.bases.append(self.expression(base, scope, path))
        inner = Scope("class", scope, self.program, owner=made)
        made.names = inner.names
        symbol = Symbol(name, made.line, "class", [Made(made)], program=self.program)
        made.symbol = symbol
        scope.declare(symbol)
        body = node.child_by_field_name("body")
        if body is not None:
            self.classes.append(made)
            self.statements(body, inner, inner_path)
            self.classes.pop()

    def _on_decorated_definition(self, node: Node, scope: Scope, path: str) -> None:
        decorators = tuple(
            self.expression(child.named_children[0], scope, path)
            for child in node.named_children
            if child.type == "decorator" and child.named_children
        )
        definition = node.child_by_field_name("definition")
        if definition is not None:
            getattr(self, f"_on_{definition.type}")(definition, scope, path, decorators)

    def _on_return_statement(self, node: Node, scope: Scope, path: str) -> None:
        for child in node.named_children:
            value = self.expression(child, scope, path)
            if self.functions:
                self.functions[-1].returns.append(value)

    def _on_global_statement(self, node: Node, scope: Scope, path: str) -> None:
        del path
        top = scope
        while top.parent is not None:
            top = top.parent
        for child in node.named_children:
            scope.names[text_of(child)] = top.names.setdefault(text_of(child), [])

    def _on_nonlocal_statement(self, node: Node, scope: Scope, path: str) -> None:
        del path
        for child in node.named_children:
            around = scope.parent
            while around is not None and (around.kind == "class" or text_of(child) not in around.names):
                around = around.parent
            if around is not None:
                scope.names[text_of(child)] = around.names[text_of(child)]

    def _on_for_statement(self, node: Node, scope: Scope, path: str) -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is not None and right is not None:
            self.assign(left, Item(self.expression(right, scope, path), None), scope, path)
        for key in ("body", "alternative"):
            part = node.child_by_field_name(key)
            if part is not None:
                self.statements(part, scope, path)

    def _on_as_pattern(self, node: Node, scope: Scope, path: str) -> Expression:
        value = self.expression(node.named_children[0], scope, path)
        alias = node.child_by_field_name("alias")
        if alias is not None:
            in_except = node.parent is not None and node.parent.type == "except_clause"
            for child in alias.named_children:
                self.assign(child, Instance(value) if in_except else value, scope, path)
        elif len(node.named_children) > 1:
            self.assign(node.named_children[-1], value, scope, path)
        return value

    def _on_case_clause(self, node: Node, scope: Scope, path: str) -> None:
        for child in node.named_children:
            if child.type == "case_pattern":
                self._pattern(child, scope, path)
            else:
                self.statement(child, scope, path)

    def _pattern(self, node: Node, scope: Scope, path: str) -> None:
        if node.type in {"dotted_name", "identifier"}:
            if node.type == "identifier" or len(node.named_children) == 1:
                scope.declare(
                    Symbol(text_of(node), node.start_point[0] + 1, "variable", program=self.program)
                )
            else:
                self.expression(node, scope, path)
            return
        for index, child in enumerate(node.named_children):
            if node.type == "class_pattern" and index == 0:
                self.expression(child, scope, path)
            elif not (node.type == "keyword_pattern" and index == 0):
                self._pattern(child, scope, path)

    def _on_import_statement(self, node: Node, scope: Scope, path: str) -> None:
        del path
        for child in node.children_by_field_name("name"):
            if child.type == "aliased_import":
                name, alias = child.child_by_field_name("name"), child.child_by_field_name("alias")
                if name is not None and alias is not None:
                    taken = Imported(text_of(name), "", place_of(name), self.program)
                    self.program.use(taken)
                    scope.declare(
                        Symbol(
                            text_of(alias), alias.start_point[0] + 1, "import", [taken], program=self.program
                        )
                    )
                continue
            self._dotted_import(child, scope)

    def _dotted_import(self, node: Node, scope: Scope) -> None:
        """`import a.b.c` binds a, whose member b has the member c."""
        record: Record | None = None
        for index, part in enumerate(node.named_children):
            dotted = ".".join(text_of(each) for each in node.named_children[: index + 1])
            taken = Imported(dotted, "", place_of(part), self.program)
            self.program.use(taken)
            inner = Record()
            symbol = Symbol(text_of(part), part.start_point[0] + 1, "import", [taken], program=self.program)
            if index + 1 < len(node.named_children):
                symbol.values.append(Made(inner))
            if record is None:
                scope.declare(symbol)
            else:
                record.fields[symbol.name] = [symbol]
            record = inner

    def _on_import_from_statement(self, node: Node, scope: Scope, path: str) -> None:
        del path
        module_node = node.child_by_field_name("module_name")
        if module_node is None:
            return
        module = text_of(module_node).replace(" ", "")
        if any(child.type == "wildcard_import" for child in node.named_children):
            scope.open_imports.append(Imported(module, "*", place_of(module_node), self.program))
        for child in node.children_by_field_name("name"):
            name = child.child_by_field_name("name") if child.type == "aliased_import" else child
            alias = child.child_by_field_name("alias") if child.type == "aliased_import" else child
            if name is None or alias is None:
                continue
            taken = Imported(module, text_of(name), place_of(name), self.program)
            self.program.use(taken)
            scope.declare(
                Symbol(text_of(alias), alias.start_point[0] + 1, "import", [taken], program=self.program)
            )

    # --- assignment

    def assign(self, target: Node, value: Expression | None, scope: Scope, path: str) -> None:
        """Bind a target to a value."""
        if target.type == "identifier":
            symbol = Symbol(text_of(target), target.start_point[0] + 1, "variable", program=self.program)
            symbol.values += [value] if value is not None else []
            scope.declare(symbol)
        elif target.type == "attribute":
            base, name = target.child_by_field_name("object"), target.child_by_field_name("attribute")
            if base is not None and name is not None:
                symbol = Symbol(text_of(name), name.start_point[0] + 1, "field", program=self.program)
                symbol.values += [value] if value is not None else []
                owner = self.expression(base, scope, path)
                self.program.stores.append((owner, symbol))
                self.program.use(Member(owner, symbol.name, place_of(name)))
        elif target.type == "subscript":
            base = target.child_by_field_name("value")
            key = target.child_by_field_name("subscript")
            if base is not None and value is not None:
                self.program.item_stores.append(
                    (self.expression(base, scope, path), self._key(key, scope, path), value)
                )
        elif target.type in _UNPACKED:
            starred = False
            for index, child in enumerate(target.named_children):
                starred = starred or child.type == "list_splat_pattern"
                part = Item(value, None if starred else str(index)) if value is not None else None
                self.assign(child, part, scope, path)
        elif target.type in {"list_splat_pattern", "parenthesized_expression"}:
            for child in target.named_children:
                self.assign(child, value, scope, path)

    def _on_assignment(self, node: Node, scope: Scope, path: str) -> Expression:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        value = self.expression(right, scope, path) if right is not None else None
        kind = node.child_by_field_name("type")
        if left is not None and (value is not None or kind is not None):
            self.assign(left, value, scope, path)
            if kind is not None and left.type == "identifier":
                scope.names[text_of(left)][-1].types.append(self._type(kind, scope, path))
        return value or Either([])

    def _on_named_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        name, right = node.child_by_field_name("name"), node.child_by_field_name("value")
        value = self.expression(right, scope, path) if right is not None else Either([])
        if name is not None:
            self.assign(name, value, scope, path)
        return value

    def _key(self, node: Node | None, scope: Scope, path: str) -> str | None:
        if node is None:
            return None
        self.expression(node, scope, path)
        if node.type == "string":
            return text_of(node).strip("\"'")
        return text_of(node) if node.type == "integer" else None

    def _type(self, node: Node, scope: Scope, path: str) -> Expression:
        inner = node.named_children[0] if node.type == "type" and node.named_children else node
        return self.expression(inner, scope, path)

    # --- expressions

    def expression(self, node: Node, scope: Scope, path: str) -> Expression:
        """Lower an expression; of one whose value is not followed, what is in it."""
        handler = getattr(self, f"_on_{node.type}", None) or getattr(self, f"_of_{node.type}", None)
        if handler is not None:
            return handler(node, scope, path) or Either([])
        if node.type in _TRANSPARENT and node.named_children:
            return self.expression(node.named_children[0], scope, path)
        if node.type in _SEQUENCES:
            return self._sequence(node, scope, path)
        if node.type in _COMPREHENSIONS:
            return self._comprehension(node, scope, path)
        for child in node.named_children:
            self.expression(child, scope, path)
        return Either([])

    def _of_identifier(self, node: Node, scope: Scope, path: str) -> Expression:
        del path
        used = Name(text_of(node), scope, place_of(node))
        self.program.use(used)
        return used

    def _of_dotted_name(self, node: Node, scope: Scope, path: str) -> Expression:
        found: Expression = self._of_identifier(node.named_children[0], scope, path)
        for part in node.named_children[1:]:
            found = Member(found, text_of(part), place_of(part))
            self.program.use(found)
        return found

    def _of_attribute(self, node: Node, scope: Scope, path: str) -> Expression:
        base, name = node.child_by_field_name("object"), node.child_by_field_name("attribute")
        if base is None or name is None:
            return Either([])
        used = Member(self.expression(base, scope, path), text_of(name), place_of(name))
        self.program.use(used)
        return used

    def _of_subscript(self, node: Node, scope: Scope, path: str) -> Expression:
        base = node.child_by_field_name("value")
        value = self.expression(base, scope, path) if base is not None else Either([])
        key = self._key(node.child_by_field_name("subscript"), scope, path)
        return Item(value, key)

    def _of_call(self, node: Node, scope: Scope, path: str) -> Expression:
        callee, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if callee is None:
            return Either([])
        if text_of(callee) == "super" and self.classes:
            return Above(self.classes[-1])
        call = Call(self.expression(callee, scope, path), [], node.start_point[0] + 1, path)
        for child in arguments.named_children if arguments is not None else ():
            if child.type == "keyword_argument":
                name, value = child.child_by_field_name("name"), child.child_by_field_name("value")
                if name is not None and value is not None:
                    call.arguments.append((text_of(name), self.expression(value, scope, path)))
            elif child.type in {"list_splat", "dictionary_splat"}:
                self.expression(child, scope, path)
            else:
                call.arguments.append((None, self.expression(child, scope, path)))
        self.program.calls.append(call)
        if (
            isinstance(call.callee, Name)
            and call.callee.name in {"iter", "list", "tuple", "set", "sorted", "reversed"}
            and call.arguments
        ):
            return Either([call, call.arguments[0][1]])
        if isinstance(call.callee, Name) and call.callee.name == "next" and call.arguments:
            return Either([call, Item(call.arguments[0][1], None)])
        return call

    def _of_lambda(self, node: Node, scope: Scope, path: str) -> Expression:
        count = self.lambdas[path] = self.lambdas.get(path, 0) + 1
        return Made(self._function(node, scope, path, f"<lambda{count}>"))

    def _of_conditional_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        parts = [self.expression(child, scope, path) for child in node.named_children]
        return Either([parts[0], parts[-1]]) if len(parts) > 1 else Either(parts)

    def _of_boolean_operator(self, node: Node, scope: Scope, path: str) -> Expression:
        return Either([self.expression(child, scope, path) for child in node.named_children])

    def _of_yield(self, node: Node, scope: Scope, path: str) -> Expression:
        is_from = any(child.type == "from" for child in node.children)
        for child in node.named_children:
            value = self.expression(child, scope, path)
            if self.functions:
                self.functions[-1].yields.append(Item(value, None) if is_from else value)
        return Either([])

    def _sequence(self, node: Node, scope: Scope, path: str) -> Expression:
        record = Record()
        for index, child in enumerate(node.named_children):
            value = self.expression(child, scope, path)
            if child.type == "list_splat":
                record.elements.append(Item(value, None))
            else:
                record.fields[str(index)] = [
                    Symbol(str(index), child.start_point[0] + 1, "element", [value], program=self.program)
                ]
        return Made(record)

    def _of_dictionary(self, node: Node, scope: Scope, path: str) -> Expression:
        record = Record()
        for child in node.named_children:
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if key is None or value is None:
                self.expression(child, scope, path)
                continue
            name, lowered = self._key(key, scope, path), self.expression(value, scope, path)
            if name is None:
                record.elements.append(lowered)
            else:
                record.fields[name] = [
                    Symbol(name, key.start_point[0] + 1, "element", [lowered], program=self.program)
                ]
        return Made(record)

    def _comprehension(self, node: Node, scope: Scope, path: str) -> Expression:
        inner = Scope("comprehension", scope, self.program)
        for child in node.named_children[1:]:
            if child.type == "for_in_clause":
                left, right = child.child_by_field_name("left"), child.child_by_field_name("right")
                if left is not None and right is not None:
                    self.assign(left, Item(self.expression(right, inner, path), None), inner, path)
            else:
                self.expression(child, inner, path)
        return Made(Record(elements=[self.expression(node.named_children[0], inner, path)]))
