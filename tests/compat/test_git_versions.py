"""What people do with git, for every version of git at hand and every protocol that it can ask for."""

import random

import pytest

pytestmark = pytest.mark.slow

MAIN = "refs/heads/main"
NOT_ATOMIC = "git before 2.23 does not ask for atomic pushes over HTTP; see docs/compat.md"


def listed(git, *arguments: str) -> dict[str, str]:
    """What `ls-remote` says, by ref."""
    lines = (line.split("\t") for line in git("ls-remote", *arguments).splitlines())
    return {name: sha for sha, name in lines if not sha.startswith("ref:")}


def count_loose(git) -> int:
    """How many objects lie in files of their own."""
    return int(git("count-objects").split()[0])


# -- listing and cloning -------------------------------------------------------------------------------


def test_ls_remote_shows_every_ref_and_what_tags_point_to(speaking, published, project) -> None:
    refs = listed(speaking, published.url)
    assert refs.pop("HEAD") == published.refs[MAIN]
    assert refs.pop("refs/tags/v1^{}") == project("rev-parse", "v1^{commit}")
    assert refs.pop("refs/tags/v2^{}") == project("rev-parse", "v2^{commit}")
    assert refs == published.refs


def test_ls_remote_shows_where_head_points(speaking, published) -> None:
    said = speaking("ls-remote", "--symref", published.url, "HEAD")
    assert said.splitlines()[0] == f"ref: {MAIN}\tHEAD"


def test_ls_remote_of_heads_or_a_pattern(speaking, published) -> None:
    assert set(listed(speaking, "--heads", published.url)) == {
        MAIN,
        "refs/heads/open",
        "refs/heads/side",
    }
    assert set(listed(speaking, published.url, "refs/tags/li*")) == {"refs/tags/light"}


def test_a_clone_is_the_same_repository(speaking, published, project) -> None:
    speaking("clone", "-q", published.url, "clone")
    clone = speaking.at("clone")
    assert clone("rev-parse", "HEAD") == published.refs[MAIN]
    assert clone("rev-parse", "origin/open", "v1") == project("rev-parse", "open", "v1")
    assert clone("symbolic-ref", "HEAD") == MAIN
    assert clone("status", "--porcelain") == ""
    assert sorted(clone("rev-list", "--objects", "--all").splitlines()) == sorted(
        project("rev-list", "--objects", "--all").splitlines()
    )
    clone("fsck", "--full", "--strict")


