"""The bytes of a file as the parser and people see them.

Invariants:
1. Lines are Git's: `len(starts)` lines, each ends at a line feed or at the end.
2. Reading never fails: bytes that are not UTF-8 are replaced when shown, and are opaque to the grammar.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right


class Source:
    """The content of one file, with the offsets of its lines.

    Attributes:
        content: the bytes, in UTF-8 without a byte order mark.
        starts: the offset of each line.
    """

    __slots__ = ("content", "starts")

    def __init__(self, content: bytes) -> None:
        self.content = content
        starts = [0]
        position = content.find(b"\n")
        while position != -1:
            starts.append(position + 1)
            position = content.find(b"\n", position + 1)
        if starts[-1] == len(content):
            starts.pop()
        self.starts = starts

    def line_at(self, offset: int) -> int:
        """Give the 1-based line that holds the byte at `offset`."""
        return bisect_right(self.starts, offset)

    def last_line_of(self, start: int, end: int) -> int:
        """Give the line of the last byte of a span that is neither a line's end nor empty."""
        return self.line_at(max(start, end - 1))

    def line_span(self, line: int) -> tuple[int, int]:
        """Give the offsets of a line, its line feed included."""
        end = self.starts[line] if line < len(self.starts) else len(self.content)
        return self.starts[line - 1], end

    def begins_line(self, offset: int) -> bool:
        """Tell whether only white space stands before `offset` on its line."""
        start = self.starts[self.line_at(offset) - 1]
        return not self.content[start:offset].strip()

    def text(self, start: int, end: int) -> str:
        """Show a span."""
        return self.content[start:end].decode("utf-8", "replace")


def decode_content(content: bytes) -> bytes:
    """Give the content in UTF-8 without a byte order mark; UTF-16 with a mark is converted."""
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("utf-8", "replace")
    return content
