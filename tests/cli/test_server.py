"""Commands against a running server, on the sample repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from imprint.cli.sample.story import REPOSITORY, STORY
from imprint.store.evidence.claims import Evidence

REPO = ("--repo", REPOSITORY)
SQUASH = "9760468b8a3accc8944e9a09fb07093c2adfe271"
"""What the story's last pushed commit is wherever it is told; new files or dates in the story change it."""


def test_search_finds_the_retry_policy_first(ask) -> None:
    ended = ask("search", "where is the retry policy", *REPO, "--json")
    assert ended.code == 0
    answer = ended.document
    assert answer["behind"] == 0
    assert answer["hits"][0]["path"] == "ledger/retry.py"
    assert {"repo", "path", "start_line", "end_line", "symbol", "score"} <= answer["hits"][0].keys()
    assert answer["hits"][0]["repo"] == REPOSITORY


def test_search_can_be_narrowed(ask) -> None:
    ended = ask("search", "format amounts cents", *REPO, "--json", "--language", "go", "--limit", "3")
    assert {hit["path"] for hit in ended.document["hits"]} <= {"cmd/export/csv.go", "cmd/export/main.go"}
    ended = ask("search", "format amounts cents", *REPO, "--json", "--path", "web")
    assert {hit["path"].partition("/")[0] for hit in ended.document["hits"]} == {"web"}


@pytest.mark.parametrize("as_json", [True, False])
def test_finding_nothing_ends_with_1(ask, as_json: bool) -> None:
    ended = ask("search", "zyzzyva", *REPO, *(["--json"] if as_json else []))
    assert ended.code == 1
    if as_json:
        assert ended.document["hits"] == []
    else:
        told, hint = ended.stderr.splitlines()
        assert told == "imprint: error: nothing found for 'zyzzyva'"
        assert "--removed" in hint
    assert ask("symbol", "zyzzyva", *REPO, *(["--json"] if as_json else [])).code == 1


def test_a_symbol_has_its_place(ask) -> None:
    ended = ask("symbol", "RetryPolicy", *REPO, "--json")
    (found,) = ended.document["symbols"]
    assert (found["path"], found["start_line"], found["kind"]) == ("ledger/retry.py", 12, "class")
    uses = ask("symbol", "with_retries", *REPO, "--references", "--json").document["references"]
    assert "ledger/bank.py" in {use["path"] for use in uses}
    assert "ledger/bank.py" in ask("symbol", "with_retries", *REPO, "--references").stdout


@pytest.mark.parametrize(
    ("place", "evidence", "agent", "session", "words"),
    [
        ("ledger/retry.py:32", "bound", "claude-code", "scribe-retry", "retry policy"),
        ("cmd/export/csv.go:16", "bound", "codex", "teller-export", "tax office"),
        ("ledger/money.py:26", "declared", "claude-code", None, None),
        ("web/format.js:8", "declared", "cursor", None, None),
    ],
)
def test_why_names_the_agent_and_the_prompt(ask, place, evidence, agent, session, words) -> None:
    ended = ask("why", place, *REPO, "--json")
    assert ended.code == 0
    path, _, line = place.partition(":")
    assert (ended.document["path"], ended.document["line"]) == (path, int(line))
    claim = ended.document["claims"][0]
    assert (claim["evidence"], claim["agent"]) == (evidence, agent)
    assert set(claim) >= {"evidence", "actor", "agent", "model", "session", "prompt", "method"}
    if session:
        assert claim["session"] == session
        assert words in claim["prompt"]
        assert words in ask("why", place, *REPO).stdout


