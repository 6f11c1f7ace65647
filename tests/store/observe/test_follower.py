"""Observations follow pushes and what is kept of sessions, in whichever order they come."""

import pytest

from imprint.store.errors import StorageFailed
from imprint.store.events import EventKind
from imprint.store.hosting.followers import Stopped
from imprint.store.observe.follower import observe_clone
from imprint.store.observe.store import Observations
from imprint.store.origins.explain import Level, why, why_lines
from imprint.store.origins.passages import passage_origins
from imprint.store.origins.render import explanations_json
from imprint.store.origins.sources import Origins
from imprint.store.sessions.model import Anchor, AnchorKind

TEXT = "def retry(call):\n    wait = 1\n    return call(wait)\n"
LONGER = TEXT + "\n\ndef stop(call):\n    call.cancel()\n"


@pytest.fixture
def session(script):
    """Two turns: a file, then more of it."""
    made = script().prompt("write a retry").write("/srv/ada/app/retry.py", TEXT)
    made.prompt("and a stop").edit(
        "/srv/ada/app/retry.py",
        "    return call(wait)\n",
        "    return call(wait)\n\n\ndef stop(call):\n    call.cancel()\n",
    )
    return made


def checkpoint(name: str) -> Anchor:
    return Anchor(AnchorKind.CHECKPOINT, name)


TURNS = [
    (1, [("retry.py", 1, 3)], "transcript edit"),
    (2, [("retry.py", 4, 7)], "transcript edit"),
]


def test_a_session_kept_before_the_push_is_found_by_the_trailer(room, session) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    assert room.told(commit) == TURNS


def test_a_session_kept_after_the_push_is_matched_then(room, session) -> None:
    commit = room.commit("retry.py", LONGER, 60)
    room.push()
    assert room.told(commit) == []
    room.keep(session, Anchor(AnchorKind.COMMIT, commit))
    assert room.told(commit) == TURNS


def test_trees_bases_and_named_sessions_tie_too(room, session) -> None:
    base = room.commit("README.md", "hello\n", 1)
    one = room.commit("retry.py", TEXT, 60)
    tree = room.git("rev-parse", f"{one}^{{tree}}")
    two = room.commit(
        "retry.py", LONGER, 61, f"More\n\nClaude-Session: https://example.com/{session.session}"
    )
    room.push()
    room.keep(session, Anchor(AnchorKind.BASE, base))
    assert room.told(one) == TURNS[:1]
    room.keep(session, Anchor(AnchorKind.TREE, tree))
    assert room.told(one) == TURNS[:1]
    assert room.told(two) == TURNS[1:]


def test_a_commit_without_any_tie_is_matched_with_a_session_nearby_by_its_runs(room, session) -> None:
    room.keep(session)
    long = "".join(f"step_{number}(state, {number})\n" for number in range(8))
    session.prompt("steps").write("/srv/ada/app/steps.py", long)
    room.keep(session)
    commit = room.commit("steps.py", long, 600)
    late = room.commit("again.py", long, 60 + 8 * 24 * 3600)
    room.push()
    assert room.told(commit) == [(3, [("steps.py", 1, 8)], "transcript edit, session nearby")]
    assert room.told(late) == []


def test_a_grown_session_is_matched_anew_and_only_read_when_it_grew(room, session, script) -> None:
    first = script().prompt("write a retry").write("/srv/ada/app/retry.py", TEXT)
    room.keep(first, checkpoint("aaaaaaaaaaaa"), part=(0, first.count))
    room.commit("retry.py", TEXT, 30, "One\n\nEntire-Checkpoint: aaaaaaaaaaaa")
    room.push()
    two = room.commit("retry.py", LONGER, 60, "Two\n\nEntire-Checkpoint: bbbbbbbbbbbb")
    room.push()
    assert room.told(two) == []
    room.keep(session, checkpoint("bbbbbbbbbbbb"), part=(first.count, session.count))
    assert room.told(two) == TURNS[1:]
    read = len(room.reads)
    room.commit("other.py", "x = 1\n", 70)
    room.push()
    assert len(room.reads) == read


