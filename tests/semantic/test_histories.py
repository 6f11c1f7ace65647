"""Whole histories: every content ever held is indexed, newest first, and only what is shown is told."""

from dataclasses import replace

import pytest

from imprint.semantic.index.flavours import flavour
from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.query import Query
from imprint.store.hosting.followers import Stopped
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.types import ObjectId
from imprint.store.view import show_view


def defining(corpus, name):
    return [corpus.listing.paths[corpus.passage(chunk).file] for chunk in corpus.find_definition(name)]


@pytest.fixture
def old(sample):
    """The sample, with a function that was removed, a renamed file, and a branch beside it."""
    sample.commit_file("src/gone.py", "def long_gone(value):\n    return value\n")
    sample("rm", "-q", "src/gone.py")
    sample("commit", "-q", "-m", "remove it")
    sample("mv", "src/config.py", "src/settings.py")
    sample("commit", "-q", "-m", "rename")
    sample("checkout", "-q", "-b", "side", "HEAD~1")
    sample.commit_file("src/side.py", "def only_beside(): pass\n")
    sample("checkout", "-q", "main")
    return sample


def test_what_was_removed_is_in_the_history_once(old, open_view, library):
    view = open_view(old.folder)
    assert library.extended(view.id) is None
    assert library.history(view) is None
    seen = []
    progress = library.extend(view, progress=lambda done, total: seen.append((done, total)))
    assert (progress.is_complete, progress.total) == (True, 7)
    assert seen[-1] == (7, 7)
    assert library.extended(view.id) == progress
    corpus = library.history(view)
    assert defining(corpus, "longgone") == [b"src/gone.py"]
    assert len(defining(corpus, "loadconfig")) == 1
    assert len(set(corpus.passages.tolist())) == len(corpus)


def keys_of(listed):
    """What is indexed of each content; which of its paths names it may follow the order of commits."""
    return sorted((content, flavour(path)) for path, content in listed.files())


def test_a_list_that_goes_on_says_what_a_new_one_says_and_what_is_fresh(old, open_view, tmp_path):
    view = open_view(old.folder)
    grown = Library.open(tmp_path / "grown", extract)
    grown.extend(view)
    old.commit_file("src/late.py", "def much_later(): pass\n")
    old.commit_file("src/back.py", "def long_gone(value):\n    return value\n")
    listed = grown._histories.contents(view)
    assert listed.fresh == 2
    anew = Library.open(tmp_path / "anew", extract)._histories.contents(view)
    assert keys_of(listed) == keys_of(anew)
    assert grown.extend(view).is_complete
    assert defining(grown.history(view), "muchlater") == [b"src/late.py"]


def test_a_commit_from_before_many_files_got_another_suffix_is_answered(sample, open_view, tmp_path):
    for number in range(3):
        sample.commit_file(f"docs/page{number}.txt", f"where the gaskets number {number} are kept\n")
    for number in range(3):
        sample("mv", f"docs/page{number}.txt", f"docs/page{number}.md")
    sample("commit", "-q", "-m", "rename")
    view = open_view(sample.folder)
    library = Library.open(tmp_path / "renamed", extract, at_once=0)
    library.extend(view)
    before = library.search(view, Query("gaskets"), ref="HEAD~1")
    assert (before.commit, before.behind) == (ObjectId(sample("rev-parse", "HEAD~1").strip()), 0)
    assert {hit.path for hit in before.hits} == {f"docs/page{number}.txt".encode() for number in range(3)}
    assert not list((tmp_path / "renamed").rglob("*.listing"))
    library.close()


def test_only_what_is_new_is_listed_and_read_again(old, open_view, tmp_path):
    read = []

    def extract_and_note(path, content):
        read.append(content)
        return extract(path, content)

    view = open_view(old.folder)
    library = Library.open(tmp_path / "noted", extract_and_note)
    library.extend(view)
    assert len(read) == 7
    old.commit_file("src/late.py", "def much_later(): pass\n")
    progress = library.extend(view, sequence=3)
    assert (len(read), progress.total, progress.sequence) == (8, 8, 3)
    assert defining(library.history(view), "muchlater") == [b"src/late.py"]
    assert library.extend(view).sequence == 3
    library.close()
    again = Library.open(tmp_path / "noted", extract_and_note)
    assert again.extend(view).is_complete
    assert len(read) == 8
    again.close()


def test_what_only_a_hidden_or_deleted_ref_reached_is_not_told(old, open_view, library):
    view = open_view(old.folder)
    library.extend(view)
    assert defining(library.history(view), "onlybeside") == [b"src/side.py"]
    shown = show_view(view, HiddenRefs((b"refs/heads/side",)))
    assert defining(library.history(shown), "onlybeside") == []
    assert defining(library.history(shown), "longgone") == [b"src/gone.py"]
    old("branch", "-q", "-D", "side")
    assert defining(library.history(view), "onlybeside") == []


def test_stopped_it_keeps_what_was_read_and_goes_on(old, open_view, library):
    view = open_view(old.folder)
    asked = []

    def stop():
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(Stopped):
        library.extend(view, stopping=stop)
    assert len(library.rows()["blobs"]) == 3
    assert library.extend(view, seconds=0).done == 3
    assert library.extend(view).is_complete


def test_a_history_gives_the_rows_that_its_commits_give(old, open_view, library, tmp_path):
    view = open_view(old.folder)
    library.extend(view)
    other = Library.open(tmp_path / "other", extract)
    for commit in old("rev-list", "--all").split():
        other.ensure(view, ObjectId(commit))
    for table in ("blobs", "chunks"):
        assert library.rows()[table] == other.rows()[table]
    other.close()


def test_forgetting_leaves_nothing(old, open_view, library, tmp_path):
    view = open_view(old.folder)
    library.extend(view)
    library.history(view)
    library.forget(view.id)
    assert all(table == [] for table in library.rows().values())
    left = [path for name in ("histories", "listings") for path in tmp_path.glob(f"library/index-*/{name}/*")]
    assert left == []
    assert library.history(replace(view)) is None


def test_a_ref_at_a_tree_takes_its_contents_with_it_when_it_goes(old, open_view, library):
    view = open_view(old.folder)
    (old.folder / "apart.py").write_text("def never_committed(): pass\n")
    old("add", "apart.py")
    old("tag", "tree", old("write-tree"))
    old("rm", "-q", "--cached", "apart.py")
    library.extend(view)
    assert defining(library.history(view), "nevercommitted") == [b"apart.py"]
    old("tag", "-d", "tree")
    assert defining(library.history(view), "nevercommitted") == []


def test_a_history_asked_for_before_it_is_read_is_not_kept_short(old, open_view, library):
    view = open_view(old.folder)
    library.extend(view, sequence=1)
    old.commit_file("src/brief.py", "def here_briefly(): pass\n")
    old("rm", "-q", "src/brief.py")
    old("commit", "-q", "-m", "and gone")
    assert defining(library.history(view), "herebriefly") == []
    library.extend(view, sequence=2)
    assert defining(library.history(view), "herebriefly") == [b"src/brief.py"]


def test_an_index_that_was_lost_is_not_said_to_hold_the_history(old, open_view, library, tmp_path):
    view = open_view(old.folder)
    library.extend(view)
    library.forget("another")
    assert library.extended(view.id).is_complete
    library.close()
    for path in tmp_path.glob("library/index-*/semantic.db*"):
        path.unlink()
    again = Library.open(tmp_path / "library", extract)
    assert again.extended(view.id) is None
    assert again.history(view) is None
    again.extend(view)
    assert defining(again.history(view), "longgone") == [b"src/gone.py"]
    again.close()
