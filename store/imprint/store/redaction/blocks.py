"""Private keys in armour, in one line or over many.

A key may stand in a file as it is, behind the line numbers or the `+` of what showed it, or inside one string
of JSON with its line ends escaped; its end may be missing where the text was cut, and so may its beginning.

Invariants:
1. Every line stays: each line of a key is replaced by a mark of its own.
2. Crossing to the next line needs a line that looks like a key's; a JSON line never does.
3. A key whose end is missing is bounded by `LINES_MAX`.
"""

from __future__ import annotations

import re
from typing import Final

MARK: Final = "[redacted:private-key]"
LINES_MAX: Final = 400
"""Lines that a key may have."""
RUN_MIN: Final = 16
"""Characters of a key whose end is missing; fewer are a mention of one."""
CHARACTERS_MAX: Final = 65536
"""Characters that a key within one line may have."""

ANCHOR: Final = "PRIVATE KEY"
"""Stands in the first and the last line of every key."""
_KIND = r"(?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?"
_BEGIN = re.compile(rf"-{{4,5}} ?BEGIN {_KIND} ?-{{4,5}}")
_END = re.compile(rf"-{{4,5}} ?END {_KIND} ?-{{4,5}}")
_INSIDE = re.compile(r"(?:[^\"\n\\-]|\\+[^\n]|-(?!-{3}))*")
_RUN = re.compile(r"(?:[A-Za-z0-9+/=:, \t]|\\+[nrt\"'/]|[\"'+]|→)*")
_BODY = re.compile(
    r"[\s>+|\-#*/\d→:\"']{0,24}(?:[A-Za-z0-9+/=]{1,128}|[A-Z][A-Za-z\-]{2,20}: [\w, .\-]{1,128}|)"
    r"(?:\\n)?[\"',;+\s\\]{0,8}\Z"
)
_WHOLE = re.compile(r"[\s>+|\-#*/\d→:\"']{0,24}[A-Za-z0-9+/=]{48,128}(?:\\n)?[\"',;+\s\\]{0,8}\Z")


def redact_blocks(text: str) -> tuple[str, int]:
    """The text without private keys outside JSON, whose lines `find_keys` is for; and how many there were."""
    if ANCHOR not in text:
        return text, 0
    lines = text.split("\n")
    count = 0
    at = 0
    while at < len(lines):
        line = lines[at]
        if ANCHOR in line and line.lstrip()[:1] not in {"{", "["}:
            keys, goes_on = find_keys(line, 0, len(line))
            for start, end in reversed(keys):
                lines[at] = lines[at][:start] + MARK + lines[at][end:]
            count += len(keys)
            if goes_on:
                at = _follow(lines, at)
            elif not keys:
                count += _before(lines, at)
        at += 1
    return "\n".join(lines), count


def find_keys(text: str, begin: int, end: int) -> tuple[list[tuple[int, int]], bool]:
    """Where the keys of one line stand, and whether the last goes on in the next line.

    Args:
        text: the text.
        begin: where the line begins.
        end: where it ends.
    """
    found: list[tuple[int, int]] = []
    while head := _BEGIN.search(text, begin, end):
        begin = head.end()
        bound = min(end, begin + CHARACTERS_MAX)
        inside = _INSIDE.match(text, begin, bound)
        tail = _END.match(text, inside.end(), end) if inside else None
        if tail:
            found.append((head.start(), tail.end()))
            begin = tail.end()
            continue
        run = _RUN.match(text, begin, bound)
        stop = _trim(text, begin, run.end() if run else begin)
        rest = text[stop:end].strip("\r")
        if stop - begin >= RUN_MIN or not rest:
            found.append((head.start(), stop))
            begin = stop
        if not rest:
            return found, True
    return found, False


def _trim(line: str, begin: int, stop: int) -> int:
    """Without the quotes, spaces and backslashes at the end of a run: they belong to what holds the key."""
    while stop > begin and line[stop - 1] in "\"' \t,:\\+":
        stop -= 1
    if stop > begin and line[stop - 1] in "nrt" and line[stop - 2 : stop - 1] == "\\":
        stop -= 1
        while stop > begin and line[stop - 1] == "\\":
            stop -= 1
    return stop


def _follow(lines: list[str], at: int) -> int:
    """Replaces the lines of a key that began in line `at`; returns the last line of it."""
    for index in range(at + 1, min(len(lines), at + LINES_MAX)):
        if _END.search(lines[index]):
            lines[index] = _keep_return(lines[index], _END.sub(MARK, lines[index]))
            return index
        if not _BODY.match(lines[index]):
            return index - 1
        if lines[index].strip():
            lines[index] = _keep_return(lines[index], MARK)
    return min(len(lines), at + LINES_MAX) - 1


def _before(lines: list[str], at: int) -> int:
    """Replaces the lines before an end whose beginning is missing; returns 1 if there were any."""
    if not _END.search(lines[at]):
        return 0
    index = at - 1
    while index >= max(0, at - LINES_MAX) and (
        _WHOLE.match(lines[index]) or (index == at - 1 and _BODY.match(lines[index]) and lines[index].strip())
    ):
        lines[index] = _keep_return(lines[index], MARK)
        index -= 1
    if index == at - 1:
        return 0
    lines[at] = _END.sub(MARK, lines[at])
    return 1


def _keep_return(old: str, new: str) -> str:
    return new + "\r" if old.endswith("\r") and not new.endswith("\r") else new


def describe() -> tuple[str, ...]:
    """Everything that decides what is found, for the policy hash."""
    patterns = (_BEGIN, _END, _INSIDE, _RUN, _BODY, _WHOLE)
    return (*(pattern.pattern for pattern in patterns), f"{LINES_MAX} {CHARACTERS_MAX} {RUN_MIN}")
