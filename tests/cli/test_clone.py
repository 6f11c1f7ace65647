"""Commands inside a clone, with no server."""

import subprocess
from pathlib import Path

import pytest

from imprint.semantic.indexing.build import AT_ONCE_BLOBS_MAX

APP = """class RetryPolicy:
    def delay(self, attempt):
        return 2 ** attempt


def call_bank(policy):
    return policy.delay(1)
"""


@pytest.fixture
def clone(work_tree) -> Path:
    """Two commits: one by a person, one that declares an agent."""
    work_tree.commit_file("src/app.py", APP, "Call the bank")
    work_tree.commit_file(
        "src/app.py",
        APP + "\n\ndef close():\n    return None\n",
        "Close the shop\n\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>",
    )
    return work_tree.folder


def test_search_and_symbol_index_the_clone_first(imprint, clone: Path, work_tree) -> None:
    ended = imprint("search", "retry policy", "--json", cwd=clone)
    assert ended.code == 0
    assert (ended.document["commit"], ended.document["behind"]) == (work_tree("rev-parse", "HEAD"), 0)
    assert ended.document["hits"][0]["path"] == "src/app.py"
    assert ended.document["hits"][0]["repo"] == "work"
    (found,) = imprint("symbol", "RetryPolicy", "--json", cwd=clone).document["symbols"]
    assert found["path"] == "src/app.py"
    work_tree.commit_file("src/new.py", "def zyzzyva():\n    return 1\n")
    fresh = imprint("symbol", "zyzzyva", "--json", cwd=clone)
    assert (fresh.code, fresh.document["behind"]) == (0, 0)
    assert imprint("symbol", "zyzzyva", "--ref", "HEAD~1", "--json", cwd=clone).code == 1
    assert imprint("index", "status", "--json", cwd=clone).document["behind"] == 0


def test_the_index_says_what_is_left_and_who_does_it(imprint, clone: Path, work_tree) -> None:
    for number in range(AT_ONCE_BLOBS_MAX):
        (clone / f"file_{number}.py").write_text(f"def work_{number}():\n    return {number}\n")
    work_tree("add", ".")
    work_tree("commit", "-q", "-m", "Add much")
    before = imprint("index", "status", cwd=clone)
    assert "behind   3 commits" in before.stdout
    assert f"{AT_ONCE_BLOBS_MAX + 1} contents of HEAD still to index" in before.stderr
    assert imprint("map", cwd=clone).code == 0
    after = imprint("index", "status", cwd=clone)
    assert ("behind   0 commits" in after.stdout, after.stderr) == (True, "")


@pytest.mark.parametrize(
    "command", ["symbol", "definition", "references", "callers", "impact", "history", "why"]
)
def test_a_name_may_have_its_file_before_it(imprint, clone: Path, work_tree, command: str) -> None:
    work_tree.commit_file("src/other.py", "class Other:\n    def delay(self):\n        return 1\n")
    asked = imprint(command, "app.py:delay", "--json", cwd=clone / "src")
    assert (asked.code, asked.stderr) == (0, "")
    assert "src/app.py" in asked.stdout
    assert "other.py" not in asked.stdout
    assert imprint(command, "src/app.py:RetryPolicy.delay", cwd=clone).code == 0
    gone = imprint(command, "src/app.py:nobody", cwd=clone)
    assert (gone.code, "nobody" in gone.stderr) == (1, True)


def test_only_the_cache_is_written_and_it_may_be_deleted(imprint, clone: Path, work_tree) -> None:
    before = work_tree("status", "--porcelain", "--ignored")
    first = imprint("why", "src/app.py:1", "--json", cwd=clone)
    cache = clone / ".git" / "imprint" / "cache"
    assert (cache / "provenance.db").exists()
    assert work_tree("status", "--porcelain", "--ignored") == before
    subprocess.run(["rm", "-r", str(cache)], check=True)
    assert imprint("why", "src/app.py:1", "--json", cwd=clone).document == first.document


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("", "src/app.py"),
        ("src", "app.py"),
        ("src", "../src/app.py"),
        ("src", "./app.py"),
        ("src", "ABSOLUTE"),
    ],
)
def test_files_are_named_from_the_current_directory(imprint, clone: Path, folder: str, file: str) -> None:
    if file == "ABSOLUTE":
        file = str(clone / "src" / "app.py")
    ended = imprint("why", f"{file}:11", "--json", cwd=clone / folder)
    assert ended.code == 0
    assert ended.document["path"] == "src/app.py"
    claim = ended.document["claims"][0]
    assert (claim["evidence"], claim["agent"]) == ("declared", "claude-code")


