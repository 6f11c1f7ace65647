"""Old contents of files, and what was extracted from them: read in bulk, kept in memory for one question.

Invariants:
    1. The number of processes does not grow with the number of contents.
    2. What is kept is bounded by `CONTENTS_KEPT` contents and extractions, and by the lines of a few.
    3. A content that the repository lacks, as a partial clone does, is empty.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from imprint.semantic.lineage.tracing.lines import Lines
from imprint.semantic.parse.skip import CONTENT_BYTES_MAX
from imprint.semantic.parse.source import decode_content
from imprint.store.errors import ObjectMissing
from imprint.store.history.reading import iter_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imprint.semantic.lineage.tracing.unchanged import Known
    from imprint.semantic.parse.model import Entity
    from imprint.semantic.snapshot import Facts
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

CONTENTS_KEPT: Final = 2_000
_BULK: Final = 128
"""From so many contents on, a process is cheaper than reading them one by one: as measured, 64 versions of a
file take 11 ms of processor time one by one, 13 through git; one takes 0.2 and 3."""
_AT_ONCE: Final = 256
_LINES_KEPT: Final = 32


class Contents:
    """Contents of one repository. For one thread.

    Args:
        view: the repository.
        extract: gives the extraction of a content under a path.
        known: what an index already has of contents; None where there is no index.

    Attributes:
        known: as given.
    """

    def __init__(
        self,
        view: RepositoryView,
        extract: Callable[[bytes, bytes], Facts],
        known: Known | None = None,
    ) -> None:
        self.lacks_some = False
        """Whether a content that was asked for is not in the repository."""
        self._view = view
        self._extract = extract
        self.known = known
        self._contents: OrderedDict[ObjectId, bytes] = OrderedDict()
        self._lines: OrderedDict[ObjectId, Lines] = OrderedDict()
        self._entities: OrderedDict[tuple[ObjectId, bytes], tuple[Entity, ...]] = OrderedDict()

    def read(self, blob: ObjectId) -> bytes:
        """A content in UTF-8; empty where it is absent or too large to be parsed."""
        if blob in self._contents:
            self._contents.move_to_end(blob)
            return self._contents[blob]
        try:
            content = self._view.objects.read_blob(blob) if self._is_small(blob) else b""
        except ObjectMissing:
            self.lacks_some = True
            content = b""
        return self._keep(blob, content)

    def lines(self, blob: ObjectId) -> Lines:
        """The same, by its lines."""
        if blob in self._lines:
            self._lines.move_to_end(blob)
            return self._lines[blob]
        self._lines[blob] = lines = Lines(self.read(blob))
        if len(self._lines) > _LINES_KEPT:
            self._lines.popitem(last=False)
        return lines

    def has(self, blob: ObjectId) -> bool:
        """Whether a content was read."""
        return blob in self._contents

    def prepare(self, blobs: Iterable[ObjectId]) -> None:
        """Read contents that will be asked for soon, through one process where they are many."""
        wanted = [blob for blob in dict.fromkeys(blobs) if blob not in self._contents][:_AT_ONCE]
        if len(wanted) >= _BULK:
            for blob, _, content in iter_objects(self._view.plumbing, wanted):
                self._keep(blob, content if len(content) <= CONTENT_BYTES_MAX else b"")

    def entities(self, path: bytes, blob: ObjectId) -> tuple[Entity, ...]:
        """What a content defines under a path, the module left out."""
        key = blob, path.rpartition(b"/")[2]
        if key in self._entities:
            self._entities.move_to_end(key)
            return self._entities[key]
        found = self.known.entities(path, blob) if self.known is not None else None
        if found is None:
            found = self._extract(path, self.read(blob)).entities
        entities = tuple(entity for entity in found if entity.name)
        self._entities[key] = entities
        if len(self._entities) > CONTENTS_KEPT:
            self._entities.popitem(last=False)
        return entities

    def named(self, path: bytes, blob: ObjectId, name: str) -> tuple[Entity, ...]:
        """What of it has a name: where a content is indexed, nothing else is put together."""
        if self.known is not None and (blob, path.rpartition(b"/")[2]) not in self._entities:
            found = self.known.named(path, blob, name)
            if found is not None:
                return found
        return tuple(entity for entity in self.entities(path, blob) if entity.name == name)

    def _is_small(self, blob: ObjectId) -> bool:
        if self.known is not None and self.known.is_small(blob):
            return True
        return (self._view.objects.find_size(blob) or 0) <= CONTENT_BYTES_MAX

    def _keep(self, blob: ObjectId, content: bytes) -> bytes:
        self._contents[blob] = content = decode_content(content)
        if len(self._contents) > CONTENTS_KEPT:
            self._contents.popitem(last=False)
        return content
