"""The user's own git, run as they would run it: for cloning what is imported, for pushing, for the sample.

Invariants:
    1. A token reaches git in its environment (GIT_CONFIG_COUNT, git-config(1)), never on a command line, and
       only for addresses of the server it is for.
    2. Variables that tie git to one repository do not reach it, whatever hook or alias this process runs in.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final, TextIO

from imprint.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIES: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""What `git rev-parse --local-env-vars` names, without configuration, and a hook's quarantine."""
_SAID_BYTES_KEPT: Final = 64 * 1024


class GitClient:
    """Runs git.

    Args:
        environment: of the user.
        folder: where to run; None for the current directory.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path | None = None) -> None:
        self._environment = {name: value for name, value in environment.items() if name not in _TIES}
        self._folder = folder

    @classmethod
    def shut_off(cls, environment: Mapping[str, str], folder: Path) -> GitClient:
        """A client that no configuration of the machine or user reaches."""
        kept = {name: environment[name] for name in ("PATH", "TMPDIR") if name in environment}
        alone = {
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        return cls(kept | alone, folder)

    def presenting(self, address: str, token: str | None) -> GitClient:
        """A client that presents a token to the server at an address."""
        if token is None:
            return self
        count = int(self._environment.get("GIT_CONFIG_COUNT") or 0)
        configured = {
            "GIT_CONFIG_COUNT": str(count + 1),
            f"GIT_CONFIG_KEY_{count}": f"http.{address}/.extraHeader",
            f"GIT_CONFIG_VALUE_{count}": f"Authorization: Bearer {token}",
        }
        return GitClient(self._environment | configured, self._folder)

    def run(self, *arguments: str, stdin: str = "", more: Mapping[str, str] | None = None) -> str:
        """Run git and return what it printed, without the last newline; `more` goes into its environment.

        Raises:
            CommandError: it failed, or there is no git.
        """
        try:
            done = subprocess.run(
                ["git", *arguments],  # noqa: S607 - the git on the user's PATH is the one to run
                cwd=self._folder,
                env=self._environment | dict(more or {}),
                input=stdin,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError as absent:
            raise _no_git() from absent
        if done.returncode:
            raise CommandError(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout.removesuffix("\n")

    def show(self, *arguments: str, stderr: TextIO | Withheld | None = None) -> tuple[int, str]:
        """Run git with its progress and questions on the terminal, or what it says in `stderr`.

        Returns:
            Its exit status, and the last of what it said.

        Raises:
            CommandError: there is no git.
        """
        try:
            process = subprocess.Popen(
                ["git", *arguments],  # noqa: S607 - the git on the user's PATH is the one to run
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as absent:
            raise _no_git() from absent
        with process:
            assert process.stderr  # noqa: S101 - it is a pipe
            said = _pass_on(process.stderr.fileno(), stderr or sys.stderr)
        return process.returncode, said


class Withheld(io.TextIOBase):
    """Passes git's progress on to a terminal, and keeps its whole lines until they are wanted.

    Args:
        target: the terminal, or what stands in for it.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._lines: list[str] = []
        self._rest = ""

    def write(self, text: str) -> int:
        """Take what git says: a line that is to be overwritten is shown, any other is kept."""
        *whole, self._rest = re.split(r"(?<=[\r\n])", self._rest + text)
        for line in whole:
            if line.endswith("\r"):
                self._target.write(line)
            else:
                self._lines.append(line)
        return len(text)

    def flush(self) -> None:
        """Let progress be seen."""
        self._target.flush()

    def end_progress(self) -> None:
        """Clear what is left of it on a terminal."""
        if self._target.isatty():
            self._target.write("\r\x1b[K")

    def release(self) -> None:
        """Show the lines that were kept."""
        self._target.write("".join([*self._lines, self._rest]))
        self._lines, self._rest = [], ""
        self._target.flush()


def _pass_on(source: int, target: TextIO | Withheld) -> str:
    """Write everything from a pipe as it comes; return the last of it."""
    said = b""
    while piece := os.read(source, 8192):
        target.write(piece.decode("utf-8", "replace"))
        target.flush()
        said = (said + piece)[-_SAID_BYTES_KEPT:]
    return said.decode("utf-8", "replace")


def _no_git() -> CommandError:
    return CommandError("there is no git on the PATH", hint="install git 2.36 or newer")
