"""Sessions exported as Entire's checkpoints and read again: nothing of them is lost on the way."""

import base64
import json

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from imprint.store.evidence.stack import ClaimStack
from imprint.store.export.checkpoints import iter_checkpoints, split_at_lines
from imprint.store.export.fastimport import Signature, write_refs
from imprint.store.intake.follower import take_in
from imprint.store.intake.shelf import Shelf
from imprint.store.sessions.keeping import GivenSession
from imprint.store.sessions.model import Anchor, AnchorKind, Record, Source
from imprint.store.types import ObjectId, RefName

BY = Signature("Imprint", "imprint@localhost", 1_767_323_045)


def line(session_id: str, number: int, kind: str, content: object) -> bytes:
    said = {
        "type": kind,
        "uuid": f"{session_id}-{number}",
        "sessionId": session_id,
        "timestamp": f"2026-01-02T03:04:{number:02}.000Z",
        "message": {
            "role": kind,
            "id": f"m{number}",
            "content": content,
            "model": "claude-opus-4-5",
            "usage": {"input_tokens": 3, "output_tokens": 5},
        },
    }
    return json.dumps(said).encode() + b"\n"


def transcript(session_id: str, *prompts: str) -> bytes:
    edit = {"file_path": "app.py", "old_string": "1", "new_string": "2"}
    lines = []
    for turn, prompt in enumerate(prompts):
        call = {"type": "tool_use", "id": f"{session_id}-t{turn}", "name": "Edit", "input": edit}
        lines += [
            line(session_id, 2 * turn, "user", prompt),
            line(session_id, 2 * turn + 1, "assistant", [call]),
        ]
    return b"".join(lines)


def export(bench, history: frozenset[str]) -> list[dict]:
    return list(iter_checkpoints(bench.repository.view, ClaimStack([]), bench.hosting.keeper, history))


def write(git, documents: list[dict]) -> dict[RefName, ObjectId]:
    refs = [
        (
            RefName.parse(each["ref"]),
            {path.encode(): base64.b64decode(raw) for path, raw in each["files"].items()},
            each["message"],
        )
        for each in documents
    ]
    git.run("fast-import", "--quiet", "--done", stdin=b"".join(write_refs(refs, BY)))
    return {ref: ObjectId(git("rev-parse", ref.text)) for ref, _, _ in refs}


def read_into(bench, git, refs: dict[RefName, ObjectId]) -> None:
    hosting = bench.hosting
    at = (bench.repository.record.id, "operator", 1, hosting.ids)
    intake = take_in(
        bench.repository.view.plumbing.at(git.folder / ".git"),
        Shelf(hosting.archive, hosting.keeper, *at),
        {},
        refs,
    )
    assert intake.problems == []


def facts(bench) -> dict[str, object]:
    """What is kept of every session, but for when and how it came, and where its texts lie."""
    hosting, repository_id = bench.hosting, bench.repository.record.id
    found = {}
    for session in hosting.archive.list_sessions(repository_id):
        turns = [
            (
                turn.number,
                hosting.keeper.read_prompt(repository_id, session, turn.prompt) if turn.prompt else None,
                turn.calls,
                turn.usage,
                turn.model,
            )
            for turn in hosting.archive.list_turns(repository_id, session.id)
        ]
        content = hosting.keeper.read_transcript(repository_id, session) if session.transcript else None
        found[session.id] = (session.agent, session.parent_id, session.models, content, turns)
    return found


def ties(bench) -> set[tuple[object, ...]]:
    records = bench.hosting.archive.list_records(bench.repository.record.id)
    return {
        (record.session_id, record.part, anchor.kind, anchor.value)
        for record in records
        for anchor in record.anchors
    }


@pytest.fixture
def told(bench):
    """Two sessions, one of them a sub-agent, the parent's last turn tied to a commit."""
    repository_id, keeper = bench.repository.record.id, bench.hosting.keeper
    source = Source("capture")
    for session_id, parent_id, prompts in (
        ("parent", None, ["Open the shop.", "Close it."]),
        ("child", "parent", ["Look around."]),
    ):
        content = transcript(session_id, *prompts)
        keeper.keep(
            repository_id, GivenSession("claude-code", content, source, session_id, parent_id), "operator"
        )
    anchor = Anchor(AnchorKind.COMMIT, "a" * 40)
    record = Record("rec-1", source, "operator", 1, (anchor,), session_id="parent", part=(2, 4))
    bench.hosting.archive.add_records(repository_id, [record])
    return bench


def test_what_was_exported_reads_back_the_same(told, make_bench, work_tree):
    documents = export(told, frozenset({"a" * 40}))
    assert len(documents) == 2
    refs = write(work_tree, documents)
    other = make_bench()
    read_into(other, work_tree, refs)
    assert facts(other) == facts(told)
    tied = {tie for tie in ties(other) if tie[2] is AnchorKind.COMMIT}
    assert tied == ties(told)


def test_turns_after_the_last_record_go_out_too(told, make_bench, work_tree):
    grown = transcript("parent", "Open the shop.", "Close it.", "Sweep the floor.")
    given = GivenSession("claude-code", grown, Source("capture"), "parent")
    told.hosting.keeper.keep(told.repository.record.id, given, "operator")
    refs = write(work_tree, export(told, frozenset({"a" * 40})))
    other = make_bench()
    read_into(other, work_tree, refs)
    assert facts(other) == facts(told)


def test_exporting_what_was_read_gives_the_same_checkpoints_again(told, make_bench, work_tree):
    first = export(told, frozenset({"a" * 40}))
    other = make_bench()
    read_into(other, work_tree, write(work_tree, first))
    again = export(other, frozenset({"a" * 40}))
    assert {each["ref"] for each in again} == {each["ref"] for each in first}
    for one, two in zip(sorted(first, key=ref_of), sorted(again, key=ref_of), strict=True):
        assert decoded(one) == decoded(two)


def ref_of(document: dict) -> str:
    return document["ref"]


def decoded(document: dict) -> dict[str, object]:
    read = {path: base64.b64decode(raw) for path, raw in document["files"].items()}
    return {path: json.loads(raw) if path.endswith("metadata.json") else raw for path, raw in read.items()}


def test_usage_is_of_the_part_and_never_a_running_total(told):
    prompts = {}
    for document in export(told, frozenset()):
        files = decoded(document)
        prompts[files["0/prompt.txt"]] = files["metadata.json"]
    root = prompts[b"Close it."]
    assert root["token_usage"]["output_tokens"] == 5
    assert root["token_usage_version"] == 2
    assert root["linked_commits"] == []


def test_an_erased_session_has_no_words_left(told):
    told.hosting.keeper.erase(told.repository.record.id, "parent")
    for document in export(told, frozenset()):
        assert not [path for path in document["files"] if not path.endswith("metadata.json")]
        assert "shop" not in str(decoded(document))


@hypothesis_given(st.binary(max_size=60).map(lambda raw: raw.replace(b"x", b"\n")), st.integers(1, 20))
def test_pieces_of_a_transcript_join_to_the_whole(content, size):
    pieces = list(split_at_lines(content, size))
    assert b"\n".join(pieces) == content
    assert all(len(piece) <= size or b"\n" not in piece for piece in pieces)
