"""Hidden refs through every door but git's: REST and pages, to read and to write, by name and by id."""

import json

import pytest

from imprint.store.actors import Verb
from imprint.store.types import RepositoryName

READ = frozenset({Verb.READ})
REFUSED = "deny updating a hidden ref"
NAMES = ("t1", "heads/t1", "refs/heads/t1", "kept", "refs/tags/kept")
"""What may not be there for anybody but an administrator."""
READING = (
    ("file", {"path": "secret.py"}),
    ("files", {}),
    ("search", {"q": "secret"}),
    ("symbols", {"name": "secret"}),
    ("references", {"name": "secret"}),
    ("index", {}),
    ("blame", {"path": "secret.py"}),
    ("why", {"path": "secret.py", "line": 1}),
    ("audit", {}),
)
PAGES = (
    "tree/{}",
    "blob/{}/secret.py",
    "raw/{}/secret.py",
    "why/{}/secret.py?line=1",
    "search?q=secret&ref={}",
)


class Hiding:
    """`main` and `topic` in the open; `t1` and the tag `kept`, on a commit apart, hidden."""

    def __init__(self, server) -> None:
        self.server = server
        self.name, self.git = server.pushed({"a.py": "def shown():\n    return 1\n"})
        self.main = self.git("rev-parse", "HEAD")
        self.git("branch", "topic")
        self.git("checkout", "-q", "-b", "t1")
        self.secret = self.git.commit({"secret.py": "def secret():\n    return 2\n"}, "Keep a secret")
        self.git("tag", "-a", "kept", "-m", "kept")
        self.tag = self.git("rev-parse", "kept")
        self.git("push", "-q", server.git_url(self.name, server.admin), "topic", "t1", "kept")
        self.hide("refs/heads/t1\nrefs/tags/kept")
        self.reader = server.client(server.token(self.name, verbs=READ))
        self.writer = server.client(server.token(self.name))
        self.administrator = server.client(server.token(self.name, verbs=frozenset({Verb.ADMIN})))
        self.url = f"/api/repos/{self.name}"
        server.settle()

    def hide(self, patterns: str | None) -> None:
        name = RepositoryName.parse(self.name)
        self.server.hosting.change_settings(name, {"transfer.hideRefs": patterns}, None)

    def where(self) -> list[str]:
        return self.git("ls-remote", self.server.git_url(self.name, self.server.admin)).splitlines()

    def tip(self) -> str | None:
        told = self.administrator.get(f"{self.url}/files", params={"ref": "refs/heads/t1"})
        return told.json().get("commit")


@pytest.fixture(scope="module")
def kept(server):
    """Shared: no test may change it."""
    return Hiding(server)


@pytest.fixture
def hiding(server):
    return Hiding(server)


@pytest.mark.parametrize(("route", "params"), READING, ids=[route for route, _ in READING])
def test_a_hidden_ref_is_answered_like_one_that_is_not_there(kept, route, params) -> None:
    for name in (*NAMES, kept.secret, kept.secret[:12], kept.tag):
        absent = name.replace("t1", "t2").replace("kept", "left") if name in NAMES else "f" * len(name)
        for client in (kept.reader, kept.writer):
            told = client.get(f"{kept.url}/{route}", params={**params, "ref": name})
            nothing = client.get(f"{kept.url}/{route}", params={**params, "ref": absent})
            assert told.status_code == nothing.status_code == 404, (name, told.text)
            assert told.json() | {"detail": ""} == nothing.json() | {"detail": ""}
            assert told.json()["detail"] == nothing.json()["detail"].replace(absent, name)
        whole = kept.administrator.get(f"{kept.url}/{route}", params={**params, "ref": name})
        assert whole.status_code == 200, (name, whole.text)


@pytest.mark.parametrize("page", PAGES)
def test_pages_know_nothing_of_a_hidden_ref(kept, page) -> None:
    for name in ("t1", "refs/heads/t1", "kept", "refs/tags/kept", kept.secret, kept.secret[:10]):
        address = f"/{kept.name}/" + page.format(name)
        told = kept.reader.get(address)
        is_search = page.startswith("search")
        assert told.status_code == 404 or (is_search and "def secret" not in told.text), address
        assert "return 2" not in told.text
        assert kept.administrator.get(address).status_code == 200


