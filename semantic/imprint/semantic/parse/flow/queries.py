"""The flow query of each grammar: one match for each import and each binding.

Captures of an import:
    @module      where from        @name   what is taken     @alias   its name here
    @default     its name here, where what is taken is called `default`
    @open        marks a match that takes everything
    @nearby      like @module and @open, of a file beside this one (Ruby's `require_relative`)
    @statement   a whole statement, read by `imprint.semantic.parse.flow.statements`
Captures of a binding:
    @target      the name that is bound; @field: an attribute of the type around it, bound as `this.NAME`
    @called      what is called for the value; @value: another name; @type: an annotation
    @returns     the annotated type of what the function around it gives; @result: a call it returns
A capture that begins with `_` serves a predicate only.
"""

from __future__ import annotations

from typing import Final

_PYTHON = """
(import_statement name: (dotted_name) @module)
(import_statement name: (aliased_import name: (dotted_name) @module alias: (identifier) @alias))
(import_from_statement module_name: (_) @module name: (dotted_name) @name)
(import_from_statement module_name: (_) @module
  name: (aliased_import name: (dotted_name) @name alias: (identifier) @alias))
(import_from_statement module_name: (_) @module (wildcard_import) @open)
(assignment left: [(identifier) (attribute object: (identifier))] @target
  right: (call function: [(identifier) (attribute)] @called))
(assignment left: [(identifier) (attribute object: (identifier))] @target
  right: [(identifier) (attribute)] @value)
(assignment left: [(identifier) (attribute object: (identifier))] @target type: (type) @type)
(typed_parameter . (identifier) @target type: (type) @type)
(typed_default_parameter name: (identifier) @target type: (type) @type)
(as_pattern (call function: [(identifier) (attribute)] @called)
  alias: (as_pattern_target (identifier) @target))
(function_definition return_type: (type) @returns)
(return_statement (call function: [(identifier) (attribute)] @result))
"""

_ECMASCRIPT = """
(import_statement (import_clause (identifier) @default) source: (string (string_fragment) @module))
(import_statement (import_clause (namespace_import (identifier) @alias))
  source: (string (string_fragment) @module))
(import_statement (import_clause (named_imports (import_specifier name: (_) @name !alias)))
  source: (string (string_fragment) @module))
(import_statement (import_clause (named_imports (import_specifier name: (_) @name alias: (_) @alias)))
  source: (string (string_fragment) @module))
(import_statement . "import" . source: (string (string_fragment) @module))
(export_statement (export_clause (export_specifier name: (_) @name !alias))
  source: (string (string_fragment) @module))
(export_statement (export_clause (export_specifier name: (_) @name alias: (_) @alias))
  source: (string (string_fragment) @module))
(export_statement "*" @open source: (string (string_fragment) @module))
(export_statement (namespace_export (_) @alias) source: (string (string_fragment) @module))
((variable_declarator name: (identifier) @alias value: (call_expression function: (identifier) @_require
  arguments: (arguments . (string (string_fragment) @module))))
  (#eq? @_require "require"))
((variable_declarator name: (identifier) @alias value: (member_expression
  object: (call_expression function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @module)))
  property: (property_identifier) @name))
  (#eq? @_require "require"))
((variable_declarator name: (object_pattern [
    (shorthand_property_identifier_pattern) @name
    (pair_pattern key: (property_identifier) @name value: (identifier) @alias)
  ]) value: (call_expression function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @module))))
  (#eq? @_require "require"))
(variable_declarator name: (identifier) @target value: [
  (new_expression constructor: (_) @called)
  (call_expression function: [(identifier) (member_expression)] @called)
  (await_expression (call_expression function: [(identifier) (member_expression)] @called))
  (identifier) @value
])
(assignment_expression left: [(identifier) (member_expression object: [(this) (identifier)])] @target right: [
  (new_expression constructor: (_) @called)
  (call_expression function: [(identifier) (member_expression)] @called)
  (identifier) @value
])
(return_statement [
  (new_expression constructor: (_) @result)
  (call_expression function: [(identifier) (member_expression)] @result)
])
"""

