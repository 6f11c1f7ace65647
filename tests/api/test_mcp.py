"""The protocol for agents, by its own client: over HTTP against the real server, and over standard input."""

import json
import subprocess
import sys

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from imprint.api.asking.documents import SearchAcrossDocument
from imprint.api.mcp.tools import describe_tools, shorten
from imprint.semantic.asking.table import QUESTIONS
from imprint.store.actors import Verb
from imprint.store.errors import BadInput

ASKED = {
    "search": {"q": "where is the retry policy", "why": True},
    "symbol": {"name": "call"},
    "definition": {"name": "call"},
    "references": {"name": "send"},
    "callers": {"name": "send"},
    "callees": {"name": "call"},
    "impact": {"name": "call"},
    "outline": {"path": "app/retry.py"},
    "map": {"tokens": 200},
    "history": {"name": "call", "why": True},
    "diff": {"base": "main~2"},
    "why": {"path": "app/retry.py", "line": 9},
}


@pytest.fixture
def over_http(server, sample):
    """Call tools with one connection, as somebody with a token."""

    def call(*calls: tuple[str, dict], token: str | None = None) -> list:
        secret = token or server.token(sample.name, verbs=frozenset({Verb.READ, Verb.TRANSCRIPTS}))

        async def work() -> list:
            headers = {"Authorization": f"Bearer {secret}"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(f"{server.url}/mcp", http_client=http)) as client,
            ):
                if not calls:
                    return (await client.list_tools()).tools
                return [await client.call_tool(name, given) for name, given in calls]

        return anyio.run(work)

    return call


def test_every_question_is_a_tool_with_a_closed_schema(over_http) -> None:
    tools = {tool.name: tool for tool in over_http()}
    assert set(tools) == {*QUESTIONS, "repositories"}
    for name in QUESTIONS:
        schema = tools[name].input_schema
        assert schema["additionalProperties"] is False
        assert ("repo" in schema.get("required", ())) is (name != "search")
        assert all(value["description"] for value in schema["properties"].values())
        assert tools[name].annotations.read_only_hint


def test_tools_answer_as_rest_does(over_http, server, sample) -> None:
    calls = [(name, {"repo": sample.name, **given}) for name, given in ASKED.items()]
    client = server.client(server.token(sample.name, verbs=frozenset({Verb.READ, Verb.TRANSCRIPTS})))
    for (name, _), answer in zip(calls, over_http(*calls), strict=True):
        assert not answer.is_error, answer.content
        told = answer.structured_content
        assert json.loads(answer.content[0].text) == told
        assert told.pop("repo") == sample.name
        assert told["commit"]
        assert "behind" in told
        if name != "why":
            rest = client.get(f"/api/repos/{sample.name}/{name}", params=ASKED[name])
            assert rest.status_code == 200, rest.text
            assert told == rest.json()


def test_the_symbol_tool_gives_what_the_symbols_of_rest_are(over_http, server, sample) -> None:
    (whole, none) = over_http(
        ("symbol", {"repo": sample.name, "name": "CALL"}),
        ("symbol", {"repo": sample.name, "name": "NoSuchName"}),
    )
    told = server.client(server.token(sample.name)).get(
        f"/api/repos/{sample.name}/symbols", params={"name": "CALL"}
    )
    assert whole.structured_content == {"repo": sample.name, "left_out": 0, **told.json()}
    assert [each["name"] for each in told.json()["symbols"]] == ["call"]
    assert none.structured_content["symbols"] == []


def test_a_prompt_is_told_to_those_only_who_may_read_it(over_http, server, sample) -> None:
    calls = [(name, {"repo": sample.name, **ASKED[name]}) for name in ("search", "history", "why")]
    for answer in over_http(*calls):
        assert "growing pause" in answer.content[0].text
    for answer in over_http(*calls, token=server.token(sample.name)):
        assert not answer.is_error
        assert "growing pause" not in answer.content[0].text.replace("Retry calls with a growing pause", "")


def test_what_a_token_may_not_see_is_not_there(over_http, server, sample) -> None:
    other = server.repository("agents/other")
    token = server.token(other)
    listed, hidden, absent = over_http(
        ("repositories", {}),
        ("search", {"repo": sample.name, "q": "retry"}),
        ("search", {"repo": "agents/nowhere", "q": "retry"}),
        token=token,
    )
    assert listed.structured_content == {"repositories": [other]}
    assert hidden.is_error
    assert json.loads(hidden.content[0].text)["code"] == "repository_missing"
    assert absent.content[0].text.replace("agents/nowhere", sample.name) == hidden.content[0].text


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("callers", {"name": "call"}, "bad_input"),
        ("search", {"repo": "acme", "q": "retry"}, "bad_input"),
        ("search", {"repo": "acme/app"}, "bad_input"),
        ("search", {"repo": "acme/app", "q": 7}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "limit": 100_000}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "limit": True}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "mode": "telepathy"}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "colour": "red"}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "max_tokens": 1}, "bad_input"),
        ("search", {"repo": "acme/app", "q": "retry", "ref": "no-such-branch"}, "ref_missing"),
        ("outline", {"repo": "acme/app", "path": "nowhere.py"}, "path_missing"),
        ("definition", {"repo": "acme/app"}, "bad_input"),
        ("why", {"repo": "acme/app", "path": "app/retry.py", "line": 9, "end": 8}, "bad_input"),
        ("history", {"repo": "acme/app", "name": "nobody"}, "missing"),
        ("teleport", {"repo": "acme/app"}, "bad_input"),
    ],
)
def test_what_cannot_be_answered_is_said_with_a_hint(over_http, sample, name, given, code) -> None:
    (answer,) = over_http((name, given))
    told = json.loads(answer.content[0].text)
    assert answer.is_error
    assert told["code"] == code
    assert told["error"]


