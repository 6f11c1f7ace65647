r"""What JSON may write in two ways, written in the one that rules read: `\u0067` is `g`, and `\/` is `/`.

Writers differ (RFC 8259, section 7): some escape all that HTML or a script would read, some every slash, and
any may escape anything. A secret spelt so says nothing to a rule, and everything to who reads the JSON.

Invariants:
    1. A line that is JSON is JSON afterwards, and of the same value but for strings that are JSON themselves.
    2. No line begins or ends, and nothing is left to be done a second time.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(r"(?<!\\)(\\++)(?:u00([0-7][0-9a-fA-F])|/)")
_SPACES: Final = {"\t": "t", "\n": "n", "\r": "r", "\b": "b", "\f": "f"}


def are_in(text: str) -> bool:
    """Whether there may be such escapes; quickly."""
    return "\\u00" in text or "\\/" in text


def undo(text: str) -> str:
    """The text with such escapes of ASCII undone, also of JSON in strings of JSON."""
    return _ESCAPE.sub(_undo_one, text)


def _undo_one(match: re.Match[str]) -> str:
    run = len(match[1])
    # An escape within one string has one backslash, within a string of a string two, then four; others before
    # it are backslashes that are meant.
    depth = run & -run
    before = run - depth
    character = chr(int(match[2], 16)) if match[2] else "/"
    if character in _SPACES:
        return match[1] + _SPACES[character]
    if character == '"':
        return "\\" * (before + 2 * depth - 1) + character
    if character == "\\":
        return "\\" * (before + 2 * depth)
    return "\\" * before + character if character.isprintable() else match[0]
