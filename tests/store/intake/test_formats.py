"""The codecs by themselves: total, and the inverse of one another."""

import json

from hypothesis import given
from hypothesis import strategies as st

from imprint.store.agents.model import Problem
from imprint.store.formats import agent_trace, entire
from imprint.store.formats.entire import Layout

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**10) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["version", "id", "timestamp", "vcs", "tool", "metadata", "name", "type", "revision", "model_id", "x"]
)
RANGE = st.fixed_dictionaries(
    {"start_line": st.integers(1, 50), "end_line": st.integers(1, 50)},
    optional={"content_hash": st.text(max_size=9) | st.integers(), "contributor": JSON, "odd": JSON},
)
CONVERSATION = st.fixed_dictionaries(
    {"ranges": st.lists(RANGE | JSON, max_size=3)},
    optional={"url": JSON, "contributor": st.dictionaries(KEYS, JSON, max_size=2) | JSON, "related": JSON},
)
FILE = st.fixed_dictionaries(
    {"path": st.text(max_size=9)},
    optional={"conversations": st.lists(CONVERSATION | JSON, max_size=3), "y": JSON},
)
TRACE = st.builds(
    lambda some, files: some | {"files": files},
    st.dictionaries(KEYS, JSON, max_size=6),
    st.lists(FILE | JSON, max_size=3),
)


@given(TRACE)
def test_a_trace_written_and_read_again_is_the_same(raw):
    trace = agent_trace.parse_trace(raw)
    written = json.loads(json.dumps(agent_trace.render_trace(trace)))
    assert agent_trace.parse_trace(written) == trace
    assert agent_trace.parse_traces(agent_trace.render_agent_trace([trace]), "t")[0] == [trace]
    agent_trace.read_lines(trace, "t")
    agent_trace.read_anchors(trace)


@given(st.binary(max_size=200))
def test_any_bytes_are_traces_or_problems(raw):
    traces, problems = agent_trace.parse_traces(raw, "file")
    assert traces or problems or not raw.strip()


@given(st.lists(st.text(max_size=30), max_size=8), JSON, JSON)
def test_any_names_and_metadata_give_sessions(names, summary, session):
    whole = summary if isinstance(summary, dict) else {"sessions": summary}
    for files in entire.list_sessions("aaaaaaaaaa01", names, whole):
        assert set(files.transcript) <= set(names)
        assert {files.metadata, files.compact, files.prompt, files.content_hash} <= {*names, None}
    entire.read_said(whole, session if isinstance(session, dict) else {"files_touched": session})


def test_only_refs_of_the_known_layouts_hold_checkpoints():
    expected = {
        b"refs/heads/entire/checkpoints/v1": Layout.BRANCH,
        b"refs/remotes/origin/entire/checkpoints/v1": Layout.BRANCH,
        b"refs/entire/checkpoints/2Y/01KX37KN6NXDTV10FKNCBPTP2Y": Layout.REFS,
        b"refs/entire/checkpoints/v2/main": Layout.V2_MAIN,
        b"refs/entire/checkpoints/v2/full/current": Layout.V2_FULL,
        b"refs/entire/checkpoints/odd": None,
        b"refs/entire/checkpoints/2Y/../x": None,
        b"refs/heads/main": None,
    }
    assert {ref: entire.find_layout(ref) for ref in expected} == expected


def test_paths_of_the_metadata_count_with_and_without_the_shard_in_front():
    names = ["0/metadata.json", "0/full.jsonl", "1/full.jsonl", "1/full.jsonl.001", "1/metadata.json"]
    listed = [
        {"metadata": "/0/metadata.json", "transcript": "/0/full.jsonl"},
        {"metadata": "/aa/aaaaaaaa01/1/metadata.json", "transcript": "aa/aaaaaaaa01/1/full.jsonl"},
        {"metadata": "../../etc/passwd", "transcript": "/9/full.jsonl"},
    ]
    sessions = entire.list_sessions("aaaaaaaaaa01", names, {"sessions": listed})
    assert [each.transcript for each in sessions] == [("0/full.jsonl",), ("1/full.jsonl", "1/full.jsonl.001")]


def test_the_newest_words_for_a_start_count_before_the_deprecated_one():
    said = entire.read_said({}, {"checkpoint_transcript_start": 4, "transcript_lines_at_start": 9})
    assert said.start == 4
    assert entire.read_said({}, {"transcript_lines_at_start": 9}).start == 9
    assert entire.read_said({"agents": ["Codex"]}, {"agent": "unknown"}).agent == "Codex"


def test_a_bad_object_is_a_problem_with_its_line():
    problems: list[Problem] = []
    assert entire.parse_object(b'{"a":\n nonsense}', "x/metadata.json", problems) == {}
    assert problems == [Problem("x/metadata.json line 2", "the JSON cannot be read")]
