"""Search, symbols, blame, why, audit, index and files over REST, and the shapes that the manual promises."""

import pytest
from pydantic import BaseModel

from imprint.api.asking.documents import DOCUMENTS
from imprint.api.rest import documents
from imprint.store.actors import Verb


@pytest.fixture
def ask(server, sample):
    """Ask about the sample as one of its readers who sees prompts; the answer must be good."""
    client = server.client(server.token(sample.name, verbs=frozenset({Verb.READ, Verb.TRANSCRIPTS})))

    def asked(noun: str, **parameters: object) -> dict[str, object]:
        answer = client.get(f"/api/repos/{sample.name}/{noun}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asked


@pytest.fixture
def refused(server, sample):
    """Ask about the sample what cannot be answered; status and code."""
    client = server.client(server.token(sample.name))

    def asked(noun: str, **parameters: object) -> tuple[int, str]:
        answer = client.get(f"/api/repos/{sample.name}/{noun}", params=parameters)
        return answer.status_code, answer.json()["code"]

    return asked


@pytest.mark.parametrize(
    ("noun", "parameters", "model"),
    [
        ("search", {"q": "retry policy"}, documents.SearchDocument),
        ("symbols", {"name": "call"}, documents.SymbolsDocument),
        ("definition", {"name": "call"}, DOCUMENTS["definition"]),
        ("definition", {"path": "app/retry.py", "line": 9}, DOCUMENTS["definition"]),
        ("references", {"name": "send"}, DOCUMENTS["references"]),
        ("callers", {"name": "call"}, DOCUMENTS["callers"]),
        ("callees", {"name": "call"}, DOCUMENTS["callees"]),
        ("impact", {"name": "call"}, DOCUMENTS["impact"]),
        ("outline", {"path": "app/retry.py"}, DOCUMENTS["outline"]),
        ("map", {}, DOCUMENTS["map"]),
        ("history", {"name": "call", "why": "true"}, DOCUMENTS["history"]),
        ("diff", {"base": "main~2"}, DOCUMENTS["diff"]),
        ("search", {"q": "pause", "what": "messages", "explain": "true"}, DOCUMENTS["search"]),
        ("search", {"q": "retry", "removed": "true"}, DOCUMENTS["search"]),
        ("index", {}, documents.IndexDocument),
        ("blame", {"path": "app/retry.py"}, documents.BlameDocument),
        ("why", {"path": "app/retry.py", "line": 9}, documents.WhyDocument),
        ("why", {"path": "app/retry.py", "start": 2, "end": 99}, documents.WhyLinesDocument),
        ("why", {"symbol": "call"}, documents.WhySymbolDocument),
        ("why", {"symbol": "nowhere_defined"}, documents.WhySymbolDocument),
        ("search", {"q": "retry policy", "why": "true"}, documents.SearchDocument),
        ("audit", {}, documents.AuditDocument),
    ],
)
def test_answers_have_the_shape_that_the_manual_says(ask, noun, parameters, model: type[BaseModel]) -> None:
    model.model_validate(ask(noun, **parameters))


def test_search_finds_what_the_agent_wrote(ask, sample) -> None:
    answer = ask("search", q="where is the retry policy")
    assert (answer["commit"], answer["behind"]) == (sample.unknown, 0)
    assert answer["hits"][0]["path"] == "app/retry.py"
    assert answer["hits"][0]["repo"] == sample.name


def test_search_may_be_narrowed(ask) -> None:
    assert ask("search", q="retry", path="assets")["hits"] == []
    assert ask("search", q="retry", language="rust")["hits"] == []
    assert len(ask("search", q="call", limit=1)["hits"]) == 1


def test_search_at_an_older_commit_finds_what_was_there(ask, sample) -> None:
    """The commit was a tip once, so that it is indexed."""
    answer = ask("search", q="retry policy", ref=sample.human)
    assert answer["commit"] == sample.human
    assert all("growing" not in hit["text"] for hit in answer["hits"])


def test_symbols_and_references_say_which_commit_they_are_of(ask, sample) -> None:
    symbols = ask("symbols", name="call")
    assert (symbols["commit"], symbols["behind"]) == (sample.unknown, 0)
    assert [(s["path"], s["kind"]) for s in symbols["symbols"]] == [("app/retry.py", "function")]
    assert {r["path"] for r in ask("references", name="send")["references"]} == {"app/retry.py"}


def test_why_of_lines_and_of_a_symbol_have_a_part_for_each_cause(ask, sample) -> None:
    lines = ask("why", path="app/retry.py", start=1, end=1000)
    assert lines["parts"][0]["line"] == 1
    assert lines["end"] == lines["parts"][-1]["end"]
    assert {part["commit"] for part in lines["parts"]} == {sample.human, sample.agent}
    (place,) = ask("why", symbol="call")["places"]
    assert (place["name"], place["kind"], place["path"]) == ("call", "function", "app/retry.py")
    assert sample.agent in {part["commit"] for part in place["parts"]}


def test_hits_say_where_they_come_from_when_asked(ask, sample) -> None:
    hit = ask("search", q="where is the retry policy", why="true")["hits"][0]
    assert hit["origin"]["commit"] == sample.agent
    assert (hit["origin"]["evidence"], hit["origin"]["agent"]) == ("bound", "claude-code")
    assert "growing pause" in hit["origin"]["prompt"]
    assert "origin" not in ask("search", q="where is the retry policy")["hits"][0]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"path": "app/retry.py"},
        {"line": 1},
        {"path": "app/retry.py", "end": 3},
        {"path": "app/retry.py", "line": 1, "start": 1},
        {"symbol": "call", "path": "app/retry.py"},
        {"path": "app/retry.py", "start": 1, "end": 6000},
    ],
)
def test_why_refuses_what_is_not_one_question(refused, asked) -> None:
    status, code = refused("why", **asked)
    assert (status, code) in {(422, "bad_input"), (400, "bad_input"), (413, "limit_exceeded")}


