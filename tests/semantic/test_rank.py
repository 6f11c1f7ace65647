"""The order of hits, signal by signal: each case differs from its neighbour in one thing only."""

import random

import pytest

from imprint.semantic.search.query import Query, read_query
from imprint.semantic.search.rank import Candidate, rank


def order(text, *candidates, limit=10):
    asked = read_query(Query(text))
    numbered = [
        Candidate(
            chunk=number,
            file=one.get("file", number),
            path=one["path"],
            start_line=one.get("line", 1),
            symbol=one.get("symbol", ""),
            fit=one.get("fit", 1.0),
            defines=asked.names if one.get("defines") else (),
        )
        for number, one in enumerate(candidates)
    ]
    ranked = rank(asked, numbered, limit, dict.fromkeys(asked.words, 1.0))
    return [one.candidate.chunk for one in ranked]


def test_a_definition_comes_before_a_better_fitting_use():
    assert order("parseHeader", {"path": "a.py", "fit": 9}, {"path": "b.py", "defines": True}) == [1, 0]


def test_of_two_definitions_the_one_in_the_file_of_that_name_comes_first():
    assert order(
        "HttpClient",
        {"path": "all.py", "defines": True},
        {"path": "http_client.py", "defines": True},
    ) == [1, 0]


def test_a_qualifier_chooses_among_definitions():
    for text in ("Session.get", "session::get", "Session#get()"):
        assert order(
            text,
            {"path": "a.py", "symbol": "Cache.get", "defines": True, "fit": 2},
            {"path": "b.py", "symbol": "Session.get", "defines": True, "fit": 1},
        ) == [1, 0], text


def test_a_definition_named_in_prose_counts_less_than_one_asked_for_alone():
    several = ({"path": "a.py", "fit": 1}, {"path": "b.py", "defines": True, "fit": 0.1})
    assert order("HttpClient", *several) == [1, 0]
    asked = "where does HttpClient open its socket"
    scores = {
        text: rank(
            read_query(Query(text)),
            [Candidate(0, 0, "b.py", 1, "", 0.0, read_query(Query(text)).names)],
            1,
            {},
        )[0].score
        for text in ("HttpClient", asked)
    }
    assert scores["HttpClient"] > scores[asked] > 0


@pytest.mark.parametrize(
    ("path", "lifted_by"),
    [
        ("tests/retry.py", "test"),
        ("src/test_retry.py", "tests"),
        ("src/retry_test.go", "test"),
        ("src/RetryTest.java", "test"),
        ("src/retry.spec.ts", "spec"),
        ("examples/retry.py", "example"),
        ("compat/retry.py", "compat"),
        ("vendor/lib/retry.go", "vendor"),
        ("docs/retry.md", "docs"),
        ("retry.json", "json"),
    ],
)
def test_what_is_seldom_wanted_comes_later_unless_asked_for(path, lifted_by):
    plain, special = {"path": "src/wait.py", "fit": 1}, {"path": path, "fit": 1.2}
    assert order("delay policy", special, plain) == [1, 0]
    assert order(f"delay policy {lifted_by}", special, plain) == [0, 1]


@pytest.mark.parametrize(
    "path", ["src/latest.py", "src/contest/a.py", "src/Attestation.java", "src/vendors.py"]
)
def test_a_path_that_only_looks_like_a_test_is_not_demoted(path):
    assert order("delay", {"path": path, "fit": 1.01}, {"path": "src/other.py", "fit": 1.0}) == [0, 1]


def test_a_file_called_like_the_question_comes_first():
    assert order("session management", {"path": "src/app.py"}, {"path": "src/sessions.py"}) == [1, 0]
    assert order("routing of requests", {"path": "src/app.py"}, {"path": "routes/main.py"}) == [1, 0]


def test_a_passage_called_like_the_question_comes_first():
    assert order(
        "load the config", {"path": "a.py", "symbol": "run"}, {"path": "b.py", "symbol": "Config.load"}
    ) == [1, 0]


def test_a_file_of_many_fitting_passages_comes_before_one_of_a_single_passage():
    several = [{"path": "many.py", "file": 7, "line": n * 10 + 1, "fit": 0.9} for n in range(3)]
    assert order("x y", {"path": "one.py", "file": 1, "fit": 1.0}, *several)[0] == 1


def test_a_second_passage_of_a_file_yields_to_the_first_of_another():
    assert order(
        "x y",
        {"path": "a.py", "file": 1, "line": 1, "fit": 1.0},
        {"path": "a.py", "file": 1, "line": 9, "fit": 0.9},
        {"path": "b.py", "file": 2, "fit": 0.7},
    ) == [0, 2, 1]


def test_ties_are_broken_by_path_and_line_whatever_the_order_given():
    candidates = [
        {"path": f"{name}.py", "file": number, "line": line}
        for number, name in enumerate("dcba")
        for line in (1, 50)
    ]
    shuffled = candidates[:]
    random.Random(3).shuffle(shuffled)
    first = [candidates[place]["path"] for place in order("x", *candidates)]
    assert first == [shuffled[place]["path"] for place in order("x", *shuffled)]
    assert first[:4] == ["a.py", "b.py", "c.py", "d.py"]


def test_the_limit_bounds_the_answer_and_no_candidates_is_no_hits():
    assert len(order("x", *({"path": f"{n}.py"} for n in range(30)), limit=7)) == 7
    assert order("x") == []


def test_a_file_whose_whole_name_is_in_the_question_comes_before_one_of_a_longer_name():
    assert order(
        "how a request is parsed", {"path": "a/request_media_kind.py"}, {"path": "a/request.py"}
    ) == [
        1,
        0,
    ]


@pytest.mark.parametrize("signal", ["history", "near"])
def test_history_and_nearness_lift_an_answer_in_words_and_never_one_of_a_symbol(signal):
    asked = {text: read_query(Query(text)) for text in ("wait for a while", "waitFor")}
    candidates = [
        Candidate(0, 0, "a.py", 1, "", 1.0),
        Candidate(1, 1, "b.py", 1, "", 0.9, **{signal: 3.0}),
    ]
    firsts = {
        text: rank(read, candidates, 1, dict.fromkeys(read.words, 1.0))[0].candidate.chunk
        for text, read in asked.items()
    }
    assert firsts == {"wait for a while": 1, "waitFor": 0}
