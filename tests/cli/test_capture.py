"""Capture with real git, real hooks run by real shells, and transcripts made up here."""

import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imprint.cli.capture.places import Places
from imprint.cli.call import Surroundings
from imprint.cli.main import run
from imprint.store.clone import Clone
from imprint.store.sessions.cloned import open_clone_keeper

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Desk:
    """A developer's machine: a home, a clone, agents that write transcripts, and `imprint hooks`."""

    def __init__(self, folder: Path, git_client: Any) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.clone = folder / "the clone"
        self.clone.mkdir()
        self._client = git_client
        self.git = self.at(self.clone)
        self.git("init", "-q", "-b", "main")
        self.now = int(time.time()) - 36_000
        self.environment = {**self.git.environment, "HOME": str(self.home), "IMPRINT_NO_SWEEP": "1"}

    def at(self, folder: Path) -> Any:
        return self._client(folder, {"HOME": str(self.home), "IMPRINT_NO_SWEEP": "1"})

    def write(self, path: str, text: str, folder: Path | None = None) -> None:
        target = (folder or self.clone) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, *arguments: str, git: Any = None) -> str:
        """Commit what is staged, a minute after whatever was before."""
        git = git or self.git
        self.now += 60
        git.environment["GIT_COMMITTER_DATE"] = f"{self.now} +0000"
        git("commit", "-q", *(arguments or ("-m", "work")))
        return git("rev-parse", "HEAD")

    def hooks(self, *arguments: str, cwd: Path | None = None) -> int:
        return run(["hooks", *arguments], Surroundings(cwd or self.clone, self.environment))

    def sweep(self, capsys: pytest.CaptureFixture[str], cwd: Path | None = None) -> Any:
        capsys.readouterr()
        assert self.hooks("sweep", "--all", "--json", cwd=cwd) == 0
        return json.loads(capsys.readouterr().out)

    def kept(self) -> "Kept":
        with Clone.discover(self.clone) as clone:
            keeper = open_clone_keeper(clone)
            try:
                sessions = keeper.archive.list_sessions("clone")
                return Kept(
                    {one.id: one for one in sessions},
                    {one.id: keeper.read_transcript("clone", one).decode() for one in sessions},
                    keeper.archive.list_records("clone"),
                )
            finally:
                keeper.close()

    def claude(self, session: str, cwd: Path | None = None) -> "Claude":
        return Claude(self, session, cwd or self.clone)

    def fire(self, agent_file: str, event: str, payload: dict[str, Any], cwd: Path | None = None) -> None:
        """Call a hook as the agent would."""
        settings = json.loads((self.clone / agent_file).read_text())
        (entry,) = settings["hooks"][event]
        entry = entry["hooks"][0] if "hooks" in entry else entry
        self.call(entry.get("command") or entry["bash"], payload, cwd)

    def call(self, command: str, payload: dict[str, Any], cwd: Path | None = None, **more: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(payload).encode(),
            cwd=cwd or self.clone,
            env=self.environment | more,
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class Kept:
    def __init__(self, sessions: Any, texts: dict[str, str], records: Any) -> None:
        self.sessions, self.texts, self.records = sessions, texts, records

    def of(self, commit: str) -> dict[str, Any]:
        """Records that name a commit, by session."""
        found = {}
        for record in self.records:
            if any((anchor.kind.value, anchor.value) == ("commit", commit) for anchor in record.anchors):
                assert record.session_id not in found
                found[record.session_id] = record
        return found


class Claude:
    """Writes a transcript as Claude Code does, as far as it matters."""

    def __init__(self, desk: Desk, session: str, cwd: Path, child: str = "") -> None:
        self.desk, self.session, self.cwd, self.child = desk, session, cwd, child
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in str(cwd))
        folder = desk.home / ".claude" / "projects" / name
        self.path = folder / f"{session}.jsonl"
        if child:
            self.path = folder / session / "subagents" / f"agent-{child}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = 0
        self.calls = 0

    def sub(self, child: str) -> "Claude":
        return Claude(self.desk, self.session, self.cwd, child)

    def _add(self, kind: str, content: Any, **more: Any) -> None:
        self.desk.now += 1
        stamp = subprocess.run(
            ["date", "-u", "-d", f"@{self.desk.now}", "+%Y-%m-%dT%H:%M:%S.000Z"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        line = {
            "type": kind,
            "uuid": f"{self.session}{self.child}-{self.lines}",
            "sessionId": self.session,
            "cwd": str(self.cwd),
            "version": "2.1.0",
            "timestamp": stamp,
            "isSidechain": bool(self.child),
            "message": {"role": kind, "content": content, **more},
        }
        if self.child:
            line["agentId"] = self.child
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines += 1

    def ask(self, prompt: str) -> None:
        self._add("user", prompt)

    def edit(self, path: str, old: str, new: str, *, apply: bool = True) -> None:
        full = self.cwd / path
        self._tool("Edit", {"file_path": str(full), "old_string": old, "new_string": new})
        if apply:
            full.write_text(full.read_text().replace(old, new))

    def write(self, path: str, text: str) -> None:
        full = self.cwd / path
        self._tool("Write", {"file_path": str(full), "content": text})
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def bash(self, command: str) -> str:
        return self._tool("Bash", {"command": command})

    def _tool(self, name: str, given: dict[str, Any]) -> str:
        self.calls += 1
        call = f"toolu_{self.session}_{self.child}_{self.calls}"
        use = {"type": "tool_use", "id": call, "name": name, "input": given}
        self._add("assistant", [use], id=f"msg_{call}", model="claude-x")
        self._add("user", [{"type": "tool_result", "tool_use_id": call, "content": "ok"}])
        return call


@pytest.fixture
def desk(tmp_path: Path, git_client) -> Desk:
    return Desk(tmp_path, git_client)


def code(name: str, count: int = 3) -> str:
    return "".join(f"def {name}_{at}(): return compute_{name}({at})\n" for at in range(count))


def test_a_session_that_no_hook_reported_is_kept_and_linked(desk: Desk, capsys) -> None:
    """Ctrl-C: no Stop, no SessionEnd, not even installed."""
    claude = desk.claude("s-one")
    claude.ask(f"write it, the key is {SECRET}")
    claude.write("src/app.py", code("app"))
    desk.git("add", "-A")
    commit = desk.commit()
    report = desk.sweep(capsys)
    assert (report["sessions"], report["records"], report["destination"]) == (["s-one"], 1, "")
    kept = desk.kept()
    record = kept.of(commit)["s-one"]
    anchors = {anchor.kind.value: anchor.value for anchor in record.anchors}
    assert anchors["tree"] == desk.git("rev-parse", f"{commit}^{{tree}}")
    assert anchors["patch-id"]
    assert "base" not in anchors  # it has no parent
    assert (record.part, record.source.system, record.agent) == ((0, 3), "capture", "claude-code")
    assert record.extra["paths"] == ["src/app.py"]
    assert SECRET not in kept.texts["s-one"]
    assert "write it" in kept.texts["s-one"]
    for file in (desk.clone / ".git" / "imprint").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    again = desk.sweep(capsys)
    assert (again["sessions"], again["records"]) == ([], 0)
