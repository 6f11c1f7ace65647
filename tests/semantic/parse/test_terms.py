"""Identifiers become terms the same way however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.parse.terms import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("getHTTPResponse", ["gethttpresponse", "get", "http", "response"]),
        ("get_http_response", ["gethttpresponse", "get", "http", "response"]),
        ("GetHttpResponse", ["gethttpresponse", "get", "http", "response"]),
        ("MAX_RETRY_COUNT", ["maxretrycount", "max", "retry", "count"]),
        ("__init__", ["init"]),
        ("_", []),
        ("", []),
        ("sha256sum", ["sha256sum", "sha", "256", "sum"]),
        ("x2", ["x2", "x", "2"]),
        ("the quick-fox", ["the", "quick", "fox"]),
        ("a.b::c->d", ["a", "b", "c", "d"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("parseURL", ["parseurl", "parse", "url"]),
        ("Word", ["word"]),
        ("IO", ["io"]),
        ("größeMessen", ["größemessen", "größe", "messen"]),
        ("ÉcoleNormale", ["écolenormale", "école", "normale"]),
        ("検索機能", ["検索機能", "検索", "索機", "機能"]),
        ("retry retry", ["retry", "retry"]),
    ],
)
def test_a_text_gives_its_words_and_the_parts_of_its_words(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
def test_terms_are_lower_case_and_hold_no_separators(text: str) -> None:
    for term in terms(text):
        assert term
        assert term == term.lower()
        assert "_" not in term
        assert not any(letter.isspace() for letter in term)


@given(st.text(), st.text())
def test_texts_apart_give_the_terms_of_both(left: str, right: str) -> None:
    assert terms(f"{left} {right}") == terms(left) + terms(right)


@given(st.lists(st.sampled_from(["fetch", "ref", "name", "pack", "index"]), min_size=2, max_size=5))
def test_snake_and_camel_case_give_the_same_terms(words: list[str]) -> None:
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    assert terms("_".join(words)) == terms(camel)
