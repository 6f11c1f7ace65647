"""The bytes of a file as the parser and people see them.

Invariants:
1. Lines are Git's: each ends at a line feed, or at the end of the content. Empty content has no line.
2. Reading never fails: bytes that are not UTF-8 are replaced when shown, and are opaque to the grammar.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from itertools import accumulate


class Source:
    """The content of one file, with the offsets of its lines.

    Attributes:
        content: the bytes, in UTF-8 without a byte order mark.
        offsets: where each line begins, and the length of the content; line n is from offsets[n - 1] to
            offsets[n].
        line_count: the number of lines.
    """

    __slots__ = ("content", "line_count", "offsets")

    def __init__(self, content: bytes) -> None:
        self.content = content
        lengths = map(len, content.split(b"\n"))
        self.offsets = [0, *(end + count for count, end in enumerate(accumulate(lengths), start=1))]
        # The last element has no line feed after it: it is a line only if it is not empty.
        self.offsets.pop()
        if self.offsets[-1] != len(content):
            self.offsets.append(len(content))
        self.line_count = len(self.offsets) - 1

    def line_at(self, offset: int) -> int:
        """Give the 1-based line that holds the byte at `offset`."""
        return bisect_right(self.offsets, offset, 0, self.line_count)

    def last_line_of(self, start: int, end: int) -> int:
        """Give the line of the last byte of a span that is neither a line's end nor empty."""
        return self.line_at(max(start, end - 1))

    def line(self, number: int) -> bytes:
        """Give a line, with its line feed."""
        return self.content[self.offsets[number - 1] : self.offsets[number]]

    def size(self, first: int, last: int) -> int:
        """Give how many bytes the lines from `first` to `last` have."""
        return self.offsets[last] - self.offsets[first - 1]

    def begins_line(self, offset: int) -> bool:
        """Tell whether only white space stands before `offset` on its line."""
        start = self.offsets[max(0, self.line_at(offset) - 1)]
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
