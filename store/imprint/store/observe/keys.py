"""What of a line is compared: all of it, all but white space, all but what formatters change.

Invariants:
    1. Lines that are equal have equal keys of every kind.
    2. A line without meaning of its own is never matched by itself; see `is_plain`.
"""

from __future__ import annotations

from typing import Final

_QUOTES: Final = str.maketrans({"'": '"', "`": '"'})
_TAILS: Final = ",;\\"
_TELLING_CHARACTERS_MIN: Final = 4
"""Letters and digits that a line needs to say where it is from: `end`, `} ()`, `i++` do not."""
_PLAIN_LINES: Final = (
    "break break; continue continue; default: do{ else else: else{ }else{ }else fi done finally: pass return "
    "return; returnFalse returnNone returnTrue returnerr returnfalse returntrue returnfalse; returntrue; "
    "returnnil returnnil,err returnnull; then try: try{ iferr!=nil{ }finally{ import( const( var( begin end "
    "t.Parallel() null undefined"
)
_PLAIN: Final = frozenset(_PLAIN_LINES.split())


def squeeze(line: str) -> str:
    """The line without white space."""
    return "".join(line.split())


def loosen(key: str) -> str:
    """A squeezed line without what formatters change: the kind of quotes, a comma or semicolon at the end."""
    return key.translate(_QUOTES).rstrip(_TAILS)


def is_plain(key: str) -> bool:
    """Whether a squeezed line could stand anywhere: blank, brackets, `return nil`."""
    if key in _PLAIN or len(key) < _TELLING_CHARACTERS_MIN:
        return True
    return sum(character.isalnum() for character in key) < _TELLING_CHARACTERS_MIN
