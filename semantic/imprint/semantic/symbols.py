"""Definitions and uses of a name at a commit, from the small tables of its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.semantic.search.answer import ReferenceHit, SymbolHit
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from imprint.semantic.index.ports import EntityRow, Index
    from imprint.semantic.search.listing import Listing

_SEPARATORS: Final = re.compile(r"::|->|[.#/]")


def find_symbols(index: Index, listing: Listing, asked: str) -> list[SymbolHit]:
    """Definitions of a name, which may be qualified (`Session.get`, `http::Client`).

    Those in exactly the asked letters come first, then those in other letter case; within each by path and
    line.

    Raises:
        BadInput: no name was asked for.
    """
    name, qualifier = _read_name(asked)
    hits = []
    for row in index.find_entities(name):
        if not _is_in(row.container, qualifier):
            continue
        for file in listing.files_of_row(row.blob_id):
            path = listing.paths[file]
            rank = (row.name != name, not row.container.endswith(qualifier), path, row.start_line)
            hits.append((rank, _hit(path, row)))
    return [hit for _, hit in sorted(hits, key=lambda ranked: ranked[0])]


def _hit(path: bytes, row: EntityRow) -> SymbolHit:
    return SymbolHit(path, row.start_line, row.end_line, row.kind, row.name, row.container, row.signature)


def _is_in(container: str, qualifier: str) -> bool:
    return not qualifier or f".{container}".casefold().endswith(f".{qualifier}".casefold())


def find_references(index: Index, listing: Listing, asked: str) -> list[ReferenceHit]:
    """Uses of a name in exactly the asked letters, by path and line; a qualifier is left out.

    Raises:
        BadInput: no name was asked for.
    """
    name, _ = _read_name(asked)
    hits = [
        ReferenceHit(listing.paths[file], row.line, row.kind, row.container, row.name)
        for row in index.find_references(name)
        for file in listing.files_of_row(row.blob_id)
    ]
    return sorted(hits, key=lambda hit: (hit.path, hit.line, hit.kind, hit.container))


def _read_name(asked: str) -> tuple[str, str]:
    """The name and what qualifies it, joined with dots as containers are."""
    parts = [part for part in _SEPARATORS.split(asked.strip().removesuffix("()")) if part]
    if not parts:
        raise BadInput("no symbol was named", hint="give a name such as parse_header or Session.get")
    return parts[-1], ".".join(parts[:-1])
