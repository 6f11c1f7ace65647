"""Names the symbols of files for an audit, by parsing them as the index does.

Invariants:
    1. Files are parsed in another process, within the bounds of `imprint.semantic.parse.isolation`; a file
       that cannot be parsed has no symbols.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imprint.semantic.parse.isolation import Extractors
from imprint.semantic.parse.model import EntityKind
from imprint.store.errors import Missing
from imprint.store.objects.trees import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.origins.tally import Locate
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView


@contextmanager
def locating_symbols(view: RepositoryView, commit: ObjectId) -> Iterator[Locate]:
    """What names the symbols of the files of a commit."""
    with Extractors() as extractors:

        def locate(path: bytes) -> Iterator[tuple[str, int, int]]:
            try:
                content = read_file(view, commit, path)
            except Missing:  # a submodule
                return
            for entity in extractors.extract(path, content).entities:
                if entity.kind is not EntityKind.MODULE:
                    yield entity.qualified_name, entity.start_line, entity.end_line

        yield locate
