"""Patterns, and the words by which files are left out: never one that holds a match."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.finding.filters import compile_glob
from imprint.semantic.search.finding.patterns import exact_pattern, regular_pattern


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.client.send(", ("client", "send")),
        ("retry_policy", ()),
        (" HTTPServer_x ", ("httpserverx",)),
        ("éclair ", ()),
    ],
)
def test_whole_words_of_exact_text_are_asked_for(text, words):
    assert exact_pattern(text).words == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (r"\.client\.send\(", ("client", "send")),
        (r"a\.client?\.b", ()),
        (r"x\.one\.|y\.two\.", ()),
        (r"(\.one\.)? \.two\.", ("two",)),
        (r"[.]one[.]", ()),
        (r"(?i)\.one\.", ()),
    ],
)
def test_words_that_every_match_of_an_expression_holds(expression, words):
    assert regular_pattern(expression).words == words


@given(st.text("ab_.( é1B", max_size=30), st.text("ab_.( é1B", min_size=1, max_size=8))
def test_no_text_with_a_match_lacks_a_word(around, needle):
    for text in (needle, around + needle, needle + around, around + needle + around):
        assert set(exact_pattern(needle).words) <= set(terms(text))


def test_lines_of_matches():
    content = b"one\ntwo one\n\none one\n"
    assert exact_pattern("one").find_lines(content) == [(1, 1), (2, 2), (4, 4)]
    assert exact_pattern("one\n").find_lines(content) == [(1, 1), (2, 2), (4, 4)]
    assert exact_pattern("o one\n\no").find_lines(content) == [(2, 4)]


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*.py", ["a.py", "x/y/a.py", "x\udcff/\udcffa.py"], ["a.pyc", "a.py/b"]),
        ("src/*.py", ["src/a.py"], ["src/x/a.py", "lib/src/a.py"]),
        ("src/**", ["src/a", "src/x/a"], ["lib/a"]),
        ("**/test_?.py", ["test_a.py", "x/y/test_a.py"], ["x/test_ab.py"]),
        ("[!a]*", ["b", "x/bc"], ["a", "x/ab"]),
        ("a.b", ["a.b"], ["axb"]),
        ("grün/*", ["grün/ü"], ["grun/ü"]),
        ("[", ["["], ["a"]),
    ],
)
def test_globs_of_paths(pattern, fits, does_not):
    glob = compile_glob(pattern)
    assert all(glob.fullmatch(os.fsencode(path)) for path in fits)
    assert not any(glob.fullmatch(os.fsencode(path)) for path in does_not)


@pytest.mark.parametrize(
    ("pattern", "path"), [("**/" * 300 + "x", b"a/" * 300 + b"y"), ("*a" * 400 + "b", b"a" * 250)]
)
def test_a_glob_of_many_asterisks_takes_no_more_time(pattern, path):
    assert compile_glob(pattern).fullmatch(path) is None
