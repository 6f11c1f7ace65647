"""Haskell: equations of one name, and the signature before them, are one function."""

from imprint.semantic.parse.grammar import Grammar

_NAME = "[(variable) @name (prefix_id (_) @name)]"
_OPERATOR = "[(operator) @name (infix_id (_) @name)]"
# The type that an instance is for: `D`, `(D a)`, `(D a b)`, `[D]`.
_APPLIED = ["(name) @name"]
for _ in range(3):
    _APPLIED.append(f"(name) @name (apply constructor: [{_APPLIED[-1]}])")
_INSTANCE_OF = f"[(name) @name (parens [{_APPLIED[-1]}]) (list (name) @name)]"

HASKELL = Grammar(
    package="tree_sitter_haskell",
    clauses=True,
    builtins=frozenset({"Bool", "Char", "Double", "Int", "Integer", "IO", "Maybe", "String"}),
    definitions=f"""
(data_type name: (name) @name constructors: (data_constructors . (data_constructor) .) @body) @struct
(data_type name: (name) @name constructors: (_)? @body) @enum
(newtype name: (name) @name constructor: (_)? @body) @struct
(data_constructor constructor: (_ name: (constructor) @name)) @constant
(data_constructor constructor: (infix operator: (constructor_operator) @name)) @constant
(newtype_constructor name: (constructor) @name) @constant
(gadt_constructor name: (constructor) @name) @constant
(field name: (field_name (variable) @name)) @field
(type_synonym name: (name) @name) @type
(type_family name: (name) @name) @type
(data_family name: (name) @name) @type
(class name: (name) @name declarations: (_)? @body) @trait
(instance patterns: (type_patterns {_INSTANCE_OF} .)) @scope
(class_declarations (signature name: {_NAME}) @method)
(class_declarations (signature names: (binding_list name: {_NAME})) @method)
(signature name: {_NAME}) @declaration
(signature names: (binding_list name: {_NAME})) @declaration
(function name: {_NAME} match: (_) @body) @function
(function (infix operator: {_OPERATOR}) match: (_) @body) @function
(declarations (bind name: {_NAME} match: (_) @body) @function)
(class_declarations (bind name: {_NAME} match: (_) @body) @function)
(instance_declarations (bind name: {_NAME} match: (_) @body) @function)
""",
    marks="""
(apply function: [
  (variable) @call (constructor) @call (qualified id: [(variable) @call (constructor) @call])
])
(infix operator: (infix_id [(variable) @call (qualified id: (variable) @call)]))
((infix left_operand: [(variable) @call (qualified id: (variable) @call)] operator: (operator) @_applied)
  (#any-of? @_applied "$" "$!" "<$>" "=<<" "."))
(exp [(variable) @call (qualified id: (variable) @call)])
(infix [(variable) @use (qualified id: (variable) @use)])
(match expression: [(variable) @use (qualified id: (variable) @use)])
(import module: (module) @import)
(import_name [(variable) @import (name) @import])
(deriving (_ (name) @inherit))
(instance name: (name) @inherit)
(class context: (context (parens (apply constructor: (name) @inherit))))
(name) @use
(comment) @comment
(haddock) @comment
(string) @string
(char) @string
(do) @block
(local_binds) @block
""",
)
