"""Chunks follow the entities, are neither too small nor too large, and lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.parse import Chunk, extract
from imprint.semantic.parse.chunks import CHARS_MAX, LINE_CHARS_MAX, LINES_MAX


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "".join(
        f"    value_{name}_{line} = compute({line})\n" for line in range(lines)
    )


def chunks(text: str, path: bytes = b"a.py") -> tuple[Chunk, ...]:
    return extract(path, text.encode()).chunks


def spans(found: tuple[Chunk, ...]) -> list[tuple[int, int, str]]:
    return [(chunk.start_line, chunk.end_line, chunk.symbol) for chunk in found]


def test_each_function_that_fills_a_chunk_has_its_own() -> None:
    text = function("first", 30) + "\n\n" + function("second", 30)
    assert spans(chunks(text)) == [(1, 33, "first"), (34, 64, "second")]


def test_a_comment_above_a_function_comes_with_it() -> None:
    text = function("first", 30) + "\n# About the second.\n# And more.\n" + function("second", 30)
    assert spans(chunks(text)) == [(1, 32, "first"), (33, 65, "second")]


def test_small_neighbours_are_joined_and_named_after_the_largest() -> None:
    text = function("small", 2) + "\n" + function("larger", 5) + "\n" + function("tiny", 1)
    assert spans(chunks(text)) == [(1, 13, "larger")]


def test_small_methods_are_joined_and_named_after_their_class() -> None:
    methods = "".join(f"    def method_{n}(self):\n        return compute({n})\n\n" for n in range(8))
    assert spans(chunks(f"class Job:\n{methods}")) == [(1, 25, "Job")]


def test_a_long_function_is_cut_after_blank_lines_and_keeps_its_name() -> None:
    block = "".join(f"    value_{line} = compute_something({line})\n" for line in range(20))
    found = chunks("def long():\n" + "\n".join([block] * 4))
    assert [chunk.symbol for chunk in found] == ["long"] * len(found)
    assert [chunk.start_line for chunk in found][1:] == [44]


def test_the_body_of_a_large_class_is_cut_at_its_methods() -> None:
    text = "class Job:\n" + "".join(
        f"    def method_{n}(self):\n" + f"        return compute({n})\n" * 30 for n in range(3)
    )
    assert [chunk.symbol for chunk in chunks(text)] == ["Job.method_0", "Job.method_1", "Job.method_2"]


def test_a_file_without_a_grammar_is_cut_at_paragraphs() -> None:
    paragraph = "Words that fill a line up to some length, again and again.\n" * 12
    found = chunks("\n".join([paragraph] * 4), b"notes.md")
    assert [(chunk.start_line, chunk.kind, chunk.symbol) for chunk in found] == [
        (1, "text", ""),
        (27, "text", ""),
    ]


def test_a_line_too_long_for_a_chunk_is_cut_within() -> None:
    prose = "Words that fill a line.\n" * 200
    found = chunks(prose + "b" * (LINE_CHARS_MAX + 10) + "\n" + prose, b"notes.txt")
    long = [chunk for chunk in found if chunk.start_line == 201]
    assert [len(chunk.text) for chunk in long] == [LINE_CHARS_MAX, 11]
    assert {chunk.end_line for chunk in long} == {201}


LINES = st.lists(
    st.sampled_from(
        ["", "x = 1", "def f():", "    y = 2", "class A:", "    def g(self):", "        return h()", "# c"]
    )
    | st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=80),
    max_size=150,
)


@given(LINES, st.sampled_from([b"a.py", b"a.js", b"a.c", b"a.txt", b"a.rb"]), st.booleans())
def test_chunks_in_order_are_the_file_and_none_is_too_large(
    lines: list[str], path: bytes, ends_with_newline: bool
) -> None:
    text = "\n".join(lines) + ("\n" if ends_with_newline else "")
    found = extract(path, text.encode())
    if found.skipped is not None:
        return
    assert "".join(chunk.text for chunk in found.chunks) == text.removeprefix("\ufeff")
    for chunk in found.chunks:
        assert chunk.end_line - chunk.start_line < LINES_MAX
        assert len(chunk.text.encode()) <= CHARS_MAX or chunk.start_line == chunk.end_line


@given(LINES)
def test_a_chunk_is_named_after_an_entity_or_nothing(lines: list[str]) -> None:
    found = extract(b"a.py", "\n".join(lines).encode())
    names = {entity.qualified_name: entity.kind.value for entity in reversed(found.entities)}
    for chunk in found.chunks:
        assert names[chunk.symbol] == chunk.kind
