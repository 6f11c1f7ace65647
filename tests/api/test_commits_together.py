"""Commits to one repository that are asked for at the same time: one thread makes them, each is answered."""

import asyncio
import json
import threading

import pytest
from starlette.requests import Request
from tests.api.test_commits_at_once import wish

from imprint.api.at_once.commits import CommitsAtOnce
from imprint.api.at_once.gathering import Asked, Left, answer_alone, answer_together

WRITERS = 12


class Askers:
    """Makes requests as they are behind the gate, each with a token of its own."""

    def __init__(self, server) -> None:
        self.server = server
        self.name = server.pushed({"README.md": "# Place\n"})[0]
        self.secret = server.token(self.name)

    def scope(self, secret: str = "", body: bytes = b"") -> dict:
        principal = self.server.app.state.services.hosting.authenticate(secret or self.secret)
        return {
            "type": "http",
            "method": "POST",
            "path": f"/api/repos/{self.name}/commits",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
            "app": self.server.app,
            "state": {"principal": principal},
        }

    def ask(self, content: object, secret: str = "") -> Asked:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Asked(Request(self.scope(secret, body)), *self.name.split("/"), body)

    def post_all(self, wishes: list[dict]) -> list[tuple[int, dict]]:
        """What is answered to requests that come at the same moment, on one loop."""

        async def routes(_scope, _receive, _send) -> None:
            raise AssertionError("the routes are not asked")

        app = CommitsAtOnce(routes)

        async def post(content: dict) -> tuple[int, dict]:
            body, sent = json.dumps(content).encode(), []

            async def receive() -> dict:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: dict) -> None:
                sent.append(message)

            await app(self.scope("", body), receive, send)
            return sent[0]["status"], json.loads(sent[1]["body"])

        async def run() -> list[tuple[int, dict]]:
            found = await asyncio.gather(*map(post, wishes))
            await asyncio.sleep(0)
            assert not app._gathering._places  # nobody is waited for any more
            return found

        return asyncio.run(run())

    def list_events(self) -> list[dict]:
        client = self.server.client(self.secret)
        return client.get(f"/api/repos/{self.name}/events", params={"limit": 200}).json()["events"]


@pytest.fixture
def askers(server) -> Askers:
    return Askers(server)


def to(branch: str, **more: object) -> dict[str, object]:
    return wish(target_branch=branch, **more)


def test_each_is_answered_as_it_would_be_alone(askers) -> None:
    every = [
        askers.ask(to("a")),
        askers.ask(to("b", files=[{"path": "README.md", "content": "# Place\n"}])),
        askers.ask(to("a", files=[{"path": "later", "content": ""}])),
        askers.ask(to("c", prompt="why")),
        askers.ask(to("c", base_ref="main")),
        askers.ask(b"{"),
        askers.ask(to("d..e")),
        askers.ask(to("f"), askers.server.token(askers.server.repository())),
        askers.ask(to("g", files=[{"path": "odd~1", "content": ""}])),
        askers.ask(to("h")),
    ]
    ended = []
    found = answer_together(every, lambda: ended.append(True))
    told = [each if isinstance(each, Left) else each.status_code for each in found]
    assert told == [
        201,
        400,
        Left.LATER,
        Left.ALONE,
        Left.ALONE,
        Left.ROUTE,
        400,
        Left.ROUTE,
        Left.ALONE,
        201,
    ]
    assert ended == [True]
    for at in (1, 6):
        alone = answer_alone(every[at])
        assert (alone.status_code, alone.body) == (found[at].status_code, found[at].body)
    assert [answer_alone(every[at]) for at in (5, 7)] == [None, None]
    assert [answer_alone(every[at]).status_code for at in (2, 3, 8)] == [201, 201, 201]


def test_those_who_come_meanwhile_share_a_pack_and_are_told_of_their_own_commits(askers) -> None:
    """The first has the turn; the others wait behind it, and are taken together."""
    answers = askers.post_all([to(f"b{at}", commit_message=f"by {at}") for at in range(WRITERS)])
    assert [status for status, _ in answers] == [201] * WRITERS
    refs = {each["name"]: each["sha"] for each in list_refs(askers)}
    assert {f"refs/heads/b{at}": told["commit_sha"] for at, (_, told) in enumerate(answers)} == {
        name: sha for name, sha in refs.items() if name != "refs/heads/main"
    }
    events = [each for each in askers.list_events() if each["kind"] == "commit"]
    assert sorted(each["id"] for each in events) == sorted(told["event"]["id"] for _, told in answers)
    hosting = askers.server.app.state.services.hosting
    of = next(each for each in hosting.list() if str(each.record.name) == askers.name)
    packs = {each.pack for each in hosting.catalogue.list_events(of.record.id) if each.kind.value == "commit"}
    assert len(packs) < WRITERS


def list_refs(askers: Askers) -> list[dict]:
    return askers.server.client(askers.secret).get(f"/api/repos/{askers.name}/refs").json()["refs"]


def test_all_on_one_branch_land_one_after_the_other(askers) -> None:
    files = [[{"path": f"{at}.txt", "content": f"{at}\n"}] for at in range(WRITERS)]
    answers = askers.post_all([to("main", files=each) for each in files])
    assert [status for status, _ in answers] == [201] * WRITERS
    told = {each["old_sha"]: each["new_sha"] for _, each in answers}
    assert len(told) == WRITERS  # a chain: each is upon another one
    assert len(set(told) - set(told.values())) == 1


def test_a_fault_is_told_to_whom_it_belongs(askers, monkeypatch) -> None:
    """One that nobody has foreseen, in the making of one answer."""
    import imprint.api.at_once.gathering as room

    render = room.tell_receipt

    def fail(asked, receipt):
        if asked.target_branch == "b3":
            raise ZeroDivisionError
        return render(asked, receipt)

    monkeypatch.setattr(room, "tell_receipt", fail)
    every = [askers.ask(to(f"b{at}")) for at in range(5)]
    found = answer_together(every, lambda: None)
    assert [type(each).__name__ for each in found] == ["Response"] * 3 + ["ZeroDivisionError"] + ["Response"]


def test_writers_over_http_lose_nothing(server, askers) -> None:
    told: dict[str, list[tuple[str, str]]] = {}

    def write(number: int) -> None:
        client, path = server.client(server.token(askers.name)), f"/api/repos/{askers.name}/commits"
        for turn in range(4):
            branch = f"b{number % 5}"
            files = [{"path": f"{number}/{turn}", "content": f"{number} {turn}\n"}]
            answer = client.post(path, json=to(branch, files=files))
            assert answer.status_code == 201, answer.text
            told.setdefault(branch, []).append((answer.json()["old_sha"], answer.json()["new_sha"]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, told.values())) == WRITERS * 4
    refs = {each["name"]: each["sha"] for each in list_refs(askers)}
    for branch, moves in told.items():
        after = dict(moves)
        first = (set(after) - set(after.values())).pop()
        for _ in moves:
            first = after.pop(first)
        assert (first, after) == (refs[f"refs/heads/{branch}"], {})
