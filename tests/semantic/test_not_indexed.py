"""A commit of which nothing is indexed yet: every question says so, instead of finding nothing."""

from types import SimpleNamespace

import pytest

from imprint.semantic.across import search_many
from imprint.semantic.asking.model import Standpoint
from imprint.semantic.asking.table import ask
from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.query import Query
from imprint.store.errors import NotIndexed
from imprint.store.view import resolve_commit

QUESTIONS = {
    "search": {"q": "retry policy"},
    "symbol": {"name": "RetryPolicy"},
    "definition": {"name": "RetryPolicy"},
    "callers": {"name": "RetryPolicy"},
    "impact": {"name": "RetryPolicy"},
    "outline": {"path": "src/http/retry.py"},
    "map": {},
    "history": {"name": "RetryPolicy"},
}


@pytest.fixture
def slow(tmp_path):
    """A library that indexes nothing while somebody waits, as with a large push."""
    opened = Library.open(tmp_path / "slow", extract, at_once=0)
    yield opened
    opened.close()


@pytest.fixture
def here(sample, open_view, slow, tmp_path):
    view = open_view(sample.folder)
    log = ChangeLog.open(tmp_path / "changes")
    log.ensure(view)
    origins = SimpleNamespace(claims=SimpleNamespace(claims_of=lambda *_: {}))
    return Standpoint(view, slow, lambda: log.seen(view), lambda _: origins, lambda *_: None)


def test_a_question_before_the_index_is_refused_and_told_how_far_it_is(here):
    said = r"is not indexed yet: 0 of \d+ contents of [0-9a-f]{10} are"
    for question, given in QUESTIONS.items():
        with pytest.raises(NotIndexed, match=said) as told:
            ask(here, question, given)
        assert "ask again" in told.value.hint
    here.library.ensure(here.view, resolve_commit(here.view, "HEAD"))
    assert all(ask(here, question, given)["commit"] for question, given in QUESTIONS.items())


def test_a_search_of_many_repositories_says_which_are_not_indexed(here):
    answer = search_many(here.library, [here.view], Query("retry"))
    assert answer.notes == (f"{here.view.name} is not indexed yet: ask again in some seconds",)
    assert not answer.is_complete


def test_a_repository_without_commits_is_not_one_that_waits(work_tree, open_view, slow):
    slow.verify_begun(open_view(work_tree.folder))
