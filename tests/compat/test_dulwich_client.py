"""dulwich's client, a Git implementation in Python, over HTTP."""

import io
import warnings
from pathlib import Path

import dulwich
import pytest
from dulwich import porcelain
from dulwich.client import HTTPUnauthorized, get_transport_and_path
from dulwich.errors import NotGitRepository
from dulwich.repo import Repo

pytestmark = pytest.mark.slow

CLIENT = f"dulwich {'.'.join(map(str, dulwich.__version__))}"
MAIN = b"refs/heads/main"
PROTOCOLS = pytest.mark.parametrize("protocol", [0, 1, 2])


@pytest.fixture(autouse=True)
def _resources_of_dulwich(tmp_path):
    """dulwich leaves closing to the collector of garbage, and says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def way(remote) -> dict[str, str]:
    """Name and password, as dulwich takes them."""
    return {"username": "git", "password": remote.site.token}


def address(remote) -> str:
    """Where, without the password."""
    return remote.site.address(remote.name, "")


def clone(remote, folder, **options) -> Repo:
    """A clone by dulwich."""
    return porcelain.clone(address(remote), str(folder), errstream=io.BytesIO(), **way(remote), **options)


def commit(repository: Repo, path: str, content: str) -> bytes:
    """Write and commit a file with dulwich."""
    Path(repository.path, path).write_text(content)
    porcelain.add(repository, f"{repository.path}/{path}")
    who = b"Ada <ada@example.com>"
    return porcelain.commit(repository, message=path.encode(), author=who, committer=who)


def push(repository: Repo, remote, *refspecs: str, **options) -> None:
    """Push with dulwich."""
    porcelain.push(
        repository,
        address(remote),
        [each.encode() for each in refspecs],
        outstream=io.BytesIO(),
        errstream=io.BytesIO(),
        **way(remote),
        **options,
    )


@PROTOCOLS
def test_a_clone(published, tmp_path, stock, protocol: int) -> None:
    with clone(published, tmp_path / "clone", protocol_version=protocol) as repository:
        assert repository.head().decode() == published.refs[MAIN.decode()]
        assert repository.refs[b"refs/tags/v1"].decode() == published.refs["refs/tags/v1"]
    stock.at("clone")("fsck", "--full")
    assert stock.at("clone")("status", "--porcelain") == ""


def test_a_bare_clone(published, tmp_path, stock) -> None:
    clone(published, tmp_path / "clone", bare=True).close()
    assert stock.at("clone")("rev-parse", "HEAD") == published.refs[MAIN.decode()]


def test_a_clone_of_an_empty_repository(remote, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        assert MAIN not in repository.refs


@PROTOCOLS
def test_a_clone_of_some_depth(published, tmp_path, stock, protocol: int) -> None:
    clone(published, tmp_path / "clone", depth=1, protocol_version=protocol).close()
    assert stock.at("clone").subjects() == ["last"]


def test_a_listing(published, project) -> None:
    listed = porcelain.ls_remote(address(published), **way(published))
    refs = {name.decode(): sha.decode() for name, sha in listed.refs.items() if sha}
    assert refs.pop("HEAD") == published.refs[MAIN.decode()]
    peeled = {name: refs.pop(name) for name in [*refs] if name.endswith("^{}")}
    assert refs == published.refs
    assert not peeled or peeled["refs/tags/v1^{}"] == project("rev-parse", "v1^{commit}")
    assert listed.symrefs[b"HEAD"] == MAIN


@PROTOCOLS
def test_a_fetch_of_what_is_new(remote, source, tmp_path, protocol: int) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        head = source.commit("new")
        source("push", "-q", "origin", "main")
        client, path = get_transport_and_path(address(remote), **way(remote))
        result = client.fetch(path, repository, protocol_version=protocol)
        assert result.refs[MAIN].decode() == head
        assert head.encode() in repository.object_store


@pytest.mark.parametrize("specification", [b"blob:none", b"tree:0"])
def test_a_fetch_through_a_filter(published, tmp_path, project, specification: bytes) -> None:
    with Repo.init(tmp_path / "new", mkdir=True) as repository:
        client, path = get_transport_and_path(address(published), **way(published))
        client.fetch(path, repository, filter_spec=specification)
        assert published.refs[MAIN.decode()].encode() in repository.object_store
        assert project("rev-parse", "main:after").encode() not in repository.object_store


def test_a_push_to_an_empty_repository(remote, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        head = commit(repository, "a", "1")
        branch = repository.refs.follow(b"HEAD")[0][-1].decode()
        push(repository, remote, f"{branch}:refs/heads/main")
    assert remote.refs == {MAIN.decode(): head.decode()}


def test_pushes_that_move_make_and_delete_branches(remote, source, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        head = commit(repository, "mine", "1")
        push(repository, remote, "refs/heads/main:refs/heads/main", "refs/heads/main:refs/heads/new")
        assert remote.refs["refs/heads/main"] == remote.refs["refs/heads/new"] == head.decode()
        push(repository, remote, ":refs/heads/new")
    assert "refs/heads/new" not in remote.refs
    source("fetch", "-q")
    source("fsck", "--full")


def test_a_push_that_would_lose_commits_needs_force(remote, source, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        theirs = source.commit("theirs")
        source("push", "-q", "origin", "main")
        mine = commit(repository, "mine", "1")
        with pytest.raises(porcelain.DivergedBranches):
            push(repository, remote, "refs/heads/main:refs/heads/main")
        assert remote.refs[MAIN.decode()] == theirs
        push(repository, remote, "refs/heads/main:refs/heads/main", force=True)
    assert remote.refs[MAIN.decode()] == mine.decode()


def test_a_push_of_a_tag(remote, source, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        porcelain.tag_create(repository, b"v9", author=b"Ada <a@b>", message=b"nine", annotated=True)
        push(repository, remote, "refs/tags/v9:refs/tags/v9")
    source("fetch", "-q", "--tags")
    assert source("cat-file", "-t", "v9") == "tag"


def test_a_refused_update_is_told(remote, source, tmp_path) -> None:
    with clone(remote, tmp_path / "clone") as repository:
        client, path = get_transport_and_path(address(remote), **way(remote))
        head = repository.head()
        result = client.send_pack(path, lambda _: {b"refs/imprint/mine": head}, repository.generate_pack_data)
    assert b"hidden" in (result.ref_status or {})[b"refs/imprint/mine"].encode()
    assert "refs/imprint/mine" not in remote.refs


def test_nobody_gets_in_without_the_right_password(published, tmp_path) -> None:
    client, path = get_transport_and_path(address(published), username="git", password="wrong")
    with pytest.raises(HTTPUnauthorized):
        client.get_refs(path)


def test_a_repository_that_is_not_there(published) -> None:
    url = published.site.address("compat/nowhere", "")
    client, path = get_transport_and_path(url, **way(published))
    with pytest.raises(NotGitRepository):
        client.get_refs(path)
