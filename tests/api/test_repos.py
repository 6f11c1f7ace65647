"""Repositories over REST: their life, their pages, their refs, events and sessions."""

import pytest

from imprint.store.actors import Verb


@pytest.fixture
def admin(server):
    return server.client(server.admin)


def test_a_new_repository_says_where_to_push(server, admin) -> None:
    answer = admin.post("/api/repos", json={"name": "life/new", "default_branch": "trunk"})
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "life/new"
    assert made["git_url"] == f"{server.url}/life/new.git"
    assert made["default_branch"] == "trunk"
    assert made["object_format"] == "sha1"
    assert admin.get("/api/repos/life/new").json() == made


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"name": "acme/app"}, 409, "repository_exists"),
        ({"name": "ACME/App"}, 409, "repository_exists"),
        ({"name": "noslash"}, 400, "bad_repository_name"),
        ({"name": "a/../b"}, 400, "bad_repository_name"),
        ({"name": "api/repos"}, 400, "bad_repository_name"),
        ({"name": "x/y", "default_branch": "a..b"}, 400, "bad_ref_name"),
        ({"name": "x/y", "default_brunch": "main"}, 422, "bad_request"),
        ({}, 422, "bad_request"),
        ([], 422, "bad_request"),
    ],
)
def test_a_repository_that_cannot_be_is_refused_with_a_problem(
    admin, sample, wish, status: int, code: str
) -> None:
    answer = admin.post("/api/repos", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_token_that_administers_one_repository_makes_no_other(server) -> None:
    client = server.client(server.token(server.repository(), verbs=frozenset({Verb.ADMIN})))
    assert client.post("/api/repos", json={"name": "life/foreign"}).status_code == 403


def test_the_list_comes_in_pages_of_what_the_token_may_see(server, admin) -> None:
    names = [f"pages/r{number}" for number in range(5)]
    for name in names:
        server.repository(name)
    server.repository("pages/hidden")
    client = server.client(server.token(*names))
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = client.get("/api/repos", params={"limit": 2, "cursor": cursor}).json()
        seen += [repo["name"] for repo in page["repos"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        cursor = page["next_cursor"]
        pages += 1
    assert seen == names
    assert pages == 3


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many"])
def test_a_page_has_bounds(admin, limit: str) -> None:
    assert admin.get("/api/repos", params={"limit": limit}).status_code == 422


def test_rename_and_default_branch_in_one_request(server, admin) -> None:
    name = server.repository()
    answer = admin.patch(f"/api/repos/{name}", json={"name": "life/renamed", "default_branch": "next"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["default_branch"]) == ("life/renamed", "next")
    assert admin.get(f"/api/repos/{name}").status_code == 404
    assert [e["kind"] for e in admin.get("/api/repos/life/renamed/events").json()["events"]] == [
        "created",
        "head",
        "renamed",
    ]


def test_a_repository_is_renamed_only_to_where_the_token_administers(server) -> None:
    name = server.repository()
    client = server.client(server.token(name, verbs=frozenset({Verb.ADMIN})))
    assert client.patch(f"/api/repos/{name}", json={"name": "acme/taken-over"}).status_code == 404
    assert client.get(f"/api/repos/{name}").status_code == 200


def test_a_change_that_cannot_be_changes_nothing(server, admin) -> None:
    name = server.repository()
    answer = admin.patch(f"/api/repos/{name}", json={"name": "no name", "default_branch": "next"})
    assert answer.status_code == 400
    assert admin.get(f"/api/repos/{name}").json()["default_branch"] == "main"


def test_a_deleted_repository_is_gone_until_it_is_taken_back(server, admin) -> None:
    name, git = server.pushed({"a": "a"})
    answer = admin.delete(f"/api/repos/{name}", params={"grace": "1h"})
    assert answer.status_code == 200
    assert answer.json()["purge_after_ms"] == server.clock.now_ms() + 3_600_000
    assert admin.get(f"/api/repos/{name}").status_code == 404
    git.refused("ls-remote", server.git_url(name, server.admin))
    deleted = admin.get("/api/repos", params={"deleted": "true", "limit": 1000}).json()["repos"]
    assert name in {repo["name"] for repo in deleted}
    assert admin.post(f"/api/repos/{name}/restore").status_code == 200
    assert git("rev-parse", "HEAD") in git("ls-remote", server.git_url(name, server.admin))


@pytest.mark.parametrize("grace", ["never", "soon", "-1d", "7"])
def test_a_grace_period_is_a_duration(server, admin, grace: str) -> None:
    name = server.repository()
    answer = admin.delete(f"/api/repos/{name}", params={"grace": grace})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_expiry")
    assert admin.get(f"/api/repos/{name}").status_code == 200


def test_only_an_operator_sees_what_is_deleted(server, sample) -> None:
    client = server.client(server.token(sample.name, verbs=frozenset({Verb.ADMIN})))
    assert client.get("/api/repos", params={"deleted": "true"}).status_code == 403


def test_refs_are_those_that_git_sees(server, sample) -> None:
    token = server.token(sample.name)
    answer = server.client(token).get(f"/api/repos/{sample.name}/refs").json()
    listed = server.work_tree()("ls-remote", server.git_url(sample.name, token)).splitlines()
    by_git = dict(reversed(line.split("\t")) for line in listed if not line.endswith("^{}"))
    assert answer["head"] == "refs/heads/main"
    assert answer["head_sha"] == by_git.pop("HEAD") == sample.unknown
    assert {ref["name"]: ref["sha"] for ref in answer["refs"]} == by_git


def test_events_are_followed_with_their_cursor(server, sample) -> None:
    client = server.client(server.token(sample.name))
    seen, after, has_more = [], 0, True
    while has_more:
        page = client.get(f"/api/repos/{sample.name}/events", params={"after": after, "limit": 2}).json()
        seen += page["events"]
        after, has_more = page["next_cursor"], page["has_more"]
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert [event["kind"] for event in seen] == ["created", "push", "push", "push"]
    claim = seen[2]["claim"]
    assert (claim["session"], claim["agent"], claim["model"]) == ("session-1", "claude-code", "opus")
    idle = client.get(f"/api/repos/{sample.name}/events", params={"after": after}).json()
    assert idle == {"events": [], "next_cursor": after, "has_more": False}


def test_sessions_are_told_without_their_prompts(server, sample) -> None:
    answer = server.client(server.token(sample.name)).get(f"/api/repos/{sample.name}/sessions")
    (session,) = answer.json()["sessions"]
    assert (session["id"], session["actor"], session["agent"]) == ("session-1", "agent-7", "claude-code")
    assert session["base_sha"] == sample.human
    assert session["turn_count"] == 1
    assert "growing pause" not in answer.text


def test_settings_are_chosen_shown_and_taken_back(server, admin) -> None:
    server.repository("settings/one")
    address = "/api/repos/settings/one/settings"
    before = admin.get(address).json()
    assert before["settings"] == {}
    assert before["defaults"]["receive.fsck.zeroPaddedFilemode"] == "error"
    wish = {"receive.FSCK.zeropaddedfilemode": "warn", "receive.denyDeletes": "on"}
    chosen = admin.patch(address, json={"settings": wish}).json()["settings"]
    assert chosen == {"receive.denyDeletes": "true", "receive.fsck.zeroPaddedFilemode": "warn"}
    back = admin.patch(address, json={"settings": {"receive.denyDeletes": None}}).json()["settings"]
    assert back == admin.get(address).json()["settings"] == {"receive.fsck.zeroPaddedFilemode": "warn"}
    event = admin.get("/api/repos/settings/one/events").json()["events"][-1]
    assert (event["kind"], event["actor"]) == ("settings", "admin")
    assert event["details"]["old"] == '{"receive.denyDeletes": "true"}'


def test_a_setting_that_cannot_be_is_refused_with_what_is_near(server, admin) -> None:
    server.repository("settings/two")
    address = "/api/repos/settings/two/settings"
    answer = admin.patch(address, json={"settings": {"receive.fsck.zeroPadedFilemode": "warn"}})
    assert answer.status_code == 400
    assert "receive.fsck.zeroPaddedFilemode" in answer.json()["hint"]
    for wish in (
        {"settings": {"receive.fsckObjects": "false"}},
        {"settings": {"receive.fsck.nulInHeader": "warn"}},
    ):
        assert admin.patch(address, json=wish).status_code == 400
    assert admin.patch(address, json={"receive.denyDeletes": "true"}).status_code == 422
    writer = server.client(server.token("settings/two", verbs=frozenset({Verb.READ, Verb.WRITE})))
    assert writer.patch(address, json={"settings": {}}).status_code == 403
    assert writer.get(address).status_code == 403
    assert admin.get(address).json()["settings"] == {}
