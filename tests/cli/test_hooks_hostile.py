"""`imprint hooks` in a repository whose files mean harm: links that lead out, names that are taken, races."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_hooks import AGENTS, Place, picture

from imprint.cli.call import Surroundings
from imprint.cli.capture.hooks.files import Change, Manifest
from imprint.cli.capture.hooks.unlinked import open_spot
from imprint.cli.main import run

MARK = "imprint/ground/hooks/record"


@pytest.fixture
def place(work_tree, capsys) -> Place:
    del work_tree.environment["GIT_TEMPLATE_DIR"]
    work_tree("init", "-q")  # again, with the sample hooks that a repository of anybody's has
    return Place(work_tree.folder, work_tree, capsys)


@pytest.fixture
def precious(place: Place) -> dict[str, Any]:
    """Files of the user that a link in the work tree may lead to."""
    (place.home / ".claude").mkdir()
    (place.home / ".claude/settings.json").write_text("{}\n")
    (place.home / ".bashrc").write_text("export A=1\n")
    (place.home / "empty").mkdir()
    return picture(place.home)


def link(place: Place, name: str, target: str) -> Path:
    path = place.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


LINKS = {
    "opencode": (".opencode/plugins/imprint.ts", "../../../home/.bashrc"),
    "claude-code": (".claude/settings.local.json", "../../home/.claude/settings.json"),
    "gemini-cli": (".gemini", "../home/.claude"),
    "codex": (".codex/hooks.json", "../../home/new.json"),
    "cursor": (".cursor", ".cursor"),
    "copilot-cli": (".github/hooks", "../.git/hooks"),
}


def test_links_that_lead_out_of_the_work_tree_are_refused(place: Place, precious: dict[str, Any]) -> None:
    for name, target in LINKS.values():
        link(place, name, target)
    hooks = picture(place.folder / ".git/hooks")
    said = place("install", *AGENTS, code=1)
    assert said.count("it leads out of this work tree, to") == 4
    assert "it leads into a Git folder" in said
    assert "its links lead nowhere" in said
    assert picture(place.home) == precious
    assert picture(place.folder / ".git/hooks").keys() - hooks.keys() == {"post-commit", "post-rewrite"}
    status = place("status")
    assert "leads out of this work tree" in status
    place("uninstall")
    assert picture(place.home) == precious


def test_one_that_leads_out_does_not_keep_the_others(place: Place, precious: dict[str, Any]) -> None:
    link(place, *LINKS["opencode"])
    said = place("install", "opencode", "cursor", code=1)
    assert "opencode" in said
    assert (place.folder / ".cursor/hooks.json").exists()
    assert picture(place.home) == precious


@pytest.mark.parametrize("agent", ["opencode", "copilot-cli"])
def test_a_file_of_our_name_without_our_mark_is_not_ours(place: Place, agent: str) -> None:
    name = ".opencode/plugins/imprint.ts" if agent == "opencode" else ".github/hooks/imprint.json"
    file = place.write(name, '{"version": 1}\n')
    assert "not ours" in place("install", agent, code=1)
    assert file.read_text() == '{"version": 1}\n'
    file.unlink()
    place("install", agent)
    file.write_text(file.read_text().replace("imprint: written", "imprint: once written"))
    place("install", agent)
    assert MARK in file.read_text()


def test_what_is_committed_selects_no_agent(place: Place) -> None:
    for name in (".claude", ".codex", ".gemini", ".cursor", ".opencode"):
        (place.folder / name).mkdir()
    program = place.write("node_modules/.bin/codex", "#!/bin/sh\n", 0o755)
    place.git.environment["PATH"] += f":{program.parent}:node_modules/.bin"
    assert "no agent is at hand" in place("install")


def test_a_link_that_came_since_is_not_followed(place: Place, precious: dict[str, Any]) -> None:
    """As a pull could bring it, between installing and uninstalling."""
    place("install", "claude-code", "opencode")
    ours = (place.folder / ".claude/settings.local.json").read_bytes()
    (place.home / ".claude/settings.local.json").write_bytes(ours)
    before = picture(place.home)
    (place.folder / ".claude/settings.local.json").unlink()
    (place.folder / ".claude").rmdir()
    link(place, ".claude", str(place.home / ".claude"))
    plugin = place.folder / ".opencode/plugins/imprint.ts"
    (place.home / "plugin").write_bytes(plugin.read_bytes())
    before = picture(place.home)
    plugin.unlink()
    plugin.symlink_to(place.home / "plugin")
    said = place("uninstall", code=1)
    assert said.count("links in a work tree are not followed") == 2
    assert picture(place.home) == before
    assert precious.items() <= before.items() | precious.items()


def test_what_changed_after_it_was_planned_is_not_replaced(place: Place, tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "kept")
    target = tmp_path / "target"
    target.write_text("precious\n")
    folder = (tmp_path / "tree").resolve()
    folder.mkdir()
    (folder / "link").symlink_to(target)
    with pytest.raises(OSError, match="links in a work tree are not followed"):
        manifest.apply(Change(folder / "link", "x", b"precious\n", b"ours"), 0)
    (folder / "other").write_text("edited\n")
    with pytest.raises(OSError, match="changed meanwhile"):
        manifest.apply(Change(folder / "other", "x", b"planned\n", b"ours"), 0)
    with pytest.raises(OSError, match="changed meanwhile"):
        manifest.apply(Change(folder / "other", "x", None, b"ours"), 0)
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(OSError, match="links in a work tree are not followed"):
        manifest.apply(Change(folder / "away/new/file", "x", None, b"ours"), 0)
    assert (target.read_text(), (folder / "other").read_text()) == ("precious\n", "edited\n")
    assert not (tmp_path / "new").exists()
    assert manifest.files == {}


def test_a_folder_that_became_a_link_is_passed_by_nothing(tmp_path: Path) -> None:
    made: list[str] = []
    with open_spot(tmp_path.resolve() / "a/b/file", made) as spot:
        (tmp_path / "a/b").rename(tmp_path / "moved")
        (tmp_path / "a/b").symlink_to(tmp_path)
        spot.write(b"here", 0o640)
    assert made == [str(tmp_path.resolve() / "a"), str(tmp_path.resolve() / "a/b")]
    assert (tmp_path / "moved/file").read_bytes() == b"here"
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("path", [".husky", ".husky/_", ".hooks"])
def test_a_committed_folder_of_hooks_that_leads_out_is_refused(
    place: Place, precious: dict[str, Any], path: str
) -> None:
    link(place, path, os.path.relpath(place.home / "empty", (place.folder / path).parent))
    place.git("config", "core.hooksPath", ".husky/_" if "husky" in path else path)
    said = place("install", "cursor", code=1)
    assert "a link takes the folder of hooks out of this clone" in said
    assert (place.folder / ".cursor/hooks.json").exists()
    assert "takes it out of this clone" in place("status")
    place("uninstall")
    assert picture(place.home) == precious


def test_links_among_git_hooks_are_not_written_through(place: Place, precious: dict[str, Any]) -> None:
    """They are moved as they are, one that leads nowhere too, and come back."""
    folder = place.folder / ".git/hooks"
    (folder / "post-commit").symlink_to("../../../home/.bashrc")
    (folder / "post-rewrite").symlink_to("nowhere")
    before = picture(folder)
    place("install", "cursor")
    assert MARK in (folder / "post-commit").read_text()
    assert picture(place.home) == precious
    place("uninstall")
    assert (picture(folder), picture(place.home)) == (before, precious)


def test_a_folder_of_hooks_of_its_own_is_used_behind_a_link(place: Place) -> None:
    place.write("tools/hooks/pre-commit", "#!/bin/sh\n", 0o755)
    (place.folder / ".hooks").symlink_to("tools/hooks")
    place.git("config", "core.hooksPath", ".hooks")
    place("install", "cursor")
    assert MARK in (place.folder / "tools/hooks/post-commit").read_text()
    place("uninstall")
    assert [one.name for one in (place.folder / "tools/hooks").iterdir()] == ["pre-commit"]


def test_files_without_end_are_not_read(place: Place) -> None:
    folder = place.folder / ".git/hooks"
    (folder / "pre-push").symlink_to("/dev/zero")
    os.mkfifo(folder / "pre-rebase")
    os.mkfifo(folder / "post-rewrite")
    said = place("install", "cursor", code=1)
    assert "post-rewrite: it is no regular file" in said
    assert MARK in (folder / "post-commit").read_text()


def test_hooks_that_are_folders_are_named(place: Place) -> None:
    (place.folder / ".git/hooks/post-commit").mkdir()
    (place.folder / ".git/hooks/pre-commit").mkdir()
    (place.folder / ".cursor/hooks.json").mkdir(parents=True)
    said = place("install", "cursor", "codex", code=1)
    assert "post-commit: it is a folder" in said
    assert MARK in (place.folder / ".git/hooks/post-rewrite").read_text()
    assert (place.folder / ".codex/hooks.json").exists()
    assert "it is a folder" in place("status", code=1)
    place("uninstall")
    assert list((place.folder / ".cursor/hooks.json").iterdir()) == []


def test_what_is_read_only_is_left(place: Place) -> None:
    file = place.write(".claude/settings.local.json", "{}\n", 0o444)
    hook = place.write(".git/hooks/post-commit", "#!/bin/sh\n", 0o555)
    said = place("install", "claude-code", code=1)
    assert said.count("read-only") == 2
    assert (file.read_text(), hook.read_text()) == ("{}\n", "#!/bin/sh\n")
    file.chmod(0o644)
    place("install", "claude-code", code=1)
    file.chmod(0o444)
    assert "read-only" in place("uninstall", code=1)
    file.chmod(0o600)
    place("uninstall")
    assert file.read_text() == "{}\n"


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o666, 0o700])
def test_modes_are_kept_whatever_the_umask(place: Place, mode: int) -> None:
    file = place.write(".claude/settings.local.json", '{\r\n\t"a": 1\r\n}\r\n', mode)
    hook = place.write(".git/hooks/post-commit", "#!/bin/sh\r\n", 0o775)
    before = picture(place.folder)
    place("install", "claude-code")
    assert (file.stat().st_mode & 0o7777, hook.stat().st_mode & 0o7777) == (mode, 0o775)
    assert b"\n" not in file.read_bytes().replace(b"\r\n", b"")
    place("uninstall")
    assert picture(place.folder) == before


def test_a_dry_run_shows_the_bytes_that_are_there(place: Place) -> None:
    place.write(".cursor/hooks.json", '{\r\n\t"a\\u001b": "\x7f\u2028"}')
    before = picture(place.folder)
    said = place("install", "cursor", "--dry-run")
    assert '-\t"a\\u001b": "\\x7f\\u2028"}\n\\ No newline at end of file\n' in said
    assert " {\\x0d\n" in said
    assert '\n+\t"hooks": {\\x0d\n' in said
    assert picture(place.folder) == before


def test_names_are_no_code(work_tree, capsys, git_client, tmp_path: Path) -> None:
    """Quotes, substitutions and line ends in the clone's path and in the agent's folder."""
    folder = tmp_path / "a'b\"$(touch ran)`touch ran`\n;touch ran #\\ é"
    folder.mkdir()
    git = git_client(folder)
    git("init", "-q")
    place = Place(folder, git, capsys)
    before = picture(folder)
    place("install", *AGENTS)
    entry = json.loads((folder / ".claude/settings.local.json").read_text())["hooks"]["Stop"][0]["hooks"][0]
    sub = folder / "$(touch ran)"
    sub.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", entry["command"]],
        input=b"{}",
        cwd=sub,
        env=git.environment,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    place.commit()
    assert place.notes(2) == ["post-commit", "stop"]
    assert not list(tmp_path.rglob("ran"))
    states = json.loads(place("status", "--json"))["hooks"]
    assert {one["state"] for one in states} == {"installed"}
    place("uninstall")
    sub.rmdir()
    after = picture(folder)
    assert {name: one for name, one in after.items() if "hooks" in name or "exclude" in name} == {
        name: one for name, one in before.items() if "hooks" in name or "exclude" in name
    }


def test_installs_at_the_same_time_make_one(place: Place) -> None:
    place.write(".claude/settings.local.json", '{"a": 1}\n')
    place.write(".git/hooks/post-commit", "#!/usr/bin/env python3\n", 0o755)
    before = picture(place.folder)
    scene = Surroundings(place.folder, place.git.environment)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda agent: run(["hooks", "install", agent], scene), [*AGENTS, *AGENTS[:2]]))
    assert codes == [0] * 8
    text = (place.folder / ".claude/settings.local.json").read_text()
    assert text.count(f"{MARK}") == 7
    states = json.loads(place("status", "--json"))["hooks"]
    assert {one["state"] for one in states} == {"installed"}
    place("uninstall")
    assert picture(place.folder) == before
