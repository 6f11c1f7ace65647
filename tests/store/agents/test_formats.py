"""What every transcript format promises, asked of each; see `imprint.store.agents.ports`."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imprint.store.agents.known import FORMATS, find_format
from imprint.store.agents.model import EditKind
from imprint.store.agents.reading.lines import LINE_LIMIT, PROBLEM_LIMIT

NAMES = (
    "claude-code",
    "codex",
    "gemini-cli",
    "gemini-cli document",
    "cursor",
    "copilot",
    "opencode",
    "entire",
)
LINED = tuple(name for name in NAMES if name not in {"gemini-cli document", "opencode"})
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def parse(content):
    return find_format(None, content).parse(content)


def totals(session):
    usage = [each for turn in session.turns for each in turn.usage]
    return (
        sum(each.input_tokens for each in usage),
        sum(each.output_tokens for each in usage),
        sum(each.cache_read_tokens for each in usage),
    )


def assert_covered(session):
    assert [turn.number for turn in session.turns] == list(range(1, len(session.turns) + 1))
    ends = [0, *(turn.end_line for turn in session.turns)]
    assert [turn.first_line for turn in session.turns] == ends[:-1]
    if session.turns:
        assert ends[-1] == session.line_count


@pytest.mark.parametrize("name", NAMES)
def test_each_format_is_recognised_by_its_content(samples, name):
    form = find_format(None, samples[name])
    assert form.agent == name.split()[0]
    assert [each.agent for each in FORMATS if each.recognises(samples[name])] == [form.agent]


@pytest.mark.parametrize("name", NAMES)
def test_each_format_tells_the_same_story(samples, name):
    session = parse(samples[name])
    assert [turn.prompt for turn in session.turns] == ["make total add", "now a greeting"]
    assert session.problems == ()
    assert_covered(session)
    edit, command = (turn.calls[0] for turn in session.turns)
    (replaced,) = edit.edits
    assert replaced.path.endswith("lib/sum.py")
    assert replaced.kind in {EditKind.REPLACE, EditKind.PATCH}
    assert (replaced.added, replaced.removed) == (("    return a + b",), ("    return a",))
    (written,) = command.edits
    assert (written.path.removeprefix("/users/kim/app/"), written.added) == ("greet.txt", ("hello",))
    if name != "cursor":
        assert edit.ok is True
        assert command.ok is True


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"cursor", "entire"}])
def test_each_format_names_its_session_and_its_models(samples, name):
    session = parse(samples[name])
    assert session.id
    assert len(session.models) == 1
    assert session.turns[0].model == session.models[0]
    assert session.turns[0].at_ms is not None
    assert session.started_at_ms <= session.ended_at_ms
    assert all(not path.startswith("/users/kim/app/") for path in session.turns[0].calls[0].paths) == (
        session.cwd is not None
    )


def test_usage_is_what_each_format_means_by_it(samples):
    """Input without the cache, output with reasoning, running totals as differences."""
    assert {name: totals(parse(samples[name])) for name in NAMES} == {
        "claude-code": (6, 14, 200),
        "codex": (16, 5, 14),
        "gemini-cli": (60, 14, 40),
        "gemini-cli document": (60, 14, 40),
        "cursor": (0, 0, 0),
        "copilot": (15, 12, 40),
        "opencode": (20, 10, 10),
        "entire": (6, 14, 0),
    }
    assert sum(each.cost_usd for turn in parse(samples["opencode"]).turns for each in turn.usage) == 0.5


@pytest.mark.parametrize("name", LINED)
def test_a_prefix_gives_a_prefix_of_the_turns(samples, name):
    """A transcript that is being written is read as far as it goes; what was read stays."""
    lines = samples[name].splitlines(keepends=True)
    whole = parse(samples[name])
    form = find_format(None, samples[name])
    for count in range(len(lines) + 1):
        part = form.parse(b"".join(lines[:count]))
        assert_covered(part)
        assert part.line_count == count
        for turn, later in zip(part.turns, whole.turns, strict=False):
            assert (turn.number, turn.prompt, turn.first_line) == (
                later.number,
                later.prompt,
                later.first_line,
            )
        assert len(part.turns) <= len(whole.turns)


@pytest.mark.parametrize("name", [name for name in LINED if name != "cursor"])
@given(data=st.data())
@QUICK
def test_repeated_lines_count_nothing_twice(samples, name, data):
    """Agents write lines again when they resume; calls and usage stay what they are."""
    lines = samples[name].splitlines(keepends=True)
    again = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=6))
    form = find_format(None, samples[name])
    whole = form.parse(samples[name])
    more = form.parse(b"".join(lines) + b"".join(lines[index] for index in again))
    assert totals(more) == totals(whole)
    assert sorted(call.id for turn in more.turns for call in turn.calls) == sorted(
        call.id for turn in whole.turns for call in turn.calls
    )


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.agent)
@given(content=st.binary(max_size=400))
@QUICK
def test_any_bytes_give_a_session(form, content):
    form.recognises(content)
    session = form.parse(content)
    assert_covered(session)
    assert session.line_count == content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def _spoil(value, draw):
    """The value with something in it replaced by anything."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _spoil(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _spoil(value[index], draw), *value[index + 1 :]]
    return draw(_JSON)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@QUICK
