"""PHP."""

from imprint.semantic.parse.grammar import Grammar

# A file's name, or what is put together with its folder.
_FILE = "[(string (string_content) @import) (binary_expression right: (string (string_content) @import))]"

_STRING = "[(string (string_content)) (encapsed_string)]"

# Laravel and Slim are calls, Symfony an attribute.
_ROUTES = f"""
((scoped_call_expression scope: (name) @_route name: (name) @verb
  arguments: (arguments . (argument {_STRING} @path) . (argument))) @registration
  (#eq? @_route "Route") (#any-of? @verb "get" "post" "put" "delete" "patch" "options" "any"))
((member_call_expression object: (variable_name (name) @_router) name: (name) @verb
  arguments: (arguments . (argument {_STRING} @path) . (argument))) @registration
  (#any-of? @_router "app" "router" "group" "routes" "r")
  (#any-of? @verb "get" "post" "put" "delete" "patch" "options" "any"))
((method_declaration attributes: (attribute_list (attribute_group (attribute (name) @verb
  parameters: (arguments . (argument {_STRING} @path)) @options)))) @handler
  (#any-of? @verb "Route" "Get" "Post" "Put" "Delete" "Patch"))
((class_declaration attributes: (attribute_list (attribute_group (attribute (name) @_route
  parameters: (arguments . (argument {_STRING} @base)))))) @within (#eq? @_route "Route"))
((member_call_expression object: (scoped_call_expression scope: (name) @_route name: (name) @_prefix
  arguments: (arguments . (argument {_STRING} @base))) name: (name) @_group) @within
  (#eq? @_route "Route") (#eq? @_prefix "prefix") (#eq? @_group "group"))
"""

PHP = Grammar(
    package="tree_sitter_php",
    factory="language_php",
    builtins=frozenset({"parent", "self", "static"}),
    routes=_ROUTES,
    route_signs=r"\bRoute\b|#\[.*(?:Get|Post|Put|Delete|Patch)\b|\$(?:app|router|group|routes|r)->",
    definitions=f"""
((method_declaration attributes: (attribute_list (attribute_group (attribute [
  (name) @_test (qualified_name (name) @_test .)
]))) name: (name) @name body: (_) @body) @test (#eq? @_test "Test"))
((class_declaration (base_clause [(name) @_base (qualified_name (name) @_base .)])
  body: (declaration_list (method_declaration name: (name) @name body: (_) @body) @test))
  (#match? @_base "Test(Case)?$") (#match? @name "^test"))
((comment) @_told . (method_declaration name: (name) @name body: (_) @body) @test
  (#match? @_told "@test[^a-zA-Z]"))
((function_call_expression function: (name) @_test arguments: (arguments .
  (argument {_STRING} @name) .
  (argument [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)])))
  @test (#any-of? @_test "it" "test" "describe"))
(namespace_definition name: (namespace_name) @name body: (_) @body) @namespace
(namespace_definition name: (namespace_name) @name !body) @rest
(class_declaration name: (name) @name body: (_) @body) @class
(interface_declaration name: (name) @name body: (_) @body) @interface
(trait_declaration name: (name) @name body: (_) @body) @trait
(enum_declaration name: (name) @name body: (_) @body) @enum
(function_definition name: (name) @name body: (_) @body) @function
(method_declaration name: (name) @name body: (_)? @body) @method
(property_declaration (property_element name: (variable_name (name) @name))) @field
(const_declaration (const_element . (name) @name)) @constant
(enum_case name: (name) @name) @constant
""",
    marks=f"""
(function_call_expression function: [(name) @call (qualified_name (name) @call) (relative_name (name) @call)])
(member_call_expression name: (name) @call)
(nullsafe_member_call_expression name: (name) @call)
(scoped_call_expression name: (name) @call)
(object_creation_expression [(name) @call (qualified_name (name) @call .)])
(namespace_use_clause . [(name) (qualified_name)] @import)
(namespace_use_clause . (qualified_name (name) @import .))
(namespace_use_declaration (namespace_name) @import)
(include_expression {_FILE})
(include_once_expression {_FILE})
(require_expression {_FILE})
(require_once_expression {_FILE})
(base_clause [(name) @inherit (qualified_name (name) @inherit .)])
(class_interface_clause [(name) @inherit (qualified_name (name) @inherit .)])
(use_declaration [(name) @inherit (qualified_name (name) @inherit .)])
(named_type [(name) @use (qualified_name (name) @use .)])
(scoped_call_expression scope: [(name) @use (qualified_name (name) @use .)])
(class_constant_access_expression . [(name) @use (qualified_name (name) @use .)])
(attribute [(name) @use (qualified_name (name) @use .)])
(comment) @comment
(string) @string
(encapsed_string) @string
(heredoc) @string
(nowdoc) @string
(text) @string
(attribute_list) @prefix
""",
)
