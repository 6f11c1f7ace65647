"""Lines of a content that is not cut: the same as those of one that is."""

import pytest

from imprint.semantic.lineage.tracing.lines import Lines


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"one", b"one\n", b"one\ntwo", b"\r\n\none\n\n", b"a\n" * 40]
)
def test_spans_are_those_of_the_cut_content(content: bytes) -> None:
    cut, lines = content.split(b"\n"), Lines(content)
    for first in range(1, len(cut) + 2):
        for last in range(first, len(cut) + 3):
            assert lines.text(first, last) == b"\n".join(cut[first - 1 : last])


def test_a_line_that_is_not_there_lies_at_the_end() -> None:
    lines = Lines(b"one\ntwo")

    assert (lines.begin(7), lines.end(7)) == (7, 7)
