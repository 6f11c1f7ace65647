"""C and C++: one core, and what C++ adds."""

from imprint.semantic.parse.grammar import Grammar
from imprint.semantic.parse.grammars.macros import tame_preprocessor


def _declared(name: str, *, depth: int, references: bool) -> str:
    """Give the pattern for a function's declarator behind at most `depth` pointers (and references)."""
    function = f"(function_declarator declarator: {name})"
    patterns = [function]
    for _ in range(depth):
        function = f"(pointer_declarator declarator: {function})"
        patterns.append(function)
    if references:
        patterns.append(f"(reference_declarator {patterns[0]})")
        patterns.append(f"(reference_declarator {patterns[1]})")
        patterns.append(f"(pointer_declarator declarator: (reference_declarator {patterns[0]}))")
    return "[" + " ".join(patterns) + "]"


def _variable(name: str) -> str:
    """Give the pattern for a variable's declarator: plain, pointer, array, with a value or without."""
    plain = f"{name} (pointer_declarator declarator: {name}) (array_declarator declarator: {name})"
    return f"[{plain} (init_declarator declarator: [{plain}])]"


# The names that GoogleTest, Catch2, Boost.Test, doctest and home-made frameworks give their macros.
_TEST_MACRO = "^([A-Z]+_)*(TEST|TESTS|SCENARIO|BENCHMARK|TESTCASE)(_[A-Z]+)*$"

_C_FUNCTION = _declared(
    "[(identifier) @name (parenthesized_declarator (identifier) @name)]", depth=3, references=False
)

_CORE_DEFINITIONS = f"""
(struct_specifier name: (type_identifier) @name body: (_) @body) @struct
(union_specifier name: (type_identifier) @name body: (_) @body) @struct
(enum_specifier name: (type_identifier) @name body: (_) @body) @enum
(type_definition type: (struct_specifier !name body: (_) @body) declarator: (type_identifier) @name) @struct
(type_definition type: (union_specifier !name body: (_) @body) declarator: (type_identifier) @name) @struct
(type_definition type: (enum_specifier !name body: (_) @body) declarator: (type_identifier) @name) @enum
(type_definition declarator: [
  (type_identifier) @name
  (pointer_declarator declarator: (type_identifier) @name)
  (array_declarator declarator: (type_identifier) @name)
  (function_declarator declarator: [
    (type_identifier) @name
    (parenthesized_declarator [
      (type_identifier) @name (pointer_declarator declarator: (type_identifier) @name)
    ])
  ])
  (pointer_declarator declarator: (function_declarator declarator:
    (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name))))
]) @type
(preproc_def name: (identifier) @name value: (_)) @macro
(preproc_function_def name: (identifier) @name) @macro
(enumerator name: (identifier) @name) @constant
(declaration declarator: {_variable("(identifier) @name")}) @variable
(field_declaration declarator: [
  (field_identifier) @name
  (pointer_declarator declarator: [
    (field_identifier) @name (pointer_declarator declarator: (field_identifier) @name)
  ])
  (array_declarator declarator: (field_identifier) @name)
  (function_declarator declarator:
    (parenthesized_declarator (pointer_declarator declarator: (field_identifier) @name)))
]) @field
"""

_CORE_MARKS = """
(preproc_include path: (string_literal (string_content) @import))
(preproc_include path: (system_lib_string) @import)
(comment) @comment
(string_literal) @string
(char_literal) @string
(type_identifier) @use
"""

C = Grammar(
    package="tree_sitter_c",
    prepare=tame_preprocessor,
    definitions=f"""
((function_definition type: (type_identifier) @_macro
  declarator: (parenthesized_declarator (identifier) @name)
  body: (_) @body) @test (#match? @_macro "{_TEST_MACRO}"))
((function_definition type: (primitive_type) @_returned
  declarator: (function_declarator declarator: (identifier) @name) body: (_) @body) @test
  (#eq? @_returned "void") (#match? @name "^test_"))
(function_definition declarator: {_C_FUNCTION} body: (_) @body) @function
(function_definition type: (type_identifier) declarator: (parenthesized_declarator (identifier) @name)
  body: (_) @body) @function
(declaration declarator: {_C_FUNCTION}) @declaration
"""
    + _CORE_DEFINITIONS,
    marks=_CORE_MARKS
    + """
(call_expression function: [
  (identifier) @call
  (field_expression field: (field_identifier) @call)
  (parenthesized_expression (identifier) @call)
])
""",
)

