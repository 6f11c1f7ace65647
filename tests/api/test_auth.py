"""The gate: how a token is read, and who is turned away."""

import base64
import http.client
import logging

import httpx
import pytest

from imprint.api.auth import is_public, read_secret
from imprint.store.errors import Unauthenticated
from imprint.store.types import RepositoryName


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header", ["Bearer imprint_x", "bearer  imprint_x", basic("", "imprint_x"), basic("anybody", "imprint_x")]
)
def test_a_token_is_a_bearer_credential_or_a_password(header: str) -> None:
    assert read_secret(header) == "imprint_x"


def test_a_password_may_hold_a_colon() -> None:
    assert read_secret(basic("git", "a:b")) == "a:b"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic",
        "Basic !!!",
        "Basic é",
        "Basic YWJj",
        basic("user", ""),
        "Digest x=y",
        "x" * 9000,
    ],
)
def test_what_holds_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        read_secret(header)


@pytest.mark.parametrize("path", ["/", "/acme/app", "/api/repos", "/docs/x", "/static", "/healthzz"])
def test_only_a_few_addresses_are_open(path: str) -> None:
    assert not is_public(path)


@pytest.mark.parametrize(
    "address", ["/", "/api/repos", "/acme/app.git/info/refs?service=git-upload-pack", "/none"]
)
def test_nobody_is_asked_for_basic_credentials(server, address: str) -> None:
    answer = server.client().get(address)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="Imprint"'


def test_a_refusal_says_whether_the_token_is_unknown_expired_or_revoked(server, sample) -> None:
    expiring = server.token(sample.name, expires_in_ms=1000)
    server.clock.advance(1000)
    revoked = server.token(sample.name)
    revoked_id = server.hosting.authenticate(revoked).token.id
    server.hosting.catalogue.revoke_token(revoked_id, server.clock.now_ms())
    codes = {}
    for name, token in {"unknown": "imprint_" + "0" * 40, "expired": expiring, "revoked": revoked}.items():
        answer = server.client(token).get(f"/api/repos/{sample.name}")
        assert answer.status_code == 401
        codes[name] = answer.json()["code"]
        assert token not in answer.text
    assert codes == {"unknown": "unauthenticated", "expired": "token_expired", "revoked": "token_revoked"}


def test_a_revoked_token_ends_at_once(server, sample) -> None:
    secret = server.token(sample.name)
    client, admin = server.client(secret), server.client(server.admin)
    assert client.get(f"/api/repos/{sample.name}").status_code == 200
    token_id = server.hosting.authenticate(secret).token.id
    assert admin.delete(f"/api/tokens/{token_id}").status_code == 200
    assert client.get(f"/api/repos/{sample.name}").status_code == 401


@pytest.mark.parametrize("parameter", ["token", "access_token", "private_token", "anything"])
def test_a_token_in_the_address_is_refused_even_if_valid(server, parameter: str) -> None:
    answer = server.client(server.admin).get("/api/repos", params={parameter: server.admin})
    assert answer.status_code == 400
    assert answer.json()["code"] == "token_in_url"
    assert server.admin not in answer.text


def test_a_repository_that_is_hidden_is_answered_like_one_that_is_not_there(server, sample) -> None:
    other = server.repository()
    eve = server.client(server.token(other))
    for address in (f"/api/repos/{sample.name}", f"/{sample.name}", f"/{sample.name}.git/info/refs"):
        hidden = eve.get(address)
        absent = eve.get(address.replace("acme/app", "acme/nil"))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace("acme/app", "acme/nil") == absent.text
        assert sorted(hidden.headers) == sorted(absent.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_changes_nothing_through_a_browser(server, headers: dict[str, str]) -> None:
    name = server.repository()
    server.hosting.delete(RepositoryName.parse(name), None)
    answer = httpx.post(
        f"{server.url}/api/repos/{name}/restore",
        headers={"Authorization": f"Bearer {server.admin}", **headers},
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "foreign_origin"
    assert name in {str(record.name) for record in server.hosting.list_deleted()}


def test_our_own_pages_may_change_something(server) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    answer = server.client(server.admin).post("/api/repos", json={"name": "test/from-page"}, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_beyond_its_bound_is_refused_told_beforehand_or_not(server, is_told: bool) -> None:
    size = server.app.state.services.settings.json_bytes_max + 1
    content = b" " * size if is_told else (b" " * 65536 for _ in range(size // 65536 + 1))
    answer = server.client(server.admin).post(
        "/api/repos", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_may_send_a_body_at_all(server) -> None:
    """The refusal comes at once: the server does not wait for the megabytes that were announced."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.putrequest("POST", "/api/repos")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_no_log_holds_a_token_or_a_prompt(server, sample, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    token, prompt = server.token(sample.name), "Speak of the hidden thing."
    client = server.client(token)
    client.get(f"/api/repos/{sample.name}")
    client.get("/api/repos", params={"q": token})
    client.get("/api/repos", headers={"Authorization": basic("git", token + "x")})
    body = {"target_branch": "a..b", "commit_message": "m", "files": [], "prompt": prompt}
    client.post(f"/api/repos/{sample.name}/commits", json=body)
    server.work_tree()("ls-remote", server.git_url(sample.name, token))
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [record for record in ours if token in record.getMessage() or prompt in record.getMessage()] == []


def test_answers_stay_out_of_caches(server, sample) -> None:
    answer = server.client(server.admin).get("/api/tokens")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
