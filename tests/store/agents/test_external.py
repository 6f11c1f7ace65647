"""The client of the external-agent protocol, against a program that these tests write."""

import os
import sys
import time

import pytest

from imprint.store.agents.external.client import ExternalAgent, find_agents
from imprint.store.agents.external.running import Bounds
from imprint.store.agents.external.transcripts import ExternalFormat
from imprint.store.errors import PluginFailed

PLUGIN = '''#!{python}
"""Transcripts of this agent are lines `who: text`; `write PATH TEXT` in an answer writes a file."""
import argparse, base64, json, os, sys, time

def reply(value):
    print(json.dumps(value))

def parts(path):
    with open(path) as lines:
        return [line.rstrip("\\n").split(": ", 1) for line in lines]

def encode(data):
    return base64.b64encode(data).decode()

parser = argparse.ArgumentParser()
parser.add_argument("command")
for name in ("session-ref", "session-id", "session-dir", "repo-path", "path", "hook"):
    parser.add_argument("--" + name, default="")
for name in ("max-size", "offset"):
    parser.add_argument("--" + name, type=int, default=0)
for name in ("local-dev", "force"):
    parser.add_argument("--" + name, action="store_true")
given = parser.parse_args()
command = given.command
if command == "info":
    reply({{
        "protocol_version": 1, "name": "tiny", "type": "Tiny Agent", "description": "for tests",
        "hook_names": ["stop"], "protected_dirs": [".tiny"],
        "capabilities": {{{capabilities}}},
    }})
elif command == "detect":
    reply({{"present": os.environ["ENTIRE_REPO_ROOT"] == os.getcwd() and "HOME" not in os.environ}})
elif command == "get-session-id":
    reply({{"session_id": json.load(sys.stdin)["session_id"].upper()}})
elif command == "get-session-dir":
    reply({{"session_dir": given.repo_path + "/.tiny"}})
elif command == "resolve-session-file":
    reply({{"session_file": given.session_dir + "/" + given.session_id + ".txt"}})
elif command == "read-session":
    asked = json.load(sys.stdin)
    reply({{
        "session_id": asked["session_id"], "agent_name": "tiny", "repo_path": "", "session_ref": "x.txt",
        "start_time": "2026-03-01T10:00:00Z", "native_data": encode(b"you: hi\\n"),
        "modified_files": ["a"], "new_files": None, "deleted_files": [],
    }})
elif command == "write-session":
    open("written.json", "w").write(sys.stdin.read())
elif command == "read-transcript":
    sys.stdout.write(open(given.session_ref).read())
elif command == "chunk-transcript":
    data, size = sys.stdin.buffer.read(), given.max_size
    reply({{"chunks": [encode(data[at:at + size]) for at in range(0, len(data), size)]}})
elif command == "reassemble-transcript":
    for piece in json.load(sys.stdin)["chunks"]:
        sys.stdout.buffer.write(base64.b64decode(piece))
elif command == "compact-transcript":
    lines = []
    for number, (who, text) in enumerate(parts(given.session_ref)):
        content = [{{"id": str(number), "text": text}}]
        if text.startswith("write "):
            path, new = text.split(" ", 2)[1:]
            use = {{"type": "tool_use", "id": str(number), "name": "Write", "result": {{"output": ""}}}}
            content = [{{**use, "input": {{"file_path": path, "content": new}}}}]
        kind = "user" if who == "you" else "assistant"
        lines.append(json.dumps({{"v": 1, "agent": "tiny", "type": kind, "content": content}}))
    reply({{"transcript": encode("\\n".join(lines).encode())}})
elif command == "get-transcript-position":
    reply({{"position": len(parts(given.path))}})
elif command == "extract-modified-files":
    found = parts(given.path)
    files = [text.split(" ")[1] for who, text in found[given.offset:] if text.startswith("write ")]
    reply({{"files": files, "current_position": len(found)}})
elif command == "extract-prompts":
    reply({{"prompts": [text for who, text in parts(given.session_ref)[given.offset:] if who == "you"]}})
elif command == "extract-summary":
    reply({{"summary": "", "has_summary": False}})
elif command == "calculate-tokens":
    reply({{"input_tokens": len(sys.stdin.read()), "output_tokens": 7, "api_call_count": 1}})
elif command == "parse-hook":
    data = sys.stdin.read()
    reply({{"type": 3, "session_id": given.hook, "prompt": data, "metadata": {{"x": "y"}}}} if data else None)
elif command == "install-hooks":
    reply({{"hooks_installed": 2 + given.force}})
elif command == "are-hooks-installed":
    reply({{"installed": True}})
elif command == "format-resume-command":
    reply({{"command": "tiny --resume " + given.session_id}})
elif command != "uninstall-hooks":
    sys.exit("unknown: " + command)
'''

