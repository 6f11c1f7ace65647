"""What happens in the sample repository, step by step. The files of each step are in `steps/`.

Names, addresses and times of what is pushed are fixed, so that its ids are the same everywhere. The one
commit by API has the time of the server; it comes last.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

REPOSITORY: Final = "sample/ledger"
BRANCH: Final = "main"
TAG: Final = "v1.0"
"""On the last commit that is pushed. It comes after everything else: where it is, the sample is whole."""
_SUFFIX: Final = ".txt"
"""Keeps the files of the sample from being taken for our own sources."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts in the sample."""

    actor: str
    name: str
    email: str
    kind: str


ADA: Final = Person("ada", "Ada Marsh", "ada@ledger.example", "human")
TOM: Final = Person("tom", "Tom Okafor", "tom@ledger.example", "human")
SCRIBE: Final = Person("scribe", "scribe", "scribe@agents.ledger.example", "agent")
TELLER: Final = Person("teller", "teller", "teller@agents.ledger.example", "agent")


@dataclass(frozen=True, slots=True)
class Work:
    """A session: which tool, which model, asked what."""

    session: str
    agent: str
    model: str
    prompt: str


class Way(enum.Enum):
    """How a step reaches the server."""

    PUSH = enum.auto()
    API = enum.auto()
    SQUASH = enum.auto()
    """The branch of the step before, squashed into one commit of the person who merges it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit.

    Attributes:
        folder: of its files below `steps/`; empty for none of its own.
        person: author, committer and deliverer.
        at: when, as Git reads it; empty for a commit by API, whose time is the server's.
        message: its subject begins no other step.
        way: how it is delivered.
        branch: where to.
        work: the session it belongs to; None for none.
        note: a Git AI note on it, with `{commit}` where its id goes; empty for none.
    """

    folder: str
    person: Person
    at: str
    message: str
    way: Way = Way.PUSH
    branch: str = BRANCH
    work: Work | None = None
    note: str = ""

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def files(self) -> dict[str, bytes]:
        """What the step writes, by path."""
        if not self.folder:
            return {}
        return dict(_walk(files("imprint.cli.sample") / "steps" / self.folder, ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            found += _walk(item, f"{prefix}{item.name}/")
        else:
            found.append((prefix + item.name.removesuffix(_SUFFIX), item.read_bytes()))
    return found


_RETRY: Final = Work(
    "scribe-retry",
    "claude-code",
    "claude-opus-4-5",
    "Payments fail whenever the bank drops a connection. Give BankClient a retry policy: exponential\n"
    "backoff with an upper bound and some jitter, only for lost connections. Add tests that do not sleep.",
)
_EXPORT: Final = Work(
    "teller-export",
    "codex",
    "gpt-5-codex",
    "The tax office wants our entries as CSV. Write a small Go command that reads the ledger's JSON on\n"
    "stdin and writes CSV on stdout, amounts with two decimals.",
)
_RECONCILE: Final = Work(
    "scribe-reconcile",
    "claude-code",
    "claude-opus-4-5",
    "Match the lines of the bank's statement with our entries. Each entry may be used once; when amounts\n"
    "are equal let the text decide. Work on a branch, I will squash it.",
)
_RECONCILE_BRANCH: Final = "agent/reconcile"
_FORMAT_NOTE: Final = (
    "web/format.js\n"
    "  s_5f1c0a7be93d24::t_0b6e2d94c1a873 1-11\n"
    "web/balances.js\n"
    "  s_5f1c0a7be93d24::t_0b6e2d94c1a873 3-4,22\n"
    "---\n"
    '{"schema_version":"authorship/3.0.0","git_ai_version":"1.4.5","base_commit_sha":"{commit}","prompts":{},'
    '"sessions":{"s_5f1c0a7be93d24":{"agent_id":{"tool":"cursor","id":"format-amounts","model":"composer-1"},'
    '"human_author":"Tom Okafor <tom@ledger.example>"}}}\n'
)

STORY: Final = (
    Step("1-start", ADA, "2026-01-12T09:14:00+01:00", "Start the ledger: money, accounts, entries"),
    Step("2-bank", ADA, "2026-01-13T16:40:00+01:00", "Send payments to the bank"),
    Step("3-page", TOM, "2026-01-15T11:05:00+01:00", "Show the balance of every account"),
    Step(
        "4-retry",
        SCRIBE,
        "2026-01-19T10:22:00+01:00",
        "Try payments again when the connection breaks\n\nExponential backoff with jitter, up to five tries.",
        work=_RETRY,
    ),
    Step(
        "5-shares",
        TOM,
        "2026-01-22T09:48:00+01:00",
        "Share amounts without losing a cent\n\nThe remainder goes to the first shares.\n\n"
        "Co-Authored-By: Claude <noreply@anthropic.com>",
    ),
    Step(
        "6-format",
        TOM,
        "2026-01-23T15:10:00+01:00",
        "Write amounts as customers read them",
        note=_FORMAT_NOTE,
    ),
    Step(
        "7-match",
        SCRIBE,
        "2026-01-26T10:02:00+01:00",
        "Match statement lines with entries",
        branch=_RECONCILE_BRANCH,
        work=_RECONCILE,
    ),
    Step(
        "8-match-tests",
        SCRIBE,
        "2026-01-26T10:19:00+01:00",
        "Test matching by text and by amount",
        branch=_RECONCILE_BRANCH,
        work=_RECONCILE,
    ),
    Step(
        "",
        ADA,
        "2026-01-27T08:55:00+01:00",
        "Reconcile the bank's statement (#8)\n\nMatch statement lines with entries, by amount and text.",
        way=Way.SQUASH,
    ),
    Step("9-export", TELLER, "", "Export entries as CSV", way=Way.API, work=_EXPORT),
)

EXAMPLES: Final = (
    'search "where is the retry policy"',
    "symbol RetryPolicy",
    "why ledger/retry.py:32",
    "why cmd/export/csv.go:16",
    "blame ledger/bank.py",
    "audit",
)
"""Commands worth trying on the sample, without the options that say where."""
