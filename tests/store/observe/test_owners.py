"""A transcript of another actor is a rumour: it never counts as what was observed of one's own commits."""

from dataclasses import replace

import pytest

from imprint.store.actors import ActorKind
from imprint.store.evidence.claims import Claim, Evidence
from imprint.store.evidence.ports import ClaimSource
from imprint.store.history.reading import iter_commits
from imprint.store.observe.follower import ObservationsFollower
from imprint.store.observe.owners import Owners
from imprint.store.origins.explain import why
from imprint.store.origins.findings import FindingKind, Inspector
from imprint.store.origins.sources import Origins
from imprint.store.sessions.model import Anchor, AnchorKind

TEXT = "".join(f"def step_{n}(value):\n    total = compute_{n}(value) + {n * 7919}\n" for n in range(6))
PATH = "/srv/ada/app/steps.py"
EVE = "eeeeeeee-0000-4000-8000-00000000000e"
RUMOUR = "transcript edit, session of another actor"


@pytest.fixture
def eve(script):
    """A session of eve that says it wrote what ada committed."""
    return script(session=EVE).prompt("take it over").write(PATH, TEXT)


@pytest.fixture
def ada(script):
    """The session that did."""
    return script().prompt("write the steps").write(PATH, TEXT)


def pad(script) -> None:
    for number in range(12):
        script.write(f"/srv/ada/app/pad_{number}.py", f"padding_{number} = compute({number})\n")


def of_commit(commit: str) -> Anchor:
    return Anchor(AnchorKind.COMMIT, commit)


def claims(room, commit):
    return room.observations.claims_of(room.id, [commit]).get(commit, [])


def test_a_record_of_another_actor_makes_no_more_than_a_rumour(room, eve) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(eve, of_commit(commit), actor="eve")
    (claim,) = claims(room, commit)
    assert (claim.actor, claim.session, claim.method) == ("eve", EVE, RUMOUR)
    assert claim.score <= 0.5


def test_ones_own_session_is_observed_and_names_its_actor(room, ada) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(ada, of_commit(commit))
    assert [(it.actor, it.method, it.score) for it in claims(room, commit)] == [
        ("ada", "transcript edit", 1.0)
    ]


@pytest.mark.parametrize("way", ["anchor", "child", "trailer", "later", "padded"])
def test_no_session_of_another_takes_the_place_of_ones_own(room, ada, script, way) -> None:
    eve = script(session=EVE, begins_s=40 if way == "later" else 0).prompt("take it over")
    if way == "padded":
        pad(eve)
    eve.write(PATH, TEXT)
    message = f"steps\n\nClaude-Session: {EVE}" if way == "trailer" else "steps"
    commit = room.commit("steps.py", TEXT, 60, message)
    room.push()
    room.keep(ada, of_commit(commit))
    anchors = [] if way == "child" else [of_commit(commit)]
    room.keep(eve, *anchors, actor="eve", parent=ada.session if way == "child" else None)
    (claim,) = claims(room, commit)
    assert (claim.session, claim.score, claim.method) == (ada.session, 1.0, "transcript edit")


def test_what_the_operator_brought_counts_as_it_did(room, eve) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(eve, of_commit(commit), actor="operator")
    assert [(it.actor, it.score) for it in claims(room, commit)] == [("operator", 1.0)]


def test_the_committer_that_an_actor_is_known_as_may_speak(room, eve) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    email = room.git("log", "-1", "--format=%ce")
    room.bench.hosting.catalogue.ensure_actor("eve", ActorKind.HUMAN, [email])
    room.push()
    room.keep(eve, of_commit(commit), actor="eve")
    assert [(it.actor, it.score) for it in claims(room, commit)] == [("eve", 1.0)]


def test_of_two_own_sessions_the_edit_nearest_before_the_commit_wins(room, ada, script) -> None:
    padded = script(session=EVE, begins_s=-500).prompt("long before")
    pad(padded)
    padded.write(PATH, TEXT)
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(padded, of_commit(commit))
    room.keep(ada, of_commit(commit))
    (claim,) = claims(room, commit)
    assert (claim.session, claim.score) == (ada.session, 0.5)


class Bound(ClaimSource):
    """Says that every commit asked about was made in one session."""

    def claims_of(self, repository_id, commits):
        return {it: [Claim(it, Evidence.BOUND, actor="bot", session="push-1")] for it in commits}

    def all_claims(self, repository_id):
        return {}


def test_a_line_bound_to_a_session_takes_no_turn_of_anothers(room, eve) -> None:
    hosting = room.bench.hosting
    owners = Owners(room.ledger.deliveries, hosting.catalogue.find_actor)
    room.follower = ObservationsFollower(
        room.observations, hosting.archive, hosting.keeper.read_transcript, Bound(), owners=owners
    )
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(eve, of_commit(commit), actor="eve")
    assert [(it.method, it.turn, it.prompt) for it in claims(room, commit)] == [(RUMOUR, None, None)]


def test_the_audit_lists_sessions_that_claim_commits_of_others(room, eve) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(eve, of_commit(commit), actor="eve")
    view = room.bench.repository.view
    origins = Origins(ledger=room.ledger, claims=room.observations)
    inspector = Inspector(view, origins, None)
    (made,) = iter_commits(view, [commit])
    inspector.add_commit(made, claims(room, commit))
    inspector.finish()
    (found,) = inspector.findings
    assert (found.kind, found.commit) == (FindingKind.FOREIGN_SESSION, commit)
    assert found.detail == f"session {EVE} of eve claims lines, delivered by ada"


def test_why_says_when_the_prompt_was_erased(room, ada) -> None:
    commit = room.commit("steps.py", TEXT, 60)
    room.push()
    room.keep(ada, of_commit(commit))
    view = room.bench.repository.view
    origins = Origins(
        ledger=room.ledger, claims=room.observations, erased=lambda _id, _session: 1_760_000_000_000
    )
    told = why(view, origins, commit, b"steps.py", 2, lambda _session, _address: None)
    assert "the prompt: it was erased on 2025-10-09" in told.missing
    kept = replace(origins, erased=lambda _id, _session: None)
    told = why(view, kept, commit, b"steps.py", 2, lambda _session, _address: None)
    assert "the prompt: it was recorded, but cannot be read here" in told.missing
