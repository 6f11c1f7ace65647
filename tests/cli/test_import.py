"""Taking over repositories."""

import os
from pathlib import Path

import pytest

from imprint.cli.importing.importer import without_credentials
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.types import RepositoryName

BAD_COMMIT = b"""tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
author Ada <ada@example.com> 1 +051800
committer Ada <ada@example.com> 1 +051800

bad zone
"""
"""As in the history of flask: a time zone that git's checks refuse as `badTimezone`."""


@pytest.fixture
def source(work_tree):
    """A repository with branches, tags, notes, other refs, and refs that are only its own."""
    work_tree.commit_file("a.txt", "one\n", "first")
    work_tree("checkout", "-q", "-b", "trunk")
    work_tree.commit_file("a.txt", "two\n", "second")
    work_tree("tag", "-a", "-m", "a release", "v1")
    work_tree("tag", "light")
    work_tree("notes", "--ref=refs/notes/ai", "add", "-m", "a note")
    work_tree("update-ref", "refs/changes/01/1/1", "HEAD~1")
    work_tree("update-ref", "refs/remotes/origin/main", "HEAD")
    work_tree.commit_file("a.txt", "three\n", "third")
    (work_tree.folder / "a.txt").write_text("stashed\n")
    work_tree("stash", "-q")
    return work_tree


def refs_of(git) -> dict[str, str]:
    lines = [line.split() for line in git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()]
    return {name: value for value, name in lines if not name.startswith(("refs/remotes/", "refs/stash"))}


def hosted_refs(data: Path, name: str = "acme/app") -> tuple[str, dict[str, str]]:
    hosting = Hosting.open(DataFolder.create_or_open(data))
    try:
        repository = hosting.get(RepositoryName.parse(name))
        snapshot = repository.view.refs.snapshot()
        tips = "\n".join({value.id for value in snapshot.refs.values()})
        repository.view.plumbing.run("fsck", "--full", "--strict", "--no-dangling", *tips.split())
        return snapshot.head.text, {ref.text: str(value.id) for ref, value in snapshot.refs.items()}
    finally:
        hosting.close()


def test_everything_but_what_is_the_clones_own_comes_along(imprint, source, tmp_path: Path) -> None:
    before = source("for-each-ref"), sorted(path.name for path in (source.folder / ".git").iterdir())
    ended = imprint("import", str(source.folder), "acme/app", "--data", "data", "--json")
    assert ended.code == 0, ended.stderr
    assert ended.document["name"] == "acme/app"
    assert ended.document["default_branch"] == "trunk"
    head, refs = hosted_refs(tmp_path / "data")
    assert head == "refs/heads/trunk"
    assert refs == refs_of(source)
    assert ended.document["refs"] == len(refs)
    assert {"refs/notes/ai", "refs/changes/01/1/1", "refs/tags/v1"} <= refs.keys()
    assert before == (
        source("for-each-ref"),
        sorted(path.name for path in (source.folder / ".git").iterdir()),
    )


def test_importing_again_takes_what_is_new(imprint, source, tmp_path: Path) -> None:
    imprint("import", str(source.folder), "acme/app", "--data", "data")
    assert imprint("import", str(source.folder), "acme/app", "--data", "data").code == 0
    source("checkout", "-q", "main")
    source.commit_file("b.txt", "b\n", "fourth")
    source("branch", "-f", "trunk", "main")
    assert imprint("import", str(source.folder), "acme/app", "--data", "data").code == 0
    head, refs = hosted_refs(tmp_path / "data")
    assert (head, refs) == ("refs/heads/main", refs_of(source))


def test_the_import_is_one_event_that_names_its_source(imprint, source, tmp_path: Path) -> None:
    imprint("import", str(source.folder), "acme/app", "--data", "data")
    hosting = Hosting.open(DataFolder.create_or_open(tmp_path / "data"))
    repository_id = hosting.get(RepositoryName.parse("acme/app")).record.id
    events = hosting.catalogue.list_events(repository_id)
    hosting.close()
    assert [event.kind.value for event in events] == ["created", "import"]
    assert events[1].details["source"] == str(source.folder)
    assert events[1].actor == "operator"


