"""Blame and why as JSON, the same for the command line and the REST interface.

Paths are as `quote_path` writes them; times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.evidence.claims import Delivery
    from imprint.store.objects.ports import Identity
    from imprint.store.origins.explain import BlameLine, BlameRun, ExplainedClaim, Explanation, Step
    from imprint.store.types import ObjectId

    Json = dict[str, object]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def explanation_json(explanation: Explanation) -> Json:
    """`why` as JSON: `commit` is the commit that the line came from, `asked` where it was looked for."""
    return {
        "commit": explanation.origin.commit,
        "path": quote_path(explanation.path),
        "line": explanation.line,
        "end": explanation.end,
        "text": explanation.origin.text.decode("utf-8", "replace"),
        "level": explanation.level.value,
        "subject": explanation.subject,
        "message": explanation.message,
        "author": _author_json(explanation.author),
        "claims": [_claim_json(claim) for claim in explanation.claims],
        "delivered": _delivery_json(explanation.delivery),
        "missing": list(explanation.missing),
        "steps": [_step_json(step) for step in explanation.steps],
        "origin": {
            "commit": explanation.origin.commit,
            "path": quote_path(explanation.origin.path),
            "line": explanation.origin.original_line,
        },
        "asked": {
            "commit": explanation.commit,
            "path": quote_path(explanation.path),
            "line": explanation.line,
        },
    }


def explanations_json(
    commit: ObjectId, path: bytes, lines: tuple[int, int], groups: Sequence[Explanation]
) -> Json:
    """`why` of several lines as JSON: what was asked about, and its parts that have one cause each."""
    return {
        "commit": commit,
        "path": quote_path(path),
        "start": lines[0],
        "end": groups[-1].end if groups else lines[1],
        "parts": [explanation_json(group) for group in groups],
    }


def _step_json(step: Step) -> Json:
    return {
        "how": step.how,
        "commit": step.commit,
        "path": None if step.path is None else quote_path(step.path),
        "line": step.line,
        "method": step.method,
        "score": step.score,
    }


def blame_json(commit: ObjectId, path: bytes, lines: Sequence[BlameLine]) -> Json:
    """`blame` as JSON: the commit asked about, and each line with its origin and best claim."""
    return {"commit": commit, "path": quote_path(path), "lines": [_line_json(line) for line in lines]}


def blame_text(commit: ObjectId, path: bytes, runs: Sequence[BlameRun]) -> bytes:
    """What `blame_json` gives, encoded: each origin once, however many lines it has."""
    encode = _ENCODER.encode
    known: dict[tuple[ObjectId, int], str] = {}
    lines: list[str] = []
    for run in runs:
        key = (run.commit, id(run.claim))
        origin = known.get(key)
        if origin is None:
            origin = known[key] = encode(_origin_json(run))[1:-1]
        lines += [
            f'{{"line":{line},{origin},"text":{encode(text)}}}'
            for line, text in enumerate(run.texts, run.line)
        ]
    head = encode({"commit": commit, "path": quote_path(path)})[1:-1]
    return f'{{{head},"lines":[{",".join(lines)}]}}'.encode()


def _line_json(line: BlameLine) -> Json:
    return {"line": line.line, **_origin_json(line), "text": line.text}


def _origin_json(line: BlameLine | BlameRun) -> Json:
    claim = line.claim
    return {
        "commit": line.commit,
        "evidence": claim.evidence.value,
        "actor": claim.actor,
        "agent": claim.agent,
        "model": claim.model,
        "session": claim.session,
        "turn": claim.turn,
        "method": claim.method,
        "score": claim.score,
        "via": claim.via,
        "author": _author_json(line.author),
        "delivered": _delivery_json(line.delivery),
    }


def _claim_json(claim: ExplainedClaim) -> Json:
    return {
        "evidence": claim.evidence.value,
        "actor": claim.actor,
        "agent": claim.agent,
        "model": claim.model,
        "session": claim.session,
        "turn": claim.turn,
        "prompt": claim.prompt,
        "method": claim.method,
        "score": claim.score,
        "via": claim.via,
    }


def _author_json(author: Identity) -> Json:
    return {"name": author.name, "email": author.email, "at_ms": author.at_s * 1000}


def _delivery_json(delivery: Delivery | None) -> Json | None:
    if delivery is None:
        return None
    return {
        "actor": delivery.actor,
        "event": delivery.event_id,
        "sequence": delivery.sequence,
        "at_ms": delivery.at_ms,
    }
