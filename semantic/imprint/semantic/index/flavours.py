"""What a path says about the language of its content: rows are keyed by it, beside the blob.

Invariants:
    1. Two paths of one flavour get the same extraction for the same content: extraction is given
       `canonical_path(flavour)`, never the real path.
    2. A flavour is short, printable ASCII without quotes, whatever bytes the path holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from imprint.semantic.parse.languages import LANGUAGES

_NAMES: Final = frozenset(name for language in LANGUAGES for name in language.file_names)
_SUFFIXES: Final = frozenset(suffix for language in LANGUAGES for suffix in language.suffixes)
_UNKNOWN: Final = "*"
_KNOWN: Final = 50_000


@lru_cache(_KNOWN)
def flavour(path: bytes) -> str:
    """A whole name that a language claims (`Makefile`), or its longest such suffix (`*.py`), or `*`."""
    name = path.rpartition(b"/")[2].decode("utf-8", "replace")
    if name in _NAMES:
        return name
    rest = name.lower()
    while "." in rest:
        rest = rest.partition(".")[2]
        if rest in _SUFFIXES:
            return f"*.{rest}"
    return _UNKNOWN


def canonical_path(of: str) -> bytes:
    """The path that stands for every path of this flavour."""
    return of.replace("*", "file").encode("ascii")
