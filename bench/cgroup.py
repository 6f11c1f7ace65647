"""Processor time of a server's processes, however it starts and ends them, as control groups count it.

What a process has waited for is no measure of that: fcgiwrap lets the kernel reap its children, whose time is
then nobody's. A group needs cgroup version 2 and the right to make one, which root has.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


class ControlGroup:
    """A group of processes and of all that they start. Use it as a context, which ends after they have."""

    def __enter__(self) -> Self:
        self._folder = _mount() / f"imprint-bench-{uuid.uuid4().hex[:12]}"
        try:
            self._folder.mkdir()
        except OSError as error:
            raise SystemExit(
                f"{self._folder}: {error.strerror}: counting processor time needs root"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._folder.rmdir()

    def take(self, process_ids: Iterable[int]) -> None:
        """Count these from now on, and the processes that they start."""
        for process_id in process_ids:
            (self._folder / "cgroup.procs").write_text(str(process_id))

    def process_ids(self) -> list[int]:
        """Those that are there now."""
        return [int(line) for line in (self._folder / "cgroup.procs").read_text().split()]

    def cpu_seconds(self) -> float:
        """User and system seconds of all that were ever in it, to the microsecond."""
        lines = (self._folder / "cpu.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("usage_usec")) / 1e6

    def own_bytes(self) -> int:
        """Memory of those that are there now which is their own: mapped files are not counted."""
        return sum(map(_own_bytes, self.process_ids()))


def _mount() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(where, os.W_OK):
            return Path(where)
    raise SystemExit("counting processor time needs cgroup version 2, writable: run as root")


def _own_bytes(process_id: int) -> int:
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
