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

# net/http, gorilla, chi; gin and echo; fiber. A literal function or the name of one follows the path.
_HANDLER = "[(identifier) (selector_expression) (func_literal) (call_expression)]"
_ROUTES = f"""
((call_expression function: (selector_expression
  operand: (call_expression function: (selector_expression field: (field_identifier) @verb)
    arguments: (argument_list . (interpreted_string_literal) @path . (_) .))
  field: (field_identifier) @_methods)) @registration @options
  (#any-of? @verb "Handle" "HandleFunc") (#eq? @_methods "Methods"))
((call_expression function: (selector_expression operand: (_) @receiver field: (field_identifier) @verb)
  arguments: (argument_list . [(interpreted_string_literal) (raw_string_literal)] @path . (_)* .
    {_HANDLER} .)) @registration
  (#any-of? @verb "GET" "POST" "PUT" "DELETE" "PATCH" "HEAD" "OPTIONS" "Any" "Get" "Post" "Put" "Delete"
    "Patch" "Head" "Options" "Handle" "HandleFunc")
  (#match? @path "^.([A-Z]+ +)?[a-zA-Z0-9_.-]*/|^..$")
  (#not-match? @receiver "(^|[.])([cC]lient|cache|req|request)$"))
((short_var_declaration left: (expression_list (identifier) @holder)
  right: (expression_list (call_expression function: (selector_expression field: (field_identifier) @_group)
    arguments: (argument_list . (interpreted_string_literal) @base)))) (#any-of? @_group "Group" "Route"))
((call_expression function: (selector_expression field: (field_identifier) @_group)
  arguments: (argument_list . (interpreted_string_literal) @base . (func_literal))) @within
  (#any-of? @_group "Route" "Group"))
"""

GO = Grammar(
    package="tree_sitter_go",
    builtins=_BUILTINS,
    routes=_ROUTES,
    route_signs=r"\.(?:[A-Z]+|Any|Get|Post|Put|Delete|Patch|Head|Options|Handle(?:Func)?)\(\s*[\"`]",
    definitions="""
((function_declaration name: (identifier) @name
  parameters: (parameter_list . (parameter_declaration type: (pointer_type (qualified_type
    package: (package_identifier) @_package name: (type_identifier) @_of))) .) body: (_) @body) @test
  (#match? @name "^(Test|Benchmark|Fuzz)") (#eq? @_package "testing") (#any-of? @_of "T" "B" "F"))
((function_declaration name: (identifier) @name parameters: (parameter_list . ")") body: (_) @body) @test
  (#match? @name "^Example([A-Z_]|$)"))
((method_declaration receiver: (parameter_list (parameter_declaration type: (pointer_type
  (type_identifier) @container))) name: (field_identifier) @name
  parameters: (parameter_list . ")") body: (_) @body) @test
  (#match? @container "Suite$") (#match? @name "^Test"))
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
