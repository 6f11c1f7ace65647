"""JavaScript with JSX, TypeScript, and TypeScript with JSX: one core, and what each adds."""

from imprint.semantic.parse.grammar import Grammar

_FUNCTION_VALUE = """[
  (arrow_function body: (_) @body)
  (function_expression body: (_) @body)
  (generator_function body: (_) @body)
]"""

_PROPERTY_NAME = "[(property_identifier) (private_property_identifier) (string (string_fragment))]"

# Jest, Vitest, Mocha, Jasmine, node:test, AVA, Deno, QUnit, Playwright: a call with a title and a function. A
# group is a test that holds tests.
_TITLE = "[(string (string_fragment)) (template_string)] @name"
_TESTS = f"""
((call_expression function: [
  (identifier) @_test
  (member_expression object: (identifier) @_test)
  (member_expression object: (member_expression object: (identifier) @_test))
  (call_expression function: (member_expression object: (identifier) @_test))
] arguments: (arguments . {_TITLE} . (_)? . {_FUNCTION_VALUE})) @test
  (#any-of? @_test "it" "test" "describe" "suite" "context" "specify" "bench" "fit" "fdescribe" "ftest"
    "xit" "xtest" "xdescribe" "QUnit" "Deno"))
"""

_HANDLER = """[
  (arrow_function) (function_expression) (identifier) (member_expression) (call_expression)
]"""

# Express and what is written like it (Koa's router, Fastify, Hono), and the decorators of Nest.
_ROUTES = f"""
((call_expression
  function: (member_expression object: (_) @receiver property: (property_identifier) @verb)
  arguments: (arguments . (string (string_fragment)) @path . (_)* . {_HANDLER} .)) @registration
  (#any-of? @verb "get" "post" "put" "delete" "del" "patch" "head" "options" "all")
  (#match? @path "^.[/*]")
  (#match? @receiver "^[a-zA-Z0-9_.$]+$")
  (#not-match? @receiver "(^|[.])(axios|client|http|https|request|agent|fetch|api|ky|got|[$]|jQuery)$"))
((call_expression
  function: (member_expression object: (_) @receiver property: (property_identifier) @verb)
  arguments: (arguments . (string (string_fragment)) @path .)) @registration
  (#eq? @verb "route") (#match? @path "^.[/*]") (#match? @receiver "^[a-zA-Z0-9_.$]+$"))
"""

_ROUTE_SIGNS = r"\.(?:get|post|put|delete|del|patch|head|options|all|route)\(\s*['\"][/*]"

_NEST_ROUTES = """
((class_body (decorator (call_expression function: (identifier) @verb
  arguments: (arguments . (string)? @path))) . (decorator)* . (method_definition) @handler)
  (#any-of? @verb "Get" "Post" "Put" "Delete" "Patch" "Head" "Options" "All"))
((export_statement decorator: (decorator (call_expression function: (identifier) @_controller
  arguments: (arguments . (string) @base))) declaration: (_) @within) (#eq? @_controller "Controller"))
((class_declaration decorator: (decorator (call_expression function: (identifier) @_controller
  arguments: (arguments . (string) @base)))) @within (#eq? @_controller "Controller"))
"""

_CORE_DEFINITIONS = f"""
{_TESTS}
(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(method_definition name: [
  (property_identifier) @name
  (private_property_identifier) @name
  (string (string_fragment) @name)
  (computed_property_name) @name
] body: (_) @body) @method
(variable_declarator name: (identifier) @name value: {_FUNCTION_VALUE}) @function
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @class
(assignment_expression left: (identifier) @name right: {_FUNCTION_VALUE}) @function
(assignment_expression left: (member_expression) @name right: {_FUNCTION_VALUE}) @function
(assignment_expression left: (member_expression) @name right: (class body: (_) @body)) @class
(assignment_expression left: (member_expression) @name
  right: (assignment_expression right: {_FUNCTION_VALUE})) @function
(assignment_expression left: (member_expression) @name @function
  right: (assignment_expression right: [(arrow_function) (function_expression) (generator_function)]))
(pair key: [(property_identifier) @name (string (string_fragment) @name)] value: {_FUNCTION_VALUE}) @method
(export_statement "default" @name value: {_FUNCTION_VALUE}) @function
(function_expression name: (identifier) @name body: (_) @body) @function
(generator_function name: (identifier) @name body: (_) @body) @function
(class name: (_) @name body: (_) @body) @class
(program (_ (variable_declarator name: (identifier) @name) @variable))
(program (export_statement (_ (variable_declarator name: (identifier) @name) @variable)))
((program (expression_statement
  (assignment_expression left: (member_expression object: (_) @_exports) @name right: (_) @_value) @variable))
  (#any-of? @_exports "exports" "module.exports") (#not-match? @_value "^[a-zA-Z_$][a-zA-Z0-9_$.]*$"))
(variable_declarator name: (identifier) @name value: (object)) @scope
(assignment_expression left: (member_expression) @name right: (object)) @scope
(export_statement declaration: (_) @wrapped) @wrapper
(lexical_declaration . (variable_declarator) @wrapped .) @wrapper
(variable_declaration . (variable_declarator) @wrapped .) @wrapper
(expression_statement (assignment_expression) @wrapped) @wrapper
"""

