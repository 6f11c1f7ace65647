"""Answers as JSON: one shape for the command line and for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from imprint.semantic.search.answer import Answer, IndexStatus, ReferenceHit, SymbolHit


def answer_json(answer: Answer) -> dict[str, object]:
    """A search's answer. `commit` is what was searched, null if nothing is indexed yet."""
    return {
        "commit": answer.commit,
        "behind": answer.behind,
        "hits": [
            {
                "repo": hit.repo,
                "path": quote_path(hit.path),
                "start_line": hit.start_line,
                "end_line": hit.end_line,
                "symbol": hit.symbol,
                "kind": hit.kind,
                "language": hit.language,
                "score": round(hit.score, 4),
                "text": hit.text,
            }
            for hit in answer.hits
        ],
    }


def symbols_json(hits: list[SymbolHit]) -> list[dict[str, object]]:
    """Definitions of a name."""
    return [
        {
            "path": quote_path(hit.path),
            "start_line": hit.start_line,
            "end_line": hit.end_line,
            "kind": hit.kind,
            "name": hit.name,
            "container": hit.container,
            "signature": hit.signature,
        }
        for hit in hits
    ]


def references_json(hits: list[ReferenceHit]) -> list[dict[str, object]]:
    """Uses of a name."""
    return [
        {
            "path": quote_path(hit.path),
            "line": hit.line,
            "kind": hit.kind,
            "container": hit.container,
            "name": hit.name,
        }
        for hit in hits
    ]


def status_json(status: IndexStatus) -> dict[str, object]:
    """How far the index is."""
    return {
        "ref": status.ref,
        "head": status.head,
        "indexed": status.indexed,
        "behind": status.behind,
        "blobs": status.blobs,
        "chunks": status.chunks,
        "skipped": dict(status.skipped),
    }
