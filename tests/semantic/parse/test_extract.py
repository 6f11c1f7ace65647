"""Extraction is total, a function of language and content, and exact about lines in every encoding."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.parse import (
    LANGUAGES,
    EntityKind,
    Extraction,
    Language,
    extract,
    extract_as,
    language_named,
)

if TYPE_CHECKING:
    from types import FrameType

PARSED = [language for language in LANGUAGES if language.grammar is not None]
SOURCES = [
    path.read_bytes()
    for path in sorted(Path(__file__).parent.glob("test_*.py"))
    if path.name != Path(__file__).name
]

# Pieces that open, close and confuse: what the languages have in common.
FRAGMENTS = st.sampled_from(
    [
        *(
            b"def a(x):\n",
            b"class A",
            b" { ",
            b"}\n",
            b"(",
            b")",
            b"<",
            b">",
            b'"',
            b"'",
            b"`",
            b"\\",
            b"\n",
            b"\r\n",
        ),
        *(
            b"/*",
            b"*/",
            b"//",
            b"# ",
            b"#if A\n",
            b"#else\n",
            b"#endif\n",
            b"#define X \\\n",
            b"\t",
            b"  ",
            b"::",
        ),
        *(
            b"fn f",
            b"impl A for B",
            b"func (a *B) C",
            b"<?php ",
            b"end\n",
            b"=>",
            b"template <",
            b"namespace a;",
        ),
        *(
            b'"""',
            b"${",
            b"\xff",
            b"\xef\xbb\xbf",
            "ß語".encode(),
            b"=begin\n",
            b"<<EOS\n",
            b"operator",
            b"@a",
        ),
        *(b"const x = {", b"let ", b"struct ", b"EXPORT_API ", b"FOO(", b"a.b.c = function ", b"lambda x: "),
        *(b'app.get("/a", ', b'@a.route("/b")\n', b"it('c', () => {", b"describe 'd' do\n", b"#[test]\n"),
        *(
            b'[HttpGet("e")]',
            b'@GetMapping("f")\n',
            b"TEST(g, h) {",
            b'.route("/i", get(j))',
            b"Route::get('/k', l)",
        ),
    ]
)


def check(found: Extraction, content: bytes) -> None:
    """What every extraction promises."""
    lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    if found.skipped is not None:
        return
    for entity in found.entities:
        assert 1 <= entity.start_line <= entity.line <= entity.end_line <= max(1, lines), entity
        assert "\n" not in entity.signature + entity.doc
    assert all(1 <= reference.line <= lines for reference in found.references)
    covered = {line for chunk in found.chunks for line in range(chunk.start_line, chunk.end_line + 1)}
    assert covered == set(range(1, lines + 1))


@given(st.sampled_from(PARSED), st.binary(max_size=400))
def test_any_bytes_in_any_language_are_extracted(language: Language, content: bytes) -> None:
    found = extract_as(language, content)
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        check(found, content)


@given(st.sampled_from(PARSED), st.lists(FRAGMENTS, max_size=60))
def test_any_mixture_of_syntax_in_any_language_is_extracted(language: Language, pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    found = extract_as(language, content)
    check(found, content)
    assert extract_as(language, content) == found


@given(st.sampled_from(PARSED), st.sampled_from(SOURCES), st.data())
def test_a_file_that_is_cut_or_damaged_anywhere_is_extracted(
    language: Language, content: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 3000)))
    damage = data.draw(st.binary(max_size=3))
    damaged = content[:start][-2000:] + damage + content[end:][:2000]
    check(extract_as(language, damaged), damaged)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_path_is_accepted(path: bytes, content: bytes) -> None:
    assert extract(path, content) == extract(path, content)


@pytest.mark.parametrize("language", PARSED, ids=lambda language: language.name)
@pytest.mark.parametrize(
    "opening", ["(", "{", "[", "f(", "class A {", "if x:\n", "<a>", "namespace a {", "#if A\n"]
)
def test_nesting_without_end_neither_overflows_nor_hangs(language: Language, opening: str) -> None:
    content = (opening * 3000).encode()
    check(extract_as(language, content), content)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("python", 'a = Blueprint("a", url_prefix="/a")\n@a.route("/b")\ndef c(): ...\n'),
        ("javascript", "describe('a', () => {\napp.get('/b', () => {\n"),
        ("java", '@RequestMapping("/a")\nclass A { @GetMapping("/b") void c() {} }\n'),
    ],
)
def test_many_routes_and_tests_take_no_more_than_linear_work(name: str, text: str) -> None:
    language = language_named(name)
    extract_as(language, text.encode())  # what is made once is made now
    few, many = (count_lines_run(language, (text * count).encode()) for count in (100, 600))
    assert many < 6 * few * 1.5


def count_lines_run(language: Language, content: bytes) -> int:
    """How many lines of Python an extraction runs through: the same on a busy machine."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = extract_as(language, content)
    finally:
        sys.settrace(before)
    check(found, content)
    return lines


def test_entities_nest_at_most_as_deep_as_is_kept() -> None:
    depth = 60
    content = "".join(f"{' ' * level}def f{level}():\n" for level in range(depth)) + " " * depth + "pass\n"
    found = extract(b"a.py", content.encode())
    assert len(found.entities) == 1 + 32
    check(found, content.encode())


def test_lines_are_the_same_whatever_ends_them() -> None:
    text = '"""Doc."""\n\n\ndef first():\n\tsecond(\n\t\t1)\n\n\nclass A:\n\tx = 1\n'
    plain = extract(b"a.py", text.encode())
    dos = extract(b"a.py", text.replace("\n", "\r\n").encode())
    assert [dataclasses.replace(entity, structural_hash="") for entity in dos.entities] == [
        dataclasses.replace(entity, structural_hash="") for entity in plain.entities
    ]
    assert (dos.references, dos.chunks) == (plain.references, plain.chunks)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    plain = extract(b"a.cs", b"class A { }\n")
    marked = extract(b"a.cs", b"\xef\xbb\xbfclass A { }\n")
    assert marked == plain


def test_bytes_that_are_not_utf_8_keep_lines_and_are_replaced_in_text() -> None:
    found = extract(b"a.py", b"# caf\xe9\ndef caf\xe9(): pass\ndef b(): pass\n")
    assert ("b", 3) in {(entity.name, entity.start_line) for entity in found.entities}
    assert "caf\ufffd" in found.chunks[0].text


def test_the_path_matters_only_for_the_language() -> None:
    content = b"class A:\n    def b(self): c()\n"
    assert extract(b"x/a.py", content) == extract(b"y/z/other.pyi", content)


def test_an_empty_file_has_a_module_and_no_chunk() -> None:
    found = extract(b"a.py", b"")
    assert [entity.kind for entity in found.entities] == [EntityKind.MODULE]
    assert found.chunks == ()
