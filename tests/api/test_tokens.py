"""Tokens over REST: made once, listed without secret, withdrawn at once."""

import pytest


@pytest.fixture
def admin(server):
    return server.client(server.admin)


def test_a_token_that_was_made_works(server, admin, sample) -> None:
    answer = admin.post(
        "/api/tokens",
        json={
            "actor": "carol",
            "kind": "human",
            "repositories": [sample.name],
            "can": ["write", "read"],
            "expires": "24h",
            "emails": ["carol@example.com"],
        },
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made["token"].startswith("imprint_")
    assert made["can"] == ["read", "write"]
    assert made["expires_at_ms"] == server.clock.now_ms() + 24 * 3_600_000
    assert server.client(made["token"]).get(f"/api/repos/{sample.name}").status_code == 200
    assert {"name": "carol", "kind": "human", "emails": ["carol@example.com"]} in admin.get(
        "/api/actors"
    ).json()["actors"]


def test_no_list_holds_a_secret_or_its_hash(server, admin) -> None:
    made = admin.post(
        "/api/tokens", json={"actor": "dan", "kind": "service", "repositories": ["*"], "can": ["read"]}
    ).json()
    listed = admin.get("/api/tokens")
    assert made["id"] in listed.text
    assert made["token"] not in listed.text
    assert server.hosting.authenticate(made["token"]).token.secret_hash not in listed.text


def test_a_token_opens_its_session_with_the_prompt(server, admin) -> None:
    name = server.repository()
    session = {"id": "s-9", "agent": "codex", "model": "gpt-5", "prompt": "Make it so."}
    wish = {"actor": "agent-9", "kind": "agent", "repositories": [name], "can": ["write"], "session": session}
    assert admin.post("/api/tokens", json=wish).json()["session"] == "s-9"
    (opened,) = admin.get(f"/api/repos/{name}/sessions").json()["sessions"]
    assert (opened["agent"], opened["model"], opened["turn_count"]) == ("codex", "gpt-5", 1)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"kind": "robot"}, 422, "bad_request"),
        ({"can": []}, 422, "bad_request"),
        ({"can": ["own"]}, 422, "bad_request"),
        ({"repositories": []}, 422, "bad_request"),
        ({"repositories": ["nobody/nothing"]}, 404, "repository_missing"),
        ({"expires": "tomorrow"}, 400, "bad_expiry"),
        ({"actor": "ada", "kind": "agent"}, 409, "actor_conflict"),
        ({"session": {"id": "s"}, "repositories": ["*"]}, 400, "bad_input"),
        ({"secret": "mine"}, 422, "bad_request"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(admin, sample, change, status: int, code: str) -> None:
    wish = {"actor": "erin", "kind": "human", "repositories": [sample.name], "can": ["read"], **change}
    answer = admin.post("/api/tokens", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_was_refused_does_not_come_back_in_the_refusal(admin, sample) -> None:
    wish = {"actor": "erin", "kind": "human", "repositories": [sample.name], "can": ["read"]}
    answer = admin.post("/api/tokens", json={**wish, "session": {"id": "s", "prompt": ["a secret prompt"]}})
    assert answer.status_code == 422
    assert "secret prompt" not in answer.text
    assert answer.json()["errors"][0]["where"] == "body.session.prompt"


def test_revoking_twice_keeps_the_first_time(server, admin, sample) -> None:
    token_id = server.hosting.authenticate(server.token(sample.name)).token.id
    first = admin.delete(f"/api/tokens/{token_id}").json()
    server.clock.advance(5)
    assert admin.delete(f"/api/tokens/{token_id}").json() == first
    assert admin.delete("/api/tokens/tok_none").status_code == 404
