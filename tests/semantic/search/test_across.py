"""Many repositories, one answer: only what is given, the better answers first, what was left out is said."""

from dataclasses import replace

import pytest
from tests.conftest import Git

from imprint.semantic.across import search_many
from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.background import Background
from imprint.semantic.search.finding.budget import count_tokens
from imprint.semantic.search.query import Query
from imprint.store.clone import Clone
from imprint.store.errors import BadInput
from imprint.store.view import resolve_commit

REPOSITORIES = {
    "policies": {
        "retry.py": "class RetryPolicy:\n    def delay(self):\n        return backoff(self.attempt)\n"
    },
    "pages": {"page.py": "def render(page):\n    return delay(page)\n"},
    "private": {"retry.py": "class RetryPolicy:\n    secret_delay = 1\n"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    library = Library.open(folder / "library", extract)
    views = {}
    for name, files in REPOSITORIES.items():
        (folder / name).mkdir()
        git = Git(folder / name)
        git("init", "-q", "-b", "main")
        for path, content in files.items():
            git.commit_file(path, content)
        views[name] = Clone.discover(folder / name).view
        library.ensure(views[name], resolve_commit(views[name], "HEAD"))
    yield library, views
    library.close()
    for view in views.values():
        view.objects.close()


def test_the_repository_that_answers_more_of_the_question_comes_first(place):
    library, views = place
    answer = search_many(
        library, [views["pages"], views["policies"]], Query("backoff delay of a retry policy")
    )
    assert [hit.repo for hit in answer.hits] == ["policies", "pages"]
    assert {one.repo for one in answer.searched} == {"pages", "policies"}
    assert answer.is_complete


def test_a_repository_that_is_not_given_is_not_in_the_answer(place):
    library, views = place
    for text in ("RetryPolicy", '"secret_delay"'):
        answer = search_many(library, [views["policies"], views["pages"]], Query(text))
        assert "private" not in {hit.repo for hit in answer.hits}


def test_one_without_such_a_ref_is_passed_over(place):
    library, views = place
    assert search_many(library, list(views.values()), Query("delay"), ref="nowhere").searched == ()


def test_when_time_is_up_the_rest_is_named(place):
    library, views = place
    ticks = iter([0.0, 1.0, 9.0])
    answer = search_many(library, list(views.values()), Query("delay"), clock=lambda: next(ticks))
    assert len(answer.searched) == 1
    assert not answer.is_complete
    assert answer.notes == ("1 of 3 repositories were searched",)


def test_limits_and_tokens_hold_for_all_together(place):
    library, views = place
    everywhere = list(views.values())
    assert len(search_many(library, everywhere, Query("delay", limit=1)).hits) == 1
    bounded = search_many(library, everywhere, Query("delay", tokens=60))
    assert sum(map(count_tokens, bounded.hits)) <= 60
    with pytest.raises(BadInput):
        search_many(library, everywhere, Query("=>"))


def test_one_that_cannot_be_searched_is_said_and_keeps_nobody_from_the_others(place, tmp_path):
    library, views = place
    log = ChangeLog.open(tmp_path)
    library.extend(views["policies"])
    log.ensure(views["policies"])
    removed = Query("delay", removed=True)

    def background(view):
        return Background(log.seen(view), None, None)

    pair = [replace(views["pages"], id="another"), views["policies"]]
    answer = search_many(library, pair, removed, background=background)
    assert [one.repo for one in answer.searched] == ["policies"]
    assert not answer.is_complete
    assert answer.notes[0].startswith("pages was not searched: code that is gone is found once")
    with pytest.raises(BadInput, match="once the whole history is indexed"):
        search_many(library, pair[:1], removed, background=background)
