"""Keeping observations up to date: new commits are taken in, and matched when there is a session for them.

Invariants:
    1. Doing the same again gives the same observations, as long as the transcripts can be read.
    2. A commit is matched again when a record, a session or a part of one that may have made it comes later.
    3. Memory does not grow with the number of commits or sessions; see `candidates.KEPT_LINES_MAX`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Evidence
from imprint.store.history.reading import iter_commits, list_commits, walk_commits
from imprint.store.hosting.followers import never
from imprint.store.observe.candidates import LATE_MS, NEARBY_MS, Finder, read_anchors
from imprint.store.observe.changes import iter_added_files
from imprint.store.observe.claims import is_shell_session, observed_claims
from imprint.store.observe.match import match_lines
from imprint.store.observe.store import SeenCommit
from imprint.store.sessions.model import Anchor, AnchorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.evidence.ports import ClaimSource
    from imprint.store.objects.ports import Commit
    from imprint.store.observe.candidates import Edits, Tied
    from imprint.store.observe.claims import Turns
    from imprint.store.observe.model import AddedFile, LineMatch
    from imprint.store.observe.owners import Owners
    from imprint.store.observe.store import Observations
    from imprint.store.sessions.model import ArchivedSession, Record
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

_COMMITS_AT_ONCE: Final = 100
"""Commits between two writes."""
_SEEN_AT_ONCE: Final = 5000
COMMITS_NEARBY_MAX: Final = 2000
"""Commits that are looked at again for one new session that no record ties to any."""


class Observer:
    """Matches the commits of repositories with the sessions of an archive. For one thread.

    Args:
        observations: where to write.
        archive: sessions and records.
        edits: what sessions wrote.
        claims: claims that name sessions, such as the ledger's.
        checkpoint: called between steps; may raise, and what was done stays.
        owners: whose commits are; None where every session may speak for every commit, as in a clone.
    """

    def __init__(
        self,
        observations: Observations,
        archive: Archive,
        edits: Edits,
        claims: ClaimSource,
        checkpoint: Callable[[], object] = never,
        owners: Owners | None = None,
    ) -> None:
        self._owners = owners
        self._observations = observations
        self._archive = archive
        self._edits = edits
        self._claims = claims
        self._checkpoint = checkpoint

    def update(
        self, view: RepositoryView, tips: Iterable[ObjectId], stops: Iterable[ObjectId] = ()
    ) -> tuple[int, int]:
        """Take in commits and what is new in the archive.

        Args:
            view: the repository.
            tips: commits from which to look for new ones.
            stops: commits known before, to look less far.

        Returns:
            How many commits were matched, and the archive's serial up to which it was read.
        """
        serial = self._archive.last_serial(view.id)
        wanted = dict.fromkeys(self._take_in(view, tips, stops))
        wanted.update(dict.fromkeys(self._find_touched(view.id)))
        matched = 0
        if serial:
            finder = Finder(self._archive, self._edits, view.id, self._owners)
            remaining = iter(wanted)
            while part := list(islice(remaining, _COMMITS_AT_ONCE)):
                self._checkpoint()
                matched += self._match(view, finder, part)
        return matched, serial

    def _take_in(
        self, view: RepositoryView, tips: Iterable[ObjectId], stops: Iterable[ObjectId]
    ) -> list[ObjectId]:
        """Commits that were not taken in before, oldest first; now they are."""
        tips = list(tips)

        def find_seen(commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
            self._checkpoint()
            return self._observations.find_seen(view.id, commits)

        found = walk_commits(view, tips, find_seen)
        if found is None:
            listed = list_commits(view, tips, self._observations.find_seen(view.id, stops))
            seen = find_seen(listed)
            found = [commit for commit in listed if commit not in seen]
        found.reverse()
        remaining = iter(found)
        while part := list(islice(remaining, _SEEN_AT_ONCE)):
            self._checkpoint()
            self._observations.add_seen(view.id, [_see(commit) for commit in iter_commits(view, part)])
        return found

    def _find_touched(self, repository_id: str) -> Iterator[ObjectId]:
        """Commits that what is new in the archive may be about."""
        serial = self._observations.serial(repository_id)
        for record in _iter_records(self._archive, repository_id, serial):
            self._checkpoint()
            yield from self._find_recorded(repository_id, record)
        for session in _iter_sessions(self._archive, repository_id, serial):
            self._checkpoint()
            for record in self._archive.records_of_session(repository_id, session.id):
                yield from self._find_recorded(repository_id, record)
            yield from self._observations.find_anchored(repository_id, Anchor(AnchorKind.SESSION, session.id))
            yield from self._find_near(repository_id, session)

    def _find_recorded(self, repository_id: str, record: Record) -> Iterator[ObjectId]:
        for anchor in record.anchors:
            yield from self._observations.find_anchored(repository_id, anchor)

    def _find_near(self, repository_id: str, session: ArchivedSession) -> list[ObjectId]:
        if session.started_at_ms is None:
            return []
        until_ms = (session.ended_at_ms or session.started_at_ms) + NEARBY_MS
        return self._observations.list_between(
            repository_id, session.started_at_ms - LATE_MS, until_ms, COMMITS_NEARBY_MAX
        )

    def _match(self, view: RepositoryView, finder: Finder, part: Sequence[ObjectId]) -> int:
        """Match some commits; how many had a candidate."""
        claimed = self._claims.claims_of(view.id, part)
        if self._owners is not None:
            self._owners.read(view.id, part)
        bound = {commit for commit, claims in claimed.items() if any(map(_names_session, claims))}
        found: dict[ObjectId, list[Claim]] = {}
        tied: dict[ObjectId, Tied] = {}
        worth: list[Commit] = []
        for commit in iter_commits(view, part):
            sessions = [claim.session for claim in claimed.get(commit.id, ()) if claim.session]
            of_commit = tied[commit.id] = finder.find(commit, sessions)
            found[commit.id] = []
            if of_commit.candidates or finder.list_near(commit):
                worth.append(commit)
        turns: Turns = {}
        for commit, files in iter_added_files(view, worth):
            self._checkpoint()
            of_commit = tied[commit.id]
            names = frozenset(file.path.rpartition("/")[2] for _, file in files)
            finder.add_near(of_commit, commit, names)
            if of_commit.candidates:
                matches = self._observe(view.id, files, of_commit, turns)
                is_bound = commit.id in bound
                found[commit.id] = observed_claims(
                    commit.id, matches, of_commit.sessions, turns, is_bound=is_bound
                )
        lost = {session for of_commit in tied.values() for session in of_commit.lost}
        lost.update(  # what their shell commands wrote is claimed for the sessions that called them
            session.parent_id
            for of_commit in tied.values()
            for session in of_commit.sessions.values()
            if session.parent_id and session.erased_at_ms is not None and is_shell_session(session)
        )
        self._observations.replace(view.id, found, lost)
        return sum(bool(of_commit.candidates) for of_commit in tied.values())

    def _observe(
        self,
        repository_id: str,
        files: Sequence[tuple[bytes, AddedFile]],
        tied: Tied,
        turns: Turns,
    ) -> list[tuple[bytes, list[LineMatch]]]:
        """Match some files; turns of the sessions that match are added to `turns`."""
        matches = [(path, match_lines(file, tied.candidates)) for path, file in files]
        used = {match.session for _, of_file in matches for match in of_file}
        for shell in [tied.sessions[it] for it in used if is_shell_session(tied.sessions[it])]:
            parent = self._archive.find_session(repository_id, shell.parent_id or "")
            if parent is not None:
                tied.sessions.setdefault(parent.id, parent)
                used.add(parent.id)
        for session in used:
            if session not in turns:
                turns[session] = {
                    turn.number: turn for turn in self._archive.list_turns(repository_id, session)
                }
        return matches


def _names_session(claim: Claim) -> bool:
    return claim.evidence is Evidence.BOUND and claim.session is not None


def _see(commit: Commit) -> SeenCommit:
    return SeenCommit(commit.id, commit.committer.at_s * 1000, tuple(read_anchors(commit)))


def _iter_records(archive: Archive, repository_id: str, serial: int) -> Iterator[Record]:
    while part := archive.list_records(repository_id, after_serial=serial):
        yield from part
        serial = part[-1].serial


def _iter_sessions(archive: Archive, repository_id: str, serial: int) -> Iterator[ArchivedSession]:
    while part := archive.list_sessions(repository_id, after_serial=serial):
        yield from part
        serial = part[-1].serial
