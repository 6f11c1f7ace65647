"""Blame and why: the best claim of each line, and what is not known."""

import json

import pytest

from imprint.store.actors import ActorKind
from imprint.store.errors import PathMissing
from imprint.store.evidence.claims import Evidence
from imprint.store.hosting.access import SessionSeed
from imprint.store.origins.explain import blame, blame_runs, why
from imprint.store.origins.render import blame_json, blame_text, explanation_json
from imprint.store.origins.sources import Origins
from imprint.store.provenance.expand import expand_clone
from imprint.store.transcripts.ports import transcript_key
from imprint.store.types import ObjectId

ROBOT = {"committer_name": "robot", "committer_email": "robot@example.com"}


def no_prompts(session: str, address: str) -> None:
    return None


@pytest.fixture
def mixed(room):
    """Three lines: one that nobody claims, one declared, one bound with a prompt."""
    commits = [room.git.commit_file("a.py", "1\n", "by hand")]
    message = "with help\n\nCo-authored-by: Claude Opus 4.6 <noreply@anthropic.com>"
    commits.append(room.git.commit_file("a.py", "1\n2\n", message))
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex", "gpt-5", "add a third line"))
    commits.append(room.git.commit_file("a.py", "1\n2\n3\n", "by robot", **ROBOT))
    room.push(robot, "main")
    return room, [ObjectId(commit) for commit in commits]


def read_prompts(room):
    def read(session: str, address: str) -> str:
        key = transcript_key(room.id, session)
        return room.bench.hosting.transcripts.read(key, address).decode()

    return read


def test_blame_gives_each_line_its_best_claim_and_who_delivered_it(mixed):
    room, commits = mixed
    lines = blame(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py")
    assert [(line.line, line.text, line.commit) for line in lines] == [
        (1, "1", commits[0]), (2, "2", commits[1]), (3, "3", commits[2]),
    ]  # fmt: skip
    assert [line.claim.evidence for line in lines] == [Evidence.UNKNOWN, Evidence.DECLARED, Evidence.BOUND]
    assert [line.claim.agent for line in lines] == [None, "claude-code", "codex"]
    assert [line.delivery.actor for line in lines] == ["ada", "ada", "robot"]
    assert {line.author.name for line in lines} == {"Ada"}


def test_blame_as_text_says_what_it_says_as_json(mixed):
    room, commits = mixed
    content = 'caf\u00e9 "x"\\\n\n'.encode() + b"cut \xe2\x82\n\xf0\x9f\x98\r\n\xff"
    odd = ObjectId(room.git.commit_file("b.py", content, "odd"))
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    origins = Origins.of_ledger(room.ledger)
    for commit, path in [(commits[2], b"a.py"), (odd, b"b.py"), (odd, b"a.py")]:
        lines = blame(room.view, origins, commit, path)
        text = blame_text(commit, path, blame_runs(room.view, origins, commit, path))
        assert json.loads(text) == blame_json(commit, path, lines)
    assert [line.text for line in blame(room.view, origins, odd, b"b.py")] == [
        part.decode("utf-8", "replace") for part in content.split(b"\n")
    ]


def test_why_tells_the_session_and_the_prompt_of_a_bound_line(mixed):
    room, commits = mixed
    explanation = why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 3, read_prompts(room))
    (claim,) = explanation.claims
    assert (claim.evidence, claim.actor, claim.agent, claim.model, claim.session, claim.prompt) == (
        Evidence.BOUND, "robot", "codex", "gpt-5", "s1", "add a third line",
    )  # fmt: skip
    assert explanation.subject == "by robot"
    assert explanation.missing == ()


def test_why_of_a_line_that_nobody_claims_is_unknown_and_not_a_person(mixed):
    room, commits = mixed
    explanation = why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 1, no_prompts)
    (claim,) = explanation.claims
    assert (claim.evidence, claim.actor, claim.agent) == (Evidence.UNKNOWN, None, None)
    assert explanation.missing == (
        "who or what wrote the line: nobody said, which does not make it a person's",
    )
    assert explanation.delivery.actor == "ada"


def test_why_says_what_a_declaration_leaves_open(mixed):
    room, commits = mixed
    explanation = why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 2, no_prompts)
    assert explanation.origin.commit == commits[1]
    assert explanation.missing == (
        "proof: the claim rests on what the commit or a note says of itself",
        "the session",
    )


def test_a_prompt_that_cannot_be_read_is_said_to_be_missing(mixed):
    room, commits = mixed
    explanation = why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 3, no_prompts)
    assert explanation.claims[0].prompt is None
    assert explanation.missing == ("the prompt: it was recorded, but cannot be read here",)


