"""Exported and read back, every line has the same best claim: agent, model, session, person, turn, score."""

import json

from hypothesis import given
from hypothesis import strategies as st

from imprint.store.evidence.claims import Claim, Evidence, LineRange, find_best, rank_claims
from imprint.store.export.effective import ExportedCommit, select_effective
from imprint.store.export.gitai import make_note
from imprint.store.export.intoto import make_statement, read_statement
from imprint.store.export.trace import make_trace
from imprint.store.formats.agent_trace import parse_trace, read_lines
from imprint.store.formats.gitai import note_claims, parse_note, render_note
from imprint.store.objects.ports import Commit, Identity
from imprint.store.paths import unquote_path
from imprint.store.types import ObjectId

ADA = Identity("Ada", "ada@example.com", 1_700_000_000, "+0000")
COMMIT = Commit(ObjectId("1" * 40), ObjectId("2" * 40), (), ADA, ADA, "Say hello\n")
PATHS = (b"a.py", b"with space.py", b"\xff.txt")
LINES_MAX = 12
ADDED = dict.fromkeys(PATHS, ((1, LINES_MAX),))
PEOPLE = frozenset({"ada"})

parts = st.builds(
    lambda path, start, more: LineRange(path, start, min(start + more, LINES_MAX)),
    st.sampled_from(PATHS),
    st.integers(1, LINES_MAX),
    st.integers(0, 4),
)
names = st.sampled_from(["s-1", "s-2", "6ef2299e-1c"])
agent_claims = st.builds(
    Claim,
    commit=st.just(COMMIT.id),
    evidence=st.sampled_from([Evidence.BOUND, Evidence.OBSERVED, Evidence.DECLARED, Evidence.INFERRED]),
    actor=st.none() | st.sampled_from(["ada", "scribe"]),
    agent=st.sampled_from(["claude-code", "codex", "gemini-cli"]),
    model=st.none() | st.sampled_from(["m-1", "m-2"]),
    session=st.none() | names,
    method=st.sampled_from(["session push", "transcript edit"]),
    lines=st.lists(parts, max_size=4).map(tuple),
    turn=st.none() | st.integers(1, 40),
    score=st.none() | st.sampled_from([0.25, 0.985, 1.0]),
    via=st.none() | st.just(ObjectId("3" * 40)),
)
claim_lists = st.lists(agent_claims, max_size=6).map(rank_claims)


def said(claim: Claim | None) -> tuple[object, ...] | None:
    if claim is None:
        return None
    return (claim.agent, claim.model, claim.session, claim.actor, claim.turn, claim.score, claim.via)


def by_line(claims: list[Claim]) -> dict[tuple[bytes, int], tuple[object, ...] | None]:
    ranked = rank_claims(claims)
    return {
        (path, line): said(find_best(ranked, path, line))
        for path in PATHS
        for line in range(1, LINES_MAX + 1)
    }


def exported(claims: list[Claim]) -> ExportedCommit:
    return ExportedCommit(COMMIT, select_effective(claims), ADDED)


@given(claim_lists)
def test_what_counts_is_what_the_best_claim_of_each_line_says(claims):
    chosen = select_effective(claims)
    assert by_line(list(chosen)) == by_line(claims)
    named = [
        (part.path, line)
        for claim in chosen
        for part in claim.lines
        for line in range(part.start, part.end + 1)
    ]
    assert len(named) == len(set(named))


@given(claim_lists)
def test_git_ai_notes(claims):
    note, losses = make_note(exported(claims), PEOPLE)
    assert losses == []
    if note is None:
        assert claims == []
        return
    read = parse_note(render_note(note))
    assert read.problems == ()
    again, problems = note_claims(COMMIT.id, read, ADDED)
    assert problems == []
    assert by_line(again) == by_line(claims)
    assert {claim.evidence for claim in again} <= {Evidence.DECLARED}


@given(claim_lists)
def test_in_toto_statements_keep_everything(claims):
    statement = json.loads(json.dumps(make_statement(exported(claims), "acme/app")))
    assert tuple(read_statement(statement)) == select_effective(claims)


@given(claim_lists)
def test_agent_trace_names_agent_and_model_of_every_line(claims):
    record = json.loads(json.dumps(make_trace(exported(claims), "1.0", PEOPLE)))
    found: dict[tuple[str, int], object] = {}
    for file in record["files"]:
        for conversation in file["conversations"]:
            for part in conversation["ranges"]:
                for line in range(part["start_line"], part["end_line"] + 1):
                    assert (file["path"], line) not in found
                    found[file["path"], line] = conversation["contributor"].get("model_id")
    wanted = {line: best for line, best in by_line(claims).items() if best}
    assert len(found) == len(wanted)
    assert sorted(map(str, found.values())) == sorted(str(best[1]) for best in wanted.values())


def test_a_service_is_no_person():
    claim = Claim(COMMIT.id, Evidence.BOUND, actor="bot", lines=(LineRange(b"a.py", 1, 2),))
    note, losses = make_note(exported([claim]), PEOPLE)
    assert note is None
    assert [loss.what for loss in losses] == ["a claim that names neither an agent nor a person's lines"]
    (file,) = make_trace(exported([claim]), "1.0", PEOPLE)["files"]
    assert file["conversations"][0]["contributor"] == {"type": "unknown"}


def test_a_person_is_one():
    claim = Claim(COMMIT.id, Evidence.BOUND, actor="ada", lines=(LineRange(b"a.py", 1, 2),))
    note, _ = make_note(exported([claim]), PEOPLE)
    assert note is not None
    (again,), _ = note_claims(COMMIT.id, parse_note(render_note(note)), ADDED)
    assert (again.actor, again.agent) == ("ada", None)


def test_a_path_that_a_note_cannot_hold_is_a_loss():
    claim = Claim(
        COMMIT.id, Evidence.BOUND, agent="codex", lines=(LineRange(b"a\nb", 1, 1), LineRange(b"c", 1, 1))
    )
    note, losses = make_note(exported([claim]))
    assert note is not None
    assert [entry.path for entry in note.attestations] == [b"c"]
    assert [loss.reason for loss in losses] == ["a path with a line feed"]


def test_notes_of_git_ai_are_not_written_again():
    claim = Claim(
        COMMIT.id, Evidence.DECLARED, agent="codex", method="git-ai note", lines=(LineRange(b"c", 1, 1),)
    )
    assert make_note(exported([claim]))[0] is None


@given(claim_lists)
def test_agent_trace_reads_back_as_the_same_agent_model_and_session(claims):
    record = json.loads(json.dumps(make_trace(exported(claims), "1.0", PEOPLE)))
    trace = parse_trace(record)
    assert (trace.problems, trace.revision) == ((), COMMIT.id)
    lines, problems = read_lines(trace, "record")
    assert problems == []
    found = {
        (unquote_path(part.path), line): (part.agent, part.model, part.session)
        for part in lines
        for line in range(part.start, part.end + 1)
    }
    assert found == {line: best[:3] for line, best in by_line(claims).items() if best}
