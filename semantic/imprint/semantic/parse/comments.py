"""Comments and docstrings to the first paragraph of documentation.

Invariants:
1. The result is one line of text of at most `DOC_CHARS_MAX` characters, without comment signs and mark-up
   tags.
2. Licences and directives to tools are no documentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.parse.shape import Span
    from imprint.semantic.parse.source import Source

DOC_CHARS_MAX = 600

# What stands before the text of a line of a comment in any of the languages.
_LINE_START = re.compile(
    r"^\s*(?:/\*+!?<?|\*+/|\*+(?!/)|//[/!]*<?|#+!?(?!\[)|--+(?:\[=*\[)?(?:\s*[|^](?=\s))?|\(\*+|"
    r"\{-+(?:\s*\|)?|@(?:type)?doc\s+(?:~[sS])?\"{3}|\"{3})\s?"
)
# What ends a comment of several lines, and how OCaml, Haskell, Elixir and Julia write theirs.
_ENDS = ("*/", "*)", "-}", '"""')
_ON_ONE_LINE = re.compile(r'^(?:@(?:type)?doc\s+)?(?:~[sS])?"([^"].*)"$')
# Julia repeats the signature, indented, before the words.
_REPEATED_SIGNATURE = re.compile(r'^"""\s*\n(?: {4}\S.*\n)+(?=\s*\n)')

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
# What is drawn after a heading.
_RULE_AFTER = re.compile(r"\s+[-=*#~/]{4,}$")
_DIRECTIVE = re.compile(
    r"^(?:go:\w+|\+build\b|nolint|eslint[ -]|jshint\b|istanbul\b|noqa|type:\s*ignore|pylint:|pragma:|!/|-\*-|"
    r"vim?:|rubocop:|frozen_string_literal:|encoding:|coding[:=]|@ts-|prettier-ignore|clang-format|NOLINT|"
    r"noinspection|region\b|endregion\b|shellcheck\b|swiftlint:|ktlint-|scalafmt:|scalastyle:|luacheck:|stylua:|"
    r"zig fmt:|credo:|MARK:)"
)
_LICENCE = re.compile(
    r"copyright|\blicen[sc]e|spdx-|all rights reserved|\(c\)\s*(?:19|20)\d\d", re.IGNORECASE
)

# Comments that document the file around them, and what may stand before the comment at the top of a file.
_OF_FILE = ("//!", "/*!")
_BEFORE_FILE_DOC = (b"#!", b"{-#", b"<?php", b"'use strict'", b'"use strict"')

# A first paragraph is within the last pages of a comment; the rest of a book need not be read.
_RUN_BYTES_MAX = 16 * 1024

_STRING_START = re.compile(r"^[A-Za-z]{0,3}(\"\"\"|'''|\"|')")


def paragraph_of_comment(text: str) -> str:
    """Give the first paragraph of a run of comments, signs included."""
    text = _REPEATED_SIGNATURE.sub("", text)
    return _first_paragraph([_without_signs(line) for line in text.split("\n")])


def paragraph_of_docstring(text: str) -> str:
    """Give the first paragraph of a string literal, quotes included."""
    quote = _STRING_START.match(text)
    if quote is not None:
        text = text[quote.end() :].removesuffix(quote.group(1))
    return _first_paragraph(text.split("\n"))


def _without_signs(line: str) -> str:
    line = line.strip()
    if line.startswith("#!/"):
        return ""
    if line.endswith(_ENDS):
        line = line[:-2].rstrip('*-"').rstrip()
    quoted = _ON_ONE_LINE.match(line)
    if quoted is not None:
        return quoted.group(1)
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
    line = _RULE_AFTER.sub("", line.strip())
    if "<" in line:
        line = _MARK_UP.sub("", _CROSS_REFERENCE.sub(r"\1", line)).strip()
    if "{@" in line:
        line = _INLINE_TAG.sub(r"\1", line)
    return line


class CommentRuns:
    """The comments of a file that stand on lines of their own, and whose documentation they are.

    Attributes:
        lines: the lines that hold nothing but a comment.
    """

    def __init__(self, comments: Sequence[Span], source: Source) -> None:
        self._source = source
        self._by_last_line: dict[int, Span] = {}
        lines: set[int] = set()
        for start, end in comments:
            # Some grammars let a comment end after its line feed.
            stop = start + len(source.content[start:end].rstrip())
            if source.begins_line(start):
                last = source.last_line_of(start, stop)
                self._by_last_line[last] = (start, stop)
                lines.update(range(source.line_at(start), last + 1))
        self.lines = frozenset(lines)

    def doc_before(self, offset: int) -> str:
        """Give the documentation that stands right above what begins at `offset`."""
        line = self._source.line_at(offset)
        if line - 1 not in self._by_last_line:
            if not self._is_formal_doc_over_a_blank_line(line):
                return ""
            line -= 1
        if not self._source.begins_line(offset):
            return ""
        text = self._text(self._run_before(line))
        return "" if _LICENCE.search(text) else paragraph_of_comment(text)

    def doc_of_file(self, first_entity_line: int) -> str:
        """Give the first comment at the top of a file that is neither a licence nor the first entity's."""
        line = 1
        run: list[Span] = []
        for last, span in sorted(self._by_last_line.items()):
            if run and self._source.line_at(span[0]) != line:
                doc = self._file_doc(run, line, first_entity_line)
                if doc:
                    return doc
                run = []
            if self._has_code_between(line, span[0]):
                return ""
            run.append(span)
            line = last + 1
        return self._file_doc(run, line, first_entity_line)

    def _is_formal_doc_over_a_blank_line(self, line: int) -> bool:
        span = self._by_last_line.get(line - 2)
        blank = line > 1 and not self._source.line(line - 1).strip()
        return blank and span is not None and self._source.content.startswith(b"/**", span[0])

    def _run_before(self, line: int) -> list[Span]:
        run: list[Span] = []
        length = 0
        while (span := self._by_last_line.get(line - 1)) is not None and length < _RUN_BYTES_MAX:
            run.append(span)
            length += span[1] - span[0]
            line = self._source.line_at(span[0])
        return run[::-1]

    def _text(self, run: Sequence[Span]) -> str:
        return "\n".join(self._source.text(start, min(end, start + _RUN_BYTES_MAX)) for start, end in run)

    def _file_doc(self, run: list[Span], next_line: int, first_entity_line: int) -> str:
        text = self._text(run)
        of_entity = next_line == first_entity_line and not text.startswith(_OF_FILE)
        return "" if not text or of_entity or _LICENCE.search(text) else paragraph_of_comment(text)

    def _has_code_between(self, line: int, offset: int) -> bool:
        start = self._source.offsets[line - 1] if line <= self._source.line_count else offset
        written = self._source.content[start:offset].strip()
        return bool(written) and not written.startswith(_BEFORE_FILE_DOC)