_TYPESCRIPT = (
    _ECMASCRIPT
    + """
(variable_declarator name: (identifier) @target type: (type_annotation (_) @type))
(required_parameter pattern: (identifier) @target type: (type_annotation (_) @type))
(optional_parameter pattern: (identifier) @target type: (type_annotation (_) @type))
(required_parameter (accessibility_modifier) pattern: (identifier) @field type: (type_annotation (_) @type))
(public_field_definition name: (_) @field type: (type_annotation (_) @type))
(public_field_definition name: (_) @field value: (new_expression constructor: (_) @called))
(function_declaration return_type: (type_annotation (_) @returns))
(method_definition return_type: (type_annotation (_) @returns))
"""
)

_GO = """
(import_spec !name path: (interpreted_string_literal (interpreted_string_literal_content) @module))
(import_spec name: (package_identifier) @alias
  path: (interpreted_string_literal (interpreted_string_literal_content) @module))
(import_spec name: (dot) @open
  path: (interpreted_string_literal (interpreted_string_literal_content) @module))
(parameter_declaration name: (identifier) @target type: (_) @type)
(var_spec name: (identifier) @target type: (_) @type)
(field_declaration name: (field_identifier) @field type: (_) @type)
(short_var_declaration left: (expression_list . (identifier) @target) right: (expression_list . [
  (call_expression function: [(identifier) (selector_expression)] @called)
  (composite_literal type: (_) @type)
  (unary_expression operand: (composite_literal type: (_) @type))
  (identifier) @value
]))
(function_declaration result: [
  (_) @returns (parameter_list . (parameter_declaration type: (_) @returns))
])
(method_declaration result: [
  (_) @returns (parameter_list . (parameter_declaration type: (_) @returns))
])
"""

_JAVA = """
(import_declaration) @statement
(package_declaration) @statement
(local_variable_declaration type: (_) @type declarator: (variable_declarator name: (identifier) @target))
(local_variable_declaration declarator: (variable_declarator name: (identifier) @target
  value: (object_creation_expression type: (_) @called)))
(field_declaration type: (_) @type declarator: (variable_declarator name: (identifier) @field))
(formal_parameter type: (_) @type name: (identifier) @target)
(resource type: (_) @type name: (identifier) @target)
(enhanced_for_statement type: (_) @type name: (identifier) @target)
(catch_formal_parameter (catch_type (_) @type) name: (identifier) @target)
(method_declaration type: (_) @returns)
"""

_RUST = """
(use_declaration) @statement
(extern_crate_declaration) @statement
(mod_item !body) @statement
(parameter pattern: (identifier) @target type: (_) @type)
(let_declaration pattern: (identifier) @target type: (_) @type)
(let_declaration pattern: (identifier) @target value: (call_expression function: (_) @called))
(let_declaration pattern: (identifier) @target value: (struct_expression name: (_) @type))
(field_declaration name: (field_identifier) @field type: (_) @type)
(function_item return_type: (_) @returns)
"""

_C = """
(preproc_include path: (string_literal (string_content) @module)) @open
(preproc_include path: (system_lib_string) @module) @open
"""

_CSHARP = """
(using_directive) @statement
(variable_declaration type: (_) @type (variable_declarator name: (identifier) @target))
(variable_declaration (variable_declarator name: (identifier) @target
  (object_creation_expression type: (_) @called)))
(field_declaration (variable_declaration type: (_) @type (variable_declarator name: (identifier) @field)))
(property_declaration type: (_) @type name: (identifier) @field)
(parameter type: (_) @type name: (identifier) @target)
(method_declaration returns: (_) @returns)
"""

_RUBY = """
((call !receiver method: (identifier) @_require
  arguments: (argument_list . (string (string_content) @module))) @open
  (#any-of? @_require "require" "load"))
((call !receiver method: (identifier) @_require
  arguments: (argument_list . (string (string_content) @nearby)))
  (#eq? @_require "require_relative"))
((call !receiver method: (identifier) @_require
  arguments: (argument_list . (simple_symbol) @name . (string (string_content) @module)))
  (#eq? @_require "autoload"))
(assignment left: [(identifier) (instance_variable)] @target
  right: (call receiver: [(constant) (scope_resolution)] @called method: (identifier) @_new)
  (#eq? @_new "new"))
"""

