"""What the server says of itself, on every service.

Source: gitprotocol-capabilities(5).
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.store.types import HashAlgorithm

AGENT: Final = f"agent=imprint/{metadata.version('imprint')}"
_FORMAT: Final = b"object-format="


def verify_object_format(capabilities: Iterable[bytes], algorithm: HashAlgorithm) -> None:
    """Check that a client means the repository's object format, if it names one.

    Raises:
        ProtocolError: it means another.
    """
    for capability in capabilities:
        if capability.startswith(_FORMAT) and capability.removeprefix(_FORMAT) != algorithm.value.encode():
            raise ProtocolError(f"this repository's object format is {algorithm.value}")
