"""Git's object formats as values: trees, commits and annotated tags, and the ids of all objects.

Reading is as lenient as git: a commit that `git log` shows is a commit here, whatever `git fsck` says of it.
Writing is strict: what is written here passes `git fsck --strict`.

Invariants:
    1. Reading takes any bytes: it returns a value or raises `ObjectDamaged`, nothing else.
    2. `object_id(kind, content)` is what `git hash-object --literally -t kind` prints.
"""

from __future__ import annotations

import codecs
import hashlib
import operator
import re
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadInput, BadObjectId, ObjectDamaged
from imprint.store.objects.ports import Commit, Identity, ObjectKind, Tag, TreeEntry
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SYMLINK_MODE: Final = 0o120000
TREE_MODE: Final = 0o40000
SUBMODULE_MODE: Final = 0o160000
FILE_MODE: Final = 0o100644
EXECUTABLE_MODE: Final = 0o100755
_LINES: Final = {
    size: re.compile(rb"([0-7]+) ([^\0]+)\0([\s\S]{%d})|[\s\S]+" % size)
    for size in (algorithm.hex_length // 2 for algorithm in HashAlgorithm)
}
"""A tree's entries by the length of an id: mode in octal digits, name, id. What is no entry is taken as one
piece, to the end: begun anew at each of its bytes, that took time by the square of its length."""
SPLITS_KEPT: Final = 256
"""Folders whose entries are remembered, each of up to `SPLIT_BYTES_MAX`: 12 MB at the most."""
SPLIT_BYTES_MAX: Final = 8 * 1024
_MODE_DIGITS: Final = 6
"""Git reads modes of any length and looks at the last 16 bits."""
_TREE_DIGITS: Final = b"40000"
Line = tuple[bytes, bytes, bytes]
"""An entry of a tree as it is written: mode in octal digits, name and raw id."""


def object_id(kind: ObjectKind, content: bytes, algorithm: HashAlgorithm = HashAlgorithm.SHA1) -> ObjectId:
    """The id of an object: the hash of its header and content."""
    digest = hashlib.new(algorithm.value, f"{kind.value} {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return ObjectId(digest.hexdigest())


# -- trees ------------------------------------------------------------------------------------------------


def empty_tree(algorithm: HashAlgorithm) -> ObjectId:
    """The id of the tree without entries, which Git takes to be everywhere (its "cached objects")."""
    return object_id(ObjectKind.TREE, b"", algorithm)


def decode_tree(tree: ObjectId, content: bytes) -> tuple[TreeEntry, ...]:
    """The entries of a tree, in their order, with modes as git understands them.

    Raises:
        ObjectDamaged: the content is no tree.
    """
    lines = split_tree(tree, content)
    return tuple([TreeEntry(name, read_mode(mode), ObjectId(raw_id.hex())) for mode, name, raw_id in lines])


def split_tree(tree: ObjectId, content: bytes) -> list[Line]:
    """The same entries as they are written: mode in octal digits, name and raw id.

    Raises:
        ObjectDamaged: the content is no tree.
    """
    lines: list[Line] = _LINES[tree.algorithm.hex_length // 2].findall(content)
    if lines and not lines[-1][0]:
        raise ObjectDamaged(tree, "a tree entry is cut off or does not parse")
    return lines


@lru_cache(SPLITS_KEPT)
def _split_kept(content: bytes, id_bytes: int) -> tuple[Line, ...] | None:
    lines: list[Line] = _LINES[id_bytes].findall(content)
    return None if lines and not lines[-1][0] else tuple(lines)


def split_again(content: bytes, algorithm: HashAlgorithm) -> tuple[Line, ...] | None:
    """The same for those who look at one folder several times: a commit of its writer, then of its checker.

    None where the content is no tree. What is small is remembered.
    """
    split = _split_kept if len(content) <= SPLIT_BYTES_MAX else _split_kept.__wrapped__
    return split(content, algorithm.hex_length // 2)


def join_tree(lines: Iterable[Line]) -> bytes:
    """The content of the tree with these entries as they are written, put in Git's order.

    A third of the time of `encode_tree`: for folders of which one entry changes.
    """
    given = list(lines)
    keys = [name + b"/" if mode == _TREE_DIGITS else name for mode, name, _ in given]
    if any(map(operator.ge, keys, keys[1:])):
        given = [given[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]
    return b"".join([b"%b %b\0%b" % line for line in given])


def read_mode(digits: bytes) -> int:
    """One of git's five modes, from how a tree writes it."""
    return _read_mode(digits[-_MODE_DIGITS:])


@lru_cache(64)
def _read_mode(digits: bytes) -> int:
    return canonical_mode(int(digits, 8) & 0xFFFF)


def canonical_mode(mode: int) -> int:
    """The one of the five modes that git takes a recorded mode for: old tools wrote 100664 and the like."""
    if stat.S_ISREG(mode):
        return EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
    if stat.S_ISLNK(mode):
        return SYMLINK_MODE
    return TREE_MODE if stat.S_ISDIR(mode) else SUBMODULE_MODE


def encode_tree(entries: Iterable[TreeEntry]) -> bytes:
    """The content of the tree with these entries, put in Git's order."""
    ordered = sorted(entries, key=lambda entry: entry.name + b"/" if entry.is_tree else entry.name)
    return b"".join(b"%o %s\0" % (entry.mode, entry.name) + bytes.fromhex(entry.id) for entry in ordered)


# -- commits and tags ---------------------------------------------------------------------------------------

_NO_ONE: Final = Identity(name="", email="", at_s=0, offset_minutes=0)
_WHEN: Final = re.compile(rb"([0-9]{1,18})[ \t]*([+-])([0-9]{1,6})")
_OFFSET_MAX: Final = 14_00
"""Beyond UTC+14 or UTC-14 there is no place: the number is noise."""

# What `i18n.commitEncoding` is seen to hold, by Python's names. Only these are honoured: the name comes from
# the pushed commit, and some of Python's other codecs are transformations, or raise warnings.
_ENCODINGS: Final = frozenset(
    {"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "mac-roman"}
    | {f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))}
    | {f"cp{page}" for page in (437, 850, 852, 855, 866, 874, 932, 949, 950, *range(1250, 1259))}
    | {"shift_jis", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030", "big5", "euc_kr", "big5hkscs"}
)


def decode_commit(commit: ObjectId, content: bytes) -> Commit:
    """A commit's content as a value.

    Raises:
        ObjectDamaged: it names no tree, or an id in it does not parse.
    """
    headers, body = _split_headers(content)
    encoding = _find_encoding(headers)
    return Commit(
        id=commit,
        tree=_get_id(commit, headers, b"tree"),
        parents=tuple(_parse_id(commit, value) for key, value in headers if key == b"parent"),
        author=_decode_identity(_find_header(headers, b"author"), encoding),
        committer=_decode_identity(_find_header(headers, b"committer"), encoding),
        message=body.decode(encoding, "replace"),
    )


def decode_root(commit: ObjectId, content: bytes) -> ObjectId:
    """The tree that a commit names; a fifth of the time of `decode_commit`.

    Raises:
        ObjectDamaged: it names no tree.
    """
    return _get_id(commit, _split_headers(content)[0], b"tree")


def decode_tag(tag: ObjectId, content: bytes) -> Tag:
    """An annotated tag's content as a value.

    Raises:
        ObjectDamaged: its target's id or kind does not parse.
    """
    headers, body = _split_headers(content)
    encoding = _find_encoding(headers)
    try:
        kind = ObjectKind((_find_header(headers, b"type") or b"").decode("ascii", "replace"))
    except ValueError as fault:
        raise ObjectDamaged(tag, "the tag's target has no known kind") from fault
    return Tag(
        id=tag,
        target=_get_id(tag, headers, b"object"),
        target_kind=kind,
        name=(_find_header(headers, b"tag") or b"").decode(encoding, "replace"),
        message=body.decode(encoding, "replace"),
    )


def _split_headers(content: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Header lines as pairs, without the continued lines of signatures, and the message."""
    head, _, body = content.partition(b"\n\n")
    pairs = []
    for line in head.split(b"\n"):
        if not line.startswith(b" "):
            key, _, value = line.partition(b" ")
            pairs.append((key, value))
    return pairs, body


def _find_header(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    return next((value for key, value in headers if key == wanted), None)


def _get_id(owner: ObjectId, headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> ObjectId:
    return _parse_id(owner, _find_header(headers, wanted) or b"")


def _parse_id(owner: ObjectId, text: bytes) -> ObjectId:
    try:
        return ObjectId.parse(text)
    except BadObjectId as fault:
        raise ObjectDamaged(owner, "an id in it does not parse") from fault


def _find_encoding(headers: Sequence[tuple[bytes, bytes]]) -> str:
    name = _find_header(headers, b"encoding")
    if name:
        try:
            found = codecs.lookup(name.decode("ascii", "replace").strip()).name
        except (LookupError, ValueError):
            return "utf-8"
        if found in _ENCODINGS:
            return found
    return "utf-8"


def _decode_identity(line: bytes | None, encoding: str) -> Identity:
    """Read `name <email> seconds +hhmm` as git's ident.c does.

    The address is between the first `<` and the next `>`, the time follows the last `>`; each may be missing.
    """
    name, bracket, rest = (line or b"").partition(b"<")
    email, closing, rest = rest.partition(b">")
    if not bracket or not closing:
        return _NO_ONE
    when = _WHEN.match(rest.rpartition(b">")[2].strip())
    return Identity(
        name=name.rstrip().decode(encoding, "replace"),
        email=email.decode(encoding, "replace"),
        at_s=int(when[1]) if when else 0,
        offset_minutes=_decode_offset(when[2], int(when[3])) if when else 0,
    )


def _decode_offset(sign: bytes, clock: int) -> int:
    """Minutes east of UTC; `clock` reads as hours and minutes side by side."""
    if clock > _OFFSET_MAX:
        return 0
    minutes = clock // 100 * 60 + clock % 100
    return -minutes if sign == b"-" else minutes


def encode_commit(
    tree: ObjectId, parents: Sequence[ObjectId], author: Identity, committer: Identity, message: str
) -> bytes:
    """The content of a commit; its message is UTF-8 and ends with a line break.

    Raises:
        BadInput: the message is empty or holds a NUL, or an identity holds `<`, `>`, a NUL or a line break.
    """
    text = message.strip("\n")
    if not text.strip() or "\0" in text:
        raise BadInput("a commit message must not be empty or hold a NUL")
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {_render_identity(author)}", f"committer {_render_identity(committer)}"]
    return ("\n".join(lines) + f"\n\n{text}\n").encode("utf-8", "replace")


def encode_tag(target: ObjectId, target_kind: ObjectKind, name: str, tagger: Identity, message: str) -> bytes:
    """The content of an annotated tag.

    Raises:
        BadInput: the tagger holds `<`, `>`, a NUL or a line break.
    """
    lines = [f"object {target}", f"type {target_kind.value}", f"tag {name}"]
    lines += [f"tagger {_render_identity(tagger)}"]
    return ("\n".join(lines) + f"\n\n{message}").encode("utf-8", "replace")


_IDENTITY_FORBIDDEN: Final = re.compile(r"[<>\n\0]")


def _render_identity(identity: Identity) -> str:
    if _IDENTITY_FORBIDDEN.search(identity.name + identity.email) or not identity.name.strip():
        raise BadInput(
            f"{identity.name!r} <{identity.email!r}> cannot be written as a Git identity",
            hint="a name must not be empty; neither part may hold '<', '>', a NUL or a line break",
        )
    hours, minutes = divmod(abs(identity.offset_minutes), 60)
    sign = "-" if identity.offset_minutes < 0 else "+"
    return f"{identity.name.strip()} <{identity.email.strip()}> {identity.at_s} {sign}{hours:02}{minutes:02}"
