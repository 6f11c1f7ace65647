"""The table of chunks, in this process and in one of its own."""

import os
import time

import pytest

from imprint.semantic.index.chunks import ChunkTable
from imprint.semantic.index.ports import BlobKey
from imprint.semantic.index.segment import ChunkRow
from imprint.store.errors import StorageFailed

A, B = BlobKey("a" * 40, ".py"), BlobKey("b" * 40, ".py")
ROWS = [
    (A, "python", ChunkRow(0, 1, 2, "f", "function", "def f():\n    'ä\0\U0001f600'\n", ("f",))),
    (A, "python", ChunkRow(1, 3, 9, "", "window", "x" * 5_000_000, ())),
    (B, "python", ChunkRow(0, 1, 1, "g", "function", "def g(): ...", ("g", "h"))),
]
EXPECTED = {A: [("python", ROWS[0][2]), ("python", ROWS[1][2])], B: [("python", ROWS[2][2])]}


@pytest.mark.parametrize("apart", [False, True])
def test_rows_come_back_as_they_were_written_and_once(tmp_path, apart: bool) -> None:
    table = ChunkTable(tmp_path / "chunks", apart=apart)
    try:
        table.write(ROWS)
        table.write(ROWS[1:])
        assert table.read() == EXPECTED
        table.remove([A])
        assert table.read() == {B: EXPECTED[B]}
    finally:
        table.close()


def test_the_process_ends_when_it_is_idle_or_killed_and_comes_back(tmp_path) -> None:
    table = ChunkTable(tmp_path / "chunks", apart=True, idle_seconds=0.2)
    try:
        table.write(ROWS[2:])
        first = table._keeper._process
        deadline = time.monotonic() + 10
        while first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert first.poll() is not None
        table._idle_seconds = 60
        assert table.read() == {B: EXPECTED[B]}
        os.kill(table._keeper._process.pid, 9)
        with pytest.raises(StorageFailed, match="its process ended"):
            table.read()
        assert table.read() == {B: EXPECTED[B]}
    finally:
        table.close()


@pytest.mark.parametrize("apart", [False, True])
def test_what_lancedb_cannot_do_is_said(tmp_path, apart: bool) -> None:
    (tmp_path / "chunks").write_text("no folder")
    table = ChunkTable(tmp_path / "chunks", apart=apart)
    with pytest.raises(StorageFailed, match="LanceDB in"):
        table.write(ROWS)
    table.close()
