"""A clone's own refs are read when asked, and only where they changed."""

from imprint.store.clock import CountingIds, ManualClock
from imprint.store.clone import Clone
from imprint.store.intake.cloned import read_clone
from imprint.store.redaction.ports import KeepAll
from imprint.store.sessions.keeping import Keeper
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.transcripts.memory import MemoryTranscripts
from imprint.store.types import ObjectId

FIRST = "aaaaaaaaaa01"


def test_a_tracked_branch_of_checkpoints_is_read_once(intake, state, tmp_path, git_client):
    intake.commit(intake.branch, intake.on_branch(FIRST, {"s1": intake.talk("hello")}))
    commit = intake.git.commit_file("a.py", "x = 1\n", f"add x\n\nEntire-Checkpoint: {FIRST}\n")
    git_client(tmp_path)("clone", "-q", str(intake.git.folder), "cloned")
    keeper = Keeper(MemoryArchive(lambda _: True), MemoryTranscripts(), KeepAll(), ManualClock())
    asked = []

    def open_keeper(make):
        asked.append(make)
        return keeper

    with Clone.discover(tmp_path / "cloned") as clone:
        assert read_clone(clone.view, state, open_keeper, ManualClock(), CountingIds()) == 2
        assert read_clone(clone.view, state, open_keeper, ManualClock(), CountingIds()) == 0
        (claim,) = state.claims_of("clone", [ObjectId(commit)])[ObjectId(commit)]
        runs = clone.view.plumbing.children.list_uses()
        read_clone(clone.view, state, open_keeper, ManualClock(), CountingIds())
        after = clone.view.plumbing.children.list_uses()
    assert asked == [True, False, False]
    assert (claim.session, claim.agent, claim.method, claim.turn) == (
        "s1",
        "claude-code",
        "entire checkpoint",
        1,
    )
    assert after["cat-file"].runs == runs["cat-file"].runs


def test_a_clone_without_any_gets_no_archive(intake, state):
    intake.git.commit_file("a.py", "x = 1\n")
    with Clone.discover(intake.git.folder) as clone:
        assert read_clone(clone.view, state, lambda make: None, ManualClock(), CountingIds()) == 0
