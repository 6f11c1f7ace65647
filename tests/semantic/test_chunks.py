"""The table of chunks, in this process and in one of its own."""

import os
import time

import pytest

from imprint.semantic.index import chunks
from imprint.semantic.index.chunks import ChunkTable
from imprint.semantic.index.passages.rows import PassageRow
from imprint.semantic.library import EXTRACTORS, Library
from imprint.store.errors import StorageFailed

ROWS = [
    PassageRow(
        "a" * 32, "python", "f", "function", 2, "def f():\n    'ä\0\U0001f600'\n", ("f",), (), b"\0\xff"
    ),
    PassageRow("b" * 32, "text", "", "text", 7, "x" * 5_000_000),
    PassageRow("c" * 32, "python", "g", "function", 1, "def g(): ...", ("g", "h"), ("i",)),
]
EXPECTED = {row.key: row for row in ROWS}


@pytest.mark.parametrize("apart", [False, True])
def test_rows_come_back_as_they_were_written_and_once(tmp_path, apart: bool) -> None:
    table = ChunkTable(tmp_path / "chunks", apart=apart)
    try:
        table.write(ROWS)
        table.write(ROWS[1:])
        assert table.read() == EXPECTED
        table.remove(["a" * 32, "b" * 32])
        assert table.read() == {ROWS[2].key: ROWS[2]}
    finally:
        table.close()


def test_the_process_ends_when_it_is_idle_killed_or_did_enough_and_comes_back(tmp_path, monkeypatch) -> None:
    table = ChunkTable(tmp_path / "chunks", apart=True, idle_seconds=0.2)
    try:
        table.write(ROWS[2:])
        first = table._keeper._process
        deadline = time.monotonic() + 10
        while first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert first.poll() is not None
        table._idle_seconds = 60
        assert table.read() == {ROWS[2].key: ROWS[2]}
        os.kill(table._keeper._process.pid, 9)
        with pytest.raises(StorageFailed, match="its process ended"):
            table.read()
        monkeypatch.setattr(chunks, "REQUESTS_MAX", 1)
        assert table.read() == {ROWS[2].key: ROWS[2]}
        assert table._keeper is None
    finally:
        table.close()


def test_the_process_is_started_before_it_is_needed_and_ends_unneeded(tmp_path) -> None:
    table = ChunkTable(tmp_path / "chunks", apart=True, idle_seconds=60)
    try:
        table.prepare()
        started = table._keeper._process
        table.prepare()
        table.write(ROWS[2:])
        assert table._keeper._process is started
        table.close()
        table._idle_seconds = 0.05
        table.prepare()
        unneeded = table._keeper._process
        assert unneeded.wait(10) != 0
        assert table.read() == {ROWS[2].key: ROWS[2]}
    finally:
        table.close()


@pytest.mark.parametrize("apart", [False, True])
def test_what_lancedb_cannot_do_is_said(tmp_path, apart: bool) -> None:
    (tmp_path / "chunks").write_text("no folder")
    table = ChunkTable(tmp_path / "chunks", apart=apart)
    with pytest.raises(StorageFailed, match="LanceDB in"):
        table.write(ROWS)
    table.close()


def test_a_library_starts_its_processes_before_the_first_content_and_ends_them(tmp_path) -> None:
    library = Library.open(tmp_path / "library", apart=True)
    library.prepare()
    library.prepare()
    processes = [worker._process for worker in library._workers._alive]
    assert len(processes) == EXTRACTORS + 1
    processes.append(library._index._chunks._keeper._process)
    assert [process.poll() for process in processes] == [None] * len(processes)
    library.extract(b"a.py", b"def a():\n    pass\n")
    assert len(library._workers._alive) == EXTRACTORS + 1
    library.close()
    assert None not in [process.poll() for process in processes]
