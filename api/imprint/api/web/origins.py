"""What pages say of where a line comes from: runs of lines with one commit and one claim.

Invariants:
    1. Every line of the file is in exactly one run, and every run has an evidence class: what is not known is
       called unknown, never left out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ObjectMissing
from imprint.store.origins.explain import blame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.store.evidence.claims import Claim
    from imprint.store.objects.ports import Commit, Objects
    from imprint.store.origins.explain import BlameLine
    from imprint.store.origins.sources import Origins
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

SHORT_ID_LENGTH: Final = 8
_TOLD_PROMPT_LENGTH: Final = 400


@dataclass(frozen=True, slots=True)
class Origin:
    """What a page says of a commit and the best claim about it.

    Attributes:
        commit: full id.
        short: the beginning of it.
        who: the agent or the actor; where nothing is claimed, the name that the commit itself gives.
        is_claimed: whether `who` is from a claim.
        evidence: the class, in its own word.
        told: everything known, as lines of text to show on hovering.
    """

    commit: ObjectId
    short: str
    who: str
    is_claimed: bool
    evidence: str
    told: str


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring lines of one origin: their numbers and texts."""

    origin: Origin
    lines: tuple[tuple[int, str], ...]


class Teller:
    """Puts claims into words, reading each commit and each prompt once."""

    def __init__(self, objects: Objects, read_prompt: Callable[[str, str], str | None]) -> None:
        self._objects = objects
        self._read_prompt = read_prompt
        self._commits: dict[ObjectId, Commit | None] = {}
        self._prompts: dict[tuple[str, str], str | None] = {}

    def tell(self, commit_id: ObjectId, claim: Claim) -> Origin:
        """The origin that a claim, which may be that nothing is known, gives a commit."""
        commit = self._find_commit(commit_id)
        author = commit.author.name if commit else ""
        claimed = claim.agent or claim.actor
        return Origin(
            commit=commit_id,
            short=commit_id[:SHORT_ID_LENGTH],
            who=claimed or author or "nobody named",
            is_claimed=claimed is not None,
            evidence=claim.evidence.value,
            told="\n".join(self._facts(commit, claim)),
        )

    def group(self, lines: Iterable[BlameLine]) -> list[Run]:
        """Lines of a file, grouped into runs."""
        return [
            Run(self.tell(commit, claim), tuple((line.line, line.text.rstrip("\r")) for line in run))
            for (commit, claim), run in groupby(lines, key=lambda line: (line.commit, line.claim))
        ]

    def _facts(self, commit: Commit | None, claim: Claim) -> list[str]:
        facts = [f"{commit.subject} ({commit.author.name})"] if commit else []
        named = {
            "actor": claim.actor,
            "agent": claim.agent,
            "model": claim.model,
            "session": claim.session,
            "prompt": self._prompt(claim),
        }
        facts += [f"{name}: {value}" for name, value in named.items() if value]
        facts.append(f"evidence: {claim.evidence.value}" + (f", {claim.method}" if claim.method else ""))
        return facts

    def _prompt(self, claim: Claim) -> str | None:
        if not claim.session or not claim.prompt:
            return None
        key = (claim.session, claim.prompt)
        if key not in self._prompts:
            self._prompts[key] = self._read_prompt(*key)
        prompt = self._prompts[key]
        if prompt is None:
            return "erased"
        return prompt if len(prompt) <= _TOLD_PROMPT_LENGTH else prompt[:_TOLD_PROMPT_LENGTH] + " ..."

    def _find_commit(self, commit_id: ObjectId) -> Commit | None:
        if commit_id not in self._commits:
            try:
                self._commits[commit_id] = self._objects.read_commit(commit_id)
            except ObjectMissing:
                self._commits[commit_id] = None
        return self._commits[commit_id]


class BlameShelf:
    """Files blamed lately, so that coming back to one is quick. Safe to share between threads.

    A file is kept under the state of the claims, so that what they learn is seen at once; prompts
    are not kept, so that an erased one is gone at once. At most `lines_max` lines are kept in all.
    """

    def __init__(self, lines_max: int = 200_000) -> None:
        self._lines_max = lines_max
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, tuple[int, ...], ObjectId, bytes], list[BlameLine]] = (
            OrderedDict()
        )
        self._count = 0

    def blame(self, view: RepositoryView, known: Origins, commit: ObjectId, path: bytes) -> list[BlameLine]:
        """The lines of a file with their origins; errors as in `explain.blame`."""
        key = (view.id, known.state(view.id), commit, path)
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
        lines = blame(view, known, commit, path)
        if known.state(view.id) != key[1]:
            return lines  # of neither state for sure, and a judgement that is taken back brings a state back
        with self._lock:
            self._count += len(lines) - len(self._files.get(key, ()))
            self._files[key] = lines
            while self._count > self._lines_max:
                self._count -= len(self._files.popitem(last=False)[1])
        return lines


def split_plainly(content: bytes) -> Sequence[tuple[int, str]]:
    """The numbered lines of a file, as `Run.lines` has them, without asking where they come from."""
    lines = content.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return [(number, _show(line)) for number, line in enumerate(lines, 1)]


def _show(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", "replace")
