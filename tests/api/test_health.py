"""Health, and that neither answer tells who is here."""


def test_healthz_answers_anybody(server) -> None:
    assert server.client().get("/healthz").json() == {"status": "ok"}


def test_readyz_tells_of_the_followers_and_names_no_repository(server, sample) -> None:
    answer = server.client().get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert told["ready"] is True
    assert len(told["followers"]) == 3
    assert set(told["followers"].values()) == {"ok"}
    assert sample.name not in answer.text


def test_an_unknown_address_is_a_problem_document(server) -> None:
    answer = server.client(server.admin).get("/api/nothing/here/at/all")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_method_that_an_address_does_not_take_is_a_problem_document(server) -> None:
    answer = server.client(server.admin).put("/api/repos", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]
