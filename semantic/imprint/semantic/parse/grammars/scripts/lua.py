"""Lua: what is assigned to a table's key is the table's."""

from imprint.semantic.parse.grammar import Grammar

_FUNCTION = "(function_definition body: (block)? @body)"
_TITLED = "arguments: (arguments . (string) @name (function_definition) @body)"

LUA = Grammar(
    package="tree_sitter_lua",
    silent_parts=frozenset({"_G"}),
    definitions=f"""
((function_call name: (identifier) @_test {_TITLED}) @test
  (#any-of? @_test "describe" "it" "context" "test" "spec" "pending" "insulate"))
(function_declaration name: [
  (identifier) @name (dot_index_expression) @name
  (method_index_expression table: (_) @container method: (identifier) @name)
] body: (block)? @body) @function
(variable_declaration (assignment_statement (variable_list . name: (identifier) @name)
  (expression_list . value: {_FUNCTION}))) @function
(assignment_statement (variable_list . name: [(identifier) (dot_index_expression)] @name)
  (expression_list . value: {_FUNCTION})) @function
(field name: (identifier) @name value: {_FUNCTION}) @function
(field name: (string content: (string_content) @name) value: {_FUNCTION}) @function
(chunk (variable_declaration (assignment_statement (variable_list
  name: (identifier) @name attribute: (attribute)))) @constant)
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @variable)
(chunk (variable_declaration (variable_list name: (identifier) @name)) @variable)
(chunk (assignment_statement (variable_list name: [(identifier) (dot_index_expression)] @name)) @variable)
(variable_declaration (assignment_statement (variable_list . name: (identifier) @name)
  (expression_list . value: (table_constructor)))) @scope
(assignment_statement (variable_list . name: (dot_index_expression) @name)
  (expression_list . value: (table_constructor))) @scope
""",
    marks="""
(function_call name: [
  (identifier) @call
  (dot_index_expression field: (identifier) @call)
  (method_index_expression method: (identifier) @call)
])
((function_call name: (identifier) @_require
  arguments: (arguments (string content: (string_content) @import)))
  (#any-of? @_require "require" "dofile" "loadfile"))
((function_call name: (identifier) @_meta arguments: (arguments (_)
  (table_constructor (field name: (identifier) @_index value: (identifier) @inherit))))
  (#eq? @_meta "setmetatable") (#eq? @_index "__index"))
(comment) @comment
(string) @string
""",
)
