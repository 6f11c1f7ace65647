"""The LanceDB table of chunks: the durable home of their text. The only module that imports lancedb.

Invariants:
    1. A row is a function of its key, which holds the blob, the flavour and the ordinal; the table belongs to
       one extractor version. Writing a row twice leaves one.
    2. A row of which SQL knows no blob is a leftover and is never shown.

Importing lancedb takes seconds, so it is put off until the table is needed.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.segment import ChunkRow
from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_TABLE: Final = "chunks"
_VERSIONS_BEFORE_COMPACTION: Final = 32
"""Every write leaves a fragment and a version; this many are folded into one."""
_GRACE: Final = timedelta(milliseconds=1)
"""Versions older than this go when the table is compacted: whoever reads it holds the writers' lock too."""


class ChunkTable:
    """Chunk rows on disk. Everybody who uses it must take turns; the caller sees to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._table: Any = None

    def _open(self) -> Any:
        with self._opening:
            if self._table is None:
                self._table = _open_table(self._folder)
            return self._table

    def write(self, rows: Sequence[tuple[BlobKey, str, ChunkRow]]) -> None:
        """Add rows (key, language, chunk); those that are there already stay as they are.

        Raises:
            StorageFailed: LanceDB could not write.
        """
        if not rows:
            return
        table = self._open()
        try:
            table.checkout_latest()
            table.merge_insert("key").when_not_matched_insert_all().execute(_to_arrow(rows))
            if len(table.list_versions()) > _VERSIONS_BEFORE_COMPACTION:
                table.optimize(cleanup_older_than=_GRACE)
        except (OSError, RuntimeError, ValueError) as failure:
            raise StorageFailed(f"LanceDB in {self._folder}: {str(failure)[:500]}") from failure

    def read(self) -> dict[BlobKey, list[tuple[str, ChunkRow]]]:
        """Every row by key, with its language, in order of ordinals.

        Raises:
            StorageFailed: LanceDB could not read.
        """
        table = self._open()
        try:
            table.checkout_latest()
            found = table.to_arrow().to_pylist()
        except (OSError, RuntimeError, ValueError) as failure:
            raise StorageFailed(f"LanceDB in {self._folder}: {str(failure)[:500]}") from failure
        rows = defaultdict(list)
        for row in sorted(found, key=lambda row: (row["blob"], row["flavour"], row["ordinal"])):
            chunk = ChunkRow(
                row["ordinal"],
                row["start_line"],
                row["end_line"],
                row["symbol"],
                row["kind"],
                row["text"],
                tuple(row["defines"]),
            )
            rows[BlobKey(row["blob"], row["flavour"])].append((row["language"], chunk))
        return dict(rows)

    def remove(self, keys: Iterable[BlobKey]) -> None:
        """Destroy the rows of these keys, older versions of the table included.

        Raises:
            StorageFailed: LanceDB could not write.
        """
        blobs = sorted({(key.blob, key.flavour) for key in keys})
        if not blobs:
            return
        table = self._open()
        try:
            table.checkout_latest()
            for begin in range(0, len(blobs), 500):
                wanted = ", ".join(f"'{blob}:{flavour}'" for blob, flavour in blobs[begin : begin + 500])
                table.delete(f"concat(blob, ':', flavour) IN ({wanted})")
            table.optimize(cleanup_older_than=_GRACE)
        except (OSError, RuntimeError, ValueError) as failure:
            raise StorageFailed(f"LanceDB in {self._folder}: {str(failure)[:500]}") from failure


def _open_table(folder: Path) -> Any:
    import lancedb

    try:
        database = lancedb.connect(str(folder))
        return database.create_table(_TABLE, schema=_schema(), exist_ok=True)
    except (OSError, RuntimeError, ValueError) as failure:
        raise StorageFailed(f"LanceDB in {folder}: {str(failure)[:500]}") from failure


def _schema() -> Any:
    import pyarrow as pa

    text: Any = pa.string()
    number: Any = pa.int32()
    return pa.schema(
        [
            ("key", text),
            ("blob", text),
            ("flavour", text),
            ("ordinal", number),
            ("language", text),
            ("start_line", number),
            ("end_line", number),
            ("symbol", text),
            ("kind", text),
            ("text", text),
            ("defines", pa.list_(text)),
        ]
    )


def _to_arrow(rows: Sequence[tuple[BlobKey, str, ChunkRow]]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(
        [
            {
                "key": f"{key.blob}:{key.flavour}:{chunk.ordinal}",
                "blob": key.blob,
                "flavour": key.flavour,
                "ordinal": chunk.ordinal,
                "language": language,
                "start_line": chunk.start_line,
                "end_line": chunk.end_line,
                "symbol": chunk.symbol,
                "kind": chunk.kind,
                "text": chunk.text,
                "defines": chunk.defines,
            }
            for key, language, chunk in rows
        ],
        schema=_schema(),
    )
