"""What records claim: by the checkpoints that commits name, and by lines of Agent Trace records."""

import json

from imprint.store.evidence.claims import Evidence, LineRange
from imprint.store.types import ObjectId

FIRST, SECOND = "aaaaaaaaaa01", "bbbbbbbbbb02"
TRACES = ".agent-trace/traces.jsonl"


def said(intake, commit):
    claims = intake.state.claims_of(intake.id, [ObjectId(commit)]).get(ObjectId(commit), [])
    return [(claim.session, claim.method, claim.lines) for claim in claims]


def trace(revision, ranges, path="a.py", kind="ai", **more):
    parts = [{"start_line": start, "end_line": end} for start, end in ranges]
    conversation = {"contributor": {"type": kind, "model_id": "anthropic/claude-opus-4-5"}, "ranges": parts}
    return {
        "version": "1.0",
        "id": f"{revision[:8]}-{ranges}",
        "timestamp": "2026-01-02T03:04:05Z",
        "vcs": {"type": "git", "revision": revision},
        "tool": {"name": "cursor"},
        "files": [{"path": path, "conversations": [conversation]}],
        **more,
    }


def test_a_trailer_leads_to_the_record_whichever_came_first(intake):
    one = intake.git.commit_file("a.py", "x = 1\n", f"one\n\nEntire-Checkpoint: {FIRST}\n")
    intake.push("refs/heads/main")
    assert said(intake, one) == []
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("x")}))
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s2": intake.talk("y")}))
    intake.push(intake.branch)
    intake.catch_up()
    two = intake.git.commit_file("a.py", "x = 2\n", f"two\n\nEntire-Checkpoint: {SECOND}\nand more words\n")
    intake.push("refs/heads/main")
    assert said(intake, one) == [("s1", "entire checkpoint", ())]
    assert said(intake, two) == [("s2", "entire checkpoint", ())]
    (claim,) = intake.state.claims_of(intake.id, [ObjectId(one)])[ObjectId(one)]
    assert (claim.evidence, claim.agent, claim.model, claim.turn) == (
        Evidence.DECLARED, "claude-code", "claude-opus-4-5", 1,
    )  # fmt: skip
    assert set(intake.state.all_claims(intake.id)) == {one, two}


def test_sessions_that_only_looked_on_made_nothing(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("x")}, kind="agent_review"))
    commit = intake.git.commit_file("a.py", "x = 1\n", f"one\n\nEntire-Checkpoint: {FIRST}\n")
    intake.push(intake.branch, "refs/heads/main")
    assert said(intake, commit) == []


def test_of_several_sessions_those_count_that_touched_the_commit_s_files(intake):
    for session, files in (("s1", ["a.py"]), ("s2", ["other.py"])):
        place = f"refs/entire/checkpoints/01/{FIRST}"
        intake.commit(place, intake.files(FIRST, {session: intake.talk(session)}, files_touched=files))
        intake.push(place)
    commit = intake.git.commit_file("a.py", "x = 1\n", f"one\n\nEntire-Checkpoint: {FIRST}\n")
    intake.push("refs/heads/main")
    assert said(intake, commit) == [("s1", "entire checkpoint", ())]


def test_traces_claim_lines_that_the_named_commit_added(intake):
    commit = intake.git.commit_file("a.py", "1\n2\n3\n")
    content = json.dumps(trace(commit, [(2, 9)])).encode() + b"\nnot a record\n"
    intake.git.commit_file(TRACES, content)
    intake.push("refs/heads/main")
    assert said(intake, commit) == [(None, "agent-trace", (LineRange(b"a.py", 2, 3),))]
    (claim,) = intake.state.claims_of(intake.id, [ObjectId(commit)])[ObjectId(commit)]
    assert (claim.agent, claim.model, claim.evidence) == ("cursor", "claude-opus-4-5", Evidence.DECLARED)
    assert [place for place, _ in intake.problems()] == [f"{TRACES} line 2"]


def test_a_trace_that_names_the_commit_before_is_resolved_by_content(intake):
    base = intake.git.commit_file("b.py", "1\n2\n3\n4\n")
    child = intake.git.commit_file("a.py", "1\n2\n3\n")
    intake.push("refs/heads/main")
    intake.git.commit_file(TRACES, json.dumps(trace(base, [(1, 2)])))
    intake.push("refs/heads/main")
    assert said(intake, base) == []
    assert said(intake, child) == [(None, "agent-trace", (LineRange(b"a.py", 1, 2),))]


def test_a_commit_that_comes_after_the_trace_about_its_parent_is_claimed_too(intake):
    base = intake.git.commit_file("b.py", "1\n")
    intake.git("checkout", "-q", "-b", "traces")
    intake.git.commit_file(TRACES, json.dumps(trace(base, [(1, 1)])))
    intake.push("refs/heads/main", "refs/heads/traces")
    intake.git("checkout", "-q", "main")
    child = intake.git.commit_file("a.py", "1\n")
    intake.push("refs/heads/main")
    assert said(intake, child) == [(None, "agent-trace", (LineRange(b"a.py", 1, 1),))]


def test_pseudo_paths_and_lines_of_people_claim_nothing(intake):
    commit = intake.git.commit_file("a.py", "1\n2\n")
    lines = [trace(commit, [(1, 1)], path=".shell-history"), trace(commit, [(1, 2)], kind="human")]
    intake.git.commit_file(TRACES, "\n".join(json.dumps(each) for each in lines))
    intake.push("refs/heads/main")
    assert said(intake, commit) == []
    assert [text.partition(":")[0] for _, text in intake.problems()] == ["pseudo_path"]


def test_records_on_two_branches_are_the_same_records(intake):
    commit = intake.git.commit_file("a.py", "1\n")
    intake.git.commit_file(TRACES, json.dumps(trace(commit, [(1, 1)])))
    intake.push("refs/heads/main")
    intake.git("checkout", "-q", "-b", "next")
    intake.git.commit_file(TRACES, "\n".join(json.dumps(trace(commit, [(n, n)])) for n in (1, 2)))
    intake.push("refs/heads/next")
    assert len(intake.records()) == 2
