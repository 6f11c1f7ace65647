"""What only one of the other formats has: forks, running totals, snapshots, databases."""

import json
import sqlite3

import pytest

from imprint.store.agents.codex import Codex
from imprint.store.agents.copilot import Copilot
from imprint.store.agents.cursor import Cursor
from imprint.store.agents.gemini import Gemini
from imprint.store.agents.model import Edit, EditKind
from imprint.store.agents.opencode import OpenCode, export_session, list_database_sessions


def calls_of(session):
    return [call for turn in session.turns for call in turn.calls]


def item(**payload):
    return {"type": "response_item", "payload": payload}


def event(**payload):
    return {"type": "event_msg", "payload": payload}


def test_codex_says_what_a_patch_changed(make_lines):
    diff = "@@ -1 +1,2 @@\n-one\n+eins\n+zwei\n"
    changes = {
        "/w/a.py": {"type": "update", "unified_diff": diff, "move_path": "/w/b.py"},
        "/w/n.py": {"type": "add", "content": "x\n"},
        "/w/d.py": {"type": "delete", "content": ""},
    }
    session = Codex().parse(
        make_lines(
            {"type": "session_meta", "payload": {"id": "t", "cwd": "/w"}},
            event(type="user_message", message="go"),
            item(type="custom_tool_call", call_id="c1", name="apply_patch", input="*** Begin Patch"),
            event(type="patch_apply_end", call_id="c1", success=True, changes=changes),
            item(type="custom_tool_call", call_id="c2", name="apply_patch", input="*** Begin Patch"),
            event(type="patch_apply_end", call_id="c2", success=False, changes={}),
        )
    )
    done, failed = calls_of(session)
    assert done.edits == (
        Edit("b.py", EditKind.MOVE, old_path="a.py"),
        Edit("b.py", EditKind.PATCH, ("eins", "zwei"), ("one",)),
        Edit("n.py", EditKind.WRITE, ("x",)),
        Edit("d.py", EditKind.DELETE),
    )
    assert (done.ok, failed.ok) == (True, False)


def test_codex_sub_agents_name_their_parent(make_lines):
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": "mother"}}}
    child = Codex().parse(make_lines({"type": "session_meta", "payload": {"id": "kid", "source": spawn}}))
    assert (child.id, child.parent_id) == ("kid", "mother")
    mother = Codex().parse(
        make_lines(
            event(type="user_message", message="go"),
            item(type="function_call", call_id="c1", name="spawn_agent", arguments="{}"),
            item(type="function_call_output", call_id="c1", output='{"agent_id": "kid"}'),
        )
    )
    assert calls_of(mother)[0].sub_session == "kid"


def test_codex_totals_that_begin_anew_are_not_taken_for_less_than_nothing(make_lines):
    def tokens(total, last):
        def counts(number):
            return {"input_tokens": number, "output_tokens": 1, "total_tokens": number + 1}

        info = {"total_token_usage": counts(total), "last_token_usage": counts(last)}
        return event(type="token_count", info=info)

    session = Codex().parse(
        make_lines(event(type="user_message", message="go"), tokens(100, 100), tokens(30, 30), tokens(90, 60))
    )
    assert [usage.input_tokens for usage in session.turns[0].usage] == [100, 30, 60]


def test_the_same_request_in_a_fork_has_the_same_id(samples):
    """A fork's transcript begins with its parent's history: an account over both counts it once."""
    fork = samples["codex"].replace(b'"id": "0199-bbbb"', b'"id": "fork", "forked_from_id": "0199-bbbb"')
    ids = [
        [usage.request_id for turn in Codex().parse(content).turns for usage in turn.usage]
        for content in (samples["codex"], fork)
    ]
    assert ids[0] == ids[1]
    assert Codex().parse(fork).parent_id == "0199-bbbb"


def test_codex_commands_are_read_as_words_and_as_text(make_lines):
    def call(number, name, arguments):
        text = json.dumps(arguments)
        return item(type="function_call", call_id=f"c{number}", name=name, arguments=text)

    session = Codex().parse(
        make_lines(
            event(type="user_message", message="go"),
            call(1, "shell", {"command": ["bash", "-lc", "echo one > a"], "workdir": "/w"}),
            call(2, "shell_command", {"command": "echo two > b"}),
            item(type="local_shell_call", call_id="c3", action={"command": ["tee", "x"], "type": "exec"}),
        )
    )
    assert [edit.added for call in calls_of(session) for edit in call.edits] == [("one",), ("two",)]


def test_gemini_shows_the_lines_of_an_edit_and_what_failed(make_lines):
    diff = "Index: x\n--- x\tCurrent\n+++ x\tProposed\n@@ -1,1 +1,1 @@\n-full line one\n+full line two\n"
    given = {"file_path": "x", "old_string": "one", "new_string": "two"}
    calls = [
        {
            "id": "1",
            "name": "replace",
            "args": given,
            "status": "success",
            "resultDisplay": {"fileDiff": diff},
        },
        {"id": "2", "name": "replace", "args": given, "status": "error"},
        {"id": "3", "name": "replace", "args": given, "status": "cancelled"},
    ]
    session = Gemini().parse(
        make_lines(
            {"sessionId": "g", "projectHash": "h"},
            {"$set": {"messages": [{"id": "1", "type": "user", "content": "go"}]}},
            {"id": "2", "type": "gemini", "toolCalls": calls},
        )
    )
    assert [call.ok for call in calls_of(session)] == [True, False, False]
    assert calls_of(session)[0].edits == (Edit("x", EditKind.PATCH, ("full line two",), ("full line one",)),)


