"""Refused links: a person's word, kept in the ground, that two commits are not versions of the same work.

Invariants:
    1. A refusal outlives every derived file; a refused link is never carried again until it is restored.
    2. Refusing twice keeps the first word. What was restored can be refused anew.
"""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from imprint.store.durable import write_durably
from imprint.store.errors import BadInput, Missing
from imprint.store.links.model import Refusal
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from pathlib import Path

REASON_LENGTH_MAX: Final = 1_000


class Refusals(Protocol):
    """The refused links of repositories. Safe to share between threads."""

    def list_refusals(self, repository_id: str) -> list[Refusal]:
        """All of a repository, oldest first."""
        ...

    def refuse(self, repository_id: str, refusal: Refusal) -> Refusal:
        """Keep a refusal; the one that was there already, if there was.

        Raises:
            RepositoryMissing: the repository is not known.
        """
        ...

    def restore(self, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
        """Take a refusal back; the one that was there.

        Raises:
            Missing: there is none.
        """
        ...


class NoRefusals(Refusals):
    """For those who have nobody to refuse anything."""

    def list_refusals(self, repository_id: str) -> list[Refusal]:
        """See `Refusals.list_refusals`: none."""
        del repository_id
        return []

    def refuse(self, repository_id: str, refusal: Refusal) -> Refusal:
        """See `Refusals.refuse`: it is not kept."""
        del repository_id
        return refusal

    def restore(self, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
        """See `Refusals.restore`: there is none."""
        del repository_id
        raise not_refused(commit, origin)


class FileRefusals(Refusals):
    """The refusals of one clone, as JSON lines in its ground, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def list_refusals(self, repository_id: str) -> list[Refusal]:
        """See `Refusals.list_refusals`."""
        del repository_id
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [_read_refusal(json.loads(line)) for line in lines]

    def refuse(self, repository_id: str, refusal: Refusal) -> Refusal:
        """See `Refusals.refuse`."""
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self.list_refusals(repository_id)
            for one in known:
                if (one.commit, one.origin) == (refusal.commit, refusal.origin):
                    return one
            self._write([*known, refusal])
        return refusal

    def restore(self, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
        """See `Refusals.restore`."""
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self.list_refusals(repository_id)
            for one in known:
                if (one.commit, one.origin) == (commit, origin):
                    self._write([other for other in known if other is not one])
                    return one
        raise not_refused(commit, origin)

    def _write(self, refusals: list[Refusal]) -> None:
        lines = [json.dumps(refusal_facts(refusal), sort_keys=True) for refusal in refusals]
        write_durably(self._path, "".join(f"{line}\n" for line in lines).encode())


def refusal_facts(refusal: Refusal) -> dict[str, Any]:
    """A refusal as JSON."""
    return {
        "commit": refusal.commit,
        "origin": refusal.origin,
        "actor": refusal.actor,
        "at_ms": refusal.at_ms,
        "reason": refusal.reason,
    }


def _read_refusal(facts: dict[str, Any]) -> Refusal:
    return Refusal(
        ObjectId.parse(facts["commit"]),
        ObjectId.parse(facts["origin"]),
        facts["actor"],
        facts["at_ms"],
        facts["reason"],
    )


def not_refused(commit: ObjectId, origin: ObjectId) -> Missing:
    """The error where there is no such refusal."""
    return Missing(
        f"no link from {commit} to {origin} is refused", hint="'imprint link list --refused' shows them"
    )


def verify_reason(reason: str) -> str:
    """A reason without white space around it.

    Raises:
        BadInput: it is empty, too long, or not printable.
    """
    text = " ".join(reason.split())
    if not text or len(text) > REASON_LENGTH_MAX or not text.isprintable():
        raise BadInput(
            "a refusal needs a reason", hint=f"say why, in 1 to {REASON_LENGTH_MAX} printable characters"
        )
    return text
