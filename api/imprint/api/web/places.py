"""Addresses of pages: from a repository, revision and path to an address, and back.

A revision may hold slashes, and so may a path: the revision is the longest beginning that names a ref, else
the first component, a commit id. Paths that are not UTF-8 are written as `quote_path` does.

Invariants:
    1. `read_place(view, text)` gives back the revision and path that `place_address` was given, for every ref
       name and every path of bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from imprint.store.paths import quote_path, unquote_path
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.types import ObjectId, RefName
    from imprint.store.view import RepositoryView


_SEARCHED: Final = (b"", b"refs/", b"refs/tags/", b"refs/heads/", b"refs/remotes/")
"""Where gitrevisions(7) looks for a short name, in its order."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something in a repository that a page shows."""

    revision: str
    commit: ObjectId
    path: bytes

    @property
    def path_text(self) -> str:
        """The path for people."""
        return quote_path(self.path)


def read_place(view: RepositoryView, text: str) -> Place:
    """The place that the end of an address names: `<revision>/<path>`, with or without a path.

    Raises:
        RefMissing: it begins with no ref and no commit.
        BadPath: the path is not well quoted.
    """
    parts = text.strip("/").split("/")
    known = _known_revisions(view.refs.snapshot())
    named = [at for at in range(1, len(parts) + 1) if "/".join(parts[:at]) in known]
    end = named[-1] if named else 1
    revision = "/".join(parts[:end])
    return Place(revision, resolve_commit(view, revision), unquote_path("/".join(parts[end:])))


def _known_revisions(snapshot: RefSnapshot) -> frozenset[str]:
    names = {"HEAD"}
    for ref in snapshot.refs:
        names |= {ref.short, ref.text}
    return frozenset(names)


def revision_of(snapshot: RefSnapshot, ref: RefName) -> str:
    """The shortest text that `resolve_commit` reads as this ref; its value where the name is not UTF-8."""
    for text in (ref.short, ref.text):
        if text != "HEAD" and _first_ref(snapshot, text.encode()) == ref:
            return text
    return snapshot.refs[ref].id


def _first_ref(snapshot: RefSnapshot, name: bytes) -> bytes | None:
    return next((prefix + name for prefix in _SEARCHED if prefix + name in snapshot.refs), None)


def repository_address(name: str) -> str:
    """The address of a repository's page."""
    return f"/{name}"


def place_address(name: str, page: str, revision: str, path: bytes = b"") -> str:
    """The address of a page about a place.

    Args:
        name: `owner/name`.
        page: `tree`, `blob`, `raw` or `why`.
        revision: as `resolve_commit` reads it.
        path: from the root of the tree; empty for the root.
    """
    address = f"/{name}/{page}/{quote(revision)}"
    return f"{address}/{quote(quote_path(path))}" if path else address


def resolve_head(view: RepositoryView) -> Place | None:
    """The root at HEAD, under its branch's name; None while HEAD's branch has no commit."""
    snapshot = view.refs.snapshot()
    if snapshot.head_id is None:
        return None
    return Place(revision_of(snapshot, snapshot.head), resolve_commit(view, snapshot.head_id), b"")
