"""How a large object is named, and the small text that stands for it in a repository.

A pointer is a text of `key value` lines, `version` first, then the others in the order of the alphabet:

    version https://git-lfs.github.com/spec/v1
    oid sha256:<64 hexadecimal digits>
    size <bytes>

Source: docs/spec.md of git-lfs/git-lfs. Pointers with extension lines are rare, and are not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from imprint.store.errors import BadLargeObject

POINTER_BYTES: Final = range(126, 145)
"""The sizes that such a text can have: from one digit of size to nineteen."""
_OID: Final = re.compile(r"[0-9a-f]{64}\Z")
_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,18})\n\Z"
)


class LargeObjectId(str):
    """The SHA-256 of a large object's content: 64 lower-case hexadecimal digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check an id that came from outside.

        Raises:
            BadLargeObject: it is none.
        """
        if not _OID.match(text):
            raise BadLargeObject(
                f"{text[:80]!r} is not the id of a large object",
                hint="it is the SHA-256 of the content, 64 lower-case hexadecimal digits",
            )
        return cls(text)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a repository says of a large object.

    Attributes:
        oid: the hash of its content.
        size_bytes: how long the content is.
    """

    oid: LargeObjectId
    size_bytes: int

    @classmethod
    def read(cls, content: bytes) -> Self | None:
        """The pointer that a file's content is; None when it is none."""
        found = _POINTER.match(content)
        return cls(LargeObjectId(found[1].decode("ascii")), int(found[2])) if found else None

    def render(self) -> bytes:
        """The text that stands for the object."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size_bytes}\n"
        ).encode()
