"""Parsing within a time: what is hard to read ends, and everything else is read as usual."""

import tracemalloc
from time import monotonic

import pytest

from imprint.semantic.graph.flow.bounded import parse_within
from imprint.semantic.parse.grammar import compile_grammar
from imprint.semantic.parse.languages import language_named


def grammar(name: str):
    found = language_named(name).grammar
    assert found is not None
    return compile_grammar(found).language


@pytest.mark.parametrize("name", ["python", "javascript", "typescript"])
def test_source_is_read_whole(name: str) -> None:
    content = b"f(1)\n" * 40_000  # several pieces
    tree = parse_within(grammar(name), content, seconds=30)
    assert tree is not None
    assert tree.root_node.end_byte == len(content)
    assert tree.root_node.child_count == 40_000


def test_what_takes_too_long_ends() -> None:
    begun = monotonic()
    assert parse_within(grammar("python"), b"`${" * 100_000, seconds=0.2) is None
    assert monotonic() - begun < 5


def test_the_text_of_a_node_costs_what_it_holds_and_not_what_comes_after() -> None:
    content = b"f(1)\n" * 20_000
    tree = parse_within(grammar("python"), content, seconds=30)
    assert tree is not None
    assert tree.root_node.text == content
    node = tree.root_node.children[7]
    peaks = []
    for _ in range(5):  # threads of other tests' servers in this process may need some just now
        tracemalloc.start()
        try:
            assert node.text == b"f(1)"
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert min(peaks) < 4_096