TRANSCRIPT = b"you: make a file\nit: fine\nit: write lib/a.txt hello\nyou: thanks\nit: welcome\n"


@pytest.fixture
def plug(tmp_path):
    """Write a plug-in and give a client of it."""

    def plug(text=PLUGIN, *, bounds=None, capabilities='"compact_transcript": True'):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "entire-agent-tiny"
        body = text.format(python=sys.executable, capabilities=capabilities) if text is PLUGIN else text
        program.write_text(body)
        program.chmod(0o755)
        repository = tmp_path / "repo"
        repository.mkdir(exist_ok=True)
        return ExternalAgent(
            program, repository=repository, environment={"PATH": "/usr/bin:/bin"}, bounds=bounds
        )

    return plug


def test_plug_ins_are_found_on_the_path(plug, tmp_path):
    program = plug().program
    other = tmp_path / "other"
    other.mkdir()
    for name in ("entire-agent-tiny", "entire-agent-Bad name", "entire-agent-"):
        (other / name).write_text("")
        (other / name).chmod(0o755)
    (other / "entire-agent-plain").write_text("not executable")
    search = os.pathsep.join((str(tmp_path / "absent"), ".", str(program.parent), str(other)))
    assert find_agents(search) == {"tiny": program}


def test_every_sub_command_is_understood(plug, tmp_path):
    agent = plug()
    info = agent.info()
    assert (info.name, info.kind, info.hook_names) == ("tiny", "Tiny Agent", ("stop",))
    assert info.capabilities == {"compact_transcript"}
    assert agent.detect() is True
    assert agent.find_session_id({"session_id": "abc"}) == "ABC"
    folder = agent.find_session_folder()
    assert folder == f"{tmp_path / 'repo'}/.tiny"
    assert agent.find_session_file(folder, "--force") == f"{folder}/--force.txt"
    session = agent.read_session({"session_id": "abc"})
    assert (session.id, session.content, session.modified, session.new) == ("abc", b"you: hi\n", ("a",), ())
    agent.write_session({"session_id": "abc"})
    assert (tmp_path / "repo" / "written.json").exists()
    path = tmp_path / "t.txt"
    path.write_bytes(TRANSCRIPT)
    assert agent.read_transcript(str(path)) == TRANSCRIPT
    pieces = agent.chunk_transcript(TRANSCRIPT, 10)
    assert max(map(len, pieces)) == 10
    assert agent.reassemble_transcript(pieces) == TRANSCRIPT
    assert agent.find_position(str(path)) == 5
    assert agent.list_modified_files(str(path)) == (("lib/a.txt",), 5)
    assert agent.list_modified_files(str(path), 3) == ((), 5)
    assert agent.list_prompts(str(path)) == ("make a file", "thanks")
    assert agent.find_summary(str(path)) is None
    assert agent.count_tokens(TRANSCRIPT).input_tokens == len(TRANSCRIPT)
    event = agent.parse_hook("stop", b"bye")
    assert (event.type, event.session_id, event.prompt, event.extra) == (
        3,
        "stop",
        "bye",
        {"metadata": {"x": "y"}},
    )
    assert agent.parse_hook("stop", b"") is None
    assert agent.install_hooks() == 2
    assert agent.install_hooks(force=True) == 3
    assert agent.has_hooks() is True
    agent.uninstall_hooks()
    assert agent.format_resume_command("abc") == "tiny --resume abc"


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("#!/bin/sh\nexit 3\n", "status 3"),
        ("#!/bin/sh\necho broken >&2; exit 1\n", "broken"),
        ("#!/bin/sh\necho hello\n", "printed no JSON but 'hello"),
        ("#!/bin/sh\necho '[]'\n", "printed list"),
        ("#!/bin/sh\necho '{\"protocol_version\": 2}'\n", "speaks version 2"),
        ('#!/bin/sh\necho \'{"protocol_version": 1, "name": 5}\'\n', "'name' is 5"),
        ("#!/bin/sh\nsleep 60 &\nsleep 60\n", "longer than 0.5 s"),
        ("#!/bin/sh\nexec yes\n", "more than 1000 bytes"),
        ("#!/nowhere/at/all\n", "cannot be started"),
    ],
    ids=["status", "stderr", "no json", "no object", "version", "type", "slow", "endless", "no interpreter"],
)
def test_a_plug_in_that_misbehaves_is_an_error_that_says_what_and_where(plug, script, fault):
    agent = plug(script, bounds=Bounds(seconds=0.5, output_bytes=1000))
    began = time.monotonic()
    with pytest.raises(PluginFailed, match="entire-agent-tiny info: ") as caught:
        agent.info()
    assert fault in caught.value.message
    assert caught.value.hint
    assert time.monotonic() - began < 10


