"""Which refs clients neither see nor change: the store's own, and those that a repository's settings name.

Source: git-config(1), `transfer.hideRefs`.

Invariants:
    1. No setting shows a ref that is the store's own.
    2. The last pattern that matches a name decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.catalog.ports import RepositoryRecord

HIDDEN_NAMESPACES: Final = (b"refs/imprint/",)
"""Refs that are the store's own: not shown to clients, not theirs to change."""
HIDE_REFS: Final = "transfer.hideRefs"
"""The setting: patterns, one a line."""

HIDDEN_REFUSED: Final = "deny updating a hidden ref"
"""Said of a change of a hidden ref; git's words."""


def is_hidden(name: bytes) -> bool:
    """Whether the ref is the store's own, or would be on a file system that folds letter case."""
    return name.lower().startswith(HIDDEN_NAMESPACES)


@dataclass(frozen=True, slots=True)
class HiddenRefs:
    """The hidden refs of one repository.

    Attributes:
        patterns: names of refs and of folders of refs, in the order of the setting. `!` before one shows what
            an earlier one hides. `^` before one means the full name, which here every name is.
    """

    patterns: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, record: RepositoryRecord) -> Self:
        """Those that a repository's settings name."""
        lines = record.settings.get(HIDE_REFS, "").encode("utf-8", "surrogateescape").split(b"\n")
        return cls(tuple(line.strip() for line in lines if line.strip()))

    @property
    def hides(self) -> Callable[[bytes], bool]:
        """Tells of a name whether clients are not to see the ref. To be taken once for many names."""
        return self._match if self.patterns else is_hidden

    def _match(self, name: bytes) -> bool:
        if is_hidden(name):
            return True
        for pattern in reversed(self.patterns):
            shows = pattern.startswith(b"!")
            prefix = pattern.removeprefix(b"!").removeprefix(b"^").rstrip(b"/")
            if name == prefix or name.startswith(prefix + b"/"):
                return not shows
        return False
