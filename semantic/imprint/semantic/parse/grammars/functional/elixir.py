"""Elixir: every definition is a call of a macro, so that names of macros tell what is defined."""

from imprint.semantic.parse.grammar import Grammar

_HEAD = """[
  (call target: (identifier) @name)
  (identifier) @name
  (binary_operator left: [(call target: (identifier) @name) (identifier) @name] operator: "when")
]"""
_FUNCTIONS = '"def" "defp" "defdelegate" "defn" "defnp"'
_MACROS = '"defmacro" "defmacrop" "defguard" "defguardp"'
# Attributes that say something about a definition or the compiler, and hold no value.
_NO_CONSTANTS = (
    "^(after_(compile|verify)|before_compile|behaviour|callback|compile|deprecated|derive|describetag|dialyzer"
    "|doc|enforce_keys|external_resource|file|impl|macrocallback|moduledoc|moduletag|nifs|on_definition|on_load"
    "|opaque|optional_callbacks|since|spec|tag|type|typedoc|typep|vsn)$"
)
_DIRECTIVES = (
    "^(def|defp|defdelegate|defn|defnp|defmacrop?|defguardp?|defexception|defimpl|defmodule|defoverridable"
    "|defprotocol|defstruct|alias|case|cond|fn|for|if|import|quote|receive|require|super|try|unless|unquote"
    "|use|with)$"
)
_VERBS = '"get" "post" "put" "patch" "delete" "options" "head"'


def _defined(kind: str, macros: str) -> str:
    """Give the patterns for what has a head: with a block, with `do:`, without a body."""
    match = f"(call target: (identifier) @_def (arguments . {_HEAD} %s) %s) @{kind} (#any-of? @_def {macros})"
    return "\n".join(
        (
            f"({match % ('', '(do_block) @body')})",
            f"({match % ('(keywords) @body', '')})",
            f"({match % ('', '')})",
        )
    )


ELIXIR = Grammar(
    package="tree_sitter_elixir",
    clauses=True,
    # Phoenix, Plug.
    routes=f"""
((call target: (identifier) @verb (arguments . (string) @path . [(alias) (keywords)])) @registration
  (#any-of? @verb {_VERBS}))
((call target: (identifier) @verb (arguments . (string) @path .) (do_block)) @registration
  (#any-of? @verb {_VERBS}))
((call target: (identifier) @_scope (arguments . (string) @base) (do_block)) @within (#eq? @_scope "scope"))
""",
    route_signs=r"^\s*(?:get|post|put|patch|delete|options|head)\b",
    definitions=f"""
((call target: (identifier) @_test (arguments . (string) @name) (do_block) @body) @test
  (#any-of? @_test "test" "describe" "property" "feature"))
((call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body) @namespace
  (#eq? @_def "defmodule"))
((call target: (identifier) @_def (arguments . (alias) @name) (do_block) @body) @interface
  (#eq? @_def "defprotocol"))
((call target: (identifier) @_def (arguments . (alias)
  (keywords (pair key: (keyword) @_for value: (alias) @name))) (do_block) @body) @scope
  (#eq? @_def "defimpl") (#match? @_for "^for:"))
{_defined("function", _FUNCTIONS)}
{_defined("macro", _MACROS)}
((unary_operator operator: "@" operand: (call target: (identifier) @_type (arguments
  (binary_operator left: [(identifier) @name (call target: (identifier) @name)] operator: "::")))) @type
  (#any-of? @_type "type" "typep" "opaque"))
((unary_operator operator: "@" operand: (call target: (identifier) @_type (arguments
  (binary_operator left: [(identifier) @name (call target: (identifier) @name)] operator: "::"))))
  @declaration (#any-of? @_type "callback" "macrocallback"))
((unary_operator operator: "@" operand: (call target: (identifier) @name (arguments))) @constant
  (#not-match? @name "{_NO_CONSTANTS}"))
((call target: (identifier) @_def (arguments [
  (keywords (pair key: (keyword) @name) @field) (list (keywords (pair key: (keyword) @name) @field))
])) (#any-of? @_def "defstruct" "defexception"))
((call target: (identifier) @_def (arguments (list (atom) @name @field)))
  (#any-of? @_def "defstruct" "defexception"))
""",
    marks=f"""
((call target: (identifier) @call) (#not-match? @call "{_DIRECTIVES}"))
(call target: (dot right: (identifier) @call) (arguments))
(call target: (dot left: (alias) right: (identifier) @call))
(unary_operator operator: "@" operand: (call target: (identifier) @ignored))
(binary_operator operator: "|>" right: (identifier) @call)
(unary_operator operator: "&" operand: (binary_operator left: [
  (identifier) @use (call target: (dot right: (identifier) @use))
]))
((call target: (identifier) @_import (arguments . (alias) @import))
  (#any-of? @_import "alias" "import" "require" "use"))
((call target: (identifier) @_import (arguments . (dot left: (alias) @import right: (tuple (alias) @import))))
  (#any-of? @_import "alias" "import" "require"))
((call target: (identifier) @_use (arguments . (alias) @inherit)) (#any-of? @_use "use" "defimpl"))
((unary_operator operand: (call target: (identifier) @_behaviour (arguments (alias) @inherit)))
  (#eq? @_behaviour "behaviour"))
(alias) @use
(comment) @comment
((unary_operator operator: "@" operand: (call target: (identifier) @_doc)) @comment
  (#any-of? @_doc "doc" "typedoc"))
((call (do_block (unary_operator operator: "@"
  operand: (call target: (identifier) @_doc (arguments (string) @docstring))))) (#eq? @_doc "moduledoc"))
((unary_operator operator: "@" operand: (call target: (identifier) @_attribute)) @prefix @ignored
  (#any-of? @_attribute "spec" "impl" "deprecated"))
(string) @string
(charlist) @string
(sigil) @string
""",
)
