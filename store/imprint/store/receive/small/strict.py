"""Objects that git's strict checks surely accept, told without git.

What is unusual is not judged here: `Doubt` is raised, and git is asked about the same bytes, so that whatever
is refused is refused by git and in its words. The messages of git-fsck(1), "FSCK MESSAGES", are the list of
what it looks for.

Invariants:
    1. Nothing is accepted here that `git index-pack --strict` refuses or warns of.
    2. An object that is accepted refers to what its links say, and to nothing else.
    3. The time it takes grows with the length of what is read, also where that was made to be slow.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from operator import ge
from typing import TYPE_CHECKING, Final, NamedTuple

from imprint.store.objects.codec import SPLIT_BYTES_MAX, SPLITS_KEPT, split_again
from imprint.store.objects.ports import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.objects.codec import Line
    from imprint.store.types import HashAlgorithm

NAME_BYTES_MAX: Final = 255
"""Longer names of a folder's entries are unusual: most file systems cannot hold them."""
_LINE_BYTES_MAX: Final = 2047
"""Of a line of `.gitattributes`: one that is longer is refused (gitattributesLineLength)."""
_MODULE_LINE_BYTES_MAX: Final = 255
"""Of a line of `.gitmodules`; a longer one is unusual."""
TREE_MODE: Final = b"40000"
_LINK_MODE: Final = b"120000"
_SUBMODULE_MODE: Final = b"160000"
ATTRIBUTES: Final = b".gitattributes"
MODULES: Final = b".gitmodules"
_LOOKED_INTO: Final = frozenset((ATTRIBUTES, MODULES))
_MODES: Final = frozenset((b"100644", b"100755", _LINK_MODE, TREE_MODE, _SUBMODULE_MODE))
HEADS_KEPT: Final = 256
"""Folders whose names and modes are remembered to be usual: most commits leave them as they are."""

_UNUSUAL_NAME: Final = re.compile(
    rb"\0\.{1,2}\0"  # dot, dotdot
    rb"|\0\.git[ .:\0\x80-\xff]"  # .git as NTFS and HFS+ see it: here what is no UTF-8 ends a name
    rb"|\\|~[0-9]"  # NTFS: other separators, short names
    rb"|\xe2[\x80\x81]|\xef\xbb\xbf",  # HFS+: characters that it ignores
    re.IGNORECASE,
)
_SPECIAL_NAME: Final = re.compile(rb"\0(\.git(?:modules|attributes)[^\0]*)", re.IGNORECASE)
_IDENTITY: Final = rb"[^<>\n\0 ][^<>\n\0]* <[^<>\n\0]*> (?:0|[1-9][0-9]{0,11}) [+-][0-9]{4}\n"
_MODULE_LINE: Final = re.compile(
    rb"[ \t]*+(?:[#;][^\0\\]*"
    rb'|\[submodule "[A-Za-z0-9_](?:[\w/ -]|\.(?!\.))*"\]'
    rb"|path = [A-Za-z0-9_](?:[\w/ -]|\.(?!\.))*"
    rb"|url = (?:https?|ssh|git)://(?:[A-Za-z0-9]+@)?[A-Za-z0-9](?:[\w:/~-]|\.(?!\.))*"
    rb"|branch = [A-Za-z0-9](?:[\w/-]|\.(?!\.))*"
    rb"|shallow = (?:true|false)"
    rb")?[ \t]*\r?"
)


class Doubt(Exception):
    """Something that only git can judge."""


class Link(NamedTuple):
    """What an object refers to: a raw id, and what must be there."""

    raw_id: bytes
    kind: ObjectKind


class Entry(NamedTuple):
    """An entry of a tree; `mode` in the octal digits that Git writes."""

    mode: bytes
    name: bytes
    raw_id: bytes

    @property
    def kind(self) -> ObjectKind | None:
        """What its id names; None for a submodule's commit, which is elsewhere."""
        if self.mode == _SUBMODULE_MODE:
            return None
        return ObjectKind.TREE if self.mode == TREE_MODE else ObjectKind.BLOB


class CommitHead(NamedTuple):
    """What a commit refers to: raw ids."""

    tree: bytes
    parents: tuple[bytes, ...]


