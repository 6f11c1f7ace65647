"""Links found by a server's follower, event by event, and by a clone that reads its refs and reflogs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imprint.store.clone import Clone
from imprint.store.hosting.followers import Stopped
from imprint.store.links.follower import LinkFollower, link_clone
from imprint.store.links.store import LinkStore
from imprint.store.types import ObjectId


def body(name: str, count: int = 6) -> str:
    return "".join(f"{name}_{number} = compute_{name}({number})\n" for number in range(count))


class Place:
    """A hosted repository that links follow."""

    def __init__(self, bench, git, store: LinkStore) -> None:
        self.bench, self.git, self.store = bench, git, store
        self.follower = LinkFollower(store, bench.hosting)
        self.id = bench.repository.record.id

    def push(self, *refs: str) -> None:
        known = self.bench.refs
        names = [ref if ref.startswith("refs/") else f"refs/heads/{ref}" for ref in refs]
        commands = {name: (known.get(name), self.git("rev-parse", name)) for name in names}
        pack = self.bench.pack(
            self.git.folder, *(new for _, new in commands.values()), exclude=tuple(known.values())
        )
        assert [one.error for one in self.bench.push(commands, pack).results] == [None] * len(commands)
        self.catch_up()

    def catch_up(self) -> None:
        events = self.bench.hosting.catalogue.list_events(self.id, after=self.follower.position(self.id))
        self.follower.follow(self.bench.repository, events)

    @property
    def links(self) -> set[tuple[str, str, str]]:
        found = self.store.all_links(self.id)
        return {(link.commit, link.origin, link.method.value) for links in found.values() for link in links}


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def make(name: str = "links.db") -> LinkStore:
        opened.append(LinkStore.open(tmp_path / "derived" / name))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def place(bench, work_tree, open_store: Callable[..., LinkStore]) -> Place:
    work_tree.commit_file("base.py", body("base"), "begin")
    made = Place(bench, work_tree, open_store())
    made.push("main")
    return made


def topic(git, *names: str) -> list[str]:
    git("checkout", "-q", "-B", "topic", "main")
    return [git.commit_file(f"{name}.py", body(name), f"add {name}") for name in names]


def test_an_amended_commit_is_a_version_of_the_first(place):
    (first,) = topic(place.git, "one")
    place.push("topic")
    place.git("commit", "-q", "--amend", "-m", "other words")
    reworded = place.git("rev-parse", "HEAD")
    place.push("topic")
    (place.git.folder / "one.py").write_text(body("one") + "added = 1\n")
    place.git("commit", "-qa", "--amend", "-m", "more")
    grown = place.git("rev-parse", "HEAD")
    place.push("topic")
    assert place.links == {(reworded, first, "tree"), (grown, reworded, "content")}


def test_a_squash_is_all_of_its_heads_commits(place):
    *_, head = topic(place.git, "one", "two", "three")
    place.push("refs/heads/topic")
    place.git("checkout", "-q", "main")
    place.git.commit_file("base.py", body("base") + body("else"), "main moves")
    place.git("merge", "-q", "--squash", "topic")
    place.git("commit", "-qm", "all of it (#7)")
    squashed = place.git("rev-parse", "HEAD")
    place.push("main")
    assert place.links == {(squashed, head, "squash")}
    (link,) = place.store.links_of(place.id, [ObjectId(squashed)])[ObjectId(squashed)]
    assert len(link.members) == 3
    assert link.score == 1.0


def test_a_head_that_comes_after_its_squash_is_found_all_the_same(place):
    """A mirror may fetch the default branch before the pull requests."""
    *_, head = topic(place.git, "one", "two")
    place.git("update-ref", "refs/pull/7/head", head)
    place.git("checkout", "-q", "main")
    place.git("merge", "-q", "--squash", "topic")
    later = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}
    type(place.git)(place.git.folder, later)("commit", "-qm", "all of it")
    squashed = place.git("rev-parse", "HEAD")
    place.push("main")
    assert place.links == set()
    place.push("refs/pull/7/head")
    assert (squashed, head, "squash") in place.links


def test_a_rebased_branch_a_picked_and_a_reverted_commit(place):
    one, two = topic(place.git, "one", "two")
    place.push("topic")
    place.git("checkout", "-q", "main")
    place.git.commit_file("base.py", body("base") + body("else"), "main moves")
    place.git("checkout", "-q", "topic")
    place.git("rebase", "-q", "main")
    rebased = place.git("log", "-2", "--reverse", "--format=%H").split()
    place.push("main", "topic")
    assert place.links == {(rebased[0], one, "patch-id"), (rebased[1], two, "patch-id")}
    place.git("checkout", "-q", "main")
    place.git("cherry-pick", "-x", "topic")
    picked = place.git("rev-parse", "HEAD")
    place.git("revert", "--no-edit", "HEAD")
    undone = place.git("rev-parse", "HEAD")
    place.push("main")
    assert (picked, rebased[1], "patch-id") in place.links
    assert (undone, picked, "revert") in place.links
    assert not [link for link in place.links if link[0] == undone and link[2] != "revert"]


def test_work_that_builds_on_other_work_is_no_version_of_it(place):
    one, two = topic(place.git, "one", "two")
    place.git.commit_file("three.py", body("one", 3) + body("two", 3), "copies of both")
    place.push("topic")
    assert place.links == set()
    assert one != two


def test_small_and_common_changes_are_not_taken_for_one_another(place):
    topic(place.git, "one")
    place.git.commit_file("a.js", "function a() {\n}\n", "a")
    place.push("topic")
    place.git("checkout", "-q", "main")
    place.git.commit_file("b.js", "function b() {\n}\n", "b")
    place.push("main")
    assert place.links == set()


def test_the_same_links_are_found_from_nothing(place, open_store, bench):
    """Derived data may be deleted at any time; so may a part of it, by a crash."""
    topic(place.git, "one", "two")
    place.push("topic")
    place.git("checkout", "-q", "main")
    place.git("merge", "-q", "--squash", "topic")
    place.git("commit", "-qm", "squashed")
    place.push("main")
    again = Place(bench, place.git, open_store("again.db"))
    again.catch_up()
    assert again.links == place.links != set()
    asked = iter([False, False, True])
    stopped = Place(bench, place.git, open_store("stopped.db"))
    stopped.follower = LinkFollower(stopped.store, bench.hosting, lambda: next(asked, False))
    with pytest.raises(Stopped):
        stopped.catch_up()
    stopped.catch_up()
    assert stopped.links == place.links
    place.follower.forget(place.id)
    assert place.links == set()
    assert place.follower.position(place.id) == 0
    place.catch_up()
    assert place.links == again.links


def test_one_more_commit_costs_two_processes(place):
    topic(place.git, "one")
    place.push("topic")
    children = place.bench.repository.view.plumbing.children
    place.git.commit_file("two.py", body("two"), "add two")
    follow, place.follower.follow = place.follower.follow, lambda *_: None
    place.push("topic")
    place.follower.follow = follow
    before = sum(use.runs for use in children.list_uses().values())
    place.catch_up()
    assert sum(use.runs for use in children.list_uses().values()) - before == 2


def test_a_clone_reads_its_reflogs_and_nothing_twice(work_tree, open_store):
    work_tree.commit_file("base.py", body("base"), "begin")
    first = work_tree.commit_file("one.py", body("one"), "one")
    work_tree("commit", "-q", "--amend", "-m", "reworded")
    store = open_store()
    with Clone.discover(Path(work_tree.folder)) as clone:
        assert link_clone(clone.view, store, 7) == 1
        assert link_clone(clone.view, store, 8) == 0
    ((link,),) = store.all_links("clone").values()
    assert (link.origin, link.method.value, link.at_ms) == (first, "tree", 7)


def test_a_file_of_another_version_is_begun_again(tmp_path, open_store):
    store = open_store()
    number = store.number("repo")
    store.finish(number, position=5)
    with store.writing() as cursor:
        cursor.execute("PRAGMA user_version = 99")
    store.close()
    assert open_store().position("repo") == 0
    (tmp_path / "derived" / "links.db").write_bytes(b"no database, no database, no database")
    for suffix in ("-wal", "-shm"):
        (tmp_path / "derived" / f"links.db{suffix}").unlink(missing_ok=True)
    assert open_store().position("repo") == 0
