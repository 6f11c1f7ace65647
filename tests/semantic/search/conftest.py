"""A clone with a little history, indexed once for every test of a module: nothing in it is changed."""

from types import SimpleNamespace

import pytest
from tests.conftest import Git

from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.types import ObjectId
from imprint.store.view import resolve_commit, show_view

FIRST = {
    "src/retry.py": "class RetryPolicy:\n    def next_delay(self, attempt):\n        return 2**attempt\n",
    "src/config.py": "def load_config(path):\n    return open(path).read()\n",
    "src/old_cache.py": "def evict_entries(cache):\n    cache.clear()\n",
    "tests/test_retry.py": "def test_delay():\n    assert RetryPolicy().next_delay(2) == 4\n",
    "web/app.js": "function startServer(port) {\n  return listen(port);\n}\n",
}


def _commit(git, files, message, *, author="Ada", date="2026-01-02T03:04:05Z"):
    for path, content in files.items():
        target = git.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            target.unlink()
        else:
            target.write_text(content)
    git("add", "-A")
    own = Git(
        git.folder,
        {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
    )
    own("commit", "-q", "-m", message)
    return ObjectId(git("rev-parse", "HEAD"))


def _make_history(git):
    git("init", "-q", "-b", "main")
    commits = {"first": _commit(git, FIRST, "Begin\n\nA retry policy and a cache.")}
    config = (git.folder / "src/config.py").read_text()
    commits["moved"] = _commit(
        git,
        {"src/config.py": None, "src/settings.py": config},
        "Call configuration settings",
        author="Grace Hopper",
        date="2026-02-02T03:04:05Z",
    )
    commits["removed"] = _commit(
        git,
        {"src/old_cache.py": None},
        "Drop the cache, it leaked memory",
        author="Grace Hopper",
        date="2026-03-02T03:04:05Z",
    )
    git("checkout", "-q", "-b", "secret")
    commits["secret"] = _commit(
        git, {"src/secret.py": "def launch_code(): ...\n"}, "Hide the zanzibar launch"
    )
    git("checkout", "-q", "main")
    commits["last"] = _commit(
        git,
        {"src/retry.py": FIRST["src/retry.py"].replace("2**attempt", "min(2**attempt, 60)")},
        "Waiting is bounded\n\nThe thundering herd waited for hours.",
        date="2026-04-02T03:04:05Z",
    )
    return commits


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Commits by name, and `search(text, ...)` in them with all that there is beside the index."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "work").mkdir()
    git = Git(folder / "work")
    commits = _make_history(git)
    whole = Clone.discover(git.folder).view
    view = show_view(whole, HiddenRefs((b"refs/heads/secret",)))
    library = Library.open(folder / "library", extract)
    library.ensure(whole, resolve_commit(whole, "main"))
    log = ChangeLog.open(folder / "log")
    log.ensure(whole)

    def search(text, *, ref="HEAD", claims=None, prompts=None, past=True, **wish):
        background = Background(log.seen(view) if past else None, claims, prompts)
        return library.search(view, Query(text, **wish), ref=ref, background=background)

    yield SimpleNamespace(search=search, commits=commits, view=view, library=library, log=log)
    library.close()
    whole.objects.close()
