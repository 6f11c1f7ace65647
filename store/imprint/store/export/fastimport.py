"""Streams for git-fast-import(1): notes and refs written into any repository by its own git.

Invariants:
    1. A stream ends with `done`; git is started with `--done`, so that one that was cut off changes nothing.
    2. Names of refs and paths are quoted as git-fast-import(1) reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imprint.store.types import ObjectId, RefName


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes, and when: seconds since the Unix epoch, in UTC."""

    name: str
    email: str
    at_s: int

    def render(self) -> bytes:
        """As Git writes it."""
        return f"{self.name} <{self.email}> {self.at_s} +0000".encode()


def write_notes(
    ref: RefName, notes: Iterable[tuple[ObjectId, bytes]], by: Signature, *, onto: bool
) -> Iterator[bytes]:
    """One commit on a notes ref, with a note for each commit given; a note that is there is replaced.

    Args:
        ref: such as `refs/notes/ai`.
        notes: annotated commits, which must be in the repository, with their notes.
        by: who writes.
        onto: whether the ref is there already.
    """
    yield _begin(ref, by, "Notes written by imprint export\n", onto=onto)
    for commit, content in notes:
        yield b"N inline %s\n" % commit.encode()
        yield _data(content)
    yield b"\ndone\n"


def write_refs(
    refs: Iterable[tuple[RefName, Mapping[bytes, bytes], str]],
    by: Signature,
    existing: frozenset[bytes] = frozenset(),
) -> Iterator[bytes]:
    """One commit on each ref, whose tree holds the given files and nothing else.

    Args:
        refs: each ref with its files by path and the commit's message.
        by: who writes.
        existing: refs that are there; their commits get one more on top.
    """
    for ref, files, message in refs:
        onto = bytes(ref) in existing
        yield _begin(ref, by, message, onto=onto)
        if onto:
            yield b"deleteall\n"
        for path, content in files.items():
            yield b"M 100644 inline %s\n" % quote_path(path).encode("utf-8", "surrogateescape")
            yield _data(content)
        yield b"\n"
    yield b"done\n"


def _begin(ref: RefName, by: Signature, message: str, *, onto: bool) -> bytes:
    head = b"commit %s\ncommitter %s\n" % (bytes(ref), by.render()) + _data(message.encode())
    return head + b"from %s^0\n" % bytes(ref) if onto else head


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
