"""Zig: a type is a value, so that a struct gets its name from the constant or function that gives it."""

from imprint.semantic.parse.grammar import Grammar

_HELD = "(variable_declaration !type . (identifier) @name"

ZIG = Grammar(
    package="tree_sitter_zig",
    definitions=f"""
(test_declaration [(string) (identifier)] @name (block) @body) @test
{_HELD} (struct_declaration "{{" @body)) @struct
{_HELD} (union_declaration "{{" @body)) @struct
{_HELD} (opaque_declaration "{{" @body)) @struct
{_HELD} (enum_declaration "{{" @body)) @enum
{_HELD} (error_set_declaration "{{" @body)) @enum
(error_set_declaration (identifier) @name @constant)
((enum_declaration (container_field name: (identifier) @name) @constant) (#not-eq? @name "_"))
((container_field name: (identifier) @name) @field (#not-eq? @name "_"))
(container_field name: (identifier) @name
  type: [(struct_declaration) (union_declaration) (enum_declaration)]) @scope
(function_declaration name: (identifier) @name
  body: (block (expression_statement (return_expression [
    (struct_declaration "{{" @body) (union_declaration "{{" @body) (opaque_declaration "{{" @body)
  ])))) @struct
(function_declaration name: (identifier) @name
  body: (block (expression_statement (return_expression (enum_declaration "{{" @body))))) @enum
(function_declaration name: (identifier) @name body: (block)? @body) @function
(variable_declaration "const" . (identifier) @name) @constant
(variable_declaration "var" . (identifier) @name) @variable
""",
    marks="""
(call_expression function: [(identifier) @call (field_expression member: (identifier) @call)])
((builtin_function (builtin_identifier) @_import (arguments (string (string_content) @import)))
  (#any-of? @_import "@import" "@cImport" "@embedFile"))
(_ type: (identifier) @use)
(_ type: (pointer_type (identifier) @use))
(_ type: (nullable_type (identifier) @use))
(_ type: (error_union_type (identifier) @use))
(struct_initializer . (identifier) @use)
(comment) @comment
(string) @string
(multiline_string) @string
(character) @string
""",
)