def test_a_folder_that_leads_there_by_a_link_is_the_same_place(imprint, clone: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(clone / "src")
    assert imprint("blame", "app.py", cwd=tmp_path / "shortcut").code == 0


@pytest.mark.parametrize("file", ["../outside.py", "..", ".", "/etc/passwd", ""])
def test_a_file_outside_of_the_clone_is_wrong_usage(imprint, clone: Path, file: str) -> None:
    assert imprint("blame", file, cwd=clone).code == 2


def test_lines_are_those_of_git(imprint, clone: Path, work_tree) -> None:
    lines = imprint("blame", "src/app.py", "--json", cwd=clone).document["lines"]
    expected = [line.split()[0] for line in work_tree("blame", "-l", "--root", "src/app.py").splitlines()]
    assert [line["commit"] for line in lines] == expected


def test_changes_that_are_not_committed_are_pointed_out(imprint, clone: Path) -> None:
    assert imprint("why", "src/app.py:1", cwd=clone).stderr == ""
    (clone / "src" / "app.py").write_text("# new first line\n" + APP)
    ended = imprint("why", "src/app.py:1", cwd=clone)
    assert "has changes since HEAD" in ended.stderr
    assert "class RetryPolicy" in ended.stdout


@pytest.mark.parametrize("name", ["two\nlines", 'quo"te', "back\\slash", " #", "-dash", "caf\udce9"])
def test_a_clone_may_have_any_name(imprint, clone: Path, tmp_path: Path, name: str) -> None:
    odd = tmp_path / name
    clone.rename(odd)
    commands = [["blame", "src/app.py"], ["why", "src/app.py:11"], ["audit"]]
    if name.isprintable():  # LanceDB has no tables below other folders
        commands.append(["history", "RetryPolicy"])
    for command in commands:
        ended = imprint(*command, "--json", cwd=odd)
        assert (ended.code, ended.stderr) == (0, "")


def test_a_link_is_compared_and_not_followed(imprint, clone: Path, work_tree) -> None:
    (clone / "lnk").symlink_to("src/app.py")
    work_tree("add", "lnk")
    work_tree("commit", "-q", "-m", "Link it")
    ended = imprint("blame", "lnk", cwd=clone)
    assert (ended.code, ended.stderr) == (0, "")
    assert "src/app.py" in ended.stdout
    (clone / "lnk").unlink()
    (clone / "lnk").symlink_to("src/gone.py")
    assert "has changes since HEAD" in imprint("blame", "lnk", cwd=clone).stderr


def test_a_server_in_the_environment_that_is_not_the_clones_is_not_asked(
    imprint, clone: Path, tmp_path: Path, work_tree
) -> None:
    work_tree("remote", "add", "origin", "http://127.0.0.1:2/acme/app.git")
    for arguments in (
        ["search", "retry"],
        ["symbol", "RetryPolicy"],
        ["blame", "app.py"],
        ["why", "app.py:1"],
        ["audit"],
        ["index", "status"],
    ):
        assert imprint(*arguments, cwd=clone / "src", server="http://127.0.0.1:1").code == 0
    theirs = imprint("audit", cwd=clone, server="http://127.0.0.1:2")
    assert "nothing answers at http://127.0.0.1:2" in theirs.stderr
    named = imprint("audit", "--server", "http://127.0.0.1:1", cwd=clone)
    assert (named.code, "say which repository" in named.stderr) == (2, True)
    outside = imprint("audit", cwd=tmp_path, server="http://127.0.0.1:1")
    assert (outside.code, "say which repository" in outside.stderr) == (2, True)


def test_the_first_indexing_of_many_files_is_announced_where_no_terminal_shows_it(
    imprint, clone: Path, work_tree
) -> None:
    for number in range(AT_ONCE_BLOBS_MAX):
        (clone / f"part_{number}.py").write_text(f"def part_{number}():\n    return {number}\n")
    work_tree("add", "-A")
    work_tree("commit", "-qm", "Many parts")
    told = f"indexing {AT_ONCE_BLOBS_MAX + 1} files of HEAD, once\n"
    assert imprint("search", "retry", cwd=clone).stderr.startswith(told)
    assert imprint("search", "retry", cwd=clone).stderr == ""


def test_audit_counts_what_git_counts(imprint, clone: Path, work_tree) -> None:
    answer = imprint("audit", "--json", cwd=clone).document
    assert answer["commits"]["total"] == int(work_tree("rev-list", "--count", "HEAD"))
    assert answer["lines"]["total"] == len((clone / "src" / "app.py").read_text().splitlines())
    assert answer["commits"]["declared"] == 1
    shown = imprint("audit", cwd=clone)
    assert "claude-code" in shown.stdout
    assert "1 commit declares an agent and has no record:" in shown.stdout


def test_a_commit_that_no_ref_leads_to_is_explained_too(imprint, clone: Path, work_tree) -> None:
    gone = work_tree("rev-parse", "HEAD")
    work_tree("reset", "-q", "--hard", "HEAD~1")
    work_tree("reflog", "expire", "--expire=now", "--all")
    ended = imprint("why", "src/app.py:11", "--ref", gone, "--json", cwd=clone)
    assert ended.document["claims"][0]["agent"] == "claude-code"


def test_nothing_is_bound_in_a_clone_and_no_session_is_listed(imprint, clone: Path) -> None:
    assert imprint("audit", "--json", cwd=clone).document["commits"]["bound"] == 0
    ended = imprint("session", "list", cwd=clone)
    assert ended.code == 1
    assert "--server" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["blame", "no-such-file"], 1),
        (["blame", "src"], 1),
        (["why", "src/app.py:9999"], 1),
        (["why", "no-such-file:1"], 1),
        (["blame", "src/app.py", "--ref", "no-such-branch"], 1),
        (["search", "..."], 2),
        (["symbol", ""], 2),
    ],
)
def test_what_is_not_there_ends_with_1_and_what_cannot_be_with_2(
    imprint, clone: Path, arguments, code
) -> None:
    ended = imprint(*arguments, "--json", cwd=clone)
    assert (ended.code, ended.stdout) == (code, "")
    assert "imprint: error: " in ended.stderr


