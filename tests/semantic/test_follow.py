"""The index follows events: tips of refs become searchable, and a repository that is gone leaves nothing."""

import subprocess
import threading

import pytest
from tests.folders import make_data_folder

from imprint.semantic.follow import IndexFollower
from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.query import Query
from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.clock import CountingIds, ManualClock
from imprint.store.events import Admission, EventKind
from imprint.store.hosting.followers import FollowerRunner, Stopped
from imprint.store.hosting.repositories import Hosting
from imprint.store.transcripts.memory import MemoryTranscripts
from imprint.store.types import Anything, ObjectId, RefName, RefUpdate, RepositoryName


@pytest.fixture
def hosting(tmp_path):
    opened = Hosting(
        make_data_folder(tmp_path / "data"),
        MemoryCatalogue(),
        MemoryTranscripts(),
        ManualClock(),
        CountingIds(),
    )
    yield opened
    opened.close()


@pytest.fixture
def follow(hosting, library):
    """Follow everything there is to follow: `follow()` gives the events that were given."""
    follower = IndexFollower(library)

    def run(repository):
        after = follower.position(repository.record.id)
        events = hosting.catalogue.list_events(repository.record.id, after=after)
        if events:
            follower.follow(hosting.get_by_id(repository.record.id), events)
        return events

    return run


def admit(hosting, repository, source, **refs):
    """Bring the refs `branch=revision` of a work tree in, as an admitted push would."""
    for revision in filter(None, refs.values()):
        pack = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q"],
            cwd=source.folder,
            input=source("rev-parse", revision).encode(),
            capture_output=True,
            check=True,
        ).stdout
        repository.view.plumbing.run("index-pack", "--stdin", stdin=pack)
    updates = tuple(
        RefUpdate(
            RefName.parse(name.replace("__", "/")),
            ObjectId(source("rev-parse", revision)) if revision else None,
            Anything(),
        )
        for name, revision in refs.items()
    )
    return hosting.catalogue.admit(
        Admission(
            repository_id=repository.record.id,
            event_id=hosting.ids.new_id("evt"),
            kind=EventKind.PUSH,
            at_ms=hosting.clock.now_ms(),
            actor="ada",
            token_id=None,
            verdict="allowed",
            updates=updates,
        )
    )


def found(library, repository, text, ref="HEAD"):
    return [hit.path.decode() for hit in library.search(repository.view, Query(text), ref=ref).hits]


def test_what_was_pushed_is_searchable_at_each_ref(sample, hosting, library, follow):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    follow(repository)
    assert library.search(repository.view, Query("retry")).commit is None
    sample("tag", "-a", "v1", "-m", "one")
    sample("checkout", "-q", "-b", "side")
    sample.commit_file("src/side.py", "def only_beside(): pass\n")
    admit(
        hosting,
        repository,
        sample,
        refs__heads__main="main",
        refs__heads__side="side",
        refs__tags__v1="v1",
    )
    follow(repository)
    assert found(library, repository, "RetryPolicy")[0] == "src/http/retry.py"
    assert found(library, repository, "only_beside", "side") == ["src/side.py"]
    assert "src/side.py" not in found(library, repository, "only_beside")
    assert found(library, repository, "RetryPolicy", "v1")[0] == "src/http/retry.py"
    for ref in ("HEAD", "side", "v1"):
        assert library.status(repository.view, ref).behind == 0
    assert follow(repository) == []


def test_a_tip_replaced_or_deleted_before_it_was_followed_is_not_indexed(sample, hosting, library, follow):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    admit(hosting, repository, sample, refs__heads__main="main", refs__heads__gone="main")
    replaced = sample.commit_file("src/replaced.py", "def was_replaced(): pass\n")
    admit(hosting, repository, sample, refs__heads__main="main")
    sample("mv", "src/replaced.py", "src/other.py")
    sample("commit", "-q", "--amend", "-m", "another")
    admit(hosting, repository, sample, refs__heads__main="main", refs__heads__gone=None)
    follow(repository)
    assert library.status(repository.view).behind == 0
    assert sample("rev-parse", "HEAD") != replaced
    assert [row[1] for row in library.rows()["commits"]] == [sample("rev-parse", "HEAD")]


def test_notes_and_things_that_are_no_commits_are_left_alone(sample, hosting, library, follow):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    sample("notes", "add", "-m", "unsearchable_note")
    sample("tag", "-a", "tree", "-m", "a tree", sample("rev-parse", "HEAD^{tree}"))
    admit(
        hosting,
        repository,
        sample,
        refs__heads__main="main",
        refs__notes__commits="refs/notes/commits",
        refs__tags__tree="refs/tags/tree",
    )
    events = follow(repository)
    assert len(library.rows()["commits"]) == 1
    assert library.position(repository.record.id) == events[-1].sequence


