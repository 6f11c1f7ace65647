"""Everything that claims origins, opened together: for a server's repositories, or for one clone.

All of it is derived and lies in one folder, which may be deleted at any time.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imprint.store.evidence.stack import ClaimStack
from imprint.store.history.authors import Authors
from imprint.store.history.kept import Lines
from imprint.store.history.kept_follow import LinesFollower
from imprint.store.intake.follower import RecordsFollower
from imprint.store.intake.state import IntakeState
from imprint.store.links.claims import LinkedClaims
from imprint.store.links.follower import LinkFollower
from imprint.store.links.refusals import NoRefusals, Refusals, SqlRefusals
from imprint.store.links.store import LinkStore
from imprint.store.observe.follower import ObservationsFollower
from imprint.store.observe.owners import Owners
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
        authors: whom commits name.
        erased: given a repository's id and a session: when its texts were destroyed; None if they were not.
        observations: lines matched with transcripts, a part of the claims; None where nothing is matched.
        intake: what was read of others' records, and what these claim; None where nothing is read.
        links: which commits are versions of one another; None where nothing is carried over.
        refusals: the links that a person refused.
    """

    ledger: Ledger
    claims: ClaimSource
    _opened: ExitStack = field(default_factory=ExitStack)
    lines: Lines = field(default_factory=Lines)
    observations: Observations | None = None
    intake: IntakeState | None = None
    links: LinkStore | None = None
    refusals: Refusals = field(default_factory=NoRefusals)
    authors: Authors = field(default_factory=Authors)
    erased: Callable[[str, str], int | None] | None = None

    @classmethod
    def of_hosting(cls, hosting: Hosting) -> Self:
        """What is derived from the repositories of a data folder.

        Raises:
            StorageFailed: it cannot be written.
        """
        database = hosting.folder.open_database()
        origins = cls.open(hosting.folder.derived_path.parent, SqlRefusals(database))
        origins._opened.callback(database.close)  # noqa: SLF001 - its own class

        def erased(repository_id: str, session_id: str) -> int | None:
            session = hosting.archive.find_session(repository_id, session_id)
            return session.erased_at_ms if session else None

        return replace(origins, erased=erased)

    @classmethod
    def open(cls, folder: Path, refusals: Refusals | None = None) -> Self:
        """Open what is derived, in a folder that is made if missing.

        Args:
            folder: where it lies.
            refusals: which links are not to be believed; none where left out.

        Raises:
            StorageFailed: it cannot be written.
        """
        opened = ExitStack()
        refusals = refusals or NoRefusals()
        ledger = Ledger.open(folder / "provenance.db")
        opened.callback(ledger.close)
        intake = IntakeState.open(folder / "intake.db")
        opened.callback(intake.close)
        lines = Lines.open(folder)
        opened.callback(lines.close)
        observations = Observations.open(folder / "observations.db")
        opened.callback(observations.close)
        links = LinkStore.open(folder / "links.db")
        opened.callback(links.close)
        claims = LinkedClaims(ClaimStack([ledger, intake, observations]), links, refusals)
        return cls(ledger, claims, opened, lines, observations, intake, links, refusals)

    @classmethod
    def of_ledger(cls, ledger: Ledger) -> Self:
        """Only what a ledger claims; closing it stays with the caller."""
        return cls(ledger, ledger)

    def state(self, repository_id: str) -> tuple[int, ...]:
        """What moves whenever the claims about a repository's commits may have changed.

        The part for refusals is their hash, read from where they are kept: the event of a judgement stands
        before the judgement does. An answer found later than a state is at least as new as the state.
        """
        followed = (self.ledger, self.intake, self.observations, self.links)
        archived = (self.intake, self.observations)
        return (
            *(source.position(repository_id) for source in followed if source is not None),
            *(source.serial(repository_id) for source in archived if source is not None),
            hash(tuple(self.refusals.list_refusals(repository_id))),
        )

    def list_followers(self, hosting: Hosting, stopping: Callable[[], bool]) -> list[Follower]:
        """What keeps this up to date with the events of hosted repositories, in the order to run them in."""
        followers: list[Follower] = [
            ProvenanceFollower(self.ledger, hosting, stopping),
            LinesFollower(self.lines, stopping),
        ]
        if self.intake is not None:
            followers.insert(1, RecordsFollower(self.intake, hosting, stopping))
        if self.observations is not None:
            followers.append(_follow_sessions(self.observations, self.ledger, hosting, stopping))
        if self.links is not None:
            followers.append(LinkFollower(self.links, hosting, stopping))
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

    owners = Owners(ledger.deliveries, hosting.catalogue.find_actor)
    return ObservationsFollower(observations, hosting.archive, read, ledger, stopping, owners)
