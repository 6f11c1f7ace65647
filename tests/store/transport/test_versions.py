"""The same work in every version of the protocol, over HTTP and on a connection that stays open."""

from types import SimpleNamespace

import pytest

MAIN = "refs/heads/main"
FAST = ((0, "serve"), (0, "connect"), (2, "connect"))
"""Version 1 is version 0 with one more line, and version 2 over HTTP is what most other tests speak."""
WAYS = [
    pytest.param(
        (protocol, way), id=f"v{protocol}-{way}", marks=[] if (protocol, way) in FAST else pytest.mark.slow
    )
    for protocol in (0, 1, 2)
    for way in ("serve", "connect")
]


@pytest.fixture(params=WAYS)
def world(request, bench, git_client, tmp_path, work_tree):
    """A pushed history of eight commits on two branches, and `clone` for clients of one version and way."""
    protocol, way = request.param
    site = request.getfixturevalue(way)(bench)

    def commit(path: str, day: int) -> str:
        date = f"2026-01-{day:02d}T00:00:00Z"
        return work_tree.commit_file(path, f"{path} {day}\n" * 20, committer_date=date, author_date=date)

    def at(folder):
        git = git_client(folder)
        options = {"COUNT": "1", "KEY_0": "protocol.version", "VALUE_0": str(protocol)}
        git.environment |= {f"GIT_CONFIG_{key}": value for key, value in options.items()}
        return git

    def clone(name: str, *options: str):
        at(tmp_path)("clone", "-q", *options, site.url, name)
        return at(tmp_path / name)

    ids = [commit(f"f{number % 3}", number + 1) for number in range(6)]
    work_tree("tag", "-a", "v1", "-m", "one", "HEAD~2")
    work_tree("branch", "side", "HEAD~3")
    work_tree("remote", "add", "origin", site.url)
    work_tree.environment |= at(tmp_path).environment
    work_tree("push", "-q", "origin", "main", "side", "v1")
    return SimpleNamespace(
        site=site,
        clone=clone,
        commit=commit,
        work=work_tree,
        ids=ids,
        at=at,
        folder=tmp_path,
        protocol=protocol,
    )


def count(git, revision: str = "origin/main") -> int:
    return int(git("rev-list", "--count", revision))


def test_clone_fetch_and_push(world) -> None:
    copy = world.clone("copy")
    assert copy("rev-parse", "HEAD", "v1^{}", "origin/side") == "\n".join(
        (world.ids[5], world.ids[3], world.ids[2])
    )
    assert copy("symbolic-ref", "HEAD") == MAIN
    newer = world.commit("new", 20)
    world.work("tag", "-a", "v2", "-m", "two")
    world.work("push", "-q", "--atomic", "-o", "ci.skip", "origin", "main", "v2", ":side")
    copy("fetch", "-q", "--prune")
    assert copy("rev-parse", "origin/main", "v2^{}") == f"{newer}\n{newer}"
    assert copy.run("rev-parse", "-q", "--verify", "origin/side", check=False).returncode != 0
    for number in range(40):  # more than one batch of what only this client has
        copy("commit", "-q", "--allow-empty", "-m", f"mine {number}")
    world.commit("newest", 21)
    world.work("push", "-q", "origin", "main")
    copy("fetch", "-q")
    refused = copy.run("push", "origin", "HEAD:main", check=False)
    assert refused.returncode != 0
    copy("push", "-q", "--force-with-lease=main:" + copy("rev-parse", "origin/main"), "origin", "HEAD:main")
    assert world.site.bench.refs[MAIN] == copy("rev-parse", "HEAD")
    copy("fsck", "--full", "--strict")
    world.site.bench.fsck()


def test_a_shallow_clone_goes_through_every_depth(world) -> None:
    copy = world.clone("copy", "--depth=2")
    assert count(copy) == 2
    copy("fetch", "-q", "--deepen=1")
    assert count(copy) == 3
    copy("fetch", "-q", "--depth=1")
    copy("fetch", "-q", "--shallow-since=2026-01-03T00:00:00Z", "origin", "main")
    assert count(copy) == 4
    copy("fetch", "-q", "--shallow-exclude=side", "origin", "main")
    assert count(copy) == 3
    newer = world.commit("new", 20)
    world.work("push", "-q", "origin", "main")
    copy("pull", "-q", "--rebase")
    assert copy("rev-parse", "HEAD") == newer
    mine = copy.commit_file("mine", "mine")
    copy("push", "-q", "origin", "HEAD:main")
    assert world.site.bench.refs[MAIN] == mine
    copy("fetch", "-q", "--unshallow")
    assert count(copy) == 8
    copy("fsck", "--full", "--strict")


def test_a_partial_clone_fetches_what_it_lacks(world) -> None:
    copy = world.clone("copy", "--filter=blob:none", "--no-checkout")
    assert copy("rev-list", "--objects", "--all", "--missing=print").count("\n?") >= 5
    assert copy("show", "HEAD~2:f0") == world.work("show", "HEAD~2:f0")
    copy("checkout", "-q", "main")
    trees = world.clone("trees", "--filter=combine:tree:1+blob:limit=1k")
    assert (trees.folder / "f1").read_text() == (world.work.folder / "f1").read_text()


def test_a_commit_that_no_ref_names_is_fetched_by_its_id(world) -> None:
    fresh = world.folder / "fresh"
    fresh.mkdir()
    git = world.at(fresh)
    git("init", "-q")
    git("fetch", "-q", world.site.url, world.ids[1])
    assert git("rev-parse", "FETCH_HEAD") == world.ids[1]
    refused = git.run("fetch", world.site.url, "1" * 40, check=False)
    assert refused.returncode != 0


def test_the_refs_are_listed_alike(world) -> None:
    git = world.at(world.folder)
    lines = git("ls-remote", "--symref", world.site.url).splitlines()
    assert lines == [
        f"ref: {MAIN}\tHEAD",
        f"{world.ids[5]}\tHEAD",
        f"{world.ids[5]}\t{MAIN}",
        f"{world.ids[2]}\trefs/heads/side",
        f"{world.work('rev-parse', 'v1')}\trefs/tags/v1",
        f"{world.ids[3]}\trefs/tags/v1^{{}}",
    ]
    git.environment["GIT_TRACE_PACKET"] = "1"
    trace = git.run("ls-remote", world.site.url).stderr
    versions = [version for version in (1, 2) if f"< version {version}\n".encode() in trace]
    assert versions == ([world.protocol] if world.protocol else []), "the client spoke what it was told to"


def test_an_empty_repository_is_cloned_and_filled(make_bench, connect, git_client, tmp_path) -> None:
    for protocol in (0, 1, 2):
        site = connect(make_bench())
        version = f"protocol.version={protocol}"
        git_client(tmp_path)("-c", version, "clone", "-q", site.url, f"empty{protocol}")
        copy = git_client(tmp_path / f"empty{protocol}")
        head = copy.commit_file("a", "1")
        copy("-c", version, "push", "-q", "origin", "HEAD:main")
        assert site.bench.refs == {MAIN: head}
