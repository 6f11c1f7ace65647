"""Go."""

from imprint.semantic.parse.grammar import Grammar

_BUILTINS = frozenset(
    {
        "any",
        "bool",
        "byte",
        "comparable",
        "complex64",
        "complex128",
        "error",
        "float32",
        "float64",
        "int",
        "int8",
    }
    | {"int16", "int32", "int64", "rune", "string", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr"}
)

GO = Grammar(
    package="tree_sitter_go",
    builtins=_BUILTINS,
    definitions="""
(function_declaration name: (identifier) @name body: (_) @body) @function
(function_declaration name: (identifier) @name) @function
(method_declaration receiver: (parameter_list (parameter_declaration type: [
  (type_identifier) @container
  (pointer_type [(type_identifier) @container (generic_type type: (type_identifier) @container)])
  (generic_type type: (type_identifier) @container)
  (parenthesized_type (pointer_type (type_identifier) @container))
])) name: (field_identifier) @name body: (_)? @body) @method
(type_spec name: (type_identifier) @name type: (struct_type (field_declaration_list) @body)) @struct
(type_spec name: (type_identifier) @name type: (interface_type "{" @body)) @interface
(type_spec name: (type_identifier) @name) @type
(type_alias name: (type_identifier) @name) @type
(method_elem name: (field_identifier) @name) @method
(field_declaration name: (field_identifier) @name) @field
(source_file (const_declaration (const_spec name: (identifier) @name) @constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @variable)))
(short_var_declaration left: (expression_list . (identifier) @name .)
  right: (expression_list . (func_literal body: (_) @body) .)) @function
(var_spec name: (identifier) @name value: (expression_list . (func_literal body: (_) @body) .)) @function
(type_declaration . (type_spec) @wrapped .) @wrapper
(type_declaration . (type_alias) @wrapped .) @wrapper
(const_declaration . (const_spec) @wrapped .) @wrapper
(var_declaration . (var_spec) @wrapped .) @wrapper
""",
    marks="""
(call_expression function: [
  (identifier) @call
  (selector_expression field: (field_identifier) @call)
  (index_expression operand: [(identifier) @call (selector_expression field: (field_identifier) @call)])
  (type_instantiation_expression type: [
    (type_identifier) @call (qualified_type name: (type_identifier) @call)
  ])
  (generic_type type: (type_identifier) @call)
])
(type_conversion_expression type: (generic_type type: [
  (type_identifier) @call (qualified_type name: (type_identifier) @call)
]))
(import_spec path: (interpreted_string_literal (interpreted_string_literal_content) @import))
(field_declaration !name type: [
  (type_identifier) @inherit
  (qualified_type name: (type_identifier) @inherit)
  (generic_type type: (type_identifier) @inherit)
])
(interface_type (type_elem . [
  (type_identifier) @inherit (qualified_type name: (type_identifier) @inherit)
] .))
(type_identifier) @use
(comment) @comment
(interpreted_string_literal) @string
(raw_string_literal) @string
(rune_literal) @string
""",
)