def test_a_plug_in_that_does_not_read_what_it_is_sent_is_no_failure(plug):
    agent = plug("#!/bin/sh\necho null\n")
    assert agent.parse_hook("stop", b"x" * 1_000_000) is None


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (lambda agent: agent.detect(), '{"present": "yes"}'),
        (lambda agent: agent.find_position("x"), '{"position": -1}'),
        (lambda agent: agent.list_prompts("x"), '{"prompts": 7}'),
        (lambda agent: agent.compact_transcript("x"), '{"transcript": "?"}'),
        (lambda agent: agent.parse_hook("stop", b"{}"), '{"type": "start"}'),
    ],
)
def test_answers_of_another_type_are_refused(plug, command, answer):
    agent = plug(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
    with pytest.raises(PluginFailed):
        command(agent)


def test_a_transcript_is_read_through_its_compact_form(plug):
    agent = plug(capabilities='"compact_transcript": True, "token_calculator": True')
    form = ExternalFormat(agent, agent.info())
    assert not form.recognises(TRANSCRIPT)
    session = form.parse(TRANSCRIPT)
    assert (session.agent, session.line_count, session.problems) == ("tiny", 5, ())
    places = [(turn.prompt, turn.first_line, turn.end_line) for turn in session.turns]
    assert places == [("make a file", 0, 3), ("thanks", 3, 5)]
    (call,) = session.turns[0].calls
    assert (call.edits[0].path, call.edits[0].added) == ("lib/a.txt", ("hello",))
    assert session.turns[-1].usage[0].output_tokens == 7


def test_a_transcript_is_read_through_prompts_and_files_where_that_is_all(plug):
    agent = plug(capabilities='"transcript_analyzer": True')
    session = ExternalFormat(agent, agent.info()).parse(TRANSCRIPT)
    assert [turn.prompt for turn in session.turns] == ["make a file", "thanks"]
    assert session.turns[-1].calls[0].paths == ("lib/a.txt",)


def test_a_failing_plug_in_leaves_a_session_with_a_problem(plug):
    good = plug()
    info = good.info()
    session = ExternalFormat(plug("#!/bin/sh\nexit 9\n"), info).parse(TRANSCRIPT)
    assert (session.turns, session.line_count) == ((), 5)
    assert "status 9" in session.problems[0].text
    idle = plug(capabilities="")
    session = ExternalFormat(idle, idle.info()).parse(TRANSCRIPT)
    assert "can neither" in session.problems[0].text
