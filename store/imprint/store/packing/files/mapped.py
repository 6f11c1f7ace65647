"""A file mapped into memory, with the chunks that git's newer formats divide it into.

Invariants:
    1. What is read lies inside of the file: a file that is cut off or damaged ends in `BadFile`, never in
       another exception, and never in bytes that are not its own.
    2. The mapping outlives the file's name: a pack that maintenance removes stays readable here.

Format of chunks: gitformat-chunk(5).
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import struct
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_ALGORITHMS: Final = {20: "sha1", 32: "sha256"}
_CHUNK: Final = struct.Struct(">4sQ")
READ_BYTES_MAX: Final = 64 * 1024
"""Files up to this size are read, not mapped."""
_OWN_BYTES: Final = 1024
"""What a file takes in memory by itself."""


class BadFile(Exception):
    """A file is not what its format says; whoever reads it does without."""


class Mapped:
    """A whole file as bytes that are not copied. A small one is read: a mapping holds a descriptor.

    Attributes:
        mapping: for slices that are copied.
        content: for slices that are read or inflated where they lie.
        array: the same, for arithmetic.
        files: descriptors that it holds.
        size_bytes: memory that it takes beside mapped files.

    Args:
        path: an existing file.

    Raises:
        FileNotFoundError: there is none.
        BadFile: it is empty.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if not size_bytes:
                raise BadFile(f"{path.name} is empty")
            mapping: bytes | mmap.mmap
            if size_bytes <= READ_BYTES_MAX:
                mapping = file.read()
            else:
                mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.name = path.name
        self.mapping: Final = mapping
        self.content = memoryview(mapping)
        self.array: Bytes = np.frombuffer(mapping, np.uint8)
        self.files: Final = 0 if isinstance(mapping, bytes) else 1
        self.size_bytes: Final = _OWN_BYTES + (len(mapping) if isinstance(mapping, bytes) else 0)

    def __len__(self) -> int:
        return len(self.content)

    def check_sum(self, id_bytes: int) -> None:
        """Compare the file with the checksum that it ends with.

        Raises:
            BadFile: bytes of it are not those that were written.
        """
        end = len(self) - id_bytes
        if (
            hashlib.new(_ALGORITHMS[id_bytes], self.content[:end], usedforsecurity=False).digest()
            != self.content[end:]
        ):
            raise BadFile(f"{self.name} does not match its checksum")

    def numbers(self, begin: int, count: int, dtype: str) -> npt.NDArray[np.generic]:
        """Numbers of one type that lie one behind the other.

        Args:
            begin: where the first one is.
            count: how many.
            dtype: numpy's name of the type, with its byte order.
        """
        size = np.dtype(dtype).itemsize
        if begin < 0 or count < 0 or begin + count * size > len(self):
            raise BadFile(f"{self.name} is cut off")
        return np.frombuffer(self.content, dtype, count, begin)

    def chunks(self, begin: int, count: int) -> dict[bytes, tuple[int, int]]:
        """The table of chunks: where each begins and ends."""
        if begin + _CHUNK.size * (count + 1) > len(self):
            raise BadFile(f"{self.name} is cut off")
        rows = [_CHUNK.unpack_from(self.content, begin + _CHUNK.size * at) for at in range(count + 1)]
        found = {}
        for (name, start), (_, end) in itertools.pairwise(rows):
            if not start <= end <= len(self):
                raise BadFile(f"{self.name}: chunk {name!r} lies outside of it")
            found[name] = (start, end)
        return found