def test_in_a_clone_nobody_delivered_and_why_says_so(work_tree, clone_view, ledger):
    head = ObjectId(work_tree.commit_file("a.py", "1\n", "x\n\nMade-with: Cursor"))
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    explanation = why(view, Origins.of_ledger(ledger), head, b"a.py", 1, no_prompts)
    assert explanation.claims[0].agent == "cursor"
    assert "the model" in explanation.missing
    assert explanation.missing[-1].startswith("who delivered the commit")


def test_a_claim_about_other_lines_does_not_cover_this_one(work_tree, clone_view, ledger):
    head = work_tree.commit_file("a.py", "1\n2\n")
    text = (
        'a.py\n  s_00000000000001 2\n---\n{"sessions": {"s_00000000000001": {"agent_id": {"tool": "codex"}}}}'
    )
    work_tree("notes", "--ref=ai", "add", "-F", "-", head, stdin=text.encode())
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    lines = blame(view, Origins.of_ledger(ledger), ObjectId(head), b"a.py")
    assert [line.claim.agent for line in lines] == [None, "codex"]
    assert [
        claim.agent
        for claim in why(view, Origins.of_ledger(ledger), ObjectId(head), b"a.py", 2, no_prompts).claims
    ] == ["codex"]


def test_a_note_beats_the_trailer_of_the_same_commit_on_its_own_lines(work_tree, clone_view, ledger):
    head = work_tree.commit_file("a.py", "1\n2\n", "x\n\nMade-with: Cursor")
    text = 'a.py\n  h_00000000000001 2\n---\n{"humans": {"h_00000000000001": {"author": "Ada <a@b>"}}}'
    work_tree("notes", "--ref=ai", "add", "-F", "-", head, stdin=text.encode())
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    lines = blame(view, Origins.of_ledger(ledger), ObjectId(head), b"a.py")
    assert [(line.claim.agent, line.claim.actor) for line in lines] == [("cursor", None), (None, "Ada <a@b>")]


def test_what_is_not_there_is_missing(mixed):
    room, commits = mixed
    with pytest.raises(PathMissing) as missing:
        blame(room.view, Origins.of_ledger(room.ledger), commits[2], b"nope.py")
    assert missing.value.hint == f"'git ls-tree -r --name-only {commits[2]}' lists its files"
    with pytest.raises(PathMissing):
        why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 4, no_prompts)


def test_an_empty_file_has_no_lines_to_blame(work_tree, clone_view, ledger):
    head = ObjectId(work_tree.commit_file("a.py", ""))
    assert blame(clone_view(work_tree.folder), Origins.of_ledger(ledger), head, b"a.py") == []


def test_why_as_json_has_the_names_that_tools_count_on(mixed):
    room, commits = mixed
    rendered = explanation_json(
        why(room.view, Origins.of_ledger(room.ledger), commits[2], b"a.py", 2, no_prompts)
    )
    again = json.loads(json.dumps(rendered))
    assert (again["commit"], again["path"], again["line"]) == (commits[1], "a.py", 2)
    assert again["asked"]["commit"] == commits[2]
    assert again["claims"] == [
        {
            "evidence": "declared",
            "actor": None,
            "agent": "claude-code",
            "model": "claude-opus-4.6",
            "session": None,
            "turn": None,
            "prompt": None,
            "method": "trailer Co-authored-by",
            "score": None,
            "via": None,
        }
    ]
    assert again["delivered"]["actor"] == "ada"


def test_blame_as_json_shows_odd_bytes_as_text(work_tree, clone_view, ledger):
    blob = work_tree("hash-object", "-w", "--stdin", stdin=b"caf\xe9\n")
    work_tree("update-index", "-z", "--index-info", stdin=f"100644 {blob}\tn".encode() + b"\xff\0")
    work_tree("commit", "-q", "-m", "odd")
    head = ObjectId(work_tree("rev-parse", "HEAD"))
    view = clone_view(work_tree.folder)
    rendered = json.loads(
        json.dumps(blame_json(head, b"n\xff", blame(view, Origins.of_ledger(ledger), head, b"n\xff")))
    )
    assert rendered["path"] == '"n\\377"'
    (line,) = rendered["lines"]
    assert (line["text"], line["evidence"], line["agent"], line["delivered"]) == (
        "caf\ufffd",
        "unknown",
        None,
        None,
    )


def test_a_commit_that_the_ledger_has_not_read_is_said_to_be_unread(work_tree, clone_view, ledger):
    head = ObjectId(work_tree.commit_file("a.py", "1\n", "x\n\nMade-with: Cursor"))
    explanation = why(clone_view(work_tree.folder), Origins.of_ledger(ledger), head, b"a.py", 1, no_prompts)
    assert explanation.claims[0].evidence is Evidence.UNKNOWN
    assert "has not been read yet" in explanation.missing[0]
