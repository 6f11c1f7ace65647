"""A content by its lines, without cutting it into them: of a version of a file, a few lines are asked for.

Invariant: a line that the content does not have is empty, and lies at its end.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from imprint.semantic.index.arrays import Array

_LINE_END: Final = 0x0A


class Lines:
    """The lines of a content, counted from 1.

    Attributes:
        content: all of it.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    @cached_property
    def _ends(self) -> Array:
        ends: Array = (np.frombuffer(self.content, np.uint8) == _LINE_END).nonzero()[0]
        return ends

    def begin(self, line: int) -> int:
        """Where a line begins, in bytes."""
        if line <= 1:
            return 0
        ends = self._ends
        return int(ends[line - 2]) + 1 if line - 2 < len(ends) else len(self.content)

    def end(self, line: int) -> int:
        """Where it ends, its line end left out."""
        ends = self._ends
        return int(ends[line - 1]) if line - 1 < len(ends) else len(self.content)

    def text(self, first: int, last: int) -> bytes:
        """The lines from one to another, both with them."""
        return self.content[self.begin(first) : self.end(last)]
