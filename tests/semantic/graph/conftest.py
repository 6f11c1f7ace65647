"""Small trees of files as snapshots of real commits."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.semantic.graph.model import Edges
    from imprint.semantic.snapshot import Snapshot


@pytest.fixture
def snapshot_of(work_tree, open_view, library, index_head) -> Callable[[dict[str, str]], Snapshot]:
    """Commit files and give their snapshot: `snapshot_of({path: text})`."""

    def make(files: dict[str, str]) -> Snapshot:
        for path, text in files.items():
            target = work_tree.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text).lstrip("\n"))
        work_tree("add", "-A")
        work_tree("commit", "-q", "-m", "files")
        view = open_view(work_tree.folder)
        index_head(view)
        snapshot = library.snapshot(view)
        assert snapshot is not None
        return snapshot

    return make


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
