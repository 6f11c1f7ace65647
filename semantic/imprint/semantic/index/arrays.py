"""Arrays in a file, mapped into memory instead of read.

Layout, version 1 (all numbers little-endian): the magic line; 8 bytes, the length of the header; the header,
JSON with `facts`, `arrays` (name to dtype, count, offset) and `bytes`, the length of what follows; then, from
the next multiple of 64, the arrays, each beginning at a multiple of 64. Offsets count from the first array.

Invariants:
    1. A file is written once, whole, under a temporary name, and appears by rename: a crash leaves at most a
       temporary file.
    2. A file that is cut short is noticed when it is opened, not when it is read.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = np.ndarray[Any, np.dtype[Any]]

_MAGIC: Final = b"imprint-arrays 1\n"
_LENGTH_BYTES: Final = 8
_ALIGNMENT: Final = 64
TEMPORARY_SUFFIX: Final = ".new"


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def write_arrays(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, object]) -> None:
    """Write the file; when this returns, it survives a crash of the machine.

    Raises:
        StorageFailed: the disk is full or the folder not writable; nothing is left behind.
    """
    listed: dict[str, list[object]] = {}
    position = 0
    for name, array in arrays.items():
        listed[name] = [array.dtype.str, array.size, position]
        position = _aligned(position + array.nbytes)
    header = json.dumps({"facts": facts, "arrays": listed, "bytes": position}, sort_keys=True).encode()
    try:
        _write_whole(path, header, arrays)
    except OSError as failure:
        raise StorageFailed(f"cannot write {path}: {failure.strerror}") from failure


def _write_whole(path: Path, header: bytes, arrays: Mapping[str, Array]) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=path.name, suffix=TEMPORARY_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(_MAGIC + len(header).to_bytes(_LENGTH_BYTES, "little") + header)
            for array in arrays.values():
                out.write(bytes(_aligned(out.tell()) - out.tell()))
                out.write(np.ascontiguousarray(array).data)
            out.write(bytes(_aligned(out.tell()) - out.tell()))
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).rename(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def map_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Map a file; the arrays are read-only and stay good after the file is unlinked.

    Raises:
        FileNotFoundError: there is no such file.
        StorageFailed: it is damaged.
    """
    with path.open("rb") as source:
        begin = source.read(len(_MAGIC) + _LENGTH_BYTES)
        if len(begin) < len(_MAGIC) + _LENGTH_BYTES or not begin.startswith(_MAGIC):
            raise StorageFailed(f"{path} does not hold arrays")
        header_bytes = int.from_bytes(begin[len(_MAGIC) :], "little")
        size = os.fstat(source.fileno()).st_size
        first = _aligned(len(begin) + header_bytes)
        header = _parse_header(path, source.read(min(header_bytes, size)))
        if size != first + header["bytes"]:
            raise StorageFailed(f"{path} is cut short: {size} bytes instead of {first + header['bytes']}")
        mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {
        name: np.frombuffer(mapped, dtype=np.dtype(dtype), count=count, offset=first + offset)
        for name, (dtype, count, offset) in header["arrays"].items()
    }
    return arrays, header["facts"]


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(text)
    except ValueError as failure:
        raise StorageFailed(f"{path} has a damaged header") from failure
    return header


def ranges(begins: Array, counts: Array) -> Array:
    """The numbers `begin, begin + 1 ... begin + count - 1` of each pair, one after the other."""
    total = int(counts.sum())
    ends = np.cumsum(counts)
    numbers: Array = np.arange(total) + np.repeat(begins - (ends - counts), counts)
    return numbers
