"""Checkpoints of every layout become records and sessions, through real pushes."""

import json

import pytest

from imprint.store.hosting.followers import Stopped
from imprint.store.intake.follower import RecordsFollower
from imprint.store.intake.state import IntakeState
from imprint.store.sessions.model import AnchorKind

FIRST, SECOND, ULID = "aaaaaaaaaa01", "bbbbbbbbbb02", "01KX37KN6NXDTV10FKNCBPTP2Y"


def test_the_branch_layout_gives_a_record_for_each_session_and_its_transcript(intake):
    talk = intake.talk("please add x")
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": talk, "s2": intake.talk("another")}, start=1))
    intake.push(intake.branch)
    one, two = intake.records(FIRST)
    assert (one.session_id, one.part, one.agent, one.model) == (
        "s1",
        (1, 2),
        "claude-code",
        "claude-opus-4-5",
    )
    assert (two.session_id, one.source.system, one.source.version) == ("s2", "entire", "1.0")
    assert one.source.ref == intake.branch
    assert intake.kept("s1") == talk
    assert intake.archive.find_session(intake.id, "s1").agent == "claude-code"
    assert one.extra["checkpoint"]["future_field"] == [1]
    assert intake.problems() == []


def test_a_ref_of_its_own_for_each_checkpoint(intake):
    ref = f"refs/entire/checkpoints/2Y/{ULID}"
    intake.commit(ref, intake.files(ULID, {"s1": intake.talk("hello")}))
    intake.push(ref)
    (record,) = intake.records(ULID)
    assert (record.session_id, record.source.ref) == ("s1", ref)


def test_the_abandoned_second_layout_joins_its_two_refs(intake):
    whole = intake.on_branch(FIRST, {"s1": b""})
    place = "aa/aaaaaaaa01/0/"
    talk = intake.talk("hello")
    compact = b'{"v":1,"agent":"claude-code","type":"user","content":[{"text":"hello"}]}\n'
    main = {path: content for path, content in whole.items() if path.endswith("metadata.json")}
    intake.commit("refs/entire/checkpoints/v2/main", main | {f"{place}transcript.jsonl": compact})
    intake.push("refs/entire/checkpoints/v2/main")
    assert intake.kept("s1") == compact
    intake.commit("refs/entire/checkpoints/v2/full/current", {f"{place}raw_transcript": talk})
    intake.push("refs/entire/checkpoints/v2/full/current")
    assert intake.kept("s1") == talk


def test_a_split_transcript_is_joined_in_the_order_of_its_numbers(intake):
    pieces = [intake.talk(f"part {number}") for number in range(3)]
    files = intake.on_branch(FIRST, {"s1": pieces[0].removesuffix(b"\n")})
    del files["aa/aaaaaaaa01/0/content_hash.txt"]
    files["aa/aaaaaaaa01/0/full.jsonl.002"] = pieces[2]
    files["aa/aaaaaaaa01/0/full.jsonl.001"] = pieces[1].removesuffix(b"\n")
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    assert intake.kept("s1").splitlines() == b"".join(pieces).splitlines()


def test_a_stale_content_hash_is_recorded_and_rejects_nothing(intake):
    files = intake.on_branch(FIRST, {"s1": intake.talk("hello")})
    files["aa/aaaaaaaa01/0/content_hash.txt"] = b"sha256:" + b"0" * 64
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    (record,) = intake.records(FIRST)
    assert [problem.text.partition(":")[0] for problem in record.problems] == ["hash_mismatch"]
    assert intake.kept("s1")
    assert [place for place, _ in intake.problems()] == [f"{FIRST}/0/content_hash.txt"]


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(intake):
    broken = intake.on_branch(FIRST, {"s1": intake.talk("hello")})
    broken["aa/aaaaaaaa01/0/metadata.json"] = b'{"session_id": '
    nameless = intake.on_branch("cccccccccc03", {"s9": intake.talk("nobody")})
    nameless["cc/cccccccc03/0/metadata.json"] = b'["no", "object"]'
    whole = intake.on_branch(SECOND, {"s2": intake.talk("hello")})
    intake.commit(intake.branch, broken | nameless | whole | {"zz/stray": b"x", "README": b"y"})
    intake.push(intake.branch)
    assert [record.session_id for record in intake.records()] == ["s2"]
    texts = dict(intake.problems())
    assert any("cannot be read" in text for _, text in intake.problems())
    assert {f"{FIRST}/0", "cccccccccc03/0"} <= texts.keys()


