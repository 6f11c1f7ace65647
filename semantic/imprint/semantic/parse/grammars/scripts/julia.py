"""Julia: a function has one of two forms, and types and conditions around its head."""

from imprint.semantic.parse.grammar import Grammar

_CALLED = """[
  (identifier) @name
  (parametrized_type_expression . (identifier) @name)
  (field_expression value: (_) @container (identifier) @name .)
  (field_expression value: (_) @container (quote_expression
    [(operator) @name (parenthesized_expression (operator) @name)]) .)
]"""
_HEADS = [f"(call_expression . {_CALLED})"]
for _ in range(3):
    _HEADS.append(
        f"[(call_expression . {_CALLED}) (typed_expression . {_HEADS[-1]}) (where_expression . {_HEADS[-1]})]"
    )
_HEAD = _HEADS[-1]

_TYPE = "[(identifier) @{0} (parametrized_type_expression . (identifier) @{0})]"
_TYPE_HEAD = f"""(type_head [
  {_TYPE.format("name")[1:-1]} (binary_expression . {_TYPE.format("name")})
])"""
_DEFINITION = """[
  (function_definition) (macro_definition) (assignment) (const_statement) (struct_definition)
  (abstract_definition) (module_definition) (macrocall_expression) (call_expression) (identifier)
]"""

JULIA = Grammar(
    package="tree_sitter_julia",
    builtins=frozenset(
        {"Any", "Bool", "Char", "Float32", "Float64", "Int", "Int64", "Nothing", "String", "Symbol", "Vector"}
    ),
    definitions=f"""
((macrocall_expression (macro_identifier (identifier) @_test)
  (macro_argument_list . (string_literal) @name (compound_statement) @body)) @test
  (#any-of? @_test "testset" "testitem"))
(module_definition name: (identifier) @name . (_)? @body) @namespace
(struct_definition {_TYPE_HEAD} . (_)? @body) @struct
(abstract_definition {_TYPE_HEAD}) @type
(primitive_definition {_TYPE_HEAD}) @type
(struct_definition (typed_expression . (identifier) @name) @field)
(struct_definition (identifier) @name @field)
(struct_definition (assignment . [(identifier) @name (typed_expression . (identifier) @name)]) @field)
(struct_definition (const_statement
  (assignment . [(identifier) @name (typed_expression . (identifier) @name)])) @field)
(function_definition (signature {_HEAD}) . (_) @body) @function
(function_definition (signature [{_HEAD} (identifier) @name])) @function
(macro_definition (signature (call_expression . (identifier) @name)) . (_)? @body) @macro
(assignment . {_HEAD} (operator) . (_) @body) @function
((macrocall_expression (macro_identifier (identifier) @_enum)
  (macro_argument_list . [(identifier) @name (typed_expression . (identifier) @name)])) @enum
  (#eq? @_enum "enum"))
((macrocall_expression (macro_identifier (identifier) @_enum)
  (macro_argument_list . (_) [(identifier) @name (assignment . (identifier) @name)])) @constant
  (#eq? @_enum "enum"))
(const_statement (assignment . (identifier) @name (operator)
  (arrow_function_expression (_) . (_) @body))) @function
(const_statement (assignment . (parametrized_type_expression . (identifier) @name))) @type
(const_statement (assignment . [(identifier) @name (typed_expression . (identifier) @name)])) @constant
(assignment . (parametrized_type_expression . (identifier) @name)) @type
(source_file (assignment . (identifier) @name) @variable)
(module_definition (assignment . (identifier) @name) @variable)
(macrocall_expression (macro_argument_list (_) @wrapped)) @wrapper
""",
    marks=f"""
(call_expression . [
  (identifier) @call (field_expression (identifier) @call .)
  (parametrized_type_expression . (identifier) @call)
])
(broadcast_call_expression . [(identifier) @call (field_expression (identifier) @call .)])
(macrocall_expression (macro_identifier (identifier) @call))
(import_statement [(identifier) @import (scoped_identifier) @import (selected_import (_) @import)])
(using_statement [(identifier) @import (scoped_identifier) @import (selected_import (_) @import)])
((call_expression . (identifier) @_include (argument_list (string_literal (content) @import)))
  (#eq? @_include "include"))
(type_head (binary_expression (operator) {_TYPE.format("inherit")}))
(typed_expression (_) {_TYPE.format("use")} .)
(curly_expression (identifier) @use)
(line_comment) @comment
(block_comment) @comment
(source_file (string_literal) @comment . {_DEFINITION})
(module_definition (string_literal) @comment . {_DEFINITION})
(string_literal) @string
(prefixed_string_literal) @string
(command_literal) @string
(character_literal) @string
""",
)
