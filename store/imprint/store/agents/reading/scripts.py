"""What an inline script may write: its string literals, and the replacements of a substitution.

A script that an agent passes to an interpreter usually holds the text that it puts into a file. Which literal
that is cannot be known without running it, so all of them count, and a reader matches them by content.
"""

from __future__ import annotations

import re
from typing import Final

from imprint.store.agents.reading.values import split_text

_LITERAL: Final = re.compile(
    r"""(?P<prefix>\b[rRbBuUfF]{1,2})?
        (?: \"\"\"(?P<long>(?:[^\\"]|\\.|"(?!""))*+)(?:\"\"\"|(?P<open>\\?\Z))
          | '''(?P<long2>(?:[^\\']|\\.|'(?!''))*+)(?:'''|(?P<open2>\\?\Z))
          | `(?P<back>(?:[^\\`]|\\.)*+)(?:`|(?P<open3>\\?\Z))
          | "(?P<short>(?:[^\\"\n]|\\.)*+)(?:"|(?P<open4>\n|\\?\Z))
          | '(?P<short2>(?:[^\\'\n]|\\.)*+)(?:'|(?P<open5>\n|\\?\Z)) )""",
    re.VERBOSE | re.DOTALL,
)
"""A string of Python, JavaScript and their like. One that is not closed matches too, so that no quote is
looked at twice; its group `open` then has a value."""

_TEXTS: Final = ("long", "long2", "back", "short", "short2")
_OPEN: Final = ("open", "open2", "open3", "open4", "open5")
_TARGET: Final = re.compile(
    r"""(?:open|Path|writeFileSync|writeFile|File\.write|readFileSync|read_text|File\.read)\(\s*['"]([^'"\n]{1,400})['"]"""
)
_WRITES: Final = re.compile(
    r"""\.write|write_(?:text|bytes)|writeFile|appendFile|File\.(?:write|open)|put_contents|\bdump\("""
    r"""|['"][wax]\+?b?['"]|\.to_\w+\("""
)
"""What a script that writes a file has somewhere in it."""
_NAMED: Final = re.compile(
    r"""(?m)^\s*(?:const |let |var )?\w*(?:path|file|fn|src|target|p|f)\w*\s*=\s*['"]([^'"\n\s]{1,400})['"]"""
)
_SUBSTITUTION_LIMIT: Final = 64 * 1024
"""Characters of a script of substitutions that are read."""

_ESCAPE: Final = re.compile(r"\\(\n|[nrt\\'\"`$]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})", re.DOTALL)
_NAMES: Final = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}


def read_script(text: str) -> tuple[str, tuple[str, ...]]:
    """The one file that a script names, empty if it names none or several, and the lines of its literals.

    A script that nowhere writes has none.
    """
    if not _WRITES.search(text):
        return "", ()
    targets = set(_TARGET.findall(text)) or set(_NAMED.findall(text))
    path = targets.pop() if len(targets) == 1 else ""
    lines: list[str] = []
    for found in _LITERAL.finditer(text):
        literal = next((found[name] for name in _TEXTS if found[name] is not None), "")
        closed = all(found[name] is None for name in _OPEN)
        if closed and literal and literal != path:
            raw = "r" in (found["prefix"] or "").lower()
            lines.extend(split_text(literal if raw else _ESCAPE.sub(_unescape, literal)))
    return path, tuple(line for line in lines if line.strip())


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "ux" and len(code) > 1:
        character = chr(int(code[1:], 16))
        return "\ufffd" if "\ud800" <= character <= "\udfff" else character
    return _NAMES.get(code, code)


def read_substitutions(script: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines that the commands `s`, `a`, `i` and `c` of sed put in, and patterns that they look for."""
    added: list[str] = []
    removed: list[str] = []
    script = script[:_SUBSTITUTION_LIMIT]
    for pattern, replacement in _find_substitutions(script):
        added.extend(line for line in split_text(_ESCAPE.sub(_unescape, replacement)) if line.strip())
        removed.extend(line for line in split_text(_ESCAPE.sub(_unescape, pattern)) if line.strip())
    for found in re.finditer(r"(?m)^[ \t]*(?:\d+|\$|/[^/\n]*/)?[ \t]*[aic]\\?[ \t]*\n?(.*)$", script):
        if not re.match(r"[ \t]*(?:\d+|\$|/[^/\n]*/)?[ \t]*[aic](?:\\|[ \t])", found.group()):
            continue
        added.extend(line for line in split_text(_ESCAPE.sub(_unescape, found[1])) if line.strip())
    return tuple(added), tuple(removed)


def _find_substitutions(script: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    begin = re.compile(r"(?:^|[;{}\n0-9$/,!\s])s([^\w\s\\])")
    while (match := begin.search(script, at)) is not None:
        mark = re.escape(match[1])
        body = re.compile(
            rf"((?:\\.|(?!{mark})[^\\])*){mark}((?:\\.|(?!{mark})[^\\])*)(?:{mark}|\Z)", re.DOTALL
        )
        parts = body.match(script, match.end())
        if parts is None:
            at = match.end()
            continue
        found.append((parts[1], parts[2].replace("\\" + match[1], match[1])))
        at = parts.end()
    return found
