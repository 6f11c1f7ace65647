"""The table of passages, in LanceDB: the durable home of their text and facts.

Invariants:
    1. A row is a function of its key; the table belongs to one extractor version. What was written
       twice is read once.
    2. A row of which SQL knows no passage is a leftover and is never shown.
    3. Kept apart, the table is in a process that is started when it is needed, and ends after `IDLE_SECONDS`
       without work, after `REQUESTS_MAX` requests, with its parent, or when it fails; the next use starts
       another.

Importing lancedb takes seconds, so it is put off until the table is needed.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Final

from imprint.semantic.index.passages.rows import PassageRow
from imprint.semantic.index.table import process
from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

IDLE_SECONDS: Final = 60.0
"""A start takes about a second; what is kept takes some 150 MB."""
REQUESTS_MAX: Final = 256
"""LanceDB keeps some of what every write took: over a long history it would come to a gigabyte."""
_TEXT_PER_WRITE: Final = 4 * 1024**2
"""Characters sent at once: bounds what both processes hold twice."""
_LAST_WORDS_BYTES: Final = 2000


class ChunkTable:
    """Passages on disk. Safe to share between threads; processes take turns, and the caller sees to it.

    Args:
        folder: where they are.
        apart: keep LanceDB in a process of its own, for a program whose memory is bounded.
        idle_seconds: how long that process stays without work.
    """

    def __init__(self, folder: Path, *, apart: bool = False, idle_seconds: float = IDLE_SECONDS) -> None:
        self._folder = folder
        self._idle_seconds = idle_seconds
        self._make_keeper = _Process if apart else _Here
        self._lock = threading.Lock()
        self._keeper: _Process | _Here | None = None
        self._requests = 0
        self._idle: threading.Timer | None = None

    def prepare(self) -> None:
        """Start the process, if there is to be one: something will be written soon.

        Raises:
            StorageFailed: there is no process to be had.
        """
        with self._lock:
            if self._keeper is None and self._make_keeper is _Process:
                self._keeper = _Process(self._folder)
                self._requests = 0
                self._stop_later()

    def write(self, rows: Sequence[PassageRow]) -> None:
        """Add rows.

        Raises:
            StorageFailed: LanceDB could not write.
        """
        for part in _cut(rows):
            self._ask("write", [_to_values(row) for row in part])

    def read(self) -> dict[str, PassageRow]:
        """Every row by key.

        Raises:
            StorageFailed: LanceDB could not read.
        """
        return {row[0]: _from_values(row) for row in self._ask("read", None)}

    def remove(self, keys: Iterable[str]) -> None:
        """Destroy the rows of these keys, older versions of the table included.

        Raises:
            StorageFailed: LanceDB could not write.
        """
        if wanted := sorted(keys):
            self._ask("remove", wanted)

    def close(self) -> None:
        """End the process; a later use starts another."""
        with self._lock:
            self._stop()

    def _ask(self, word: str, argument: Any) -> list[list[Any]]:
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            if self._keeper is None:
                self._keeper = self._make_keeper(self._folder)
                self._requests = 0
            self._requests += 1
            try:
                rows = self._keeper.ask(word, argument)
            except BaseException:
                self._stop()
                raise
            if isinstance(self._keeper, _Process) and self._requests >= REQUESTS_MAX:
                self._stop()
            elif isinstance(self._keeper, _Process):
                self._stop_later()
        return rows

    def _stop_later(self) -> None:
        self._idle = threading.Timer(self._idle_seconds, self._stop_if_idle)
        self._idle.daemon = True
        self._idle.start()

    def _stop_if_idle(self) -> None:
        with self._lock:
            if self._idle is threading.current_thread():
                self._stop()

    def _stop(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None


class _Here:
    """The table in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table: process.RawTable | None = None

    def ask(self, word: str, argument: Any) -> list[list[Any]]:
        """Do what a request says; the rows of its answer.

        Raises:
            StorageFailed: LanceDB could not.
        """
        try:
            self._table = self._table or process.RawTable(str(self._folder))
            match word:
                case "write":
                    self._table.write(argument)
                case "remove":
                    self._table.remove(argument)
                case _:
                    return [row for rows in self._table.read() for row in rows]
        except (OSError, RuntimeError, ValueError) as failure:
            raise StorageFailed(f"LanceDB in {self._folder}: {str(failure)[:500]}") from failure
        return []

    def stop(self) -> None:
        """Let go of the table."""
        self._table = None


class _Process:
    """The table in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", process.__name__, str(folder.absolute())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,  # Ctrl-C at a terminal is for the program that uses the table
            )
        except OSError as failure:
            raise StorageFailed(f"no process for {folder}: {failure.strerror}") from failure
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101, PT018
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._last_words = b""
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    def ask(self, word: str, argument: Any) -> list[list[Any]]:
        """Send a request; the rows of its answer.

        Raises:
            StorageFailed: LanceDB said why it could not, or the process ended.
        """
        rows: list[list[Any]] = []
        try:
            process.send_message(self._requests, (word, argument))
            while isinstance(answer := process.receive_message(self._answers), list):
                rows += answer
        except OSError:
            answer = None
        if answer is None:
            self.stop()
            words = self._last_words.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise StorageFailed(f"LanceDB in {self._folder}: its process ended: {words or 'without a word'}")
        if "failed" in answer:
            raise StorageFailed(f"LanceDB in {self._folder}: {answer['failed']}")
        return rows

    def stop(self) -> None:
        """End the process; what it has not answered may be done or not."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it ended before it had read everything

    def _listen(self, errors: IO[bytes]) -> None:
        while said := errors.read1(8192):  # type: ignore[attr-defined]  # a pipe is buffered
            self._last_words = (self._last_words + said)[-_LAST_WORDS_BYTES:]


def _to_values(row: PassageRow) -> tuple[Any, ...]:
    """A row as the process takes it, in the order of its columns."""
    facts = base64.b64encode(row.facts).decode("ascii")
    return (
        row.key, row.language, row.symbol, row.kind, row.lines, row.text, row.defines, row.uses, facts
    )  # fmt: skip


def _from_values(values: Sequence[Any]) -> PassageRow:
    key, language, symbol, kind, lines, text, defines, uses, facts = values
    return PassageRow(
        key, language, symbol, kind, lines, text, tuple(defines), tuple(uses), base64.b64decode(facts)
    )


def _cut(rows: Sequence[PassageRow]) -> Iterator[Sequence[PassageRow]]:
    """The rows in parts of about `_TEXT_PER_WRITE` characters."""
    begin = size = 0
    for end, row in enumerate(rows, 1):
        size += len(row.text) + len(row.facts)
        if size >= _TEXT_PER_WRITE or end == len(rows):
            yield rows[begin:end]
            begin, size = end, 0
