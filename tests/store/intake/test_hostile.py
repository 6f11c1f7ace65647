"""Whatever stands beside it, a good checkpoint is kept: names that are no UTF-8, any JSON, any ids."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.agents.model import Problem
from imprint.store.formats import agent_trace, entire
from imprint.store.intake import planning

GOOD = "aaaaaaaaaa01"
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(["\ud800", "\udcff/x", "a\0b", "..", "\x1b[31m", "L" * 5000, "-x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["sessions", "sha", "\ud801"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "session_id",
            "parent_session_id",
            "agent",
            "agents",
            "model",
            "created_at",
            "commit_sha",
            "linked_commits",
            "kind",
            "sessions",
            "files_touched",
            "checkpoint_transcript_start",
            "compact_transcript_start",
            "transcript_path",
            "x",
        ]
    ),
    ODD,
)


def odd_tree(intake, files: dict[bytes, bytes]) -> None:
    """Put files of any path beside a good checkpoint, and push."""
    good = intake.on_branch(GOOD, {"good": intake.talk("hello")})
    parts = [f"commit {intake.branch}\ncommitter A <a@example.com> 1767323045 +0000\ndata 1\nx\n".encode()]
    for path, content in {**{k.encode(): v for k, v in good.items()}, **files}.items():
        quoted = b"".join(b"\\%03o" % byte if byte < 33 or byte > 126 else bytes([byte]) for byte in path)
        parts.append(b'M 100644 inline "%s"\ndata %d\n%s\n' % (quoted, len(content), content))
    intake.git.run("fast-import", "--quiet", "--force", stdin=b"".join(parts))
    intake.push(intake.branch)
    assert [record.session_id for record in intake.records(GOOD)] == ["good"]
    assert intake.kept("good") == intake.talk("hello")


def test_a_folder_whose_name_is_no_utf8_costs_only_itself(intake):
    place = b"aa/aaaaaaaa01/0/tasks/..x\xff"
    odd_tree(intake, {place + b"/task.json": b"{}", place + b"/agent-\xfe\n.jsonl": intake.talk("x")})
    assert (
        f"{GOOD}/0/tasks/..x\\xff/task.json",
        "unreadable: its path is not UTF-8; it was passed over",
    ) in intake.problems()


SESSIONS = {
    "number": {"session_id": "s1", "checkpoint_transcript_start": 10**30, "compact_transcript_start": 2**63},
    "surrogates": {
        "session_id": "s\ud800",
        "agent": "\ud800",
        "files_touched": ["\ud800/a"],
        "\udc80": "\udfff",
    },
    "nul": {"session_id": "a\0b"},
    "dots": {"session_id": ".."},
    "long": {"session_id": "L" * 100_000},
    "escapes": {"session_id": "\x1b[31mred\x07\n", "agent": "\x1b]0;x\x07"},
    "self": {"session_id": "s1", "parent_session_id": "s1"},
    "floats": {"session_id": "s1", "v": float("nan"), "w": float("-inf")},
    "types": {"session_id": ["x"], "agents": [[1]], "linked_commits": [1, {"sha": [1]}], "kind": {}},
}


@pytest.mark.parametrize("case", SESSIONS)
def test_a_good_checkpoint_beside_an_odd_one_is_kept(intake, case):
    talk = intake.talk("odd")
    place = b"bb/bbbbbbbb02/"
    metadata = json.dumps(SESSIONS[case]).encode()
    files = {b"metadata.json": b"[" * 100_000, b"0/metadata.json": metadata, b"0/full.jsonl": talk}
    files |= {b"0/full.jsonl.999999": talk, "\u0663/full.jsonl".encode(): talk, b"1/metadata.json": b"null"}
    odd_tree(intake, {place + name: content for name, content in files.items()})


def test_parents_in_a_circle_are_kept(intake):
    files = intake.on_branch("bbbbbbbbbb02", {"s1": intake.talk("a")}, parent_session_id="s2")
    files |= intake.on_branch("cccccccccc03", {"s2": intake.talk("b")}, parent_session_id="s1")
    odd_tree(intake, {path.encode(): content for path, content in files.items()})
    assert {"s1", "s2"} <= {record.session_id for record in intake.records()}


def test_a_surprise_costs_one_record(intake, monkeypatch):
    read = entire.read_said

    def surprised(summary, session):
        if session.get("session_id") == "odd":
            raise KeyError("surprise")
        return read(summary, session)

    monkeypatch.setattr(entire, "read_said", surprised)
    files = intake.on_branch("bbbbbbbbbb02", {"odd": intake.talk("a")})
    odd_tree(intake, {path.encode(): content for path, content in files.items()})
    assert ("bbbbbbbbbb02", "unreadable: KeyError; it was passed over") in intake.problems()


def test_a_checkpoint_of_too_many_sessions_is_read_in_part_and_says_so(intake, monkeypatch):
    monkeypatch.setattr(planning, "SESSIONS_MAX", 2)
    files = intake.on_branch("bbbbbbbbbb02", {f"s{number}": intake.talk(str(number)) for number in range(4)})
    odd_tree(intake, {path.encode(): content for path, content in files.items()})
    assert [record.session_id for record in intake.records("bbbbbbbbbb02")] == ["s0", "s1"]
    assert ("bbbbbbbbbb02", "too_many: it has 4 sessions; the first 2 were read") in intake.problems()


def test_what_nests_too_deep_is_a_problem():
    problems: list[Problem] = []
    assert entire.parse_object(b'{"a":' * 150 + b"1" + b"}" * 150, "x", problems) == {}
    assert problems == [Problem("x", "the JSON is nested deeper than 100")]
    assert agent_trace.parse_traces(b'{"files":[],"a":' + b"[" * 150 + b"]" * 150 + b"}", "t")[0] == []


@given(FIELDS, FIELDS)
def test_what_metadata_say_can_be_kept(summary, session):
    said = entire.read_said(summary, session)
    for text in (said.session_id, said.agent, said.model, said.created_at, *said.commits):
        assert text is None or (text.encode() and "\0" not in text)
    assert 0 <= said.start < 2**31
    assert 0 <= said.compact_start < 2**31


@given(st.lists(st.binary(min_size=1, max_size=8).map(lambda raw: raw.replace(b"\0", b"")), max_size=4))
def test_any_path_belongs_to_a_checkpoint_or_not(parts):
    path = b"/".join((b"aa", b"aaaaaaaa01", *parts))
    found = entire.split_path(entire.Layout.BRANCH, entire.BRANCH_REF, path)
    if found is not None:
        entire.list_sessions(found[0], [found[1]], {})


def test_many_files_of_one_checkpoint_are_grouped_in_one_pass():
    names = [f"{number}/tasks/t{number}/agent-{number}.jsonl" for number in range(50_000)]
    assert len(entire.list_sessions(GOOD, names, {})) == 100_000
