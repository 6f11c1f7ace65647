"""Small transcripts of every format, invented here: two prompts, an edit of `lib/sum.py`, a command."""

import json

import pytest


def lines_of(*objects):
    return b"".join(json.dumps(value).encode() + b"\n" for value in objects)


def _claude():
    base = {
        "sessionId": "11111111-aaaa",
        "cwd": "/users/kim/app",
        "gitBranch": "main",
        "version": "2.1.0",
        "isSidechain": False,
        "userType": "external",
    }

    def user(uuid, content, **more):
        return {
            **base, "type": "user", "uuid": uuid, "timestamp": "2026-03-01T10:00:00Z",
            "message": {"role": "user", "content": content}, **more,
        }  # fmt: skip

    def answer(message_id, content, output):
        return {
            **base, "type": "assistant", "uuid": f"u-{message_id}", "timestamp": "2026-03-01T10:00:05Z",
            "message": {
                "id": message_id, "role": "assistant", "model": "model-a", "content": content,
                "usage": {"input_tokens": 3, "output_tokens": output, "cache_read_input_tokens": 100},
            },
        }  # fmt: skip

    edit = {
        "file_path": "/users/kim/app/lib/sum.py",
        "old_string": "def total(a, b):\n    return a",
        "new_string": "def total(a, b):\n    return a + b",
    }
    return lines_of(
        {"type": "file-history-snapshot", "messageId": "m0", "snapshot": {}, "isSnapshotUpdate": False},
        user("p1", "make total add"),
        answer("a1", [{"type": "text", "text": "I will."}], 1),
        answer("a1", [{"type": "tool_use", "id": "c1", "name": "Edit", "input": edit}], 9),
        user("r1", [{"type": "tool_result", "tool_use_id": "c1", "content": "done"}], toolUseResult={}),
        user("p2", "now a greeting"),
        answer(
            "a2",
            [
                {
                    "type": "tool_use",
                    "id": "c2",
                    "name": "Bash",
                    "input": {"command": "echo hello > greet.txt"},
                }
            ],
            5,
        ),
        user("r2", [{"type": "tool_result", "tool_use_id": "c2", "content": "", "is_error": False}]),
    )


def _codex():
    def line(kind, payload, second):
        return {"timestamp": f"2026-03-01T10:00:{second:02}Z", "type": kind, "payload": payload}

    def message(role, text):
        kind = "input_text" if role == "user" else "output_text"
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    def tokens(total, cached, output):
        counts = {
            "input_tokens": total, "cached_input_tokens": cached, "output_tokens": output,
            "reasoning_output_tokens": 1, "total_tokens": total + output,
        }  # fmt: skip
        return {"type": "token_count", "info": {"total_token_usage": counts, "last_token_usage": counts}}

    patch = (
        "*** Begin Patch\n*** Update File: lib/sum.py\n@@\n def total(a, b):\n"
        "-    return a\n+    return a + b\n"
        "*** End Patch\n"
    )
    command = json.dumps({"cmd": "echo hello > greet.txt", "workdir": "/users/kim/app"})
    return lines_of(
        line(
            "session_meta",
            {"id": "0199-bbbb", "cwd": "/users/kim/app", "cli_version": "0.139.0", "git": {"branch": "main"}},
            0,
        ),
        line("response_item", message("user", "<environment_context>\n  <cwd>/users/kim/app</cwd>"), 0),
        line("turn_context", {"turn_id": "t1", "model": "model-b", "cwd": "/users/kim/app"}, 1),
        line("response_item", message("user", "make total add"), 1),
        line("event_msg", {"type": "user_message", "message": "make total add"}, 1),
        line("response_item", {"type": "reasoning", "summary": [], "encrypted_content": "xxxx"}, 2),
        line(
            "response_item",
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": patch},
            3,
        ),
        line(
            "response_item", {"type": "custom_tool_call_output", "call_id": "c1", "output": "Exit code: 0"}, 4
        ),
        line("event_msg", tokens(10, 4, 2), 4),
        line("turn_context", {"turn_id": "t2", "model": "model-b", "cwd": "/users/kim/app"}, 5),
        line("response_item", message("user", "now a greeting"), 5),
        line("event_msg", {"type": "user_message", "message": "now a greeting"}, 5),
        line(
            "response_item",
            {"type": "function_call", "call_id": "c2", "name": "exec_command", "arguments": command},
            6,
        ),
        line(
            "response_item",
            {"type": "function_call_output", "call_id": "c2", "output": "Process exited with code 0\n"},
            7,
        ),
        line("event_msg", tokens(30, 14, 5), 8),
    )