def test_a_url_is_mirrored_first_and_the_mirror_is_gone(imprint, source, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = imprint("import", f"file://{source.folder}", "acme/app", "--data", "data")
    assert ended.code == 0, ended.stderr
    _, refs = hosted_refs(tmp_path / "data")
    assert refs.keys() >= refs_of(source).keys()
    assert list(tmp_path.glob("imprint-import-*")) == []


def test_a_bare_repository_and_an_empty_one_are_taken(imprint, source, tmp_path: Path, git_client) -> None:
    git = git_client(tmp_path)
    git("clone", "-q", "--mirror", str(source.folder), "bare.git")
    git("init", "-q", "-b", "someday", "empty")
    assert imprint("import", "bare.git", "acme/app", "--data", "data").code == 0
    assert imprint("import", "empty", "acme/empty", "--data", "data").code == 0
    assert hosted_refs(tmp_path / "data")[0] == "refs/heads/trunk"
    assert hosted_refs(tmp_path / "data", "acme/empty") == ("refs/heads/someday", {})


def test_ids_of_either_algorithm_come_along_and_do_not_mix(imprint, tmp_path: Path, git_client) -> None:
    data = tmp_path / "data"
    for name in ("sha1", "sha256"):
        (tmp_path / name).mkdir()
        git = git_client(tmp_path / name)
        git("init", "-q", "-b", "main", f"--object-format={name}")
        head = git.commit_file("a.txt", name)
        imprint("import", name, f"acme/{name}", "--data", data)
        assert hosted_refs(data, f"acme/{name}")[1] == {"refs/heads/main": head}
    refused = imprint("import", "sha1", "acme/sha256", "--data", data)
    assert refused.code == 1
    assert "object format" in refused.stderr


def test_a_repository_is_made_in_the_object_format_that_is_asked_for(imprint) -> None:
    made = imprint("repo", "create", "acme/wide", "--object-format", "sha256", "--data", "data", "--json")
    assert made.document["object_format"] == "sha256"
    assert imprint("repo", "create", "acme/x", "--object-format", "md5", "--data", "data").code == 2


def test_collecting_removes_a_pack_that_was_never_admitted(
    imprint, source, tmp_path: Path, git_client
) -> None:
    imprint("import", str(source.folder), "acme/app", "--data", "data")
    (bare,) = (tmp_path / "data" / "ground" / "repositories").glob("*.git")
    before = refs_of(git_client(bare)), sorted(path.name for path in (bare / "objects" / "pack").iterdir())
    stray = source("hash-object", "-w", "--stdin", stdin=b"stray")
    pack = source("pack-objects", str(bare / "objects" / "pack" / "pack"), stdin=f"{stray}\n".encode())
    ended = imprint("repo", "collect", "--data", "data", "--json")
    assert ended.document["repos"] == [
        {
            "name": "acme/app",
            "quarantines": 0,
            "packs": [f"pack-{pack}"],
            "suspicious": [],
            "retired": [],
            "missing": [],
            "lost": False,
        }
    ]
    after = refs_of(git_client(bare)), sorted(path.name for path in (bare / "objects" / "pack").iterdir())
    assert after == before
    assert "0 packs" in imprint("repo", "collect", "--data", "data").stdout


def test_a_deletion_whose_grace_is_over_is_collected(imprint) -> None:
    imprint("repo", "create", "acme/app", "--data", "data")
    imprint("repo", "delete", "acme/app", "--grace", "0s", "--data", "data")
    assert imprint("repo", "collect", "--data", "data", "--json").document["purged"] == 1
    assert imprint("repo", "restore", "acme/app", "--data", "data").code == 1


def add_bad_commit(source) -> str:
    bad = source("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=BAD_COMMIT)
    source("update-ref", "refs/heads/bad", bad)
    return bad


def test_an_object_that_git_refuses_is_named_and_nothing_is_kept(imprint, source, tmp_path: Path) -> None:
    bad = add_bad_commit(source)
    ended = imprint("import", str(source.folder), "acme/app", "--data", "data", "--json")
    assert ended.code == 1
    assert (ended.document["name"], ended.document["imported"]) == ("acme/app", False)
    assert f"refuse object {bad}" in ended.document["error"]
    assert f"refuse object {bad}" in ended.stderr
    assert "badTimezone" in ended.stderr
    assert imprint("repo", "list", "--data", "data", "--json").document["repos"] == []
    source("update-ref", "-d", "refs/heads/bad")
    assert imprint("import", str(source.folder), "acme/app", "--data", "data").code == 0


def test_a_ref_that_collides_is_named_and_the_others_come(imprint, source, tmp_path: Path) -> None:
    """The import of before left a branch that is now a folder of branches."""
    source("branch", "topic", "main")
    imprint("import", str(source.folder), "acme/app", "--data", "data")
    source("branch", "-D", "topic")
    source("branch", "topic/one", "main")
    source("branch", "other", "main")
    ended = imprint("import", str(source.folder), "acme/app", "--data", "data", "--json")
    assert ended.code == 1
    assert "1 ref did not come along: refs/heads/topic/one: " in ended.stderr
    _, refs = hosted_refs(tmp_path / "data")
    assert "refs/heads/other" in refs
    assert ended.document["refs"] == len(refs_of(source)) - 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "no repository at nowhere"),
        ("plain", "not a Git repository"),
        ("work/.git/refs", "repository"),
        ("file:///nowhere.git", "could not clone"),
        ("--upload-pack=evil", "no repository"),
    ],
)
def test_a_place_that_is_no_repository_is_said_so(
    imprint, source, tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "plain").mkdir()
    ended = imprint("import", "--data", "data", "--", place, "acme/app")
    assert ended.code == 1
    assert words in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_inside_of_a_repository_is_not_the_repository(imprint, source) -> None:
    source.commit_file("sub/b.txt", "b\n")
    ended = imprint("import", "sub", "acme/app", "--data", "data", cwd=source.folder)
    assert ended.code == 1
    assert "inside a repository" in ended.stderr


