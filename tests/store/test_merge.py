"""Merges and branches without a clone: what lands is what stock git would have merged."""

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.errors import (
    BadInput,
    BadRefName,
    Conflict,
    Denied,
    MergeConflict,
    ObjectMissing,
    PushRefused,
    RefMissing,
    StaleUpdate,
)
from imprint.store.events import MERGED_BY_US, EventKind
from imprint.store.evidence.claims import Evidence
from imprint.store.hosting.access import SessionSeed
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger
from imprint.store.receive.branch import create_branch, delete_branch
from imprint.store.receive.merge import STEPS, MergeRequest, Standing, Strategy, merge, preview
from imprint.store.types import Anything, ObjectId, RefName

MAIN = RefName(b"refs/heads/main")
TOPIC = RefName(b"refs/heads/topic")
TEXT = "".join(f"line {number}\n" for number in range(40))


def wish(**fields):
    return MergeRequest(**{"target": MAIN, "source": TOPIC, **fields})


def do(bench, **fields):
    return merge(wish(**fields), bench.repository, bench.principal, bench.receiver)


def quarantines(bench):
    return list((bench.repository.git_dir / "imprint").glob("quarantine/*"))


class Forked:
    """A bench whose branches main and topic went on from one commit."""

    def __init__(self, bench, git, main=("main.txt", "main\n"), topic=("topic.txt", "topic\n")) -> None:
        self.git = git
        self.base = git.commit_file("shared.txt", TEXT)
        git("checkout", "-q", "-b", "topic")
        self.topic = git.commit_file(*topic)
        git("checkout", "-q", "main")
        self.main = git.commit_file(*main) if main else self.base
        bench.push(
            {MAIN.text: (None, self.main), TOPIC.text: (None, self.topic)},
            bench.pack(git.folder, "main", "topic"),
        )


@pytest.fixture
def forked(bench, work_tree):
    return Forked(bench, work_tree)


def test_a_clean_merge_has_the_tree_that_git_makes_and_both_parents(bench, forked) -> None:
    receipt = do(bench)
    forked.git("merge", "-q", "--no-edit", "topic")
    assert receipt.tree == forked.git("rev-parse", "HEAD^{tree}")
    commit = bench.repository.view.objects.read_commit(receipt.new)
    assert commit.parents == (forked.main, forked.topic)
    assert commit.message == "Merge branch 'topic' into main\n"
    assert (commit.committer.name, commit.author.name) == ("ada", "ada")
    assert bench.refs == {MAIN.text: receipt.new, TOPIC.text: forked.topic}
    event = receipt.event
    assert (event.kind, event.changes[0].old, event.changes[0].new) == (
        EventKind.MERGE,
        forked.main,
        receipt.new,
    )
    assert event.details["source"] == forked.topic
    assert event.details[MERGED_BY_US] == receipt.new
    assert receipt.joined.base == forked.base
    assert quarantines(bench) == []
    bench.fsck()


def test_changes_of_both_sides_in_one_file_are_merged_line_by_line(bench, work_tree) -> None:
    forked = Forked(bench, work_tree, ("shared.txt", "top\n" + TEXT), ("shared.txt", TEXT + "end\n"))
    receipt = do(bench)
    forked.git("merge", "-q", "--no-edit", "topic")
    assert receipt.tree == forked.git("rev-parse", "HEAD^{tree}")
    bench.fsck()


def test_a_conflict_names_its_files_and_leaves_nothing(bench, work_tree) -> None:
    Forked(bench, work_tree, ("shared.txt", "one\n" + TEXT), ("shared.txt", "two\n" + TEXT))
    before, events = bench.files, bench.events
    with pytest.raises(MergeConflict, match=r"shared\.txt") as caught:
        do(bench)
    assert caught.value.paths == (b"shared.txt",)
    assert (bench.files, bench.events) == (before, events)
    seen = preview(MAIN, TOPIC, bench.repository, bench.hosting)
    assert (seen.standing, seen.conflicts, seen.tree) == (Standing.CONFLICTED, (b"shared.txt",), None)


