"""Capture in a work tree whose files and repositories within it mean harm."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_capture import Desk, code

from imprint.cli.capture.notes import read_notes
from imprint.cli.capture.places import Places

SETTINGS = ".claude/settings.local.json"


@pytest.fixture
def desk(tmp_path, git_client) -> Desk:
    return Desk(tmp_path, git_client)


def plant(marker: Path) -> str:
    """A program that tells that it ran."""
    marker.parent.mkdir(exist_ok=True)
    return f"touch '{marker}'; cat"


def snap(desk: Desk, text: str = code("x"), **more: str) -> tuple[str, str]:
    """What the snapshots around a shell tool are, that wrote a file."""
    desk.git.environment |= more
    payload = {"session_id": "s", "cwd": str(desk.clone), "tool_use_id": "c", "tool_name": "Bash"}
    command = json.loads((desk.clone / SETTINGS).read_text())["hooks"]
    for event in ("PreToolUse", "PostToolUse"):
        desk.call(command[event][-1]["hooks"][0]["command"], payload, **more)
        desk.write("a.x", text)
    notes = {note.event: note.tree for note in read_notes(Places(desk.clone / ".git").spool)}
    return notes["before-shell"], notes["after-shell"]


def test_a_snapshot_runs_no_filter_that_attributes_name(desk: Desk, tmp_path: Path) -> None:
    """Filters of the user, one of which has a strange name, and of the clone."""
    ran = tmp_path / "ran"
    desk.git.environment["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    desk.environment["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    for name in ("user", "a.b=c"):
        desk.git("config", "--global", f"filter.{name}.clean", plant(ran / "user"))
        desk.git("config", "--global", f"filter.{name}.required", "true")
    desk.git("config", "filter.clone.clean", plant(ran / "clone"))
    desk.git("config", "filter.process.process", plant(ran / "process"))
    desk.write("a.x", "old\n")
    desk.write("same.y", "same\n")
    desk.git("add", "-A")
    desk.commit()
    desk.write(".gitattributes", "*.x filter=user\n*.y filter=clone\n*.z filter=process\n*.w filter=a.b=c\n")
    desk.write("new.w", "new\n")
    os.utime(desk.clone / "same.y", (1, 1))  # so that git looks whether it changed
    desk.write("new.z", "new\n")
    desk.hooks("install", "claude-code")
    before, after = snap(desk, code("late"))
    assert len(before) == len(after) == 40
    assert before != after
    assert list(ran.iterdir()) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_snapshot_does_not_look_into_repositories_within(
    desk: Desk, tmp_path: Path, git_client: Any, is_known: bool
) -> None:
    ran = tmp_path / "ran"
    inner = desk.clone / "inner\nné"
    inner.mkdir()
    within = desk.at(inner)
    within("init", "-q")
    desk.write("file", "text\n", inner)
    within("add", "-A")
    within("commit", "-qm", "work")
    desk.write("a.x", "old\n")
    desk.git("add", "-A" if is_known else "a.x")
    desk.commit()
    within("config", "core.fsmonitor", f"{plant(ran / 'monitor')} >/dev/null; false")
    within("config", "filter.mine.clean", plant(ran / "filter"))
    desk.write(".gitattributes", "* filter=mine\n", inner)
    os.utime(inner / "file", (1, 1))
    desk.hooks("install", "claude-code")
    before, after = snap(desk)
    assert len(before) == len(after) == 40
    assert before != after
    assert list(ran.iterdir()) == []
    within.run("status")  # what was planted works
    assert list(ran.iterdir()) != []


def test_a_snapshot_calls_no_hook_and_no_monitor(desk: Desk, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    desk.write("a.x", "old\n")
    desk.write(".hooks/post-index-change", f"#!/bin/sh\n{plant(ran / 'hook')}\n")
    (desk.clone / ".hooks/post-index-change").chmod(0o755)
    desk.git("add", "-A")
    desk.commit()
    desk.hooks("install", "claude-code")
    desk.git("config", "core.hooksPath", ".hooks")
    desk.git("config", "core.fsmonitor", f"{plant(ran / 'monitor')} >/dev/null; false")
    before, after = snap(desk)
    assert before != after
    assert list(ran.iterdir()) == []


def test_line_ends_are_converted_as_git_does(desk: Desk) -> None:
    """Else every line of a file that a tool changes would be the tool's."""
    desk.write(".gitattributes", "*.x text eol=crlf\n")
    desk.write("a.x", "one\r\n")
    desk.git("add", "-A")
    desk.commit()
    desk.hooks("install", "claude-code")
    before, after = snap(desk, "one\r\ntwo\r\n")
    store = str(Places(desk.clone / ".git").snapshots / "objects")
    desk.git.environment |= {"GIT_ALTERNATE_OBJECT_DIRECTORIES": store}
    assert desk.git("diff", "--numstat", before, after).split() == ["1", "0", "a.x"]


def test_what_hooks_write_is_the_users_alone(desk: Desk) -> None:
    desk.write("a.x", "old\n")
    desk.git("add", "-A")
    desk.commit()
    desk.hooks("install", "claude-code")
    snap(desk)
    places = Places(desk.clone / ".git")
    for folder in (places.spool, places.snapshots, places.hooks / "kept"):
        for path in [folder, *folder.rglob("*")] if folder.exists() else []:
            assert path.is_file() or stat.S_IMODE(path.stat().st_mode) == 0o700, path
            assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) in (0o600, 0o400), path


def test_transcripts_of_other_folders_are_not_kept(desk: Desk, capsys: Any) -> None:
    """Beside it, above it, of a name that begins alike, behind a link, and named by a hook."""
    desk.write("a.py", code("mine"))
    desk.git("add", "-A")
    others = [desk.folder, desk.home, desk.folder / "the clone 2", desk.folder / "other"]
    for at, folder in enumerate(others):
        folder.mkdir(exist_ok=True)
        claude = desk.claude(f"s-other-{at}", folder)
        claude.ask("SECRET OF ANOTHER")
    (desk.clone / "link").symlink_to(desk.folder / "other")
    desk.claude("s-link", desk.clone / "link").ask("SECRET OF ANOTHER")
    desk.hooks("install", "claude-code")
    noted = desk.claude("s-noted", desk.folder / "other")
    noted.ask("SECRET OF ANOTHER")
    desk.fire(
        SETTINGS,
        "Stop",
        {"session_id": "s-noted", "transcript_path": str(noted.path), "cwd": str(desk.clone)},
    )
    desk.claude("s-mine").ask("mine")
    assert desk.sweep(capsys)["sessions"] == ["s-mine"]
    ground = desk.clone / ".git" / "imprint"
    for path in ground.rglob("*"):
        assert path.is_dir() or b"SECRET OF ANOTHER" not in path.read_bytes(), path
    spool = Places(desk.clone / ".git").spool
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
