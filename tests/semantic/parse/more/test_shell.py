"""Shell: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


SHELL = """\
#!/usr/bin/env bash
# Jobs and their queue.

source ./lib/base.sh
. "$ROOT/clock.sh"

LIMIT=10
readonly ROOT=/srv
declare -r -i most=3
export STATE="waiting"
alias ll='ls -l'

# Runs one.
#
# It runs once.
run() {
  local times=$1
  name=$2
  push_job "$name" | filter_jobs
  inner() { log; }
  if ! check "$(now)"; then
    return 1
  fi
}

function stop { kill_job; }

if true; then
  run 1
fi

@test "runs once" {
  run check
}
"""


def test_shell_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.sh", SHELL) == [
        "constant LIMIT 7-7",
        "constant ROOT 8-8",
        "constant most 9-9",
        "constant STATE 10-10",
        "function run 16-24",
        "function run.inner 20-20",
        "function stop 26-26",
        "test runs once 32-34",
    ]


def test_shell_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.sh", SHELL, ReferenceKind.CALL) == [
        "push_job 19 run",
        "filter_jobs 19 run",
        "log 20 run.inner",
        "check 21 run",
        "now 21 run",
        "kill_job 26 stop",
        "run 29",
        "run 33 runs once",
    ]
    assert mentions("a.sh", SHELL, ReferenceKind.IMPORT) == [
        "./lib/base.sh 4",
        "$ROOT/clock.sh 5",
    ]


def test_shell_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.sh", SHELL) == {
        "": "Jobs and their queue.",
        "run": "Runs one.",
    }


def test_shell_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.sh", SHELL) == {
        "LIMIT": "LIMIT=10",
        "ROOT": "readonly ROOT=/srv",
        "most": "declare -r -i most=3",
        "STATE": 'export STATE="waiting"',
        "run": "run()",
        "run.inner": "inner()",
        "stop": "function stop",
        "runs once": '@test "runs once"',
    }
