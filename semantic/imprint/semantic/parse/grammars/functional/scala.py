"""Scala 2 and 3."""

from imprint.semantic.parse.grammar import Grammar

_BODIES = ("template_body", "with_template_body", "enum_body")
_TYPE = """[
  (type_identifier) @{0} (stable_type_identifier (type_identifier) @{0} .)
  (generic_type type: [(type_identifier) @{0} (stable_type_identifier (type_identifier) @{0} .)])
]"""
_NAMES = "pattern: [(identifier) @name (identifiers (identifier) @name)]"
_TITLED = "function: (call_expression function: (identifier) @_test arguments: (arguments . (string) @name))"


def _members(body: str) -> str:
    return f"""
({body} (function_definition name: (_) @name body: (_)? @body) @method)
({body} (function_declaration name: (_) @name) @method)
({body} (val_definition {_NAMES} value: (lambda_expression (_) @body .)) @function)
({body} (val_definition {_NAMES}) @field)
({body} (var_definition {_NAMES}) @field)
({body} (val_declaration name: (identifier) @name) @field)
({body} (var_declaration name: (identifier) @name) @field)
"""


SCALA = Grammar(
    package="tree_sitter_scala",
    builtins=frozenset(
        {
            "Any",
            "AnyRef",
            "Boolean",
            "Byte",
            "Char",
            "Double",
            "Float",
            "Int",
            "Long",
            "Short",
            "String",
            "Unit",
        }
    ),
    definitions=f"""
((call_expression {_TITLED} arguments: (_) @body) @test
  (#any-of? @_test "test" "property" "it" "describe" "feature" "scenario"))
((infix_expression left: (string) @name operator: (identifier) @_test right: (_) @body) @test
  (#any-of? @_test "in" "should"))
(class_definition name: (identifier) @name body: (_)? @body) @class
(object_definition name: (identifier) @name body: (_)? @body) @class
(package_object name: (identifier) @name body: (_)? @body) @namespace
(trait_definition name: (identifier) @name body: (_)? @body) @trait
(enum_definition name: (identifier) @name body: (_)? @body) @enum
(simple_enum_case name: (identifier) @name) @constant
(full_enum_case name: (identifier) @name) @constant
(class_definition "case"
  class_parameters: (class_parameters (class_parameter name: (identifier) @name) @field))
(class_parameter ["val" "var"] name: (identifier) @name) @field
(type_definition name: (type_identifier) @name) @type
(given_definition name: (identifier) @name body: (with_template_body) @body) @class
(given_definition name: (identifier) @name) @constant
(extension_definition parameters: (parameters . (parameter type: {_TYPE.format("name")}))
  body: (_) @body) @scope
"""
    + "".join(_members(body) for body in _BODIES)
    + f"""
(function_definition name: (_) @name body: (_)? @body) @function
(val_definition {_NAMES} value: (lambda_expression (_) @body .)) @function
(compilation_unit (val_definition {_NAMES}) @variable)
(compilation_unit (var_definition {_NAMES}) @variable)
(function_declaration name: (_) @name) @declaration
""",
    marks=f"""
(call_expression function: [
  (identifier) @call
  (field_expression field: (identifier) @call)
  (generic_function function: [(identifier) @call (field_expression field: (identifier) @call)])
])
(infix_expression operator: (identifier) @call)
(instance_expression {_TYPE.format("call")})
(import_declaration path: (identifier) @import . [(namespace_wildcard) (namespace_selectors)])
(import_declaration path: (identifier) @import .)
(import_declaration (namespace_selectors [
  (identifier) @import (arrow_renamed_identifier name: (identifier) @import)
  (as_renamed_identifier name: (identifier) @import)
]))
(extends_clause {_TYPE.format("inherit")})
(type_identifier) @use
(comment) @comment
(block_comment) @comment
(string) @string
(interpolated_string) @string
(character_literal) @string
(annotation) @prefix
""",
)
