"""Ruby."""

from imprint.semantic.parse.grammar import Grammar

# RSpec, Minitest::Spec, ActiveSupport, Shoulda: a call with a title and a block.
_GROUPS = '"describe" "context" "feature" "shared_examples" "shared_context" "shared_examples_for"'
_EXAMPLES = '"it" "specify" "test" "example" "scenario" "should" "fit" "xit" "fdescribe" "xdescribe"'

# Sinatra and Grape have a block; Rails says `to:` or `=>`; Hanami and Roda are not known.
_ROUTES = """
((call !receiver method: (identifier) @verb arguments: (argument_list . (string) @path (pair)*)
  block: (_)) @registration
  (#any-of? @verb "get" "post" "put" "delete" "patch" "head" "options"))
((call !receiver method: (identifier) @verb
  arguments: (argument_list . [(string) (simple_symbol)] @path . (pair key: (hash_key_symbol) @_to)))
  @registration
  (#any-of? @verb "get" "post" "put" "delete" "patch") (#any-of? @_to "to" "controller" "action"))
((call !receiver method: (identifier) @verb arguments: (argument_list . (pair key: (string) @path)))
  @registration
  (#any-of? @verb "get" "post" "put" "delete" "patch"))
((call !receiver method: (identifier) @verb arguments: (argument_list . (pair key: (hash_key_symbol) @_to)))
  @registration (#eq? @verb "root") (#eq? @_to "to"))
((call !receiver method: (identifier) @_group
  arguments: (argument_list . [(string) (simple_symbol)] @base) block: (_)) @within
  (#any-of? @_group "namespace" "scope"))
"""

RUBY = Grammar(
    package="tree_sitter_ruby",
    routes=_ROUTES,
    route_signs=r"^\s*(?:get|post|put|delete|patch|head|options|root)\b",
    definitions=f"""
((call !receiver method: (identifier) @_test
  arguments: (argument_list . (string) @name) block: (_) @body) @test
  (#any-of? @_test {_GROUPS} {_EXAMPLES}))
((call receiver: (constant)? @_by method: (identifier) @_test
  arguments: (argument_list . [(constant) (scope_resolution) (string)] @name) block: (_) @body) @test
  (#any-of? @_test {_GROUPS}) (#eq? @_by "RSpec"))
((class superclass: (superclass (_) @_base)
  body: (body_statement (method name: (identifier) @name body: (_)? @body) @test))
  (#match? @_base "Test") (#match? @name "^test_"))
(class name: [(constant) (scope_resolution)] @name body: (_)? @body) @class
(module name: [(constant) (scope_resolution)] @name body: (_)? @body) @namespace
(method name: (_) @name body: (_)? @body) @method
(singleton_method object: [(constant) (identifier)] @container name: (_) @name body: (_)? @body) @method
(singleton_method object: (self) name: (_) @name body: (_)? @body) @method
(assignment left: (constant) @name
  right: (call receiver: (constant) @_made method: (identifier) @_new block: (_ body: (_) @body))
  (#any-of? @_made "Struct" "Class" "Data" "Module") (#any-of? @_new "new" "define")) @class
(assignment left: (constant) @name right: (lambda body: (_) @body)) @function
(assignment left: [(constant) (scope_resolution)] @name) @constant
((call method: (identifier) @_attribute arguments: (argument_list (simple_symbol) @name)) @property
  (#any-of? @_attribute "attr_reader" "attr_writer" "attr_accessor" "define_method"))
(alias name: (identifier) @name) @method
""",
    marks="""
(call method: [(identifier) (constant)] @call)
((call !receiver method: (identifier) @_require
  arguments: (argument_list . (string (string_content) @import)))
  (#any-of? @_require "require" "require_relative" "load" "autoload"))
(class superclass: (superclass [(constant) @inherit (scope_resolution name: (constant) @inherit)]))
((call !receiver method: (identifier) @_mix
  arguments: (argument_list [(constant) @inherit (scope_resolution name: (constant) @inherit)]))
  (#any-of? @_mix "include" "extend" "prepend"))
(constant) @use
(comment) @comment
(string) @string
(heredoc_body) @string
(regex) @string
""",
)
