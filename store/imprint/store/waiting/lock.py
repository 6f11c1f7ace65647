"""A lock on a file, for threads and processes alike.

Invariants:
    1. At most one holder in exclusive mode on the machine; the kernel gives the lock back when the holder
       dies, so that a crash never leaves it taken.
    2. Threads of one process queue in the process first, so that the kernel sees one waiter per process.

The lock is flock(2) on a file of its own: it must be on a local file system. Not re-entrant.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imprint.store.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is made when first taken and never removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, and hold it to the end of the block.

        Raises:
            StorageFailed: the file cannot be opened.
        """
        with self._threads:
            try:
                # A descriptor of its own each time: one kept across a fork would be shared with the child.
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as failure:
                raise StorageFailed(f"{self._path}: {failure.strerror}") from failure
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
