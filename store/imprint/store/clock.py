"""Time and ids are inputs: the ports, their real forms, and strict forms for tests."""

from __future__ import annotations

import os
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Where the store reads the time."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...


class Ids(Protocol):
    """Where the store takes ids and secrets."""

    def new_id(self, prefix: str) -> str:
        """A new, unique id: the prefix, an underscore, 26 characters; later ids sort after earlier ones."""
        ...

    def new_secret(self) -> str:
        """A new secret of at least 160 random bits, letters and digits only."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000


_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_CHARACTERS = (_CROCKFORD * 8).encode("ascii")
"""What each byte stands for: five of its bits."""
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH = 40
"""40 characters of base 62 hold 238 bits."""


def render_base32(number: int, length: int) -> str:
    """The number in Crockford's base 32, padded with zeros to `length` characters."""
    pairs = []
    for _ in range(0, length, 2):
        number, pair = divmod(number, 1024)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-length:]


class RandomIds:
    """ULIDs (48 bits of time, 80 of randomness; https://github.com/ulid/spec) in lower case."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new_id(self, prefix: str) -> str:
        """A new id, sorted by time."""
        random = os.urandom(16).translate(_CHARACTERS).decode("ascii")
        return f"{prefix}_{render_base32(self._clock.now_ms(), 10)}{random}"

    def new_secret(self) -> str:
        """A new secret from the operating system's randomness."""
        return "".join(secrets.choice(_BASE62) for _ in range(SECRET_LENGTH))


class ManualClock:
    """A clock for tests: it stands still until told to move."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """The time it was last set to."""
        return self._now_ms

    def advance(self, by_ms: int) -> None:
        """Move forward; a clock never goes back."""
        if by_ms < 0:
            msg = "a clock never goes back"
            raise AssertionError(msg)
        self._now_ms += by_ms


class CountingIds:
    """Ids for tests: predictable, unique and sorted."""

    def __init__(self) -> None:
        self._count = 0

    def new_id(self, prefix: str) -> str:
        """The next id in sequence."""
        self._count += 1
        return f"{prefix}_{self._count:026d}"

    def new_secret(self) -> str:
        """The next secret in sequence: as long as a real one."""
        self._count += 1
        return f"{self._count:0{SECRET_LENGTH}d}"
