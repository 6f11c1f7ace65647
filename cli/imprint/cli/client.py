"""A server seen from the command line: REST over HTTP, with the same documents and refusals as a data folder.

Invariants:
    1. The token goes into the `Authorization` header and nowhere else; redirects are not followed, so that it
       reaches no other address.
    2. A problem (RFC 9457) becomes `ServerRefused` with the server's code, words and hint.
    3. What does not look like Imprint is `ServerUnreachable`, never a traceback.
"""

from __future__ import annotations

import json
import re
import ssl
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode

import httpx

from imprint.cli.errors import ServerRefused, ServerUnreachable, UsageProblem
from imprint.store.errors import RefMissing
from imprint.store.paths import quote_path
from imprint.store.types import RepositoryName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from imprint.cli.ports import AuditWish, Document, RecordedSessions, TokenWish

_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 600.0
"""An audit of a large repository that is asked for the first time takes minutes."""
_PAGE: Final = 1000
_STATUS_ERROR: Final = 400
_STATUS_REDIRECT: Final = 300
_STATUS_UNAUTHORIZED: Final = 401
_SCHEMES: Final = frozenset({"http", "https"})


_OPTIONS: Final = {
    "actor": "--actor",
    "can": "--can",
    "default_branch": "--default-branch",
    "emails": "--email",
    "expires": "--expires",
    "grace": "--grace",
    "kind": "--kind",
    "language": "--language",
    "limit": "--limit",
    "q": "QUERY",
    "ref": "--ref",
    "repositories": "--repo",
    "session.agent": "--agent",
    "session.id": "--session",
    "session.model": "--model",
    "session.prompt": "--prompt",
}
"""Which option a member of a request comes from, where it has another name."""


def _trust(scheme: str) -> ssl.SSLContext:
    """Whom to believe that it is the server.

    Nobody, where no TLS is spoken: to read the list of authorities takes 30 ms, as long as a short answer.
    """
    return httpx.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Client:
    """One server.

    Args:
        server: its address, such as `http://127.0.0.1:8470`.
        token: the secret to present; None to come as nobody. Git presents it too, see `gitclient`.
        transport: how requests travel; None for the network.
        waiting: what is entered while an answer is waited for, with a word for it.

    Raises:
        UsageProblem: the address is none.
    """

    def __init__(
        self,
        server: str,
        token: str | None,
        transport: httpx.BaseTransport | None = None,
        waiting: Callable[[str], AbstractContextManager[None]] = lambda _label: nullcontext(),
    ) -> None:
        try:
            address = httpx.URL(server.rstrip("/"))
        except httpx.InvalidURL as bad:
            raise UsageProblem(f"{server!r} is not an address of a server", hint=str(bad)) from bad
        if address.scheme not in _SCHEMES or not address.host:
            raise UsageProblem(
                f"{server!r} is not an address of a server", hint="it looks like http://127.0.0.1:8470"
            )
        headers = {"Accept": "application/json"}
        if token is not None:
            if not token.isascii() or not token.isprintable():
                raise UsageProblem("the token holds characters that no token has", hint="see IMPRINT_TOKEN")
            headers["Authorization"] = f"Bearer {token}"
        self.address = str(address.copy_with(username=None, password=None)).rstrip("/")
        self.token = token
        self._transport = transport
        self._waiting_with = waiting
        self._waiting = partial(waiting, f"waiting for {self.address}")
        self._http = httpx.Client(
            base_url=self.address,
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            follow_redirects=False,
            verify=_trust(address.scheme),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def presenting(self, token: str) -> Client:
        """The same server, with another token."""
        return Client(self.address, token, self._transport, self._waiting_with)

    def get(self, address: str, /, **parameters: Any) -> Document:
        """Ask for a document; parameters that are None are left out."""
        return self._ask("GET", address, params=_without_none(parameters))

    def post(self, address: str, document: Document) -> Document:
        """Send a document and read the answer."""
        return self._ask("POST", address, json=_without_none(document))

    def patch(self, address: str, document: Document) -> Document:
        """Change something and read what it is now."""
        return self._ask("PATCH", address, json=document)

    def delete(self, address: str, /, **parameters: Any) -> Document:
        """Remove something and read what it was; an answer without content is an empty document."""
        return self._ask("DELETE", address, params=_without_none(parameters))

    def stream(self, address: str, /, **parameters: Any) -> Iterator[Document]:
        """The documents of an answer of JSON lines, as they come; its last line says that it is whole.

        Raises:
            ServerUnreachable: it was cut off.
        """
        with self._naming_failures(), self._opened(address, params=_without_none(parameters)) as answer:
            if answer.status_code >= _STATUS_REDIRECT:
                answer.read()
                raise self._refusal(answer)
            for line in answer.iter_lines():
                document = json.loads(line)
                if "end" in document:
                    return
                yield document
        raise ServerUnreachable(f"the answer of {self.address} was cut off", hint="try again")

    def pieces(self, address: str) -> Iterator[bytes]:
        """An answer that is no document, in pieces as they come."""
        with self._naming_failures(), self._opened(address) as answer:
            if answer.status_code >= _STATUS_REDIRECT:
                answer.read()
                raise self._refusal(answer)
            yield from answer.iter_bytes()

    @contextmanager
    def _opened(self, address: str, **content: Any) -> Iterator[httpx.Response]:
        """An answer of which only the head has come."""
        with ExitStack() as stack:
            with self._waiting():
                answer = stack.enter_context(self._http.stream("GET", address, **content))
            yield answer

    def pages(self, address: str, name: str, /, **parameters: Any) -> list[Document]:
        """Every item of a list that comes in pages."""
        items: list[Document] = []
        cursor: str | None = None
        while True:
            page = self.get(address, limit=_PAGE, cursor=cursor, **parameters)
            items += page.get(name, [])
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def _ask(self, method: str, address: str, **content: Any) -> Document:
        with self._naming_failures(), self._waiting():
            answer = self._http.request(method, address, **content)
        if answer.status_code >= _STATUS_REDIRECT:
            raise self._refusal(answer)
        if not answer.content:
            return {}
        document = _read_object(answer)
        if document is None:
            raise self._stranger(answer)
        return document

    @contextmanager
    def _naming_failures(self) -> Iterator[None]:
        """What goes wrong with the connection in the block is said in words."""
        try:
            yield
        except httpx.ConnectError as failed:
            if "CERTIFICATE_VERIFY_FAILED" in str(failed):
                raise ServerUnreachable(
                    f"the certificate of {self.address} is not trusted: {failed}",
                    hint="if it is the right one, trust it with SSL_CERT_FILE=FILE, its authority in PEM",
                ) from failed
            raise ServerUnreachable(
                f"nothing answers at {self.address}: {failed}", hint="is 'imprint serve' running there?"
            ) from failed
        except httpx.TimeoutException as late:
            raise ServerUnreachable(f"{self.address} did not answer in time", hint="try again") from late
        except httpx.TransportError as failed:
            raise ServerUnreachable(f"the connection to {self.address} broke: {failed}") from failed

    def _refusal(self, answer: httpx.Response) -> ServerRefused | ServerUnreachable:
        problem = _read_object(answer)
        if answer.status_code < _STATUS_ERROR or problem is None:
            return self._stranger(answer)
        hint = str(problem.get("hint") or "")
        if not hint and answer.status_code == _STATUS_UNAUTHORIZED:
            hint = "put a token in IMPRINT_TOKEN; 'imprint token create' makes one"
        message = _render_faults(problem) or str(
            problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}"
        )
        return ServerRefused(
            message, code=str(problem.get("code") or ""), status=answer.status_code, hint=hint
        )

    def _stranger(self, answer: httpx.Response) -> ServerUnreachable:
        return ServerUnreachable(
            f"what answers at {self.address} does not speak Imprint's interface (HTTP {answer.status_code})",
            hint="check --server or IMPRINT_SERVER",
        )


