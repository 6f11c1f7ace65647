"""C#."""

import re

from imprint.semantic.parse.grammar import Grammar
from imprint.semantic.parse.grammars.conditionals import settle_conditionals

# What the grammar does not know: modifiers in this order, and assignment through a cast pointer.
_UNKNOWN = re.compile(
    rb"\bref(?=[ \t]+partial[ \t]+struct\b)|\*[ \t]*\([ \t]*\w+[ \t]*\*+[ \t]*\)[ \t]*&?(?=[ \t]*[\w(])"
)


def _prepare(content: bytes) -> bytes:
    """Blank out what the grammar cannot read, so that the rest of the file is not lost with it."""
    return _UNKNOWN.sub(lambda match: b" " * len(match.group()), settle_conditionals(content))


_TYPE_NAME = """[
  (identifier) @{0}
  (generic_name (identifier) @{0})
  (qualified_name name: [(identifier) @{0} (generic_name (identifier) @{0})])
  (alias_qualified_name name: [(identifier) @{0} (generic_name (identifier) @{0})])
]"""

# Attributes of controllers, and minimal APIs.
_STRING = "[(string_literal) (verbatim_string_literal)]"
_ROUTES = f"""
((method_declaration (attribute_list (attribute name: (identifier) @verb
  (attribute_argument_list . (attribute_argument {_STRING} @path))?))) @handler
  (#any-of? @verb "HttpGet" "HttpPost" "HttpPut" "HttpDelete" "HttpPatch" "HttpHead" "HttpOptions"))
((invocation_expression
  function: (member_access_expression expression: (_) @receiver name: (identifier) @verb)
  arguments: (argument_list . (argument {_STRING} @path) . (argument)))
  @registration
  (#any-of? @verb "MapGet" "MapPost" "MapPut" "MapDelete" "MapPatch" "MapMethods" "Map"))
((class_declaration (attribute_list (attribute name: (identifier) @_route
  (attribute_argument_list . (attribute_argument (string_literal) @base))))) @within
  (#any-of? @_route "Route" "RoutePrefix"))
((variable_declarator name: (identifier) @holder (invocation_expression
  function: (member_access_expression name: (identifier) @_group)
  arguments: (argument_list . (argument (string_literal) @base)))) (#eq? @_group "MapGroup"))
"""

CSHARP = Grammar(
    package="tree_sitter_c_sharp",
    prepare=_prepare,
    routes=_ROUTES,
    route_signs=r"\bHttp(?:Get|Post|Put|Delete|Patch|Head|Options)\b|\.Map\w*\(",
    definitions="""
((method_declaration (attribute_list (attribute name: [
  (identifier) @_test (qualified_name name: (identifier) @_test)
])) name: (identifier) @name body: (_)? @body) @test
  (#match? @_test "^[a-zA-Z]*(Fact|Theory)$|^Test(Case|CaseSource|Method)?$|^DataTestMethod$|^Benchmark$"))
(namespace_declaration name: (_) @name body: (_) @body) @namespace
(file_scoped_namespace_declaration name: (_) @name) @rest
(class_declaration name: (identifier) @name body: (_)? @body) @class
(record_declaration name: (identifier) @name body: (_)? @body) @class
(struct_declaration name: (identifier) @name body: (_)? @body) @struct
(interface_declaration name: (identifier) @name body: (_)? @body) @interface
(enum_declaration name: (identifier) @name body: (_)? @body) @enum
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name body: (_)? @body) @method
(constructor_declaration name: (identifier) @name body: (_)? @body) @method
(destructor_declaration name: (identifier) @name body: (_)? @body) @method
(local_function_statement name: (identifier) @name body: (_)? @body) @function
(operator_declaration operator: _ @name body: (_)? @body) @method
(property_declaration name: (identifier) @name accessors: (_) @body) @property
(property_declaration name: (identifier) @name value: (_) @body) @property
(event_declaration name: (identifier) @name) @property
(enum_member_declaration name: (identifier) @name) @constant
((field_declaration (modifier) @_modifier
  (variable_declaration (variable_declarator name: (identifier) @name))) @constant
  (#eq? @_modifier "const"))
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @field
""",
    marks=f"""
(invocation_expression function: [
  (identifier) @call
  (generic_name (identifier) @call)
  (member_access_expression name: [(identifier) @call (generic_name (identifier) @call)])
  (conditional_access_expression
    (member_binding_expression name: [(identifier) @call (generic_name (identifier) @call)]))
])
(object_creation_expression type: {_TYPE_NAME.format("call")})
(using_directive [(identifier) (qualified_name)] @import .)
(base_list {_TYPE_NAME.format("inherit")})
(base_list (primary_constructor_base_type {_TYPE_NAME.format("inherit")}))
(variable_declaration type: {_TYPE_NAME.format("use")})
(parameter type: {_TYPE_NAME.format("use")})
(method_declaration returns: {_TYPE_NAME.format("use")})
(property_declaration type: {_TYPE_NAME.format("use")})
(type_argument_list {_TYPE_NAME.format("use")})
(cast_expression type: {_TYPE_NAME.format("use")})
(typeof_expression type: {_TYPE_NAME.format("use")})
(attribute name: {_TYPE_NAME.format("use")})
(comment) @comment
(string_literal) @string
(verbatim_string_literal) @string
(raw_string_literal) @string
(interpolated_string_expression) @string
(character_literal) @string
(attribute_list) @prefix
""",
)
