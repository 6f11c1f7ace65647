"""Answers as JSON: one shape for the command line and for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from imprint.semantic.search.answer import Answer, Hit, IndexStatus, ReferenceHit, SymbolHit


def answer_json(answer: Answer) -> dict[str, object]:
    """A search's answer. `commit` is what was searched, null if nothing is indexed yet."""
    return {
        "commit": answer.commit,
        "behind": answer.behind,
        "complete": answer.is_complete,
        "mode": answer.mode,
        "notes": list(answer.notes),
        "hits": [hit_json(hit) for hit in answer.hits],
    }


def hit_json(hit: Hit) -> dict[str, object]:
    """A hit; what only some hits have is there where they have it."""
    told: dict[str, object] = {
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
    if hit.parts:
        told["parts"] = {name: round(worth, 4) for name, worth in hit.parts.items()}
    if hit.commit is not None:
        told |= {"commit": hit.commit, "time": hit.time, "author": hit.author, "subject": hit.subject}
    if hit.session:
        told["session"] = hit.session
    if hit.is_removed:
        told["removed"] = True
    if hit.is_cut:
        told["cut"] = True
    return told


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


def status_json(status: IndexStatus, waiting: int | None) -> dict[str, object]:
    """How far the index is; `waiting` contents of the head are to be indexed yet, None where nobody knows."""
    return {
        "ref": status.ref,
        "head": status.head,
        "indexed": status.indexed,
        "behind": status.behind,
        "waiting": waiting,
        "blobs": status.blobs,
        "chunks": status.chunks,
        "skipped": dict(status.skipped),
        "history": {"done": status.history_done, "total": status.history_total},
    }
