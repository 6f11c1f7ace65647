"""Events and clones become claims: through the real receive path, with packs of stock git."""

import json

import pytest

from imprint.store.actors import ActorKind
from imprint.store.events import EventKind, SessionClaim
from imprint.store.evidence.claims import Evidence, LineRange
from imprint.store.hosting.access import SessionSeed
from imprint.store.provenance.expand import ProvenanceFollower, expand_clone
from imprint.store.provenance.ledger import Ledger
from imprint.store.types import ObjectId

ROBOT = {"committer_name": "robot", "committer_email": "robot@example.com"}


def evidence_of(room, commit):
    return [claim.evidence.value for claim in room.ledger.claims(room.id, ObjectId(commit))]


def test_a_commit_of_the_session_s_own_actor_is_bound_to_it(room):
    robot = room.principal("robot", session=SessionSeed("s1", "codex", "gpt-5", "please fix"))
    commit = room.git.commit_file("a.py", "x = 1\n", **ROBOT)
    event = room.push(robot, "main")
    (claim,) = room.ledger.claims(room.id, ObjectId(commit))
    assert (claim.evidence, claim.actor, claim.agent, claim.model, claim.session, claim.method) == (
        Evidence.BOUND, "robot", "codex", "gpt-5", "s1", "session push",
    )  # fmt: skip
    assert claim.prompt is not None
    delivery = room.ledger.delivery(room.id, ObjectId(commit))
    assert (delivery.actor, delivery.event_id, delivery.token_id) == ("robot", event.id, robot.token.id)


def test_what_an_agent_pushes_but_did_not_commit_is_delivered_by_it_and_not_bound(room):
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    human = room.git.commit_file("a.py", "x = 1\n")
    own = room.git.commit_file("b.py", "y = 1\n", **ROBOT)
    room.push(robot, "main")
    assert evidence_of(room, human) == []
    assert evidence_of(room, own) == ["bound"]
    assert room.ledger.delivery(room.id, ObjectId(human)).actor == "robot"


def test_a_commit_that_does_not_descend_from_the_session_s_base_is_not_bound(room):
    room.git.commit_file("a.py", "x = 1\n")
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    room.git("checkout", "-q", "--orphan", "aside")
    aside = room.git.commit_file("b.py", "y = 1\n", **ROBOT)
    room.git("checkout", "-q", "main")
    ahead = room.git.commit_file("c.py", "z = 1\n", **ROBOT)
    room.push(robot, "aside", "main")
    assert (evidence_of(room, aside), evidence_of(room, ahead)) == ([], ["bound"])


def test_a_commit_that_was_there_before_is_not_bound_again(room):
    first = room.git.commit_file("a.py", "x = 1\n", **ROBOT)
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    room.git("branch", "again")
    second = room.git.commit_file("a.py", "x = 2\n", **ROBOT)
    room.push(robot, "again", "main")
    assert (evidence_of(room, first), evidence_of(room, second)) == ([], ["bound"])
    assert room.ledger.delivery(room.id, ObjectId(first)).actor == "ada"


def test_without_a_session_nothing_is_bound(room):
    commit = room.git.commit_file("a.py", "x = 1\n", **ROBOT)
    room.push(room.principal("robot"), "main")
    assert evidence_of(room, commit) == []
    assert room.ledger.delivery(room.id, ObjectId(commit)).actor == "robot"


