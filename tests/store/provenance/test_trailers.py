"""Trailers as git sees them, and what they declare."""

import pytest

from imprint.store.evidence.claims import Evidence
from imprint.store.formats.trailers import message_claims, parse_trailers
from imprint.store.objects.ports import Commit, Identity
from imprint.store.types import ObjectId

SOMEBODY = Identity("Ada", "ada@example.com", 0, 0)


def commit(message: str) -> Commit:
    return Commit(ObjectId("1" * 40), ObjectId("2" * 40), (), SOMEBODY, SOMEBODY, message)


def claimed(message: str) -> list[tuple]:
    return [
        (claim.agent, claim.model, claim.session, claim.method) for claim in message_claims(commit(message))
    ]


@pytest.mark.parametrize(
    ("trailer", "expected"),
    [
        ("Co-Authored-By: Claude <noreply@anthropic.com>", ("claude-code", None, None)),
        (
            "Co-Authored-By: Claude Opus 4.6 (1M context) <noreply@anthropic.com>",
            ("claude-code", "claude-opus-4.6", None),
        ),
        ("co-authored-by: Codex <noreply@openai.com>", ("codex", None, None)),
        ("Co-authored-by: Codex <codex@openai.com>", ("codex", None, None)),
        ("Co-authored-by: OpenAI GPT 5.5 <noreply@openai.com>", ("codex", "gpt-5.5", None)),
        ("Co-authored-by: Cursor <cursoragent@cursor.com>", ("cursor", None, None)),
        ("Made-with: Cursor", ("cursor", None, None)),
        ("Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>", ("copilot", None, None)),
        ("Co-authored-by: Copilot <198982749+Copilot@users.noreply.github.com>", ("copilot", None, None)),
        (
            "Co-authored-by: Devin AI <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
            ("devin", None, None),
        ),
        ("Co-authored-by: aider (gpt-4o) <noreply@aider.chat>", ("aider", "gpt-4o", None)),
        ("Co-authored-by: Windsurf <noreply@windsurf.com>", ("windsurf", None, None)),
        ("Co-authored-by: Windsurf <noreply@codeium.com>", ("windsurf", None, None)),
        (
            "Co-authored-by: gemini-cli <218195315+gemini-cli@users.noreply.github.com>",
            ("gemini-cli", None, None),
        ),
        ("Replit-Commit-Author: Agent", ("replit", None, None)),
        ("Replit-Commit-Session-Id: 12ab", ("replit", None, "12ab")),
        ("Claude-Session: https://claude.ai/code/session_01X", ("claude-code", None, "session_01X")),
        ("Codex-Session: 0199-a", ("codex", None, "0199-a")),
        ("Cursor-Session: abc", ("cursor", None, "abc")),
        ("Amp-Thread-ID: https://ampcode.com/threads/T-9", ("amp", None, "T-9")),
        ("Assisted-by: Claude:claude-3-opus [coccinelle] [sparse]", ("claude-code", "claude-3-opus", None)),
        ("Assisted-by: Claude Code / claude-sonnet-4.5", ("claude-code", "claude-sonnet-4.5", None)),
        ("Assisted-by: NewTool:some-model", ("newtool", "some-model", None)),
        ("Generated-by: OpenCode:kimi-k2", ("opencode", "kimi-k2", None)),
        ("Entire-Agent: Gemini CLI", ("gemini-cli", None, None)),
    ],
)
def test_each_form_in_the_wild_declares_its_agent(trailer, expected):
    agent, model, session = expected
    key = trailer.partition(":")[0]
    assert claimed(f"Fix it\n\nBecause.\n\n{trailer}\n") == [(agent, model, session, f"trailer {key}")]


@pytest.mark.parametrize(
    "message",
    [
        "Fix it",
        "",
        "Fix it\n\nCo-authored-by: Claude Dupont <claude@dupont.example>\n",
        "Fix it\n\nCo-authored-by: Grace Hopper <grace@example.com>\n",
        "Fix it\n\nCo-authored-by: Claude\n",
        "Fix it\n\nAssisted-by: Grace Hopper <grace@example.com>\n",
        "Fix it\n\nAssisted-by: https://example.com/tool\n",
        "Fix it\n\nReplit-Commit-Author: Grace\n",
        "Fix it\n\nGenerated with Sphinx\n",
        "Co-authored-by: Claude <noreply@anthropic.com>",
        "Fix it\n\n    Co-authored-by: Claude <noreply@anthropic.com>\n\nas quoted above.\n",
        "Fix it\n\n```\nCo-authored-by: Claude <noreply@anthropic.com>\n```\nis what the tool writes.\n",
        "Fix it\n\nThe Co-authored-by: Claude <noreply@anthropic.com> line is gone.\n",
    ],
)
def test_what_names_no_agent_as_a_hand_in_the_commit_declares_nothing(message):
    assert claimed(message) == []


