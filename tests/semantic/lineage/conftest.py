"""A change log beside a work tree, and what questions about the past take."""

import pytest

from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.lineage.tracing.contents import Contents
from imprint.semantic.parse.extract import extract_definitions as extract


@pytest.fixture
def log(tmp_path):
    return ChangeLog.open(tmp_path / "changes")


@pytest.fixture
def read_past(log, open_view):
    """Log a work tree: `read_past(work_tree)` gives its view and its past."""

    def read(work_tree):
        view = open_view(work_tree.folder)
        log.ensure(view)
        return view, log.seen(view)

    return read


@pytest.fixture
def open_contents():
    return lambda view: Contents(view, extract)
