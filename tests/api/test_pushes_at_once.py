"""The two requests of a push find their routes' functions without the other routes, and say the same."""

import http.client

import pytest

from imprint.api.at_once import front
from imprint.store.actors import Verb

BOTH = [("GET", "info/refs?service=git-receive-pack"), ("POST", "git-receive-pack")]


def ask(server, method: str, address: str, token: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.url.partition("://")[2], timeout=20)
    body = b"0000" if method == "POST" else None
    kind = {"Content-Type": "application/x-git-receive-pack-request"} if body else {}
    headers = {"Authorization": f"Bearer {token}", **kind, **headers}
    connection.request(method, address, body, headers)
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders() if name.lower() != "date"}
    content = answer.read()
    connection.close()
    return answer.status, told, content


def test_a_push_asks_no_other_route(server, monkeypatch) -> None:
    name, git = server.pushed({"a": "one"})
    url, head = server.git_url(name, server.token(name)), git.commit({"a": "two"}, "Go on")

    def search(*_: object) -> None:
        raise AssertionError("the routes were searched")

    with monkeypatch.context() as without_routes:
        without_routes.setattr(server.app.router, "middleware_stack", search)
        git("push", "-q", url, "HEAD:refs/heads/main")
    assert git("ls-remote", url, "refs/heads/main").split()[0] == head


@pytest.mark.parametrize(("method", "what"), BOTH)
def test_the_short_way_says_what_the_long_one_does(server, monkeypatch, method, what) -> None:
    name, _ = server.pushed({"a": "one"})
    tokens = server.token(name), server.token(name, verbs=frozenset({Verb.READ})), "nobody's"
    asked = [
        *((f"/{name}.git/{what}", token, {}) for token in tokens),
        (f"/no/where.git/{what}", tokens[0], {}),
        (f"/{name}.git/{what}", tokens[0], {"Content-Type": "text/plain"}),
    ]
    short = [ask(server, method, address, token, **headers) for address, token, headers in asked]
    monkeypatch.setattr(front, "is_push", lambda *_: False)
    assert short == [ask(server, method, address, token, **headers) for address, token, headers in asked]
    assert [status for status, _, _ in short][:4] == [200, 403, 401, 404]