def test_a_merge_that_an_agent_made_is_bound_and_what_it_merged_is_not(room):
    room.git.commit_file("a.py", "x = 1\n")
    ada = room.principal("ada", ActorKind.HUMAN)
    room.push(ada, "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    room.git("checkout", "-q", "-b", "feature")
    merged = room.git.commit_file("b.py", "y = 1\n")
    room.git("checkout", "-q", "main")
    client = type(room.git)(room.git.folder, {f"GIT_{key.upper()}": value for key, value in ROBOT.items()})
    client("merge", "-q", "--no-ff", "-m", "merge", "feature")
    merge = room.git("rev-parse", "HEAD")
    room.push(robot, "main")
    assert (evidence_of(room, merged), evidence_of(room, merge)) == ([], ["bound"])


def test_addresses_of_the_actor_decide_when_it_has_any(room):
    robot = room.principal("robot", session=SessionSeed("s1", "codex"), emails=("bot@corp.example",))
    by_name = room.git.commit_file("a.py", "x = 1\n", **ROBOT)
    by_mail = room.git.commit_file("a.py", "x = 2\n", committer_email="Bot@Corp.example")
    room.push(robot, "main")
    assert (evidence_of(room, by_name), evidence_of(room, by_mail)) == ([], ["bound"])


def test_a_commit_through_the_api_is_bound_whoever_it_names(room):
    commit = room.git.commit_file("a.py", "x = 1\n")
    claim = SessionClaim("s9", "claude-code", "claude-opus-4.6", "address")
    room.push(room.principal("robot"), "main", kind=EventKind.COMMIT, claim=claim)
    (found,) = room.ledger.claims(room.id, ObjectId(commit))
    assert (found.evidence, found.method, found.actor, found.agent, found.session, found.prompt) == (
        Evidence.BOUND, "commit api", "robot", "claude-code", "s9", "address",
    )  # fmt: skip


def test_a_person_s_commit_through_the_api_is_bound_to_them_without_an_agent(room):
    commit = room.git.commit_file("a.py", "x = 1\n")
    room.push(room.principal("grace", ActorKind.HUMAN), "main", kind=EventKind.COMMIT)
    (found,) = room.ledger.claims(room.id, ObjectId(commit))
    assert (found.evidence, found.actor, found.agent) == (Evidence.BOUND, "grace", None)


def test_an_agent_that_names_no_tool_is_its_own(room):
    commit = room.git.commit_file("a.py", "x = 1\n")
    room.push(room.principal("robot"), "main", kind=EventKind.COMMIT)
    assert room.ledger.claims(room.id, ObjectId(commit))[0].agent == "robot"


def test_an_import_binds_nothing_and_declares_what_commits_say(room):
    commit = room.git.commit_file(
        "a.py", "x = 1\n", "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>", **ROBOT
    )
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    room.push(robot, "main", kind=EventKind.IMPORT)
    assert evidence_of(room, commit) == ["declared"]


def test_a_bound_commit_that_also_declares_keeps_both_best_first(room):
    robot = room.principal("robot", session=SessionSeed("s1", "claude-code"))
    message = "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>"
    commit = room.git.commit_file("a.py", "x = 1\n", message, **ROBOT)
    room.push(robot, "main")
    assert evidence_of(room, commit) == ["bound", "declared"]


def test_events_without_commits_move_the_position(room):
    commit = room.git.commit_file("a.py", "x = 1\n")
    ada = room.principal("ada", ActorKind.HUMAN)
    room.push(ada, "main")
    room.git("branch", "-q", "more")
    room.push(ada, "more")
    room.git("checkout", "-q", "--detach")
    room.git("branch", "-qD", "more")
    event = room.push(ada, "more")
    assert room.follower.position(room.id) == event.sequence
    assert room.ledger.delivery(room.id, ObjectId(commit)).sequence < event.sequence


def test_an_annotated_tag_and_a_tag_of_a_blob_are_followed_to_their_commits(room):
    commit = room.git.commit_file("a.py", "x = 1\n")
    room.git("tag", "-a", "v1", "-m", "one")
    room.git("tag", "blob", "HEAD:a.py")
    room.push(room.principal("ada", ActorKind.HUMAN), "refs/tags/v1", "refs/tags/blob")
    assert room.ledger.delivery(room.id, ObjectId(commit)).actor == "ada"


def test_pushes_of_many_commits_are_expanded_as_pushes_of_few_are(room):
    robot = room.principal("robot", session=SessionSeed("s1", "codex"))
    first = import_commits(room.git, 120)
    room.push(robot, "main")
    second = import_commits(room.git, 80, first[-1])
    room.push(robot, "main")
    found = room.ledger.claims_of(room.id, [ObjectId(commit) for commit in first + second])
    assert {commit: claims[0].evidence.value for commit, claims in found.items()} == dict.fromkeys(
        [*first, *second], "bound"
    )
    delivered = room.ledger.deliveries(room.id, [ObjectId(first[0]), ObjectId(second[0])])
    assert delivered[ObjectId(first[0])].sequence < delivered[ObjectId(second[0])].sequence
    assert room.ledger.commits_by_class(room.id)[Evidence.BOUND] == 200


def import_commits(git, count: int, parent: str = "") -> list[str]:
    """A line of commits by the robot on `main`, oldest first."""
    stream = f"reset refs/heads/main\n{f'from {parent}' if parent else ''}\n"
    for at in range(count):
        stream += f"commit refs/heads/main\ncommitter robot <robot@example.com> {at} +0000\n"
        stream += f"data 1\n{at % 10}\nM 644 inline a.py\ndata 2\n{at % 10}\n\n"
    git("fast-import", "--quiet", "--force", stdin=stream.encode())
    return git("rev-list", "--reverse", *([f"^{parent}"] if parent else []), "main").split()


def test_replaying_every_event_into_a_new_ledger_gives_the_same(room, tmp_path):
    robot = room.principal("robot", session=SessionSeed("s1", "codex", None, "do"))
    ada = room.principal("ada", ActorKind.HUMAN)
    commits = [room.git.commit_file("a.py", "1\n")]
    room.push(ada, "main")
    commits += [room.git.commit_file("a.py", f"{at}\n", **ROBOT) for at in range(2, 5)]
    add_note(room, commits[2])
    room.push(robot, "main")
    room.push(ada, "refs/notes/ai")
    room.git("reset", "-q", "--hard", commits[0])
    commits.append(room.git.commit_file("a.py", "rewritten\n", **ROBOT))
    room.push(robot, "main")
    again = Ledger.open(tmp_path / "again.db")
    follower = ProvenanceFollower(again, room.bench.hosting)
    events = room.bench.hosting.catalogue.list_events(room.id)
    follower.follow(room.bench.repository, events)
    follower.follow(room.bench.repository, events)
    ids = [ObjectId(commit) for commit in commits]
    assert again.claims_of(room.id, ids) == room.ledger.claims_of(room.id, ids)
    assert again.deliveries(room.id, ids) == room.ledger.deliveries(room.id, ids)
    assert again.position(room.id) == room.ledger.position(room.id)
    again.close()


# -- notes -----------------------------------------------------------------------------------------------


def add_note(room_or_git, commit, path="a.py", ranges="1", tool="claude"):
    git = getattr(room_or_git, "git", room_or_git)
    session = {"agent_id": {"tool": tool, "id": "conv", "model": "m1"}}
    text = f"{path}\n  s_00000000000001::t_00000000000001 {ranges}\n---\n"
    text += json.dumps({"sessions": {"s_00000000000001": session}})
    git("notes", "--ref=ai", "add", "-f", "-F", "-", commit, stdin=text.encode())


def noted(room, commit):
    return [
        (claim.agent, claim.lines)
        for claim in room.ledger.claims(room.id, ObjectId(commit))
        if claim.method == "git-ai note"
    ]


@pytest.fixture
def ada(room):
    return room.principal("ada", ActorKind.HUMAN)


def test_a_pushed_note_claims_the_lines_that_the_commit_added(room, ada):
    room.git.commit_file("a.py", "1\n2\n3\n")
    commit = room.git.commit_file("a.py", "1\nnew\n2\n3\nnewer\n")
    room.push(ada, "main")
    add_note(room, commit, ranges="1-5")
    room.push(ada, "refs/notes/ai")
    assert noted(room, commit) == [("claude-code", (LineRange(b"a.py", 2, 2), LineRange(b"a.py", 5, 5)))]


def test_a_changed_note_replaces_and_a_removed_one_takes_its_claims_away(room, ada):
    commit = room.git.commit_file("a.py", "1\n2\n")
    add_note(room, commit)
    room.push(ada, "main", "refs/notes/ai")
    add_note(room, commit, tool="cursor", ranges="2")
    room.push(ada, "refs/notes/ai")
    assert noted(room, commit) == [("cursor", (LineRange(b"a.py", 2, 2),))]
    room.git("notes", "--ref=ai", "remove", commit)
    room.push(ada, "refs/notes/ai")
    assert noted(room, commit) == []


def test_deleting_the_ref_of_the_notes_takes_their_claims_away(room, ada):
    commit = room.git.commit_file("a.py", "1\n")
    add_note(room, commit)
    room.push(ada, "main", "refs/notes/ai")
    assert len(noted(room, commit)) == 1
    room.git("update-ref", "-d", "refs/notes/ai")
    room.push(ada, "refs/notes/ai")
    assert noted(room, commit) == []


def test_a_note_that_comes_before_its_commit_waits_for_it(room, ada):
    commit = room.git.commit_file("a.py", "1\n")
    add_note(room, commit)
    room.push(ada, "refs/notes/ai")
    assert noted(room, commit) == []
    room.push(ada, "main")
    assert noted(room, commit) == [("claude-code", (LineRange(b"a.py", 1, 1),))]


def test_a_note_that_is_nonsense_is_reported_and_the_others_count(room, ada):
    first = room.git.commit_file("a.py", "1\n")
    second = room.git.commit_file("b.py", "1\n")
    room.git("notes", "--ref=ai", "add", "-F", "-", first, stdin=b"\xff\x00 what?")
    add_note(room, second, "b.py")
    room.push(ada, "main", "refs/notes/ai")
    assert len(noted(room, second)) == 1
    assert [(commit, line) for commit, line, _ in room.ledger.problems(room.id)] == [(first, 2)]


def test_notes_are_found_however_their_tree_fans_out(room, ada):
    commits = [room.git.commit_file("a.py", f"{at}\n") for at in range(3)]
    for commit in commits:
        add_note(room, commit)
    blobs = room.git("ls-tree", "-r", "refs/notes/ai").splitlines()
    fanned = [line.split()[2] + " " + line.split("\t")[1].replace("/", "") for line in blobs]
    lines = "".join(f"100644 blob {pair[:40]}\t{pair[41:43]}/{pair[43:45]}/{pair[45:]}\n" for pair in fanned)
    index = {"GIT_INDEX_FILE": str(room.git.folder / ".git" / "notes-index")}
    other = type(room.git)(room.git.folder, index)
    other("update-index", "--add", "--index-info", stdin=lines.encode())
    tree = other("write-tree")
    room.git("update-ref", "refs/notes/ai", room.git("commit-tree", "-m", "fan", tree))
    room.push(ada, "main", "refs/notes/ai")
    assert [len(noted(room, commit)) for commit in commits] == [1, 1, 1]


def test_a_note_on_a_merge_claims_only_what_no_parent_has(room, ada):
    room.git.commit_file("a.py", "1\n2\n3\n")
    room.git("checkout", "-q", "-b", "side")
    room.git.commit_file("a.py", "side\n2\n3\n")
    room.git("checkout", "-q", "main")
    room.git.commit_file("a.py", "1\n2\nmain\n")
    room.git("merge", "-q", "--no-commit", "side")
    merge = room.git.commit_file("a.py", "side\nresolved\nmain\n")
    add_note(room, merge, ranges="1-3")
    room.push(ada, "main", "refs/notes/ai")
    assert noted(room, merge) == [("claude-code", (LineRange(b"a.py", 2, 2),))]


# -- clones ----------------------------------------------------------------------------------------------


def test_a_clone_declares_and_binds_nothing(work_tree, clone_view, ledger):
    human = work_tree.commit_file("a.py", "1\n")
    agent = work_tree.commit_file("a.py", "2\n", "x\n\nCo-authored-by: Cursor <cursoragent@cursor.com>")
    add_note(work_tree, human)
    view = clone_view(work_tree.folder)
    seen = []
    assert (
        expand_clone(view, ledger, lambda done, total: seen.append((done, total))) == 3
    )  # with the notes' own
    assert seen[-1] == (3, 3)
    assert [claim.agent for claim in ledger.claims(view.id, ObjectId(agent))] == ["cursor"]
    assert [claim.agent for claim in ledger.claims(view.id, ObjectId(human))] == ["claude-code"]
    assert ledger.delivery(view.id, ObjectId(agent)) is None


def test_a_clone_read_again_costs_only_what_is_new(work_tree, clone_view, ledger):
    work_tree.commit_file("a.py", "1\n")
    view = clone_view(work_tree.folder)
    assert expand_clone(view, ledger) == 1
    assert expand_clone(view, ledger) == 0
    commit = work_tree.commit_file("a.py", "2\n")
    add_note(work_tree, commit)
    assert expand_clone(view, ledger) == 2
    work_tree("notes", "--ref=ai", "remove", commit)
    assert expand_clone(view, ledger) == 1
    assert ledger.claims(view.id, ObjectId(commit)) == []


def test_a_commit_that_no_ref_reaches_is_read_when_asked_for(work_tree, clone_view, ledger):
    work_tree.commit_file("a.py", "1\n")
    lost = work_tree.commit_file("a.py", "2\n", "x\n\nMade-with: Cursor")
    work_tree("reset", "-q", "--hard", "HEAD~1")
    view = clone_view(work_tree.folder)
    expand_clone(view, ledger)
    assert ledger.claims(view.id, ObjectId(lost)) == []
    expand_clone(view, ledger, tips=[ObjectId(lost)])
    assert [claim.agent for claim in ledger.claims(view.id, ObjectId(lost))] == ["cursor"]


def test_a_shallow_clone_that_is_deepened_is_read_anew(work_tree, clone_view, ledger, tmp_path, git_client):
    old = work_tree.commit_file("a.py", "1\n", "x\n\nMade-with: Cursor")
    work_tree.commit_file("a.py", "2\n")
    work_tree("clone", "-q", "--depth=1", f"file://{work_tree.folder}", str(tmp_path / "shallow"))
    view = clone_view(tmp_path / "shallow")
    assert expand_clone(view, ledger) == 1
    git_client(tmp_path / "shallow")("fetch", "-q", "--unshallow")
    assert expand_clone(view, ledger) == 2
    assert [claim.agent for claim in ledger.claims(view.id, ObjectId(old))] == ["cursor"]


def test_an_empty_clone_has_nothing_to_read(work_tree, clone_view, ledger):
    assert expand_clone(clone_view(work_tree.folder), ledger) == 0


def test_a_damaged_commit_is_passed_over(work_tree, clone_view, ledger):
    good = work_tree.commit_file("a.py", "1\n", "x\n\nMade-with: Cursor")
    tree = work_tree("rev-parse", "HEAD^{tree}")
    raw = (
        f"tree {tree}\nparent {good}\nauthor broken\ncommitter\n\n".encode() + b"\xff\n\nMade-with: Cursor\n"
    )
    odd = work_tree("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
    work_tree("update-ref", "refs/heads/odd", odd)
    view = clone_view(work_tree.folder)
    assert expand_clone(view, ledger) == 2
    assert [claim.agent for claim in ledger.claims(view.id, ObjectId(odd))] == ["cursor"]


# -- other places of notes ------------------------------------------------------------------------------


def a_note(agent, path="a.py", lines="1"):
    key = "s_0123456789abcd"
    session = {"agent_id": {"tool": agent, "id": "c1", "model": "m"}}
    metadata = {"schema_version": "authorship/3.0.0", "sessions": {key: session}}
    return f"{path}\n  {key} {lines}\n---\n{json.dumps(metadata)}"


def agents_of(room, commit):
    return [claim.agent for claim in room.ledger.claims(room.id, ObjectId(commit))]


def test_notes_that_were_fetched_and_legacy_ones_count_where_there_is_no_other(room):
    ada = room.principal("ada", ActorKind.HUMAN)
    first = room.git.commit_file("a.py", "x = 1\n")
    second = room.git.commit_file("a.py", "y = 1\n")
    third = room.git.commit_file("a.py", "z = 1\n")
    room.push(ada, "main")
    for commit in (first, second):
        room.git("notes", "--ref=ai-remote/origin", "add", "-m", a_note("cursor"), commit)
    room.git("notes", "--ref=ai", "add", "-m", a_note("codex"), first)
    blob = room.git("hash-object", "-w", "--stdin", stdin=a_note("gemini-cli").encode())
    room.git("update-ref", f"refs/ai/authorship/{third}", blob)
    room.push(ada, f"refs/ai/authorship/{third}")
    room.push(ada, "refs/notes/ai-remote/origin")
    assert (agents_of(room, first), agents_of(room, third)) == (["cursor"], ["gemini-cli"])
    room.push(ada, "refs/notes/ai")
    assert [agents_of(room, each) for each in (first, second, third)] == [
        ["codex"],
        ["cursor"],
        ["gemini-cli"],
    ]
    room.git("update-ref", "-d", "refs/notes/ai")
    room.push(ada, "refs/notes/ai")
    assert agents_of(room, first) == ["cursor"]
