"""What a mirror is: where its refs come from, which they are, how often, and how the last rounds went.

Facts are JSON in the catalogue. A secret is in them only sealed; see `upstream.secrets`.

Invariants:
    1. `mirror_from_facts(url, id, mirror_facts(mirror)) == mirror`.
    2. What is shown of a mirror (`describe`) never holds a secret, sealed or not.

Times are milliseconds since the Unix epoch, durations milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PATTERNS: Final = (
    "refs/heads/*",
    "refs/tags/*",
    "refs/notes/*",
    "refs/pull/*/head",
    "refs/merge-requests/*/head",
    "refs/entire/*",
    "refs/ai/*",
)
"""Branches, tags, notes, heads of pull and merge requests, and where agents' tools keep checkpoints."""
EVERY_MS_DEFAULT: Final = 5 * 60_000
EVERY_MS_MIN: Final = 10_000
PATTERNS_MAX: Final = 50
_PATTERN_LENGTH_MAX: Final = 500
_BACKOFF_MS_MAX: Final = 24 * 3600 * 1000
_REQUEST: Final = re.compile(rb"refs/(?:pull|merge-requests)/[^/]+/head\Z")
_PATTERN: Final = re.compile(r"refs/[^\s~^:?\[\\]+\Z")


@dataclass(frozen=True, slots=True)
class Credential:
    """How git proves who asks.

    Attributes:
        kind: `sealed` (a secret kept encrypted), `file` (one in a file), `key` (an SSH private key in a file)
            or `helper` (a credential helper of git's).
        value: the sealed secret, the file's path, or the helper.
        user: the name that goes with a secret.
    """

    kind: str
    value: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How it went so far.

    Attributes:
        attempted_at_ms: when the last round began; 0 for never.
        synced_at_ms: when the last round that reached everything began; 0 for never.
        failures: rounds that failed since then.
        error: what the last of them said; empty after one that went well.
        owned: refs that the mirror brought and would remove; heads of requests are not among them.
        left: refs that were left alone, with the reasons.
        refused: refs that could not be had or taken, each with its value after a space; a round by itself
            tries none of them again before it moves.
        waiting: refs that the last round knew of and has not had, nor found that they cannot be.
        changed: refs that the last round changed.
    """

    attempted_at_ms: int = 0
    synced_at_ms: int = 0
    failures: int = 0
    error: str = ""
    owned: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    waiting: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Mirror:
    """One repository's mirror.

    Attributes:
        repository_id: the hosted repository.
        url: where it comes from, without a secret; a path on this machine.
        patterns: refs that are mirrored; `*` stands for anything.
        every_ms: how long from one round to the next.
        is_paused: whether rounds happen only when somebody asks.
        is_public_only: whether it may reach public addresses only.
        credential: None where none is needed.
        state: how it went.
    """

    repository_id: str
    url: str
    patterns: tuple[str, ...] = DEFAULT_PATTERNS
    every_ms: int = EVERY_MS_DEFAULT
    is_paused: bool = False
    is_public_only: bool = False
    credential: Credential | None = None
    state: MirrorState = MirrorState()

    def next_at_ms(self) -> int:
        """When the next round is due: after failures ever later, at most a day."""
        if not self.state.attempted_at_ms:
            return 0
        wait_ms: int = self.every_ms * 2 ** min(self.state.failures, 16)
        return self.state.attempted_at_ms + min(wait_ms, max(_BACKOFF_MS_MAX, self.every_ms))

    def is_due(self, now_ms: int) -> bool:
        """Whether a round should begin."""
        return not self.is_paused and now_ms >= self.next_at_ms()

    def began(self, at_ms: int) -> Mirror:
        """With a round that begins."""
        return replace(self, state=replace(self.state, attempted_at_ms=at_ms))

    def failed(self, error: str) -> Mirror:
        """With a round that failed."""
        return replace(self, state=replace(self.state, failures=self.state.failures + 1, error=error))


def verify_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Check patterns of refs.

    Raises:
        BadInput: there is none, there are too many, or one is no pattern of refs.
    """
    checked = tuple(dict.fromkeys(patterns))
    if not checked or len(checked) > PATTERNS_MAX:
        raise BadInput(f"a mirror has from 1 to {PATTERNS_MAX} patterns of refs, not {len(checked)}")
    for pattern in checked:
        if len(pattern) > _PATTERN_LENGTH_MAX or not _PATTERN.match(pattern) or ".." in pattern:
            raise BadInput(
                f"{pattern!r} is no pattern of refs", hint="such as refs/heads/* or refs/pull/*/head"
            )
    return checked


def compile_patterns(patterns: Iterable[str]) -> re.Pattern[bytes]:
    """What matches the refs that any of the patterns means."""
    choices = (re.escape(pattern).replace(r"\*", ".+") for pattern in patterns)
    return re.compile(f"(?:{'|'.join(choices)})\\Z".encode(), re.DOTALL)


def is_request(name: bytes) -> bool:
    """Whether a ref is the head of a pull or merge request, which is remembered when it is gone upstream."""
    return _REQUEST.match(name) is not None


def mirror_facts(mirror: Mirror) -> dict[str, Any]:
    """What the catalogue keeps beside the URL."""
    facts = asdict(mirror)
    del facts["repository_id"], facts["url"]
    return facts


def mirror_from_facts(repository_id: str, url: str, facts: dict[str, Any]) -> Mirror:
    """The mirror whose facts they are."""
    state = {
        name: facts["state"][name] for name in MirrorState.__dataclass_fields__ if name in facts["state"]
    }
    for name in ("owned", "left", "refused"):
        state[name] = tuple(state.get(name, ()))
    credential = facts.get("credential")
    return Mirror(
        repository_id,
        url,
        patterns=tuple(facts["patterns"]),
        every_ms=facts["every_ms"],
        is_paused=facts["is_paused"],
        is_public_only=facts["is_public_only"],
        credential=Credential(**credential) if credential else None,
        state=MirrorState(**state),
    )


def describe(mirror: Mirror, name: str, now_ms: int) -> dict[str, Any]:
    """A mirror as people and programs are told of it. `lag_ms` is the age of what is known to be whole."""
    state = mirror.state
    return {
        "name": name,
        "url": mirror.url,
        "patterns": list(mirror.patterns),
        "every_ms": mirror.every_ms,
        "paused": mirror.is_paused,
        "credential": mirror.credential.kind if mirror.credential else None,
        "attempted_at_ms": state.attempted_at_ms or None,
        "synced_at_ms": state.synced_at_ms or None,
        "lag_ms": now_ms - state.synced_at_ms if state.synced_at_ms else None,
        "next_at_ms": None if mirror.is_paused else mirror.next_at_ms(),
        "failures": state.failures,
        "error": state.error or None,
        "changed": state.changed,
        "waiting": state.waiting,
        "left": list(state.left),
        "refused": len(state.refused),
    }
