"""Dart.

A function is a signature and a body, side by side in the tree.
"""

from imprint.semantic.parse.grammar import Grammar

_PLACES = ("class_body", "extension_body", "enum_body")
_ACCESSORS = "[(getter_signature name: (identifier) @name) (setter_signature name: (identifier) @name)]"
_OPERATOR = "(operator_signature [(binary_operator) (_)] @name . (formal_parameter_list))"
_CONSTRUCTORS = """[
  (constructor_signature name: (identifier) @name . parameters: (_))
  (factory_constructor_signature (identifier) @name . (formal_parameter_list))
  (constant_constructor_signature (identifier) @name . (formal_parameter_list))
  (redirecting_factory_constructor_signature (identifier) @name . (formal_parameter_list))
]"""
_FUNCTION = "(function_signature name: (identifier) @name)"
_TITLED = (
    "(argument_part (arguments . (argument (string_literal) @name) (argument (function_expression) @body)))"
)


def _members(body: str) -> str:
    """Give the patterns for the members of one kind of type: with a body, then without."""
    patterns: list[str] = []
    for signature, kind in ((_ACCESSORS, "property"), (_CONSTRUCTORS, "method"), (_FUNCTION, "method")):
        patterns.append(f"({body} (method_signature {signature}) @{kind} . (function_body) @body)")
        patterns.append(f"({body} (method_signature {signature}) @{kind})")
        patterns.append(f"({body} (declaration {signature}) @{kind})")
    patterns.append(f"({body} (method_signature {_OPERATOR}) @method . (function_body) @body)")
    patterns.append(f"({body} (declaration {_OPERATOR}) @method)")
    patterns.append(
        f"({body} (declaration (static_final_declaration_list"
        " (static_final_declaration . (identifier) @name))) @field)"
    )
    patterns.append(
        f"({body} (declaration (initialized_identifier_list"
        " (initialized_identifier . (identifier) @name))) @field)"
    )
    return "\n".join(patterns)


DART = Grammar(
    package="tree_sitter_dart",
    # shelf_router, by calls and by annotations.
    routes="""
((expression_statement (identifier) @_to . (selector (unconditional_assignable_selector (identifier) @verb))
  . (selector (argument_part (arguments . (argument (string_literal) @path) . (argument))))) @registration
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options" "all")
  (#match? @path "^.\\s*/") (#not-match? @_to "([Cc]lient|http|dio|request)$"))
((class_body (annotation name: (scoped_identifier name: (identifier) @verb)
  (arguments . (argument (string_literal) @path))) . (method_signature) @handler)
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options" "all") (#match? @path "^.\\s*/"))
""",
    route_signs=r"\.(?:get|post|put|delete|patch|head|options|all)\(\s*['\"]/",
    builtins=frozenset({"bool", "double", "dynamic", "int", "num", "Object", "String"}),
    definitions=f"""
((expression_statement (identifier) @_test . (selector {_TITLED})) @test
  (#any-of? @_test "test" "testWidgets" "group" "blocTest"))
(class_definition name: (identifier) @name body: (_) @body) @class
(mixin_declaration (identifier) @name (class_body) @body) @trait
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(extension_type_declaration name: (identifier) @name body: (_) @body) @class
(extension_declaration class: (type_identifier) @name body: (_) @body) @scope
(type_alias . (type_identifier) @name . [(function_type) (type_parameters)]) @type
(type_alias (type_identifier) @name . (formal_parameter_list)) @type
(type_alias . (type_identifier) @name) @type
(enum_constant name: (identifier) @name) @constant
(program {_FUNCTION} @function . (function_body) @body)
(program {_FUNCTION} @function)
(lambda_expression parameters: {_FUNCTION} body: (_) @body) @function
(initialized_variable_definition name: (identifier) @name
  value: (function_expression body: (_) @body)) @function
(program [
  (getter_signature name: (identifier) @name) (setter_signature name: (identifier) @name)
] @property . (function_body) @body)
(program (const_builtin) . (type_identifier)? . (type_arguments)? . (nullable_type)?
  . (static_final_declaration_list (static_final_declaration . (identifier) @name) @constant))
(program (static_final_declaration_list (static_final_declaration . (identifier) @name) @variable))
(program (initialized_identifier_list (initialized_identifier . (identifier) @name) @variable))
"""
    + "\n".join(_members(body) for body in _PLACES),
    marks="""
((identifier) @call . (selector (argument_part)))
((selector [
  (unconditional_assignable_selector (identifier) @call)
  (conditional_assignable_selector (identifier) @call)
]) . (selector (argument_part)))
((cascade_selector (identifier) @call) . (argument_part))
(new_expression (type_identifier) @call)
(const_object_expression (type_identifier) @call)
(uri (string_literal) @import)
(combinator (identifier) @import)
(superclass (type_identifier) @inherit)
(mixins (type_identifier) @inherit)
(interfaces (type_identifier) @inherit)
(mixin_declaration (type_identifier) @inherit)
(type_identifier) @use
(comment) @comment
(documentation_comment) @comment
(string_literal) @string
(annotation) @prefix
""",
)
