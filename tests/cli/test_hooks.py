"""`imprint hooks install` beside what is there already, and `uninstall` as if it had never been."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imprint.cli.call import Surroundings
from imprint.cli.capture.hooks import jsonedit
from imprint.cli.main import run

AGENTS = ("claude-code", "codex", "gemini-cli", "cursor", "copilot-cli", "opencode")


class Place:
    """A clone, a home, and the command."""

    def __init__(self, folder: Path, git: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.git, self._capsys = folder, git, capsys
        self.home = folder.parent / "home"
        self.home.mkdir()
        git.environment |= {"HOME": str(self.home), "IMPRINT_NO_SWEEP": "1"}

    def __call__(self, *arguments: str, code: int = 0, cwd: Path | None = None) -> str:
        self._capsys.readouterr()
        surroundings = Surroundings(cwd or self.folder, self.git.environment)
        assert run(["hooks", *arguments], surroundings) == code
        said = self._capsys.readouterr()
        return said.out + said.err

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def notes(self, count: int) -> list[str]:
        """Events in the spool, once there are so many: git does not wait for what its hooks note."""
        spool = self.folder / ".git" / "imprint" / "ground" / "spool"
        ends_at = time.monotonic() + 20
        while True:
            names = [one.name for one in spool.iterdir()] if spool.is_dir() else []
            found = sorted(name.partition(".")[0] for name in names if not name.startswith("."))
            if len(found) >= count or time.monotonic() > ends_at:
                return found
            time.sleep(0.02)

    def commit(self) -> subprocess.CompletedProcess[bytes]:
        self.write("file", os.urandom(8).hex())
        self.git("add", "file")
        return self.git.run("commit", "-qm", "work")


@pytest.fixture
def place(work_tree, capsys) -> Place:
    del work_tree.environment["GIT_TEMPLATE_DIR"]
    work_tree("init", "-q")  # again, with the sample hooks that a repository of anybody's has
    return Place(work_tree.folder, work_tree, capsys)


def picture(folder: Path) -> dict[str, Any]:
    """Every file but Imprint's own: bytes, mode, where a link leads."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if "imprint/ground" in name or "imprint/cache" in name or name.endswith("imprint"):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = (path.stat().st_mode, None if path.is_dir() else path.read_bytes())
    return found


SETTINGS = {
    "tabs": '{\n\t"model": "x",\n\t"hooks": {'
    '\n\t\t"Stop": [\n\t\t\t{"hooks": [{"type": "command", "command": "say"}]}\n\t\t]\n\t}\n}',
    "one line": '{"hooks":{"Stop":[]},"permissions":{"allow":["Bash(ls)"]}}',
    "windows": '{\r\n    "a": 1\r\n}\r\n',
    "mark": '\ufeff{"a": 1}\n',
    "empty": "",
    "blank object": "{}",
    "unicode": '{"né": "\\u00e9", "hooks": {"Stop": []}, "x": {"y": [1, 2.50, 1e3, true, null]}}\n',
}


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
def test_settings_are_merged_and_restored_byte_for_byte(place: Place, text: str) -> None:
    file = place.write(".claude/settings.local.json", text, 0o640)
    before = picture(place.folder)
    place("install", "claude-code")
    merged = json.loads(file.read_bytes().decode("utf-8-sig"))
    old = json.loads(text.removeprefix("\ufeff") or "{}")
    assert {name: value for name, value in merged.items() if name != "hooks"} == {
        name: value for name, value in old.items() if name != "hooks"
    }
    for event, groups in old.get("hooks", {}).items():
        assert merged["hooks"][event] if groups == [] else merged["hooks"][event][: len(groups)] == groups
    assert len(merged["hooks"]["Stop"]) == len(old.get("hooks", {}).get("Stop", [])) + 1
    once = picture(place.folder)
    assert "nothing to change" in place("install", "claude-code")
    assert picture(place.folder) == once
    place("uninstall")
    assert picture(place.folder) == before


def test_every_agent_is_installed_once_and_leaves_nothing(place: Place) -> None:
    place.write(".git/hooks/post-commit", "#!/bin/bash\nexit 0\n", 0o755)
    before = picture(place.folder)
    place("install", *AGENTS)
    assert place.git("status", "--porcelain") == ""  # what was made is not for others to commit
    for name in (
        ".codex/hooks.json",
        ".gemini/settings.json",
        ".cursor/hooks.json",
        ".github/hooks/imprint.json",
    ):
        assert "imprint/ground/hooks/record" in (place.folder / name).read_text()
    once = picture(place.folder)
    place("install", *AGENTS)
    assert picture(place.folder) == once
    states = json.loads(place("status", "--json"))["hooks"]
    assert {one["state"] for one in states} == {"installed"}
    place("uninstall", "cursor")
    assert not (place.folder / ".cursor").exists()
    place("uninstall")
    assert picture(place.folder) == before
    assert "no hooks are installed" in place("uninstall", code=1)


