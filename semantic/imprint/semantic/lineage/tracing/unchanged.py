"""Where a definition that a commit did not change stands in the content before it: by passages, or by text.

Passages of the index are equal where their text, and what is defined in it, is. A definition whose passages,
and those beside it, are in an older content in the same order stands in it, with its name, container and
text. No content is read for that, and nothing is parsed.

Invariants:
    1. What is in doubt is not found: then definitions are compared one by one.
    2. Passages are equal but for line ends and bytes that are no text; whoever goes by them compares the
       texts at the end of the way.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple, Protocol

from imprint.semantic.lineage.tracing.identity import are_preceded_alike

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.semantic.lineage.tracing.lines import Lines
    from imprint.semantic.parse.model import Entity
    from imprint.store.types import ObjectId


class Pieces(NamedTuple):
    """Of what a content consists: passages by number, and the first line of each."""

    passages: tuple[int, ...]
    first_lines: tuple[int, ...]


class Known(Protocol):
    """What an index has of contents."""

    def has(self, path: bytes, blob: ObjectId) -> bool:
        """Whether a content was looked up."""
        ...

    def prepare(self, files: Iterable[tuple[bytes, ObjectId]]) -> None:
        """Look up contents under their paths that will be asked for soon."""
        ...

    def pieces(self, path: bytes, blob: ObjectId) -> Pieces | None:
        """Of which passages a content consists; None if it is not indexed."""
        ...

    def entities(self, path: bytes, blob: ObjectId) -> tuple[Entity, ...] | None:
        """What a content defines under a path; None if it is not indexed."""
        ...

    def named(self, path: bytes, blob: ObjectId, name: str) -> tuple[Entity, ...] | None:
        """What of it has a name; None if the content is not indexed."""
        ...

    def is_small(self, blob: ObjectId) -> bool:
        """Whether a content was looked up, and found to be none that is too large to be parsed."""
        ...


class Place(Protocol):
    """The lines of a definition: `first` of its comment, else of itself, to the last."""

    @property
    def first(self) -> int:
        """The first line of its comment, else of itself."""
        ...

    @property
    def start_line(self) -> int:
        """Its own first line."""
        ...

    @property
    def end_line(self) -> int:
        """Its last line."""
        ...


def find_passages(now: Pieces, before: Pieces, place: Place) -> int | None:
    """The line on which a definition of a content begins in an older one, by their passages."""
    if now.passages == before.passages:
        return None  # line ends, or bytes that are no text
    begin, end = _find(now, max(1, place.first - 1)), _find(now, place.end_line) + 1
    if _find(now, place.start_line) < end - 1:
        end += 1  # what follows tells where a definition ends that is longer than a passage
    run = now.passages[begin:end]
    lines = now.first_lines[begin : end + 1]
    if len(set(lines)) < len(lines) or now.passages.count(run[0]) != 1 or before.passages.count(run[0]) != 1:
        return None
    at = before.passages.index(run[0])
    if before.passages[at : at + len(run)] != run or (place.first == 1 and at != 0):
        return None
    if end > len(now.passages) and at + len(run) != len(before.passages):
        return None
    return place.first + before.first_lines[at] - lines[0]


def _find(pieces: Pieces, line: int) -> int:
    """The first passage that holds a part of a line."""
    at = max(0, bisect_right(pieces.first_lines, line) - 1)
    while at > 0 and pieces.first_lines[at - 1] == pieces.first_lines[at]:
        at -= 1
    return at


def find_text(lines: Lines, old: bytes, place: Place) -> int | None:
    """The line on which a text of some lines begins in an older content, where that is beyond doubt.

    It is in doubt where the text is there twice, or stands in a longer comment, among annotations, or at the
    head of a longer body.
    """
    text = lines.text(place.first, place.end_line)
    at = old.find(text)
    while at > 0 and old[at - 1 : at] != b"\n":
        at = old.find(text, at + 1)
    end = at + len(text)
    if at < 0 or old.find(text, at + 1) >= 0 or (end < len(old) and old[end : end + 1] != b"\n"):
        return None
    above = old[old.rfind(b"\n", 0, at - 1) + 1 : at - 1] if at else b""
    own_above = lines.text(place.first - 1, place.first - 1) if place.first > 1 else b""
    if not are_preceded_alike(above, own_above) or not _ends_alike(lines, old, end + 1, place):
        return None
    return old.count(b"\n", 0, at) + 1


def _ends_alike(lines: Lines, old: bytes, end: int, place: Place) -> bool:
    """Whether what follows a text, in an older content from some byte on, cannot belong to it."""
    last = lines.text(place.end_line, place.end_line).strip()
    if last[:1] in {b"}", b")", b"]"} or last.startswith(b"end"):
        return True
    following = next((line for line in old[end:].split(b"\n", 50)[:50] if line.strip()), b"")
    own = lines.text(place.start_line, place.start_line)
    return len(following) - len(following.lstrip()) <= len(own) - len(own.lstrip())
