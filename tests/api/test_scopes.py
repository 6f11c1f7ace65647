"""Every route for everybody: {nobody, read, write, admin, other repository, expired, revoked}.

The routes come from the application, so that a new one fails here until somebody says who may use it.
"""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from imprint.api.auth import is_public
from imprint.store.actors import Verb
from imprint.store.types import RepositoryName

# What each sort of route answers to each sort of caller. `IN` stands for any success, and for any complaint
# about the request itself: the caller was let in.
IN = 2
CALLERS = ("nobody", "expired", "revoked", "other", "read", "write", "admin", "operator")
OUTSIDE = (401, 401, 401)
SORTS = {
    "open": (IN,) * 8,
    "anybody": (*OUTSIDE, IN, IN, IN, IN, IN),
    "reader": (*OUTSIDE, 404, IN, IN, IN, IN),
    "writer": (*OUTSIDE, 404, 403, IN, IN, IN),
    "administrator": (*OUTSIDE, 404, 403, 403, IN, IN),
    "operator": (*OUTSIDE, 403, 403, 403, 403, IN),
    # Makes a repository that no token names: those who administer something else may not.
    "creator": (*OUTSIDE, 403, 403, 403, 403, IN),
    # Of the one repository that the token names; the operator's names all, which is a complaint.
    "reader of one": (*OUTSIDE, IN, IN, IN, IN, IN),
    "writer of one": (*OUTSIDE, IN, 403, IN, IN, IN),
}
PLACES = {
    ("GET", "/healthz"): "open",
    ("GET", "/readyz"): "open",
    ("GET", "/docs"): "open",
    ("GET", "/openapi.json"): "open",
    ("GET", "/static/imprint.css"): "open",
    ("GET", "/"): "anybody",
    ("POST", "/mcp"): "anybody",
    ("GET", "/api/search"): "anybody",
    ("GET", "/api/repos"): "anybody",
    ("POST", "/api/repos"): "creator",
    ("GET", "/api/tokens"): "operator",
    ("POST", "/api/tokens"): "operator",
    ("DELETE", "/api/tokens/{token_id}"): "operator",
    ("GET", "/api/actors"): "operator",
    ("GET", "/metrics"): "operator",
    ("GET", "/api/repos/{owner}/{repo}"): "reader",
    ("PATCH", "/api/repos/{owner}/{repo}"): "administrator",
    ("DELETE", "/api/repos/{owner}/{repo}"): "administrator",
    ("POST", "/api/repos/{owner}/{repo}/restore"): "administrator",
    ("GET", "/api/repos/{owner}/{repo}/settings"): "administrator",
    ("PATCH", "/api/repos/{owner}/{repo}/settings"): "administrator",
    ("GET", "/api/repos/{owner}/{repo}/refs"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/events"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/sessions"): "reader",
    ("POST", "/api/repos/{owner}/{repo}/commits"): "writer",
    ("GET", "/api/repos/{owner}/{repo}/branches"): "reader",
    ("POST", "/api/repos/{owner}/{repo}/branches"): "writer",
    ("DELETE", "/api/repos/{owner}/{repo}/branches/{name:path}"): "writer",
    ("POST", "/api/repos/{owner}/{repo}/merges"): "writer",
    ("POST", "/api/repos/{owner}/{repo}/merges/preview"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/search"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/symbols"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/symbol"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/references"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/definition"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/callers"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/callees"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/impact"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/outline"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/map"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/history"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/diff"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/index"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/blame"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/why"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/audit"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/files"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/file"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/export/{format}"): "reader",
    ("POST", "/api/repos/{owner}/{repo}/sessions"): "writer",
    ("GET", "/api/repos/{owner}/{repo}/sessions/{session_id:path}"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/sessions/{session_id:path}/turns"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/sessions/{session_id:path}/transcript"): "reader",
    ("DELETE", "/api/repos/{owner}/{repo}/sessions/{session_id:path}/texts"): "writer",
    ("GET", "/{owner}/{repo}/session/{session_id:path}"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/links"): "reader",
    ("POST", "/api/repos/{owner}/{repo}/links/refusals"): "writer",
    ("DELETE", "/api/repos/{owner}/{repo}/links/refusals/{commit}/{origin}"): "writer",
    ("GET", "/api/mirrors"): "operator",
    ("POST", "/api/mirrors"): "operator",
    ("GET", "/api/repos/{owner}/{repo}/mirror"): "administrator",
    ("PATCH", "/api/repos/{owner}/{repo}/mirror"): "administrator",
    ("DELETE", "/api/repos/{owner}/{repo}/mirror"): "administrator",
    ("POST", "/api/repos/{owner}/{repo}/mirror/sync"): "administrator",
    ("GET", "/api/repos/{owner}/{repo}/git-ai/worker/notes"): "reader",
    ("GET", "/api/repos/{owner}/{repo}/git-ai/worker/notes/"): "reader",
    ("POST", "/api/repos/{owner}/{repo}/git-ai/worker/notes/upload"): "writer",
    ("POST", "/api/repos/{owner}/{repo}/git-ai/worker/notes/upload/"): "writer",
    ("GET", "/api/git-ai/worker/notes"): "reader of one",
    ("GET", "/api/git-ai/worker/notes/"): "reader of one",
    ("POST", "/api/git-ai/worker/notes/upload"): "writer of one",
    ("POST", "/api/git-ai/worker/notes/upload/"): "writer of one",
    ("GET", "/{owner}/{repo}/info/refs?service=git-upload-pack"): "reader",
    ("GET", "/{owner}/{repo}/info/refs?service=git-receive-pack"): "writer",
    ("POST", "/{owner}/{repo}/git-upload-pack"): "reader",
    ("POST", "/{owner}/{repo}/git-receive-pack"): "writer",
    ("POST", "/{owner}/{repo}/info/lfs/objects/batch"): "reader",
    ("POST", "/{owner}/{repo}/info/lfs/objects/verify"): "reader",
    ("GET", "/{owner}/{repo}/info/lfs/objects/{oid}"): "reader",
    ("PUT", "/{owner}/{repo}/info/lfs/objects/{oid}"): "writer",
    ("GET", "/{owner}/{repo}/info/lfs/locks"): "reader",
    ("POST", "/{owner}/{repo}/info/lfs/locks"): "writer",
    ("POST", "/{owner}/{repo}/info/lfs/locks/verify"): "writer",
    ("POST", "/{owner}/{repo}/info/lfs/locks/{lock_id}/unlock"): "writer",
    ("GET", "/{owner}/{repo}"): "reader",
    ("GET", "/{owner}/{repo}/tree/{place:path}"): "reader",
    ("GET", "/{owner}/{repo}/blob/{place:path}"): "reader",
    ("GET", "/{owner}/{repo}/raw/{place:path}"): "reader",
    ("GET", "/{owner}/{repo}/search"): "reader",
    ("GET", "/{owner}/{repo}/why/{place:path}"): "reader",
}
QUERIES = {
    "search": {"q": "retry"},
    "symbols": {"name": "call"},
    "references": {"name": "call"},
    "symbol": {"name": "call"},
    "definition": {"name": "call"},
    "callers": {"name": "call"},
    "callees": {"name": "call"},
    "impact": {"name": "call"},
    "outline": {"path": "README.md"},
    "history": {"path": "tool.py", "line": "1"},
    "diff": {"base": "main"},
    "blame": {"path": "README.md"},
    "why": {"path": "README.md", "line": "1"},
    "file": {"path": "README.md"},
}
BODIES = {
    ("POST", "/{owner}/{repo}/info/lfs/objects/batch"): {"operation": "download", "objects": []},
    ("POST", "/{owner}/{repo}/info/lfs/objects/verify"): {"oid": "none", "size": 1},
    ("POST", "/{owner}/{repo}/info/lfs/locks"): {"path": "a"},
    ("POST", "/{owner}/{repo}/info/lfs/locks/verify"): {},
    ("POST", "/{owner}/{repo}/info/lfs/locks/{lock_id}/unlock"): {},
    ("POST", "/api/repos"): {"name": "scopes/made"},
    ("PATCH", "/api/repos/{owner}/{repo}"): {"default_branch": "main"},
    ("PATCH", "/api/repos/{owner}/{repo}/settings"): {"settings": {}},
    ("POST", "/api/repos/{owner}/{repo}/commits"): {
        "target_branch": "by-scope",
        "commit_message": "Scope",
        "files": [{"path": "x", "content": "x"}],
    },
    ("POST", "/api/tokens"): {
        "actor": "made-by-scope",
        "kind": "human",
        "repositories": ["*"],
        "can": ["read"],
    },
}


def routes(app) -> Iterator[tuple[str, str]]:
    """Method and path of everything that the application answers."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods)
        elif hasattr(route, "effective_candidates") or hasattr(route, "original_router"):
            yield from routes(route.original_router)
        else:
            yield from ((method, route.path) for method in route.methods - {"HEAD"})


def test_every_route_has_its_place(server) -> None:
    placed = {(method, path.partition("?")[0]) for method, path in PLACES}
    assert set(routes(server.app)) == placed


def test_exactly_the_open_routes_are_public() -> None:
    assert {path for (_, path), sort in PLACES.items() if sort == "open"} == {
        path for _, path in PLACES if is_public(path)
    }


@pytest.fixture(scope="module")
def callers(server) -> dict[str, str | None]:
    name, _ = server.pushed(
        {"README.md": "# Scopes\n", "tool.py": "def use():\n    return 1\n"}, "scopes/target"
    )
    other = server.repository("scopes/other")
    server.settle()
    expired = server.token(name, verbs=frozenset({Verb.ADMIN}), expires_in_ms=5)
    server.clock.advance(5)
    revoked = server.token(name, verbs=frozenset({Verb.ADMIN}))
    server.hosting.catalogue.revoke_token(
        server.hosting.authenticate(revoked).token.id, server.clock.now_ms()
    )
    return {
        "nobody": None,
        "expired": expired,
        "revoked": revoked,
        "other": server.token(other, verbs=frozenset({Verb.ADMIN})),
        "read": server.token(name, verbs=frozenset({Verb.READ})),
        "write": server.token(name, verbs=frozenset({Verb.WRITE})),
        "admin": server.token(name, verbs=frozenset({Verb.ADMIN})),
        "operator": server.admin,
    }


@pytest.mark.parametrize(("method", "path"), sorted(PLACES), ids=lambda value: value)
def test_every_caller_gets_the_answer_of_the_routes_sort(server, callers, method: str, path: str) -> None:
    expected = dict(zip(CALLERS, SORTS[PLACES[method, path]], strict=True))
    got = {caller: ask(server, token, method, path) for caller, token in callers.items()}
    assert got == expected


def ask(server, token: str | None, method: str, path: str) -> int:
    """The status, or `IN` for a caller who was let in."""
    place = "main" if "/tree/" in path else "main/README.md"
    address = (
        path.replace("{place:path}", place)
        .replace("{name:path}", "gone")
        .replace("{session_id:path}", "s-none")
        .format(
            owner="scopes",
            repo="target",
            token_id="tok_none",
            oid="none",
            lock_id="lock_none",
            format="in-toto",
            commit="1" * 40,
            origin="2" * 40,
        )
    )
    service = address.rpartition("/")[2]
    headers = {"Content-Type": f"application/x-{service}-request"} if service.startswith("git-") else {}
    if "/info/lfs/" in path:
        headers = {"Content-Type": "application/vnd.git-lfs+json"}
    if path.endswith("/restore"):
        server.hosting.delete(RepositoryName("scopes", "target"), None)
    answer = server.client(token).request(
        method,
        address,
        params=QUERIES.get(service) if address.startswith("/api/") else None,
        json=BODIES.get((method, path)),
        headers=headers,
    )
    assert answer.status_code < 500, answer.text
    put_back(server)
    kinds = ("token_missing", "ref_missing", "session_missing", "mirror_missing")
    let_in = (*kinds, "no lock", "no note", "is refused")
    if answer.status_code == 404 and any(words in answer.text for words in let_in):
        return IN
    return answer.status_code if answer.status_code in {401, 403, 404} else IN


def put_back(server) -> None:
    """Undo what an allowed request did to the repository that the next one asks about."""
    for record in server.hosting.list_deleted():
        if str(record.name) == "scopes/target":
            server.hosting.restore(record.name, None)
