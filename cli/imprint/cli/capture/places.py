"""Where capture keeps what it keeps, and what the clone's owner has set.

    <common>/imprint/ground/hooks/     the script that hooks call, and what was in files that we changed
    <common>/imprint/ground/spool/     notes of hooks that no sweep has read
    <common>/imprint/ground/capture.json   how far the sweep is, and what waits to be sent
    <common>/imprint/ground/off        there while capture is switched off
    <common>/imprint/cache/shell/      snapshots of work trees around shell tools, until a sweep has read them

Invariants:
    1. `imprint.capture = false` in any of git's settings ends capture: nothing is read, kept or sent.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imprint.cli.gitclient import GitClient

LOCK_SECONDS_MAX: Final = 600.0
INSTALL_SECONDS_MAX: Final = 30.0
_LOCK_POLL_SECONDS: Final = 0.1
_FALSE: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and files of capture in one clone.

    Attributes:
        common_dir: the Git folder that all worktrees share.
    """

    common_dir: Path

    @property
    def ground(self) -> Path:
        """What cannot be recomputed."""
        return self.common_dir / "imprint" / "ground"

    @property
    def hooks(self) -> Path:
        """The script, and what was in files before us."""
        return self.ground / "hooks"

    @property
    def recorder(self) -> Path:
        """The script that every hook calls."""
        return self.hooks / "record"

    @property
    def spool(self) -> Path:
        """Notes of hooks."""
        return self.ground / "spool"

    @property
    def state(self) -> Path:
        """How far the sweep is."""
        return self.ground / "capture.json"

    @property
    def off(self) -> Path:
        """There while capture is off: what the script looks at."""
        return self.ground / "off"

    @property
    def waking(self) -> Path:
        """Names the process of a sweep that is about to begin."""
        return self.ground / "waking"

    @property
    def snapshots(self) -> Path:
        """Objects of snapshots."""
        return self.common_dir / "imprint" / "cache" / "shell"

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Hold the lock of the one sweep; False where another did not end in time."""
        with holding(self.ground / "sweep.lock", LOCK_SECONDS_MAX) as is_held:
            yield is_held


@contextmanager
def holding(file: Path, seconds_max: float = INSTALL_SECONDS_MAX) -> Iterator[bool]:
    """Hold a lock, a file that is made if it is not there; False where another did not let it go in time."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        ends_at = time.monotonic() + seconds_max
        is_held = _try_lock(descriptor)
        while not is_held and time.monotonic() < ends_at:
            time.sleep(_LOCK_POLL_SECONDS)
            is_held = _try_lock(descriptor)
        yield is_held
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the owner of a clone has set, in git's settings below `imprint.`.

    Attributes:
        is_on: `imprint.capture`, true if unset.
        excluded: `imprint.captureExclude`, folders whose sessions are left alone; may be given repeatedly.
        server: `imprint.server`, the server to send to; None to look at the remotes.
        repository: `imprint.repository`, its `owner/name` there.
    """

    is_on: bool = True
    excluded: tuple[Path, ...] = ()
    server: str | None = None
    repository: str | None = None


def read_wishes(git: GitClient, home: Path) -> Wishes:
    """The settings as git has them for a folder."""
    try:
        listed = git.run("config", "--null", "--get-regexp", r"^imprint\.")
    except CommandError:  # none is set
        return Wishes()
    found: dict[str, list[str]] = {}
    for item in listed.split("\0"):
        name, _, value = item.partition("\n")
        found.setdefault(name, []).append(value)
    excluded = found.get("imprint.captureexclude", [])
    return Wishes(
        is_on=found.get("imprint.capture", ["true"])[-1].lower() not in _FALSE,
        excluded=tuple(_expand(one, home) for one in excluded if one),
        server=found.get("imprint.server", [None])[-1] or None,
        repository=found.get("imprint.repository", [None])[-1] or None,
    )


def _expand(text: str, home: Path) -> Path:
    return home / text.removeprefix("~/") if text.startswith("~/") else home / text


def list_work_trees(git: GitClient, common_dir: Path) -> list[str]:
    """Work trees of a clone, the main one first; of a bare repository, first its own folder.

    Git lists the Git folder as the main one where that is not `.git` in its work tree: in a submodule, or
    after `git init --separate-git-dir` (git-worktree(1) does not say so).

    Raises:
        CommandError: git refused.
    """
    listed = git.run("worktree", "list", "--porcelain", "-z").split("\0")
    tops = [item.removeprefix("worktree ") for item in listed if item.startswith("worktree ")]
    if tops and _is_same(tops[0], common_dir):
        tops[0] = _find_main_top(git, common_dir) or tops[0]
    return tops


def _find_main_top(git: GitClient, common_dir: Path) -> str | None:
    """The main work tree as git tells it there, or as the clone's settings do."""
    with suppress(CommandError):
        if _is_same(git.run("rev-parse", "--absolute-git-dir"), common_dir):
            return git.run("rev-parse", "--show-toplevel")
    with suppress(CommandError):
        named = git.run("config", "--file", str(common_dir / "config"), "core.worktree")
        return os.path.realpath(common_dir / named)
    return None


def _is_same(path: str, folder: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(folder)


def find_home(environment: Mapping[str, str]) -> Path:
    """The user's home as the environment names it."""
    return Path(environment.get("HOME") or "/nonexistent")


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where is kept what was in files of the user before us (XDG Base Directory Specification)."""
    named = environment.get("XDG_STATE_HOME") or ""
    base = Path(named) if named.startswith("/") else find_home(environment) / ".local" / "state"
    return base / "imprint" / "hooks"
