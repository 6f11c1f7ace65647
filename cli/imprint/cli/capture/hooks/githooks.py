"""Our lines in the hooks of git, beside whatever manages or fills them already.

Invariants:
    1. Every hook that ran before runs after, with the same arguments, input, name and status.
    2. A folder of hooks that other repositories use too is changed only when the user's settings are meant.
       One in the clone that a link takes out of it is not changed at all.
    3. Nothing depends on these hooks but how soon a commit is linked: the sweep reads the reflogs.

How a hook that is there is kept:

    a shell script      our lines come after its first line, before it can exit
    anything else       it moves to `NAME.imprint-kept`, and a script of ours calls both
    husky               a file of ours in `.husky` if there is none, else our lines in what husky made
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.capture.hooks.files import Change, read_file
from imprint.cli.capture.hooks.script import (
    BEGIN,
    END,
    POST_COMMIT,
    POST_REWRITE,
    render_git_hook,
    render_wrapper,
)
from imprint.cli.capture.hooks.unlinked import resolve
from imprint.cli.errors import CommandError

if TYPE_CHECKING:
    from imprint.cli.capture.hooks.files import Manifest
    from imprint.cli.gitclient import GitClient

NAMES: Final = (POST_COMMIT, POST_REWRITE)
OWNER: Final = "git"
_SHEBANG: Final = re.compile(
    rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*)?(?:busybox[ \t]+)?(?:ba|da|z|k|a)?sh\b"
)
_BLOCK: Final = re.compile(re.escape(BEGIN.encode()) + rb".*?" + re.escape(END.encode()) + rb"\n?", re.DOTALL)
_KEPT: Final = ".imprint-kept"
_EXECUTABLE: Final = 0o755


@dataclass(frozen=True, slots=True)
class HooksFolder:
    """Where git looks for the hooks of a clone.

    Attributes:
        path: the folder, its links resolved.
        scope: `local` for one that is the clone's; else that of the setting: `global`, `system`.
        manager: `husky`, `lefthook`, `pre-commit` or empty.
        is_stray: whether it is named in the clone, and a link leads out of it.
    """

    path: Path
    scope: str
    manager: str = ""
    is_stray: bool = False


def find_folder(git: GitClient, top: Path, common_dir: Path) -> HooksFolder:
    """Where git looks for hooks in a work tree.

    Args:
        git: in the work tree.
        top: the work tree, resolved.
        common_dir: its Git folder, resolved.

    Raises:
        LeadsOut: its links lead to themselves.
    """
    named = Path(os.path.normpath(top / git.run("rev-parse", "--git-path", "hooks")))
    path = resolve(named)
    roots = (top, common_dir)
    is_within = any(resolve(one) in roots for one in (named, *named.parents))
    is_stray = is_within and not any(path.is_relative_to(root) for root in roots)
    try:
        told = git.run("config", "--show-scope", "--get", "core.hooksPath")
    except CommandError:
        told = "local"
    scope = told.partition("\t")[0].replace("worktree", "local")
    return HooksFolder(path, scope, "" if is_stray else _find_manager(path, top), is_stray)


def _find_manager(folder: Path, top: Path) -> str:
    if ".husky" in folder.parts:
        return "husky"
    texts = b""
    for one in sorted(folder.glob("pre-*")):
        with suppress(OSError):
            texts += (one.suffix != ".sample" and read_file(one)) or b""
    if b"lefthook" in texts.lower():
        return "lefthook"
    return "pre-commit" if b"pre-commit.com" in texts or (top / ".pre-commit-config.yaml").exists() else ""


def hook_path(folder: HooksFolder, name: str, manifest: Manifest) -> Path:
    """The file that our lines for a hook go into."""
    if folder.manager == "husky" and folder.path.name == "_":
        beside = folder.path.parent / name
        if manifest.find(beside) or not os.path.lexists(beside):
            return beside
    return folder.path / name


def plan(folder: HooksFolder, name: str, manifest: Manifest) -> Change | None:
    """The change that puts our lines into a hook; None where they are in already.

    Raises:
        OSError: what is there is a folder, or cannot be read.
    """
    path = hook_path(folder, name, manifest)
    block = render_git_hook(name).encode()
    if not os.path.lexists(path):
        return Change(path, OWNER, None, b"#!/bin/sh\n" + block, _EXECUTABLE)
    kept = path.with_name(name + _KEPT)
    wrapper = render_wrapper(name, kept.name).encode()
    if path.is_symlink():
        return Change(path, OWNER, b"", wrapper, _EXECUTABLE, moved_to=kept)
    current = read_file(path) or b""
    if block in current:
        return None
    if _takes_lines(path, current):
        stripped = _BLOCK.sub(b"", current)
        note = (
            f"{folder.manager} may write {name} anew: 'imprint hooks status' tells" if folder.manager else ""
        )
        return Change(path, OWNER, current, _insert(stripped, block), note=note)
    return Change(path, OWNER, current, wrapper, _EXECUTABLE, moved_to=kept)


def _takes_lines(path: Path, content: bytes) -> bool:
    """Whether a hook is a shell script that git runs: others are called from one of ours."""
    if not stat.S_IMODE(path.stat().st_mode) & 0o111 or b"\0" in content:
        return False
    return bool(_SHEBANG.match(content)) or not content.startswith(b"#!")


def _insert(content: bytes, block: bytes) -> bytes:
    if not content.startswith(b"#!"):
        return block + content
    first, _, rest = content.partition(b"\n")
    return first + b"\n" + block + rest


def strip(content: bytes) -> bytes | None:
    """A hook, or a list of patterns, without our lines; None if nothing that does something is left."""
    left = _BLOCK.sub(b"", content)
    is_wrapper = _KEPT.encode() in left
    return None if is_wrapper or left.strip() in (b"", b"#!/bin/sh") else left


def plan_exclude(common_dir: Path, names: list[str], manifest: Manifest) -> Change | None:
    """The change that keeps files that we made in the work tree out of everybody's commits."""
    path = resolve(common_dir / "info" / "exclude")
    current = read_file(path)
    known = _BLOCK.search(current or b"")
    listed = set(known[0].splitlines()[1:-1]) if known else set()
    wanted = listed | {b"/" + os.fsencode(name) for name in names}
    if wanted == listed:
        return None
    base = manifest.read_before(path, current) or b""
    base = _BLOCK.sub(b"", base)
    gap = b"" if base.endswith(b"\n") or not base else b"\n"
    block = b"\n".join([BEGIN.encode(), *sorted(wanted), END.encode(), b""])
    return Change(path, OWNER, current, base + gap + block)
