"""Python."""

from imprint.semantic.parse.grammar import Grammar

# A test by the rules of pytest and unittest; a file's name would tell more and is not known.
_FUNCTION = "(function_definition name: (identifier) @name body: (_) @body) @test"
_TEST = f"[{_FUNCTION} (decorated_definition definition: {_FUNCTION})]"

_DECORATED = """(decorated_definition (decorator (call
  function: (attribute object: (_) @receiver attribute: (identifier) {verb})
  arguments: (argument_list . (string) @path) @options)) definition: (function_definition)) @handler"""

_ROUTES = f"""
({_DECORATED.format(verb="@verb @get")}
  (#eq? @verb "route"))
({_DECORATED.format(verb="@verb")}
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options" "trace" "api_route" "websocket"))
((assignment left: (identifier) @holder right: (call arguments: (argument_list
  (keyword_argument name: (identifier) @_key value: (string) @base))))
  (#any-of? @_key "url_prefix" "prefix"))
((call function: (identifier) @verb arguments: (argument_list . (string) @path . (_))) @registration
  (#any-of? @verb "path" "re_path"))
((call function: (attribute attribute: (identifier) @verb) arguments: (argument_list . (string) @path . (_)))
  @registration
  (#any-of? @verb "add_get" "add_post" "add_put" "add_delete" "add_patch" "add_head"))
((call function: (attribute attribute: (identifier) @verb)
  arguments: (argument_list . (string) @path) @options) @registration
  (#any-of? @verb "add_url_rule" "add_api_route"))
((call function: (identifier) @verb arguments: (argument_list . (string) @path . (identifier)) @options)
  @registration
  (#eq? @verb "Route"))
"""

PYTHON = Grammar(
    package="tree_sitter_python",
    builtins=frozenset(
        {"None", "bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple", "type"}
    ),
    routes=_ROUTES,
    route_signs=r"^\s*@[\w.]+\.\w+\(|\bpath\(|\badd_\w+\(|\bRoute\(",
    definitions=f"""
((module {_TEST}) (#match? @name "^test_"))
((class_definition name: (identifier) @_class body: (block {_TEST}))
  (#match? @name "^test") (#match? @_class "^Test|Tests?$|TestCase$"))
((class_definition superclasses: (argument_list [
  (identifier) @_base (attribute attribute: (identifier) @_base)
]) body: (block {_TEST})) (#match? @name "^test") (#match? @_base "Tests?$|TestCase$"))
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
