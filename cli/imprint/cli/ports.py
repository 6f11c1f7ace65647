"""What commands ask of a place: a data folder, a server, or a clone.

Answers are documents: the JSON values that `--json` prints and that the REST interface gives, so that a
program reads the same whichever place answered. They are rendered once, in the layer that knows the value;
here they are only carried, printed and laid out. Paths in them are text as `imprint.store.paths.quote_path`
writes it.

Every method raises the errors of `imprint.store.errors`, or `ServerRefused` with the same code and words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


Document = dict[str, Any]
"""One JSON object."""


@dataclass(frozen=True, slots=True)
class AuditWish:
    """What of a history is audited.

    Attributes:
        since, until: dates as people write them; None for all.
        path: a file or folder, as `quote_path` writes it; None for all.
        symbols: whether lines are counted by symbol too.
    """

    since: str | None = None
    until: str | None = None
    path: str | None = None
    symbols: bool = False


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token to be made.

    Attributes:
        actor: who will act with it.
        kind: `agent`, `human` or `service`.
        repositories: `owner/name` each, or `*`.
        verbs: of `read`, `write`, `admin`.
        emails: addresses by which the actor's commits are known.
        expires: a duration such as `24h`; None for never.
        session: id of the session to open; None for none.
        agent, model, prompt: what the session says of the work; None for nothing.
        ssh_key: the line of a public key that is to be the credential; None for a secret.
    """

    actor: str
    kind: str
    repositories: tuple[str, ...]
    verbs: tuple[str, ...]
    emails: tuple[str, ...] = ()
    expires: str | None = None
    session: str | None = None
    agent: str | None = None
    model: str | None = None
    prompt: str | None = None
    ssh_key: str | None = None


class Administration(Protocol):
    """Repositories, tokens and actors of a data folder or a server."""

    def create_repository(self, name: str, default_branch: str, object_format: str = "sha1") -> Document:
        """Make an empty repository: `{"name", "git_url", ...}`."""
        ...

    def list_repositories(self, *, deleted: bool = False) -> list[Document]:
        """Those the caller may see, by name; or the deleted ones that can still be restored."""
        ...

    def rename_repository(self, name: str, new_name: str) -> Document:
        """Give a repository another name."""
        ...

    def set_head(self, name: str, branch: str) -> Document:
        """Make a branch the default branch, which HEAD names."""
        ...

    def change_settings(self, name: str, changes: Mapping[str, str | None]) -> Document:
        """Choose settings of a repository, none too: `{"name", "settings": {...}, "defaults": {...}}`."""
        ...

    def delete_repository(self, name: str, grace: str) -> Document:
        """Hide a repository now and destroy it after the grace period."""
        ...

    def restore_repository(self, name: str) -> Document:
        """Take a deletion back."""
        ...

    def create_token(self, wish: TokenWish) -> Document:
        """Make a token: `{"id", "token", ...}`, the only time that its secret is seen."""
        ...

    def list_tokens(self) -> list[Document]:
        """All tokens, without their secrets."""
        ...

    def revoke_token(self, token_id: str) -> Document:
        """Withdraw a token at once."""
        ...

    def list_actors(self) -> list[Document]:
        """Everybody who can act."""
        ...


class RecordedSessions(Protocol):
    """The sessions of one repository; documents as REST has them, see docs/reference/rest.md."""

    def list_all(self) -> list[Document]:
        """All of them, oldest first, without prompts."""
        ...

    def show(self, session_id: str) -> Document:
        """One, with its tree, what it cost and which files its tools named."""
        ...

    def turns(self, session_id: str) -> Document:
        """`{"session", "turns": [...], "withheld"}`."""
        ...

    def transcript(self, session_id: str) -> Iterator[bytes]:
        """The redacted transcript in pieces."""
        ...

    def erase(self, session_id: str) -> Document:
        """Destroy the texts of a session and of its tree: `{"erased", "left"}`, ids."""
        ...

    def redact(self, session_id: str) -> Document:
        """Redact what is kept by the policy of today; the session as it is then."""
        ...


class Reading(Protocol):
    """One repository to ask about. `ref` is a revision; `path` is Git's bytes from the root of the tree."""

    def ask(self, question: str, given: Mapping[str, Any]) -> Document:
        """Answer a question of `imprint.semantic.asking`; `given` holds its parameters, `ref` among them."""
        ...

    def symbols(self, name: str, ref: str) -> Document:
        """`{"commit", "behind", "symbols": [...]}`."""
        ...

    def blame(self, path: bytes, ref: str) -> Document:
        """`{"commit", "path", "lines": [...]}`."""
        ...

    def why(self, path: bytes, line: int, ref: str) -> Document:
        """`{"commit", "path", "line", "claims": [...]}`."""
        ...

    def why_lines(self, path: bytes, lines: tuple[int, int], ref: str) -> Document:
        """`{"commit", "path", "start", "end", "parts": [...]}`."""
        ...

    def why_symbol(self, name: str, ref: str) -> Document:
        """`{"commit", "behind", "symbol", "places": [...]}`."""
        ...

    def audit(self, wish: AuditWish, ref: str) -> Document:
        """`{"commits": {...}, "lines": {...}, "months": [...], "agents": [...], "unrecorded": [...]}`."""
        ...

    def audit_report(self, wish: AuditWish, ref: str) -> bytes:
        """The same as one HTML page."""
        ...

    def export(self, name: str, ref: str) -> Iterator[Document]:
        """What is known of a history as documents of a format: `imprint.store.export.documents`."""
        ...

    def index_history(self) -> Document:
        """Index everything that the repository ever held, now: `{"done", "total", "complete"}`."""
        ...

    def index_status(self, ref: str) -> Document:
        """`{"ref", "head", "indexed", "behind", ...}`."""
        ...

    def recorded(self) -> RecordedSessions:
        """The sessions recorded in the repository."""
        ...

    def links(self, commit: str | None) -> list[Document]:
        """The links between versions of commits: all of them, or those from and to one."""
        ...

    def refuse_link(self, commit: str, origin: str, reason: str) -> Document:
        """Refuse a link for good; the judgement that stands, which may be an older one."""
        ...

    def restore_link(self, commit: str, origin: str) -> Document:
        """Take a refusal back; the judgement that stood."""
        ...
