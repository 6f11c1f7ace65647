"""The table of statuses, and what a problem document tells."""

from collections.abc import Iterator

import pytest

from imprint.api.errors import STATUSES, ListenFailed, TokenInUrl, render_problem, status_of
from imprint.store.errors import (
    LimitExceeded,
    PlumbingFailed,
    PushRefused,
    StaleUpdate,
    StoreError,
    TokenExpired,
    Unauthenticated,
)


def subclasses(kind: type[StoreError]) -> Iterator[type[StoreError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def test_every_error_of_the_store_has_a_status_of_its_own() -> None:
    ours = {kind for kind in subclasses(StoreError) if kind.__module__.startswith("imprint.")}
    assert ours - set(STATUSES) == set()


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in STATUSES]
    assert sorted(codes) == sorted(set(codes))


def test_every_error_says_what_it_is_in_one_line() -> None:
    assert [kind for kind in STATUSES if not (kind.__doc__ or "").strip().split("\n")[0].endswith(".")] == []


def test_an_error_of_somebody_elses_subclass_gets_the_status_of_its_parent() -> None:
    class OddlyExpired(TokenExpired):
        """Made by a test."""

    assert status_of(OddlyExpired("odd")) == 401


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (
            StaleUpdate(b"refs/heads/main", None, "a" * 40),
            {"expected": None, "actual": "a" * 40, "status": 409},
        ),
        (PushRefused("no", rule="scope"), {"rule": "scope", "status": 403}),
        (LimitExceeded("much", limit="pack_bytes_max"), {"limit": "pack_bytes_max", "status": 413}),
        (TokenInUrl(), {"code": "token_in_url", "status": 400}),
    ],
)
def test_a_problem_carries_the_facts_of_its_error(error: StoreError, facts: dict[str, object]) -> None:
    problem = render_problem(error)
    assert {key: problem[key] for key in facts} == facts


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    problem = render_problem(Unauthenticated("no such token", hint="make one"))
    assert problem == {
        "type": "urn:imprint:problem:unauthenticated",
        "title": "No token, or none that the store knows.",
        "status": 401,
        "detail": "no such token",
        "code": "unauthenticated",
        "hint": "make one",
    }


def test_a_failure_of_the_machine_does_not_tell_what_git_said() -> None:
    problem = render_problem(PlumbingFailed("index-pack", 128, "fatal: /srv/imprint/data: secret place"))
    assert "secret" not in str(problem)
    assert problem["status"] == 500


def test_a_failure_of_the_machine_does_not_tell_its_hint() -> None:
    assert "hint" not in render_problem(ListenFailed("cannot listen", hint="at /srv"))
