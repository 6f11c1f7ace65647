"""What an auditor should look at: claims without records, links to nothing, statements that disagree.

A finding says that two things do not fit; it does not say which of them is wrong, or that anybody meant it.

Invariants:
    1. A finding names the commit or the record that it is about.
    2. Nothing is found where nothing could be looked at: what was not looked at is said.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Evidence
from imprint.store.formats import agent_trace
from imprint.store.formats.gitai import METHOD as GIT_AI
from imprint.store.formats.identities import identify
from imprint.store.history.reading import isolated
from imprint.store.intake.claims import METHOD_CHECKPOINT, METHOD_LINKED, read_ties
from imprint.store.observe.claims import FOREIGN
from imprint.store.sessions.model import AnchorKind
from imprint.store.sessions.rules import OPERATOR
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imprint.store.evidence.claims import Claim, Delivery
    from imprint.store.objects.ports import Commit
    from imprint.store.origins.sources import Origins
    from imprint.store.sessions.model import Record
    from imprint.store.sessions.ports import Archive
    from imprint.store.view import RepositoryView

    Json = dict[str, object]

_PAGE: Final = 1000
_RECORDS: Final = frozenset({GIT_AI, METHOD_CHECKPOINT, METHOD_LINKED, agent_trace.METHOD})
_NOT_ADDED: Final = "the commit added none of these lines"


class FindingKind(enum.Enum):
    """What does not fit. The value is for programs, `text` for people."""

    AGENT_DIFFERS = "agent-differs"
    UNPROVEN_IDENTITY = "unproven-identity"
    SOURCES_DISAGREE = "sources-disagree"
    LINES_NOT_ADDED = "lines-not-added"
    CHECKPOINT_UNKNOWN = "checkpoint-unknown"
    RECORD_DANGLES = "record-dangles"
    NOTE_DANGLES = "note-dangles"
    FOREIGN_SESSION = "foreign-session"

    @property
    def text(self) -> str:
        """One sentence."""
        return _TEXTS[self]


_TEXTS: Final = {
    FindingKind.AGENT_DIFFERS: "The commit declares another agent than the session that made it.",
    FindingKind.UNPROVEN_IDENTITY: "The committer is an agent's identity; somebody else delivered the commit "
    "without a session.",
    FindingKind.SOURCES_DISAGREE: "The commit and the records name different agents.",
    FindingKind.LINES_NOT_ADDED: "A note claims lines that its commit did not add.",
    FindingKind.CHECKPOINT_UNKNOWN: "The commit names a checkpoint of which there is no record.",
    FindingKind.RECORD_DANGLES: "A record names commits or checkpoints that are not in the repository.",
    FindingKind.NOTE_DANGLES: "A note is about a commit that is not in the repository.",
    FindingKind.FOREIGN_SESSION: "A session claims lines of a commit that another actor delivered.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        kind: see `FindingKind`.
        detail: the facts, in a few words.
        commit: None where it is about a record without one.
        record: the record's id; None where it is about a commit.
    """

    kind: FindingKind
    detail: str
    commit: str | None = None
    record: str | None = None

    def to_json(self) -> Json:
        """The finding as JSON."""
        return {
            "kind": self.kind.value,
            "commit": self.commit,
            "record": self.record,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A commit that declares an agent, and is neither bound nor observed nor in any note or record."""

    commit: ObjectId
    agent: str
    model: str | None
    subject: str
    at_ms: int

    def to_json(self) -> Json:
        """The commit as JSON."""
        return {
            "commit": self.commit,
            "agent": self.agent,
            "model": self.model,
            "subject": self.subject,
            "at_ms": self.at_ms,
        }


class Inspector:
    """Looks at commits one by one, then at records and notes.

    Args:
        view: the repository.
        origins: what is claimed.
        archive: records; None where there are none to look at.
    """

    def __init__(self, view: RepositoryView, origins: Origins, archive: Archive | None) -> None:
        self._view = view
        self._origins = origins
        self._archive = archive
        self._noted = origins.ledger.agent_notes(view.id)
        self._identities: list[tuple[Commit, str]] = []
        self._foreign: dict[ObjectId, list[tuple[str, str]]] = {}
        self._named: dict[str, list[ObjectId]] = {}
        self._commits: set[ObjectId] = set()
        self.findings: list[Finding] = []
        self.unrecorded: list[Unrecorded] = []

    def add_commit(self, commit: Commit, claims: Sequence[Claim]) -> None:
        """Look at a commit with what is claimed of it, best first."""
        self._commits.add(commit.id)
        bound = [claim for claim in claims if claim.evidence is Evidence.BOUND]
        for _, _, checkpoint in read_ties(commit):
            self._named.setdefault(checkpoint, []).append(commit.id)
        committer = identify(commit.committer.name, commit.committer.email)
        if committer is not None and committer.agent and not bound:
            self._identities.append((commit, committer.agent))
        self._compare(commit, bound, claims)
        for seen in claims:
            if seen.evidence is Evidence.OBSERVED and FOREIGN in seen.method and seen.session:
                told = (seen.session, seen.actor or "nobody")
                if told not in self._foreign.setdefault(commit.id, []):
                    self._foreign[commit.id].append(told)
        if not bound and commit.id not in self._noted and not any(map(_is_record, claims)):
            declared = (claim for claim in claims if claim.agent and claim.evidence is Evidence.DECLARED)
            claim = next(declared, None)
            if claim is not None and claim.agent:
                at_ms = commit.author.at_s * 1000
                self.unrecorded.append(Unrecorded(commit.id, claim.agent, claim.model, commit.subject, at_ms))

    def _compare(self, commit: Commit, bound: Sequence[Claim], claims: Sequence[Claim]) -> None:
        told = [claim for claim in claims if claim.agent and claim.evidence is Evidence.DECLARED]
        said = {claim.agent for claim in told if not _is_record(claim)}
        recorded = {claim.agent for claim in told if _is_record(claim)}
        proven = {claim.agent for claim in bound if claim.agent}
        if proven and said and not proven & said:
            detail = f"made in a session of {_list(proven)}, declares {_list(said)}"
            self.findings.append(Finding(FindingKind.AGENT_DIFFERS, detail, commit.id))
        elif said and recorded and not said & recorded:
            detail = f"the commit says {_list(said)}, records say {_list(recorded)}"
            self.findings.append(Finding(FindingKind.SOURCES_DISAGREE, detail, commit.id))

    def finish(self) -> None:
        """Look at deliveries, records and notes."""
        ledger = self._origins.ledger
        deliveries = ledger.deliveries(self._view.id, [commit.id for commit, _ in self._identities])
        self.findings.extend(_judge_deliveries(self._identities, deliveries))
        delivered = ledger.deliveries(self._view.id, self._foreign)
        for commit_id, sessions in self._foreign.items():
            delivery = delivered.get(commit_id)
            by = f"delivered by {delivery.actor}" if delivery else "not delivered by anybody"
            for session, actor in sessions:
                detail = f"session {session} of {actor} claims lines, {by}"
                self.findings.append(Finding(FindingKind.FOREIGN_SESSION, detail, commit_id))
        for commit, line, text in ledger.problems(self._view.id):
            if commit in self._commits and text.endswith(_NOT_ADDED):
                place = f"line {line} of the note: " if line else ""
                self.findings.append(Finding(FindingKind.LINES_NOT_ADDED, place + text, commit))
        if self._archive is not None:
            self._check_records(self._archive)
        notes = ledger.notes(self._view.id)
        absent = sorted(set(notes) - self._find_existing(notes))
        self.findings.extend(
            Finding(FindingKind.NOTE_DANGLES, "a note of git notes", commit) for commit in absent
        )

    def _check_records(self, archive: Archive) -> None:
        records = list(_iter_records(archive, self._view.id))
        known = {
            anchor.value
            for record in records
            for anchor in record.anchors
            if anchor.kind is AnchorKind.CHECKPOINT
        }
        for checkpoint, commits in self._named.items():
            if checkpoint not in known:
                self.findings.extend(
                    Finding(FindingKind.CHECKPOINT_UNKNOWN, f"checkpoint {checkpoint}", commit)
                    for commit in commits
                )
        wanted = {
            anchor.value
            for record in records
            for anchor in record.anchors
            if anchor.kind in {AnchorKind.COMMIT, AnchorKind.BASE}
        }
        existing: set[str] = set(self._find_existing(wanted))
        tied = self._find_tied(known)
        for record in records:
            if not any(
                anchor.value in (tied if anchor.kind is AnchorKind.CHECKPOINT else existing)
                or anchor.kind in {AnchorKind.TREE, AnchorKind.PATCH_ID, AnchorKind.SESSION}
                for anchor in record.anchors
            ):
                named = ", ".join(f"{anchor.kind.value} {anchor.value}" for anchor in record.anchors)
                self.findings.append(
                    Finding(FindingKind.RECORD_DANGLES, f"{record.source.system}: {named}", record=record.id)
                )

    def _find_tied(self, checkpoints: Iterable[str]) -> set[str]:
        """Checkpoints that some commit of the repository names, audited or not."""
        tied = set(self._named)
        intake = self._origins.intake
        if intake is None:
            return tied
        kind = AnchorKind.CHECKPOINT.value
        return tied | {
            checkpoint
            for checkpoint in checkpoints
            if checkpoint in tied or intake.find_tied(self._view.id, [(kind, checkpoint)])
        }

    def _find_existing(self, ids: Iterable[str]) -> set[ObjectId]:
        """Those of the ids of which the repository has an object."""
        asked = [each for each in ids if each.isascii() and each.isalnum()]
        if not asked:
            return set()
        with isolated(self._view) as plumbing:
            out = plumbing.run(
                "cat-file", "--batch-check=%(objectname)", stdin="\n".join(asked).encode() + b"\n"
            )
        told = out.decode("ascii", "replace").splitlines()
        return {ObjectId(line) for line in told if " " not in line}.intersection(asked)


def _judge_deliveries(
    identities: Iterable[tuple[Commit, str]], deliveries: Mapping[ObjectId, Delivery]
) -> Iterator[Finding]:
    for commit, agent in identities:
        delivery = deliveries.get(commit.id)
        if delivery is not None and delivery.actor != OPERATOR:
            detail = f"committed as {agent}, delivered by {delivery.actor}"
            yield Finding(FindingKind.UNPROVEN_IDENTITY, detail, commit.id)


def _is_record(claim: Claim) -> bool:
    if claim.evidence in {Evidence.BOUND, Evidence.OBSERVED}:
        return True
    if claim.evidence is Evidence.INFERRED:
        return claim.session is not None
    return not _RECORDS.isdisjoint(claim.method.split(", "))


def _iter_records(archive: Archive, repository_id: str) -> Iterator[Record]:
    serial = 0
    while records := archive.list_records(repository_id, after_serial=serial, limit=_PAGE):
        yield from records
        serial = records[-1].serial


def _list(names: Iterable[str | None]) -> str:
    return " and ".join(sorted(name for name in names if name))