def _read_object(answer: httpx.Response) -> Document | None:
    """The JSON object of an answer; None if it is anything else."""
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _render_faults(problem: Document) -> str:
    """The first parameter that the server could not take, by its option's name; empty if it names none."""
    faults = problem.get("errors")
    fault = faults[0] if isinstance(faults, list) and faults else None
    if not isinstance(fault, dict) or not fault.get("where"):
        return ""
    where = re.sub(r"^(body|query|path)\.|\.\d+(?=\.|$)", "", str(fault["where"]))
    return f"{_OPTIONS.get(where, where)}: {fault.get('what')}"


def _audit_parameters(wish: AuditWish, ref: str) -> dict[str, Any]:
    symbols = "true" if wish.symbols else None
    return {"ref": ref, "since": wish.since, "until": wish.until, "path": wish.path, "symbols": symbols}


def _without_none(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


def _repository_path(name: str) -> str:
    return f"/api/repos/{RepositoryName.parse(name)}"


class ServerAdministration:
    """The `Administration` of a server; the token must be an administrator's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create_repository(self, name: str, default_branch: str, object_format: str = "sha1") -> Document:
        """Make an empty repository."""
        wish = {"name": name, "default_branch": default_branch, "object_format": object_format}
        return self._client.post("/api/repos", wish)

    def list_repositories(self, *, deleted: bool = False) -> list[Document]:
        """Those the token may read, or the deleted ones."""
        return self._client.pages("/api/repos", "repos", deleted="true" if deleted else None)

    def rename_repository(self, name: str, new_name: str) -> Document:
        """Give a repository another name."""
        return self._client.patch(_repository_path(name), {"name": new_name})

    def set_head(self, name: str, branch: str) -> Document:
        """Make a branch the default branch."""
        return self._client.patch(_repository_path(name), {"default_branch": branch})

    def change_settings(self, name: str, changes: Mapping[str, str | None]) -> Document:
        """Choose settings of a repository."""
        address = f"{_repository_path(name)}/settings"
        return self._client.patch(address, {"settings": dict(changes)})

    def delete_repository(self, name: str, grace: str) -> Document:
        """Hide a repository now and destroy it after the grace period."""
        return self._client.delete(_repository_path(name), grace=grace)

    def restore_repository(self, name: str) -> Document:
        """Take a deletion back."""
        return self._client.post(f"{_repository_path(name)}/restore", {})

    def create_token(self, wish: TokenWish) -> Document:
        """Make a token."""
        session = None
        if wish.session is not None:
            session = _without_none(
                {"id": wish.session, "agent": wish.agent, "model": wish.model, "prompt": wish.prompt}
            )
        return self._client.post(
            "/api/tokens",
            {
                "actor": wish.actor,
                "kind": wish.kind,
                "repositories": list(wish.repositories),
                "can": list(wish.verbs),
                "emails": list(wish.emails),
                "expires": wish.expires,
                "session": session,
                **_without_none({"ssh_key": wish.ssh_key}),
            },
        )

    def list_tokens(self) -> list[Document]:
        """All tokens."""
        return self._client.pages("/api/tokens", "tokens")

    def revoke_token(self, token_id: str) -> Document:
        """Withdraw a token."""
        return self._client.delete(f"/api/tokens/{quote(token_id, safe='')}")

    def list_actors(self) -> list[Document]:
        """Everybody who can act."""
        return self._client.pages("/api/actors", "actors")


def _of_some_commit(answer: Document) -> Document:
    """The answer, unless it speaks of no commit and is behind none: then there is none.

    Raises:
        RefMissing: HEAD's branch has no commit yet; the words are those of `imprint.store.view`.
    """
    if answer.get("commit") is None and not answer.get("behind"):
        raise RefMissing("HEAD's branch has no commit yet")
    return answer


class ServerReading:
    """The `Reading` of one repository on a server."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._path = _repository_path(repository)

    def ask(self, question: str, given: Mapping[str, Any]) -> Document:
        """Ask the server; a parameter without a value is left to its default."""
        told = {name: value for name, value in given.items() if value not in (None, "", False)}
        return _of_some_commit(self._client.get(f"{self._path}/{question}", **told))

    def symbols(self, name: str, ref: str) -> Document:
        """Definitions of a name."""
        return _of_some_commit(self._client.get(f"{self._path}/symbols", name=name, ref=ref))

    def blame(self, path: bytes, ref: str) -> Document:
        """Every line of a file with its origin."""
        return self._client.get(f"{self._path}/blame", path=quote_path(path), ref=ref)

    def why(self, path: bytes, line: int, ref: str) -> Document:
        """Where a line came from."""
        return self._client.get(f"{self._path}/why", path=quote_path(path), line=line, ref=ref)

    def why_lines(self, path: bytes, lines: tuple[int, int], ref: str) -> Document:
        """Where some lines came from."""
        return self._client.get(
            f"{self._path}/why", path=quote_path(path), start=lines[0], end=lines[1], ref=ref
        )

    def why_symbol(self, name: str, ref: str) -> Document:
        """Where the definitions of a name came from."""
        return _of_some_commit(self._client.get(f"{self._path}/why", symbol=name, ref=ref))

    def audit(self, wish: AuditWish, ref: str) -> Document:
        """Coverage of everything reachable."""
        return self._client.get(f"{self._path}/audit", **_audit_parameters(wish, ref))

    def audit_report(self, wish: AuditWish, ref: str) -> bytes:
        """The same as one HTML page."""
        asked = urlencode(_without_none(_audit_parameters(wish, ref) | {"format": "html"}))
        return b"".join(self._client.pieces(f"{self._path}/audit?{asked}"))

    def export(self, name: str, ref: str) -> Iterator[Document]:
        """What is known of a history, in a format's documents."""
        return self._client.stream(f"{self._path}/export/{quote(name, safe='')}", ref=ref)

    def index_history(self) -> Document:
        """A server does it by itself."""
        raise UsageProblem(
            "a server indexes the history by itself", hint="'imprint index status' says how far it is"
        )

    def index_status(self, ref: str) -> Document:
        """How far the index is."""
        return self._client.get(f"{self._path}/index", ref=ref)

    def recorded(self) -> RecordedSessions:
        """The sessions of the repository."""
        from imprint.cli.sessions.server import ServerSessions

        return ServerSessions(self._client, self._path)

    def links(self, commit: str | None) -> list[Document]:
        """The links between versions of commits."""
        return self._client.pages(f"{self._path}/links", "links", ref=commit)

    def refuse_link(self, commit: str, origin: str, reason: str) -> Document:
        """Refuse a link."""
        wish = {"commit": commit, "origin": origin, "reason": reason}
        return self._client.post(f"{self._path}/links/refusals", wish)

    def restore_link(self, commit: str, origin: str) -> Document:
        """Take a refusal back."""
        link = f"{quote(commit, safe='')}/{quote(origin, safe='')}"
        return self._client.delete(f"{self._path}/links/refusals/{link}")
