"""A static table: a vector for each word, in one small file.

The file, all numbers little-endian: 8 bytes `IMPRTAB1`; a 4-byte length and that many bytes of JSON (`name`,
`words`, `dimensions`, `path_share`, `symbol_weight`); one float32 scale for each row; the rows, int8; the
words, in row order, UTF-8, joined by line feeds, to the end of the file. A row's vector is `scale * row`.

Invariants:
    1. A table's name says which table it is: other vectors have another name.
    2. What is read back is what was written, to half a step of the row's scale.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.semantic.embedding.ports import Vectors

_MAGIC = b"IMPRTAB1"
_STEPS = 127


class TableDamaged(Exception):
    """A file is not a table, or not a whole one. Install the package anew, or train the table again."""


@dataclass(frozen=True, slots=True)
class Table:
    """A vocabulary and its vectors.

    Attributes:
        name: which table this is, the version included.
        rows: the row of each word.
        vectors: one for each row, not of unit length: how long it is says how much the word counts.
        path_share: what a path's nearness is worth beside its passage's.
        symbol_weight: how many times the words of a passage's symbol count.
    """

    name: str
    rows: dict[str, int]
    vectors: Vectors
    path_share: float
    symbol_weight: float


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        TableDamaged: the file is not a table.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if content[:8] != _MAGIC:
        raise TableDamaged(f"{path} is not a table of word vectors")
    try:
        (length,) = struct.unpack_from("<I", content, 8)
        head = json.loads(content[12 : 12 + length])
        words, dimensions = head["words"], head["dimensions"]
        scales = np.frombuffer(content, "<f4", words, 12 + length)
        steps = np.frombuffer(content, np.int8, words * dimensions, 12 + length + 4 * words)
        names = content[12 + length + 4 * words + words * dimensions :].decode().split("\n")
        if len(names) != words:
            raise TableDamaged(f"{path} names {len(names)} of {words} words")
        return Table(
            name=head["name"],
            rows={word: row for row, word in enumerate(names)},
            vectors=steps.reshape(words, dimensions).astype(np.float32) * scales[:, None],
            path_share=head["path_share"],
            symbol_weight=head["symbol_weight"],
        )
    except (ValueError, KeyError, struct.error) as error:
        raise TableDamaged(f"{path} is cut short or damaged: {error}") from error


def write_table(path: Path, table: Table) -> None:
    """Write a table, each row in steps of its own scale."""
    words, dimensions = table.vectors.shape
    scales = np.maximum(np.abs(table.vectors).max(axis=1) / _STEPS, 1e-12).astype("<f4")
    head = {
        "name": table.name,
        "words": words,
        "dimensions": dimensions,
        "path_share": table.path_share,
        "symbol_weight": table.symbol_weight,
    }
    packed = json.dumps(head).encode()
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack("<I", len(packed)) + packed)
        file.write(scales.tobytes())
        file.write(np.rint(table.vectors / scales[:, None]).astype(np.int8).tobytes())
        file.write("\n".join(table.rows).encode())