def _gemini_messages():
    replaced = {
        "file_path": "/users/kim/app/lib/sum.py",
        "old_string": "    return a",
        "new_string": "    return a + b",
    }
    tokens = {"input": 50, "output": 5, "cached": 20, "thoughts": 2, "tool": 0, "total": 57}
    return [
        {"id": "m1", "timestamp": "2026-03-01T10:00:00Z", "type": "user", "content": "make total add"},
        {
            "id": "m2", "timestamp": "2026-03-01T10:00:05Z", "type": "gemini", "content": "done",
            "model": "model-c", "tokens": tokens,
            "toolCalls": [{"id": "c1", "name": "replace", "args": replaced, "status": "success"}],
        },
        {
            "id": "m3", "timestamp": "2026-03-01T10:01:00Z", "type": "user",
            "content": [{"text": "now a greeting"}],
        },
        {
            "id": "m4", "timestamp": "2026-03-01T10:01:05Z", "type": "gemini", "content": "done",
            "model": "model-c", "tokens": tokens,
            "toolCalls": [
                {
                    "id": "c2", "name": "run_shell_command", "status": "success",
                    "args": {"command": "echo hello > greet.txt"},
                }
            ],
        },
    ]  # fmt: skip


def _gemini_lines():
    header = {"sessionId": "gem-1", "projectHash": "abc", "startTime": "2026-03-01T10:00:00Z", "kind": "main"}
    messages = _gemini_messages()
    early = {**messages[1], "toolCalls": [], "tokens": None}
    return lines_of(
        header, messages[0], early, *messages[1:], {"$set": {"lastUpdated": "2026-03-01T10:02:00Z"}}
    )


def _gemini_document():
    header = {"sessionId": "gem-1", "projectHash": "abc", "startTime": "2026-03-01T10:00:00Z"}
    return json.dumps({**header, "messages": _gemini_messages()}, indent=2).encode()


def _cursor():
    def said(role, *content):
        return {"role": role, "message": {"content": list(content)}}

    def tool(name, **given):
        return {"type": "tool_use", "name": name, "input": given}

    return lines_of(
        said(
            "user",
            {"type": "text", "text": "<user_info>x</user_info>\n<user_query>\nmake total add\n</user_query>"},
        ),
        said(
            "assistant",
            {"type": "text", "text": "I will."},
            tool(
                "StrReplace", path="/users/kim/app/lib/sum.py", old_string="    return a",
                new_string="    return a + b",
            ),
        ),
        said("user", {"type": "text", "text": "<user_query>now a greeting</user_query>"}),
        said("assistant", tool("Shell", command="echo hello > greet.txt")),
    )  # fmt: skip