_INCLUDED = "[(string (string_content) @module) (binary_expression right: (string (string_content) @module))]"
_PHP = f"""
(namespace_use_declaration) @statement
(namespace_definition name: (namespace_name)) @statement
(include_expression {_INCLUDED}) @open
(include_once_expression {_INCLUDED}) @open
(require_expression {_INCLUDED}) @open
(require_once_expression {_INCLUDED}) @open
(assignment_expression left: [(variable_name) (member_access_expression)] @target
  right: (object_creation_expression [(name) (qualified_name)] @called))
(simple_parameter type: (_) @type name: (variable_name) @target)
(property_promotion_parameter type: (_) @type name: (variable_name) @field)
(property_declaration type: (_) @type (property_element name: (variable_name) @field))
(method_declaration return_type: (_) @returns)
(function_definition return_type: (_) @returns)
"""

_BASH = """
((command name: (command_name) @_source . argument: [(word) (string) (raw_string)] @module) @open
  (#any-of? @_source "source" "."))
"""

_LUA = """
((assignment_statement (variable_list . name: (_) @alias) (expression_list . value: (function_call
  name: (identifier) @_require arguments: (arguments . (string content: (string_content) @module)))))
  (#eq? @_require "require"))
((assignment_statement (variable_list . name: (_) @alias) (expression_list . value: (dot_index_expression
  table: (function_call name: (identifier) @_require
    arguments: (arguments . (string content: (string_content) @module)))
  field: (identifier) @name)))
  (#eq? @_require "require"))
((chunk (function_call name: (identifier) @_require
  arguments: (arguments . (string content: (string_content) @module)))) @open
  (#eq? @_require "require"))
"""

_ELIXIR = """
((call target: (identifier) @_word (arguments . [(alias) (dot)])) @statement
  (#any-of? @_word "alias" "import" "use" "require"))
"""

_HCL = """
((block . (identifier) @_module (string_lit (template_literal) @alias) (body (attribute (identifier) @_source
  (expression (literal_value (string_lit (template_literal) @module))))))
  (#eq? @_module "module") (#eq? @_source "source"))
"""

_OCAML = """
(open_module module: (_) @module) @open
(include_module module: (_) @module) @open
(module_definition (module_binding (module_name) @alias body: (module_path) @module))
"""

_ZIG = """
((variable_declaration (identifier) @alias
  (builtin_function (builtin_identifier) @_import (arguments (string (string_content) @module))))
  (#eq? @_import "@import"))
((variable_declaration (identifier) @alias (field_expression object:
  (builtin_function (builtin_identifier) @_import (arguments (string (string_content) @module)))
  member: (identifier) @name))
  (#eq? @_import "@import"))
"""

FLOW_QUERIES: Final = {
    "tree_sitter_python": _PYTHON,
    "tree_sitter_javascript": _ECMASCRIPT,
    "tree_sitter_typescript": _TYPESCRIPT,
    "tree_sitter_go": _GO,
    "tree_sitter_java": _JAVA,
    "tree_sitter_rust": _RUST,
    "tree_sitter_c": _C,
    "tree_sitter_cpp": _C,
    "tree_sitter_c_sharp": _CSHARP,
    "tree_sitter_ruby": _RUBY,
    "tree_sitter_php": _PHP,
    "tree_sitter_bash": _BASH,
    "tree_sitter_lua": _LUA,
    "tree_sitter_elixir": _ELIXIR,
    "tree_sitter_hcl": _HCL,
    "tree_sitter_ocaml": _OCAML,
    "tree_sitter_zig": _ZIG,
    "tree_sitter_dart": "(import_or_export) @statement (part_directive) @statement",
    "tree_sitter_haskell": "(import) @statement",
    "tree_sitter_julia": """
(using_statement) @statement
(import_statement) @statement
((call_expression (identifier) @_include (argument_list . (string_literal (content) @module))) @open
  (#eq? @_include "include"))
""",
    "tree_sitter_kotlin": "(import) @statement (package_header) @statement",
    "tree_sitter_scala": "(import_declaration) @statement (package_clause !body) @statement",
    "tree_sitter_swift": "(import_declaration) @statement",
}
