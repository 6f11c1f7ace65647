"""Swift."""

import re

from imprint.semantic.parse.grammar import Grammar

_MEMBERS = ("class_body", "enum_class_body")
_OPERATORS = '"==" "!=" "<" ">" "<=" ">=" "+" "-" "*" "/" "%"'
_NAMED = "name: (pattern bound_identifier: (simple_identifier) @name)"


def _type(keyword: str, kind: str) -> str:
    return f'(class_declaration "{keyword}" name: (type_identifier) @name body: (_) @body) @{kind}\n'


def _properties(body: str) -> str:
    """Give the patterns for the properties of a type: computed ones, functions that are kept, stored ones."""
    return f"""
({body} (property_declaration {_NAMED} computed_value: (_) @body) @property)
({body} (property_declaration {_NAMED} value: (lambda_literal) @body) @function)
({body} (property_declaration {_NAMED}) @property)
"""


# What the grammar does not read: the empty tuple as a value, and warnings of the author's to the compiler.
_EMPTY_TUPLE = re.compile(rb"(?:(?<=[(,])|(?<=[,:=] )|(?<=return ))\(\)(?=[ \t]*[,)\]}\n])")
_WARNING = re.compile(rb"^([ \t]*)#\w(?=(?:arning|rror)\()", re.MULTILINE)


def _tame(content: bytes) -> bytes:
    """Put a number for each empty tuple, and a comment for each warning."""
    return _WARNING.sub(rb"\1//", _EMPTY_TUPLE.sub(b"00", content))


SWIFT = Grammar(
    package="tree_sitter_swift",
    prepare=_tame,
    builtins=frozenset(
        {"Any", "Bool", "Character", "Double", "Float", "Int", "Self", "String", "UInt", "Void"}
    ),
    definitions="""
((function_declaration (modifiers (attribute (user_type (type_identifier) @_test)))
  name: (simple_identifier) @name body: (_) @body) @test (#eq? @_test "Test"))
((class_declaration (inheritance_specifier inherits_from: (user_type (type_identifier) @_base))
  body: (class_body (function_declaration name: (simple_identifier) @name body: (_) @body) @test))
  (#match? @_base "TestCase$") (#match? @name "^test"))
"""
    + _type("class", "class")
    + _type("actor", "class")
    + _type("struct", "struct")
    + _type("enum", "enum")
    + f"""
(class_declaration "extension" name: (user_type) @name body: (_) @body) @scope
(protocol_declaration name: (type_identifier) @name body: (_) @body) @interface
(enum_entry name: (simple_identifier) @name) @constant
(typealias_declaration name: (type_identifier) @name) @type
(associatedtype_declaration name: (type_identifier) @name) @type
(protocol_property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @property
(protocol_function_declaration name: [(simple_identifier) (custom_operator) {_OPERATORS}] @name) @method
(init_declaration name: "init" @name body: (_)? @body) @method
(deinit_declaration "deinit" @name body: (_) @body) @method
(subscript_declaration "subscript" @name (computed_property)? @body) @method
(macro_declaration (simple_identifier) @name) @macro
(function_declaration name: [(simple_identifier) (custom_operator) {_OPERATORS}] @name
  body: (_)? @body) @function
"""
    + "".join(_properties(body) for body in _MEMBERS)
    + f"""
(property_declaration {_NAMED} value: (lambda_literal) @body) @function
(source_file (property_declaration {_NAMED} computed_value: (_) @body) @property)
(source_file (property_declaration {_NAMED}) @variable)
""",
    marks="""
(call_expression . [(simple_identifier) @call (navigation_expression suffix: (navigation_suffix
  suffix: (simple_identifier) @call)) (prefix_expression (simple_identifier) @call)])
(constructor_expression (user_type (type_identifier) @call .))
(macro_invocation (simple_identifier) @call)
(import_declaration (identifier) @import)
(inheritance_specifier inherits_from: (user_type (type_identifier) @inherit .))
(user_type (type_identifier) @use)
(comment) @comment
(multiline_comment) @comment
(line_string_literal) @string
(multi_line_string_literal) @string
(raw_string_literal) @string
(attribute) @prefix @ignored
""",
)