def test_a_sub_agents_lines_are_its_own_sessions(room, session, script) -> None:
    child = script(session="22222222-0000-4000-8000-000000000002").prompt("do the tests")
    child.write("/srv/ada/app/test_retry.py", "def test_it():\n    assert retry(call) == 1\n")
    room.keep(session, checkpoint("abcdef012345"))
    room.keep(child, parent=session.session)
    text = "def test_it():\n    assert retry(call) == 1\n"
    commit = room.commit("test_retry.py", text, 60, "Tests\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    (claim,) = room.observations.claims_of(room.id, [commit])[commit]
    assert (claim.session, claim.turn) == (child.session, 1)


def test_following_twice_gives_the_same_and_deleting_all_comes_back(room, session, tmp_path) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    before = room.observations.all_claims(room.id)
    events = room.bench.hosting.catalogue.list_events(room.id, after=0)
    room.follower.follow(room.bench.repository, events)
    assert room.observations.all_claims(room.id) == before
    room.follower.forget(room.id)
    assert room.told(commit) == []
    room.catch_up()
    assert room.observations.all_claims(room.id) == before


def test_an_erased_session_stays_claimed_and_is_not_read_again(room, session) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    hosting = room.bench.hosting
    hosting.keeper.erase(room.id, session.session)
    hosting.announce(room.id, EventKind.ERASED, room.bench.principal, {"session": session.session})
    room.catch_up()
    hosting.announce(room.id, EventKind.RECORDED, room.bench.principal, {})
    room.catch_up()
    assert room.told(commit) == TURNS
    (claim, *_) = room.observations.claims_of(room.id, [commit])[commit]
    assert hosting.keeper.read_prompt(room.id, claim.session, claim.prompt) is None


def test_nothing_of_the_text_is_in_the_file(room, session, tmp_path) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    held = b"".join(path.read_bytes() for path in (tmp_path / "derived").glob("observations*"))
    assert b"retry.py" in held
    for secret in (b"return call", b"write a retry", b"cancel"):
        assert secret not in held


def test_stopping_leaves_the_position_and_the_rest_for_later(room, session) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push(follow=False)
    position = room.follower.position(room.id)
    room.stops.append(True)
    with pytest.raises(Stopped):
        room.catch_up()
    assert room.follower.position(room.id) == position
    room.stops.clear()
    room.catch_up()
    assert room.told(commit) == TURNS


def test_a_merge_has_only_the_lines_that_no_parent_has(room, session) -> None:
    room.keep(session, checkpoint("abcdef012345"))
    room.commit("README.md", "hello\n", 1)
    room.git("checkout", "-q", "-b", "side")
    room.commit("retry.py", TEXT, 60, "Side\n\nEntire-Checkpoint: abcdef012345")
    room.git("checkout", "-q", "main")
    room.commit("other.py", "x = 1\n", 61)
    room.git("merge", "-q", "--no-ff", "-m", "Merge\n\nEntire-Checkpoint: abcdef012345", "side")
    merge = room.git("rev-parse", "HEAD")
    room.push()
    assert room.told(merge) == []


def test_a_file_that_is_no_database_is_emptied(tmp_path) -> None:
    path = tmp_path / "observations.db"
    path.write_bytes(b"not a database, whatever its name says" * 100)
    Observations.open(path).close()
    with pytest.raises(StorageFailed):
        Observations.open(tmp_path / "observations.db" / "below.db")


def test_a_clone_is_observed_on_demand(room, session, tmp_path, work_tree) -> None:
    from imprint.store.clone import Clone

    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.keep(session, checkpoint("abcdef012345"))
    hosting = room.bench.hosting

    class OfClone:
        """The room's archive under the clone's id."""

        def __getattr__(self, name: str):
            method = getattr(hosting.archive, name)
            return lambda _id, *given, **more: method(room.id, *given, **more)

    def read(_id: str, kept) -> bytes:
        return hosting.keeper.read_transcript(room.id, kept)

    with Clone.discover(work_tree.folder) as clone:
        given = (clone.view, room.observations, OfClone(), read, room.ledger)
        assert observe_clone(*given) == 1
        assert observe_clone(*given) == 0
        assert [it.turn for it in room.observations.claims_of("clone", [commit])[commit]] == [1, 2]


# -- asked why ------------------------------------------------------------------------------------------


@pytest.fixture
def explained(room, session, tmp_path):
    room.keep(session, checkpoint("abcdef012345"))
    commit = room.commit("retry.py", LONGER, 60, "Add retry\n\nEntire-Checkpoint: abcdef012345")
    room.push()
    with Origins.open(tmp_path / "derived") as origins:
        yield room, origins, commit


def test_why_of_a_line_reaches_the_turn_and_its_prompt(explained) -> None:
    room, origins, commit = explained

    def prompts(of_session: str, address: str) -> str | None:
        return room.bench.hosting.keeper.read_prompt(room.id, of_session, address)

    view = room.bench.repository.view
    found = why(view, origins, commit, b"retry.py", 6, prompts)
    assert found.level is Level.TURN
    claim = next(claim for claim in found.claims if claim.turn is not None)
    assert (claim.turn, claim.prompt, claim.agent, claim.model) == (
        2, "and a stop", "claude-code", "claude-opus-4-6",
    )  # fmt: skip
    assert [step.how for step in found.steps] == ["blame"]


def test_why_of_lines_is_grouped_by_cause(explained) -> None:
    room, origins, commit = explained
    view = room.bench.repository.view
    parts = why_lines(view, origins, commit, b"retry.py", (1, 999), lambda *_: None)
    assert [(part.line, part.end, part.claims[0].turn) for part in parts] == [(1, 3, 1), (4, 7, 2)]
    assert "the prompt: it was recorded, but cannot be read here" in parts[0].missing
    told = explanations_json(commit, b"retry.py", (1, 999), parts)
    assert (told["start"], told["end"]) == (1, 7)


def test_passages_name_the_cause_of_most_of_their_lines(explained) -> None:
    room, origins, commit = explained
    view = room.bench.repository.view
    places = [(b"retry.py", 1, 4), (b"retry.py", 3, 7), (b"gone.py", 1, 2)]
    first, second, absent = passage_origins(view, origins, commit, places, lambda *_: "first\nsecond")
    assert (first.claim.turn, first.lines, first.prompt) == (1, 3, "first")
    assert (second.claim.turn, second.lines) == (2, 4)
    assert absent is None
