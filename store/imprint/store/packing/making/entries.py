"""Headers of a pack's entries: type and size, and how far before a delta its base begins.

Format: gitformat-pack(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.store.packing.files.pack import OFS_DELTA

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]
    Bytes = npt.NDArray[np.uint8]

_MORE: Final = 0x80
_KIND_BITS: Final = 4


def render_entry_header(kind: int, size: int) -> bytes:
    """The type and size at the start of an entry."""
    byte, size = kind << _KIND_BITS | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | _MORE)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)


def replace_kind(header: bytes, kind: int) -> bytes:
    """A header of the same size and another type."""
    return bytes((header[0] & 0x8F | kind << _KIND_BITS,)) + header[1:]


def unname_base(entry: bytes, id_bytes: int) -> tuple[bytes, bytes]:
    """A delta that names its base, as one that tells a distance: its type and size, and its content."""
    end = 1
    while entry[end - 1] & _MORE:
        end += 1
    return replace_kind(entry[:end], OFS_DELTA), entry[end + id_bytes :]


def render_distance(distance: int) -> bytes:
    """How far before a delta its base begins, at least 1."""
    out = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        out.append(distance & 0x7F | _MORE)
    return bytes(reversed(out))


def count_digits(distances: Integers) -> Integers:
    """How many bytes each distance to a base takes."""
    lengths = np.ones(len(distances), np.int64)
    bound = 0x80
    span = 0x80
    while len(distances) and (longer := distances >= bound).any():
        lengths += longer
        span <<= 7
        bound += span
    return lengths


@dataclass(frozen=True, slots=True)
class Headers:
    """Rendered headers, one behind the other.

    Attributes:
        content: their bytes.
        begins: where each begins,
        ends: and where it ends.
    """

    content: Bytes
    begins: Integers
    ends: Integers


def render_delta_headers(array: Bytes, begins: Integers, ends: Integers, distances: Integers) -> Headers:
    """Headers of deltas that lie in a pack, with other distances to their bases.

    Args:
        array: the pack.
        begins: where the type and size of each lie now,
        ends: and where they end.
        distances: how far before each its base will begin, at least 1.
    """
    sizes, digits = ends - begins, count_digits(distances)
    stops = np.cumsum(sizes + digits)
    starts = stops - sizes - digits
    content = np.empty(int(stops[-1]) if len(stops) else 0, np.uint8)
    for at in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero(sizes > at)
        content[starts[rows] + at] = array[begins[rows] + at]
    content[starts] = content[starts] & 0x8F | OFS_DELTA << _KIND_BITS
    left = distances
    for at in range(int(digits.max(initial=0))):
        rows = np.flatnonzero(digits > at)
        content[stops[rows] - 1 - at] = left[rows] & 0x7F | (_MORE if at else 0)
        left = (left >> 7) - 1
    return Headers(content, starts, stops)