def test_a_file_edited_since_loses_only_what_is_ours(place: Place) -> None:
    file = place.write(".claude/settings.local.json", '{\n  "a": 1,\n  "hooks": {\n    "Stop": []\n  }\n}\n')
    place("install", "claude-code")
    text = file.read_text().replace('"a": 1', '"a":   2')
    group = json.loads(text)["hooks"]["SessionEnd"][0]
    group["hooks"].append({"type": "command", "command": "theirs"})
    text = jsonedit.remove(text, ("hooks", "SessionEnd"), lambda _one: True)
    file.write_text(jsonedit.add(text, ("hooks", "SessionEnd"), group))
    assert "cleaned" in place("uninstall")
    left = json.loads(file.read_text())
    assert left["hooks"] == {
        "Stop": [],
        "SessionEnd": [{"hooks": [{"type": "command", "command": "theirs"}]}],
    }
    assert file.read_text().startswith('{\n  "a":   2,\n  "hooks": {\n    "Stop": []')


@pytest.mark.parametrize(
    "text",
    ['{\n  // mine\n  "a": 1\n}\n', '{"a": 1,}\n', '{"hooks": []}\n', '{"hooks": {"AfterAgent": 1}}', "[1]"],
)
def test_what_is_no_plain_json_is_left_and_told_by_hand(place: Place, text: str) -> None:
    file = place.write(".gemini/settings.json", text)
    said = place("install", "gemini-cli", "codex", code=1)
    assert "add this by hand" in said
    assert '"AfterAgent"' in said
    assert file.read_text() == text
    assert (place.folder / ".codex/hooks.json").exists()  # the others are installed


def test_a_dry_run_shows_the_change_and_makes_none(place: Place) -> None:
    before = picture(place.folder)
    said = place("install", "cursor", "--dry-run")
    assert '+    "sessionEnd": [' in said
    assert "post-commit" in said
    assert picture(place.folder) == before


def test_agents_at_hand_are_found(place: Place) -> None:
    (place.home / ".gemini").mkdir()
    programs = place.home / "bin"
    programs.mkdir()
    (programs / "cursor-agent").write_text("#!/bin/sh\n")
    (programs / "cursor-agent").chmod(0o755)
    place.git.environment["PATH"] += f":{programs}"
    assert set(json.loads(place("install", "--json"))["agents"]) == {"gemini-cli", "cursor"}


def test_an_unknown_agent_is_named(place: Place) -> None:
    assert "claude-code, codex" in place("install", "emacs", code=2)


