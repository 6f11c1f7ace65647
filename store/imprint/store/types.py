"""The nouns of the store: names, ids and the values that say what must hold.

Invariants:
    1. An `ObjectId` is a full, lower-case hexadecimal id; its length names its algorithm.
    2. A `RefName` passed `git check-ref-format`; it is bytes, because Git's names are.
    3. A `RepositoryName` is `owner/name`, safe as a URL path and as a file name.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, Self

from imprint.store.errors import BadObjectId, BadRefName, BadRepositoryName


class HashAlgorithm(enum.Enum):
    """Git's object formats; the value is the name that `object-format` uses on the wire."""

    SHA1 = "sha1"
    SHA256 = "sha256"

    @property
    def hex_length(self) -> int:
        """Characters in a hexadecimal id."""
        return 40 if self is HashAlgorithm.SHA1 else 64

    @property
    def zero(self) -> str:
        """The all-zero id by which the wire protocol says "no such ref"."""
        return "0" * self.hex_length


_HEX: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


class ObjectId(str):
    """The id of a Git object, in full lower-case hexadecimal."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read an id as written by Git.

        Raises:
            BadObjectId: the text is not 40 or 64 lower-case hexadecimal digits, or is all zeros.
        """
        if isinstance(text, bytes):
            text = text.decode("ascii", "replace")
        if not _HEX.match(text) or not text.strip("0"):
            raise BadObjectId(text)
        return cls(text)

    @property
    def algorithm(self) -> HashAlgorithm:
        """The hash algorithm, which the length of the id tells."""
        return HashAlgorithm.SHA1 if len(self) == HashAlgorithm.SHA1.hex_length else HashAlgorithm.SHA256


# The rules of git-check-ref-format(1), for full names below `refs/`.
_REF_FORBIDDEN: Final = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\.\Z|/\Z")
REF_COMPONENT_BYTES_MAX: Final = 250
"""A component must fit a file name on common file systems, with room for `.lock`."""
REF_NAME_BYTES_MAX: Final = 1024


class RefName(bytes):
    """A full ref name such as `refs/heads/main`, valid by git-check-ref-format(1)."""

    __slots__ = ()

    @classmethod
    def parse(cls, name: str | bytes) -> Self:
        """Check a full ref name.

        Raises:
            BadRefName: git would refuse the name, or it does not begin with `refs/` and a namespace.
        """
        raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
        components = raw.split(b"/")
        if (
            components[0] != b"refs"
            or len(components) < 3  # noqa: PLR2004 - refs, a namespace, a name
            or len(raw) > REF_NAME_BYTES_MAX
            or any(not part or len(part) > REF_COMPONENT_BYTES_MAX for part in components)
            or _REF_FORBIDDEN.search(raw)
        ):
            raise BadRefName(raw)
        return cls(raw)

    @property
    def text(self) -> str:
        """The name for people and JSON; bytes that are not UTF-8 become backslash escapes."""
        return self.decode("utf-8", "backslashreplace")

    @property
    def short(self) -> str:
        """The name without `refs/heads/`, `refs/tags/` or `refs/`."""
        for prefix in ("refs/heads/", "refs/tags/", "refs/"):
            if self.text.startswith(prefix):
                return self.text[len(prefix) :]
        return self.text


_REPOSITORY_PART: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?\Z")
RESERVED_OWNERS: Final = frozenset(
    {"api", "docs", "healthz", "mcp", "metrics", "openapi.json", "readyz", "static"}
)
"""Owners that would shadow the server's own addresses."""


@dataclass(frozen=True, slots=True, order=True)
class RepositoryName:
    """`owner/name`. Two names that differ only in case are the same repository."""

    owner: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `owner/name`, with or without a `.git` suffix.

        Raises:
            BadRepositoryName: a part is empty, too long, reserved, or holds anything but letters, digits,
                `.`, `_` and `-`; or begins or ends with a dot.
        """
        owner, slash, name = text.partition("/")
        name = name.removesuffix(".git")
        if (
            not slash
            or not _REPOSITORY_PART.match(owner)
            or not _REPOSITORY_PART.match(name)
            or ".." in text
            or owner.lower() in RESERVED_OWNERS
        ):
            raise BadRepositoryName(text)
        return cls(owner, name)

    @property
    def key(self) -> str:
        """The folded form under which the catalogue keeps names unique."""
        return f"{self.owner}/{self.name}".casefold()

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class MustNotExist:
    """Expectation: the ref is absent."""


@dataclass(frozen=True, slots=True)
class MustBe:
    """Expectation: the ref has exactly this value."""

    id: ObjectId


@dataclass(frozen=True, slots=True)
class Anything:
    """Expectation: none; the ref may be absent or have any value."""


Expectation = MustNotExist | MustBe | Anything


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A wished change of one ref: to `target`, or away with it when `target` is None."""

    name: RefName
    target: ObjectId | None
    expectation: Expectation
    peeled: ObjectId | None = None
    """The object an annotated tag finally points at; None when `target` is not a tag."""


@dataclass(frozen=True, slots=True)
class RefValue:
    """The value of a ref, and what its tag peels to (None when it is no annotated tag)."""

    id: ObjectId
    peeled: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class RefChange:
    """A change of one ref that happened: None stands for "absent"."""

    name: RefName
    old: ObjectId | None
    new: ObjectId | None