def test_a_service_is_declared_as_the_actor_and_not_as_an_agent():
    trailer = "Co-authored-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>"
    (claim,) = message_claims(commit(f"Bump it\n\n{trailer}\n"))
    assert (claim.actor, claim.agent, claim.evidence) == ("dependabot", None, Evidence.DECLARED)


def test_lines_of_a_squash_merge_count_where_git_sees_no_trailers():
    message = (
        "Merge (#7)\n\n* One\n\nCo-authored-by: Claude <noreply@anthropic.com>\n\n* Two\n\nNo trailer.\n"
    )
    assert parse_trailers(message) == ()
    assert claimed(message) == [("claude-code", None, None, "line Co-authored-by")]


def test_a_generated_with_line_and_its_trailer_are_one_claim():
    message = (
        "Fix it\n\n\U0001f916 Generated with [Claude Code](https://example.com)\n\n"
        "Co-Authored-By: Claude <noreply@anthropic.com>\n"
        "Claude-Session: https://example.com/code/session_5\n"
    )
    (claim,) = message_claims(commit(message))
    assert (claim.agent, claim.session) == ("claude-code", "session_5")
    assert claim.method == "trailer Co-Authored-By, trailer Claude-Session, line generated-with"


def test_two_agents_in_one_message_are_two_claims_in_order():
    cursor = "Co-authored-by: Cursor <cursoragent@cursor.com>"
    message = f"Fix it\n\n{cursor}\nCo-authored-by: Claude <noreply@anthropic.com>\n"
    assert [claim.agent for claim in message_claims(commit(message))] == ["cursor", "claude-code"]


def test_the_prefix_of_aider_is_a_claim():
    assert claimed("aider: Add a parser") == [("aider", None, None, "message prefix aider:")]


def test_a_long_hostile_message_is_read_quickly():
    message = (
        "x\n\nCo-authored-by: " + " " * 200_000 + "<" + "(" * 200_000 + "\n" + "Assisted-by: " + "[" * 300_000
    )
    assert claimed(message) == []


def test_git_reads_the_same_trailers(work_tree):
    """Real git is the oracle for what a trailer block is."""
    messages = [
        "a\n\nKey: value\n",
        "a\n\nKey: value\nno trailer\n",
        "a\n\nno trailer\nSigned-off-by: Ada <a@b>\nplain\nplain\n",
        "a\n\none\ntwo\nthree\nfour\nSigned-off-by: Ada <a@b>\n",
        "a\n\nKey: folded\n  value\n\tmore\nOther: x\n",
        "Key: value\n",
        "a\nKey: value\n",
        "a\n\n(cherry picked from commit 123)\nKey : spaced\n",
        "a\n\nKey: value\n\n",
        "a\n\nKey: value\n \n\t\n",
        "a\n\nbody\n\n leading space: x\nKey: v\n",
        "a\n\nKey: v\n\nConflicts:\n\tfile.c\n",
        "a\n\nKey with space: v\nKey: w\n",
        "a\n\nKey:\nEmpty-Too:   \n",
        "a\n\nb\u00e9: v\n",
        "\n\nKey: v\n",
        "a\n\nKey: v\r\nOther: w\r\n",
    ]
    for message in messages:
        done = work_tree.run("commit-tree", EMPTY, "-F", "-", stdin=message.encode())
        shown = work_tree(
            "log", "-1", "--format=%(trailers:only,unfold,separator=%x00)", done.stdout.decode().strip()
        )
        expected = [line for line in shown.split("\0") if line]
        assert [f"{trailer.key}: {trailer.value}" for trailer in parse_trailers(message)] == expected, message


EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def work_tree(work_tree):
    work_tree("hash-object", "-t", "tree", "-w", "--stdin")
    return work_tree
