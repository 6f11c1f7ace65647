"""What turns passages and questions into vectors.

Every promise below is tested on every implementation by `tests/contracts/test_encoder.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Vectors = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Passage:
    """What a passage's vector depends on. Its path is not among it: one content stands at many.

    Attributes:
        text: its lines.
        symbol: qualified name of the definition that it mainly is; empty for none.
        language: name of its language.
    """

    text: str
    symbol: str = ""
    language: str = ""


class Encoder(Protocol):
    """Encodes passages, paths and questions into one space. Safe to share between threads.

    A passage at a path fits a question by `question . passage + path_share * question . path`.
    """

    @property
    def name(self) -> str:
        """Which vectors these are, the version included: those of two names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def path_share(self) -> float:
        """What a path's nearness is worth beside its passage's."""
        ...

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        """One row for each, of unit length; zeros where nothing is known of it. Equal for equal passages."""
        ...

    def encode_paths(self, paths: Sequence[str]) -> Vectors:
        """One row for each path, likewise."""
        ...

    def encode_question(self, text: str) -> Vectors:
        """One vector of unit length; zeros where nothing is known of it."""
        ...
