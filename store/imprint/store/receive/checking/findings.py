"""What index-pack wrote before it ended, in words for those who pushed.

Invariants:
    1. A machine that failed is never told as a fault of the pack, nor the other way round.
    2. What is told is bounded, however much git wrote.
"""

from __future__ import annotations

import signal
from typing import Final

from imprint.store.errors import LimitExceeded, PlumbingFailed, PushRefused, StorageFailed

WARNINGS_MAX: Final = 20
"""How many warnings about a pack are passed on."""
_MACHINE_AT_FAULT: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Input/output error",
    "Permission denied",
    "Too many open files",
)
"""Words of errno(3) in git's last lines that tell a failing machine from a bad pack."""
_OUT_OF_MEMORY: Final = ("Out of memory", "out of memory", "Cannot allocate memory", "mmap failed")
"""What git says when the kernel gives it no more (wrapper.c, zlib.c)."""


def raise_refusal(status: int, stderr: str) -> None:
    """Say what index-pack found, or that it could not do its work.

    Args:
        status: how it ended, as `subprocess` says it; not 0.
        stderr: what it wrote.

    Raises:
        StorageFailed: the disk, or the bound on files.
        LimitExceeded: memory.
        PlumbingFailed: it was killed.
        PushRefused: the pack is not good.
    """
    if status == -signal.SIGXFSZ or any(words in stderr for words in _MACHINE_AT_FAULT):
        raise StorageFailed(
            "the pack cannot be stored: " + (_last_line(stderr) or "a file would be too large"),
            hint="free disk space on the server, then push again",
        )
    if any(words in stderr for words in _OUT_OF_MEMORY):
        raise LimitExceeded(
            "checking the pack takes more memory than git may have here", limit="plumbing_memory_bytes_max"
        )
    if status < 0:
        raise PlumbingFailed("index-pack", status, stderr)
    raise PushRefused(_last_line(stderr) or f"index-pack ended with status {status}", rule="index-pack")


def find_warnings(stderr: str) -> tuple[str, ...]:
    """The warnings in what git wrote: the first `WARNINGS_MAX`, and how many more there are."""
    lines = [line.removeprefix("warning: ") for line in stderr.splitlines() if line.startswith("warning: ")]
    more = (f"and {len(lines) - WARNINGS_MAX} more",) if len(lines) > WARNINGS_MAX else ()
    return (*lines[:WARNINGS_MAX], *more)


def _last_line(stderr: str) -> str:
    """The lines that say what is wrong, in one."""
    lines = [
        line.removeprefix("error: ").removeprefix("fatal: ").strip()
        for line in stderr.splitlines()
        if line.startswith(("error: ", "fatal: "))
    ]
    return "; ".join(lines[-3:])[:1000]
