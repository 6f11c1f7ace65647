"""The sweep finds what every agent leaves on a machine, and ties it to the commit that holds its lines."""

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imprint.cli.call import Surroundings
from imprint.cli.main import run
from imprint.store.clone import Clone
from imprint.store.sessions.cloned import open_clone_keeper

CODE = "".join(f"def made_{at}(): return compute_made({at})\n" for at in range(3))
STAMP = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 3600))


def write_lines(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def codex(home: Path, clone: Path, file: str) -> str:
    session = "019a0000-1111-7222-8333-444455556666"
    patch = f"*** Begin Patch\n*** Add File: {file}\n" + "".join(f"+{x}\n" for x in CODE.splitlines())
    call = {
        "type": "custom_tool_call",
        "name": "apply_patch",
        "call_id": "c",
        "input": patch + "*** End Patch",
    }
    prompt = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "make it"}]}
    write_lines(
        home / f".codex/sessions/2026/03/01/rollout-2026-03-01T10-00-00-{session}.jsonl",
        {"timestamp": STAMP, "type": "session_meta", "payload": {"id": session, "cwd": str(clone)}},
        {"timestamp": STAMP, "type": "response_item", "payload": prompt},
        {"timestamp": STAMP, "type": "response_item", "payload": call},
        {
            "timestamp": STAMP,
            "type": "response_item",
            "payload": {"type": "custom_tool_call_output", "call_id": "c", "output": "Success"},
        },
    )
    return session


def gemini(home: Path, clone: Path, file: str) -> str:
    project = hashlib.sha256(str(clone).encode()).hexdigest()
    call = {"id": "c", "name": "write_file", "args": {"file_path": str(clone / file), "content": CODE}}
    write_lines(
        home / f".gemini/tmp/{project}/chats/session-2026-03-01-g1.jsonl",
        {"sessionId": "gemini-1", "projectHash": project, "startTime": STAMP},
        {"id": "1", "timestamp": STAMP, "type": "user", "content": "make it"},
        {
            "id": "2",
            "timestamp": STAMP,
            "type": "gemini",
            "content": "",
            "toolCalls": [{**call, "status": "success"}],
        },
    )
    return "gemini-1"


def cursor(home: Path, clone: Path, file: str) -> str:
    project = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in str(clone)).split())
    use = {"type": "tool_use", "name": "Write", "input": {"path": str(clone / file), "contents": CODE}}
    words = {"type": "text", "text": "<user_query>make it</user_query>"}
    write_lines(
        home / f".cursor/projects/{project}/agent-transcripts/cursor-1/cursor-1.jsonl",
        {"role": "user", "message": {"content": [words]}},
        {"role": "assistant", "message": {"content": [use]}},
    )
    return "cursor-1"


def copilot(home: Path, clone: Path, file: str) -> str:
    arguments = {"path": str(clone / file), "file_text": CODE}
    data = {"toolCallId": "c", "toolName": "create", "arguments": arguments}
    start = {"sessionId": "copilot-1", "context": {"cwd": str(clone)}}
    write_lines(
        home / ".copilot/session-state/copilot-1/events.jsonl",
        {"type": "session.start", "id": "1", "timestamp": STAMP, "data": start},
        {"type": "user.message", "id": "2", "timestamp": STAMP, "data": {"content": "make it"}},
        {"type": "tool.execution_start", "id": "3", "timestamp": STAMP, "data": data},
        {
            "type": "tool.execution_complete",
            "id": "4",
            "timestamp": STAMP,
            "data": {"toolCallId": "c", "success": True},
        },
    )
    return "copilot-1"


def opencode(home: Path, clone: Path, file: str) -> str:
    at_ms = int(time.time() * 1000) - 3_600_000
    folder = home / ".local/share/opencode"
    folder.mkdir(parents=True)
    given = {"filePath": str(clone / file), "content": CODE}
    part = {"type": "tool", "tool": "write", "callID": "c", "state": {"status": "completed", "input": given}}
    database = sqlite3.connect(folder / "opencode.db")
    database.executescript(
        """
        CREATE TABLE session (id, parent_id, directory, title, version, time_created, time_updated);
        CREATE TABLE message (id, session_id, time_created, time_updated, data);
        CREATE TABLE part (id, message_id, session_id, time_created, time_updated, data);
        """
    )
    database.execute(
        "INSERT INTO session VALUES ('ses_1', NULL, ?, 't', '1', ?, ?)", (str(clone), at_ms, at_ms)
    )
    messages = {
        "msg_1": ({"role": "user", "time": {"created": at_ms}}, {"type": "text", "text": "make it"}),
        "msg_2": ({"role": "assistant", "modelID": "m", "time": {"created": at_ms}}, part),
    }
    for name, (info, said) in messages.items():
        row = (name, "ses_1", at_ms, at_ms, json.dumps(info))
        database.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
        row = (f"prt_{name}", name, "ses_1", at_ms, at_ms, json.dumps(said))  # type: ignore[assignment]
        database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", row)
    database.commit()
    database.close()
    return "ses_1"


