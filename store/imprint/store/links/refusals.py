"""Refused links: a person's word, kept in the ground, that two commits are not versions of the same work.

Invariants:
    1. A refusal outlives every derived file; a refused link is never carried again until it is restored.
    2. Refusing twice keeps the first word. What was restored can be refused anew.
    3. Rows in a catalogue go with their repository, in the transaction that forgets it.
"""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import delete, insert, select

from imprint.store.catalog import schema
from imprint.store.durable import write_durably
from imprint.store.errors import BadInput, Missing, RepositoryMissing
from imprint.store.links.model import Refusal
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from imprint.store.catalog.database import SqlDatabase

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


# -- in a catalogue's database -----------------------------------------------------------------------------

_TABLE: Final = schema.link_refusal


class SqlRefusals(Refusals):
    """The `Refusals` of a catalogue's database, whose tables are current. Threads and processes share it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def list_refusals(self, repository_id: str) -> list[Refusal]:
        """See `Refusals.list_refusals`."""
        wanted = (
            select(_TABLE)
            .where(_TABLE.c.repository_id == repository_id)
            .order_by(_TABLE.c.at_ms, _TABLE.c.commit, _TABLE.c.origin)
        )
        with self._database.reading() as connection:
            return [_refusal(row) for row in connection.execute(wanted)]

    def refuse(self, repository_id: str, refusal: Refusal) -> Refusal:
        """See `Refusals.refuse`."""
        return self._database.write(
            lambda connection: _refuse(connection, repository_id, refusal),
            find=lambda connection: _find(connection, repository_id, refusal.commit, refusal.origin),
        )

    def restore(self, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
        """See `Refusals.restore`."""
        return self._database.write(lambda connection: _restore(connection, repository_id, commit, origin))


def _find(connection: Connection, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal | None:
    row = connection.execute(select(_TABLE).where(_of_link(repository_id, commit, origin))).first()
    return _refusal(row) if row else None


def _of_link(repository_id: str, commit: ObjectId, origin: ObjectId) -> Any:
    in_repository = _TABLE.c.repository_id == repository_id
    return in_repository & (_TABLE.c.commit == str(commit)) & (_TABLE.c.origin == str(origin))


def _refuse(connection: Connection, repository_id: str, refusal: Refusal) -> Refusal:
    known = select(schema.repository.c.id).where(schema.repository.c.id == repository_id)
    if connection.execute(known).first() is None:
        raise RepositoryMissing(repository_id)
    if before := _find(connection, repository_id, refusal.commit, refusal.origin):
        return before
    connection.execute(
        insert(_TABLE).values(
            repository_id=repository_id,
            commit=str(refusal.commit),
            origin=str(refusal.origin),
            actor=refusal.actor,
            at_ms=refusal.at_ms,
            reason=refusal.reason,
        )
    )
    return refusal


def _restore(connection: Connection, repository_id: str, commit: ObjectId, origin: ObjectId) -> Refusal:
    known = _find(connection, repository_id, commit, origin)
    if known is None:
        raise not_refused(commit, origin)
    connection.execute(delete(_TABLE).where(_of_link(repository_id, commit, origin)))
    return known


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(ObjectId(row.commit), ObjectId(row.origin), row.actor, row.at_ms, row.reason)
