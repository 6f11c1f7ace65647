"""Transcripts of Claude Code: where turns begin, what sub-agents and failed tools did."""

import pytest

from imprint.store.agents.claude_code import ClaudeCode
from imprint.store.agents.model import Edit, EditKind

_BASE = {"sessionId": "s1", "cwd": "/users/kim/app", "isSidechain": False}


def user(content, uuid="", **more):
    message = {"role": "user", "content": content}
    return {**_BASE, "type": "user", "uuid": uuid, "message": message, **more}


def answer(message_id, *content, model="model-a", usage=None, **more):
    message = {"id": message_id, "role": "assistant", "model": model, "content": list(content)}
    return {**_BASE, "type": "assistant", "message": {**message, "usage": usage or {}}, **more}


def tool(call_id, name, **given):
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id, outcome=None, *, error=False, text="", **more):
    part = {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": error}
    return user([part], toolUseResult=outcome, **more)


@pytest.fixture
def read(make_lines):
    return lambda *objects: ClaudeCode().parse(make_lines(*objects))


def calls_of(session):
    return [call for turn in session.turns for call in turn.calls]


@pytest.mark.parametrize(
    "line",
    [
        user("Base directory for this skill", isMeta=True),
        user("This session is being continued from a previous conversation that ran out of context."),
        user("summary", isCompactSummary=True),
        user("<local-command-stdout>ok</local-command-stdout>"),
        user("<bash-input>git pull</bash-input>"),
        user("<bash-stdout>done</bash-stdout>"),
        user("<task-notification>x</task-notification>"),
        user("<system-reminder>be brief</system-reminder>"),
        user([{"type": "text", "text": "[Request interrupted by user for tool use]"}]),
        user("a sub-agent's task", isSidechain=True),
        user(""),
        result("c9"),
        user("<command-name>/clear</command-name>\n<command-message>clear</command-message>"),
        {"type": "queue-operation", "operation": "enqueue", "content": "later", "sessionId": "s1"},
    ],
    ids=range(14),
)
def test_what_no_person_typed_begins_no_turn(read, line):
    session = read(user("first", "p1"), answer("a1"), line)
    assert [turn.prompt for turn in session.turns] == ["first"]


def test_a_slash_command_begins_a_turn_when_a_model_answers_it(read):
    command = "<command-message>review</command-message><command-name>/review</command-name>"
    session = read(
        user("first", "p1"),
        user("<command-name>/model</command-name>"),
        user("<local-command-stdout>set</local-command-stdout>"),
        answer("a1"),
        user(f"{command}<command-args>lib --deep</command-args>", "p2"),
        user("You are to review.", isMeta=True),
        answer("a2"),
    )
    assert [turn.prompt for turn in session.turns] == ["first", "/review lib --deep"]
    assert [turn.first_line for turn in session.turns] == [0, 4]


def test_words_typed_while_a_tool_ran_begin_a_turn_after_its_result(read):
    both = [
        {"type": "tool_result", "tool_use_id": "c1", "content": ""},
        {"type": "text", "text": "use tabs"},
    ]
    queued = {"type": "attachment", "attachment": {"type": "queued_command", "prompt": "and a test"}}
    session = read(
        user("first"), answer("a1", tool("c1", "Read", file_path="x")), user(both), answer("a2"), queued
    )
    assert [turn.prompt for turn in session.turns] == ["first", "use tabs", "and a test"]
    assert calls_of(session)[0].ok is True


def test_reminders_are_no_part_of_a_prompt(read):
    text = "<system-reminder>be brief</system-reminder>\nadd a test"
    assert read(user(text)).turns[0].prompt == "add a test"
    assert read(user([{"type": "image", "source": {}}])).turns[0].prompt == "[image]"


def test_the_result_says_exactly_which_lines_changed(read):
    patch = [{"oldStart": 1, "lines": [" def f():", "-    return 1", "+    return 2  # by hand"]}]
    given = {"file_path": "/users/kim/app/f.py", "old_string": "1", "new_string": "2"}
    session = read(
        user("first"),
        answer("a1", tool("c1", "Edit", **given)),
        result("c1", {"structuredPatch": patch, "userModified": True}),
        answer("a2", tool("c2", "Write", file_path="/users/kim/app/g.py", content="a\nb\n")),
        result("c2", {"type": "create", "structuredPatch": []}),
    )
    changed, created = calls_of(session)
    assert changed.edits == (Edit("f.py", EditKind.PATCH, ("    return 2  # by hand",), ("    return 1",)),)
    assert created.edits == (Edit("g.py", EditKind.WRITE, ("a", "b")),)


def test_a_failed_edit_is_kept_and_said_to_have_failed(read):
    session = read(
        user("first"),
        answer("a1", tool("c1", "Edit", file_path="f", old_string="1", new_string="2")),
        result("c1", "Error: String to replace not found", error=True),
        answer("a2", tool("c2", "Bash", command="echo x > y; false")),
        result("c2", "Error: Exit code 1", error=True, text="Exit code 1"),
        answer("a3", tool("c3", "Bash", command="echo x > y")),
        result("c3", error=True, text="The user doesn't want to proceed with this tool use."),
        answer("a4", tool("c4", "Bash", command="make test")),
        result("c4", error=True, text="Exit code 2"),
    )
    assert [(call.ok, len(call.edits)) for call in calls_of(session)] == [
        (False, 1),
        (None, 1),  # what failed in a shell may have written before
        (False, 1),
        (False, 0),
    ]


def test_many_edits_and_notebooks_are_read(read):
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": ""}]
    session = read(
        user("first"),
        answer("a1", tool("c1", "MultiEdit", file_path="f", edits=edits)),
        answer("a2", tool("c2", "NotebookEdit", notebook_path="n.ipynb", new_source="x = 1")),
    )
    many, notebook = calls_of(session)
    assert [(edit.added, edit.removed) for edit in many.edits] == [(("b",), ("a",)), ((), ("c",))]
    assert notebook.edits == (Edit("n.ipynb", EditKind.REPLACE, ("x = 1",)),)
    assert notebook.paths == ("n.ipynb",)


def test_only_the_lines_that_an_edit_changes_count(read):
    old = "def f():\n    a()\n    b()\n    return 1"
    new = "def f():\n    a()\n    c()\n    b()\n    return 1"
    session = read(user("x"), answer("a", tool("c", "Edit", file_path="f", old_string=old, new_string=new)))
    assert calls_of(session)[0].edits == (Edit("f", EditKind.REPLACE, ("    c()",)),)


def test_sub_agents_belong_to_the_turn_that_runs_them(read):
    inner = tool("c2", "Write", file_path="/users/kim/app/s.py", content="x")
    progress = {
        **_BASE,
        "type": "progress",
        "parentToolUseID": "c1",
        "data": {
            "type": "agent_progress",
            "agentId": "ag1",
            "message": {
                "type": "assistant",
                "message": {"id": "b2", "model": "small", "content": [inner], "usage": {"output_tokens": 4}},
            },
        },
    }
    done = {**progress, "data": {"type": "agent_progress", "message": result("c2", {"type": "create"})}}
    session = read(
        user("first"),
        answer("a1", tool("c1", "Task", prompt="do it"), usage={"output_tokens": 2}),
        user("do it", isSidechain=True, agentId="ag1"),
        answer("b1", tool("c3", "Read", file_path="q"), isSidechain=True, model="small"),
        progress,
        done,
        result("c1", {"agentId": "ag1", "status": "completed"}),
        user("second"),
    )
    first, second = session.turns
    assert [call.name for call in first.calls] == ["Task", "Read", "Write"]
    assert first.calls[0].sub_session == "s1.ag1"
    assert first.calls[2].ok is True
    assert first.model == "model-a"
    assert sum(usage.output_tokens for usage in first.usage) == 6
    assert second.calls == ()


def test_a_sub_agents_own_transcript_is_a_session_with_a_parent(read):
    mine = {"isSidechain": True, "agentId": "ag1"}
    session = read(
        user("do it", "p1", **mine),
        answer("b1", tool("c1", "Write", file_path="/users/kim/app/x", content="1"), **mine),
    )
    assert (session.id, session.parent_id) == ("s1.ag1", "s1")
    assert [turn.prompt for turn in session.turns] == ["do it"]
    assert calls_of(session)[0].paths == ("x",)


def test_a_streamed_answer_counts_once_with_its_last_numbers(read):
    session = read(
        user("first"),
        answer("a1", usage={"input_tokens": 5, "output_tokens": 1, "cache_creation_input_tokens": 7}),
        answer("a1", usage={"input_tokens": 5, "output_tokens": 42, "cache_creation_input_tokens": 7}),
        answer("a2", usage={"input_tokens": 1, "output_tokens": 1}, costUSD=0.5),
        answer("a3", model="<synthetic>", usage={"input_tokens": 99}),
    )
    one, two = session.turns[0].usage
    assert (one.input_tokens, one.output_tokens, one.cache_write_tokens) == (5, 42, 7)
    assert (two.cost_usd, session.models) == (0.5, ("model-a",))


def test_work_before_the_first_prompt_is_a_turn_without_one(read):
    session = read(answer("a1", tool("c1", "Read", file_path="x")), user("first"))
    assert [(turn.prompt, len(turn.calls)) for turn in session.turns] == [("", 1), ("first", 0)]


def test_paths_of_windows_are_read(read):
    session = read(
        user("first", cwd="C:\\work\\app"),
        answer("a1", tool("c1", "Write", file_path="C:\\work\\app\\lib\\x.py", content="1")),
        answer("a2", tool("c2", "Write", file_path="D:\\other\\y.py", content="1")),
    )
    assert [call.edits[0].path for call in calls_of(session)] == ["lib/x.py", "D:/other/y.py"]
