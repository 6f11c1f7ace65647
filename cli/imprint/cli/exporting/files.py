"""Exported documents in files: JSON lines, CSV, Parquet.

Invariants:
    1. A file has its name only when it is whole.
    2. In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV
       injection).
"""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final

from imprint.cli.errors import ExtraMissing
from imprint.store.export.tables import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imprint.cli.ports import Document

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_lines(documents: Iterable[Document], stream: IO[str]) -> int:
    """One JSON document a line; how many."""
    count = 0
    for document in documents:
        stream.write(json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n")
        count += 1
    return count


def write_csv(documents: Iterable[Document], folder: Path) -> dict[str, int]:
    """Each table in a file `TABLE.csv` of the folder, with its columns in the first line; rows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(COLUMNS, 0)
    with ExitStack() as opened:
        writers = {}
        for table, columns in COLUMNS.items():
            path = folder / f".{table}.csv.part"
            file = opened.enter_context(path.open("w", encoding="utf-8", newline="", errors="replace"))
            writers[table] = csv.writer(file)
            writers[table].writerow(columns)
        for document in documents:
            table, row = document["table"], document["row"]
            writers[table].writerow([_render_cell(row.get(column)) for column in COLUMNS[table]])
            counts[table] += 1
    for table in COLUMNS:
        (folder / f".{table}.csv.part").replace(folder / f"{table}.csv")
    return counts


def _render_cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


_NUMBERS: Final = frozenset(
    {"ordinal", "turn", "claims", "lines", "start", "end", "turns", "calls"}
    | {f"{kind}_tokens" for kind in ("input", "output", "cache_read", "cache_write", "reasoning")}
)
_FRACTIONS: Final = frozenset({"score", "cost_usd"})
_ROWS_AT_ONCE: Final = 10_000


def write_parquet(documents: Iterable[Document], folder: Path) -> dict[str, int]:
    """Each table in a file `TABLE.parquet` of the folder; rows of each.

    Raises:
        ExtraMissing: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as missing:
        raise ExtraMissing(
            "Parquet needs pyarrow, which is not installed", hint="install imprint[semantic], or export CSV"
        ) from missing
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(COLUMNS, 0)
    with ExitStack() as opened:
        writers: dict[str, Any] = {}
        kept: dict[str, list[Document]] = {table: [] for table in COLUMNS}
        schemas = {
            table: pa.schema([(name, _type(pa, name)) for name in names]) for table, names in COLUMNS.items()
        }

        def write(table: str) -> None:
            writers[table].write_table(pa.Table.from_pylist(kept[table], schemas[table]))
            kept[table] = []

        for table, schema in schemas.items():
            path = folder / f".{table}.parquet.part"
            writers[table] = opened.enter_context(parquet.ParquetWriter(path, schema))
        for document in documents:
            table = document["table"]
            kept[table].append(document["row"])
            counts[table] += 1
            if len(kept[table]) == _ROWS_AT_ONCE:
                write(table)
        for table in COLUMNS:
            write(table)
    for table in COLUMNS:
        (folder / f".{table}.parquet.part").replace(folder / f"{table}.parquet")
    return counts


def _type(pa: Any, column: str) -> Any:
    if column in _NUMBERS:
        return pa.int64()
    if column in _FRACTIONS:
        return pa.float64()
    return pa.bool_() if column == "erased" else pa.string()