def test_what_visible_refs_reach_is_there_by_its_id(kept) -> None:
    for name in (kept.main, kept.main[:10], "main", "topic", "HEAD"):
        told = kept.reader.get(f"{kept.url}/files", params={"ref": name})
        assert (told.status_code, told.json()["commit"]) == (200, kept.main)


def test_search_of_what_is_shown_does_not_find_what_is_hidden(kept) -> None:
    assert "secret" not in kept.reader.get(f"{kept.url}/search", params={"q": "shown secret"}).text
    assert kept.reader.get(f"{kept.url}/symbols", params={"name": "secret"}).json()["symbols"] == []


def test_lists_leave_hidden_refs_out(kept) -> None:
    for client, seen in ((kept.reader, False), (kept.writer, False), (kept.administrator, True)):
        branches = client.get(f"{kept.url}/branches").json()["branches"]
        assert ("t1" in {each["name"] for each in branches}) is seen
        refs = {each["name"] for each in client.get(f"{kept.url}/refs").json()["refs"]}
        assert {"refs/heads/main", "refs/heads/topic"} <= refs
        assert ({"refs/heads/t1", "refs/tags/kept"} <= refs) is seen
        front = client.get(f"/{kept.name}").text
        assert "topic" in front
        assert ("t1<" in front or "/t1" in front) is seen


def test_events_keep_their_sequence_and_leave_hidden_refs_out(hiding) -> None:
    hiding.hide("refs/heads/t1\nrefs/tags/kept\nrefs/heads/later")
    hiding.git("push", "-q", hiding.server.git_url(hiding.name, hiding.server.admin), "main:next")
    hiding.administrator.patch(hiding.url, json={"default_branch": "t1"})
    hiding.administrator.patch(hiding.url, json={"default_branch": "main"})
    told = hiding.reader.get(f"{hiding.url}/events")
    for word in ("heads/t1", "tags/kept", "heads/later", hiding.secret, hiding.tag):
        assert word not in told.text, word
    events = told.json()["events"]
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert [each["ref"] for event in events for each in event["changes"]] == [
        "refs/heads/main",
        "refs/heads/topic",
        "refs/heads/next",
    ]
    whole = hiding.administrator.get(f"{hiding.url}/events").json()["events"]
    assert [each["id"] for each in whole] == [each["id"] for each in events]
    assert hiding.secret in json.dumps(whole)


def test_an_event_of_hidden_refs_alone_stays_without_changes(hiding) -> None:
    hiding.hide(None)
    commit = {"target_branch": "t1", "commit_message": "More", "files": [{"path": "b", "content": "b"}]}
    more = hiding.writer.post(f"{hiding.url}/commits", json=commit).json()
    merge = {"target_branch": "t1", "source_branch": "main"}
    assert hiding.writer.post(f"{hiding.url}/merges", json=merge).status_code == 201
    hiding.hide("refs/heads/t1")
    told = hiding.reader.get(f"{hiding.url}/events", params={"after": more["event"]["sequence"] - 1}).json()
    assert (told["events"][0]["id"], told["events"][0]["kind"]) == (more["event"]["id"], "commit")
    assert (told["events"][0]["changes"], told["events"][0]["details"]) == ([], {})


@pytest.mark.parametrize("role", ["writer", "administrator"])
def test_hidden_refs_are_not_changed_over_rest(kept, role) -> None:
    client, url = getattr(kept, role), kept.url
    files = [{"path": "b.py", "content": "b\n"}]
    wrong = "1" * 40
    before = kept.tip()
    for expected in ({}, {"expected_head_sha": wrong}, {"expected_head_sha": None}):
        wish = {"target_branch": "t1", "commit_message": "More", "files": files}
        refuse(client.post(f"{url}/commits", json=wish | expected), kept)
    for branch in ("t1", "refs/heads/t1", "t1/below"):
        refuse(client.post(f"{url}/branches", json={"target_branch": branch, "base_ref": "main"}), kept)
    for params in ({}, {"expected_head_sha": wrong}):
        refuse(client.delete(f"{url}/branches/t1", params=params), kept)
    refuse(client.post(f"{url}/merges", json={"target_branch": "t1", "source_branch": "main"}), kept)
    assert before == kept.tip() == kept.secret


