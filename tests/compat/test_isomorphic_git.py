"""isomorphic-git, a Git implementation in JavaScript, over HTTP.

npm installs it into a folder that goes away; without node, npm or a registry its cases are skipped.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

VERSION = "1.44.11"
CLIENT = f"isomorphic-git {VERSION}"
MAIN = "refs/heads/main"


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with isomorphic-git in it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed (Debian: apt-get install nodejs npm)")
    folder = tmp_path_factory.mktemp("modules")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(
        [*command, f"isomorphic-git@{VERSION}"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"npm cannot install isomorphic-git: {done.stderr.strip()[:200]}")
    return folder


@pytest.fixture
def isomorphic(modules: Path, tmp_path: Path) -> Callable[..., Any]:
    """Do one thing with isomorphic-git in the folder `clone`; what came of it."""

    def do(case: str, remote, *, token: str = "", url: str = "") -> Any:
        where = url or remote.site.address(remote.name, "")
        (tmp_path / "clone").mkdir(exist_ok=True)
        script = Path(__file__).with_name("isomorphic.js")
        arguments = [modules, case, where, token or remote.site.token, tmp_path / "clone"]
        command = ["node", script, *arguments]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return do


@pytest.fixture
def clone(stock, source, remote):
    """A clone of the project by the machine's git, for isomorphic-git to work in."""
    stock("clone", "-q", remote.url, "clone")
    there = stock.at("clone")
    there("remote", "set-url", "origin", remote.site.address(remote.name, ""))
    return there


def test_a_clone(isomorphic, published, stock) -> None:
    value = isomorphic("clone", published)["value"]
    assert value["head"] == published.refs[MAIN]
    assert value["tags"] == ["light", "v1", "v2"]
    stock.at("clone")("fsck", "--full")
    assert stock.at("clone")("status", "--porcelain") == ""


def test_a_clone_of_one_branch(isomorphic, published) -> None:
    value = isomorphic("branch", published)["value"]
    assert value == {"branches": ["open"], "subjects": ["side 3"]}


def test_a_clone_of_some_depth(isomorphic, published, stock) -> None:
    assert isomorphic("shallow", published)["value"]["subjects"] == ["last", "merge side"]
    stock.at("clone")("fsck")


def test_a_shallow_clone_is_deepened(isomorphic, published, stock) -> None:
    assert isomorphic("deepen", published)["value"]["subjects"] == ["last", "merge side"]
    stock.at("clone")("fsck")


def test_history_since_a_time(isomorphic, published) -> None:
    assert isomorphic("since", published)["value"]["subjects"] == ["last", "merge side"]


def test_history_without_what_a_tag_reaches(isomorphic, published, project) -> None:
    value = isomorphic("exclude", published)["value"]
    assert set(value["subjects"]) == set(project.subjects("light..main"))


def test_a_listing_in_the_old_protocol(isomorphic, published) -> None:
    listed = isomorphic("refs1", published)["value"]
    refs = {ref["ref"]: ref["oid"] for ref in listed if not ref["ref"].endswith("^{}")}
    assert refs.pop("HEAD") == published.refs[MAIN]
    assert refs == published.refs


def test_a_listing_in_version_2(isomorphic, published, project) -> None:
    listed = {ref["ref"]: ref for ref in isomorphic("refs2", published)["value"]}
    assert listed["HEAD"]["target"] == MAIN
    assert listed["refs/tags/v1"]["peeled"] == project("rev-parse", "v1^{commit}")
    assert {name: ref["oid"] for name, ref in listed.items() if name != "HEAD"} == published.refs


def test_a_listing_of_tags(isomorphic, published) -> None:
    listed = isomorphic("prefix", published)["value"]
    assert {ref["ref"] for ref in listed} == {"refs/tags/light", "refs/tags/v1", "refs/tags/v2"}


def test_what_the_server_offers(isomorphic, published) -> None:
    value = isomorphic("info", published)["value"]
    assert value["version"] == 2
    assert {"ls-refs", "fetch", "object-format"} <= set(value["capabilities"])


def test_a_fetch_of_what_is_new(isomorphic, remote, source, clone) -> None:
    head = source.commit("new")
    source("push", "-q", "origin", "main")
    assert isomorphic("fetch", remote)["value"]["fetchHead"] == head
    assert clone("rev-parse", "origin/main") == head
    clone("fsck")


def test_a_fetch_that_prunes(isomorphic, remote, source, clone) -> None:
    source("push", "-q", "origin", ":open")
    source.commit("new")
    source("push", "-q", "origin", "main")
    assert isomorphic("prune", remote)["value"]["pruned"] == ["refs/remotes/origin/open"]
    clone("fsck")


def test_a_push_to_an_empty_repository(isomorphic, remote) -> None:
    value = isomorphic("first", remote)["value"]
    assert value["answer"]["ok"]
    assert remote.refs == {MAIN: value["head"]}


def test_a_push_of_a_commit(isomorphic, remote, source, clone) -> None:
    value = isomorphic("push", remote)["value"]
    assert value["answer"]["refs"][MAIN]["ok"]
    assert remote.refs[MAIN] == value["head"]
    source("fetch", "-q")
    source("fsck", "--full")


def test_pushes_that_make_and_delete_branches(isomorphic, remote, clone) -> None:
    assert isomorphic("elsewhere", remote)["value"]["ok"]
    assert isomorphic("remove", remote)["value"]["ok"]
    assert "refs/heads/new" in remote.refs
    assert "refs/heads/open" not in remote.refs


def test_a_push_of_a_tag(isomorphic, remote, source, clone) -> None:
    assert isomorphic("tag", remote)["value"]["ok"]
    source("fetch", "-q", "--tags")
    assert source("cat-file", "-t", "v9") == "tag"


def test_a_push_that_would_lose_commits_needs_force(isomorphic, remote, source, clone) -> None:
    theirs = source.commit("theirs")
    source("push", "-q", "origin", "main")
    clone("fetch", "-q", remote.url, "main")
    assert isomorphic("behind", remote)["error"] == "PushRejectedError"
    assert remote.refs[MAIN] == theirs
    value = isomorphic("force", remote)["value"]
    assert remote.refs[MAIN] == value["head"]


def test_a_refused_update_is_told(isomorphic, remote, clone) -> None:
    answer = isomorphic("hidden", remote)
    assert "hidden" in json.dumps(answer)
    assert answer.get("error") == "GitPushError"
    assert "refs/imprint/mine" not in remote.refs


def test_nobody_gets_in_without_the_right_password(isomorphic, published) -> None:
    assert isomorphic("clone", published, token="wrong")["error"] in {"UserCanceledError", "HttpError"}


def test_a_repository_that_is_not_there(isomorphic, published) -> None:
    answer = isomorphic("clone", published, url=published.site.address("compat/nowhere", ""))
    assert "404" in answer["text"]
