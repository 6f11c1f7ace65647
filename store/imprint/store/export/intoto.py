"""in-toto statements (v1) about who wrote the lines of a commit.

There is no agreed predicate for AI authorship; ours is `PREDICATE_TYPE`, described in `docs/formats-out.md`.
Unlike the other formats it says everything that a claim has: `read_statement` gives the same claims back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput, BadObjectId, BadPath
from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.paths import quote_path, unquote_path
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.store.export.effective import ExportedCommit

    Json = dict[str, Any]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:imprint:authorship:v1"


def make_statement(exported: ExportedCommit, repository: str) -> Json:
    """The statement about one commit.

    Args:
        exported: the commit and its claims.
        repository: what to call the repository, such as `owner/name`.
    """
    commit = exported.commit
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": f"git+{repository}@{commit.id}",
                "digest": {"gitCommit": commit.id, "gitTree": commit.tree},
            }
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"claims": [render_claim(claim) for claim in exported.claims]},
    }


def render_claim(claim: Claim) -> Json:
    """Everything that a claim says but its commit; what is not known is left out."""
    said = {
        "evidence": claim.evidence.value,
        "method": claim.method,
        "actor": claim.actor,
        "agent": claim.agent,
        "model": claim.model,
        "session": claim.session,
        "turn": claim.turn,
        "score": claim.score,
        "via": claim.via,
        "lines": [
            {"path": quote_path(part.path), "start": part.start, "end": part.end} for part in claim.lines
        ],
    }
    return {name: value for name, value in said.items() if value not in (None, [], "")}


def read_statement(statement: Mapping[str, Any]) -> list[Claim]:
    """What a statement claims, with the evidence that it states: whoever reads it judges the signer first.

    Raises:
        BadInput: it is no statement of ours.
    """
    try:
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
            raise BadInput(f"not a statement of type {PREDICATE_TYPE}")
        commit = ObjectId.parse(statement["subject"][0]["digest"]["gitCommit"])
        return [read_claim(commit, said) for said in statement["predicate"]["claims"]]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, BadObjectId, BadPath) as bad:
        raise BadInput(f"the statement cannot be read: {bad!r}") from bad


def read_claim(commit: ObjectId, said: Mapping[str, Any]) -> Claim:
    """The claim that `render_claim` wrote.

    Raises:
        KeyError, TypeError, ValueError, BadPath, BadObjectId: it did not write this.
    """
    return Claim(
        commit,
        Evidence(said["evidence"]),
        actor=said.get("actor"),
        agent=said.get("agent"),
        model=said.get("model"),
        session=said.get("session"),
        method=said.get("method", ""),
        lines=tuple(
            LineRange(unquote_path(part["path"]), int(part["start"]), int(part["end"]))
            for part in said.get("lines", ())
        ),
        turn=said.get("turn"),
        score=said.get("score"),
        via=ObjectId.parse(said["via"]) if "via" in said else None,
    )