def test_a_preview_tells_the_tree_and_changes_nothing(bench, forked) -> None:
    before, events = bench.files, bench.events
    seen = preview(MAIN, TOPIC, bench.repository, bench.hosting)
    assert (seen.standing, seen.base) == (Standing.CLEAN, forked.base)
    assert (bench.files, bench.events) == (before, events)
    assert do(bench).tree == seen.tree


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_source_that_is_ahead_is_a_fast_forward_where_that_is_wished(bench, work_tree, strategy) -> None:
    forked = Forked(bench, work_tree, main=None)
    assert preview(MAIN, TOPIC, bench.repository, bench.hosting).standing is Standing.AHEAD
    receipt = do(bench, strategy=strategy)
    assert (receipt.new == forked.topic) is (strategy is not Strategy.MERGE)
    assert receipt.tree == forked.git("rev-parse", "topic^{tree}")
    assert (MERGED_BY_US in receipt.event.details) is (strategy is Strategy.MERGE)
    assert bench.refs[MAIN.text] == receipt.new
    bench.fsck()


def test_what_must_be_a_fast_forward_and_is_none_is_refused(bench, forked) -> None:
    with pytest.raises(Conflict, match="no fast-forward"):
        do(bench, strategy=Strategy.FF_ONLY)
    assert bench.refs[MAIN.text] == forked.main


def test_merging_what_is_there_already_does_nothing(bench, forked) -> None:
    first = do(bench)
    events = bench.events
    again = do(bench)
    assert (again.new, again.event, again.joined.standing) == (first.new, None, Standing.CONTAINED)
    assert bench.events == events


def test_a_squash_has_one_parent_and_the_merged_tree(bench, forked) -> None:
    tree = preview(MAIN, TOPIC, bench.repository, bench.hosting).tree
    receipt = do(bench, squash=True, message="All of it", author_name="Eve", author_email="eve@example.com")
    commit = bench.repository.view.objects.read_commit(receipt.new)
    assert (commit.parents, commit.tree, commit.message) == ((forked.main,), tree, "All of it\n")
    assert (commit.author.name, commit.committer.name) == ("Eve", "ada")
    with pytest.raises(BadInput):
        do(bench, squash=True, strategy=Strategy.FF_ONLY)


def test_a_stale_expectation_is_refused(bench, forked) -> None:
    with pytest.raises(StaleUpdate) as caught:
        do(bench, expected_head=ObjectId(forked.base))
    assert (caught.value.expected, caught.value.actual) == (forked.base, forked.main)
    assert do(bench, expected_head=ObjectId(forked.main)).event


def test_a_target_that_moves_meanwhile_is_merged_anew(bench, forked) -> None:
    third = forked.git.commit_file("third.txt", "3")
    moved = []

    def overtake(step: str) -> None:
        if step == "packed" and not moved:
            moved.append(True)
            pack = bench.pack(forked.git.folder, third, exclude=(forked.main,))
            bench.push({MAIN.text: (forked.main, third)}, pack)

    receipt = merge(wish(), bench.repository, bench.principal, bench.receiver, overtake)
    assert moved
    assert bench.repository.view.objects.read_commit(receipt.new).parents == (third, forked.topic)
    assert quarantines(bench) == []
    bench.fsck()


def test_the_steps_are_told_in_order(bench, forked) -> None:
    seen: list[str] = []
    merge(wish(), bench.repository, bench.principal, bench.receiver, seen.append)
    assert tuple(seen) == STEPS


def test_a_source_can_be_a_commit_and_the_target_must_be_a_branch(bench, forked) -> None:
    receipt = do(bench, source=ObjectId(forked.topic))
    assert bench.repository.view.objects.read_commit(receipt.new).message.startswith("Merge commit '")
    with pytest.raises(RefMissing):
        do(bench, source=RefName(b"refs/heads/none"))
    with pytest.raises(RefMissing):
        do(bench, target=RefName(b"refs/heads/none"))
    with pytest.raises(BadRefName):
        do(bench, target=RefName(b"refs/tags/v1"))
    with pytest.raises(ObjectMissing):
        do(bench, source=ObjectId("1" * 40))


