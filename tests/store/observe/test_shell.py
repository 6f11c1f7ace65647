"""What a captured shell command wrote is answered with the turn that called it, and the words asked for."""

import json

import pytest

from imprint.store.events import EventKind
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.model import Anchor, AnchorKind, Record, Source

TEXT = "".join(f"LIMIT_{n} = compute_limit({n * 31})\n" for n in range(6))


def keep_command(room, parent: str, call: str, *, actor: str = "ada") -> None:
    line = {
        "imprint": "shell", "v": 1, "agent": "claude-code", "session": parent, "call": call,
        "at_ms": 1_760_000_005_000, "command": "make limits",
        "files": [{"path": "limits.py", "added": TEXT.splitlines(), "removed": []}],
    }  # fmt: skip
    content = json.dumps(line).encode() + b"\n"
    given = GivenSession(
        "imprint-capture", content, Source("capture"), session_id=f"{parent}.shell", parent_id=parent
    )
    room.bench.hosting.keeper.keep(room.id, given, actor)


def observe(room, script, call: str, actor: str = "ada"):
    commit = room.commit("limits.py", TEXT, 60)
    room.push()
    asked = script().prompt("hello").prompt("make the limits").edit("/srv/ada/app/other.py", "a", "b")
    made = asked.lines[2]["message"]["content"][0]["id"]
    room.keep(asked)
    keep_command(room, asked.session, call or made, actor=actor)
    anchor = Anchor(AnchorKind.COMMIT, commit)
    record = Record("r-shell", Source("capture"), actor, 0, (anchor,), session_id=f"{asked.session}.shell")
    room.bench.hosting.archive.add_records(room.id, [record])
    room.bench.hosting.announce(room.id, EventKind.RECORDED, room.bench.principal, {})
    room.catch_up()
    (claim,) = room.observations.claims_of(room.id, [commit])[commit]
    return asked.session, claim


def test_the_claim_names_the_turn_that_called_and_its_prompt(room, script) -> None:
    session, claim = observe(room, script, "")
    assert (claim.session, claim.turn, claim.agent) == (session, 2, "claude-code")
    assert claim.model == "claude-opus-4-6"
    assert claim.method == f"transcript shell command, turn 1 of {session}.shell"
    assert room.bench.hosting.keeper.read_prompt(room.id, session, claim.prompt) == "make the limits"


def test_a_command_of_which_no_call_is_known_has_no_turn_and_no_prompt(room, script) -> None:
    session, claim = observe(room, script, "toolu_of_nobody")
    assert (claim.session, claim.turn, claim.prompt) == (session, None, None)


@pytest.mark.parametrize("call", ["", "toolu_of_nobody"])
def test_a_command_that_another_delivered_takes_nobodys_prompt(room, script, call) -> None:
    session, claim = observe(room, script, call, actor="eve")
    assert (claim.session, claim.turn, claim.prompt, claim.actor) == (f"{session}.shell", None, None, "eve")
