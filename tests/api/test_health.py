"""Health, and that neither answer tells who is here."""

import time

from imprint.api.rest.health import KEPT_SECONDS
from imprint.api.settings import ApiSettings


def test_healthz_answers_anybody(server) -> None:
    assert server.client().get("/healthz").json() == {"status": "ok"}


def test_readyz_tells_of_the_followers_and_names_no_repository(server, sample) -> None:
    answer = server.client().get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert told["ready"] is True
    names = {"export", "provenance", "records", "lines", "observations", "links", "index", "changes"}
    assert set(told["followers"]) == names | {"history", "maintenance"}
    assert {follower["state"] for follower in told["followers"].values()} == {"ok"}
    assert sample.name not in answer.text


def test_readyz_counts_what_followers_have_not_taken_in_yet(serve_at, tmp_path) -> None:
    """The catalogue is ahead of the followers until they have settled."""
    server = serve_at(tmp_path, ApiSettings(poll_seconds=3600))
    name = server.repository()
    assert {f["behind"] for f in server.client().get("/readyz").json()["followers"].values()} == {1}, name
    server.settle()
    time.sleep(KEPT_SECONDS)
    assert {f["behind"] for f in server.client().get("/readyz").json()["followers"].values()} == {0}


def test_an_unknown_address_is_a_problem_document(server) -> None:
    answer = server.client(server.admin).get("/api/nothing/here/at/all")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_method_that_an_address_does_not_take_is_a_problem_document(server) -> None:
    answer = server.client(server.admin).put("/api/repos", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]
