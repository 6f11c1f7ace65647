"""Lines of JSON, one object each, read one at a time.

Invariants:
    1. Total: bytes that are no JSON, too long or too deep are problems with their place, and reading goes on.
    2. Bounded: one decoded line is held at a time; at most `PROBLEM_LIMIT` problems are kept, and a last one
       says how many more there were.

A transcript that is being written ends in the middle of a line; such a last line is a problem like others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one line; a longer one is not decoded. The longest of a real transcript hold a few images."""

DOCUMENT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a transcript that is one JSON document."""

PROBLEM_LIMIT: Final = 100


class Lines:
    """The objects of a transcript, with their line numbers from 0.

    Attributes:
        count: lines read so far, empty ones and unreadable ones included.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._problems: list[Problem] = []
        self._unnamed = 0
        self.count = 0

    def __iter__(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Number and object of each line that has one."""
        for number, raw in self.raw():
            value = self.decode(number, raw)
            if value is not None:
                yield number, value

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each line that is neither empty nor too long."""
        content, start, end = self._content, 0, len(self._content)
        while start < end:
            stop = content.find(b"\n", start)
            stop = end if stop < 0 else stop
            number = self.count
            self.count += 1
            if stop - start > LINE_LIMIT:
                self.report(number, f"{stop - start} bytes on one line; at most {LINE_LIMIT} are read")
            elif line := content[start:stop].strip():
                yield number, line
            start = stop + 1

    def decode(self, number: int, raw: bytes) -> dict[str, object] | None:
        """The object of a line; None, and a problem, if it has none."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            self.report(number, f"no JSON: {_explain(error)}")
            return None
        if not isinstance(value, dict):
            self.report(number, f"no JSON object but {type(value).__name__}")
            return None
        return value

    def report(self, number: int, text: str) -> None:
        """Note a problem of a line."""
        if len(self._problems) < PROBLEM_LIMIT:
            self._problems.append(Problem(f"line {number}", text))
        else:
            self._unnamed += 1

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be read."""
        if not self._unnamed:
            return tuple(self._problems)
        return (*self._problems, Problem("", f"{self._unnamed} more problems"))


class Document:
    """A transcript that is one JSON document over many lines.

    Attributes:
        count: its lines.
        value: the object; an empty one if there is none.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._line = 0
        self.count = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
        self.value: dict[str, object] = {}
        self.problems: tuple[Problem, ...] = ()
        if len(content) > DOCUMENT_LIMIT:
            self.problems = (Problem("", f"{len(content)} bytes in one document; at most {DOCUMENT_LIMIT}"),)
            return
        try:
            value = json.loads(content) if content.strip() else {}
        except (ValueError, RecursionError) as error:
            self.problems = (Problem("", f"no JSON: {_explain(error)}"),)
            return
        if isinstance(value, dict):
            self.value = value
        else:
            self.problems = (Problem("", f"no JSON object but {type(value).__name__}"),)

    def find_line(self, text: str) -> int:
        """The line on which a string value stands next, after the last one found; or that one's line."""
        mark = json.dumps(text).encode()
        at = self._content.find(mark, self._at) if text else -1
        if at >= 0:
            self._line += self._content.count(b"\n", self._at, at)
            self._at = at
        return self._line


def _explain(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number is too large"
