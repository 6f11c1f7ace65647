"""Files of an object folder that are no packs (gitrepository-layout(5)).

Loose objects are one zlib stream per file, `objects/ab/cdef...`; `info/alternates` names more folders.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadPath, ObjectDamaged
from imprint.store.objects.ports import ObjectKind
from imprint.store.paths import unquote_path

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.types import ObjectId

_HEADER_BYTES_MAX: Final = 32
"""`commit`, a space, the decimal size and a NUL, which git itself bounds at 32 (object-file.c)."""


def find_loose(object_dir: Path, object_id: ObjectId) -> tuple[ObjectKind, bytes] | None:
    """The kind and content of a loose object; None if there is no such file.

    Raises:
        ObjectDamaged: the file does not inflate to what its header says.
    """
    packed = _read_file(object_dir, object_id)
    if packed is None:
        return None
    stream = zlib.decompressobj()
    try:
        header, _, content = stream.decompress(packed).partition(b"\0")
    except zlib.error as fault:
        raise ObjectDamaged(object_id, "its file does not inflate") from fault
    if not stream.eof or stream.unused_data:
        raise ObjectDamaged(object_id, "its file is cut off, or something follows the object")
    kind, size = _read_header(object_id, header)
    if size != len(content):
        raise ObjectDamaged(object_id, "its file does not have the size that its header says")
    return kind, content


def find_loose_header(object_dir: Path, object_id: ObjectId) -> tuple[ObjectKind, int] | None:
    """The kind and size of a loose object, read from its header alone; None if there is no such file.

    Raises:
        ObjectDamaged: the header does not parse.
    """
    packed = _read_file(object_dir, object_id, bytes_max=4096)
    if packed is None:
        return None
    try:
        start = zlib.decompressobj().decompress(packed, _HEADER_BYTES_MAX)
    except zlib.error as fault:
        raise ObjectDamaged(object_id, "its file does not inflate") from fault
    return _read_header(object_id, start.partition(b"\0")[0])


def find_loose_kind(object_dir: Path, object_id: ObjectId) -> ObjectKind | None:
    """The kind of a loose object; None if there is no such file."""
    header = find_loose_header(object_dir, object_id)
    return header and header[0]


def find_loose_size(object_dir: Path, object_id: ObjectId) -> int | None:
    """The size of a loose object; None if there is no such file."""
    header = find_loose_header(object_dir, object_id)
    return header and header[1]


def list_alternates(object_dir: Path) -> list[Path]:
    """The object folders that a folder borrows from, as its `info/alternates` names them."""
    try:
        lines = (object_dir / "info" / "alternates").read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [object_dir / _parse_alternate(line) for line in lines if line and not line.startswith(b"#")]


def _parse_alternate(line: bytes) -> str:
    """A path as `info/alternates` writes it: perhaps quoted; what is no quoted path is taken as it is."""
    text = line.decode("utf-8", "surrogateescape")
    try:
        return unquote_path(text).decode("utf-8", "surrogateescape")
    except BadPath:
        return text


def _read_file(object_dir: Path, object_id: ObjectId, bytes_max: int = -1) -> bytes | None:
    try:
        with (object_dir / object_id[:2] / object_id[2:]).open("rb") as file:
            return file.read(bytes_max)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_header(object_id: ObjectId, header: bytes) -> tuple[ObjectKind, int]:
    kind, _, size = header.partition(b" ")
    try:
        return ObjectKind(kind.decode("ascii")), int(size)
    except ValueError as fault:
        raise ObjectDamaged(object_id, "its header does not parse") from fault