def test_why_of_lines_and_of_a_definition(ask) -> None:
    lines = ask("why", "ledger/retry.py:30-34", *REPO, "--json").document
    assert (lines["path"], lines["start"], lines["end"]) == ("ledger/retry.py", 30, 34)
    assert lines["parts"][0]["claims"][0]["session"] == "scribe-retry"
    for asked in (["RetryPolicy"], ["--symbol", "RetryPolicy"]):
        (place,) = ask("why", *asked, *REPO, "--json").document["places"]
        assert (place["path"], place["kind"]) == ("ledger/retry.py", "class")
    shown = ask("why", "RetryPolicy", *REPO).stdout
    assert shown.startswith("class RetryPolicy\n")
    assert "retry policy" in shown
    assert ask("why", "zyzzyva", *REPO).code == 1


def test_search_says_where_hits_come_from(ask) -> None:
    ended = ask("search", "where is the retry policy", *REPO, "--why", "--limit", "3")
    assert "    why: " in ended.stdout
    assert "session scribe-retry" in ended.stdout


def test_a_squash_is_delivered_by_its_person_and_bound_to_nobody(ask) -> None:
    answer = ask("why", "ledger/reconcile.py:24", *REPO, "--json").document
    assert answer["commit"] == SQUASH
    assert answer["delivered"]["actor"] == "ada"
    assert [claim for claim in answer["claims"] if claim["evidence"] == "bound"] == []


