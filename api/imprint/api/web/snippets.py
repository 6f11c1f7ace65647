"""Text of a hit, cut into numbered lines whose parts are marked where they match the query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SNIPPET_LINES_MAX: Final = 12
_WORD: Final = re.compile(r"[A-Za-z0-9_]{2,}")
Part = tuple[str, bool]
"""A piece of a line, and whether it matches."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines of a hit: the number of the first that matches, and each line with its number and parts."""

    line: int
    lines: tuple[tuple[int, tuple[Part, ...]], ...]


def cut_snippet(text: str, start_line: int, query: str) -> Snippet:
    """The lines worth showing: from just before the first match on, at most a dozen."""
    words = sorted({word.casefold() for word in _WORD.findall(query)}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    first = _first_match(lines, pattern)
    begin = max(0, min(first - 2, len(lines) - SNIPPET_LINES_MAX))
    shown = lines[begin : begin + SNIPPET_LINES_MAX]
    numbered = tuple((start_line + begin + at, _split(line, pattern)) for at, line in enumerate(shown))
    return Snippet(start_line + first, numbered)


def _first_match(lines: list[str], pattern: re.Pattern[str] | None) -> int:
    if pattern is None:
        return 0
    return next((at for at, line in enumerate(lines) if pattern.search(line)), 0)


def _split(line: str, pattern: re.Pattern[str] | None) -> tuple[Part, ...]:
    if pattern is None:
        return ((line, False),)
    parts: list[Part] = []
    end = 0
    for match in pattern.finditer(line):
        parts += [(line[end : match.start()], False), (match.group(), True)]
        end = match.end()
    return tuple(part for part in [*parts, (line[end:], False)] if part[0])