HOOKS: dict[str, tuple[bytes, int]] = {
    "sh": (b'#!/bin/sh\necho "ran $0" >>ran\nexit 0\n', 0o755),
    "set -e": (b'#!/usr/bin/env -S bash -eu\necho "ran $0" >>ran\nexit 3\n', 0o755),
    "no first line": (b'echo "ran $0" >>ran\nexit 0', 0o755),
    "python": (b'#!/usr/bin/env python3\nopen("ran", "a").write("ran\\n")\n', 0o755),
    "not executable": (b"#!/bin/sh\necho ran >>ran\n", 0o644),
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_is_there_runs_as_before(place: Place, name: str) -> None:
    content, mode = HOOKS[name]
    place.write(".git/hooks/post-commit", content, mode)
    before = picture(place.folder / ".git/hooks")
    place("install", "claude-code")
    place.commit()
    assert (place.folder / "ran").exists() == (mode == 0o755)
    assert place.notes(1) == ["post-commit"]
    place("install", "claude-code")
    place.commit()
    assert place.notes(2) == ["post-commit", "post-commit"]
    place("uninstall")
    assert picture(place.folder / ".git/hooks") == before


def test_a_hook_that_reads_what_git_says_still_reads_it(place: Place) -> None:
    """And one that is a link stays one."""
    place.write(".git/hooks/post-rewrite", '#!/bin/sh\ncat >"rewritten $1"\n', 0o755)
    shared = place.write("tools/hook", '#!/bin/sh\necho "linked" >>linked\n', 0o755)
    (place.folder / ".git/hooks/post-commit").symlink_to("../../tools/hook")
    before = picture(place.folder / ".git/hooks")
    place("install", "claude-code")
    place.commit()
    old = place.git("rev-parse", "HEAD")
    place.git("commit", "-q", "--amend", "-m", "other")
    new = place.git("rev-parse", "HEAD")
    assert (place.folder / "rewritten amend").read_text() == f"{old} {new}\n"
    assert (place.folder / "linked").read_text() == "linked\nlinked\n"
    assert place.notes(3) == ["post-commit", "post-commit", "post-rewrite"]
    assert shared.read_text().count("\n") == 2
    place("uninstall")
    assert picture(place.folder / ".git/hooks") == before


def test_a_hook_edited_since_loses_only_our_lines(place: Place) -> None:
    hook = place.write(".git/hooks/post-commit", "#!/bin/sh\necho a\n", 0o755)
    place("install", "claude-code")
    hook.write_text(hook.read_text() + "echo b\n")
    place("uninstall")
    assert hook.read_text() == "#!/bin/sh\necho a\necho b\n"


def test_husky_keeps_its_hooks_and_calls_ours(place: Place) -> None:
    """Its version 9: generated scripts in `.husky/_`, the project's beside."""
    runner = '#!/usr/bin/env sh\nn=$(basename "$0")\n'
    runner += 's=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] || sh -e "$s" "$@"\n'
    place.write(".husky/_/h", runner)
    for name in ("post-commit", "post-rewrite", "pre-commit"):
        place.write(f".husky/_/{name}", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n', 0o755)
    place.write(".husky/_/.gitignore", "*")
    place.write(".husky/post-rewrite", "cat >seen\n")
    place.git("config", "core.hooksPath", ".husky/_")
    place.git("add", ".husky")
    before = picture(place.folder)
    place("install", "claude-code")
    assert place.git("status", "--porcelain", "--untracked-files=all").splitlines() == [
        "A  .husky/post-rewrite"
    ]
    place.commit()
    place.git("commit", "-q", "--amend", "-m", "other")
    assert place.notes(3) == ["post-commit", "post-commit", "post-rewrite"]
    assert len((place.folder / "seen").read_text().split()) == 2
    place("uninstall")
    for name in ("file", "seen"):
        (place.folder / name).unlink()
    after = picture(place.folder)
    assert {name: after[name] for name in before if ".husky" in name} == {
        name: before[name] for name in before if ".husky" in name
    }
    assert not (place.folder / ".husky/post-commit").exists()


def test_managers_that_write_hooks_anew_are_told_of(place: Place) -> None:
    """lefthook, as it would when its settings change."""
    manager = "#!/bin/sh\n# lefthook\nexit 0\n"
    place.write(".git/hooks/pre-commit", manager, 0o755)
    hook = place.write(".git/hooks/post-commit", manager, 0o755)
    assert "may write post-commit anew" in place("install", "claude-code")
    hook.write_text(manager)
    said = place("status", code=1)
    assert "lefthook wrote it anew: install again" in said
    place("install", "claude-code")
    place("status")
    place("uninstall")
    assert hook.read_text() == manager


def test_hooks_of_all_repositories_are_touched_only_for_the_user(place: Place, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    place.git.environment["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    place.git("config", "--global", "core.hooksPath", str(shared))
    said = place("install", "claude-code", code=1)
    assert "hooks install --user" in said
    assert list(shared.iterdir()) == []
    (place.home / ".claude").mkdir()
    place("install", "--user")
    assert (place.home / ".claude/settings.json").exists()
    place.commit()
    assert place.notes(1) == ["post-commit"]
    place("uninstall", "--user")
    assert list(shared.iterdir()) == []
    assert not (place.home / ".claude/settings.json").exists()


def test_a_worktree_has_the_hooks_of_its_clone(place: Place, tmp_path: Path, git_client) -> None:
    place.commit()
    place.git("worktree", "add", "-q", str(tmp_path / "tree"))
    before = picture(place.folder / ".git/hooks")
    place("install", "claude-code", cwd=tmp_path / "tree")
    assert (tmp_path / "tree/.claude/settings.local.json").exists()
    tree = git_client(tmp_path / "tree", {"HOME": str(place.home), "IMPRINT_NO_SWEEP": "1"})
    tree.commit_file("a", "a\n")
    assert place.notes(1) == ["post-commit"]
    place("uninstall")
    assert picture(place.folder / ".git/hooks") == before


def test_a_file_that_cannot_be_written_is_named_and_others_are_installed(place: Place) -> None:
    (place.folder / ".codex").write_text("not a folder\n")
    said = place("install", "codex", "cursor", code=1)
    assert ".codex" in said
    assert (place.folder / ".cursor/hooks.json").exists()
    place("uninstall")


def test_settings_behind_a_link_are_changed_where_they_lie(place: Place, tmp_path: Path) -> None:
    """The user's own, anywhere; those of a work tree, in it."""
    real = tmp_path / "dotfiles.json"
    real.write_text("{}\n")
    (place.home / ".cursor").mkdir()
    (place.home / ".cursor/hooks.json").symlink_to(real)
    place.write("settings/cursor.json", "{}\n")
    (place.folder / ".cursor").symlink_to("settings")
    (place.folder / "settings/hooks.json").symlink_to("cursor.json")
    for how, target in ((["--user"], real), ([], place.folder / "settings/cursor.json")):
        place("install", "cursor", *how)
        assert "sessionEnd" in target.read_text()
        place("uninstall", *how)
        assert target.read_text() == "{}\n"
    assert (place.home / ".cursor/hooks.json").is_symlink()
    assert (place.folder / ".cursor/hooks.json").is_symlink()


def test_status_tells_what_is_broken(place: Place) -> None:
    place("install", "claude-code")
    file = place.folder / ".claude/settings.local.json"
    file.write_text("{}")
    assert "our entries are gone" in place("status", code=1)
    file.write_text("{")
    assert "broken" in place("status", code=1)
    place("install", "cursor")
    other = place.folder / ".cursor/hooks.json"
    other.write_text(other.read_text().replace("cursor stop", "cursor halt"))
    assert "stale" in place("status", code=1)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_plugin_for_opencode_notes_what_it_should(place: Place, tmp_path: Path) -> None:
    place("install", "opencode")
    module = tmp_path / "plugin.mjs"
    module.write_text((place.folder / ".opencode/plugins/imprint.ts").read_text())
    script = """
    const { Imprint } = await import(process.argv[1])
    const plugin = await Imprint({ directory: process.cwd() })
    await plugin.event({ event: { type: "session.idle", properties: { sessionID: "ses_1" } } })
    await plugin.event({ event: { type: "message.updated", properties: {} } })
    await plugin["tool.execute.before"]({ tool: "bash", sessionID: "ses_1", callID: "c" }, {})
    await plugin["tool.execute.after"]({ tool: "bash", sessionID: "ses_1", callID: "c" })
    await plugin["tool.execute.after"]({ tool: "edit", sessionID: "ses_1", callID: "d" })
    """
    subprocess.run(
        ["node", "--input-type=module", "-e", script, str(module)],
        cwd=place.folder,
        env=place.git.environment,
        check=True,
        timeout=30,
    )
    assert place.notes(3) == ["after-shell", "before-shell", "stop"]


PAYLOADS: dict[str, tuple[str, str, dict[str, Any], str | None]] = {
    "codex": (
        ".codex/hooks.json",
        "Stop",
        {"session_id": "s", "turn_id": "t", "transcript_path": None},
        "stop",
    ),
    "gemini-cli": (
        ".gemini/settings.json",
        "AfterTool",
        {"session_id": "s", "tool_name": "run_shell_command"},
        "after-shell",
    ),
    "cursor": (
        ".cursor/hooks.json",
        "preToolUse",
        {"conversation_id": "s", "tool_use_id": "a\nb"},
        "before-shell",
    ),
    "copilot-cli": (
        ".github/hooks/imprint.json",
        "preToolUse",
        {"toolName": "bash", "toolArgs": '{"command":"ls"}'},
        "before-shell",
    ),
    "copilot edit": (".github/hooks/imprint.json", "postToolUse", {"toolName": "edit"}, None),
    "copilot stop": (
        ".github/hooks/imprint.json",
        "agentStop",
        {"sessionId": "s", "transcriptPath": "/x"},
        "stop",
    ),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_each_agents_hook_makes_a_note(place: Place, name: str, run_hook: Callable[..., None]) -> None:
    file, event, payload, note = PAYLOADS[name]
    place("install", name.split(maxsplit=1)[0] if name in AGENTS else "copilot-cli")
    entry = json.loads((place.folder / file).read_text())["hooks"][event][-1]
    entry = entry["hooks"][0] if "hooks" in entry else entry
    run_hook(place, entry.get("command") or entry["bash"], payload)
    assert place.notes(1 if note else 0) == ([note] if note else [])


@pytest.fixture
def run_hook() -> Callable[..., None]:
    def call(place: Place, command: str, payload: dict[str, Any]) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(payload).encode(),
            cwd=place.folder,
            env=place.git.environment,
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    return call
