"""Short versions of the race suite, the crash suite and the soak; the long ones are commands of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def run(program: str, *arguments: str) -> str:
    """Run one of the suites as its command does; what it said."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sixteen_clients_race_and_what_they_are_told_is_what_happened() -> None:
    said = run("race.py", "--clients", "16", "--servers", "1", "--tries", "1")
    assert "one branch: 16 clients, told 1" in said
    assert "own branches: 16 clients, told 16" in said
    assert said.rstrip().endswith("lost 0")


def test_processes_that_die_anywhere_break_no_promise() -> None:
    said = run("crash.py", "--runs", "8", "--seed", "3")
    assert "8 of 8 runs" in said
    assert "broken promises: 0" in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixteen_clients_race_through_two_servers_on_one_folder() -> None:
    assert run("race.py", "--clients", "16", "--servers", "2").rstrip().endswith("lost 0")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_is_ended_and_killed_under_clients_keeps_every_promise() -> None:
    said = run("soak.py", "--minutes", "0.4", "--clients", "4", "--restart-seconds", "8")
    assert "broken promises: 0" in said