def refuse(answer, kept) -> None:
    assert (answer.status_code, answer.json()["code"]) == (403, "push_refused"), answer.text
    assert REFUSED in answer.json()["detail"]
    assert kept.secret not in answer.text


def test_hidden_refs_are_neither_merged_nor_branched_from(kept) -> None:
    url, client, before = kept.url, kept.writer, kept.where()
    for absent, wish in (
        ("t2", {"source_branch": "t1"}),
        ("f" * 40, {"source_sha": kept.secret}),
    ):
        nothing = dict.fromkeys(wish, absent)
        into = {"target_branch": "main"}
        for route in ("merges", "merges/preview"):
            alike(client, f"{url}/{route}", wish | into, nothing | into)
    alike(
        client,
        f"{url}/merges/preview",
        {"target_branch": "t1", "source_branch": "main"},
        {"target_branch": "t2", "source_branch": "main"},
    )
    for wish, nothing in (
        ({"base_ref": "t1"}, {"base_ref": "t2"}),
        ({"base_ref": kept.secret}, {"base_ref": "f" * 40}),
        ({"base_sha": kept.secret}, {"base_sha": "f" * 40}),
        ({"base_sha": kept.tag}, {"base_sha": "f" * 40}),
    ):
        alike(client, f"{url}/branches", wish | {"target_branch": "n"}, nothing | {"target_branch": "n"})
    new = {"target_branch": "n", "commit_message": "More", "files": [{"path": "b", "content": "b"}]}
    for name, absent in (("t1", "t2"), (kept.secret, "f" * 40)):
        alike(client, f"{url}/commits", new | {"base_ref": name}, new | {"base_ref": absent})
    assert kept.where() == before


def alike(client, address: str, wish: dict[str, object], nothing: dict[str, object]) -> None:
    told, absent = client.post(address, json=wish), client.post(address, json=nothing)
    assert told.status_code == absent.status_code == 404, (told.text, absent.text)
    assert told.json()["code"] == absent.json()["code"]
    text = absent.text
    for name, value in nothing.items():
        if wish[name] != value:
            text = text.replace(value, wish[name])
    assert told.text == text


def test_a_hidden_default_branch_is_as_one_without_commits(hiding) -> None:
    hiding.hide("refs/heads/main")
    assert hiding.reader.get(f"{hiding.url}/refs").json()["head_sha"] is None
    told = hiding.reader.get(f"{hiding.url}/files")
    assert (told.status_code, told.json()["detail"]) == (404, "HEAD's branch has no commit yet")
    assert hiding.reader.get(f"/{hiding.name}").status_code == 200
    assert hiding.administrator.get(f"{hiding.url}/files").json()["commit"] == hiding.main


def test_without_hidden_refs_every_commit_is_there_by_its_id(hiding) -> None:
    hiding.hide(None)
    hiding.git("push", "-q", hiding.server.git_url(hiding.name, hiding.server.admin), ":t1", ":kept")
    told = hiding.reader.get(f"{hiding.url}/files", params={"ref": hiding.secret})
    assert told.status_code == 200


def test_suffixes_lead_to_nothing_hidden(kept) -> None:
    for name in ("t1~0", "t1~1", "kept^{commit}", f"{kept.secret}^", f"{kept.secret[:12]}~1"):
        told = kept.reader.get(f"{kept.url}/files", params={"ref": name})
        absent = kept.reader.get(f"{kept.url}/files", params={"ref": "absent~1"})
        assert (told.status_code, told.json()["code"]) == (404, absent.json()["code"])
    whole = kept.administrator.get(f"{kept.url}/files", params={"ref": f"{kept.secret}^"})
    assert (whole.status_code, whole.json()["commit"]) == (200, kept.main)
