"""The short way of a commit by API: it tells what the routes tell, and asks them only for refusals."""

import asyncio
import json

import pytest

from imprint.api.at_once.commits import BYTES_MAX, CommitsAtOnce

LONG = {"Content-Type": "application/json; charset=utf-8"}
"""Goes the long way."""


def wish(**change: object) -> dict[str, object]:
    return {
        "target_branch": "main",
        "commit_message": "Say é",
        "files": [{"path": "a.txt", "content": "a\n"}],
        **change,
    }


@pytest.fixture
def place(server):
    name, git = server.pushed({"README.md": "# Place\n"})
    return f"/api/repos/{name}/commits", server.client(server.token(name)), git("rev-parse", "HEAD")


class Walked:
    """How a request goes through: whether it was answered at once, or passed on, and with which body."""

    def __init__(self, server, path: str, client) -> None:
        self.passed: bytes | None = None
        self._server, self._path = server, path
        token = client.headers["authorization"].partition(" ")[2]
        self._principal = server.app.state.services.hosting.authenticate(token)

    def post(self, body: bytes, kind: str = "application/json", *, length: int | None = None) -> int | None:
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % (length or len(body)))]
        scope = {
            "type": "http",
            "method": "POST",
            "path": self._path,
            "query_string": b"",
            "headers": headers,
            "app": self._server.app,
            "state": {"principal": self._principal},
        }
        sent, pieces = [], [body[:10], body[10:]]

        async def receive() -> dict:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: dict) -> None:
            sent.append(message)

        async def routes(_scope: dict, receive, _send) -> None:
            self.passed, more = b"", True
            while more:
                message = await receive()
                self.passed, more = self.passed + message["body"], message["more_body"]

        asyncio.run(CommitsAtOnce(routes)(scope, receive, send))
        return sent[0]["status"] if sent else None


def test_both_ways_tell_the_same(place) -> None:
    path, client, _ = place
    short = client.post(path, json=wish())
    again = json.dumps(wish(files=[{"path": "b.txt", "content": "b\n"}]))
    long = client.post(path, content=again, headers=LONG)
    assert (short.status_code, long.status_code) == (201, 201), long.text
    kept = ("cache-control", "x-content-type-options", "content-type")
    assert [short.headers[name] for name in kept] == [long.headers[name] for name in kept]
    told, wanted = short.json(), long.json()
    assert list(told) == list(wanted)
    assert list(told["event"]) == list(wanted["event"])
    assert [type(each) for each in told["event"].values()] == [
        type(each) for each in wanted["event"].values()
    ]
    assert wanted["old_sha"] == told["new_sha"]


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"path": "a"}]},
        {"files": [{"path": ".git/config", "content": ""}]},
        {"files": [{"path": "README.md", "content": "# Place\n"}]},
        {"expected_head_sha": "0" * 39 + "1"},
        {"target_branch": "a..b"},
        {"misspelt": 1},
    ],
)
def test_both_ways_refuse_alike(place, change) -> None:
    path, client, _ = place
    body = json.dumps(wish(**change))
    short = client.post(path, content=body, headers={"Content-Type": "application/json"})
    long = client.post(path, content=body, headers=LONG)
    assert short.status_code == long.status_code >= 400
    assert short.json() == long.json()
    assert short.headers["cache-control"] == long.headers["cache-control"] == "no-store"


def test_the_routes_are_asked_only_for_what_is_not_plain(server, place) -> None:
    path, client, _ = place
    walked = Walked(server, path, client)
    body = json.dumps(wish()).encode()
    assert walked.post(body, "text/plain") is None
    assert walked.post(body, length=BYTES_MAX + 1) is None
    assert walked.passed == body
    assert (walked.post(body), walked.post(body)) == (201, 400)  # the second changes nothing
    for odd in (b"{}", b'{"target_branch": ', json.dumps(wish(files=3)).encode()):
        walked.passed = None
        assert walked.post(odd) is None
        assert walked.passed == odd


def test_whoever_may_not_write_is_refused_by_the_routes(server, place) -> None:
    path, client, head = place
    hidden = server.client(server.token(server.repository()))
    assert hidden.post(path, json=wish()).status_code == 404
    assert client.get(path.replace("/commits", "/refs")).json()["head_sha"] == head
