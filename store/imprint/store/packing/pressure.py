"""Whether the machine, or the group of processes that this one is held in, is short of memory.

What is kept to be quick is the first that should go then: the kernel would take a process instead. Sources:
proc_meminfo(5), and the kernel's "Control Group v2" (memory.max, memory.current, memory.stat). A system that
tells nothing of this is never short.

What Python lets go its allocator may keep: with glibc, pieces of each thread's arena, some hundred megabytes
after many large answers at once. malloc_trim(3) gives those back.
"""

from __future__ import annotations

import ctypes
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARE_MIN: Final = 0.05
"""With less of the memory left than this share, it is short."""
_LOOK_SECONDS: Final = 1.0
"""From one look to the next: each reads a few small files of the kernel."""
_KIB: Final = 1024


class Pressure:
    """Looks now and then how much memory is left. Safe to share between threads.

    Args:
        root: below which the kernel's files are; another one in tests.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, root: Path = Path("/"), now: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._now = now
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._is_short = False
        self._gave_back = float("-inf")

    def is_short(self) -> bool:
        """Whether too little is left, as of a second ago at most."""
        with self._lock:
            now = self._now()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._is_short = any(left < SHARE_MIN * whole for left, whole in self._list_left())
            return self._is_short

    def give_back(self) -> None:
        """Have the allocator give back what is free, unless it has a second ago; where it can."""
        with self._lock:
            now = self._now()
            if now - self._gave_back < _LOOK_SECONDS:
                return
            self._gave_back = now
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)

    def _list_left(self) -> Iterator[tuple[int, int]]:
        """Bytes that are left, and in all: of the machine and of each group that has a bound."""
        machine = _read_numbers(self._root / "proc/meminfo")
        if "MemTotal" in machine and "MemAvailable" in machine:
            yield machine["MemAvailable"] * _KIB, machine["MemTotal"] * _KIB
        top = self._root / "sys/fs/cgroup"
        folder = top / self._find_group()
        while folder != top:
            bound, used = _read_number(folder / "memory.max"), _read_number(folder / "memory.current")
            if bound is not None and used is not None:
                cached = _read_numbers(folder / "memory.stat").get("file", 0)  # given back when it is needed
                yield bound - max(0, used - cached), bound
            folder = folder.parent

    def _find_group(self) -> str:
        """The path of this process's group; empty where it has none of version 2."""
        for line in _read(self._root / "proc/self/cgroup").splitlines():
            if line.startswith("0::/"):
                return line.removeprefix("0::/").removeprefix("../")
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _read_number(path: Path) -> int | None:
    """What a file with one number says; None for "max", or without the file."""
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read_numbers(path: Path) -> dict[str, int]:
    """The numbers of a file of lines with a name and a number."""
    rows = (line.replace(":", " ").split() for line in _read(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
