"""The tables of links: the schema, and how changes and links become rows and come back.

Object ids are kept as raw bytes, lists of them end to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imprint.store.links.anchors import pack_files, unpack_files
from imprint.store.links.model import Change, ChangeKind, Link, Method
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

SCHEMA: Final = """
CREATE TABLE repository (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT '');
CREATE TABLE change (
    number INTEGER PRIMARY KEY, repository INTEGER NOT NULL, object BLOB NOT NULL, kind INTEGER NOT NULL,
    base BLOB, parents BLOB NOT NULL, tree_before BLOB NOT NULL, tree BLOB NOT NULL, patch INTEGER NOT NULL,
    reverse INTEGER NOT NULL, stamp INTEGER NOT NULL, at_s INTEGER NOT NULL, sequence INTEGER NOT NULL,
    mentions TEXT NOT NULL, members BLOB NOT NULL, files BLOB NOT NULL, is_linked INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX change_object ON change (repository, object, kind = 1);
CREATE INDEX change_patch ON change (repository, patch) WHERE patch <> 0;
CREATE INDEX change_reverse ON change (repository, reverse) WHERE reverse <> 0;
CREATE INDEX change_stamp ON change (repository, stamp) WHERE stamp <> 0;
CREATE INDEX change_tree ON change (repository, tree);
CREATE INDEX change_waiting ON change (repository, is_linked) WHERE is_linked = 0;
CREATE TABLE head (
    repository INTEGER NOT NULL, object BLOB NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (repository, object)) WITHOUT ROWID;
CREATE TABLE line (
    repository INTEGER NOT NULL, line INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (repository, line)) WITHOUT ROWID;
CREATE TABLE posting (
    repository INTEGER NOT NULL, line INTEGER NOT NULL, change INTEGER NOT NULL,
    PRIMARY KEY (repository, line, change)) WITHOUT ROWID;
CREATE TABLE link (
    repository INTEGER NOT NULL, object BLOB NOT NULL, origin BLOB NOT NULL, method TEXT NOT NULL,
    score REAL NOT NULL, explained REAL NOT NULL, arrived REAL NOT NULL, at_ms INTEGER NOT NULL,
    members BLOB NOT NULL, PRIMARY KEY (repository, object, origin)) WITHOUT ROWID;
CREATE INDEX link_origin ON link (repository, origin);
"""
CHANGE_COLUMNS: Final = (
    "number, object, kind, base, parents, tree_before, tree, patch, reverse, stamp, at_s, sequence, mentions,"
    " members, files"
)
LINK_COLUMNS: Final = "object, origin, method, score, explained, arrived, at_ms, members"


def write_change(cursor: sqlite3.Cursor, repository: int, change: Change, postings: Iterable[int]) -> int:
    """Keep a change, and the lines by which it is to be found; its number.

    A commit that is there keeps what it has; a range takes the place of the one its head had.
    """
    if change.kind is ChangeKind.RANGE:
        # Postings of the number that goes lead nowhere, and are passed over.
        cursor.execute(
            "DELETE FROM change WHERE repository = ? AND object = ? AND kind = 1",
            (repository, encode(change.commit)),
        )
    row = (
        repository,
        encode(change.commit),
        change.kind,
        encode(change.base) if change.base else None,
        b"".join(map(encode, change.parents)),
        encode(change.trees[0]),
        encode(change.trees[1]),
        change.patch,
        change.reverse,
        change.stamp,
        change.at_s,
        change.sequence,
        " ".join(change.mentions),
        b"".join(map(encode, change.members)),
        pack_files(change.files),
        change.kind is ChangeKind.SILENT,
    )
    cursor.execute(
        "INSERT OR IGNORE INTO change (repository, object, kind, base, parents, tree_before, tree, patch,"
        " reverse, stamp, at_s, sequence, mentions, members, files, is_linked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    number = cursor.lastrowid if cursor.rowcount else None
    if number is None:
        return 0
    cursor.executemany(
        "INSERT OR IGNORE INTO posting VALUES (?, ?, ?)", [(repository, line, number) for line in postings]
    )
    return number


def write_counts(cursor: sqlite3.Cursor, repository: int, counts: Mapping[int, int]) -> None:
    """Add to how often lines were seen."""
    cursor.executemany(
        "INSERT INTO line VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(repository, line, count) for line, count in counts.items()],
    )


def write_links(cursor: sqlite3.Cursor, repository: int, commit: ObjectId, links: Sequence[Link]) -> None:
    """Keep a commit's links in place of those it had; one that stays keeps its time."""
    before = cursor.execute(
        "SELECT origin, method, at_ms FROM link WHERE repository = ? AND object = ?",
        (repository, encode(commit)),
    ).fetchall()
    times = {(origin, method): at_ms for origin, method, at_ms in before}
    cursor.execute("DELETE FROM link WHERE repository = ? AND object = ?", (repository, encode(commit)))
    cursor.executemany(
        "INSERT OR IGNORE INTO link VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                repository,
                encode(commit),
                encode(link.origin),
                link.method.value,
                link.score,
                link.explained,
                link.arrived,
                times.get((encode(link.origin), link.method.value), link.at_ms),
                b"".join(map(encode, link.members)),
            )
            for link in links
        ],
    )


def mark_linked(cursor: sqlite3.Cursor, numbers: Iterable[int]) -> None:
    """Say that the links of changes have been looked for."""
    cursor.executemany("UPDATE change SET is_linked = 1 WHERE number = ?", [(number,) for number in numbers])


def read_change(row: tuple[Any, ...]) -> Change:
    """The change in a row of `CHANGE_COLUMNS`."""
    number, raw, kind, base, parents, before, tree, patch, reverse, stamp, at_s, sequence, *rest = row
    mentions, members, files = rest
    return Change(
        decode(raw),
        ChangeKind(kind),
        decode(base) if base else None,
        tuple(split(parents, len(raw))),
        (decode(before), decode(tree)),
        patch,
        reverse,
        stamp,
        at_s,
        sequence,
        unpack_files(files),
        tuple(split(members, len(raw))),
        tuple(mentions.split()),
        number,
    )


def group_links(rows: Iterable[tuple[Any, ...]]) -> dict[ObjectId, list[Link]]:
    """Links in rows of `LINK_COLUMNS` by their later commit, surest first."""
    found: dict[ObjectId, list[Link]] = {}
    for raw, origin, method, score, explained, arrived, at_ms, members in rows:
        link = Link(
            decode(raw),
            decode(origin),
            Method(method),
            score,
            explained,
            arrived,
            at_ms,
            tuple(split(members, len(raw))),
        )
        found.setdefault(link.commit, []).append(link)
    order = list(Method)
    for links in found.values():
        links.sort(key=lambda link: (-link.score, order.index(link.method), link.origin))
    return found


def encode(object_id: ObjectId) -> bytes:
    """An object id as SQLite keeps it."""
    return bytes.fromhex(object_id)


def decode(raw: bytes) -> ObjectId:
    """An object id as it was before `encode`."""
    return ObjectId(raw.hex())


def split(raw: bytes, length: int) -> list[ObjectId]:
    """The ids that lie end to end, of so many bytes each."""
    return [decode(raw[at : at + length]) for at in range(0, len(raw), length)]