def test_a_growing_session_is_kept_once_and_each_checkpoint_has_its_part(intake):
    early, late = intake.talk("one"), intake.talk("one", "two")
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": early}))
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s1": late}, start=2) | {})
    intake.push(intake.branch)
    assert [(record.session_id, record.part) for record in intake.records()] == [
        ("s1", (0, 2)),
        ("s1", (2, 4)),
    ]
    assert intake.kept("s1") == late
    assert len(intake.archive.list_turns(intake.id, "s1")) == 2


def test_a_session_grows_with_a_later_push_too(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    intake.push(intake.branch)
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s1": intake.talk("one", "two")}, start=2))
    intake.push(intake.branch)
    assert intake.kept("s1") == intake.talk("one", "two")
    assert len(intake.archive.list_sessions(intake.id)) == 1


def test_a_transcript_that_continues_no_other_is_a_session_below_the_first(intake):
    files = intake.on_branch(FIRST, {"2026-01-02-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee": intake.talk("one")})
    late = intake.on_branch(
        SECOND,
        {"2026-01-03-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee": intake.talk("unlike")},
        start=99,
        created_at="2026-01-03T00:00:00Z",
    )
    intake.commit(intake.branch, files | late)
    intake.push(intake.branch)
    session = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    apart = f"{session}@{SECOND}"
    assert [(record.session_id, record.part) for record in intake.records()] == [
        (session, (0, 2)),
        (apart, (0, 2)),
    ]
    assert intake.archive.find_session(intake.id, apart).parent_id == session
    assert intake.kept(apart) == intake.talk("unlike")


def test_sub_agents_are_sessions_below_the_one_that_started_them(intake):
    files = intake.on_branch(FIRST, {"s1": intake.talk("delegate")})
    tasks = "aa/aaaaaaaa01/tasks/toolu_1/"
    files[f"{tasks}agent-a77.jsonl"] = intake.talk("do the part")
    files[f"{tasks}task.json"] = b'{"tool_use_id": "toolu_1", "transcript_unavailable_reason": "too late"}'
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    child = intake.archive.find_session(intake.id, "a77")
    assert (child.parent_id, child.root_id) == ("s1", "s1")
    assert [record.extra.get("tool_use") for record in intake.records(FIRST)] == [None, "toolu_1"]
    assert ("aaaaaaaaaa01/tasks/toolu_1", "transcript_unavailable: too late") in intake.problems()


def test_prompts_stand_in_for_a_transcript_that_is_not_there(intake):
    files = intake.on_branch(FIRST, {"s1": b""})
    files["aa/aaaaaaaa01/0/prompt.txt"] = b"first wish\n\n---\n\nsecond wish"
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    turns = intake.archive.list_turns(intake.id, "s1")
    read = intake.bench.hosting.keeper.read_prompt
    assert [read(intake.id, "s1", turn.prompt) for turn in turns] == ["first wish", "second wish"]
    assert intake.records(FIRST)[0].part is None


def test_words_of_people_are_named_and_not_kept_in_the_open(intake):
    files = intake.on_branch(
        FIRST, {"s1": intake.talk("x")}, summary={"intent": "a private matter"}, odd="a\nb"
    )
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    (record,) = intake.records(FIRST)
    assert record.extra["withheld"] == ["odd", "summary"]
    assert "private" not in json.dumps(record.extra)


def test_running_totals_stay_as_they_are_and_are_summed_nowhere(intake):
    usage = {"input_tokens": 7, "output_tokens": 3}
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("x")}, token_usage=usage))
    intake.push(intake.branch)
    (record,) = intake.records(FIRST)
    assert record.extra["session"]["token_usage"] == usage
    assert all(not turn.usage for turn in intake.archive.list_turns(intake.id, "s1"))


def test_linked_commits_are_anchors_those_of_other_repositories_are_not(intake):
    files = intake.on_branch(FIRST, {"s1": intake.talk("x")})
    place = "aa/aaaaaaaa01/metadata.json"
    linked = [{"sha": "1" * 40}, {"sha": "2" * 40, "repo": "other"}, {"sha": "short"}, 7]
    files[place] = json.dumps(json.loads(files[place]) | {"linked_commits": linked}).encode()
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    (record,) = intake.records(FIRST)
    assert [a.value for a in record.anchors if a.kind is AnchorKind.COMMIT] == ["1" * 40]


