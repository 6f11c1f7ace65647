"""Ruby."""

from imprint.semantic.parse.grammar import Grammar

RUBY = Grammar(
    package="tree_sitter_ruby",
    definitions="""
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
