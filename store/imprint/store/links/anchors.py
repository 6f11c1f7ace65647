"""What a change is known by, apart from its commit: tree, patch-id, author's stamp, and its lines.

A change is what one commit did to its parent, or what a head did to where it left the default branch. Its
lines are kept as numbers, removed and added ones apart, so that two changes can be compared and aligned
without git:

    line     64 bits: BLAKE2b of the line, white space made even; the lowest 3 bits say how much it tells
    patch    64 bits over paths, removed and added lines of every file, in order: as `git patch-id --stable`,
             but without context, so that neighbours that moved do not matter
    reverse  the patch of the change that takes this one back

Invariants:
    1. Equal lines have equal numbers on every machine; the text is not kept.
    2. A line of punctuation or white space alone tells next to nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.history.patches import FilePatch
    from imprint.store.objects.ports import Commit

LINES_MAX: Final = 20_000
"""Removed and added lines kept of one change."""
_CLASS_MASK: Final = 7
_WEIGHTS: Final = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1)
"""What a line weighs by its class: 0 for no letter or digit, 7 for a long line."""
_CLASS_LENGTHS: Final = (1, 4, 8, 14, 22, 32, 50)
"""Letters and digits from which on a line is of the next class."""
_NOT_WORDS: Final = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_REMOVED: Final = -0x5851F42D4C957F2D & ~_CLASS_MASK
"""Turns a line's number into that of its removal, and back."""
_GENERATED: Final = (b".lock", b"lock.yaml", b"lock.json", b"go.sum", b".min.js", b".min.css", b".map")
_GENERATED_FACTOR: Final = 0.05
_FILE_WEIGHT_MAX: Final = 150.0
"""From here on a file's weight grows with the root: one long list must not outvote ten small edits."""


@lru_cache(maxsize=65_536)
def line_number(line: bytes) -> int:
    """A line as a signed number of 64 bits; equal for lines that differ in white space only."""
    even = b" ".join(line.split())
    letters = len(even.translate(None, _NOT_WORDS))
    level = sum(letters >= length for length in _CLASS_LENGTHS)
    digest = hashlib.blake2b(even, digest_size=8).digest()
    return (int.from_bytes(digest, "big", signed=True) & ~_CLASS_MASK) | level


def line_weight(number: int) -> float:
    """How much a line tells, from 0.02 to 1.1."""
    return _WEIGHTS[number & _CLASS_MASK]


def as_removed(number: int) -> int:
    """The number under which the removal of a line is looked up; twice gives the line again."""
    return number ^ _REMOVED


@dataclass(slots=True)
class FileLines:
    """One file of a change.

    Attributes:
        old_path, path: before and after.
        hunks: of each its first added line, how many it added, its first removed line, how many it removed;
            a start is where git says, which for no lines is the line before.
        added: the lines' numbers, hunk after hunk.
        removed: likewise, in the order of the old file.
        blobs: for a binary file, git's names of what it was and became.
    """

    old_path: bytes
    path: bytes
    hunks: list[tuple[int, int, int, int]] = field(default_factory=list)
    added: array[int] = field(default_factory=lambda: array("q"))
    removed: array[int] = field(default_factory=lambda: array("q"))
    blobs: bytes = b""

    def iter_places(self) -> Iterator[int]:
        """The line number in the new file of each added line."""
        for start, count, _, _ in self.hunks:
            yield from range(start, start + count)

    @property
    def factor(self) -> float:
        """What the weight of each of its lines is multiplied by."""
        generated = _GENERATED_FACTOR if self.path.endswith(_GENERATED) else 1.0
        total = sum(map(line_weight, self.added)) + sum(map(line_weight, self.removed))
        return generated * (1.0 if total <= _FILE_WEIGHT_MAX else (_FILE_WEIGHT_MAX / total) ** 0.5)


def read_files(patch: Iterable[FilePatch]) -> list[FileLines]:
    """A change's files with their lines as numbers."""
    files = []
    for file in patch:
        lines = FileLines(file.old_path, file.path, blobs=file.blobs)
        for hunk in file.hunks:
            lines.hunks.append((hunk.new_start, len(hunk.added), hunk.old_start, len(hunk.removed)))
            lines.added.extend(map(line_number, hunk.added))
            lines.removed.extend(map(line_number, hunk.removed))
        files.append(lines)
    return files


def patch_numbers(files: Sequence[FileLines]) -> tuple[int, int]:
    """The patch and its reverse; both 0 for a change without content."""
    told = [file for file in files if file.added or file.removed or file.blobs]
    if not told:
        return 0, 0
    forward = [_file_digest(file.path, file.removed, file.added, file.blobs) for file in told]
    swapped = [
        _file_digest(file.old_path, file.added, file.removed, b"..".join(file.blobs.split(b"..")[::-1]))
        for file in told
    ]
    return _join_digests(forward), _join_digests(swapped)


def _file_digest(path: bytes, removed: array[int], added: array[int], blobs: bytes) -> bytes:
    told = hashlib.blake2b(path + b"\0" + blobs, digest_size=8)
    for part in (removed, added):
        # The order of removed against added lines does not count: hunks may fall apart in other ways.
        told.update(len(part).to_bytes(4, "big") + part.tobytes())
    return told.digest()


def _join_digests(digests: Iterable[bytes]) -> int:
    joined = hashlib.blake2b(b"".join(sorted(digests)), digest_size=8).digest()
    return int.from_bytes(joined, "big", signed=True) or 1


def author_stamp(commit: Commit) -> int:
    """What an amended, rebased or picked commit keeps: whom it names as its author, and when."""
    author = commit.author
    told = f"{author.name}\0{author.email}\0{author.at_s}"
    digest = hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


_MENTION: Final = re.compile(
    r"(?:This reverts commit|cherry picked from commit|reverts commit) ([0-9a-f]{7,64})", re.IGNORECASE
)
_MENTIONS_MAX: Final = 20


def mentioned_commits(message: str) -> list[str]:
    """Ids, perhaps abbreviated, that `git revert` and `git cherry-pick -x` wrote into a message."""
    return _MENTION.findall(message)[:_MENTIONS_MAX]


def pack_files(files: Sequence[FileLines]) -> bytes:
    """Files as bytes for the database: a JSON line of what they are, then all their lines."""
    names = [
        [
            file.path.decode("utf-8", "surrogateescape"),
            file.old_path.decode("utf-8", "surrogateescape"),
            file.hunks,
            file.blobs.decode("ascii", "replace"),
        ]
        for file in files
    ]
    lines = b"".join(part.tobytes() for file in files for part in (file.added, file.removed))
    return json.dumps(names, separators=(",", ":")).encode("ascii") + b"\n" + lines


def unpack_files(packed: bytes) -> list[FileLines]:
    """The files that `pack_files` packed."""
    head, _, rest = packed.partition(b"\n")
    files, at = [], 0
    for path, old_path, hunks, blobs in json.loads(head):
        file = FileLines(
            old_path.encode("utf-8", "surrogateescape"),
            path.encode("utf-8", "surrogateescape"),
            [(start, added, old_start, removed) for start, added, old_start, removed in hunks],
            blobs=blobs.encode("ascii"),
        )
        counts = sum(hunk[1] for hunk in hunks), sum(hunk[3] for hunk in hunks)
        for part, count in zip((file.added, file.removed), counts, strict=True):
            part.frombytes(rest[at : at + 8 * count])
            at += 8 * count
        files.append(file)
    return files
