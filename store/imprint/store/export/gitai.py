"""Git AI notes from claims: one note per commit that has an origin.

Keys are those of the format: `s_` and 14 hexadecimal digits of SHA-256 over `tool:conversation`, then `::t_`
and 14 digits that name the turn; `h_` and 14 digits over a person's or service's name. Where two claims about
one session differ in more than the turn, which one key cannot say, the later one's digits are taken over its
place as well.

What the format has no field for is carried in `custom_attributes`, see `imprint.store.formats.carried`.

Invariants:
    1. Notes that came from Git AI are not written again: their commits are left alone unless something here
       says more.
    2. What the format cannot express is left out and reported, never bent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imprint.store.export.effective import names_person
from imprint.store.export.losses import Loss
from imprint.store.formats.carried import carry
from imprint.store.formats.gitai import METHOD, Attestation, Note
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from imprint.store.evidence.claims import Claim
    from imprint.store.export.effective import ExportedCommit

SCHEMA_VERSION: Final = "authorship/3.0.0"
_KEY_DIGITS: Final = 14


def make_note(exported: ExportedCommit, people: Collection[str] = ()) -> tuple[Note | None, list[Loss]]:
    """The note that says what is claimed of a commit, and what it cannot say; None for nothing to say.

    Args:
        exported: the commit and its claims.
        people: names of actors that are persons.
    """
    losses: list[Loss] = []
    sessions: dict[str, dict[str, object]] = {}
    humans: dict[str, dict[str, object]] = {}
    attestations: dict[bytes, list[Attestation]] = {}
    commit = exported.commit.id
    if all(claim.method == METHOD for claim in exported.claims):
        return None, losses
    for claim in exported.claims:
        if claim.agent:
            key = _session_key(claim, sessions)
            name = f"{key}::t_{_digits(f'{commit}:{claim.turn}')}"
        elif claim.actor and claim.lines and names_person(claim, people):
            key = name = f"h_{_digits(claim.actor)}"
            humans[key] = {"author": claim.actor}
        else:
            losses.append(
                Loss(
                    commit,
                    "a claim that names neither an agent nor a person's lines",
                    "there is no key for it",
                )
            )
            continue
        for path, ranges in _group(claim).items():
            if b"\n" in path:
                losses.append(Loss(commit, quote_path(path), "a path with a line feed"))
            else:
                attestations.setdefault(path, []).append(Attestation(path, name, ranges))
    if not sessions and not attestations:
        return None, losses
    metadata: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "base_commit_sha": commit,
        "prompts": {},
        "humans": humans,
        "sessions": sessions,
    }
    ordered = tuple(entry for path in sorted(attestations) for entry in attestations[path])
    return Note(ordered, metadata), losses


def _session_key(claim: Claim, sessions: dict[str, dict[str, object]]) -> str:
    """The key of the claim's entry, which is made if none says the same."""
    agent_id = {"tool": claim.agent, "id": claim.session or "", "model": claim.model or "unknown"}
    entry: dict[str, object] = {"agent_id": agent_id, "custom_attributes": carry(claim)}
    if claim.actor:
        entry["human_author"] = claim.actor
    text = f"{claim.agent}:{claim.session or ''}"
    place = 0
    while True:
        key = f"s_{_digits(f'{text}#{place}' if place else text)}"
        if sessions.setdefault(key, entry) == entry:
            return key
        place += 1


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


def _group(claim: Claim) -> Mapping[bytes, tuple[tuple[int, int], ...]]:
    grouped: dict[bytes, tuple[tuple[int, int], ...]] = {}
    for part in claim.lines:
        grouped[part.path] = (*grouped.get(part.path, ()), (part.start, part.end))
    return grouped
