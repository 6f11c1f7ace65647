"""From an extraction to the rows that are kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.index.definitions import defined_names
from imprint.semantic.index.segment import ChunkRow

if TYPE_CHECKING:
    from imprint.semantic.parse.model import Extraction


def chunk_rows(extraction: Extraction) -> tuple[ChunkRow, ...]:
    """The chunks, with the names that each defines."""
    names = defined_names(extraction)
    return tuple(
        ChunkRow(
            ordinal,
            chunk.start_line,
            chunk.end_line,
            storable(chunk.symbol),
            chunk.kind,
            storable(chunk.text),
            tuple(storable(name) for name in defined),
        )
        for ordinal, (chunk, defined) in enumerate(zip(extraction.chunks, names, strict=True))
    )


def entity_rows(extraction: Extraction) -> list[tuple[object, ...]]:
    """Of each entity: ordinal, kind, name, folded name, container, lines, signature, doc, structural hash."""
    return [
        (
            ordinal,
            entity.kind.value,
            storable(entity.name),
            storable(entity.name).casefold(),
            storable(entity.container),
            entity.start_line,
            entity.end_line,
            storable(entity.signature),
            storable(entity.doc),
            entity.structural_hash,
        )
        for ordinal, entity in enumerate(extraction.entities)
    ]


def use_rows(extraction: Extraction) -> list[tuple[object, ...]]:
    """Ordinal, kind, name, container, line of each reference."""
    return [
        (ordinal, use.kind.value, storable(use.name), storable(use.container), use.line)
        for ordinal, use in enumerate(extraction.references)
    ]


def storable(text: str) -> str:
    """The text with lone surrogates replaced: neither SQLite nor Arrow takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")
