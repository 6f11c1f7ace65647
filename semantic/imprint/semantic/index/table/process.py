"""The process that holds the LanceDB table of chunks. The only module that imports lancedb.

    python -m imprint.semantic.index.table.process FOLDER

LanceDB and its arrays take seconds to import and some 150 MB of memory; in a process of their own they take
them from nobody else. So this module imports nothing of ours. Where memory does not matter, `RawTable` is
used without the process.

A message is its length (8 bytes, network order) and JSON. A request is a list of a word and its argument:
`write` with rows, `remove` with keys, `read`. The answer is `{"done": true}` or
`{"failed": why}`; that of `read` is preceded by lists of rows. A row is a list of values in the order of
`COLUMNS`. At the end of input the process ends.

Invariants:
    1. A row is a function of its key; writing a row twice may leave two of it, which are equal.
    2. What was answered `done` is on disk.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import struct
import sys
from datetime import timedelta
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLE: Final = "chunks"
COLUMNS: Final = ("key", "language", "symbol", "kind", "lines", "text", "defines", "uses", "facts")
_LISTS: Final = ("defines", "uses")
_LENGTH: Final = struct.Struct("!Q")
_ROWS_PER_MESSAGE: Final = 2000
_KEYS_PER_DELETION: Final = 500
_WRITES_BEFORE_COMPACTION: Final = 64
"""Every write leaves a fragment and a version; this many are folded into one."""
_GRACE: Final = timedelta(milliseconds=1)
"""Versions older than this go when the table is compacted: whoever reads it holds the writers' lock too."""


def send_message(pipe: IO[bytes], message: Any) -> None:
    """Write one message."""
    content = json.dumps(message).encode()
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def receive_message(pipe: IO[bytes]) -> Any:
    """Read one message; None at the end of input, also in the middle of one."""
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    [length] = _LENGTH.unpack(header)
    content = pipe.read(length)
    return json.loads(content) if len(content) == length else None


class RawTable:
    """The table in a folder. Its methods raise OSError, RuntimeError or ValueError, as LanceDB does."""

    def __init__(self, folder: str) -> None:
        import lancedb
        import pyarrow as pa

        types: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
        types |= {"lines": pa.int32()} | dict.fromkeys(_LISTS, pa.list_(pa.string()))
        self._schema = pa.schema(list(types.items()))
        self._from_rows = pa.Table.from_pylist
        self._writes = 0
        database = lancedb.connect(folder)
        self._table: Any = database.create_table(TABLE, schema=self._schema, exist_ok=True)

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows."""
        fresh = self._from_rows(
            [dict(zip(COLUMNS, row, strict=True)) for row in rows],
            schema=self._schema,
        )
        self._table.checkout_latest()
        self._table.add(fresh)
        self._writes += 1
        if self._writes % _WRITES_BEFORE_COMPACTION == 0:
            self._table.optimize(cleanup_older_than=_GRACE)

    def remove(self, keys: Sequence[str]) -> None:
        """Destroy rows, older versions of the table included."""
        self._table.checkout_latest()
        for begin in range(0, len(keys), _KEYS_PER_DELETION):
            wanted = ", ".join(f"'{key}'" for key in keys[begin : begin + _KEYS_PER_DELETION])
            self._table.delete(f"key IN ({wanted})")
        self._table.optimize(cleanup_older_than=_GRACE)

    def read(self) -> Iterator[list[list[Any]]]:
        """Every row, some at a time."""
        self._table.checkout_latest()
        for batch in self._table.to_arrow().to_batches(max_chunksize=_ROWS_PER_MESSAGE):
            yield [[row[name] for name in COLUMNS] for row in batch.to_pylist()]


class _Unneeded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for LanceDB's client of remote catalogues, which a table in a folder never calls.

    Importing it takes three fifths of the time and a quarter of the memory of importing LanceDB, since it
    makes validators of its 400 classes. Here it has classes without content, which only annotations name.
    """

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "lance_namespace_urllib3_client":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Hollow(spec.name)

    def exec_module(self, _module: ModuleType) -> None:
        pass


class _Hollow(ModuleType):
    """A module that has a class of every name."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {})
        setattr(self, name, made)
        return made


def serve(folder: str, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    table: RawTable | None = None
    while (request := receive_message(requests)) is not None:
        word, argument = request
        try:
            table = table or RawTable(folder)
            match word:
                case "write":
                    table.write(argument)
                case "remove":
                    table.remove(argument)
                case _:
                    for rows in table.read():
                        send_message(answers, rows)
        except (OSError, RuntimeError, ValueError) as failure:
            send_message(answers, {"failed": str(failure)[:500]})
        else:
            send_message(answers, {"done": True})


if __name__ == "__main__":
    sys.meta_path.insert(0, _Unneeded())  # nobody else is in this process
    importlib.import_module("lancedb")  # while whoever started it still extracts what it will send
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
