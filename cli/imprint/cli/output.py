"""Everything that a command says: documents for programs, tables for people, progress for the patient.

Invariants:
    1. Results go to stdout; errors, notes and progress to stderr. With `--json`, stdout is one JSON document.
    2. No text from a repository, a server or a prompt reaches a terminal with control characters in it:
       they could move the cursor or rewrite what was said before. They are written as escapes.
    3. Colours and boxes only appear on a terminal; elsewhere a table is plain columns.
    4. A reader that goes away ends the command with `ReaderGone`, without a word.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # marks that reorder what is shown (Unicode TR 36)
    "\u2028\u2029\ufeff\ud800-\udfff]"  # other line ends, invisible marks, halves of characters
)
_SHOW_PROGRESS_AFTER_S: Final = 1.0
_PROGRESS_EVERY_S: Final = 0.1
_SAY_END_AFTER_S: Final = 2.0
_TAB: Final = "    "


def safe_lines(text: str) -> str:
    """The text with everything that acts on a terminal written as an escape; lines stay, tabs are spaces."""
    text = text.replace("\r\n", "\n").replace("\t", _TAB)
    return _UNSAFE.sub(_escape, text)


def safe(text: str) -> str:
    """The same on one line: line ends are escapes too."""
    return safe_lines(text).replace("\n", "\\n")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - two hexadecimal digits


def render_time(at_ms: int | None) -> str | None:
    """A time as people read it, in UTC; None stays None."""
    if at_ms is None:
        return None
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 commit`, `2 commits`; `many` where the plural is not `one` with an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


class ReaderGone(Exception):
    """Whoever read the results has enough, as `head` does."""


def note_behind(output: Output, answer: Mapping[str, Any]) -> None:
    """Say beside an answer that the index has not seen everything yet."""
    behind = answer.get("behind") or 0
    if behind:
        output.note(f"the index is {counted(behind, 'commit')} behind; the answer may miss what they changed")


class Output:
    """Where a command writes.

    Args:
        stdout: for results.
        stderr: for everything else.
        monotonic: seconds that never go back, to time progress by.
    """

    def __init__(
        self, stdout: TextIO, stderr: TextIO, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._monotonic = monotonic
        self._meters = 0

    @classmethod
    def standard(cls) -> Output:
        """On the process's own streams, as they are now."""
        return cls(sys.stdout, sys.stderr)

    def document(self, document: object) -> None:
        """A result for programs: JSON, all ASCII, so that no locale and no terminal can spoil it."""
        self._write(json.dumps(document, indent=2) + "\n")

    def line(self, text: str = "") -> None:
        """One line of result for people."""
        self._write(safe(text) + "\n")

    def text(self, text: str) -> None:
        """Several lines of result for people."""
        self._write(safe_lines(text).rstrip("\n") + "\n")

    def exactly(self, text: str) -> None:
        """The same with tabs as they are and every carriage return as an escape: for what is compared."""
        self._write(_UNSAFE.sub(_escape, text).rstrip("\n") + "\n")

    def verbatim(self, content: bytes) -> None:
        """A result that is kept byte for byte; on a terminal as `text`."""
        buffer = getattr(self._stdout, "buffer", None)
        if self._stdout.isatty() or buffer is None:
            self.text(content.decode("utf-8", "replace"))
            return
        try:
            buffer.write(content)
            buffer.flush()
        except BrokenPipeError as gone:
            raise ReaderGone from gone

    def note(self, text: str) -> None:
        """One line beside the result."""
        self._say(safe(text) + "\n")

    def error(self, message: str, hint: str = "") -> None:
        """What went wrong, and what to do."""
        self._say(f"imprint: error: {safe(message)}\n" + (f"  {safe(hint)}\n" if hint else ""))

    def _say(self, text: str) -> None:
        """Something beside the result, which goes on where nobody reads that any more."""
        with suppress(BrokenPipeError):
            self._stderr.write(text)
            self._stderr.flush()

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: str = "") -> None:
        """Rows under headers.

        Args:
            headers: one name per column.
            rows: the cells; None is shown as `-`.
            numbers: names of the columns that are set to the right, separated by spaces.
        """
        cells = [["-" if cell is None else safe(str(cell)) for cell in row] for row in rows]
        right = {headers.index(name) for name in numbers.split()}
        if self._stdout.isatty():
            self._write(self._rich_table(headers, cells, right))
        else:
            self._write(_plain_table(headers, cells, right))

    def lines(self, rows: Sequence[Sequence[Any]], *, numbers: frozenset[int] = frozenset()) -> None:
        """Rows without headers, one line each however long, as source code wants it.

        Args:
            rows: the cells, all rows of one length.
            numbers: indexes of the columns that are set to the right.
        """
        cells = [[safe(str(cell)) for cell in row] for row in rows]
        if cells:
            self._write(_align(cells, set(numbers)))

    def _write(self, text: str) -> None:
        try:
            self._stdout.write(text)
            self._stdout.flush()
        except BrokenPipeError as gone:
            raise ReaderGone from gone

    def _rich_table(self, headers: Sequence[str], cells: list[list[str]], right: set[int]) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for index, name in enumerate(headers):
            table.add_column(name, justify="right" if index in right else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        console = Console(file=self._stdout, highlight=False, markup=False)
        with console.capture() as captured:
            console.print(table)
        return captured.get()

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Announce work that may take long where no meter can show it; its end too, if it did take long.

        Args:
            label: what is done; empty for work that needs no word.
        """
        if not label or self._stderr.isatty():
            yield
            return
        self.note(label)
        begin = self._monotonic()
        yield
        took = self._monotonic() - begin
        if took > _SAY_END_AFTER_S:
            self.note(f"done after {took:.0f} s")

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """A function that shows `done` of `total` on a terminal, once it has taken about a second."""
        if not self._stderr.isatty():
            yield lambda _done, _total: None
            return
        meter = _Meter(label, self._stderr, self._monotonic)
        self._meters += 1
        try:
            yield meter.report
        finally:
            meter.clear()
            self._meters -= 1

    @contextmanager
    def waiting(self, label: str) -> Iterator[None]:
        """Show on a terminal for how long an answer has been waited for, from about a second on.

        Silent while a meter within it shows more.
        """
        if not self._stderr.isatty():
            yield
            return
        meter, ended, begin = (
            _Meter(label, self._stderr, self._monotonic),
            threading.Event(),
            self._monotonic(),
        )

        def show() -> None:
            while not ended.wait(_SHOW_PROGRESS_AFTER_S):
                if not self._meters:
                    meter.tell(f"{self._monotonic() - begin:.0f} s")

        shower = threading.Thread(target=show, daemon=True)
        shower.start()
        try:
            yield
        finally:
            ended.set()
            shower.join()
            meter.clear()


def _plain_table(headers: Sequence[str], cells: list[list[str]], right: set[int]) -> str:
    return _align([[name.upper() for name in headers], *cells], right)


def _align(rows: list[list[str]], right: set[int]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        columns = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(columns).rstrip() + "\n")
    return "".join(lines)


class _Meter:
    """One line of progress that is rewritten in place and gone at the end."""

    def __init__(self, label: str, stream: TextIO, monotonic: Callable[[], float]) -> None:
        self._label = safe(label)
        self._stream = stream
        self._monotonic = monotonic
        self._next = monotonic() + _SHOW_PROGRESS_AFTER_S
        self._shown = False

    def report(self, done: int, total: int) -> None:
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + _PROGRESS_EVERY_S
        self.tell(f"{100 * done // total:3d}% ({done}/{total})" if total else f"{done}")

    def tell(self, state: str) -> None:
        self._shown = True
        self._stream.write(f"\r\x1b[K{self._label}: {state}")
        self._stream.flush()

    def clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