def test_turns_of_a_document_know_their_lines(samples):
    content = samples["gemini-cli document"]
    lines = content.decode().splitlines()
    second = Gemini().parse(content).turns[1]
    assert '"m3"' in lines[second.first_line]


def test_cursor_has_words_of_a_person_only_within_its_tag(make_lines):
    text = "<attached_files>x</attached_files><user_query>fix it</user_query>"
    session = Cursor().parse(
        make_lines(
            {"role": "user", "message": {"content": text}},
            {"role": "user", "message": {"content": "<user_info>y</user_info>"}},
            {"role": "user", "message": {"content": "bare words"}},
        )
    )
    assert [turn.prompt for turn in session.turns] == ["fix it", "bare words"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((100, 250), [100, 150]), ((100, 40), [100, 40])],
    ids=["a running total", "counted anew"],
)
def test_copilot_sums_of_several_runs_are_not_added_twice(make_lines, counts, expected):
    def shutdown(number, tokens):
        usage = {"inputTokens": tokens, "outputTokens": tokens}
        data = {"modelMetrics": {"m": {"usage": usage}}}
        return {"id": f"e{number}", "type": "session.shutdown", "data": data}

    prompt = {"id": "e0", "type": "user.message", "data": {"content": "go"}}
    session = Copilot().parse(make_lines(prompt, shutdown(1, counts[0]), shutdown(2, counts[1])))
    assert [usage.output_tokens for usage in session.turns[0].usage] == expected


def test_copilot_messages_count_where_no_shutdown_was_written(samples):
    cut = b"".join(samples["copilot"].splitlines(keepends=True)[:-1])
    usage = [usage for turn in Copilot().parse(cut).turns for usage in turn.usage]
    assert [each.output_tokens for each in usage] == [7, 5]


def test_copilot_names_the_files_that_a_tool_touched(make_lines):
    session = Copilot().parse(
        make_lines(
            {"id": "1", "type": "user.message", "data": {"content": "go"}},
            {"id": "2", "type": "tool.execution_start", "data": {"toolCallId": "c", "toolName": "view"}},
            {
                "id": "3",
                "type": "tool.execution_complete",
                "data": {
                    "toolCallId": "c",
                    "success": False,
                    "toolTelemetry": {"properties": {"filePaths": '["a.py", "b.py"]'}},
                },
            },
        )
    )
    (call,) = calls_of(session)
    assert (call.paths, call.ok) == (("a.py", "b.py"), False)


@pytest.fixture
def database(tmp_path, opencode_value):
    path = tmp_path / "open code.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE session (id TEXT, parent_id TEXT, directory TEXT, title TEXT, version TEXT,
                              time_created INTEGER, time_updated INTEGER);
        CREATE TABLE message (id TEXT, session_id TEXT, time_created INTEGER, data TEXT);
        CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, time_created INTEGER, data TEXT);
        """
    )
    info = opencode_value["info"]
    row = (info["id"], None, info["directory"], info["title"], info["version"], *info["time"].values())
    connection.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for message in opencode_value["messages"]:
        data = {name: value for name, value in message["info"].items() if name != "id"}
        row = (message["info"]["id"], info["id"], data["time"]["created"], json.dumps(data))
        connection.execute("INSERT INTO message VALUES (?, ?, ?, ?)", row)
        for part in message["parts"]:
            data = {name: value for name, value in part.items() if name != "id"}
            row = (part["id"], message["info"]["id"], info["id"], 0, json.dumps(data))
            connection.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def test_a_session_out_of_the_database_is_that_of_the_export(database, samples):
    content = export_session(database, "ses_1")
    assert OpenCode().recognises(content)
    exported, expected = OpenCode().parse(content), OpenCode().parse(samples["opencode"])
    assert exported.turns[0].calls == expected.turns[0].calls
    assert [turn.usage for turn in exported.turns] == [turn.usage for turn in expected.turns]
    assert (exported.id, exported.cwd, exported.extra) == (expected.id, expected.cwd, expected.extra)
    assert list_database_sessions(database) == [("ses_1", "/users/kim/app", 1772359300000)]
    assert export_session(database, "ses_2") is None


def test_a_database_that_is_none_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "not.db"
    path.write_bytes(b"no database at all, but longer than a header of SQLite would have to be")
    for name in (path, tmp_path / "absent.db"):
        with pytest.raises(OSError, match=name.name):
            export_session(name, "ses_1")
    assert not (tmp_path / "absent.db").exists()


def test_opencode_reports_the_lines_of_an_edit_and_a_sub_agents_session():
    diff = "Index: f\n--- f\n+++ f\n@@ -1,1 +1,1 @@\n-whole one\n+whole two\n"

    def part(call_id, name, given, metadata):
        state = {"status": "completed", "input": given, "metadata": metadata}
        return {"type": "tool", "callID": call_id, "tool": name, "state": state}

    edit = {"filePath": "f", "oldString": "one", "newString": "two"}
    parts = [part("1", "edit", edit, {"diff": diff}), part("2", "task", {}, {"sessionId": "ses_kid"})]
    value = {"info": {"id": "ses_1"}, "messages": [{"info": {"role": "assistant"}, "parts": parts}]}
    changed, started = calls_of(OpenCode().parse(json.dumps(value).encode()))
    assert changed.edits == (Edit("f", EditKind.PATCH, ("whole two",), ("whole one",)),)
    assert started.sub_session == "ses_kid"
