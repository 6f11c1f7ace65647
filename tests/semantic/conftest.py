"""Somebody's clone with a little code in it, and a library beside it."""

import textwrap

import pytest

from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.store.clone import Clone
from imprint.store.view import resolve_commit

FILES = {
    "src/http/retry.py": (
        '"""Retrying."""\n\n\n'
        "class RetryPolicy:\n"
        '    """When a request is tried again."""\n\n'
        "    def next_delay(self, attempt):\n"
        "        return self.base * 2**attempt\n"
    ),
    "src/http/client.py": (
        "from http.retry import RetryPolicy\n\n\n"
        "def send_request(url, policy=RetryPolicy()):\n"
        "    for attempt in range(5):\n"
        "        policy.next_delay(attempt)\n"
    ),
    "src/config.py": "def load_config(path):\n    return open(path).read()\n",
    "tests/test_retry.py": (
        "from http.retry import RetryPolicy\n\n\n"
        "def test_next_delay_grows():\n"
        "    assert RetryPolicy().next_delay(2) > RetryPolicy().next_delay(1)\n"
    ),
    "README.md": "# Sample\n\nIt sends requests and follows a retry policy.\n",
}


@pytest.fixture
def sample(work_tree):
    """A work tree with one commit: a retry policy, its client, its test, a configuration loader, a README."""
    for path, content in FILES.items():
        target = work_tree.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    work_tree("add", "-A")
    work_tree("commit", "-q", "-m", "first")
    return work_tree


@pytest.fixture
def open_view():
    """Open the view of a work tree: `open_view(folder)`; closed at the end."""
    views = []

    def open_one(folder):
        views.append(Clone.discover(folder).view)
        return views[-1]

    yield open_one
    for view in views:
        view.objects.close()


@pytest.fixture
def library(tmp_path):
    opened = Library.open(tmp_path / "library", extract)
    yield opened
    opened.close()


@pytest.fixture
def index_head(library):
    """Index what HEAD names: `index_head(view)` gives the commit."""

    def index(view, ref="HEAD"):
        commit = resolve_commit(view, ref)
        library.ensure(view, commit)
        return commit

    return index


@pytest.fixture
def commit_files(work_tree):
    """Commit files: `commit_files({path: text})`, the texts as they stand in a test."""

    def make(files, message="files"):
        for path, text in files.items():
            target = work_tree.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text).lstrip("\n"))
        work_tree("add", "-A")
        work_tree("commit", "-q", "-m", message)

    return make


@pytest.fixture
def snapshot_of(work_tree, open_view, library, index_head, commit_files):
    """Commit files and give the snapshot of that: `snapshot_of({path: text})`."""

    def make(files):
        commit_files(files)
        view = open_view(work_tree.folder)
        index_head(view)
        snapshot = library.snapshot(view)
        assert snapshot is not None
        return snapshot

    return make
