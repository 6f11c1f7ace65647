"""Rust."""

import re

from imprint.semantic.parse.grammar import Grammar

_TYPE_NAME = """[
  (type_identifier) @{0}
  (scoped_type_identifier name: (type_identifier) @{0})
  (generic_type type: [(type_identifier) @{0} (scoped_type_identifier name: (type_identifier) @{0})])
]"""

_IMPLEMENTED = f"""[
  {_TYPE_NAME.format("name")[1:-1]}
  (reference_type type: {_TYPE_NAME.format("name")})
  (primitive_type) @name
]"""

# Rocket and Actix write a route before its handler; axum and Actix's scopes give it to a router.
_ROUTES = """
((attribute_item (attribute (identifier) @verb
  arguments: (token_tree . (string_literal) @path))) . [(attribute_item) (line_comment)]* .
  (function_item) @handler
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options" "route"))
((call_expression function: (field_expression field: (field_identifier) @_route)
  arguments: (arguments . (string_literal) @path . (_) @chosen) @registration)
  (#any-of? @_route "route" "route_service"))
"""

# Items that a macro only wraps, as `cfg_net! { pub struct A; }` does: at the left margin, and closed there.
_WRAPPER = re.compile(
    rb"^[a-z_]+! *\{(?=[ \t]*\n(?:[ \t]*(?:(?://|#\[)[^\n]*)?\n)*"
    rb"[ \t]*(?:pub|(?:async |unsafe )?fn|struct|enum|trait|impl|mod|use|const|type)\b)",
    re.MULTILINE,
)
_CLOSED = re.compile(rb"^\}[ \t]*$", re.MULTILINE)


def _unwrap_items(content: bytes) -> bytes:
    """Blank out the macros around items, so that the items are read."""
    pieces: list[bytes] = []
    position = 0
    for opening in _WRAPPER.finditer(content):
        if opening.start() < position:
            continue
        closing = _CLOSED.search(content, opening.end())
        if closing is None:
            break
        pieces += (content[position : opening.start()], b" " * len(opening.group()))
        pieces += (content[opening.end() : closing.start()], b" ")
        position = closing.start() + 1
    return b"".join((*pieces, content[position:]))


RUST = Grammar(
    prepare=_unwrap_items,
    package="tree_sitter_rust",
    builtins=frozenset({"Self"}),
    routes=_ROUTES,
    route_signs=r"#\[\s*(?:get|post|put|delete|patch|head|options|route)\b|\.route(?:_service)?\(",
    definitions=f"""
((attribute_item (attribute [(identifier) @_test (scoped_identifier name: (identifier) @_test)])) .
  [(attribute_item) (line_comment)]* . (function_item name: (identifier) @name body: (_) @body) @test
  (#any-of? @_test "test" "bench" "rstest" "test_case" "quickcheck" "wasm_bindgen_test"))
(function_item name: (identifier) @name body: (_) @body) @function
(function_signature_item name: (identifier) @name) @function
(struct_item name: (type_identifier) @name body: (_)? @body) @struct
(union_item name: (type_identifier) @name body: (_) @body) @struct
(enum_item name: (type_identifier) @name body: (_) @body) @enum
(trait_item name: (type_identifier) @name body: (_) @body) @trait
(type_item name: (type_identifier) @name) @type
(associated_type name: (type_identifier) @name) @type
(mod_item name: (identifier) @name body: (_) @body) @namespace
(macro_definition name: (identifier) @name) @macro
(const_item name: (identifier) @name) @constant
(static_item name: (identifier) @name) @variable
(enum_variant name: (identifier) @name) @constant
(enum_variant name: (identifier) @name body: (field_declaration_list)) @scope
(field_declaration name: (field_identifier) @name) @field
(let_declaration pattern: (identifier) @name value: (closure_expression body: (_) @body)) @function
(impl_item type: {_IMPLEMENTED} body: (_) @body) @scope
""",
    marks=f"""
(call_expression function: [
  (identifier) @call
  (field_expression field: (field_identifier) @call)
  (scoped_identifier name: (identifier) @call)
  (generic_function function: [
    (identifier) @call
    (field_expression field: (field_identifier) @call)
    (scoped_identifier name: (identifier) @call)
  ])
])
(macro_invocation macro: [(identifier) @call (scoped_identifier name: (identifier) @call)])
(token_tree (identifier) @call . (token_tree . "("))
(struct_expression name: [(type_identifier) @call (scoped_type_identifier name: (type_identifier) @call)])
(use_declaration argument: (identifier) @import)
(use_declaration argument: (scoped_identifier path: (_) @import name: (identifier) @import))
(use_list [(identifier) @import (scoped_identifier path: (_) @import name: (identifier) @import)])
(use_as_clause path: [(identifier) @import (scoped_identifier path: (_) @import name: (identifier) @import)])
(use_wildcard (_) @import)
(scoped_use_list path: (_) @import)
(extern_crate_declaration name: (identifier) @import)
(mod_item name: (identifier) @import !body)
(impl_item trait: {_TYPE_NAME.format("inherit")})
(trait_item bounds: (trait_bounds {_TYPE_NAME.format("inherit")}))
(type_identifier) @use
(line_comment) @comment
(block_comment) @comment
(string_literal) @string
(raw_string_literal) @string
(char_literal) @string
(attribute_item) @prefix @ignored
(inner_attribute_item) @ignored
""",
)
