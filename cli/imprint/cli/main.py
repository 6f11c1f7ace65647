"""The entry point: reads the environment, carries out one command, turns its end into words and an exit code.

This is the only module of Imprint that reads the environment.

Invariants:
    1. What a person did wrong is said in two lines on stderr, never as a traceback.
    2. A reader that goes away (`imprint ... | head`) and an interrupt end the command without a word.
"""

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from imprint.cli.call import Surroundings
from imprint.cli.commands import app
from imprint.cli.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_READER_GONE, describe, exit_code
from imprint.cli.output import Output, ReaderGone


def main() -> None:
    """Carry out the command of this process and exit."""
    _prepare_streams()
    code = run(sys.argv[1:], _read_surroundings())
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = EXIT_READER_GONE
    if code == EXIT_READER_GONE:
        _close(sys.stdout)
    try:
        sys.stderr.flush()
    except BrokenPipeError:
        _close(sys.stderr)
    sys.exit(code)


def run(arguments: Sequence[str], surroundings: Surroundings) -> int:
    """Carry out one command and return its exit code; errors have been said."""
    try:
        ended = _commands()(list(arguments), prog_name="imprint", standalone_mode=False, obj=surroundings)
    except typer.TyperException as wrong:
        Output.standard().error(wrong.format_message(), _usage_hint(wrong))
        return wrong.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except ReaderGone:
        return EXIT_READER_GONE
    except Exception as error:
        described = describe(error)
        if described is None:
            raise
        Output.standard().error(described.message, described.hint)
        return exit_code(described)
    return ended if isinstance(ended, int) else EXIT_DONE


@functools.cache
def _commands() -> Callable[..., Any]:
    """All commands with their options, read once from the signatures of their functions."""
    return typer.main.get_command(app).main


def _prepare_streams() -> None:
    """Whatever the locale, every text can be written; a stream that was closed by the caller goes nowhere."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _read_surroundings() -> Surroundings:
    environment = dict(os.environ)  # noqa: TID251 - this is the module that reads it
    return Surroundings(
        directory=Path.cwd(),
        environment=environment,
        server=environment.get("IMPRINT_SERVER") or None,
        token=environment.get("IMPRINT_TOKEN") or None,
        program=_name_program(environment.get("PATH")),
    )


def _name_program(search_path: str | None) -> str:
    """How to call this program again: by name where a shell finds it, else as it was called."""
    called = Path(sys.argv[0])
    if called.suffix == ".py":
        return shlex.join([sys.executable, "-m", "imprint.cli.main"])
    found = shutil.which("imprint", path=search_path)
    is_found = found is not None and Path(found).resolve() == called.resolve()
    return "imprint" if is_found else shlex.quote(str(called))


def _usage_hint(wrong: typer.TyperException) -> str:
    context = getattr(wrong, "ctx", None)
    return f"'{context.command_path} --help' says more" if context is not None else ""


def _close(stream: TextIO) -> None:
    """Let the interpreter's last flush go nowhere instead of complaining about the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    main()
