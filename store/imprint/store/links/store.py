"""Changes and links in one SQLite file beside the ledger. All of it is derived and may be deleted.

Invariants:
    1. A repository's position moves in the transaction that finishes the event's links.
    2. A change is kept once; taking the same event in again adds nothing.
    3. A file of another schema version, or one that is no database, is emptied on opening.

Schema versions: 1, the first.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from imprint.store.derived.sqlite import DerivedDatabase
from imprint.store.links.rows import (
    CHANGE_COLUMNS,
    LINK_COLUMNS,
    SCHEMA,
    decode,
    encode,
    group_links,
    read_change,
    split,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.links.model import Change, Link
    from imprint.store.types import ObjectId

SCHEMA_VERSION: Final = 1
_PARAMETERS_MAX: Final = 500
_CACHE_KIB: Final = 65_536


class LinkStore(DerivedDatabase):
    """Changes and links of many repositories. Safe to share between threads."""

    schema: ClassVar[str] = SCHEMA
    schema_version: ClassVar[int] = SCHEMA_VERSION
    cache_kib: ClassVar[int] = _CACHE_KIB

    # -- repositories ---------------------------------------------------------------------------------

    def position(self, repository_id: str) -> int:
        """Sequence of the last event taken in; 0 for none."""
        row = self._one("SELECT position FROM repository WHERE id = ?", repository_id)
        return int(row[0]) if row else 0

    def state(self, repository_id: str) -> str:
        """What `finish` was given last; empty before."""
        row = self._one("SELECT state FROM repository WHERE id = ?", repository_id)
        return str(row[0]) if row else ""

    def number(self, repository_id: str) -> int:
        """The repository's number, under which everything of it is kept; made where need be."""
        row = self._one("SELECT number FROM repository WHERE id = ?", repository_id)
        if row is None:
            with self.writing() as cursor:
                cursor.execute("INSERT OR IGNORE INTO repository (id) VALUES (?)", (repository_id,))
            row = self._one("SELECT number FROM repository WHERE id = ?", repository_id)
        return int(row[0]) if row else 0

    def finish(self, repository: int, *, position: int | None = None, state: str | None = None) -> None:
        """Say how far the links are: past an event, or at a state of a clone."""
        with self.writing() as cursor:
            cursor.execute(
                "UPDATE repository SET position = coalesce(?, position), state = coalesce(?, state)"
                " WHERE number = ?",
                (position, state, repository),
            )

    def forget(self, repository_id: str) -> None:
        """Drop everything about a repository."""
        row = self._one("SELECT number FROM repository WHERE id = ?", repository_id)
        if row is None:
            return
        with self.writing() as cursor:
            for table in ("change", "head", "line", "posting", "link"):
                cursor.execute(f"DELETE FROM {table} WHERE repository = ?", row)  # noqa: S608
            cursor.execute("DELETE FROM repository WHERE number = ?", row)

    # -- changes --------------------------------------------------------------------------------------

    def iter_parents(self, repository: int, after: int = 0) -> Iterator[tuple[int, ObjectId, list[ObjectId]]]:
        """Every commit with its parents, in the order in which they were added: number, id, parents."""
        rows = self._all(
            "SELECT number, object, parents FROM change WHERE repository = ? AND kind <> 1 AND number > ?"
            " ORDER BY number",
            repository,
            after,
        )
        for number, raw, parents in rows:
            yield number, decode(raw), split(parents, len(raw))

    def find_known(self, repository: int, commits: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Those of the commits that have been taken in."""
        rows = self._in(
            "SELECT object FROM change WHERE repository = ? AND kind <> 1 AND object IN ({})",
            repository,
            map(encode, commits),
        )
        return frozenset(decode(raw) for (raw,) in rows)

    def find_range(self, repository: int, head: ObjectId) -> tuple[int, ObjectId | None] | None:
        """The number and base of a head's range; None where there is none."""
        row = self._one(
            "SELECT number, base FROM change WHERE repository = ? AND kind = 1 AND object = ?",
            repository,
            encode(head),
        )
        return (row[0], decode(row[1]) if row[1] else None) if row else None

    def load_range(self, repository: int, head: ObjectId) -> Change | None:
        """What a head's commits did together; None where there is no range."""
        row = self._one(
            f"SELECT {CHANGE_COLUMNS} FROM change WHERE repository = ? AND kind = 1 AND object = ?",  # noqa: S608
            repository,
            encode(head),
        )
        return read_change(row) if row else None

    def heads(self, repository: int, count: int) -> list[ObjectId]:
        """The heads pushed last, newest first, at most `count`."""
        rows = self._all(
            "SELECT object FROM head WHERE repository = ? ORDER BY sequence DESC LIMIT ?", repository, count
        )
        return [decode(raw) for (raw,) in rows]

    def add_heads(self, repository: int, heads: Iterable[ObjectId], sequence: int) -> None:
        """Remember heads that were pushed."""
        with self.writing() as cursor:
            cursor.executemany(
                "INSERT OR REPLACE INTO head VALUES (?, ?, ?)",
                [(repository, encode(head), sequence) for head in heads],
            )

    def load(self, numbers: Iterable[int]) -> list[Change]:
        """Changes by number, in no order."""
        rows: list[tuple[Any, ...]] = []
        for part in _chunks(numbers):
            rows += self._all(f"SELECT {CHANGE_COLUMNS} FROM change WHERE number IN ({_marks(part)})", *part)  # noqa: S608
        return [read_change(row) for row in rows]

    def load_commits(self, repository: int, commits: Iterable[ObjectId]) -> dict[ObjectId, Change]:
        """What each of the commits did; unknown ones are left out."""
        rows = self._in(
            f"SELECT {CHANGE_COLUMNS} FROM change WHERE repository = ? AND kind <> 1 AND object IN ({{}})",  # noqa: S608
            repository,
            map(encode, commits),
        )
        return {change.commit: change for change in map(read_change, rows)}

    def load_commits_like(self, repository: int, prefix: str) -> list[Change]:
        """What the commits did whose id begins so; of an ambiguous beginning, the first two."""
        low, high = (bytes.fromhex(prefix[:40].ljust(40, fill)) for fill in "0f")
        rows = self._all(
            f"SELECT {CHANGE_COLUMNS} FROM change WHERE repository = ? AND kind <> 1"  # noqa: S608
            " AND object >= ? AND object <= ? LIMIT 2",
            repository,
            low,
            high + b"\xff" * 12,
        )
        return [change for change in map(read_change, rows) if change.commit.startswith(prefix.lower())]

    def waiting(self, repository: int) -> list[int]:
        """Numbers of the changes whose links have not been looked for, in order."""
        rows = self._all(
            "SELECT number FROM change WHERE repository = ? AND is_linked = 0 ORDER BY number", repository
        )
        return [number for (number,) in rows]

    def find_alike(self, repository: int, change: Change) -> frozenset[int]:
        """Numbers of changes with the same patch, tree or author's stamp, or the reverse patch."""
        found: set[int] = set()
        for column, value in (
            ("patch", change.patch),
            ("reverse", change.patch),
            ("stamp", change.stamp),
        ):
            if value:
                found.update(
                    number
                    for (number,) in self._all(
                        f"SELECT number FROM change WHERE repository = ? AND {column} = ?"  # noqa: S608
                        f" AND {column} <> 0 ORDER BY number DESC LIMIT 20",
                        repository,
                        value,
                    )
                )
        rows = self._all(
            "SELECT number FROM change WHERE repository = ? AND tree = ? ORDER BY number DESC LIMIT 20",
            repository,
            encode(change.trees[1]),
        )
        return frozenset(found.union(number for (number,) in rows)) - {change.number}

    def count_lines(self, repository: int, lines: Iterable[int]) -> dict[int, int]:
        """In how many changes each of the lines was seen; unseen ones are left out."""
        return dict(
            self._in("SELECT line, count FROM line WHERE repository = ? AND line IN ({})", repository, lines)
        )

    def find_postings(self, repository: int, lines: Iterable[int]) -> list[tuple[int, int]]:
        """Line and number of every change that is kept for one of the lines."""
        return self._in(
            "SELECT line, change FROM posting WHERE repository = ? AND line IN ({})", repository, lines
        )

    # -- links ----------------------------------------------------------------------------------------

    def links_of(self, repository_id: str, commits: Iterable[ObjectId]) -> dict[ObjectId, list[Link]]:
        """The links from each of the commits to earlier ones, surest first."""
        return self._links(repository_id, "object", commits)

    def links_to(self, repository_id: str, commits: Iterable[ObjectId]) -> list[Link]:
        """The links from later commits to each of these."""
        found = self._links(repository_id, "origin", commits)
        return [link for links in found.values() for link in links]

    def _links(
        self, repository_id: str, column: str, commits: Iterable[ObjectId]
    ) -> dict[ObjectId, list[Link]]:
        row = self._one("SELECT number FROM repository WHERE id = ?", repository_id)
        if row is None:
            return {}
        rows = self._in(
            f"SELECT {LINK_COLUMNS} FROM link WHERE repository = ? AND {column} IN ({{}})",  # noqa: S608
            row[0],
            map(encode, commits),
        )
        return group_links(rows)

    def all_links(self, repository_id: str) -> dict[ObjectId, list[Link]]:
        """Every link of a repository, by its later commit, surest first."""
        return group_links(
            self._all(
                f"SELECT {LINK_COLUMNS} FROM link JOIN repository ON repository.number = link.repository"  # noqa: S608
                " WHERE repository.id = ?",
                repository_id,
            )
        )

    # -- SQLite ---------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """One transaction: all of the block, or nothing of it; inside another one, a part of that."""
        with self._write() as cursor:
            yield cursor

    def _in(self, statement: str, repository: int, values: Iterable[object]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for part in _chunks(values):
            rows += self._all(statement.format(_marks(part)), repository, *part)
        return rows


def _chunks(values: Iterable[object]) -> Iterator[list[Any]]:
    remaining = iter(values)
    while part := list(islice(remaining, _PARAMETERS_MAX)):
        yield part


def _marks(part: Sequence[object]) -> str:
    return ", ".join("?" * len(part))