def test_an_empty_repository_has_nothing_to_say(imprint, work_tree) -> None:
    for arguments in (["search", "x"], ["audit"], ["blame", "x"]):
        ended = imprint(*arguments, cwd=work_tree.folder)
        assert ended.code == 1
        assert "no commit yet" in ended.stderr


def test_a_path_that_is_not_text_is_shown_and_read_in_quotes(imprint, work_tree) -> None:
    name = b"caf\xe9\x1b[31m.py"
    target = Path(work_tree.folder, name.decode("utf-8", "surrogateescape"))
    target.write_text("def espresso():\n    return 1\n")
    work_tree("add", "-A")
    work_tree("commit", "-q", "-m", "Open the caf\x1b[31m")
    shown = r'"caf\351\033[31m.py"'
    found = imprint("symbol", "espresso", cwd=work_tree.folder)
    assert shown in found.stdout
    assert "\x1b" not in found.stdout
    ended = imprint("why", f"{shown}:1", cwd=work_tree.folder)
    assert ended.code == 0
    assert "\x1b" not in ended.stdout
    assert imprint("blame", shown, "--json", cwd=work_tree.folder).document["path"] == shown
    raw = imprint("blame", target.name, "--json", cwd=work_tree.folder)
    assert raw.document["path"] == shown


def test_a_bare_repository_is_read_from_its_root(imprint, clone: Path, tmp_path: Path, git_client) -> None:
    git_client(tmp_path)("clone", "-q", "--bare", str(clone), "bare.git")
    ended = imprint("why", "src/app.py:11", "--json", cwd=tmp_path / "bare.git")
    assert ended.document["claims"][0]["evidence"] == "declared"


def test_a_linked_work_tree_has_its_own_head(imprint, clone: Path, work_tree, tmp_path: Path) -> None:
    work_tree("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD~1")
    ended = imprint("blame", "src/app.py", "--json", cwd=tmp_path / "linked")
    assert ended.document["commit"] == work_tree("rev-parse", "HEAD~1")


def test_on_a_terminal_there_is_a_table(clone: Path) -> None:
    """A pseudo-terminal: rich draws, and no text of the repository brings its own colours."""
    import os
    import pty
    import sys

    (clone / "src" / "app.py").write_text("# red\n")
    message = "\x1b[31mred\n\nCo-Authored-By: Claude <noreply@anthropic.com>"
    subprocess.run(["git", "commit", "-qam", message], cwd=clone, check=True, env=terminal_environment())
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "imprint.cli.main", "audit"],
        cwd=clone,
        stdout=follower,
        stderr=follower,
        env=terminal_environment(),
    )
    os.close(follower)
    said = b""
    try:
        while piece := os.read(leader, 4096):
            said += piece
    except OSError:
        pass
    os.close(leader)
    assert process.wait() == 0
    assert "─".encode() in said
    assert rb"\x1b[31mred" in said
    assert b"\x1b[31m" not in said


def terminal_environment() -> dict[str, str]:
    import os

    names = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "Ada"}
    return {**os.environ, **names, "GIT_COMMITTER_EMAIL": "a@b.c", "TERM": "xterm", "COLUMNS": "120"}


def test_the_audit_has_a_row_for_each_bot(imprint, work_tree) -> None:
    work_tree.commit_file("a.txt", "a\n")
    work_tree.commit_file("lock", "1\n", "bump", author_name="dependabot[bot]", author_email="x@example.com")
    shown = imprint("audit", cwd=work_tree.folder)
    assert shown.code == 0
    assert [line.split() for line in shown.stdout.splitlines() if "dependabot" in line] == [
        ["dependabot", "1", "1"]
    ]
    assert "WITHOUT AN AGENT" in shown.stdout