_CPP_NAME = """[
  (identifier) @name (field_identifier) @name (qualified_identifier) @name (destructor_name) @name
  (operator_name) @name (template_function name: (identifier) @name)
  (parenthesized_declarator (identifier) @name)
]"""

_CPP_FUNCTION = _declared(_CPP_NAME, depth=2, references=True)

_CPP_CALLEES = ["[(identifier) @call (template_function name: (identifier) @call)]"]
for _ in range(4):
    _CPP_CALLEES.append(
        "[(identifier) @call (template_function name: (identifier) @call)"
        " (template_method name: (field_identifier) @call)"
        f" (qualified_identifier name: {_CPP_CALLEES[-1]})]"
    )

_CPP_BASES = ["(type_identifier) @{0} (template_type name: (type_identifier) @{0})"]
for _ in range(3):
    _CPP_BASES.append(
        "(type_identifier) @{0} (template_type name: (type_identifier) @{0})"
        f" (qualified_identifier name: [{_CPP_BASES[-1]}])"
    )

CPP = Grammar(
    package="tree_sitter_cpp",
    prepare=tame_preprocessor,
    definitions=f"""
((function_definition !type declarator: (function_declarator declarator: (identifier) @_macro
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @container !declarator) .
    (parameter_declaration type: (type_identifier) @name !declarator) .)) body: (_) @body) @test
  (#match? @_macro "{_TEST_MACRO}"))
((expression_statement (call_expression function: (identifier) @_macro
  arguments: (argument_list . (string_literal) @name))) @test . (compound_statement) @body
  (#match? @_macro "{_TEST_MACRO}"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_macro
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @name !declarator) .))
  body: (_) @body) @test
  (#match? @_macro "{_TEST_MACRO}"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_macro
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @container !declarator) .
    (parameter_declaration type: (type_identifier) @name !declarator) .)) body: (_) @body) @function
  (#match? @_macro "^[A-Z][A-Z0-9_]+$"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_macro
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @name !declarator) .))
  body: (_) @body) @function
  (#match? @_macro "^[A-Z][A-Z0-9]*_[A-Z0-9_]+$"))
(namespace_definition name: (_) @name body: (_) @body) @namespace
(class_specifier name: [
  (type_identifier) @name (template_type name: (type_identifier) @name) (qualified_identifier) @name
] body: (_) @body) @class
(struct_specifier name: [
  (template_type name: (type_identifier) @name) (qualified_identifier) @name
] body: (_) @body) @struct
(function_definition declarator: {_CPP_FUNCTION} body: (_)? @body) @function
(function_definition declarator: [
  (operator_cast) @name (qualified_identifier name: (operator_cast)) @name
] body: (_)? @body) @function
(declaration declarator: {_CPP_FUNCTION}) @declaration
(field_declaration declarator: {_CPP_FUNCTION}) @declaration
(declaration declarator: (operator_cast) @name) @declaration
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @type
(namespace_alias_definition name: (_) @name) @type
(init_declarator declarator: (identifier) @name value: (lambda_expression body: (_) @body)) @function
(template_declaration (_) @wrapped) @wrapper
"""
    + _CORE_DEFINITIONS,
    marks=_CORE_MARKS
    + f"""
(call_expression function: {_CPP_CALLEES[-1]})
(call_expression function: (field_expression field: [
  (field_identifier) @call
  (template_method name: (field_identifier) @call)
  (qualified_identifier name: (identifier) @call)
  (dependent_name (template_method name: (field_identifier) @call))
]))
(new_expression type: [{_CPP_BASES[-1].format("call")}])
(base_class_clause [{_CPP_BASES[-1].format("inherit")}])
(using_declaration (qualified_identifier) @import)
(raw_string_literal) @string
(attribute_declaration) @prefix
""",
)
