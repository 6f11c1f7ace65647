"""`imprint doctor`: whether this machine has what Imprint needs."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import typer

from imprint.cli.call import Call, prints
from imprint.cli.ports import Document

GIT_VERSION_MIN: Final = (2, 36)
"""The first git that takes configuration from GIT_CONFIG_COUNT: credentials stay off command lines."""
_EXTRAS: Final = {
    "server": ("fastapi", "jinja2", "uvicorn"),
    "semantic": ("lancedb", "numpy", "pyarrow", "tree-sitter"),
}


@prints
def doctor(call: Call) -> None:
    """Check that git and the optional parts of Imprint are there.

    Exit code 1 when something is missing.
    """
    checks = [_check_git(call), *(_check_extra(name) for name in _EXTRAS)]
    is_well = all(check["ok"] for check in checks)
    if call.as_json:
        call.output.document({"ok": is_well, "checks": checks})
    else:
        rows = [["ok" if check["ok"] else "missing", check["what"], check["found"]] for check in checks]
        call.output.table(["state", "what", "found"], rows)
    if not is_well:
        raise typer.Exit(1)


def _check_git(call: Call) -> Document:
    needed = ".".join(map(str, GIT_VERSION_MIN))
    try:
        said = subprocess.run(
            ["git", "--version"],  # noqa: S607 - the git on the user's own PATH is the one in question
            capture_output=True,
            text=True,
            check=False,
            env=dict(call.surroundings.environment),
        ).stdout.strip()
    except OSError:
        said = ""
    match = re.search(r"(\d+)\.(\d+)", said)
    is_new_enough = match is not None and (int(match[1]), int(match[2])) >= GIT_VERSION_MIN
    return {"what": f"git {needed} or newer", "ok": is_new_enough, "found": said or "none on the PATH"}


def _check_extra(name: str) -> Document:
    found, absent = [], []
    for package in _EXTRAS[name]:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            absent.append(package)
    text = f"no {', '.join(absent)}: pip install 'imprint[{name}]'" if absent else ", ".join(found)
    return {"what": f"imprint[{name}]", "ok": not absent, "found": text}
