"""Bash and its kin, and the tests of Bats."""

import re

from imprint.semantic.parse.grammar import Grammar

# Bats: `@test "a title" {`, which no shell reads.
_TEST = re.compile(rb"^([ \t]*)@test([ \t]+)([\"'])([^\n]*[^\s\"'])\3([ \t]*)\{", re.MULTILINE)
# A name that no function has, so that the query knows a test.
_MARK = b"@"


def _read_tests(content: bytes) -> bytes:
    """Let each test of Bats read as a function, whose name's place is the title's."""
    if b"@test" not in content:
        return content

    def as_function(match: re.Match[bytes]) -> bytes:
        before = b" " * (match.start(4) - match.start())
        spaces = b" " * len(match.group(5))
        closing = b"(){" if not spaces else b"()" + spaces[1:] + b"{"
        return before + _MARK * len(match.group(4)) + closing

    return _TEST.sub(as_function, content)


BASH = Grammar(
    package="tree_sitter_bash",
    prepare=_read_tests,
    definitions="""
((function_definition name: (word) @name body: (_) @body) @test (#match? @name "^@+$"))
(function_definition name: (word) @name body: (_) @body) @function
((declaration_command "readonly" (variable_assignment name: (variable_name) @name)) @constant)
((declaration_command ["declare" "typeset"] (word) @_flags
  (variable_assignment name: (variable_name) @name)) @constant (#match? @_flags "^-[a-zA-Z]*r"))
(declaration_command (variable_assignment name: (variable_name) @name)) @variable
(program (variable_assignment name: (variable_name) @name) @variable)
(program (variable_assignments (variable_assignment name: (variable_name) @name) @variable))
""",
    marks="""
((command name: (command_name (word) @call)) (#not-match? @call
  "^([.:[]|alias|cd|echo|eval|exec|exit|false|printf|read|return|set|shift|source|test|trap|true)$"))
((command name: (command_name (word) @_source) . argument: (_) @import)
  (#any-of? @_source "." "source" "load"))
(comment) @comment
(string) @string
(raw_string) @string
(heredoc_body) @string
(ansi_c_string) @string
""",
)
