"""Edges as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.semantic.graph.model import Edges


@pytest.fixture
def shown() -> Callable[[Edges], list[str]]:
    """Edges as `path:line caller -> target path:line (reason)`, or why there is no target."""

    def render(edges: Edges) -> list[str]:
        lines = []
        for edge in edges.edges:
            use = f"{edge.use.path.decode()}:{edge.use.line} {edge.use.container or '<module>'}"
            if edge.target is None:
                lines.append(f"{use} -> ? {edge.missing}")
            else:
                target = f"{edge.target.path.decode()}:{edge.target.line}"
                lines.append(f"{use} -> {edge.target.qualified_name} {target} ({edge.reason.value})")
        return lines

    return render
