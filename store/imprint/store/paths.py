"""Paths inside a tree: how people read and write them, and which ones a tree must not hold.

Invariants:
    1. `unquote_path(quote_path(raw)) == raw` for every byte string.
    2. What `quote_path` returns is one line of UTF-8 text with no control character in it.
    3. A path that passes `verify_path` is one that `git fsck --strict` lets a tree hold.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from imprint.store.errors import BadPath

PATH_BYTES_MAX: Final = 4096
"""PATH_MAX of Linux: a longer path could be committed, but never checked out there."""
COMPONENT_BYTES_MAX: Final = 255
"""NAME_MAX of common file systems."""

# The letters that C and Git's core.quotePath (git-config(1)) use after a backslash.
_LETTERS: Final = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_ESCAPES: Final = {chr(code): f"\\{letter}" for letter, code in _LETTERS.items()}
_QUOTED_PART: Final = re.compile(r'\\([0-3][0-7]{2}|[abtnvfr"\\])|([^"\\]+)')
_UNDECODED: Final = range(0xDC80, 0xDD00)
"""Where `surrogateescape` puts the bytes 0x80 to 0xFF that are not UTF-8."""


def quote_path(raw: bytes) -> str:
    """The path as text: itself, or in double quotes with C escapes where it would be ambiguous.

    Quoted are paths that are not UTF-8, or that hold a control character, a double quote or a backslash.
    """
    text = raw.decode("utf-8", "surrogateescape")
    quoted = "".join(map(_quote_character, text))
    return text if quoted == text else f'"{quoted}"'


def _quote_character(character: str) -> str:
    if escape := _ESCAPES.get(character):
        return escape
    code = ord(character)
    if code in _UNDECODED or unicodedata.category(character) in {"Cc", "Zl", "Zp"}:
        return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
    return character


def unquote_path(text: str) -> bytes:
    """The path that a text stands for: the inverse of `quote_path`, and of what git prints.

    Raises:
        BadPath: the text begins with a double quote and is not a well-formed quoted path.
    """
    if not text.startswith('"'):
        return text.encode("utf-8", "surrogateescape")
    raw = bytearray()
    at = 1
    while part := _QUOTED_PART.match(text, at):
        escape, plain = part.groups()
        if plain is not None:
            raw += plain.encode("utf-8", "surrogateescape")
        else:
            raw.append(_LETTERS[escape] if escape in _LETTERS else int(escape, 8))
        at = part.end()
    if text[at:] != '"':
        raise BadPath(
            f"{text[:200]!r} is not a quoted path", hint="close the quote; octal escapes have 3 digits"
        )
    return bytes(raw)


# Letters that HFS+ leaves out when it compares names (git's utf8.c names the same set in its tests).
_HFS_IGNORED: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
# NTFS knows a folder also by a short name, ignores trailing dots and spaces, and opens streams after a colon.
_NTFS_DOT_GIT: Final = re.compile(r"(?:\.git|git~1)[ .]*(?::.*)?\Z", re.IGNORECASE | re.DOTALL)


def verify_path(raw: bytes) -> None:
    """Check that a tree may hold a file at this path, on every platform that could check it out.

    Raises:
        BadPath: it is empty, absolute, too long, holds a NUL, an empty component, `.` or `..`, or a component
            that some file system takes for `.git`.
    """
    fault = _find_fault(raw)
    if fault:
        raise BadPath(
            f"{quote_path(raw[:200])} is not a path for a tree: {fault}",
            hint="paths are relative to the repository's top folder, with / between components",
        )


def _find_fault(raw: bytes) -> str | None:
    if not raw or len(raw) > PATH_BYTES_MAX:
        return f"it must have 1 to {PATH_BYTES_MAX} bytes"
    if b"\0" in raw:
        return "it holds a NUL"
    return next(filter(None, map(_find_component_fault, raw.split(b"/"))), None)


def _find_component_fault(component: bytes) -> str | None:
    if component in {b"", b".", b".."}:
        return "it has a component that is empty, '.' or '..'"
    if len(component) > COMPONENT_BYTES_MAX:
        return f"it has a component of more than {COMPONENT_BYTES_MAX} bytes"
    return "it has a component that some file systems take for '.git'" if _is_dot_git(component) else None


def _is_dot_git(component: bytes) -> bool:
    """Whether HFS+ or NTFS would open Git's own folder by this name; a backslash separates on NTFS."""
    text = component.decode("utf-8", "replace")
    return any(_NTFS_DOT_GIT.match(_HFS_IGNORED.sub("", part)) for part in text.split("\\"))
