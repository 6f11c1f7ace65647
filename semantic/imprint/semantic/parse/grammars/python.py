"""Python."""

from imprint.semantic.parse.grammar import Grammar

PYTHON = Grammar(
    package="tree_sitter_python",
    builtins=frozenset(
        {"None", "bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple", "type"}
    ),
    definitions="""
(class_definition name: (identifier) @name body: (_) @body) @class
(function_definition name: (identifier) @name body: (_) @body) @function
(assignment left: (identifier) @name right: (lambda body: (_) @body)) @function
(type_alias_statement left: (type [(identifier) @name (generic_type (identifier) @name)])) @type
(expression_statement (assignment left: (identifier) @name) @variable)
(expression_statement (assignment left: (pattern_list (identifier) @name)) @variable)
(decorated_definition definition: (_) @wrapped) @wrapper
""",
    marks="""
(call function: [(identifier) @call (attribute attribute: (identifier) @call)])
(import_statement name: [(dotted_name) @import (aliased_import name: (dotted_name) @import)])
(import_from_statement module_name: (_) @import)
(import_from_statement name: [(dotted_name) @import (aliased_import name: (dotted_name) @import)])
(future_import_statement name: (dotted_name) @import)
(class_definition superclasses: (argument_list [
  (identifier) @inherit
  (attribute attribute: (identifier) @inherit)
  (subscript value: [(identifier) @inherit (attribute attribute: (identifier) @inherit)])
]))
(decorator [(identifier) @use (attribute attribute: (identifier) @use)])
(type [(identifier) @use (attribute attribute: (identifier) @use)])
(type (generic_type (identifier) @use))
(type (subscript value: [(identifier) @use (attribute attribute: (identifier) @use)]))
(type (binary_operator [(identifier) @use (attribute attribute: (identifier) @use)]))
(comment) @comment
(string) @string
(block) @block
(decorator) @prefix
(module . (comment)* . (expression_statement . (string) @docstring .))
(class_definition body: (block . (comment)* . (expression_statement . (string) @docstring .)))
(function_definition body: (block . (comment)* . (expression_statement . (string) @docstring .)))
""",
)
