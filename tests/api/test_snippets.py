"""Snippets: the right lines, with the right numbers, and nothing lost in the marking."""

from hypothesis import given
from hypothesis import strategies as st

from imprint.api.web.snippets import SNIPPET_LINES_MAX, cut_snippet


def test_a_snippet_begins_just_before_the_first_match() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 40)).replace("line 20", "the Retry policy")
    snippet = cut_snippet(text, 100, "retry")
    assert snippet.line == 119
    assert snippet.lines[0][0] == 117
    assert snippet.lines[2] == (119, (("the ", False), ("Retry", True), (" policy", False)))
    assert len(snippet.lines) == SNIPPET_LINES_MAX


def test_a_hit_without_the_words_shows_its_beginning() -> None:
    snippet = cut_snippet("a\nb\n", 5, "elsewhere")
    assert (snippet.line, snippet.lines) == (5, ((5, (("a", False),)), (6, (("b", False),))))


@given(st.text(alphabet="ab \n.*", max_size=60), st.text(alphabet="ab .*(", max_size=8))
def test_marking_loses_and_adds_nothing(text: str, query: str) -> None:
    lines = text.split("\n")
    for number, parts in cut_snippet(text, 1, query).lines:
        assert "".join(part for part, _ in parts) == lines[number - 1]
