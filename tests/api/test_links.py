"""Links over a server: a note on a pull request's commit answers for the squash, until that is refused."""

import json

import pytest

from imprint.store.actors import Verb
from imprint.store.events import Event, EventKind
from imprint.store.links.judging import Judge
from imprint.store.types import ObjectId, RepositoryName

SESSION = "s_c9883b05a2487d"


def body(name: str) -> str:
    return "".join(f"{name}_{number} = compute_{name}({number})\n" for number in range(4))


def note(path: str, lines: str) -> str:
    metadata = {
        "schema_version": "authorship/3.0.0",
        "prompts": {},
        "sessions": {SESSION: {"agent_id": {"tool": "cursor", "id": "c-1", "model": "m-1"}}},
    }
    return f"{path}\n  {SESSION}::t_9f8e7d6c5b4a32 {lines}\n---\n{json.dumps(metadata)}"


class Squashed:
    """A repository in which a head with a note was squashed, and another hand changed a line of it."""

    def __init__(self, server) -> None:
        self.server = server
        self.name, git = server.pushed({"base.py": body("base")})
        git("checkout", "-q", "-b", "topic")
        self.first = git.commit({"one.py": body("one")}, "one")
        self.head = git.commit({"two.py": body("two")}, "two")
        git("notes", "--ref=ai", "add", "-m", note("one.py", "1-3"), self.first)
        url = server.git_url(self.name, server.token(self.name))
        git("push", "-q", url, "topic", "HEAD:refs/pull/7/head", "refs/notes/ai")
        git("checkout", "-q", "main")
        git("merge", "-q", "--squash", "topic")
        changed = body("one").replace("one_1 = compute_one(1)", "one_1 = by_hand(1)")
        self.commit = git.commit({"one.py": "# a line before\n" + changed}, "squashed (#7)")
        git("push", "-q", url, "main")
        server.settle()
        self.address = f"/api/repos/{self.name}/links"

    def ask(self, address: str, token: str = "", **parameters):
        answer = self.server.client(token or self.server.token(self.name)).get(address, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def evidence(self) -> list[str]:
        lines = self.ask(f"/api/repos/{self.name}/blame", path="one.py")["lines"]
        return [line["evidence"] for line in lines]


@pytest.fixture
def squashed(server) -> Squashed:
    return Squashed(server)


CARRIED = ["unknown", "inferred", "unknown", "inferred", "unknown"]
"""Of the note's three lines, those that the other hand left alone."""


def test_a_note_reaches_the_lines_of_the_squash(squashed):
    assert squashed.evidence() == CARRIED
    why = squashed.ask(f"/api/repos/{squashed.name}/why", path="one.py", line=2)
    claim = why["claims"][0]
    assert (claim["evidence"], claim["agent"], claim["model"]) == ("inferred", "cursor", "m-1")
    assert claim["method"] == "squash"
    assert claim["via"] == squashed.first
    assert 0.5 < claim["score"] <= 1
    audit = squashed.ask(f"/api/repos/{squashed.name}/audit")
    assert audit["lines"]["inferred"] == 2


def test_links_come_in_pages_and_by_commit(squashed):
    (link,) = squashed.ask(squashed.address)["links"]
    assert (link["commit"], link["origin"], link["method"]) == (squashed.commit, squashed.head, "squash")
    assert sorted(link["members"]) == sorted([squashed.first, squashed.head])
    assert link["carries"]
    assert link["refused"] is None
    for ref in ("main", squashed.head):
        assert squashed.ask(squashed.address, ref=ref)["links"] == [link]
    assert squashed.ask(squashed.address, ref=squashed.first)["links"] == []
    page = squashed.ask(squashed.address, limit=1)
    assert (page["has_more"], page["next_cursor"]) == (False, None)


def test_a_refused_link_carries_nothing_until_it_is_restored(squashed):
    server, name = squashed.server, squashed.name
    client = server.client(server.token(name, actor="grace"))
    wish = {"commit": squashed.commit[:12], "origin": "topic", "reason": "another  task"}
    answer = client.post(f"{squashed.address}/refusals", json=wish)
    assert answer.status_code == 201
    refused = answer.json()
    assert (refused["actor"], refused["reason"]) == ("grace", "another task")
    assert refused["origin"] == squashed.head
    assert set(squashed.evidence()) == {"unknown"}
    (link,) = squashed.ask(squashed.address)["links"]
    assert link["refused"] == {part: refused[part] for part in ("actor", "at_ms", "reason")}
    assert not link["carries"]

    repository = server.hosting.get(RepositoryName.parse(name))
    server.origins.links.forget(repository.record.id)  # as if what is derived had been deleted
    assert squashed.ask(squashed.address)["links"][0]["method"] is None
    server.origins.list_followers(server.hosting, lambda: False)[-1].follow(
        repository, server.hosting.catalogue.list_events(repository.record.id)
    )
    assert set(squashed.evidence()) == {"unknown"}

    address = f"{squashed.address}/refusals/{squashed.commit}/{squashed.head}"
    assert client.delete(address).json() == refused
    assert squashed.evidence() == CARRIED
    assert client.delete(address).status_code == 404
    judged = [
        (event.actor, event.details["judgement"])
        for event in server.hosting.catalogue.list_events(repository.record.id)
        if event.kind is EventKind.JUDGED
    ]
    assert judged == [("grace", "refused"), ("grace", "restored")]


@pytest.mark.parametrize("asked", ["refuse", "restore"])
def test_a_page_keeps_nothing_from_between_a_judgement_and_its_event(squashed, asked):
    server = squashed.server
    repository = server.hosting.get(RepositoryName.parse(squashed.name))
    refusals, shelf = server.origins.refusals, server.app.state.blame_shelf
    link = (ObjectId(squashed.commit), ObjectId(squashed.head))

    def evidence() -> list[str]:
        lines = shelf.blame(repository.view, server.origins, link[0], b"one.py")
        return [line.claim.evidence.value for line in lines]

    def announce(*facts) -> Event:
        event = server.hosting.announce(*facts)
        server.settle()
        seen.append(evidence())
        return event

    seen: list[list[str]] = []
    judge = Judge(refusals, server.hosting.clock, announce)
    before, after = CARRIED, ["unknown"] * len(CARRIED)
    judge.refuse(repository.record.id, link, "another task", None)
    if asked == "restore":
        evidence()
        judge.restore(repository.record.id, link, None)
        before, after = after, before
    assert (seen[-1], evidence()) == (before, after)
    assert squashed.evidence() == after


def test_agents_and_readers_do_not_judge(squashed):
    server, name = squashed.server, squashed.name
    wish = {"commit": squashed.commit, "origin": squashed.head, "reason": "mine"}
    for token in (
        server.token(name, actor="agent-7"),
        server.token(name, actor="reader", verbs=frozenset({Verb.READ})),
    ):
        answer = server.client(token).post(f"{squashed.address}/refusals", json=wish)
        assert answer.status_code == 403
    writer = server.client(server.token(name))
    assert writer.post(f"{squashed.address}/refusals", json={**wish, "reason": " "}).status_code == 400
    same = {**wish, "origin": squashed.commit}
    assert writer.post(f"{squashed.address}/refusals", json=same).status_code == 400
    unknown = {**wish, "origin": "f" * 40}
    assert writer.post(f"{squashed.address}/refusals", json=unknown).status_code == 404
    assert squashed.evidence() == CARRIED


def test_links_of_hidden_refs_are_not_told(squashed):
    server, name = squashed.server, squashed.name
    hidden = {"transfer.hideRefs": "refs/heads/topic\nrefs/pull/"}
    server.hosting.change_settings(RepositoryName.parse(name), hidden, None)
    assert squashed.ask(squashed.address)["links"] == []


def test_a_refusal_of_a_hidden_commit_is_neither_told_nor_taken_back(squashed):
    server, name = squashed.server, squashed.name
    judge = Judge(server.origins.refusals, server.hosting.clock, server.hosting.announce)
    repository_id = server.hosting.get(RepositoryName.parse(name)).record.id
    link = (ObjectId(squashed.commit), ObjectId(squashed.head))
    judge.refuse(repository_id, link, "a secret reason", None)
    hidden = {"transfer.hideRefs": "refs/heads/topic\nrefs/pull/"}
    server.hosting.change_settings(RepositoryName.parse(name), hidden, None)
    writer = server.client(server.token(name))
    address = f"{squashed.address}/refusals"
    for commit, origin in (link, link[::-1]):
        told = writer.delete(f"{address}/{commit}/{origin}")
        absent = writer.delete(f"{address}/{commit}/{origin}".replace(squashed.head, "f" * 40))
        assert told.status_code == absent.status_code == 404
        assert told.json()["code"] == absent.json()["code"]
        assert told.json()["detail"] == absent.json()["detail"].replace("f" * 40, squashed.head)
    assert len(server.origins.refusals.list_refusals(repository_id)) == 1
    administrator = server.client(server.token(name, verbs=frozenset({Verb.ADMIN})))
    taken_back = administrator.delete(f"{address}/{link[0]}/{link[1]}")
    assert (taken_back.status_code, taken_back.json()["reason"]) == (200, "a secret reason")


def test_a_carried_claim_does_not_name_a_hidden_commit(squashed):
    server, name = squashed.server, squashed.name
    url = f"/api/repos/{name}"
    administrator = server.token(name, verbs=frozenset({Verb.ADMIN}))

    def hide(patterns: str) -> None:
        server.hosting.change_settings(RepositoryName.parse(name), {"transfer.hideRefs": patterns}, None)

    def texts(token: str) -> list[str]:
        asked = (
            "why?path=one.py&line=2",
            "why?path=one.py&start=1&end=5",
            "blame?path=one.py",
            "export/in-toto?ref=main",
        )
        answers = [server.client(token).get(f"{url}/{each}") for each in asked]
        assert [answer.status_code for answer in answers] == [200] * len(asked)
        return [answer.text for answer in answers]

    hide("refs/heads/topic\nrefs/pull/")
    told = texts(server.token(name))
    assert not any(squashed.first in text for text in told)
    claim = json.loads(told[0])["claims"][0]
    assert (claim["evidence"], claim["method"], claim["via"]) == ("inferred", "squash", None)
    assert all(squashed.first in text for text in texts(administrator)[:3])
    hide("refs/heads/unknown")
    assert all(squashed.first in text for text in texts(server.token(name))[:3])