def test_a_shallow_clone_is_refused(imprint, source, tmp_path: Path, git_client) -> None:
    git_client(tmp_path)("clone", "-q", "--depth=1", f"file://{source.folder}", "shallow")
    ended = imprint("import", "shallow", "acme/app", "--data", "data")
    assert ended.code == 1
    assert "--unshallow" in ended.stderr


def test_a_repository_that_lacks_objects_is_refused_and_nothing_is_kept(imprint, source) -> None:
    blob = source("rev-parse", "HEAD:a.txt")
    (source.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    ended = imprint("import", str(source.folder), "acme/app", "--data", "data")
    assert ended.code == 1
    assert "could not read all" in ended.stderr
    assert f"it lacks object {blob}" in ended.stderr
    assert "'git fsck' in the source says more" in ended.stderr
    assert imprint("repo", "list", "--data", "data", "--json").document["repos"] == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ghp_secret@example.com/a.git", "https://example.com/a.git"),
        ("https://me:secret@example.com:8443/a.git", "https://example.com:8443/a.git"),
        ("ssh://git@example.com/a.git", "ssh://git@example.com/a.git"),
        ("git@example.com:a.git", "git@example.com:a.git"),
    ],
)
def test_credentials_in_a_url_are_neither_kept_nor_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize("name", ["../evil", "acme", "acme/..", "api/x"])
def test_a_bad_name_is_wrong_usage(imprint, source, name: str, tmp_path: Path) -> None:
    assert imprint("import", str(source.folder), name, "--data", "data").code == 2
    assert not (tmp_path / "data").exists()