def _copilot():
    def event(number, kind, **data):
        return {
            "id": f"e{number}", "parentId": None, "timestamp": f"2026-03-01T10:00:{number:02}Z",
            "type": kind, "data": data,
        }  # fmt: skip

    start = {
        "sessionId": "cop-1",
        "copilotVersion": "1.0",
        "context": {"cwd": "/users/kim/app", "branch": "main"},
    }
    edit = {"path": "/users/kim/app/lib/sum.py", "old_str": "    return a", "new_str": "    return a + b"}
    counts = {"inputTokens": 60, "outputTokens": 12, "cacheReadTokens": 40, "cacheWriteTokens": 5}
    return lines_of(
        event(1, "session.start", selectedModel="model-d", **start),
        event(2, "user.message", content="make total add"),
        event(3, "assistant.message", messageId="m1", content="", outputTokens=7),
        event(4, "tool.execution_start", toolCallId="c1", toolName="edit", arguments=edit),
        event(5, "tool.execution_complete", toolCallId="c1", success=True),
        event(6, "user.message", content="now a greeting"),
        event(7, "assistant.message", messageId="m2", content="", outputTokens=5),
        event(
            8, "tool.execution_start", toolCallId="c2", toolName="bash",
            arguments={"command": "echo hello > greet.txt"},
        ),
        event(9, "tool.execution_complete", toolCallId="c2", success=True),
        event(10, "session.shutdown", modelMetrics={"model-d": {"usage": counts}}),
    )  # fmt: skip


def _opencode_value():
    def message(number, role, parts, **info):
        info = {"id": f"msg_{number}", "role": role, "time": {"created": 1772359200000 + number}, **info}
        return {"info": info, "parts": parts}

    def tool(call_id, name, given):
        return {
            "id": f"prt_{call_id}", "type": "tool", "callID": call_id, "tool": name,
            "state": {"status": "completed", "input": given, "metadata": {}},
        }  # fmt: skip

    spent = {
        "modelID": "model-e", "cost": 0.25,
        "tokens": {"input": 10, "output": 4, "reasoning": 1, "cache": {"read": 5, "write": 2}},
    }  # fmt: skip
    edit = {
        "filePath": "/users/kim/app/lib/sum.py",
        "oldString": "    return a",
        "newString": "    return a + b",
    }
    return {
        "info": {
            "id": "ses_1", "directory": "/users/kim/app", "title": "Sums", "version": "1.18.0",
            "time": {"created": 1772359200000, "updated": 1772359300000},
        },
        "messages": [
            message(1, "user", [{"id": "prt_1", "type": "text", "text": "make total add"}]),
            message(2, "assistant", [tool("c1", "edit", edit)], **spent),
            message(3, "user", [{"id": "prt_2", "type": "text", "text": "now a greeting"}]),
            message(4, "assistant", [tool("c2", "bash", {"command": "echo hello > greet.txt"})], **spent),
        ],
    }  # fmt: skip


def _compact():
    def line(kind, content, **more):
        head = {"v": 1, "agent": "claude-code", "cli_version": "0.11", "type": kind}
        return {**head, "ts": "2026-03-01T10:00:00Z", "content": content, **more}

    edit = {"file_path": "lib/sum.py", "old_string": "    return a", "new_string": "    return a + b"}
    shell = {"command": "echo hello > greet.txt"}
    return lines_of(
        line("user", [{"id": "p1", "text": "make total add"}]),
        line(
            "assistant",
            [{"type": "tool_use", "id": "c1", "name": "Edit", "input": edit, "result": {"output": "ok"}}],
            id="a1", input_tokens=3, output_tokens=9,
        ),
        line("user", [{"id": "p2", "text": "now a greeting"}]),
        line(
            "assistant",
            [{"type": "tool_use", "id": "c2", "name": "Bash", "input": shell, "result": {"output": ""}}],
            id="a2", input_tokens=3, output_tokens=5,
        ),
    )  # fmt: skip


@pytest.fixture
def make_lines():
    """Objects as lines of JSON."""
    return lines_of


@pytest.fixture(scope="session")
def opencode_value():
    """What `opencode export` prints, decoded."""
    return _opencode_value()


@pytest.fixture(scope="session")
def samples():
    """One transcript of each format, by a name; all tell the same story."""
    return {
        "claude-code": _claude(),
        "codex": _codex(),
        "gemini-cli": _gemini_lines(),
        "gemini-cli document": _gemini_document(),
        "cursor": _cursor(),
        "copilot": _copilot(),
        "opencode": json.dumps(_opencode_value(), indent=2).encode(),
        "entire": _compact(),
    }
