"""How a query is read."""

from contextlib import suppress

import pytest

from imprint.semantic.search.query import Name, Query, read_query
from imprint.semantic.search.stems import Family, stem
from imprint.store.errors import BadInput


def read(text):
    return read_query(Query(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("parse", Name("parse")),
        ("parse_header", Name("parseheader")),
        ("parseHeader", Name("parseheader")),
        ("Session.get", Name("get", "session")),
        ("std::vector", Name("vector", "std")),
        ("Foo#bar", Name("bar", "foo")),
        ("a.b.C.method()", Name("method", "c")),
        ("__init__", Name("init")),
        ("valid?", Name("valid")),
    ],
)
def test_one_identifier_is_a_symbol_query(text, name):
    asked = read(text)
    assert asked.is_symbol
    assert asked.names == (name,)


def test_prose_is_words_without_what_belongs_to_the_question():
    asked = read("where is the retry policy of the HttpClient")
    assert not asked.is_symbol
    assert asked.words == ("retry", "policy", "httpclient", "http", "client")
    assert asked.names == (Name("httpclient"),)
    assert "retrypolicy" in asked.phrases


def test_a_capital_in_the_middle_of_a_sentence_is_an_unsure_name():
    assert read("How does the Chain type append").names == (Name("chain", is_sure=False),)
    assert read("Chain of things").names == ()


def test_function_words_count_where_there_is_nothing_else():
    assert read("for").words == ("for",)
    assert read("where is it").words == ("where", "is", "it")


@pytest.mark.parametrize("text", ["", " ", "->", "¿?", "___"])
def test_no_word_is_no_query(text):
    with pytest.raises(BadInput):
        read(text)


def test_any_text_is_read_or_refused():
    for text in (
        "\0",
        "é" * 10_000,
        "a.b" * 5_000,
        "\ud800",
        "名前を探す",
        "x" * 100_000,
        "a::" * 3_000,
        "?!.#",
    ):
        with suppress(BadInput):
            assert read(text).words


@pytest.mark.parametrize(
    "family",
    [
        ("route", "routes", "routing", "router", "routed"),
        ("serialize", "serializer", "serialization", "serializing"),
        ("batch", "batched", "batching", "batches"),
        ("stop", "stopped", "stopping"),
        ("retry", "retries", "retried"),
        ("template", "templates", "templating"),
    ],
)
def test_words_of_one_family_share_a_stem(family):
    assert {stem(word) for word in family} == {stem(family[0])}


@pytest.mark.parametrize(
    "pair", [("class", "clash"), ("port", "part"), ("test", "text"), ("string", "strong")]
)
def test_words_of_two_families_do_not(pair):
    assert not Family(pair[:1]).has_relative(pair[1])


def test_a_word_cut_short_is_related():
    assert Family(["config"]).has_relative("configuration")
    assert Family(["authentication"]).has_relative("auth")
    assert not Family(["a"]).has_relative("authentication")
