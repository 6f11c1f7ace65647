"""Everything that claims origins, opened together: for a server's repositories, or for one clone.

All of it is derived and lies in one folder, which may be deleted at any time.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imprint.store.evidence.stack import ClaimStack
from imprint.store.history.kept import Lines
from imprint.store.history.kept_follow import LinesFollower
from imprint.store.observe.follower import ObservationsFollower
from imprint.store.observe.store import Observations
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.hosting.followers import Follower
    from imprint.store.hosting.repositories import Hosting
    from imprint.store.sessions.model import ArchivedSession


@dataclass(frozen=True, slots=True)
class Origins:
    """What blame, why and audit ask.

    Attributes:
        ledger: deliveries, and what commits and notes declare.
        claims: what every source claims, the ledger's included.
        lines: where lines of files came from.
        observations: lines matched with transcripts, a part of the claims; None where nothing is matched.
    """

    ledger: Ledger
    claims: ClaimSource
    _opened: ExitStack = field(default_factory=ExitStack)
    lines: Lines = field(default_factory=Lines)
    observations: Observations | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what is derived, in a folder that is made if missing.

        Raises:
            StorageFailed: it cannot be written.
        """
        opened = ExitStack()
        ledger = Ledger.open(folder / "provenance.db")
        opened.callback(ledger.close)
        lines = Lines.open(folder)
        opened.callback(lines.close)
        observations = Observations.open(folder / "observations.db")
        opened.callback(observations.close)
        return cls(ledger, ClaimStack([ledger, observations]), opened, lines, observations)

    @classmethod
    def of_ledger(cls, ledger: Ledger) -> Self:
        """Only what a ledger claims; closing it stays with the caller."""
        return cls(ledger, ledger)

    def list_followers(self, hosting: Hosting, stopping: Callable[[], bool]) -> list[Follower]:
        """What keeps this up to date with the events of hosted repositories, in the order to run them in."""
        followers: list[Follower] = [
            ProvenanceFollower(self.ledger, hosting, stopping),
            LinesFollower(self.lines, stopping),
        ]
        if self.observations is not None:
            followers.append(_follow_sessions(self.observations, self.ledger, hosting, stopping))
        return followers

    def close(self) -> None:
        """Release every file; it is not used again."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _follow_sessions(
    observations: Observations, ledger: Ledger, hosting: Hosting, stopping: Callable[[], bool]
) -> Follower:
    def read(repository_id: str, session: ArchivedSession) -> bytes:
        return hosting.keeper.read_transcript(repository_id, session)

    return ObservationsFollower(observations, hosting.archive, read, ledger, stopping)
