"""The packs of pushes that land, among the repository's own: they come before the commit point, or go again.

Invariants:
    1. All of it happens under the promotion lock.
    2. Packs held in memory that land together are one file each for data and index; where one
       of them is refused then, that pack goes, and each comes with its own.
    3. A pack that the catalogue has a row for is never taken away.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imprint.store.errors import StoreFailure
from imprint.store.events import PackRecord
from imprint.store.receive import packs
from imprint.store.receive.small.held import join, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.store.hosting.repositories import Hosting
    from imprint.store.receive.landing.checked import Checked
    from imprint.store.receive.small.held import PackFiles

_log = logging.getLogger("imprint.store")


class Placing:
    """Puts packs in place, and takes them away.

    Args:
        hosting: whose catalogue says which packs are recorded.
        step: told of each file; see `receiver.STEPS`.
    """

    def __init__(self, hosting: Hosting, step: Callable[[str], None]) -> None:
        self._hosting = hosting
        self._step = step

    def place(self, standing: Sequence[Checked]) -> None:
        """Put the packs of pushes to one repository in place, but for those that are there already.

        Raises:
            StorageFailed: the file system refuses. What was put in place stays until it is retracted.
        """
        new = [each for each in standing if each.pack is None and not self._is_there(each)]
        files = _choose_files([each for each in new if each.held is not None])
        moves = []
        for each in new:
            if each.pack is None and each.unpacked is not None:
                each.pack = each.unpacked.record
                moves.append((each.pack.name, each.quarantine.pack_dir))
        if files or moves:
            pack_dir = standing[0].repository.git_dir / "objects" / "pack"
            packs.place(moves, pack_dir, self._step, files)
            self._step("placed")

    def separate(self, standing: Sequence[Checked]) -> None:
        """Take the pack away that several share: it has not been admitted."""
        joined = [each for each in standing if each.is_joined]
        for each in joined[:1]:
            self.retract(each)
        for each in joined:
            each.pack, each.is_joined = None, False

    def retract(self, checked: Checked) -> None:
        """Take away a pack that was placed for nothing. What cannot be taken away is left to `collect`."""
        record, repository = checked.pack, checked.repository
        if record is None:
            return
        try:
            retired = self._hosting.catalogue.list_retired_packs(repository.record.id)
            if not self._is_recorded(record.name, checked) and record.name not in retired:
                packs.remove(record.name, repository.git_dir / "objects" / "pack")
        except StoreFailure as failure:
            _log.warning("%s: %s is left to collect: %s", repository.record.id, record.name, failure)

    def _is_there(self, checked: Checked) -> bool:
        """Whether a push has no pack, or one that was admitted before."""
        name = checked.pack_name
        if name is None:
            return True
        index = checked.repository.git_dir / f"objects/pack/{name}.idx"
        return index.exists() and self._is_recorded(name, checked)

    def _is_recorded(self, name: str, checked: Checked) -> bool:
        return name in self._hosting.catalogue.list_packs(checked.repository.record.id)


def _choose_files(in_memory: Sequence[Checked]) -> list[PackFiles]:
    """The files of packs held in memory: of all together where they can be one, else of each."""
    held = [pack for each in in_memory if (pack := each.held)]
    joined = join(held) if len(held) > 1 else None
    if joined is None:
        for each in in_memory:
            each.pack = each.unpacked.record if each.unpacked else None
        return [render(pack) for pack in held]
    files = render(joined)
    record = PackRecord(files.name, len(joined.entries), joined.size_bytes)
    for each in in_memory:
        each.pack, each.is_joined = record, True
    return [files]
