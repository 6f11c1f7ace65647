"""Small trees of files as snapshots of real commits."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.semantic.snapshot import Snapshot


@pytest.fixture
def commit_files(work_tree) -> Callable[[dict[str, str]], None]:
    """Commit files: `commit_files({path: text})`."""

    def make(files: dict[str, str], message: str = "files") -> None:
        for path, text in files.items():
            target = work_tree.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text).lstrip("\n"))
        work_tree("add", "-A")
        work_tree("commit", "-q", "-m", message)

    return make


@pytest.fixture
def snapshot_of(work_tree, open_view, library, index_head, commit_files) -> Callable[..., Snapshot]:
    """Commit files and give the snapshot of that: `snapshot_of({path: text})`."""

    def make(files: dict[str, str]) -> Snapshot:
        commit_files(files)
        view = open_view(work_tree.folder)
        index_head(view)
        snapshot = library.snapshot(view)
        assert snapshot is not None
        return snapshot

    return make
