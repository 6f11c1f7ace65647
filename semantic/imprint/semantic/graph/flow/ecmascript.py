"""JavaScript and TypeScript files to programs. Types and values share one name space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.graph.flow.program import Program, Scope
from imprint.semantic.graph.flow.scripts.expressions import Lowering

if TYPE_CHECKING:
    from tree_sitter import Node


def lower_ecmascript(root: Node, file: int, *, typed: bool) -> Program:
    """Lower a parsed file; in a typed one an assignment declares nothing."""
    scope = Scope("module", None)
    program = Program(file, scope, root.start_point[0] + 1, "ecmascript")
    scope.program = program
    lowering = Lowering(program, typed=typed)
    lowering.statements(root, scope, "")
    return program