def test_two_repositories_share_content_and_not_answers(sample, hosting, library, follow):
    first = hosting.create(RepositoryName("acme", "app"), None)
    second = hosting.create(RepositoryName("acme", "fork"), None)
    admit(hosting, first, sample, refs__heads__main="main")
    follow(first)
    follow(second)
    blobs = len(library.rows()["blobs"])
    assert library.search(second.view, Query("retry")).commit is None
    sample.commit_file("src/fork.py", "def only_in_the_fork(): pass\n")
    admit(hosting, second, sample, refs__heads__main="main")
    follow(second)
    assert len(library.rows()["blobs"]) == blobs + 1
    assert found(library, second, "only_in_the_fork")[0] == "src/fork.py"
    assert "src/fork.py" not in found(library, first, "only_in_the_fork")
    follower = IndexFollower(library)
    follower.forget(second.record.id)
    assert follower.position(second.record.id) == 0
    assert len(library.rows()["blobs"]) == blobs
    assert found(library, first, "RetryPolicy")[0] == "src/http/retry.py"
    follow(second)
    assert found(library, second, "only_in_the_fork")[0] == "src/fork.py"


def test_the_index_begins_again_when_its_folder_was_deleted(sample, hosting, library, follow, tmp_path):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    admit(hosting, repository, sample, refs__heads__main="main")
    follow(repository)
    expected = library.rows()
    again = Library.open(tmp_path / "again")
    follower = IndexFollower(again)
    assert follower.position(repository.record.id) == 0
    follower.follow(repository, hosting.catalogue.list_events(repository.record.id))
    assert again.rows() == expected
    again.close()


def test_the_runner_of_followers_brings_the_index_up_to_date(sample, hosting, library):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    admit(hosting, repository, sample, refs__heads__main="main")
    runner = FollowerRunner(hosting, [IndexFollower(library)])
    runner.start()
    try:
        runner.catch_up(30)
        assert library.status(repository.view).behind == 0
        assert found(library, repository, "RetryPolicy")[0] == "src/http/retry.py"
    finally:
        runner.stop()


def test_a_branch_that_moved_meanwhile_goes_before_the_rest_of_an_older_event(sample, hosting, library):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    sample("tag", "v1")
    admit(hosting, repository, sample, refs__heads__main="main", refs__tags__v1="v1")
    older = hosting.catalogue.list_events(repository.record.id)
    sample.commit_file("src/newer.py", "def arrived_meanwhile(): pass\n")
    admit(hosting, repository, sample, refs__heads__main="main")
    follower = IndexFollower(library)
    follower.follow(repository, older)
    assert library.status(repository.view).behind == 0
    assert found(library, repository, "arrived_meanwhile") == ["src/newer.py"]
    assert follower.position(repository.record.id) == older[-1].sequence


def test_a_follower_that_is_stopped_goes_on_at_the_next_start(sample, hosting, tmp_path):
    """It ends at the next content, is not said to have failed, and what was extracted is not done again."""
    repository = hosting.create(RepositoryName("acme", "app"), None)
    admit(hosting, repository, sample, refs__heads__main="main")
    stopping, extracted = threading.Event(), []

    def extract_two(path, content):
        extracted.append(content)
        if len(extracted) == 2:
            stopping.set()
        return extract(path, content)

    library = Library.open(tmp_path / "index", extract_two, at_once=0)
    runner = FollowerRunner(hosting, [IndexFollower(library, stopping.is_set)], stopping=stopping)
    runner.start()
    assert stopping.wait(30)
    assert runner.stop(30)
    assert [status.error for status in runner.status()] == [None]
    assert len(extracted) == 2
    assert library.search(repository.view, Query("retry")).commit is None
    stopping.clear()
    again = FollowerRunner(hosting, [IndexFollower(library, stopping.is_set)], stopping=stopping)
    assert again.catch_up(30)
    assert len(extracted) == len(set(extracted)) == len(library.rows()["blobs"]) > 2
    assert library.status(repository.view).behind == 0
    library.close()


def test_no_tip_is_begun_after_a_stop(sample, hosting, library):
    repository = hosting.create(RepositoryName("acme", "app"), None)
    admit(hosting, repository, sample, refs__heads__main="main")
    follower = IndexFollower(library, lambda: True)
    with pytest.raises(Stopped):
        follower.follow(repository, hosting.catalogue.list_events(repository.record.id))
    assert follower.position(repository.record.id) == 0
    assert library.rows()["commits"] == []
