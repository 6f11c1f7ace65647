"""The bytes of a file as the parser and people see them.

Invariants:
1. Lines are Git's: each ends at a line feed, or at the end of the content. Empty content has no line.
2. Reading never fails: bytes that are not UTF-8 are replaced when shown, and are opaque to the grammar.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from itertools import accumulate

SIGNATURE_CHARS_MAX = 300
NAME_CHARS_MAX = 200

_SEPARATOR = re.compile(r"::|->|\.|\\|#(?=\w)")
# A name that may have parts; others are operators, computed names, and keys in quotes.
_QUALIFIED = re.compile(r"^[#~\\]?\w[^/\[]*$|.*\boperator\b")
_OPERATOR = re.compile(r"\boperator\b(?:\s*\(\)|[^(]*)")
_TEMPLATE = re.compile(r"<[^<>]*>")
# A byte that is not UTF-8, as `surrogateescape` decodes it (PEP 383).
_INVALID = re.compile("[\udc80-\udcff]")
_SPACES = re.compile(r"\s+")
# What breaking a list of parameters over lines leaves behind.
_TIGHT = re.compile(r"(?<=[(\[]) |,? (?=[)\]])")


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


def mask_invalid(content: bytes) -> bytes:
    """Put a question mark for each byte that is not UTF-8, so that the text of any node can be read."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return _INVALID.sub("?", content.decode("utf-8", "surrogateescape")).encode()
    return content


def split_name(text: str, silent_parts: frozenset[str]) -> list[str]:
    """Split a name as written into the names of its containers and its own."""
    text = _SPACES.sub(" ", text[:NAME_CHARS_MAX]).strip("\"'`: ")
    if not _QUALIFIED.match(text):
        return [text]
    operator = _OPERATOR.search(text)
    if operator is not None:
        return [*split_name(text[: operator.start()], silent_parts)[:-1], operator.group().rstrip()]
    text = text.partition("(")[0]
    while "<" in text and ">" in text:
        shorter = _TEMPLATE.sub("", text)
        if shorter == text:
            break
        text = shorter
    parts = [part.strip() for part in _SEPARATOR.split(text)]
    return [part for part in parts if part and part not in silent_parts] or [""]


def show_signature(code: bytes, start: int, end: int, *, first_line: bool) -> str:
    """Show a declaration on one line, or only the first line of it, without what opens its body."""
    # Enough bytes for the longest signature in any script, so that a long value costs nothing.
    written = code[start : min(end, start + 4 * SIGNATURE_CHARS_MAX)].decode("utf-8", "replace")
    if first_line:
        written = written.partition("\n")[0].removesuffix("\\")
    text = _TIGHT.sub("", _SPACES.sub(" ", written)).strip().rstrip("{;,:").rstrip().removesuffix(" =")
    return text if len(text) <= SIGNATURE_CHARS_MAX else text[: SIGNATURE_CHARS_MAX - 1] + "…"


def show_line(code: bytes, offset: int) -> str:
    """Show the line that holds the byte at `offset`, or the beginning of it."""
    start = max(code.rfind(b"\n", 0, offset) + 1, offset - SIGNATURE_CHARS_MAX)
    line = code[start : start + 4 * SIGNATURE_CHARS_MAX].partition(b"\n")[0].decode("utf-8", "replace")
    return _SPACES.sub(" ", line).strip().rstrip("{;,").rstrip()[:SIGNATURE_CHARS_MAX]
