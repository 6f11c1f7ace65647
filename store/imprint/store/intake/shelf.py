"""Where what is read goes: the archive and its keeper, for one repository, in the name of one deliverer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imprint.store.clock import Ids
    from imprint.store.sessions.keeping import GivenSession, Keeper
    from imprint.store.sessions.model import Record
    from imprint.store.sessions.ports import Archive


@dataclass(frozen=True, slots=True)
class Shelf:
    """Keeps sessions and records.

    Attributes:
        archive, keeper: where.
        repository_id: of which repository.
        actor: who delivered it.
        at_ms: when.
        ids: makes the ids of records.
    """

    archive: Archive
    keeper: Keeper
    repository_id: str
    actor: str
    at_ms: int
    ids: Ids

    def keep(self, given: GivenSession) -> None:
        """Keep a session; see `Keeper.keep`."""
        self.keeper.keep(self.repository_id, given, self.actor)

    def holds(self, session_id: str, facts: dict[str, object]) -> bool:
        """Whether the session is kept, with these facts of how its transcript came."""
        kept = self.archive.find_session(self.repository_id, session_id)
        return kept is not None and all(kept.extra.get(key) == value for key, value in facts.items())

    def redact(self, extra: Mapping[str, object]) -> dict[str, object]:
        """What a source says beside, without secrets; only named where it is too much to look through."""
        text = json.dumps(extra, ensure_ascii=False)
        try:
            redacted = json.loads(self.keeper.redact_prompt(text))
        except ValueError:
            return {"withheld": sorted(extra)}
        return redacted if isinstance(redacted, dict) else {"withheld": sorted(extra)}

    def add(self, records: Sequence[Record]) -> int:
        """Keep records; how many were new."""
        return len(self.archive.add_records(self.repository_id, records)) if records else 0