def test_a_server_is_given_the_same_and_no_command_line_shows_the_token(
    sample, source, imprint_process, imprint, tmp_path: Path
) -> None:
    git_log = tmp_path / "commands"
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >> {git_log}\nPATH=${{PATH#*:}} exec git "$@"\n')
    spy.chmod(0o755)
    add_bad_commit(source)
    options = {
        "IMPRINT_SERVER": sample.url,
        "IMPRINT_TOKEN": sample.token,
        "PATH": f"{spy.parent}:{os.environ['PATH']}",
    }
    refused = imprint_process("import", str(source.folder), "acme/import", **options)
    assert refused.code == 1
    assert "badTimezone" in refused.stderr.splitlines()[-2]
    assert "remote rejected" not in refused.stderr
    known = imprint("repo", "list", "--data", str(sample.data), "--json").document["repos"]
    assert "acme/import" not in {each["name"] for each in known}
    source("update-ref", "-d", "refs/heads/bad")
    ended = imprint_process("import", str(source.folder), "acme/import", "--json", **options)
    assert ended.code == 0, ended.stderr
    assert ended.document["default_branch"] == "trunk"
    assert hosted_refs(sample.data, "acme/import") == ("refs/heads/trunk", refs_of(source))
    assert "push" in git_log.read_text()
    assert sample.token not in git_log.read_text()
    imprint("repo", "delete", "acme/import", "--grace", "0s", "--data", str(sample.data))


def test_everything_that_is_refused_is_listed_with_what_would_take_it(imprint, source) -> None:
    bad = add_bad_commit(source)
    blob = source("rev-parse", "main:a.txt")
    tree = source(
        *("hash-object", "-w", "--literally", "-t", "tree", "--stdin"),
        stdin=b"0100644 a\0" + bytes.fromhex(blob),
    )
    source("update-ref", "refs/heads/padded", source("commit-tree", tree, "-m", "padded"))
    refused = imprint("import", str(source.folder), "acme/app", "--data", "data")
    assert refused.code == 1
    assert f"badTimezone: 1 (object {bad})" in refused.stderr
    assert f"zeroPaddedFilemode: 1 (object {tree})" in refused.stderr
    assert "add --skip-list-from-report to the command" in refused.stderr
    assert "add --allow badTimezone --allow zeroPaddedFilemode" in refused.stderr


def test_only_what_is_refused_now_is_taken_by_its_id(imprint, source, tmp_path: Path) -> None:
    bad = add_bad_commit(source)
    arguments = ("import", str(source.folder), "acme/app", "--data", "data")
    assert imprint(*arguments, "--skip-list-from-report").code == 0
    chosen = imprint("repo", "settings", "acme/app", "--data", "data", "--json").document["settings"]
    assert chosen == {"receive.fsck.skipList": bad}
    assert imprint(*arguments).code == 0
    other = BAD_COMMIT.replace(b"bad zone", b"worse")
    another = source("hash-object", "-w", "--literally", "-t", "commit", "--stdin", stdin=other)
    source("update-ref", "refs/heads/another", another)
    again = imprint(*arguments)
    assert again.code == 1
    assert f"refuse object {another}" in again.stderr
    assert imprint(*arguments, "--skip-list-from-report").code == 0
    chosen = imprint("repo", "settings", "acme/app", "--data", "data", "--json").document["settings"]
    assert chosen == {"receive.fsck.skipList": "\n".join(sorted([bad, another]))}


def test_what_is_allowed_is_a_setting_and_the_event_tells(imprint, source, tmp_path: Path) -> None:
    add_bad_commit(source)
    arguments = ("import", str(source.folder), "acme/app", "--data", "data")
    wrong = imprint(*arguments, "--allow", "badTimezon")
    assert wrong.code == 2
    assert "receive.fsck.badTimezone" in wrong.stderr
    assert imprint("repo", "list", "--data", "data", "--json").document["repos"] == []
    assert imprint(*arguments, "--allow", "badTimezone").code == 0
    hosting = Hosting.open(DataFolder.create_or_open(tmp_path / "data"))
    try:
        repository = hosting.get(RepositoryName.parse("acme/app"))
        events = hosting.catalogue.list_events(repository.record.id)
    finally:
        hosting.close()
    assert [event.kind.value for event in events] == ["created", "settings", "import"]
    assert events[-1].details["receive.fsck.badTimezone"] == "warn"


def test_a_server_is_told_what_to_allow(sample, source, imprint_process, imprint) -> None:
    bad = add_bad_commit(source)
    options = {"IMPRINT_SERVER": sample.url, "IMPRINT_TOKEN": sample.token}
    refused = imprint_process("import", str(source.folder), "acme/allowed", **options)
    assert f"badTimezone: 1 (object {bad})" in refused.stderr
    ended = imprint_process(
        "import", str(source.folder), "acme/allowed", "--skip-list-from-report", "--json", **options
    )
    assert ended.code == 0, ended.stderr
    assert ended.document["refs"] == len(refs_of(source))
    imprint("repo", "delete", "acme/allowed", "--grace", "0s", "--data", str(sample.data))


def test_a_server_is_told_of_no_source_that_lacks_objects(sample, source, imprint_process, imprint) -> None:
    blob = source("rev-parse", "HEAD:a.txt")
    (source.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    options = {"IMPRINT_SERVER": sample.url, "IMPRINT_TOKEN": sample.token}
    refused = imprint_process("import", str(source.folder), "acme/lacking", "--json", **options)
    assert refused.code == 1
    assert f"it lacks object {blob}" in refused.document["error"]
    assert "'git fsck' in the source says more" in refused.stderr
    assert "disconnect" not in refused.stderr
    known = imprint("repo", "list", "--data", str(sample.data), "--json").document["repos"]
    assert "acme/lacking" not in {each["name"] for each in known}


# -- provenance -----------------------------------------------------------------------------------------

CHECKPOINTS = "refs/heads/entire/checkpoints/v1"


@pytest.fixture
def recorded(work_tree):
    """A repository with a checkpoint on the branch of checkpoints, and a commit that names it."""
    talk = b'{"type":"user","uuid":"u1","sessionId":"s1","message":{"role":"user","content":"add x"}}\n'
    files = {
        "aa/aaaaaaaa01/metadata.json": b'{"checkpoint_id": "aaaaaaaaaa01"}',
        "aa/aaaaaaaa01/0/metadata.json": b'{"session_id": "s1", "agent": "Claude Code"}',
        "aa/aaaaaaaa01/0/full.jsonl": talk,
    }
    parts = [f"commit {CHECKPOINTS}\ncommitter Ada <ada@example.com> 1767323045 +0000\ndata 1\nx\n".encode()]
    for path, content in files.items():
        parts.append(f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
    work_tree.commit_file("a.txt", "one\n", "first\n\nEntire-Checkpoint: aaaaaaaaaa01\n")
    work_tree.run("fast-import", "--quiet", stdin=b"".join(parts))
    return work_tree


def test_checkpoints_are_read_and_counted_and_once_is_enough(imprint, recorded) -> None:
    first = imprint("import", str(recorded.folder), "acme/app", "--data", "data", "--json")
    assert first.code == 0, first.stderr
    found = first.document["provenance"]
    assert (found["checkpoints"], found["sessions"], found["new_records"], found["problems"]) == (1, 1, 1, {})
    again = imprint("import", str(recorded.folder), "acme/app", "--data", "data", "--json").document[
        "provenance"
    ]
    assert (again["records"], again["new_records"], again["kept_transcripts"]) == (1, 0, 0)


def test_a_ref_that_lacks_objects_stays_behind_only_when_asked_and_is_read_as_far_as_it_goes(
    imprint, recorded
) -> None:
    blob = recorded("rev-parse", f"{CHECKPOINTS}:aa/aaaaaaaa01/0/full.jsonl")
    for pack in (recorded.folder / ".git/objects/pack").glob("*"):
        pack.chmod(0o600)
        pack.rename(recorded.folder / pack.name)
    for pack in recorded.folder.glob("*.pack"):
        recorded.run("unpack-objects", "-q", stdin=pack.read_bytes())
    (recorded.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    refused = imprint("import", str(recorded.folder), "acme/app", "--data", "data")
    assert refused.code == 1
    assert "--allow-missing" in refused.stderr
    ended = imprint("import", str(recorded.folder), "acme/app", "--data", "data", "--allow-missing", "--json")
    assert ended.code == 0, ended.stderr
    assert ended.document["left"] == [f"{CHECKPOINTS}: its history lacks 1 object"]
    found = ended.document["provenance"]
    assert found["absent"] == [{"checkpoint": "aaaaaaaaaa01", "path": "0/full.jsonl", "id": blob}]
    assert (found["records"], found["problems"]) == (1, {"absent": 1})
    again = imprint("import", str(recorded.folder), "acme/app", "--data", "data", "--allow-missing", "--json")
    assert again.document["provenance"]["new_records"] == 0
    checks = imprint("doctor", "--data", "data", "--json").document["checks"]
    (told,) = [check["found"] for check in checks if check["what"] == "records of acme/app"]
    assert told.startswith("1 absent; first aaaaaaaaaa01/0/full.jsonl")


def test_files_of_agent_trace_records_come_along(imprint, recorded, tmp_path: Path) -> None:
    head = recorded("rev-parse", "HEAD")
    parts = '[{"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 1}]}]'
    file = tmp_path / "given.json"
    file.write_text(
        f'{{"version": "0.1.0", "id": "x", "vcs": {{"type": "git", "revision": "{head}"}},'
        f' "tool": {{"name": "cursor"}}, "files": [{{"path": "a.txt", "conversations": {parts}}}]}}'
    )
    ended = imprint(
        "import", str(recorded.folder), "acme/app", "--data", "data", "--agent-trace", str(file), "--json"
    )
    assert ended.code == 0, ended.stderr
    assert (ended.document["provenance"]["traces"], ended.document["provenance"]["records"]) == (1, 2)
    blamed = imprint("blame", "a.txt", "--data", "data", "--repo", "acme/app", "--json").document
    assert "agent-trace" in str(blamed) or "entire checkpoint" in str(blamed)
