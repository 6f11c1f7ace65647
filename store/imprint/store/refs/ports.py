"""Reading refs, wherever they live: rows of the catalogue, or a clone's own files.

Every promise below is tested on every implementation by `tests/contracts/test_refs.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imprint.store.catalog.ports import RefSnapshot


class Refs(Protocol):
    """The refs of one repository. Changing them is the catalogue's commit point, nothing else."""

    def snapshot(self) -> RefSnapshot:
        """HEAD and every ref at one moment, sorted by name.

        A ref to an annotated tag carries its peeled id.
        """
        ...
