"""A stretch of a repository's commits as arrays in one file.

Commits and touches are numbered within the segment; parents are numbers within the whole log. Paths and
contents are numbered in the order of their bytes. Format versions: 1, the first.

Invariants:
    1. A segment never changes; a longer one takes the place of several.
    2. The same commits give the same bytes, except for how they are cut into segments.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from imprint.semantic.index.arrays import map_arrays, write_arrays
from imprint.semantic.index.postings import Postings, PostingsBuilder, StringTable
from imprint.semantic.lineage.log.reading import FileChange
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imprint.semantic.index.arrays import Array


FORMAT_VERSION: Final = 1
ABSENT: Final = -1
"""In place of a parent's or a content's number: it is not here; there is none."""
ORDINARY, MERGED, OTHER_PARENT = range(3)
"""Kinds of touches: a commit's own, a merge's against its first parent, a merge's against another one."""
_MESSAGE_CHARACTERS_MAX: Final = 20_000
"""Of a message, so much is searched."""


class CommitRow(NamedTuple):
    """A commit as it goes into a segment. `parents` are numbers within the log."""

    id: bytes
    parents: tuple[int, ...]
    time: int
    author: str
    message: str
    changes: Sequence[FileChange]


@dataclass(slots=True)
class SegmentBuilder:
    """Collects commits, parents first."""

    first: int
    rows: list[CommitRow] = field(default_factory=list)

    def write(self, path: Path, id_bytes: int) -> None:
        """Write the segment.

        Raises:
            StorageFailed: the disk is full or the folder not writable.
        """
        facts = {"first": self.first, "id_bytes": id_bytes, "version": FORMAT_VERSION}
        write_arrays(path, self._arrays(), facts)

    def _arrays(self) -> dict[str, Array]:
        rows = self.rows
        authors = {name: place for place, name in enumerate(sorted({row.author for row in rows}))}
        ids = np.frombuffer(b"".join(row.id for row in rows), np.uint8)
        order = sorted(range(len(rows)), key=lambda number: rows[number].id)
        words = PostingsBuilder()
        lengths = np.zeros(len(rows), np.uint32)
        for number, row in enumerate(rows):
            found = terms(row.message[:_MESSAGE_CHARACTERS_MAX])
            lengths[number] = len(found)
            words.add(number, found)
        messages = StringTable.build([row.message.encode("utf-8", "replace") for row in rows])
        names = StringTable.build([name.encode("utf-8", "replace") for name in authors])
        return {
            "ids": ids,
            "order": np.array(order, np.uint32),
            "keys": np.array([int.from_bytes(rows[number].id[:8], "big") for number in order], np.uint64),
            "parent_starts": _starts([len(row.parents) for row in rows]),
            "parents": np.array([each for row in rows for each in row.parents], np.int32),
            "times": np.array([row.time for row in rows], np.int64),
            "authors": np.array([authors[row.author] for row in rows], np.uint32),
            "author.text": names.text,
            "author.starts": names.starts,
            "message.text": messages.text,
            "message.starts": messages.starts,
            "lengths": lengths,
            **words.build().to_arrays("words"),
            **_touch_arrays(rows),
        }


def _touch_arrays(rows: Sequence[CommitRow]) -> dict[str, Array]:
    changes = [change for row in rows for change in row.changes]
    paths = sorted({change.path for change in changes} | {change.old_path for change in changes})
    contents = sorted(({change.old for change in changes} | {change.new for change in changes}) - {b""})
    path_number = {path: place for place, path in enumerate(paths)}
    content_number = {content: place for place, content in enumerate(contents)} | {b"": ABSENT}
    path = np.array([path_number[change.path] for change in changes], np.int32)
    old_path = np.array([path_number[change.old_path] for change in changes], np.int32)
    old = np.array([content_number[change.old] for change in changes], np.int32)
    new = np.array([content_number[change.new] for change in changes], np.int32)
    kinds = [
        OTHER_PARENT if change.other else MERGED if len(row.parents) > 1 else ORDINARY
        for row in rows
        for change in row.changes
    ]
    table = StringTable.build(paths)
    numbers = np.arange(len(changes), dtype=np.int64)
    moved = old_path != path
    return {
        "touch_starts": _starts([len(row.changes) for row in rows]),
        "touch_commits": np.repeat(np.arange(len(rows), dtype=np.uint32), [len(row.changes) for row in rows]),
        "touch_paths": path,
        "touch_old_paths": old_path,
        "touch_old": old,
        "touch_new": new,
        "touch_kinds": np.array(kinds, np.uint8),
        "path.text": table.text,
        "path.starts": table.starts,
        "contents": np.frombuffer(b"".join(contents), np.uint8),
        **_grouped(
            "by_path",
            np.concatenate([path, old_path[moved]]),
            np.concatenate([numbers, numbers[moved]]),
            len(paths),
        ),
        **_grouped("by_new", new, numbers, len(contents)),
        **_grouped("by_old", old, numbers, len(contents)),
    }


