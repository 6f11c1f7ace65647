"""pygit2, Python's libgit2, over HTTP."""

import pytest

pygit2 = pytest.importorskip("pygit2", reason="install requirements/compat.txt")

pytestmark = pytest.mark.slow

CLIENT = f"pygit2 {pygit2.__version__} (libgit2 {pygit2.LIBGIT2_VERSION})"
MAIN = "refs/heads/main"
ADA = pygit2.Signature("Ada", "ada@example.com", 1_700_000_000, 0)


class Told(pygit2.RemoteCallbacks):
    """Gives the password, and keeps what it is told."""

    def __init__(self, remote, secret: str = "") -> None:
        super().__init__()
        self.secret = secret or remote.site.token
        self.refused: dict[str, str | None] = {}
        self.received = 0
        self.said = ""
        self.tips: list[str] = []
        self.asked = 0

    def credentials(self, url, username_from_url, allowed_types):
        self.asked += 1
        if self.asked > 2:
            raise PermissionError(url)
        return pygit2.UserPass("git", self.secret)

    def push_update_reference(self, refname, message) -> None:
        self.refused[refname] = message

    def transfer_progress(self, stats) -> None:
        self.received = max(self.received, stats.received_objects)

    def sideband_progress(self, string) -> None:
        self.said += string

    def update_tips(self, refname, old, new) -> None:
        self.tips.append(refname)


def address(remote) -> str:
    """Where, without the password."""
    return remote.site.address(remote.name, "")


def clone(remote, folder, **options):
    """A clone by libgit2, and what was told meanwhile."""
    told = Told(remote)
    return pygit2.clone_repository(address(remote), str(folder), callbacks=told, **options), told


def commit(repository, path: str, content: str) -> str:
    """Commit a file onto HEAD."""
    blob = repository.create_blob(content.encode())
    index = repository.index
    index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
    parents = [] if repository.head_is_unborn else [repository.head.target]
    tree = index.write_tree()
    return str(repository.create_commit("HEAD", ADA, ADA, path, tree, parents))


def push(repository, remote, *refspecs: str, **options) -> Told:
    """Push, and what was told."""
    told = Told(remote)
    repository.remotes["origin"].push(list(refspecs), callbacks=told, **options)
    return told


def test_a_clone(published, tmp_path, stock) -> None:
    repository, told = clone(published, tmp_path / "clone")
    assert str(repository.head.target) == published.refs[MAIN]
    assert told.received > 0
    assert "refs/tags/v1" in told.tips
    assert (tmp_path / "clone/after").read_text() == "after"
    stock.at("clone")("fsck", "--full")


def test_a_bare_clone_of_one_branch(published, tmp_path) -> None:
    repository, _ = clone(published, tmp_path / "clone", bare=True, checkout_branch="open")
    assert str(repository.head.target) == published.refs["refs/heads/open"]