def test_a_mirror_has_every_ref(speaking, published) -> None:
    speaking("clone", "-q", "--mirror", published.url, "mirror")
    mirror = speaking.at("mirror")
    lines = mirror("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert dict(line.split() for line in lines) == published.refs


def test_one_branch_alone_can_be_cloned(speaking, published) -> None:
    speaking("clone", "-q", "--single-branch", "--branch", "open", "--no-tags", published.url, "clone")
    clone = speaking.at("clone")
    assert clone("for-each-ref", "--format=%(refname)", "refs/remotes").splitlines() == [
        "refs/remotes/origin/open"
    ]
    assert clone("tag") == ""
    assert clone("rev-parse", "HEAD") == published.refs["refs/heads/open"]


def test_an_empty_repository_can_be_cloned_and_pushed_to(speaking, remote) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone").begin()
    head = clone.commit("a")
    clone("push", "-q", "origin", "main")
    assert remote.refs == {MAIN: head}


def test_many_refs_arrive(speaking, remote, stock) -> None:
    stock.at("many").begin().commit("a")
    many = stock.at("many")
    head = many("rev-parse", "HEAD")
    names = [f"refs/tags/release/{number:04}" for number in range(1500)]
    many("update-ref", "--stdin", stdin="".join(f"create {name} {head}\n" for name in names).encode())
    many("push", "-q", remote.url, "main", "refs/tags/*")
    speaking("clone", "-q", remote.url, "clone")
    assert len(speaking.at("clone")("tag").splitlines()) == 1500


# -- fetching ------------------------------------------------------------------------------------------


def test_a_fetch_brings_only_what_is_new(speaking, remote, source) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone")
    before = count_loose(clone)
    head = source.commit("new")
    source("push", "-q", "origin", "main")
    clone("-c", "fetch.unpackLimit=1000", "fetch", "-q")
    assert clone("rev-parse", "origin/main") == head
    assert count_loose(clone) == before + 3, "a commit, its tree and a blob"
    assert "> want " not in clone.traced("fetch"), "now there is nothing to ask for"


def test_a_fetch_negotiates_over_several_rounds(speaking, remote, source) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone")
    tree = clone("rev-parse", "HEAD^{tree}")
    parent = clone("rev-parse", "HEAD")
    for number in range(80):  # the client has much that the server never heard of
        parent = clone("commit-tree", tree, "-p", parent, "-m", str(number))
    clone("reset", "-q", "--hard", parent)
    head = source.commit("new")
    source("push", "-q", "origin", "main")
    said = clone.traced("fetch", "-q", "origin", "main")
    assert clone("rev-parse", "FETCH_HEAD") == head
    assert said.count("Send header: POST") > 1
    if "git< version 2" not in said or clone.version >= (2, 22):
        assert "content-encoding: gzip" in said.lower(), "a long request is compressed"
    clone("fsck")


def test_a_branch_that_is_gone_is_pruned(speaking, remote, source) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone")
    source("push", "-q", "origin", ":open")
    clone("fetch", "-q")
    assert clone.run("rev-parse", "--verify", "-q", "origin/open").returncode == 0
    clone("fetch", "-q", "--prune")
    assert clone.run("rev-parse", "--verify", "-q", "origin/open").returncode != 0


def test_a_rewritten_branch_is_fetched(speaking, remote, source) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone")
    source("checkout", "-q", "open")
    source("reset", "-q", "--hard", "HEAD~2")
    head = source.commit("other")
    source("push", "-q", "--force", "origin", "open")
    clone("fetch", "-q")
    assert clone("rev-parse", "origin/open") == head


def test_tags_follow_their_commits(speaking, remote, source) -> None:
    speaking("clone", "-q", remote.url, "clone")
    clone = speaking.at("clone")
    source.commit("new")
    source("tag", "-a", "v3", "-m", "version 3")
    source.commit("newer")
    source("push", "-q", "origin", "main", "v3")
    clone("fetch", "-q", "--no-tags")
    assert "v3" not in clone("tag").splitlines()
    clone("fetch", "-q")
    assert clone("rev-parse", "v3") == source("rev-parse", "v3")


def test_all_tags_can_be_asked_for(speaking, published) -> None:
    fresh = speaking.at("fresh").begin()
    fresh("fetch", "-q", "--tags", published.url)
    assert fresh("tag").splitlines() == ["light", "v1", "v2"]


def test_a_commit_can_be_fetched_by_its_id(speaking, published, project) -> None:
    fresh = speaking.at("fresh").begin()
    wanted = project("rev-parse", "main~4")
    fresh("fetch", "-q", published.url, wanted)
    assert fresh("rev-parse", "FETCH_HEAD") == wanted
    fresh("fsck")


def test_an_object_that_no_ref_reaches_is_not_given(speaking, remote, source) -> None:
    gone = source.commit("secret")
    source.commit("later")
    source("push", "-q", "origin", "HEAD:refs/heads/passing")
    source("push", "-q", "origin", ":refs/heads/passing")
    blob = source("rev-parse", f"{gone}:secret")
    fresh = speaking.at("fresh").begin()
    for unreachable in (gone, blob):
        fresh.refused("fetch", "-q", remote.url, unreachable)
        assert fresh.run("cat-file", "-e", unreachable).returncode != 0


# -- shallow -------------------------------------------------------------------------------------------


def test_a_shallow_clone_has_as_many_commits_as_asked_for(speaking, published) -> None:
    speaking("clone", "-q", "--depth=1", published.url, "clone")
    clone = speaking.at("clone")
    assert clone("rev-list", "--count", "HEAD") == "1"
    assert (clone.folder / "after").read_text() == "after"
    clone("fsck")


def test_a_shallow_clone_is_deepened(speaking, published) -> None:
    speaking("clone", "-q", "--depth=2", published.url, "clone")
    clone = speaking.at("clone")
    assert clone.subjects() == ["last", "merge side"]
    clone("fetch", "-q", "--depth=3")
    assert sorted(clone.subjects()) == ["last", "merge side", "part 8", "side 3"]
    clone("fsck")


def test_a_shallow_clone_is_deepened_from_where_it_ends(speaking, published) -> None:
    if speaking.version < (2, 21) and "protocol.version=2" in str(speaking.environment):
        pytest.skip("git before 2.21 does not send deepen-relative in protocol 2")
    speaking("clone", "-q", "--depth=3", published.url, "clone")
    clone = speaking.at("clone")
    clone("fetch", "-q", "--deepen=1")
    assert sorted(clone.subjects()) == ["last", "main 8", "merge side", "part 8", "side 2", "side 3"]
    clone("fsck")


def test_a_shallow_clone_becomes_whole(speaking, published, project) -> None:
    speaking("clone", "-q", "--depth=1", published.url, "clone")
    clone = speaking.at("clone")
    clone("fetch", "-q", "--unshallow")
    assert clone("rev-list", "--count", "HEAD") == project("rev-list", "--count", "main")
    assert not (clone.folder / ".git/shallow").exists()
    clone("fsck")


def test_history_since_a_time(speaking, published, project) -> None:
    since = int(project("log", "-1", "--format=%ct", "main~4")) - 3600
    speaking("clone", "-q", f"--shallow-since={since}", published.url, "clone")
    clone = speaking.at("clone")
    wanted = project("log", "--format=%s", f"--since={since}", "main").splitlines()
    assert clone.subjects() == wanted
    assert 0 < len(wanted) < 20


def test_history_without_what_a_tag_reaches(speaking, published, project) -> None:
    speaking("clone", "-q", "--shallow-exclude=light", published.url, "clone")
    clone = speaking.at("clone")
    assert clone.subjects() == project.subjects("light..main")


def test_a_shallow_clone_fetches_what_is_new_and_pushes(speaking, remote, source) -> None:
    speaking("clone", "-q", "--depth=2", remote.url, "clone")
    clone = speaking.at("clone")
    source.commit("new")
    source("push", "-q", "origin", "main")
    clone("pull", "-q", "--ff-only")
    assert clone.subjects() == ["new", "last", "merge side"]
    head = clone.commit("from-shallow")
    clone("push", "-q", "origin", "HEAD")
    assert remote.refs[MAIN] == head
    source("fetch", "-q")
    source("fsck")
    assert source("rev-list", "--count", "origin/main") == str(int(source("rev-list", "--count", "main")) + 1)


# -- partial clones ------------------------------------------------------------------------------------


def test_a_clone_without_blobs_gets_them_when_it_needs_them(speaking, published, project) -> None:
    speaking("clone", "-q", "--no-checkout", "--filter=blob:none", published.url, "clone")
    clone = speaking.at("clone")
    old = project("rev-parse", "main~9:README")
    assert old in clone.missing()
    clone("checkout", "-q", "main")
    assert (clone.folder / "src/part8/code.py").read_text() == "VALUE = 8\n" * 8
    assert old in clone.missing(), "a checkout brings its own files only"
    assert clone("cat-file", "-p", old) == project("cat-file", "-p", old)
    assert old not in clone.missing()
    clone("fsck")


def test_a_clone_without_trees_gets_them_when_it_needs_them(speaking, published, project) -> None:
    speaking("clone", "-q", "--no-checkout", "--filter=tree:0", published.url, "clone")
    clone = speaking.at("clone")
    assert project("rev-parse", "main^{tree}") in clone.missing()
    clone("checkout", "-q", "main")
    assert clone("status", "--porcelain") == ""
    assert clone("log", "--format=%s", "--", "side/1") == "side 1"
    clone("fsck")


def test_a_clone_without_large_blobs(speaking, remote, source) -> None:
    source.commit("large", "large" * 4000)
    source("push", "-q", "origin", "main")
    speaking("clone", "-q", "--no-checkout", "--filter=blob:limit=10k", remote.url, "clone")
    clone = speaking.at("clone")
    assert clone.missing() == {source("rev-parse", "main:large")}
    clone("checkout", "-q", "main")
    assert clone.missing() == set()


def test_a_partial_clone_fetches_and_pushes(speaking, remote, source) -> None:
    if speaking.version[:2] == (2, 26) and "protocol.version=2" not in str(speaking.environment):
        pytest.skip("git 2.26 looks for promised objects after a fetch in protocol 0; see docs/compat.md")
    speaking("clone", "-q", "--filter=blob:none", remote.url, "clone")
    clone = speaking.at("clone")
    source.commit("new", "one")
    source.commit("new", "two")
    source("push", "-q", "origin", "main")
    clone("pull", "-q", "--ff-only")
    assert source("rev-parse", "main~1:new") in clone.missing()
    head = clone.commit("mine")
    clone("push", "-q", "origin", "HEAD")
    assert remote.refs[MAIN] == head


# -- pushing -------------------------------------------------------------------------------------------


def test_branches_are_made_moved_and_deleted(speaking, remote) -> None:
    work = speaking.at("work").begin()
    first = work.commit("a", "1")
    work("push", "-q", remote.url, "main", "main:refs/heads/other")
    assert remote.refs == {MAIN: first, "refs/heads/other": first}
    second = work.commit("a", "2")
    work("push", "-q", remote.url, "main", ":refs/heads/other")
    assert remote.refs == {MAIN: second}
    assert "up-to-date" in work.run("push", remote.url, "main").stderr


def test_a_push_that_would_lose_commits_needs_force(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a", "1")
    work("push", "-q", remote.url, "main")
    work("commit", "-q", "--amend", "-m", "other")
    assert "[rejected]" in work.refused("push", remote.url, "main")
    said = work.run("push", remote.url, "+main")
    assert "forced update" in said.stderr
    assert remote.refs == {MAIN: work("rev-parse", "HEAD")}


def test_tags_are_pushed_and_deleted(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    work("tag", "light")
    work("tag", "-a", "heavy", "-m", "heavy")
    work("push", "-q", remote.url, "--tags")
    tags = {f"refs/tags/{name}": work("rev-parse", name) for name in ("light", "heavy")}
    assert remote.refs == tags
    work("push", "-q", remote.url, "--delete", "light", "heavy")
    assert remote.refs == {}


def test_annotated_tags_go_along(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    work("tag", "light")
    work("tag", "-a", "heavy", "-m", "heavy")
    work("push", "-q", "--follow-tags", remote.url, "main")
    assert set(remote.refs) == {MAIN, "refs/tags/heavy"}


def test_a_mirror_push_takes_away_what_is_not_here(git, remote) -> None:
    work = git.at("work").begin()
    head = work.commit("a")
    work("push", "-q", remote.url, "main", "main:refs/heads/gone", "main:refs/notes/x")
    work("branch", "new")
    work("push", "-q", "--mirror", remote.url)
    assert remote.refs == {MAIN: head, "refs/heads/new": head}


def test_an_atomic_push_is_all_or_nothing(git, remote) -> None:
    if git.version < (2, 23):
        pytest.skip(NOT_ATOMIC)
    work = git.at("work").begin()
    first = work.commit("a", "1")
    work("push", "-q", "--atomic", remote.url, "main", "main:refs/heads/other")
    work.commit("b")
    said = work.refused("push", "--atomic", remote.url, "main", "main:refs/imprint/mine")
    assert "atomic push failure" in said
    assert remote.refs == {MAIN: first, "refs/heads/other": first}
    second = work("rev-parse", "main")
    work("push", "-q", "--atomic", remote.url, "main", "main:refs/heads/other")
    assert remote.refs == {MAIN: second, "refs/heads/other": second}


def test_an_atomic_push_is_not_begun_when_one_branch_is_behind(git, remote) -> None:
    if git.version < (2, 23):
        pytest.skip(NOT_ATOMIC)
    work = git.at("work").begin()
    first = work.commit("a", "1")
    work("checkout", "-q", "-b", "elsewhere")
    second = work.commit("a", "2")
    work("push", "-q", remote.url, "main", "elsewhere:refs/heads/other")
    work("checkout", "-q", "main")
    work.commit("b")
    said = work.refused("push", "--atomic", remote.url, "main", "main:refs/heads/other")
    assert "[rejected]" in said
    assert remote.refs == {MAIN: first, "refs/heads/other": second}


def test_push_options_are_kept_with_the_event(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    work("push", "-q", "-o", "topic=blue", "-o", 'a "quoted" one', remote.url, "main")
    details = remote.site.last_event(remote.name)["details"]
    assert details["push_options"] == r'["topic=blue", "a \"quoted\" one"]'


def test_force_with_lease_notices_that_somebody_else_pushed(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a", "1")
    work("remote", "add", "origin", remote.url)
    work("push", "-q", "origin", "main")
    git("clone", "-q", remote.url, "other")
    other = git.at("other")
    theirs = other.commit("a", "theirs")
    other("push", "-q", "origin", "HEAD:main")
    work("commit", "-q", "--amend", "-m", "mine")
    assert "stale info" in work.refused("push", "--force-with-lease", "origin", "main")
    assert remote.refs == {MAIN: theirs}
    work("fetch", "-q")
    work("push", "-q", "--force-with-lease", "origin", "main")
    assert remote.refs == {MAIN: work("rev-parse", "HEAD")}


def test_a_large_push_goes_in_chunks(git, remote) -> None:
    work = git.at("work").begin()
    noise = random.Random(3).randbytes(300_000).hex()
    head = work.commit("noise", noise)
    said = work.traced("-c", "http.postBuffer=65536", "push", remote.url, "main")
    assert "transfer-encoding: chunked" in said.lower()
    assert remote.refs == {MAIN: head}
    git("clone", "-q", remote.url, "again")
    assert (git.folder / "again/noise").read_text() == noise


def test_a_thin_pack_is_completed(git, remote, source) -> None:
    git("clone", "-q", "--depth=1", remote.url, "clone")
    clone = git.at("clone")
    text = (clone.folder / "README").read_text()
    head = clone.commit("README", f"{text}one line more\n")
    clone("push", "-q", "--thin", "origin", "HEAD")
    source("fetch", "-q")
    assert source("rev-parse", "origin/main") == head
    source("fsck", "--full")


def test_a_branch_with_a_name_in_other_letters(git, remote) -> None:
    work = git.at("work").begin()
    head = work.commit("a")
    work("push", "-q", remote.url, "main:refs/heads/größe/名前")
    assert remote.refs == {"refs/heads/größe/名前": head}
    assert listed(git, remote.url)["refs/heads/größe/名前"] == head


def test_a_push_says_what_happened_to_each_ref(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    work("push", "-q", remote.url, "main", "main:refs/heads/old")
    said = work("push", "--porcelain", remote.url, "main", ":refs/heads/old", "main:refs/heads/new")
    assert "=\trefs/heads/main:refs/heads/main\t[up to date]" in said
    assert "-\t:refs/heads/old\t[deleted]" in said
    assert "*\trefs/heads/main:refs/heads/new\t[new branch]" in said
    assert said.endswith("Done")


def test_a_dry_run_changes_nothing(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    work("push", "-q", "--dry-run", remote.url, "main")
    assert remote.refs == {}


# -- SHA-256 -------------------------------------------------------------------------------------------


def test_a_sha256_repository_is_filled_cloned_fetched_and_cut_off(speaking, site) -> None:
    if speaking.version < (2, 29):
        pytest.skip("git before 2.29 has no SHA-256 repositories")
    if speaking.version < (2, 34) and "protocol.version=2" not in str(speaking.environment):
        pytest.skip("git 2.30 cannot read a SHA-256 listing in protocol 0 or 1, from any server")
    name = site.create(object_format="sha256")
    speaking("init", "-q", "--object-format=sha256", "work")
    work = speaking.at("work")
    work("symbolic-ref", "HEAD", "refs/heads/main")
    work.commit("a", "1")
    work.commit("a", "2")
    work("push", "-q", site.address(name), "main")
    speaking("clone", "-q", site.address(name), "clone")
    clone = speaking.at("clone")
    head = work.commit("a", "3")
    assert len(head) == 64
    work("push", "-q", site.address(name), "main")
    clone("fetch", "-q")
    assert clone("rev-parse", "origin/main") == head
    clone("fsck")
    speaking("clone", "-q", "--depth=1", site.address(name), "shallow")
    assert speaking.at("shallow")("rev-list", "--count", "HEAD") == "1"


def test_an_empty_sha256_repository_is_cloned_as_one(speaking, site) -> None:
    if speaking.version < (2, 42):
        pytest.skip("git before 2.42 takes every empty repository for one of SHA-1")
    name = site.create(object_format="sha256")
    speaking("clone", "-q", site.address(name), "clone")
    assert speaking.at("clone")("rev-parse", "--show-object-format") == "sha256"
    assert speaking("ls-remote", site.address(name)) == ""


# -- refusals ------------------------------------------------------------------------------------------


def test_a_reader_may_not_push(git, remote) -> None:
    work = git.at("work").begin()
    work.commit("a")
    url = remote.site.address(remote.name, remote.site.new_token(remote.name, "read"))
    assert "403" in work.refused("push", url, "main")
    assert remote.refs == {}
    work("ls-remote", url)


def test_without_a_token_there_is_no_way_in(git, remote) -> None:
    said = git.refused("ls-remote", remote.site.address(remote.name, ""))
    assert "could not read Username" in said
    assert "Authentication failed" in git.refused("ls-remote", remote.site.address(remote.name, "wrong"))


def test_a_repository_that_is_not_there_is_said_to_be_missing(git, remote) -> None:
    assert "not found" in git.refused("ls-remote", remote.site.address("compat/nowhere"))
