"""A file's language is told from its name first and its content second."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imprint.semantic.parse import LANGUAGES, detect
from imprint.semantic.parse.grammar import Grammar
from imprint.semantic.parse.languages import verify_language
from imprint.store.errors import BadInput

PAGE = Path(__file__).parents[3] / "docs" / "languages.md"


@pytest.mark.parametrize(
    ("path", "content", "language"),
    [
        (b"a/b.py", b"", "python"),
        (b"a/b.PY", b"", "python"),
        (b"types.d.ts", b"", "typescript"),
        (b"app.tsx", b"", "tsx"),
        (b"app.jsx", b"", "javascript"),
        (b"queue.h", b"int run(void);\n", "c"),
        (b"queue.h", b"namespace acme { class Job; }\n", "cpp"),
        (b"queue.h", b"#include <vector>\n", "cpp"),
        (b"queue.h", b"/* a class of its own: private: no */\nint a;\n", "c"),
        (b"Rakefile", b"", "ruby"),
        (b"lib/x.rake", b"", "ruby"),
        (b"Makefile", b"", "make"),
        (b"package-lock.json", b"{}", "lock"),
        (b"dist/app.min.js", b"", "minified"),
        (b"translations/de.ts", b"<?xml version='1.0'?>\n<TS/>\n", "xml"),
        (b"bin/tool", b"#!/usr/bin/env python3\n", "python"),
        (b"bin/tool", b"#!/usr/bin/python3.11 -u\n", "python"),
        (b"bin/tool", b"#!/usr/bin/env -S node --harmony\n", "javascript"),
        (b"bin/tool", b"#!/bin/sh\n", "shell"),
        (b"caf\xe9/x.rb", b"", "ruby"),
        (b"README.md", b"", "markdown"),
    ],
)
def test_a_language_is_told_from_name_suffix_or_interpreter(
    path: bytes, content: bytes, language: str
) -> None:
    found = detect(path, content)
    assert found is not None
    assert found.name == language


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"LICENSE", b"words"),
        (b"bin/tool", b"#!"),
        (b"bin/tool", b"#!/usr/bin/env\n"),
        (b"", b""),
        (b"a.", b""),
    ],
)
def test_what_no_rule_knows_has_no_language(path: bytes, content: bytes) -> None:
    assert detect(path, content) is None


def test_no_suffix_name_or_interpreter_is_claimed_twice() -> None:
    for key in ("name", "suffixes", "file_names", "interpreters"):
        claimed = [
            each
            for language in LANGUAGES
            for each in ([language.name] if key == "name" else getattr(language, key))
        ]
        assert len(claimed) == len(set(claimed)), key


def test_the_page_of_languages_lists_each_language_that_is_parsed() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| `([^|]*)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    parsed = {
        language.name: " ".join(language.suffixes)
        for language in LANGUAGES
        if isinstance(language.grammar, Grammar)
    }
    assert dict(rows) == parsed


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pyhton", "perhaps python"),
        (".py", "perhaps python"),
        ("c++", "perhaps cpp"),
        ("??", "there are asc"),
    ],
)
def test_a_language_that_there_is_not_is_said_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(BadInput) as refused:
        verify_language(name)
    assert str(refused.value.hint).startswith(meant)
    verify_language("Python")