def test_unrelated_histories_are_merged_only_when_asked(bench, work_tree) -> None:
    forked = Forked(bench, work_tree)
    work_tree("checkout", "-q", "--orphan", "other")
    other = work_tree.commit_file("other.txt", "other")
    bench.push({"refs/heads/other": (None, other)}, bench.pack(work_tree.folder, other))
    with pytest.raises(Conflict, match="no common commit"):
        do(bench, source=RefName(b"refs/heads/other"))
    receipt = do(bench, source=RefName(b"refs/heads/other"), allow_unrelated=True)
    assert receipt.joined.base is None
    assert bench.repository.view.objects.read_commit(receipt.new).parents == (forked.main, other)
    bench.fsck()


@pytest.mark.parametrize("squash", [False, True])
def test_the_merge_is_its_actors_and_what_was_merged_is_not(bench, forked, tmp_path, squash) -> None:
    receipt = do(bench, squash=squash, session=SessionSeed("s-1", agent="codex", prompt="Merge it."))
    assert receipt.event.claim.session == "s-1"
    ledger = Ledger.open(tmp_path / "derived.db")
    events = bench.hosting.catalogue.list_events(bench.repository.record.id)
    ProvenanceFollower(ledger, bench.hosting).follow(bench.repository, events)
    claims = ledger.claims(bench.repository.record.id, receipt.new)
    bound = [(claim.evidence, claim.actor, claim.agent, claim.method) for claim in claims]
    assert bound == ([] if squash else [(Evidence.BOUND, "ada", "codex", "merge api")])
    assert ledger.claims(bench.repository.record.id, ObjectId(forked.topic)) == []
    ledger.close()


def test_a_token_that_may_only_read_merges_and_branches_nothing(bench, forked) -> None:
    _, secret = bench.hosting.issue_token(
        actor="eve", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=frozenset({Verb.READ})
    )
    bench.principal = bench.hosting.authenticate(secret)
    with pytest.raises(Denied):
        do(bench)
    with pytest.raises(Denied):
        create_branch(
            RefName(b"refs/heads/x"), ObjectId(forked.main), bench.repository, bench.principal, bench.receiver
        )
    with pytest.raises(Denied):
        delete_branch(TOPIC, Anything(), bench.repository, bench.principal, bench.receiver)


# -- branches --------------------------------------------------------------------------------------------


def test_a_branch_is_made_once_and_deleted_once(bench, forked) -> None:
    name = RefName(b"refs/heads/release/1")
    event = create_branch(name, ObjectId(forked.base), bench.repository, bench.principal, bench.receiver)
    assert (event.changes[0].old, event.changes[0].new) == (None, forked.base)
    with pytest.raises(StaleUpdate):
        create_branch(name, ObjectId(forked.main), bench.repository, bench.principal, bench.receiver)
    with pytest.raises(StaleUpdate):
        delete_branch(name, ObjectId(forked.main), bench.repository, bench.principal, bench.receiver)
    gone = delete_branch(name, Anything(), bench.repository, bench.principal, bench.receiver)
    assert (gone.changes[0].old, gone.changes[0].new) == (forked.base, None)
    with pytest.raises(RefMissing):
        delete_branch(name, Anything(), bench.repository, bench.principal, bench.receiver)


def test_a_branch_that_cannot_be_is_refused_with_the_reason(bench, forked) -> None:
    def create(name, commit=forked.main):
        create_branch(RefName(name), ObjectId(commit), bench.repository, bench.principal, bench.receiver)

    with pytest.raises(Conflict, match="collides"):
        create(b"refs/heads/main/sub")
    with pytest.raises(BadRefName):
        create(b"refs/tags/v1")
    with pytest.raises(PushRefused, match="taken for HEAD"):
        create(b"refs/heads/HEAD")
    with pytest.raises(PushRefused, match="missing necessary objects"):
        create(b"refs/heads/ghost", "1" * 40)
    with pytest.raises(PushRefused, match="current branch"):
        delete_branch(MAIN, Anything(), bench.repository, bench.principal, bench.receiver)


def test_a_branch_that_moves_while_it_is_deleted_is_deleted_where_it_is_then(bench, forked) -> None:
    moved = []

    def overtake(step: str) -> None:
        if step == "judged" and not moved:
            moved.append(True)
            bench.push({TOPIC.text: (forked.topic, forked.base)}, None)

    bench.receiver._step = overtake
    event = delete_branch(TOPIC, Anything(), bench.repository, bench.principal, bench.receiver)
    assert event.changes[0].old == forked.base
    assert TOPIC.text not in bench.refs
