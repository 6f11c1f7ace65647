"""Code that is gone, among code that was only rewritten: which version is told, and which commit."""

import subprocess

import pytest

from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone

KEEP = "def fill_queue(queue):\n    queue.put(1)\n\n\n"
DRAIN = "def drain_queue(queue):\n    while queue:\n        queue.get()\n"
FASTER = "def drain_queue(queue):\n    while queue:\n        queue.get_nowait()\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A function that was rewritten, then removed on a branch that main merged after a change of its own."""
    folder = tmp_path_factory.mktemp("gone")
    work = folder / "work"

    def git(*arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(work),
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            *arguments,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(content: str, message: str) -> str:
        (work / "queue.py").write_text(content)
        git("add", "-A")
        git("commit", "-qm", message)
        return git("rev-parse", "HEAD")

    work.mkdir()
    git("init", "-qb", "main")
    commit(KEEP + DRAIN, "Begin")
    commit(KEEP + FASTER, "Drain without waiting")
    git("checkout", "-qb", "side")
    removed = commit(KEEP, "Stop draining")
    git("checkout", "-q", "main")
    commit("# Queues.\n" + KEEP.replace("1", "2") + FASTER, "Fill with two")
    merge = ["git", "-C", str(work), "merge", "-q", "--no-commit", "side"]
    subprocess.run(merge, capture_output=True, check=False)
    (work / "queue.py").write_text("# Queues.\n" + KEEP.replace("1", "2"))
    git("add", "-A")
    git("commit", "-qm", "Merge side")
    view = Clone.discover(work).view
    library = Library.open(folder / "library", extract)
    library.ensure(view, view.refs.snapshot().head_id)
    library.extend(view)
    log = ChangeLog.open(folder / "log")
    log.ensure(view)

    def search(text: str):
        return library.search(view, Query(text, removed=True), background=Background(log.seen(view))).hits

    yield search, removed
    library.close()
    view.objects.close()


def test_the_last_version_is_told_with_the_commit_that_took_it_away(history) -> None:
    search, removed = history
    (hit,) = search("drain_queue")
    assert (hit.symbol, hit.commit, hit.subject) == ("drain_queue", removed, "Stop draining")
    assert "get_nowait" in hit.text
    assert "def drain_queue" in hit.text


def test_what_was_only_rewritten_is_not_gone(history) -> None:
    search, _ = history
    assert [hit.symbol for hit in search("fill_queue")] in ([], ["drain_queue"])


def test_text_that_was_only_cut_in_another_way_is_followed_to_its_end(work_tree, tmp_path) -> None:
    """A line less above shifts where a long head is cut; then the file moves, and goes."""
    brew = "\n\ndef brew_teapot(pot):\n" + "".join(f"    pot.fill(teapot, {each})\n" for each in range(25))
    head = [f"from kitchen.shelves import tea_number_{each}\n" for each in range(36)]
    work_tree.commit_file("stove.py", "".join(head) + brew)
    work_tree.commit_file("stove.py", "".join(head[1:]) + brew)
    work_tree("mv", "stove.py", "tea.py")
    work_tree("commit", "-q", "-m", "Move the stove")
    work_tree("rm", "-q", "tea.py")
    work_tree("commit", "-q", "-m", "No more tea")
    removed = work_tree("rev-parse", "HEAD")
    view = Clone.discover(work_tree.folder).view
    library = Library.open(tmp_path / "library", extract)
    library.ensure(view, view.refs.snapshot().head_id)
    library.extend(view)
    log = ChangeLog.open(tmp_path / "log")
    log.ensure(view)
    background = Background(log.seen(view))
    hits = library.search(view, Query("brew teapot", removed=True), background=background).hits
    assert hits
    assert {hit.commit for hit in hits} == {removed}
    library.close()
    view.objects.close()
