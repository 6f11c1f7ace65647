"""What commands write, and what never reaches a terminal."""

import io
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.cli.output import Output, ReaderGone, counted, render_time, safe, safe_lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@given(st.text(alphabet=st.characters()))
def test_no_text_acts_on_a_terminal(text: str) -> None:
    shown = safe(text)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert not any(c in "\u202e\u2066\u2028\u200f" for c in shown)


def test_an_escape_sequence_is_shown_and_not_obeyed() -> None:
    assert safe("\x1b[2Jgone\r\nnext") == r"\x1b[2Jgone\nnext"
    assert safe_lines("a\tb\n\x07c") == "a    b\n\\x07c"
    assert safe("abc\u202edcba") == r"abc\u202edcba"


def test_halves_of_characters_are_shown_as_escapes() -> None:
    assert safe("caf\udce9") == r"caf\udce9"


def test_a_table_is_plain_columns_where_nobody_looks() -> None:
    stdout = io.StringIO()
    Output(stdout, io.StringIO()).table(["name", "count"], [["a\x1b[31m", 7], [None, 123]], numbers="count")
    assert stdout.getvalue() == "NAME       COUNT\na\\x1b[31m      7\n-            123\n"


def test_a_table_on_a_terminal_takes_no_markup_from_its_cells() -> None:
    stdout = Terminal()
    Output(stdout, io.StringIO()).table(["name"], [["[red]x[/red]"]])
    assert "[red]x[/red]" in stdout.getvalue()


def test_documents_are_ascii() -> None:
    stdout = io.StringIO()
    Output(stdout, io.StringIO()).document({"text": "é\x1b\u202e\udc80"})
    assert stdout.getvalue().isascii()
    assert "\x1b" not in stdout.getvalue()
    assert json.loads(stdout.getvalue()) == {"text": "é\x1b\u202e\udc80"}


def test_an_error_has_two_lines() -> None:
    stderr = io.StringIO()
    Output(io.StringIO(), stderr).error("no\nway", "go\x1bhome")
    assert stderr.getvalue() == "imprint: error: no\\nway\n  go\\x1bhome\n"


def test_a_reader_that_went_away_ends_the_command() -> None:
    with pytest.raises(ReaderGone):
        Output(Closed(), io.StringIO()).line("x")


def ticking(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_progress_shows_after_a_second_and_is_gone_at_the_end() -> None:
    stderr = Terminal()
    times = ticking(0.0, 0.5, 1.5, 1.55)
    output = Output(io.StringIO(), stderr, lambda: next(times))
    with output.progress("indexing") as report:
        report(1, 10)
        assert stderr.getvalue() == ""
        report(5, 10)
        assert "indexing:  50% (5/10)" in stderr.getvalue()
        report(6, 10)
        assert "6/10" not in stderr.getvalue()
    assert stderr.getvalue().endswith("\r\x1b[K")


def test_an_answer_that_is_waited_for_is_shown_after_a_second_and_gone_at_the_end() -> None:
    for pause, shown in ((0.05, False), (1.3, True)):
        stderr = Terminal()
        with Output(io.StringIO(), stderr).waiting("waiting for it"):
            time.sleep(pause)
        assert ("waiting for it: 1 s" in stderr.getvalue()) is shown
        assert stderr.getvalue().endswith("\r\x1b[K" if shown else "")
    stderr = Terminal()
    output = Output(io.StringIO(), stderr)
    with output.waiting("waiting for it"), output.progress("indexing"):
        time.sleep(1.3)
    assert stderr.getvalue() == ""
    nobody = io.StringIO()
    with Output(io.StringIO(), nobody).waiting("waiting for it"):
        time.sleep(1.1)
    assert nobody.getvalue() == ""


def test_progress_is_silent_where_nobody_looks() -> None:
    stderr = io.StringIO()
    times = ticking(0.0, 5.0, 9.0)
    with Output(io.StringIO(), stderr, lambda: next(times)).progress("indexing") as report:
        report(1, 10)
    assert stderr.getvalue() == ""


def test_times_are_utc() -> None:
    assert render_time(1_767_323_045_000) == "2026-01-02 03:04:05"
    assert render_time(None) is None


def test_long_work_is_announced_where_no_meter_shows_it() -> None:
    for stream, times, said in (
        (io.StringIO(), (0.0, 1.9), "importing it\n"),
        (io.StringIO(), (0.0, 7.2), "importing it\ndone after 7 s\n"),
        (Terminal(), (), ""),
    ):
        ticks = ticking(*times)
        with Output(io.StringIO(), stream, lambda ticks=ticks: next(ticks)).stage("importing it"):
            pass
        assert stream.getvalue() == said


def test_one_is_singular() -> None:
    assert [counted(n, "commit") for n in (0, 1, 2)] == ["0 commits", "1 commit", "2 commits"]
    assert counted(2, "repository", "repositories") == "2 repositories"
