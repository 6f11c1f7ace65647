"""PHP."""

from imprint.semantic.parse.grammar import Grammar

# A file's name, or what is put together with its folder.
_FILE = "[(string (string_content) @import) (binary_expression right: (string (string_content) @import))]"

PHP = Grammar(
    package="tree_sitter_php",
    factory="language_php",
    builtins=frozenset({"parent", "self", "static"}),
    definitions="""
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