_CORE_MARKS = """
(call_expression function: [
  (identifier) @call
  (member_expression property: [(property_identifier) (private_property_identifier)] @call)
  (await_expression (identifier) @call)
])
(new_expression constructor: [(identifier) @call (member_expression property: (property_identifier) @call)])
((call_expression function: (identifier) @_require
  arguments: (arguments . (string (string_fragment) @import)))
  (#eq? @_require "require"))
(call_expression function: (import) arguments: (arguments . (string (string_fragment) @import)))
(import_statement source: (string (string_fragment) @import))
(export_statement source: (string (string_fragment) @import))
(import_specifier name: (identifier) @import)
(import_clause (identifier) @import)
(namespace_import (identifier) @import)
(comment) @comment
(string) @string
(template_string) @string
(regex) @string
(decorator) @prefix
(decorator [(identifier) @use (member_expression property: (property_identifier) @use)])
"""

_JSX_MARKS = """
((jsx_opening_element name: [(identifier) @use (member_expression property: (property_identifier) @use)])
  (#match? @use "^[A-Z]"))
((jsx_self_closing_element name: [(identifier) @use (member_expression property: (property_identifier) @use)])
  (#match? @use "^[A-Z]"))
"""

_TYPESCRIPT_DEFINITIONS = """
(class_declaration name: (type_identifier) @name body: (_) @body) @class
(abstract_class_declaration name: (type_identifier) @name body: (_) @body) @class
(interface_declaration name: (type_identifier) @name body: (_) @body) @interface
(type_alias_declaration name: (type_identifier) @name) @type
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(enum_body name: (property_identifier) @name @constant)
(enum_assignment name: (property_identifier) @name) @constant
(internal_module name: [(identifier) (nested_identifier)] @name body: (_) @body) @namespace
(module name: [(identifier) (nested_identifier) (string)] @name body: (_) @body) @namespace
(function_signature name: (identifier) @name) @function
(method_signature name: [(property_identifier) (private_property_identifier)] @name) @method
(abstract_method_signature name: (property_identifier) @name) @method
(interface_body (property_signature name: (property_identifier) @name) @field)
(public_field_definition name: (_) @name value: [
  (arrow_function body: (_) @body) (function_expression body: (_) @body)
]) @method
(public_field_definition name: [(property_identifier) (private_property_identifier)] @name) @field
(program (ambient_declaration (_ (variable_declarator name: (identifier) @name) @variable)))
(ambient_declaration (_) @wrapped) @wrapper
"""

# After the pattern that makes it a variable.
_TYPESCRIPT_SCOPES = """
(variable_declarator name: (identifier) @name
  value: [(as_expression (object)) (satisfies_expression (object))]) @scope
"""

_TYPESCRIPT_MARKS = """
(extends_clause value: [(identifier) @inherit (member_expression property: (property_identifier) @inherit)])
(implements_clause [
  (type_identifier) @inherit
  (generic_type name: [(type_identifier) @inherit (nested_type_identifier name: (type_identifier) @inherit)])
  (nested_type_identifier name: (type_identifier) @inherit)
])
(extends_type_clause type: [
  (type_identifier) @inherit
  (generic_type name: [(type_identifier) @inherit (nested_type_identifier name: (type_identifier) @inherit)])
  (nested_type_identifier name: (type_identifier) @inherit)
])
(type_identifier) @use
"""

# `exports.f = ...`, `Type.prototype.f = ...` and `this.f = ...` name f, or Type.f.
_SILENT = frozenset({"exports", "module", "prototype", "this", "window", "globalThis"})

JAVASCRIPT = Grammar(
    package="tree_sitter_javascript",
    definitions=_CORE_DEFINITIONS
    + f"""
(class_declaration name: (identifier) @name body: (_) @body) @class
(field_definition property: {_PROPERTY_NAME} @name value: {_FUNCTION_VALUE}) @method
(field_definition property: {_PROPERTY_NAME} @name) @field
""",
    marks=_CORE_MARKS
    + _JSX_MARKS
    + """
(class_heritage [
  (identifier) @inherit
  (member_expression property: (property_identifier) @inherit)
  (call_expression arguments: (arguments (identifier) @inherit))
])
""",
    routes=_ROUTES,
    route_signs=_ROUTE_SIGNS,
    silent_parts=_SILENT,
)

TYPESCRIPT = Grammar(
    package="tree_sitter_typescript",
    factory="language_typescript",
    definitions=_TYPESCRIPT_DEFINITIONS + _CORE_DEFINITIONS + _TYPESCRIPT_SCOPES,
    marks=_CORE_MARKS + _TYPESCRIPT_MARKS,
    routes=_ROUTES + _NEST_ROUTES,
    route_signs=rf"{_ROUTE_SIGNS}|@(?:Get|Post|Put|Delete|Patch|Head|Options|All)\(",
    silent_parts=_SILENT,
)

TSX = Grammar(
    package="tree_sitter_typescript",
    factory="language_tsx",
    definitions=TYPESCRIPT.definitions,
    marks=TYPESCRIPT.marks + _JSX_MARKS,
    routes=TYPESCRIPT.routes,
    route_signs=TYPESCRIPT.route_signs,
    silent_parts=_SILENT,
)
