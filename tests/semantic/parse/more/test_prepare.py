"""What is done to the bytes before they are parsed keeps their number and their lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.semantic.parse import LANGUAGES

PREPARED = [
    (language.name, language.grammar.prepare)
    for language in LANGUAGES
    if language.grammar is not None and language.grammar.prepare is not None
]
PIECES = st.sampled_from(
    (
        "@test",
        '"a b"',
        "'c'",
        " {",
        "\n",
        " ",
        "is A",
        " if ",
        "->",
        "else",
        "where",
        "?.",
        "} get ",
        "(x)",
        "fun f",
        "=",
        "val y",
        "}",
        "{",
        "()",
        ",",
        "return ",
        "#warning(",
        "#error(",
        "#if 0",
        "#endif",
        "#define X",
        "é",
        "\t",
        "in ",
    )
)


@pytest.mark.parametrize(("name", "prepare"), PREPARED, ids=[name for name, _ in PREPARED])
def test_bytes_and_lines_stay_where_they_are(name: str, prepare: object) -> None:
    assert name
    assert callable(prepare)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(PIECES, max_size=40).map("".join))
    def keeps(text: str) -> None:
        content = text.encode()
        made = prepare(content)
        assert len(made) == len(content)
        assert [at for at, byte in enumerate(made) if byte == 10] == [
            at for at, byte in enumerate(content) if byte == 10
        ]

    keeps()