class Strict:
    """The checks for one object format.

    Args:
        algorithm: the format.
    """

    def __init__(self, algorithm: HashAlgorithm) -> None:
        digits = algorithm.hex_length
        self._id_bytes = digits // 2
        self._algorithm = algorithm
        self._commit = re.compile(
            rb"tree ([0-9a-f]{%d})\n((?:parent [0-9a-f]{%d}\n)*)author %scommitter %s"
            % (digits, digits, _IDENTITY, _IDENTITY)
        )
        self._null = bytes(self._id_bytes)

    def read_commit(self, content: bytes) -> CommitHead:
        """What a commit refers to.

        Raises:
            Doubt: it is unusual.
        """
        found = self._commit.match(content)
        if found is None or b"\0" in content or content.find(b"\n\n", found.end() - 1) < 0:
            raise Doubt
        parents = tuple(bytes.fromhex(line[7:].decode()) for line in found[2].split(b"\n") if line)
        head = CommitHead(bytes.fromhex(found[1].decode()), parents)
        if head.tree == self._null or self._null in parents:
            raise Doubt
        return head

    def read_tree(self, content: bytes) -> list[Entry]:
        """The entries of a tree that git looks into: such as `.gitattributes`.

        Raises:
            Doubt: the tree is unusual.
        """
        lines = self.split(content)
        verify = _verify_heads if len(content) <= SPLIT_BYTES_MAX else _verify_heads.__wrapped__
        verify(b" ".join([mode for mode, _, _ in lines]), b"\0".join([name for _, name, _ in lines]))
        # Whether the bytes are there at all is told in microseconds; whose they are is rarely asked.
        if self._null in content and any(raw_id == self._null for _, _, raw_id in lines):
            raise Doubt
        return [_verify_file(Entry(*line)) for line in lines if line[1] in _LOOKED_INTO]

    def split(self, content: bytes) -> tuple[Line, ...]:
        """The entries of a tree as plain tuples: mode, name and raw id, of which each `Entry` is one.

        Raises:
            Doubt: modes are unusual, or it is damaged.
        """
        split = _split if len(content) <= SPLIT_BYTES_MAX else _split.__wrapped__
        return split(content, self._algorithm)


@cache
def find_strict(algorithm: HashAlgorithm) -> Strict:
    """The checks for a format; the same ones for everybody."""
    return Strict(algorithm)


def _verify_file(entry: Entry) -> Entry:
    if not entry.mode.startswith(b"100"):
        raise Doubt
    return entry


def verify_special(name: bytes, content: bytes) -> None:
    """Check what git would look into.

    Raises:
        Doubt: it is unusual.
    """
    lines = content.split(b"\n")
    if name == ATTRIBUTES and max(map(len, lines)) > _LINE_BYTES_MAX:
        raise Doubt
    if name == MODULES and not all(map(_is_usual_module_line, lines)):
        raise Doubt


def _is_usual_module_line(line: bytes) -> bool:
    return len(line) <= _MODULE_LINE_BYTES_MAX and _MODULE_LINE.fullmatch(line) is not None


@lru_cache(SPLITS_KEPT)
def _split(content: bytes, algorithm: HashAlgorithm) -> tuple[Line, ...]:
    lines = split_again(content, algorithm)
    if lines is None or not _MODES.issuperset([mode for mode, _, _ in lines]):
        raise Doubt
    if b"/" in b"\0".join([name for _, name, _ in lines]):
        raise Doubt
    return lines


@lru_cache(HEADS_KEPT)
def _verify_heads(joined_modes: bytes, joined_names: bytes) -> None:
    """Check the modes and names of a tree: modes with a space between them, names with a NUL."""
    if not joined_modes:
        return
    modes, names = joined_modes.split(b" "), joined_names.split(b"\0")
    keys = [name + b"/" if mode == TREE_MODE else name for mode, name in zip(modes, names, strict=True)]
    if any(map(ge, keys, keys[1:])) or len(set(names)) != len(names):
        raise Doubt
    if _LINK_MODE in modes and any(
        mode == _LINK_MODE and name.startswith(b".") for mode, name in zip(modes, names, strict=True)
    ):
        raise Doubt
    _verify_names(names)


def _verify_names(names: Sequence[bytes]) -> None:
    if not names:
        return
    joined = b"\0" + b"\0".join(names) + b"\0"
    if _UNUSUAL_NAME.search(joined) or max(map(len, names)) > NAME_BYTES_MAX:
        raise Doubt
    if any(special not in _LOOKED_INTO for special in _SPECIAL_NAME.findall(joined)):
        raise Doubt
