"""Comments and docstrings to the first paragraph of documentation.

Invariants:
1. The result is one line of text of at most `DOC_CHARS_MAX` characters, without comment signs and mark-up tags.
2. Licences and directives to tools are no documentation.
"""

from __future__ import annotations

import re

DOC_CHARS_MAX = 600

# What stands before the text of a line of a comment in any of the languages.
_LINE_START = re.compile(r"^\s*(?:/\*+!?<?|\*+/|\*+(?!/)|//[/!]*<?|#+!?(?!\[)|--+)\s?")

# Elements of C# documentation, Javadoc and Doxygen.
_MARK_UP = re.compile(
    r"</?(?:summary|remarks|para|c|p|code|b|i|em|pre|ul|li|br|inheritdoc|typeparam|param)\b[^<>]*>"
)
_CROSS_REFERENCE = re.compile(
    r"<(?:see|seealso|paramref|typeparamref)\s+(?:cref|name|langword)=\"(?:\w:)?([^\"]*)\"\s*/?>(?:</\w+>)?"
)
_INLINE_TAG = re.compile(r"\{@\w+\s+([^{}]*)\}")
_BRIEF = re.compile(r"^[@\\](?:brief|details|fn)\s+")

# A line that ends the first paragraph: a tag of Javadoc, JSDoc, Doxygen, Sphinx or YARD.
_TAG = re.compile(r"^(?:[@\\]\w+|:\w+[^:]*:)(?:\s|$)")
_RULE = re.compile(r"^[\s=~*#_+/-]*$")
_DIRECTIVE = re.compile(
    r"^(?:go:\w+|\+build\b|nolint|eslint[ -]|jshint\b|istanbul\b|noqa|type:\s*ignore|pylint:|pragma:|!/|-\*-|vim?:|"
    r"rubocop:|frozen_string_literal:|encoding:|coding[:=]|@ts-|prettier-ignore|clang-format|NOLINT|noinspection|region\b|endregion\b)"
)
_LICENCE = re.compile(
    r"copyright|\blicen[sc]e|spdx-|all rights reserved|\(c\)\s*(?:19|20)\d\d", re.IGNORECASE
)

_STRING_START = re.compile(r"^[A-Za-z]{0,3}(\"\"\"|'''|\"|')")


def paragraph_of_comment(text: str) -> str:
    """Give the first paragraph of a run of comments, signs included."""
    return _first_paragraph([_without_signs(line) for line in text.split("\n")])


def paragraph_of_docstring(text: str) -> str:
    """Give the first paragraph of a string literal, quotes included."""
    quote = _STRING_START.match(text)
    if quote is not None:
        text = text[quote.end() :].removesuffix(quote.group(1))
    return _first_paragraph(text.split("\n"))


def is_licence(text: str) -> bool:
    """Tell whether a comment is about rights and not about code."""
    return _LICENCE.search(text) is not None


def _without_signs(line: str) -> str:
    line = line.strip()
    if line.endswith("*/"):
        line = line[:-2].rstrip("*").rstrip()
    return _LINE_START.sub("", line)


def _first_paragraph(lines: list[str]) -> str:
    found: list[str] = []
    for raw in lines:
        line = _clean_line(raw)
        if _DIRECTIVE.match(line):
            continue
        if not found and _BRIEF.match(line):
            line = _BRIEF.sub("", line)
        if _RULE.match(line) or _TAG.match(line):
            if found:
                break
            continue
        found.append(line)
    text = " ".join(" ".join(found).split())
    return text if len(text) <= DOC_CHARS_MAX else text[: DOC_CHARS_MAX - 1].rstrip() + "…"


def _clean_line(line: str) -> str:
    line = line.strip()
    if "<" in line:
        line = _MARK_UP.sub("", _CROSS_REFERENCE.sub(r"\1", line)).strip()
    if "{@" in line:
        line = _INLINE_TAG.sub(r"\1", line)
    return line
