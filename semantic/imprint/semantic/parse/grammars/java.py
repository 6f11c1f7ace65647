"""Java."""

from imprint.semantic.parse.grammar import Grammar

_TYPE_NAME = """[
  (type_identifier) @{0}
  (scoped_type_identifier (type_identifier) @{0} .)
  (generic_type [(type_identifier) @{0} (scoped_type_identifier (type_identifier) @{0} .)])
]"""

_ROUTE_PATH = """(annotation_argument_list [
  (string_literal) @path
  (element_value_array_initializer (string_literal) @path)
  (element_value_pair key: (identifier) @_key value: [
    (string_literal) @path (element_value_array_initializer (string_literal) @path)
  ])
])"""

# Spring; JAX-RS and what follows it (Quarkus, Jersey, Micronaut).
_ROUTES = f"""
((method_declaration (modifiers (annotation name: (identifier) @verb
  arguments: {_ROUTE_PATH} @options))) @handler
  (#any-of? @verb "GetMapping" "PostMapping" "PutMapping" "DeleteMapping" "PatchMapping" "RequestMapping"
    "Get" "Post" "Put" "Delete" "Patch")
  (#any-of? @_key "value" "path" "uri"))
((method_declaration (modifiers (marker_annotation name: (identifier) @verb)
  (annotation name: (identifier) @_path arguments: {_ROUTE_PATH}))) @handler
  (#any-of? @verb "GET" "POST" "PUT" "DELETE" "PATCH" "HEAD" "OPTIONS") (#eq? @_path "Path"))
((method_declaration (modifiers (annotation name: (identifier) @_path arguments: {_ROUTE_PATH})
  (marker_annotation name: (identifier) @verb))) @handler
  (#any-of? @verb "GET" "POST" "PUT" "DELETE" "PATCH" "HEAD" "OPTIONS") (#eq? @_path "Path"))
((method_declaration (modifiers [
  (marker_annotation name: (identifier) @verb) (annotation name: (identifier) @verb)
])) @handler
  (#any-of? @verb "GetMapping" "PostMapping" "PutMapping" "DeleteMapping" "PatchMapping"
    "GET" "POST" "PUT" "DELETE" "PATCH" "HEAD" "OPTIONS"))
((class_declaration (modifiers (annotation name: (identifier) @_base
  arguments: {_ROUTE_PATH.replace("@path", "@base")}))) @within
  (#any-of? @_base "RequestMapping" "Path" "Controller") (#any-of? @_key "value" "path"))
"""

_ANNOTATED = """(modifiers [
  (marker_annotation name: (identifier) @_test) (annotation name: (identifier) @_test)
])"""

JAVA = Grammar(
    package="tree_sitter_java",
    routes=_ROUTES,
    route_signs=r"@\w*Mapping\b|@(?:GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS|Get|Post|Put|Delete|Patch)\b",
    definitions=f"""
((method_declaration {_ANNOTATED} name: (identifier) @name body: (_) @body) @test
  (#any-of? @_test "Test" "ParameterizedTest" "RepeatedTest" "TestFactory" "TestTemplate" "Property"))
((class_declaration superclass: (superclass (type_identifier) @_base)
  body: (class_body (method_declaration name: (identifier) @name body: (_) @body) @test))
  (#match? @_base "Test(Case)?$") (#match? @name "^test"))
(class_declaration name: (identifier) @name body: (_) @body) @class
(record_declaration name: (identifier) @name body: (_) @body) @class
(interface_declaration name: (identifier) @name body: (_) @body) @interface
(annotation_type_declaration name: (identifier) @name body: (_) @body) @interface
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(method_declaration name: (identifier) @name body: (_)? @body) @method
(annotation_type_element_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name body: (_) @body) @method
(compact_constructor_declaration name: (identifier) @name body: (_) @body) @method
(enum_constant name: (identifier) @name) @constant
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @field
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @constant
(enum_constant name: (identifier) @name body: (_)) @scope
(variable_declarator name: (identifier) @name value: (object_creation_expression (class_body))) @scope
""",
    marks=f"""
(method_invocation name: (identifier) @call)
(object_creation_expression type: {_TYPE_NAME.format("call")})
(method_reference (_) "::" (identifier) @use)
(explicit_constructor_invocation constructor: (_) @call)
(import_declaration [(identifier) (scoped_identifier)] @import)
(import_declaration (scoped_identifier name: (identifier) @import) .)
(superclass {_TYPE_NAME.format("inherit")})
(super_interfaces (type_list {_TYPE_NAME.format("inherit")}))
(extends_interfaces (type_list {_TYPE_NAME.format("inherit")}))
(type_identifier) @use
(marker_annotation name: (identifier) @use)
(annotation name: (identifier) @use)
(line_comment) @comment
(block_comment) @comment
(string_literal) @string
(character_literal) @string
(marker_annotation) @prefix
(annotation) @prefix
""",
)
