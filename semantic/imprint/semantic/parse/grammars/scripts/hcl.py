"""HCL, as Terraform, Packer and Nomad are configured in.

A block with labels is an entity: its last label is its name, the label before that its container.
"""

from imprint.semantic.parse.grammar import Grammar

_LABEL = "(string_lit (template_literal) @{0})"


def _block(keyword: str, kind: str) -> str:
    return f"""((config_file (body
  (block . (identifier) @_keyword . {_LABEL.format("name")} . (block_start) @body) @{kind}))
  (#eq? @_keyword "{keyword}"))
"""


HCL = Grammar(
    package="tree_sitter_hcl",
    definitions=_block("variable", "variable")
    + _block("output", "property")
    + _block("module", "namespace")
    + f"""
((config_file (body (block . (identifier) @_keyword . (block_start)
  (body (attribute . (identifier) @name) @constant)))) (#eq? @_keyword "locals"))
(config_file (body (block . (identifier) . {_LABEL.format("container")} . {_LABEL.format("name")}
  . (block_start) @body) @struct))
(config_file (body (block . (identifier) . {_LABEL.format("name")} . (block_start) @body) @struct))
(config_file (body (block . (identifier) . (identifier) @name . (block_start) @body) @struct))
(config_file (body (attribute . (identifier) @name) @variable))
""",
    marks="""
(function_call . (identifier) @call)
((variable_expr (identifier) @_root) . (get_attr (identifier) @use)
  (#any-of? @_root "var" "local" "module"))
((variable_expr (identifier) @_root) . (get_attr) . (get_attr (identifier) @use) (#eq? @_root "data"))
((variable_expr (identifier) @_root) . (get_attr (identifier) @use)
  (#match? @_root "_"))
((block . (identifier) @_module (block_start) (body (attribute . (identifier) @_source
  (expression (literal_value (string_lit (template_literal) @import))))))
  (#eq? @_module "module") (#eq? @_source "source"))
((block . (identifier) @_output (body (attribute . (identifier) @_description
  (expression (literal_value (string_lit) @docstring)))))
  (#eq? @_output "output") (#eq? @_description "description"))
(comment) @comment
(string_lit) @string
(quoted_template) @string
(heredoc_template) @string
""",
)
