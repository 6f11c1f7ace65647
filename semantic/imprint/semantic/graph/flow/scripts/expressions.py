"""Expressions of JavaScript and TypeScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.graph.flow.nodes import line_of, place_of, string_of, text_of
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
    Record,
    Scope,
    Symbol,
)
from imprint.semantic.graph.flow.scripts.modules import ModuleStatements
from imprint.semantic.graph.flow.scripts.statements import BLOCKS

if TYPE_CHECKING:
    from tree_sitter import Node

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


class Lowering(ModuleStatements):
    """Expressions of JavaScript and TypeScript."""

    def expression(self, node: Node, scope: Scope, path: str, *, name: str = "") -> Expression:
        """Lower an expression; of one whose value is not followed, what is in it."""
        if node.type in _NAMES:
            used = Name(text_of(node), scope, place_of(node))
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
        if hasattr(self, f"_on_{node.type}") or node.type in BLOCKS:
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
        used = Member(self.expression(base, scope, path), text_of(name), place_of(name))
        self.program.use(used)
        return used

    def _of_nested_identifier(self, node: Node, scope: Scope, path: str) -> Expression:
        first, *rest = node.named_children
        found = self.expression(first, scope, path)
        for part in rest:
            found = Member(found, text_of(part), place_of(part))
            self.program.use(found)
        return found

    _of_nested_type_identifier = _of_nested_identifier

    def key(self, node: Node | None, scope: Scope, path: str) -> str | None:
        """The key that an index says; None where it is not written out."""
        if node is None:
            return None
        self.expression(node, scope, path)
        return string_of(node) if node.type in {"string", "number"} else None

    def _of_subscript_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        base, index = node.child_by_field_name("object"), node.child_by_field_name("index")
        value = self.expression(base, scope, path) if base is not None else Either([])
        return Item(value, self.key(index, scope, path))

    def _of_call_expression(self, node: Node, scope: Scope, path: str) -> Expression:
        callee, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if callee is None or arguments is None:
            return Either([])
        first = arguments.named_children[0] if arguments.named_children else None
        if first is not None and first.type == "string" and text_of(callee) in {"require", "import"}:
            taken = Imported(string_of(first), "", place_of(first), self.program)
            self.program.use(taken)
            return taken
        lowered = self.expression(callee, scope, path)
        call = self._call(node, lowered, arguments, scope, path)
        if isinstance(lowered, Member) and lowered.name in {"extend", "assign"}:
            for _, argument in call.arguments:
                self.program.stores.append((lowered.base, Symbol("<spread>", 0, "spread", [argument])))
        return call

    def _call(self, node: Node, callee: Expression, arguments: Node | None, scope: Scope, path: str) -> Call:
        call = Call(callee, [], line_of(node), path)
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
        value = self.expression(right, scope, path, name=text_of(left) if left.type == "identifier" else "")
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
        operator = text_of(node.child_by_field_name("operator"))
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
                record.fields[str(index)] = [Symbol(str(index), line_of(child), "element", [value])]
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
                record.fields.setdefault(text_of(child), []).append(self._symbol(child, "element", [used]))
            elif key is not None and key.type == "computed_property_name":
                self.expression(key.named_children[0], scope, path)
                inner = self.expression(value, scope, path) if value is not None else Either([])
                record.fields.setdefault(string_of(key.named_children[0]), []).append(
                    Symbol(string_of(key.named_children[0]), line_of(key), "element", [inner])
                )
            elif key is not None:
                name = f"{path}.{string_of(key)}" if path else string_of(key)
                if value is not None:
                    values = [self.expression(value, scope, path, name=name)]
                else:
                    values = [Made(self._function(child, scope, name))]
                record.fields.setdefault(string_of(key), []).append(self._symbol(key, "element", values))
        self.owners.pop()
        return Made(record)