class Machine:
    """A clone, a home, and what the clone's archive holds."""

    def __init__(self, git: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.git, self.home, self._capsys = git, home, capsys
        git.environment |= {"HOME": str(home), "IMPRINT_NO_SWEEP": "1"}
        git.environment.pop("GIT_COMMITTER_DATE")

    def commit(self, file: str) -> str:
        (self.git.folder / file).write_text(CODE)
        self.git("add", file)
        self.git("commit", "-qm", "work")
        return str(self.git("rev-parse", "HEAD"))

    def hooks(self, *arguments: str) -> str:
        self._capsys.readouterr()
        assert run(["hooks", *arguments], Surroundings(self.git.folder, self.git.environment)) == 0
        return self._capsys.readouterr().out

    def sessions_of(self, commit: str) -> dict[str | None, str | None]:
        """Which sessions the archive ties to a commit, with their agents."""
        with Clone.discover(self.git.folder) as clone:
            keeper = open_clone_keeper(clone)
            records = keeper.archive.list_records("clone")
            keeper.close()
        return {
            one.session_id: one.agent for one in records if commit in {each.value for each in one.anchors}
        }


@pytest.fixture
def machine(work_tree, tmp_path: Path, capsys) -> Machine:
    home = tmp_path / "home"
    home.mkdir()
    return Machine(work_tree, home, capsys)


AGENTS: dict[str, Callable[[Path, Path, str], str]] = {
    "codex": codex,
    "gemini-cli": gemini,
    "cursor": cursor,
    "copilot-cli": copilot,
    "opencode": opencode,
}


@pytest.mark.parametrize("agent", AGENTS)
def test_sessions_of_an_agent_are_found_and_tied(machine: Machine, agent: str) -> None:
    """With the folder of another project's session beside it."""
    session = AGENTS[agent](machine.home, machine.git.folder, "made.py")
    commit = machine.commit("made.py")
    report = json.loads(machine.hooks("sweep", "--json"))
    assert (report["sessions"], report["problems"]) == ([session], [])
    assert machine.sessions_of(commit) == {session: agent}
    assert json.loads(machine.hooks("sweep", "--json"))["sessions"] == []


def test_sessions_elsewhere_are_not_read(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "work-2"
    elsewhere.mkdir()
    for write in AGENTS.values():
        write(machine.home, elsewhere, "made.py")
    machine.commit("made.py")
    assert json.loads(machine.hooks("sweep", "--json"))["sessions"] == []


def test_a_transcript_that_only_a_hook_names_is_found(machine: Machine, tmp_path: Path) -> None:
    """Cursor says neither folder nor id within its transcript, and may keep it anywhere."""
    machine.hooks("install", "cursor")
    cursor(tmp_path / "other", machine.git.folder, "made.py")
    (path,) = (tmp_path / "other").rglob("*.jsonl")
    payload = {
        "conversation_id": "cursor-1",
        "hook_event_name": "stop",
        "transcript_path": str(path),
        "workspace_roots": [str(machine.git.folder)],
    }
    note = f"imprint-note 1 cursor stop\n{json.dumps(payload)}"
    spool = machine.git.folder / ".git/imprint/ground/spool"
    spool.mkdir()
    (spool / "stop.1").write_text(note)
    (spool / "stop.2").write_bytes(b"no note at all \xff")
    (spool / "stop.3").write_text('imprint-note 1 cursor stop\n{"conversation_id": "x", "cut o')
    commit = machine.commit("made.py")
    machine.hooks("sweep")
    assert machine.sessions_of(commit) == {"cursor-1": "cursor"}
    assert [one.name.partition(".")[0] for one in spool.iterdir()] == []


PLUGIN = """#!{python}
import base64, json, pathlib, sys
command, *flags = sys.argv[1:]
given = dict(flag.removeprefix("--").partition("=")[::2] for flag in flags)
if command == "info":
    can = {{"compact_transcript": True}}
    print(json.dumps({{"protocol_version": 1, "name": "tiny", "capabilities": can}}))
elif command == "detect":
    print(json.dumps({{"present": True}}))
elif command == "get-session-dir":
    print(json.dumps({{"session_dir": "{sessions}"}}))
elif command == "compact-transcript":
    text = pathlib.Path(given["session-ref"]).read_bytes()
    print(json.dumps({{"transcript": base64.b64encode(text).decode()}}))
elif command == "are-hooks-installed":
    print(json.dumps({{"installed": False}}))
"""


def test_agents_behind_plug_ins_are_read_once_they_are_named(machine: Machine, tmp_path: Path) -> None:
    programs, sessions = tmp_path / "bin", tmp_path / "sessions"
    programs.mkdir()
    program = programs / "entire-agent-tiny"
    program.write_text(PLUGIN.format(python=sys.executable, sessions=sessions))
    program.chmod(0o755)
    machine.git.environment["PATH"] = f"{programs}:/usr/local/bin:/usr/bin:/bin"
    use = {"type": "tool_use", "id": "c", "name": "Write", "input": {"file_path": "made.py", "content": CODE}}
    common = {"v": 1, "agent": "tiny"}
    write_lines(
        sessions / "tiny-1.jsonl",
        common | {"type": "user", "ts": STAMP, "content": [{"id": "1", "text": "make it"}]},
        common | {"type": "assistant", "ts": STAMP, "content": [use]},
    )
    commit = machine.commit("made.py")
    assert json.loads(machine.hooks("sweep", "--json"))["sessions"] == []
    machine.hooks("install", "entire-agent-tiny")
    assert json.loads(machine.hooks("sweep", "--all", "--json"))["sessions"] == ["tiny-1"]
    assert machine.sessions_of(commit) == {"tiny-1": "tiny"}
    machine.hooks("uninstall", "entire-agent-tiny")