def test_following_again_from_nothing_adds_nothing(intake, tmp_path):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    intake.push(intake.branch)
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s1": intake.talk("unlike")}))
    intake.push(intake.branch)
    before = intake.archive.last_serial(intake.id), intake.problems()
    anew = IntakeState.open(tmp_path / "anew.db")
    intake.follower, intake.state = RecordsFollower(anew, intake.bench.hosting), anew
    intake.catch_up()
    assert (intake.archive.last_serial(intake.id), intake.problems()) == before
    anew.close()


def test_what_is_kept_stays_when_the_ref_goes(intake):
    ref = f"refs/entire/checkpoints/2Y/{ULID}"
    intake.commit(ref, intake.files(ULID, {"s1": intake.talk("hello")}))
    intake.push(ref)
    intake.git("update-ref", "-d", ref)
    intake.push(ref)
    assert len(intake.records(ULID)) == 1
    assert intake.state.refs(intake.id) == {}


def test_only_checkpoints_that_changed_are_read(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    intake.push(intake.branch)
    before = intake.state.tally(intake.id)["checkpoints"]
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s2": intake.talk("two")}))
    intake.push(intake.branch)
    assert (before, intake.state.tally(intake.id)["checkpoints"]) == (1, 2)


def test_the_number_of_git_processes_does_not_grow_with_the_checkpoints(intake):
    def runs():
        return sum(use.runs for use in intake.bench.hosting.children.list_uses().values())

    def push(count, offset):
        for number in range(count):
            ref = f"refs/entire/checkpoints/2Y/{offset + number:026d}"
            intake.commit(
                ref, intake.files(f"{offset + number:026d}", {f"s{offset + number}": intake.talk("x")})
            )
            refs.append(ref)

    refs: list[str] = []
    push(1, 100)
    intake.push(*refs, follow=False)
    before = runs()
    intake.catch_up()
    one = runs() - before
    refs.clear()
    push(12, 200)
    intake.push(*refs, follow=False)
    before = runs()
    intake.catch_up()
    assert runs() - before <= one + 1


def test_a_follower_that_is_told_to_stop_goes_on_later(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    intake.push(intake.branch, follow=False)
    answers = iter([False, True])
    stopped = RecordsFollower(intake.state, intake.bench.hosting, lambda: next(answers, True))
    events = intake.bench.hosting.catalogue.list_events(intake.id)
    with pytest.raises(Stopped):
        stopped.follow(intake.bench.repository, events)
    intake.catch_up()
    assert len(intake.records(FIRST)) == 1


def test_news_is_announced_once(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    event = intake.push(intake.branch)
    kinds = [
        each.kind.value
        for each in intake.bench.hosting.catalogue.list_events(intake.id, after=event.sequence)
    ]
    intake.catch_up()
    after = intake.bench.hosting.catalogue.list_events(intake.id, after=event.sequence)
    assert (kinds, len(after)) == (["recorded"], 1)


def test_small_files_that_are_large_are_left_out_and_named(intake):
    files = intake.on_branch(FIRST, {"s1": intake.talk("hello")})
    files["aa/aaaaaaaa01/0/prompt.txt"] = b"x" * (17 * 1024**2)
    intake.commit(intake.branch, files)
    intake.push(intake.branch)
    assert len(intake.records(FIRST)) == 1
    assert [place for place, _ in intake.problems()] == [f"{FIRST}/0/prompt.txt"]


def test_a_session_that_was_erased_stays_erased_and_its_records_stay(intake):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}))
    intake.push(intake.branch)
    intake.bench.hosting.keeper.erase(intake.id, "s1")
    intake.commit(intake.branch, intake.on_branch(SECOND, {"s1": intake.talk("one", "two")}, start=2))
    intake.push(intake.branch)
    assert len(intake.records()) == 2
    assert [text.partition(":")[0] for _, text in intake.problems()] == ["not_kept"]


def test_secrets_in_fields_that_are_kept_are_taken_out(intake):
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("one")}, remark=f"token {token}"))
    intake.push(intake.branch)
    (record,) = intake.records(FIRST)
    assert token not in json.dumps(record.extra)
    assert record.extra["session"]["remark"].startswith("token [redacted:")
