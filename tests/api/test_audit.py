"""The audit over REST: ranges, symbols, and the page, which carries no leave to run or load anything."""

import pytest


@pytest.fixture
def get(server, sample):
    client = server.client(server.token(sample.name))
    return lambda **parameters: client.get(f"/api/repos/{sample.name}/audit", params=parameters)


def test_the_page_may_load_and_run_nothing(get) -> None:
    answer = get(format="html")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert answer.text.startswith("<!doctype html>")


def test_a_range_and_a_path_are_taken_and_said(get) -> None:
    everything = get().json()
    assert everything["scope"] == {"since_ms": None, "until_ms": None, "path": None}
    assert everything["costs"]["total"]["requests"] == 0
    part = get(path="app", until="2000-01-01").json()
    assert (part["scope"]["path"], part["commits"]["total"], part["lines"]["total"]) == ("app", 0, 0)


def test_symbols_need_a_path(get) -> None:
    refused = get(symbols="true")
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_input")
    found = get(symbols="true", path="app/retry.py").json()["symbols"]
    assert found
    assert all(one["path"] == "app/retry.py" for one in found)


@pytest.mark.parametrize("parameters", [{"since": "soon"}, {"since": "2026-02-01", "until": "2026-01-01"}])
def test_ranges_that_are_none_are_refused(get, parameters) -> None:
    assert get(**parameters).status_code == 400
