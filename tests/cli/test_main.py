"""How the command line begins and ends."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imprint.cli import commands
from imprint.semantic.search import query

HEAVY = ("dulwich", "numpy", "lancedb", "sqlalchemy", "fastapi", "pyarrow", "tree_sitter", "httpx", "rich")
"""Not pydantic: Typer itself imports it to read the parameters of a command."""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["why", "--help"], ["token", "create", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys, runpy\n"
        f"sys.argv = ['imprint', *{arguments!r}]\n"
        "try:\n"
        "    runpy.run_module('imprint.cli.main', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print(sorted(set(sys.modules) & {{*{HEAVY!r}}}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_usage_error_imports_nothing_heavy_and_ends_with_2(imprint) -> None:
    ended = imprint("token", "create")
    assert ended.code == 2
    assert (
        ended.stderr
        == "imprint: error: Missing option '--actor'.\n  'imprint token create --help' says more\n"
    )
    assert ended.stdout == ""


def test_no_command_shows_help_and_ends_with_2(imprint) -> None:
    ended = imprint()
    assert ended.code == 2
    assert "Usage: imprint" in ended.stderr
    assert ended.stdout == ""


def test_help_is_a_result(imprint) -> None:
    ended = imprint("--help")
    assert ended.code == 0
    assert "Usage: imprint" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["bogus"], "bogus"),
        (["repo"], "command"),
        (["repo", "bogus"], "bogus"),
        (["search"], "QUERY"),
        (["search", "x", "--limit", "0"], "limit"),
        (["search", "x", "--limit", "201"], "less than or equal to 200"),
        (["why", "README.md"], "FILE:LINE"),
        (["why", "README.md:0"], "FILE:LINE"),
        (["why", "README.md:1²"], "FILE:LINE"),
        (["why", "README.md:9-3"], "FILE:LINE"),
        (["why", "two words"], "FILE:LINE"),
        (["repo", "list", "--data", "a", "--server", "http://b"], "--data and --server"),
        (["repo", "list"], "say where"),
        (["repo", "list", "--server", "ftp://b"], "address"),
        (["repo", "list", "--server", "nonsense"], "address"),
        (["search", "x", "--repo", "acme/app"], "say where"),
        (["search", "x", "--server", "http://127.0.0.1:1"], "--repo"),
        (["serve", "--port", "99999"], "port"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what(imprint, arguments: list[str], word: str) -> None:
    ended = imprint(*arguments)
    assert ended.code == 2
    assert ended.stderr.startswith("imprint: error: ")
    assert word.lower() in ended.stderr.lower()


def test_the_bound_of_a_search_is_one() -> None:
    assert commands.search.LIMIT_MAX == query.LIMIT_MAX


def test_outside_of_a_clone_reading_commands_say_where_to_go(imprint) -> None:
    ended = imprint("search", "x")
    assert ended.code == 1
    assert "not inside a Git repository" in ended.stderr
    assert "--server" in ended.stderr


def test_what_is_said_beside_a_result_needs_no_reader(tmp_path: Path) -> None:
    """As `imprint ... 2>&1 | head -1`, which has its line: what is noted last is no failure."""
    command = [sys.executable, "-m", "imprint.cli.main", "repo", "settings"]
    data = tmp_path / "data"
    made = [sys.executable, "-m", "imprint.cli.main", "repo", "create", "acme/app", "--data", str(data)]
    subprocess.run(made, check=True, capture_output=True)
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*command, "acme/app", "--data", str(data)], stdout=subprocess.PIPE, stderr=writing, check=False
    )
    os.close(writing)
    assert ended.returncode == 0


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """As `imprint ... | head -0`: quiet, and reported as shells report it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imprint.cli.main", "doctor", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), said) == (141, b"")


def test_an_interrupt_is_quiet_and_ends_with_130(tmp_path: Path) -> None:
    """Ctrl-C while a command waits for a server that never answers."""
    program = (
        "import socket, subprocess, sys, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in background jobs, and inherited\n"
        "silent = socket.create_server(('127.0.0.1', 0))\n"
        "silent.settimeout(90)\n"
        "address = 'http://127.0.0.1:%d' % silent.getsockname()[1]\n"
        "command = [sys.executable, '-m', 'imprint.cli.main', 'repo', 'list', '--server', address]\n"
        "process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "connection, _ = silent.accept()\n"
        "request = b''\n"
        "while not request.endswith(b'\\r\\n\\r\\n'):\n"
        "    request += connection.recv(4096)\n"
        "time.sleep(0.3)  # the request is whole; what follows in the command is waiting\n"
        "process.send_signal(signal.SIGINT)\n"
        "out, err = process.communicate(timeout=90)\n"
        "print(process.returncode, out, err)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=110, check=True
    )
    assert done.stdout == "130 b'' b''\n"


def test_start_up_is_quick() -> None:
    """Generous, for a busy machine: an import of a heavy library would still show."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "imprint.cli.main", "--help"], stdout=subprocess.DEVNULL, check=True
        )
        times.append(time.perf_counter() - start)
    assert min(times) < 1.0


def test_the_environment_stands_in_for_the_options(imprint_process: Callable[..., object]) -> None:
    ended = imprint_process("repo", "list", IMPRINT_SERVER="http://127.0.0.1:1", IMPRINT_TOKEN="imprint_x")
    assert ended.code == 1
    assert "nothing answers at http://127.0.0.1:1" in ended.stderr


def test_an_empty_variable_is_as_none(imprint_process: Callable[..., object]) -> None:
    ended = imprint_process("repo", "list", IMPRINT_SERVER="")
    assert ended.code == 2


def test_the_doctor_finds_what_is_there(imprint) -> None:
    ended = imprint("doctor", "--json")
    assert ended.code == 0
    assert ended.document["ok"]
    assert {check["what"] for check in ended.document["checks"]} >= {"imprint[server]", "imprint[semantic]"}
    assert "git version" in imprint("doctor").stdout


def test_the_doctor_misses_git(imprint_process, tmp_path: Path) -> None:
    ended = imprint_process("doctor", PATH=str(tmp_path))
    assert ended.code == 1
    assert "none on the PATH" in ended.stdout


def test_without_git_an_import_says_what_to_install(imprint_process, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    ended = imprint_process("import", "source", "acme/app", "--data", "data", PATH=str(tmp_path))
    assert ended.code == 1
    assert "git" in ended.stderr


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m imprint.cli.main doctor >&- 2>&-', sys.executable], check=False
    )
    assert done.returncode == 0


def test_a_locale_without_unicode_shows_escapes(imprint_process, work_tree) -> None:
    work_tree.commit_file("src/app.py", "# grüße\n")
    ended = imprint_process(
        "blame", "src/app.py", cwd=work_tree.folder, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C"
    )
    assert ended.code == 0
    assert r"gr\xfc\xdfe" in ended.stdout
