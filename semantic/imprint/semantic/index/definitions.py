"""Which names each chunk defines: from the entities where a grammar gave some, else by the look of the text.

The look of the text is a guess for languages without a grammar here: a word that such languages put before
the name that they define, or one of a few shapes that need no such word. A wrong guess costs a little rank,
nothing else: what the guess finds is never shown as a definition.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.semantic.parse.model import Extraction

_NAME: Final = r"[^\W\d][\w.:$'?!]*"
_BY_KEYWORD: Final = re.compile(
    r"\b(?:class|interface|struct|enum|union|trait|object|protocol|extension|actor|module|defmodule|package"
    r"|namespace|type|typealias|typedef|alias|data|newtype|instance|record|annotation"
    r"|def|defp|defmacro|defmacrop|defprotocol|defimpl|defstruct|fn|fun|func|function|sub|proc|procedure"
    r"|macro_rules!|macro|subroutine|method)[ \t]+"
    rf"(?:<[^>\n]*>[ \t]*)?({_NAME})"
)
_BY_SHAPE: Final = re.compile(
    rf"^[ \t]*(?:({_NAME})[ \t]*\(\)[ \t]*\{{"  # name() {            shells
    rf"|({_NAME})[ \t]*=[ \t]*function\b"  # name = function         Lua and its like
    rf"|(?:pub[ \t]+)?const[ \t]+({_NAME})[ \t]*=[ \t]*(?:extern |packed )?(?:struct|enum|union)\b"  # Zig
    rf"|({_NAME})[ \t]+::[ \t])",  # name :: type         Haskell and its like
    re.MULTILINE,
)
_WITHOUT_DEFINITIONS: Final = frozenset(
    {"asciidoc", "css", "html", "ini", "json", "markdown", "restructuredtext", "svg", "tex", "text", "toml",
     "xml", "yaml"}
)  # fmt: skip
"""Documents and data: what looks like a definition in them is an example, or chance."""


def defined_names(extraction: Extraction) -> list[tuple[str, ...]]:
    """For each chunk the names whose definition begins in it, in order, each once."""
    if not extraction.entities:
        if extraction.language in _WITHOUT_DEFINITIONS:
            return [() for _ in extraction.chunks]
        return [guess_definitions(chunk.text) for chunk in extraction.chunks]
    entities = sorted(
        (entity.start_line, entity.name)
        for entity in extraction.entities
        if entity.kind.value != "module" and entity.name
    )
    lines = [line for line, _ in entities]
    return [
        _distinct(
            name
            for _, name in entities[
                bisect_left(lines, chunk.start_line) : bisect_right(lines, chunk.end_line)
            ]
        )
        for chunk in extraction.chunks
    ]


def guess_definitions(text: str) -> tuple[str, ...]:
    """Names that the text seems to define, without what qualifies them, in order, each once."""
    found = [(match.start(), match.group(1)) for match in _BY_KEYWORD.finditer(text)]
    found += [(match.start(), match.group(match.lastindex or 0)) for match in _BY_SHAPE.finditer(text)]
    return _distinct(_last_part(name) for _, name in sorted(found))


def _last_part(name: str) -> str:
    return re.split(r"[.:]+", name.rstrip(".:"))[-1]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def fold_name(name: str) -> str:
    """A name without letter case and underscores: `HttpClient` and `http_client` are one."""
    return name.casefold().replace("_", "") or name.casefold()
