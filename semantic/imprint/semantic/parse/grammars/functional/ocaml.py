"""OCaml: implementations (`.ml`) and interfaces (`.mli`), one set of queries on two grammars."""

import dataclasses

from imprint.semantic.parse.grammar import Grammar

_VALUE = "[(value_name) @name (parenthesized_operator (_) @name)]"
# One binding is a definition of its own; of several (`let rec a = ... and b = ...`) each is one.
_BINDINGS = (
    f"(value_definition . [(attribute_id) (let_operator)]? . (let_binding pattern: {_VALUE} %s) .)",
    f"(let_binding pattern: {_VALUE} %s)",
)
_ONE_TYPE = "(type_definition . (type_binding name: (type_constructor) @name %s) .)"
_TYPE_OF_MANY = "(type_binding name: (type_constructor) @name %s)"

# What a grammar of interfaces says is impossible.
_TOP_VALUES = f"""
(compilation_unit (value_definition . (let_binding pattern: {_VALUE}) .) @constant)
(compilation_unit (value_definition (let_binding pattern: {_VALUE}) @constant))
"""


def _functions() -> str:
    return "\n".join(
        f"{binding % inside} @function"
        for binding in _BINDINGS
        for inside in (
            "(parameter) body: (_) @body",
            "body: (fun_expression body: (_) @body)",
            "body: (function_expression) @body",
        )
    )


def _types() -> str:
    return "\n".join(
        f"{binding % inside} @{kind}"
        for binding in (_ONE_TYPE, _TYPE_OF_MANY)
        for inside, kind in (
            ("body: (record_declaration) @body", "struct"),
            ("body: (variant_declaration) @body", "enum"),
            ("", "type"),
        )
    )


OCAML = Grammar(
    package="tree_sitter_ocaml",
    factory="language_ocaml",
    builtins=frozenset(
        {"array", "bool", "bytes", "char", "exn", "float", "int", "list", "option", "string", "unit"}
    ),
    definitions=f"""
((value_definition (attribute_id) @_test (let_binding pattern: (string) @name body: (_) @body)) @test
  (#match? @_test "^test"))
{_functions()}
{_TOP_VALUES}
(structure (value_definition . (let_binding pattern: {_VALUE}) .) @constant)
(structure (value_definition (let_binding pattern: {_VALUE}) @constant))
{_types()}
(exception_definition (constructor_declaration (constructor_name) @name)) @type
(constructor_declaration (constructor_name) @name) @constant
(field_declaration (field_name) @name) @field
(module_definition (module_binding . (module_name) @name body: (structure) @body)) @namespace
(module_definition (module_binding . (module_name) @name module_type: (signature) @body)) @namespace
(module_definition (module_binding . (module_name) @name)) @namespace
(module_type_definition (module_type_name) @name body: (signature)? @body) @interface
(value_specification {_VALUE}) @declaration
(external {_VALUE}) @function
(class_definition . (class_binding (class_name) @name body: (_)? @body) .) @class
(class_binding (class_name) @name body: (_)? @body) @class
(class_type_binding (class_type_name) @name body: (_)? @body) @interface
(method_definition (method_name) @name body: (_)? @body) @method
(method_specification (method_name) @name) @declaration
(instance_variable_definition (instance_variable_name) @name) @field
""",
    marks="""
(application_expression function: (value_path (value_name) @call))
(application_expression function: (constructor_path (constructor_name) @call))
(method_invocation method: (method_name) @call)
((infix_expression operator: (_) @_pipe right: (value_path (value_name) @call)) (#eq? @_pipe "|>"))
((infix_expression left: (value_path (value_name) @call) operator: (_) @_apply) (#eq? @_apply "@@"))
(new_expression (class_path (class_name) @call))
(open_module module: (module_path) @import)
(include_module module: (module_path) @inherit)
(module_binding body: (module_path) @import)
(inheritance_definition class: (class_path (class_name) @inherit))
(module_binding module_type: (module_type_path (module_type_name) @inherit))
(include_module_type module_type: (module_type_path (module_type_name) @inherit))
(value_path (value_name) @use)
(constructor_path (constructor_name) @use)
(type_constructor) @use
(comment) @comment
(string) @string
(quoted_string) @string
(character) @string
""",
)

OCAML_INTERFACE = dataclasses.replace(
    OCAML, factory="language_ocaml_interface", definitions=OCAML.definitions.replace(_TOP_VALUES, "")
)