def test_a_prompt_is_told_to_those_only_who_may_read_it(server, sample) -> None:
    client = server.client(server.token(sample.name))
    for noun, asked in (
        ("why", {"path": "app/retry.py", "start": 9, "end": 9}),
        ("why", {"symbol": "call"}),
        ("search", {"q": "where is the retry policy", "why": "true"}),
    ):
        answer = client.get(f"/api/repos/{sample.name}/{noun}", params=asked)
        assert answer.status_code == 200
        assert "Calls fail when the service is busy" not in answer.text


def test_why_tells_the_prompt_of_an_agents_line(ask, sample) -> None:
    answer = ask("why", path="app/retry.py", line=9)
    assert answer["commit"] == sample.agent
    claim = answer["claims"][0]
    assert (claim["evidence"], claim["actor"], claim["agent"]) == ("bound", "agent-7", "claude-code")
    assert "growing pause" in claim["prompt"]
    assert answer["delivered"]["actor"] == "agent-7"


def test_why_says_unknown_for_a_line_that_nobody_claims(ask, sample) -> None:
    answer = ask("why", path="README.md", line=1)
    assert answer["commit"] == sample.human
    assert [claim["evidence"] for claim in answer["claims"]] == ["unknown"]
    assert answer["missing"]


def test_blame_agrees_with_git(ask, server, sample) -> None:
    git = server.work_tree()
    git("fetch", "-q", server.git_url(sample.name, server.admin), "main")
    lines = git("blame", "-s", "-l", "FETCH_HEAD", "--", "app/retry.py").splitlines()
    by_git = [line.split()[0].lstrip("^") for line in lines]
    ours = [line["commit"] for line in ask("blame", path="app/retry.py")["lines"]]
    assert len(ours) == len(by_git)
    assert [mine for mine, git_says in zip(ours, by_git, strict=True) if not mine.startswith(git_says)] == []


def test_audit_counts_every_commit_once(ask) -> None:
    commits = ask("audit")["commits"]
    assert commits.pop("total") == sum(commits.values()) == 3
    assert commits["bound"] == 1


def test_the_index_says_how_far_it_is(ask, sample) -> None:
    status = ask("index", ref="main")
    assert (status["head"], status["indexed"], status["behind"]) == (sample.unknown, sample.unknown, 0)


@pytest.mark.parametrize("ref", ["main", "HEAD", "v1.0", "feature/deep", "refs/heads/main"])
def test_every_name_of_a_commit_works(ask, sample, ref: str) -> None:
    assert ask("files", ref=ref)["commit"] == sample.unknown


def test_a_folder_is_listed_with_full_paths(ask) -> None:
    root = ask("files")
    assert [(entry["path"], entry["kind"]) for entry in root["entries"]] == [
        ("README.md", "file"),
        ("app", "folder"),
        ("assets", "folder"),
    ]
    assert [entry["path"] for entry in ask("files", path="app/")["entries"]] == [
        '"app/<b>bold & \\"odd\\".txt"',
        "app/empty.txt",
        "app/retry.py",
    ]


def test_a_file_comes_as_text_or_in_base64(ask) -> None:
    assert ask("file", path="README.md")["content"] == "# App\n\nA sample.\n"
    assert ask("file", path="assets/dot.png")["encoding"] == "base64"
    assert ask("file", path="app/empty.txt")["size_bytes"] == 0


@pytest.mark.parametrize(
    ("noun", "parameters", "expected"),
    [
        ("search", {"q": ""}, (422, "bad_request")),
        ("search", {"q": "x", "limit": 0}, (422, "bad_request")),
        ("search", {}, (422, "bad_request")),
        ("search", {"q": "x", "ref": "nothing"}, (404, "ref_missing")),
        ("blame", {"path": "nothing"}, (404, "path_missing")),
        ("blame", {"path": "app"}, (404, "path_missing")),
        ("why", {"path": "README.md", "line": 99}, (404, "path_missing")),
        ("why", {"path": "README.md", "line": 0}, (422, "bad_request")),
        ("why", {"path": '"open', "line": 1}, (400, "bad_path")),
        ("files", {"path": "README.md"}, (404, "path_missing")),
        ("file", {"path": "app"}, (404, "path_missing")),
        ("file", {"path": "../etc/passwd"}, (404, "path_missing")),
        ("file", {"path": ""}, (404, "path_missing")),
        ("file", {"path": "README.md", "ref": "--help"}, (404, "ref_missing")),
        ("file", {"path": "README.md", "ref": "ab"}, (404, "ref_missing")),
    ],
)
def test_what_is_not_there_is_said(refused, noun, parameters, expected) -> None:
    assert refused(noun, **parameters) == expected


def test_an_empty_repository_has_nothing_and_fails_at_nothing(server) -> None:
    name = server.repository()
    client = server.client(server.token(name))
    server.settle()
    assert client.get(f"/api/repos/{name}/refs").json()["refs"] == []
    for noun in ("files", "audit", "file?path=a", "why?path=a&line=1"):
        answer = client.get(f"/api/repos/{name}/{noun}")
        assert (answer.status_code, answer.json()["code"]) == (404, "ref_missing"), noun
    for noun in ("search?q=x", "symbols?name=x", "index"):
        assert client.get(f"/api/repos/{name}/{noun}").status_code in {200, 404}, noun