def _grouped(name: str, keys: Array, touches: Array, count: int) -> dict[str, Array]:
    """The touches of each key, newest first."""
    there = keys >= 0
    keys, touches = keys[there], touches[there]
    order = np.lexsort((-touches, keys))
    starts = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(keys, minlength=count), out=starts[1:])
    return {f"{name}.starts": starts, f"{name}.touches": touches[order].astype(np.uint32)}


def _starts(counts: Sequence[int]) -> Array:
    starts = np.zeros(len(counts) + 1, np.uint32)
    np.cumsum(counts, out=starts[1:])
    return starts


class Segment:
    """A segment, mapped. Safe to share between threads.

    Raises:
        FileNotFoundError: there is no such file.
        StorageFailed: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        arrays, facts = map_arrays(path)
        self.path = path
        self.arrays: Mapping[str, Array] = arrays
        self.first: int = facts["first"]
        self.id_bytes: int = facts["id_bytes"]
        self.version: int = facts["version"]
        self.count = len(arrays["times"])
        self.paths = StringTable(arrays["path.text"], arrays["path.starts"])
        self.authors = StringTable(arrays["author.text"], arrays["author.starts"])
        self.messages = StringTable(arrays["message.text"], arrays["message.starts"])
        self.words = Postings.from_arrays(arrays, "words")
        self._ids = arrays["ids"].tobytes()
        self._contents = arrays["contents"].data.cast("B") if len(arrays["contents"]) else memoryview(b"")

    def commit(self, number: int) -> bytes:
        """The binary id of a commit, numbered within the segment."""
        return self._ids[number * self.id_bytes : (number + 1) * self.id_bytes]

    def find(self, commit: bytes) -> int | None:
        """The number of a commit within the segment; None if it is not in it."""
        keys = self.arrays["keys"]
        begin = np.uint64(int.from_bytes(commit[:8], "big"))
        place = int(np.searchsorted(keys, begin))
        while place < len(keys) and keys[place] == begin:
            number = int(self.arrays["order"][place])
            if self.commit(number) == commit:
                return number
            place += 1
        return None

    def parents(self, number: int) -> list[int]:
        """The numbers of a commit's parents within the log, `ABSENT` for one that is not here."""
        starts = self.arrays["parent_starts"]
        found: list[int] = self.arrays["parents"][starts[number] : starts[number + 1]].tolist()
        return found

    def content(self, number: int) -> bytes:
        """The binary id of a content; empty for `ABSENT`."""
        if number < 0:
            return b""
        return bytes(self._contents[number * self.id_bytes : (number + 1) * self.id_bytes])

    def touches_of_path(self, path: bytes) -> Array:
        """The touches that name a path, new or old, newest first."""
        place = bisect_left(range(len(self.paths)), path, key=self.paths.__getitem__)
        if place == len(self.paths) or self.paths[place] != path:
            return self.arrays["by_path.touches"][:0]
        return self._group("by_path", place)

    @cached_property
    def moves(self) -> dict[bytes, list[int]]:
        """The touches that gave a file of an old path a new one, newest first."""
        arrays = self.arrays
        moved = np.flatnonzero(
            (arrays["touch_old_paths"] != arrays["touch_paths"]) & (arrays["touch_new"] >= 0)
        )
        found: dict[bytes, list[int]] = {}
        for touch in moved[::-1].tolist():
            found.setdefault(self.paths[int(arrays["touch_old_paths"][touch])], []).append(touch)
        return found

    def touches_of_content(self, content: bytes, *, taken_away: bool = False) -> Array:
        """The touches that brought a content, or that took it away, newest first."""
        count = len(self._contents) // self.id_bytes
        place = bisect_left(range(count), content, key=self.content)
        name = "by_old" if taken_away else "by_new"
        if place == count or self.content(place) != content:
            return self.arrays[f"{name}.touches"][:0]
        return self._group(name, place)

    def _group(self, name: str, place: int) -> Array:
        starts = self.arrays[f"{name}.starts"]
        return self.arrays[f"{name}.touches"][starts[place] : starts[place + 1]]

    def rows(self) -> list[CommitRow]:
        """Everything that the segment was made of."""
        return [
            CommitRow(
                self.commit(number),
                tuple(self.parents(number)),
                int(self.arrays["times"][number]),
                self.authors[int(self.arrays["authors"][number])].decode(),
                self.messages[number].decode(),
                self.changes(number),
            )
            for number in range(self.count)
        ]

    def changes(self, number: int) -> list[FileChange]:
        """What a commit did to files."""
        starts = self.arrays["touch_starts"]
        return [self.change(touch) for touch in range(int(starts[number]), int(starts[number + 1]))]

    def change(self, touch: int) -> FileChange:
        """One touch."""
        arrays = self.arrays
        return FileChange(
            self.paths[int(arrays["touch_paths"][touch])],
            self.paths[int(arrays["touch_old_paths"][touch])],
            self.content(int(arrays["touch_old"][touch])),
            self.content(int(arrays["touch_new"][touch])),
            bool(arrays["touch_kinds"][touch] == OTHER_PARENT),
        )
