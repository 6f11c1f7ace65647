"""What the text of an issue names: the lines of a stack trace, and the names that it quotes.

Invariants:
    1. A line of a trace leads to a file only if its file name and the folder above it fit, unless it
       stands in the root: there are many `base.py`.
    2. Reading a text takes time linear in its length, of which the first `ISSUE_CHARACTERS_MAX` count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.search.query import ISSUE_CHARACTERS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES_MAX: Final = 200
_NAME_CHARACTERS_MIN: Final = 4
_FAR: Final = 0.6
"""What each call further out counts, in parts of the one that it leads to."""
_FENCED: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTED: Final = re.compile(r"`([^`\n]{1,200})`")
_WORD: Final = re.compile(r"\w+")
_FRAME: Final = re.compile(r'File "([^"\n]{1,300})", line \d+|(?<![\w./\\-])([\w.\\/-]{1,300}\.\w{1,5}):\d+')
"""Traces as Python prints them, and `path:line` as most others do."""


def read_quoted(text: str) -> tuple[str, ...]:
    """The words in single backticks that are long enough to be names, folded; not those in blocks of code."""
    told = " ".join(_QUOTED.findall(_FENCED.sub("\n", text[:ISSUE_CHARACTERS_MAX])))
    words = (word for word in _WORD.findall(told) if len(word) >= _NAME_CHARACTERS_MIN)
    return tuple(dict.fromkeys(map(fold_name, words)))[:_NAMES_MAX]


def score_frames(text: str, paths: Sequence[bytes]) -> dict[int, float]:
    """Of the files that a stack trace names, by number, how near they are to where it ends."""
    named = [first or second for first, second in _FRAME.findall(text[:ISSUE_CHARACTERS_MAX])]
    if not named:
        return {}
    wanted = {_split(path)[-1] for path in named}
    by_name: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
    for number, path in enumerate(paths):
        parts = _split(path.decode("utf-8", "replace"))
        if parts[-1] in wanted:
            by_name[parts[-1]].append((number, parts))
    found: dict[int, float] = defaultdict(float)
    worth = 1.0
    for path in reversed(named):
        file = _find_file(_split(path), by_name)
        if file is not None:
            found[file] += worth
            worth *= _FAR
    return dict(found)


def _split(path: str) -> list[str]:
    return path.replace("\\", "/").split("/")


def _find_file(parts: list[str], by_name: dict[str, list[tuple[int, list[str]]]]) -> int | None:
    """The file whose path shares the longest end with that of a trace."""
    best, file = 0, None
    for number, own in by_name.get(parts[-1], ()):
        same = 0
        while same < min(len(own), len(parts)) and own[-1 - same] == parts[-1 - same]:
            same += 1
        if same > best and (same > 1 or len(own) == 1):
            best, file = same, number
    return file