def test_without_a_token_nothing_is_told(server) -> None:
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert server.client(None).post("/mcp", json=question).status_code == 401


def test_a_page_of_another_site_reaches_nothing(server, sample) -> None:
    client = server.client(server.token(sample.name))
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = client.post("/mcp", json=question, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_what_is_wrong_is_told_in_few_words(over_http) -> None:
    (answer,) = over_http(("why", {"repo": "x" * 100_000, "path": "a", "line": 1}))
    assert len(answer.content[0].text) < 1_500
    assert answer.is_error


def test_an_answer_takes_no_more_than_was_asked_for(over_http, sample) -> None:
    (answer,) = over_http(
        ("references", {"repo": sample.name, "name": "send", "max_tokens": 200}),
    )
    assert len(answer.content[0].text) <= 200 * 4


def test_a_document_is_shortened_at_its_longest_list() -> None:
    document = {"commit": "c", "hits": [{"text": "x" * 100}] * 50, "notes": ["n"]}
    short = shorten(document, 500)
    assert len(json.dumps(short)) <= 500 * 4 + 10
    assert short["cut"] + len(short["hits"]) == 50
    assert short["notes"] == ["n"]
    with pytest.raises(BadInput):
        shorten({"commit": "x" * 10_000}, 200)


def test_a_long_prompt_is_cut_before_the_answer_that_has_it_is_left_out() -> None:
    claim = {"evidence": "bound", "prompt": "please " * 10_000, "session": "s" * 60}
    document = {"commit": "c", "parts": [{"line": 1, "claims": [claim]}]}
    short = shorten(document, 4_000)
    (told,) = short["parts"][0]["claims"]
    assert "cut" not in short
    assert (told["evidence"], told["session"]) == ("bound", "s" * 60)
    assert told["prompt"] == claim["prompt"][:4_000] + " ... (66000 more characters)"
    assert shorten(document, 40_000) == document


def test_a_clone_answers_over_standard_input(tmp_path) -> None:
    folder = tmp_path / "clone"
    run = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run([*run, "init", "-q", str(folder)], check=True)
    (folder / "a.py").write_text("def greet(name):\n    return name\n\n\ndef main():\n    greet('x')\n")
    subprocess.run([*run, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*run, "commit", "-qm", "Greet"], cwd=folder, check=True)
    command = [sys.executable, "-m", "imprint.cli.main", "mcp"]
    parameters = StdioServerParameters(command=command[0], args=command[1:], cwd=str(folder))

    async def work() -> list:
        async with Client(stdio_client(parameters)) as client:
            tools = (await client.list_tools()).tools
            return [tools, await client.call_tool("callers", {"name": "greet"})]

    tools, answer = anyio.run(work)
    assert {tool.name for tool in tools} == set(QUESTIONS)
    (caller,) = answer.structured_content["callers"]
    assert (caller["path"], caller["line"], caller["container"]) == ("a.py", 6, "main")


def test_tools_of_one_repository_do_not_ask_for_it() -> None:
    for tool in describe_tools(many=False):
        assert "repo" not in tool.input_schema["properties"]


def test_a_search_of_everything_stays_within_what_the_token_may_read(over_http, server, sample) -> None:
    other, _ = server.pushed(
        {"lib/backoff.py": "def retry_policy(attempt):\n    return attempt\n"}, "agents/lib"
    )
    server.settle()
    both, one = server.token(sample.name, other), server.token(other)
    found = {}
    for token in (both, one):
        rest = server.client(token).get("/api/search", params={"q": "retry policy"})
        assert rest.status_code == 200, rest.text
        document = SearchAcrossDocument.model_validate(rest.json())
        found[token] = {hit.repo for hit in document.hits}
        assert {each.repo for each in document.repositories} >= found[token]
        (answer,) = over_http(("search", {"q": "retry policy"}), token=token)
        assert answer.structured_content == rest.json()
    assert found == {both: {sample.name, other}, one: {other}}
    (refused,) = over_http(("search", {"q": "retry", "why": True}), token=one)
    assert refused.is_error