def test_a_clone_of_an_empty_repository(remote, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    assert repository.is_empty


def test_a_clone_of_some_depth(published, tmp_path, stock) -> None:
    repository, _ = clone(published, tmp_path / "clone", depth=2)
    assert repository.is_shallow
    assert stock.at("clone").subjects() == ["last", "merge side"]
    stock.at("clone")("fsck")


def test_a_shallow_clone_is_deepened_and_becomes_whole(published, tmp_path, stock, project) -> None:
    repository, _ = clone(published, tmp_path / "clone", depth=1)
    origin = repository.remotes["origin"]
    origin.fetch(depth=3, callbacks=Told(published))
    assert "part 8" in stock.at("clone").subjects()
    origin.fetch(depth=0x7FFFFFFF, callbacks=Told(published))
    assert not repository.is_shallow
    assert stock.at("clone").subjects() == project.subjects("main")


def test_a_listing(published, tmp_path) -> None:
    repository = pygit2.init_repository(tmp_path / "new")
    heads = repository.remotes.create_anonymous(address(published)).list_heads(callbacks=Told(published))
    listed = {head.name: str(head.oid) for head in heads}
    assert listed.pop("HEAD") == published.refs[MAIN]
    assert {name: sha for name, sha in listed.items() if not name.endswith("^{}")} == published.refs
    assert next(head.symref_target for head in heads if head.name == "HEAD") == MAIN


def test_a_fetch_of_what_is_new_with_its_tag(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    head = source.commit("new")
    source("tag", "-a", "v3", "-m", "three")
    source("push", "-q", "origin", "main", "v3")
    told = Told(remote)
    progress = repository.remotes["origin"].fetch(callbacks=told)
    assert str(repository.references["refs/remotes/origin/main"].target) == head
    assert progress.received_objects <= 4
    assert "refs/tags/v3" in told.tips


def test_a_fetch_that_prunes(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    source("push", "-q", "origin", ":open")
    repository.remotes["origin"].fetch(callbacks=Told(remote), prune=pygit2.enums.FetchPrune.PRUNE)
    assert "refs/remotes/origin/open" not in repository.references


def test_a_fetch_after_much_that_the_server_lacks(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    for number in range(80):
        commit(repository, "mine", str(number))
    head = source.commit("new")
    source("push", "-q", "origin", "main")
    progress = repository.remotes["origin"].fetch(callbacks=Told(remote))
    assert str(repository.references["refs/remotes/origin/main"].target) == head
    assert progress.received_objects <= 4


def test_a_push_to_an_empty_repository(remote, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    head = commit(repository, "a", "1")
    branch = repository.references["HEAD"].target
    assert push(repository, remote, f"{branch}:{MAIN}").refused == {MAIN: None}
    assert remote.refs == {MAIN: head}


def test_pushes_that_move_make_and_delete_branches(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    head = commit(repository, "mine", "1")
    push(repository, remote, MAIN, f"{MAIN}:refs/heads/new")
    assert remote.refs[MAIN] == remote.refs["refs/heads/new"] == head
    push(repository, remote, ":refs/heads/new")
    assert "refs/heads/new" not in remote.refs
    source("fetch", "-q")
    source("fsck", "--full")


def test_a_push_that_would_lose_commits_needs_force(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    theirs = source.commit("theirs")
    source("push", "-q", "origin", "main")
    mine = commit(repository, "mine", "1")
    with pytest.raises(pygit2.GitError, match=r"fast-?forward|not present locally"):
        push(repository, remote, MAIN)
    assert remote.refs[MAIN] == theirs
    push(repository, remote, f"+{MAIN}")
    assert remote.refs[MAIN] == mine


def test_a_push_of_tags(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    target = repository.head.target
    repository.create_tag("v9", target, pygit2.enums.ObjectType.COMMIT, ADA, "nine")
    repository.references.create("refs/tags/light9", target)
    push(repository, remote, "refs/tags/v9", "refs/tags/light9")
    assert remote.refs["refs/tags/light9"] == str(target)
    source("fetch", "-q", "--tags")
    assert source("cat-file", "-t", "v9") == "tag"


def test_push_options(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    commit(repository, "mine", "1")
    push(repository, remote, MAIN, push_options=["topic=blue", "größe"])
    assert (
        remote.site.last_event(remote.name)["details"]["push_options"]
        == '["topic=blue", "gr\\u00f6\\u00dfe"]'
    )


def test_a_refused_update_is_told(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    told = push(repository, remote, f"{MAIN}:refs/imprint/mine", f"{MAIN}:refs/heads/good")
    assert "hidden" in (told.refused["refs/imprint/mine"] or "")
    assert told.refused["refs/heads/good"] is None
    assert "refs/heads/good" in remote.refs


def test_a_large_push(remote, source, tmp_path) -> None:
    repository, _ = clone(remote, tmp_path / "clone")
    head = commit(repository, "large", "".join(f"{number * number:x}" for number in range(400_000)))
    push(repository, remote, MAIN)
    assert remote.refs[MAIN] == head
    source("pull", "-q", "origin", "main")
    source("fsck")


def test_nobody_gets_in_without_the_right_password(published, tmp_path) -> None:
    told = Told(published, "wrong")
    with pytest.raises((PermissionError, pygit2.GitError)):
        pygit2.clone_repository(address(published), str(tmp_path / "clone"), callbacks=told)
    assert told.asked > 1


def test_a_repository_that_is_not_there(published, tmp_path) -> None:
    url = published.site.address("compat/nowhere", "")
    with pytest.raises(pygit2.GitError, match="404"):
        pygit2.clone_repository(url, str(tmp_path / "clone"), callbacks=Told(published))