def test_the_story_is_told_with_the_same_ids_everywhere(ask, sample) -> None:
    refs = subprocess.run(
        ["git", "ls-remote", f"http://any:{sample.token}@{sample.url.partition('://')[2]}/{REPOSITORY}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{SQUASH}\trefs/tags/v1.0^{{}}" in refs


def test_what_the_server_says_to_try_works_as_it_is_printed(sample, tmp_path: Path) -> None:
    start = sample.said.index("Try, in another terminal:") + 1
    commands = sample.said[start : sample.said.index("", start)]
    words = " ".join(commands)
    for word in ("git clone", " search ", " symbol ", " why ", " blame ", " audit "):
        assert word in words
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "class RetryPolicy" in done.stdout
    assert (tmp_path / "ledger" / "ledger" / "retry.py").exists()


def test_a_token_may_be_an_option(ask, sample) -> None:
    assert ask("repo", "list", "--token", sample.token, token="imprint_wrong").code == 0


def test_blame_tells_every_line(ask) -> None:
    lines = ask("blame", "ledger/bank.py", *REPO, "--json").document["lines"]
    expected = next(step for step in STORY if step.folder == "4-retry").files()["ledger/bank.py"].decode()
    assert [line["text"] for line in lines] == expected.splitlines()
    assert {line["evidence"] for line in lines} == {"bound", "unknown"}
    shown = ask("blame", "ledger/bank.py", *REPO).stdout
    assert len(shown.splitlines()) == len(lines)
    assert "(Ada Marsh)" in shown


def test_audit_puts_everything_in_one_class(ask) -> None:
    answer = ask("audit", *REPO, "--json").document
    for what in ("commits", "lines"):
        counts = dict(answer[what])
        assert counts.pop("total") == sum(counts.values())
        assert set(counts) == {evidence.value for evidence in Evidence}
    assert answer["commits"]["total"] == 8
    assert answer["commits"]["bound"] == 2
    assert {agent["agent"] for agent in answer["agents"]} == {"claude-code", "codex", "cursor"}
    assert [one["subject"] for one in answer["unrecorded"]] == ["Share amounts without losing a cent"]
    shown = ask("audit", *REPO).stdout
    assert "1 commit declares an agent and has no record" in shown


def test_the_index_says_how_far_it_is(ask) -> None:
    answer = ask("index", "status", *REPO, "--json").document
    assert answer["behind"] == 0
    assert answer["head"] == answer["indexed"]
    assert "behind" in ask("index", "status", *REPO).stdout


def test_sessions_are_those_of_the_story(ask) -> None:
    sessions = ask("session", "list", *REPO, "--json").document["sessions"]
    assert {one["id"] for one in sessions} == {"scribe-retry", "scribe-reconcile", "teller-export"}
    assert "scribe-retry" in ask("session", "list", *REPO).stdout


@pytest.mark.parametrize(
    "question",
    [
        ("search", "retry policy"),
        ("symbol", "RetryPolicy"),
        ("symbol", "RetryPolicy", "--references"),
        ("definition", "RetryPolicy"),
        ("references", "RetryPolicy"),
        ("callers", "RetryPolicy"),
        ("callees", "BankClient.send_payment"),
        ("impact", "RetryPolicy"),
        ("outline", "ledger/retry.py"),
        ("map", "--tokens", "300"),
        ("history", "RetryPolicy", "--why"),
        ("diff", "HEAD~2"),
        ("search", "payments", "--what", "messages"),
        ("blame", "ledger/bank.py"),
        ("why", "ledger/retry.py:32"),
        ("audit",),
        ("index", "status"),
        ("session", "list"),
    ],
)
def test_a_data_folder_answers_as_its_server_does(ask, imprint, sample, question) -> None:
    by_server = ask(*question, *REPO, "--json")
    by_folder = imprint(*question, "--data", str(sample.data), *REPO, "--json")
    assert by_folder.code == by_server.code == 0
    assert by_folder.document == by_server.document


def test_administration_says_the_same_of_a_data_folder_and_its_server(ask, imprint, sample) -> None:
    for question in (("token", "list"), ("actor", "list"), ("repo", "list")):
        assert (
            ask(*question, "--json").document
            == imprint(*question, "--data", str(sample.data), "--json").document
        )


def test_a_clone_knows_its_repository_on_the_server(ask, sample, tmp_path: Path, git_client) -> None:
    git = git_client(tmp_path)
    url = f"http://any:{sample.token}@{sample.url.partition('://')[2]}/{REPOSITORY}.git"
    git("clone", "-q", url, "clone")
    ended = ask("why", "retry.py:32", "--json", cwd=tmp_path / "clone" / "ledger")
    assert ended.document["path"] == "ledger/retry.py"
    assert ended.document["claims"][0]["evidence"] == "bound"


REFUSALS = [
    (["search", "x", "--repo", "acme/none"], 1, "acme/none"),
    (["search", "x", "--repo", "../evil"], 2, "repository name"),
    (["search", "", *REPO], 2, ""),
    (["search", "x", *REPO, "--ref", "no-such-branch"], 1, "no-such-branch"),
    (["blame", "no/such/file", *REPO], 1, "no/such/file"),
    (["blame", "ledger", *REPO], 1, "ledger"),
    (["why", "ledger/retry.py:999", *REPO], 1, "999"),
    (["repo", "create", REPOSITORY], 1, "ledger"),
    (["repo", "create", "a/../b"], 2, "repository name"),
    (["repo", "rename", REPOSITORY, "bad name"], 2, "repository name"),
    (["repo", "delete", REPOSITORY, "--grace", "soon"], 2, "soon"),
    (["repo", "delete", "acme/none"], 1, "acme/none"),
    (["token", "revoke", "tok_none"], 1, "tok_none"),
    (["token", "create", "--actor", "ada", "--kind", "agent", "--repo", "*", "--can", "read"], 1, "ada"),
    (["token", "create", "--actor", "x", "--kind", "agent", "--repo", "*", "--can", "fly"], 2, ""),
    (
        [
            "token",
            "create",
            "--actor",
            "x",
            "--kind",
            "agent",
            "--repo",
            "*",
            "--can",
            "read",
            "--expires",
            "x",
        ],
        2,
        "duration",
    ),
]


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSALS)
def test_a_refusal_is_the_same_from_server_and_folder(ask, imprint, sample, arguments, code, words) -> None:
    by_server = ask(*arguments, "--json")
    by_folder = imprint(*arguments, "--data", str(sample.data), "--json")
    assert (by_server.code, by_folder.code) == (code, code)
    assert by_server.stdout == by_folder.stdout == ""
    for ended in (by_server, by_folder):
        assert ended.stderr.startswith("imprint: error: ")
        assert words in ended.stderr


def test_a_wrong_token_is_refused(ask) -> None:
    ended = ask("repo", "list", token="imprint_wrong")
    assert ended.code == 1
    assert "no such token" in ended.stderr


def test_no_token_says_where_to_put_one(ask) -> None:
    ended = ask("repo", "list", token=None)
    assert ended.code == 1
    assert "token" in ended.stderr


def test_a_token_with_line_ends_is_wrong_usage(ask) -> None:
    ended = ask("repo", "list", token="imprint_x\r\nHost: evil")
    assert ended.code == 2
    assert "evil" not in ended.stderr


def test_a_token_for_something_else_sees_nothing(ask) -> None:
    made = ask(
        "token",
        "create",
        "--actor",
        "eve",
        "--kind",
        "human",
        "--repo",
        REPOSITORY,
        "--can",
        "read",
        "--json",
    )
    token = made.document["token"]
    assert ask("repo", "list", "--json", token=token).document["repos"][0]["name"] == REPOSITORY
    assert ask("token", "list", token=token).code == 1
    assert ask("repo", "delete", REPOSITORY, token=token).code == 1
    ask("token", "revoke", made.document["id"])
    ended = ask("repo", "list", token=token)
    assert ended.code == 1
    assert "revoked" in ended.stderr


def test_a_server_that_is_none_of_ours_is_said_so(imprint, tmp_path: Path) -> None:
    """What answers is a web server of files."""
    script = (
        "import functools, http.server\n"
        "handler = type('Quiet', (http.server.SimpleHTTPRequestHandler,), {'log_message': lambda *_: None})\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), handler)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    import sys

    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout
    port = process.stdout.readline().strip()
    try:
        ended = imprint("repo", "list", "--server", f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert ended.code == 1
    assert "does not speak Imprint's interface" in ended.stderr


def test_a_repository_is_administered_over_the_server(start_server, imprint) -> None:
    server = start_server()

    def admin(*arguments: str):
        return imprint(*arguments, "--json", server=server.url, token=server.token)

    made = admin("repo", "create", "acme/app", "--default-branch", "trunk")
    assert made.code == 0
    assert made.document["git_url"] == f"{server.url}/acme/app.git"
    assert admin("repo", "set-head", "acme/app", "stable").document["default_branch"] == "stable"
    assert admin("repo", "rename", "acme/app", "acme/core").document["name"] == "acme/core"
    assert admin("repo", "delete", "acme/core").document["purge_after_ms"] > 0
    assert [one["name"] for one in admin("repo", "list", "--deleted").document["repos"]] == ["acme/core"]
    assert admin("repo", "restore", "acme/core").code == 0
    assert json.loads(admin("repo", "list").stdout)["repos"][0]["name"] == "acme/core"


def test_a_repository_without_a_commit_says_so_as_a_clone_does(start_server, imprint) -> None:
    server = start_server()
    imprint("repo", "create", "acme/app", server=server.url, token=server.token)
    for arguments in (["search", "x"], ["symbol", "x"], ["symbol", "x", "--references"], ["audit"]):
        ended = imprint(*arguments, "--repo", "acme/app", server=server.url, token=server.token)
        assert (ended.code, ended.stdout) == (1, "")
        assert ended.stderr == "imprint: error: HEAD's branch has no commit yet\n"


def test_what_the_server_cannot_take_is_named_as_the_option_it_comes_from(ask) -> None:
    given = ("--actor", "eve", "--kind", "human", "--repo", REPOSITORY)
    ended = ask("token", "create", *given, "--can", "bogus")
    assert ended.code == 2
    assert ended.stderr.startswith("imprint: error: --can: ")


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_question_is_said_to_be_empty(ask, text: str) -> None:
    ended = ask("search", text, *REPO)
    assert ended.code == 2
    assert "the question is empty" in ended.stderr
