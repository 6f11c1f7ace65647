"""Java."""

from imprint.semantic.parse.grammar import Grammar

_TYPE_NAME = """[
  (type_identifier) @{0}
  (scoped_type_identifier (type_identifier) @{0} .)
  (generic_type [(type_identifier) @{0} (scoped_type_identifier (type_identifier) @{0} .)])
]"""

JAVA = Grammar(
    package="tree_sitter_java",
    definitions="""
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
