"""The content of one commit, as the graph, the history and the overview read it.

Invariants:
    1. A snapshot is about one commit and never changes.
    2. Finding by name costs what the name's occurrences cost, not what the commit's files cost.
    3. Facts are those of `imprint.semantic.parse`: a snapshot adds nothing and leaves nothing out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.parse.model import Binding, Entity, Import, Reference
    from imprint.store.types import ObjectId


class Facts(Protocol):
    """What was extracted from one content: an `Extraction` is one, without its chunks."""

    @property
    def language(self) -> str:
        """Name of the language."""
        ...

    @property
    def entities(self) -> tuple[Entity, ...]:
        """What it defines, in order of position; the module first, if there is a grammar."""
        ...

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it uses, in order of position."""
        ...

    @property
    def imports(self) -> tuple[Import, ...]:
        """What it takes from elsewhere."""
        ...

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What its names stand for."""
        ...


class Snapshot(Protocol):
    """One commit's files. Safe to share between threads."""

    @property
    def commit(self) -> ObjectId:
        """The commit that it is about."""
        ...

    @property
    def asked(self) -> ObjectId:
        """The commit that was asked for; another than `commit` where the index is behind."""
        ...

    @property
    def behind(self) -> int:
        """Commits reachable from `asked` and not from `commit`."""
        ...

    @property
    def paths(self) -> Sequence[bytes]:
        """The regular files, in path order; a file is known by its number here."""
        ...

    def find_file(self, path: bytes) -> int | None:
        """The number of a file; None if there is none of this path."""
        ...

    def blob(self, file: int) -> ObjectId:
        """The id of a file's content."""
        ...

    def read(self, file: int) -> bytes:
        """A file's content, in UTF-8 without a byte order mark.

        Raises:
            ObjectMissing: a partial clone lacks it.
        """
        ...

    def facts(self, file: int) -> Facts:
        """What was extracted from a file; of one that was skipped, nothing."""
        ...

    def skipped(self, file: int) -> str | None:
        """Why nothing was extracted from a file; None if something was."""
        ...

    def find_defining(self, name: str) -> list[int]:
        """The files that define a name in any letter case, ascending."""
        ...

    def find_using(self, name: str) -> list[int]:
        """The files with a reference to a name in exactly these letters, ascending."""
        ...