def test_spoiled_fields_are_passed_over(samples, name, data):
    """Whatever stands where the format has something else, the rest is read and all of it can be stored."""
    form = find_format(None, samples[name])
    if name in LINED:
        values = [json.loads(line) for line in samples[name].splitlines()]
        for _ in range(3):
            index = data.draw(st.integers(0, len(values) - 1))
            values[index] = _spoil(values[index], data.draw)
        content = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    else:
        content = json.dumps(_spoil(json.loads(samples[name]), data.draw), indent=1).encode()
    session = form.parse(content)
    assert_covered(session)
    repr(session).encode()
    for turn in session.turns:
        turn.prompt.encode()
        assert all(each.input_tokens >= 0 and each.output_tokens >= 0 for each in turn.usage)
        for edit in (edit for call in turn.calls for edit in call.edits):
            "\n".join((edit.path, *edit.added, *edit.removed)).encode()


@pytest.mark.parametrize("name", LINED)
def test_bad_lines_are_problems_with_their_place(samples, name):
    bad = b'{"half": \n\xff\xfe\x00\n[1]\n' + b"[" * 100_000 + b"\n"
    session = find_format(None, samples[name]).parse(samples[name] + bad)
    count = samples[name].count(b"\n")
    assert [problem.place for problem in session.problems] == [f"line {count + index}" for index in range(4)]
    good = parse(samples[name])
    assert [turn.prompt for turn in session.turns] == [turn.prompt for turn in good.turns]


def test_problems_are_counted_when_there_are_too_many():
    session = find_format("claude-code", b"").parse(b"x\n" * (PROBLEM_LIMIT + 7))
    assert len(session.problems) == PROBLEM_LIMIT + 1
    assert session.problems[-1].text == "7 more problems"


def test_a_line_that_is_too_long_is_not_decoded(samples):
    long = b'{"type":"user","message":{"content":"' + b"a" * LINE_LIMIT + b'"}}\n'
    session = find_format("claude-code", b"").parse(samples["claude-code"] + long)
    assert len(session.turns) == 2
    (problem,) = session.problems
    assert str(LINE_LIMIT) in problem.text


def test_a_document_cut_short_is_a_problem(samples):
    for name in ("opencode", "gemini-cli document"):
        form = find_format(None, samples[name])
        session = form.parse(samples[name][:-20])
        assert session.turns == ()
        assert len(session.problems) == 1


def test_content_decides_over_the_name_that_somebody_gave(samples):
    assert find_format("gemini-cli", samples["claude-code"]).agent == "claude-code"
    assert find_format("codex", b"nothing known").agent == "codex"
    assert find_format("unheard-of", b"nothing known") is None
    assert find_format(None, b"") is None


def test_a_compact_transcript_has_the_agent_that_it_names(samples):
    session = parse(samples["entire"])
    assert session.agent == "claude-code"
    other = samples["entire"].replace(b'"claude-code"', b'"Gemini CLI"')
    assert parse(other) == replace(session, agent="gemini-cli")
