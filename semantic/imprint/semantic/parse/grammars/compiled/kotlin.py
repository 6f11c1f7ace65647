"""Kotlin."""

import re

from imprint.semantic.parse.grammar import Grammar

_PROPERTY = "(variable_declaration . (identifier) @name)"
_RECEIVER = """[
  (user_type (identifier)+ @container) (nullable_type (user_type (identifier)+ @container))
  (parenthesized_type (user_type (identifier)+ @container))
] . "." """

_BASE = "[(user_type (identifier) @inherit .) (user_type (identifier) @inherit . (type_arguments) .)]"
_ANNOTATED = """(modifiers (annotation [
  (user_type (identifier) @{0} .) (constructor_invocation (user_type (identifier) @{0} .){1})
]))"""


def _properties(around: str, receiver: str, kind: str) -> str:
    """Give the patterns for the properties in one place: with a getter, delegated, plain."""
    return f"""
({around} (property_declaration {receiver} {_PROPERTY} (getter) @body) @property)
({around} (property_declaration (modifiers (property_modifier "const")) {_PROPERTY}) @constant)
({around} (property_declaration {receiver} {_PROPERTY}) @{kind})
"""


# What the grammar does not read: conditions of a branch (Kotlin 2.2), `where` as a name, and a line that ends
# a declaration by closing the brace around it.
_GUARD = re.compile(
    rb"^([ \t]*(?:!?is[ \t]|!?in[ \t]|else\b|[\w.]+[ \t])[^\n{}]*?)([ \t]if[ \t][^\n]*?)(?=->)", re.MULTILINE
)
_WHERE = re.compile(rb"(?<![\w.])where(?=[?!.),]|[ \t]*=)")
_GET = re.compile(rb"(?<=\} )get(?= [(\w])")
_CLOSED = re.compile(rb"(\{[^{}\n]*\b(?:fun|va[lr])\b[^{}\n]*=[^{}\n]*)[ \t](?=\}[ \t]*$)", re.MULTILINE)


def _tame(content: bytes) -> bytes:
    """Blank out conditions of branches; names are told from the source, so that theirs may change."""
    if b"->" in content and b" if " in content:
        content = _GUARD.sub(lambda match: match.group(1) + b" " * len(match.group(2)), content)
    if b"where" in content:
        content = _WHERE.sub(b"wHere", content)
    if b"} get " in content:
        content = _GET.sub(b"gEt", content)
    return _CLOSED.sub(rb"\1;", content)


_PATH = """(value_arguments (value_argument [
  (string_literal) @{0} (collection_literal (string_literal) @{0})
]))"""
_MAPPING = '"GetMapping" "PostMapping" "PutMapping" "DeleteMapping" "PatchMapping" "RequestMapping"'

# Spring by annotations, Ktor by calls with a path and a block.
_ROUTES = f"""
((function_declaration (modifiers (annotation (constructor_invocation
  (user_type (identifier) @verb .) {_PATH.format("path")}) @options))) @handler (#any-of? @verb {_MAPPING}))
((function_declaration (modifiers (annotation [
  (user_type (identifier) @verb .) (constructor_invocation (user_type (identifier) @verb .))
]))) @handler (#any-of? @verb {_MAPPING}))
((class_declaration (modifiers (annotation (constructor_invocation
  (user_type (identifier) @_base .) {_PATH.format("base")})))) @within (#eq? @_base "RequestMapping"))
((call_expression (call_expression . (identifier) @verb
  . (value_arguments . (value_argument (string_literal) @path))) (annotated_lambda)) @registration
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options"))
((call_expression (call_expression . (identifier) @_route . (value_arguments
  . (value_argument (string_literal) @base))) (annotated_lambda)) @within (#eq? @_route "route"))
"""

KOTLIN = Grammar(
    package="tree_sitter_kotlin",
    routes=_ROUTES,
    route_signs=r"@\w*Mapping\b|^\s*(?:get|post|put|delete|patch|head|options)\(",
    prepare=_tame,
    builtins=frozenset(
        {
            "Any",
            "Array",
            "Boolean",
            "Byte",
            "Char",
            "Double",
            "Float",
            "Int",
            "Long",
            "Short",
            "String",
            "Unit",
        }
    ),
    definitions=f"""
((function_declaration {_ANNOTATED.format("_test", "")} name: (identifier) @name
  (function_body)? @body) @test
  (#any-of? @_test "Test" "ParameterizedTest" "RepeatedTest" "TestFactory" "TestTemplate"))
(class_declaration "interface" name: (identifier) @name (class_body)? @body) @interface
(class_declaration name: (identifier) @name (enum_class_body) @body) @enum
(class_declaration name: (identifier) @name (class_body) @body) @class
(class_declaration name: (identifier) @name) @class
(object_declaration name: (identifier) @name (class_body)? @body) @class
(companion_object name: (identifier) @name (class_body)? @body) @class
(class_parameter ["val" "var"] . (identifier) @name) @property
(enum_entry (identifier) @name) @constant
(type_alias type: (identifier) @name) @type
(secondary_constructor "constructor" @name (block)? @body) @method
(source_file (function_declaration {_RECEIVER} . name: (identifier) @name (function_body)? @body) @function)
(class_body (function_declaration name: (identifier) @name (function_body)? @body) @method)
(enum_class_body (function_declaration name: (identifier) @name (function_body)? @body) @method)
(function_declaration name: (identifier) @name (function_body)? @body) @function
(property_declaration {_PROPERTY} (lambda_literal) @body) @function
(property_declaration {_PROPERTY} (anonymous_function (function_body) @body)) @function
{_properties("source_file", _RECEIVER + ".", "property")}
{_properties("source_file", "", "variable")}
{_properties("class_body", "", "property")}
{_properties("enum_class_body", "", "property")}
""",
    marks=f"""
(call_expression . [(identifier) @call (navigation_expression (identifier) @call .)])
(delegation_specifier [{_BASE} (constructor_invocation {_BASE}) (explicit_delegation {_BASE})])
(import (qualified_identifier) @import)
(import (qualified_identifier (identifier) @import .))
(user_type (identifier) @use)
(line_comment) @comment
(block_comment) @comment
(string_literal) @string
(multiline_string_literal) @string
(annotation) @prefix
""",
)
