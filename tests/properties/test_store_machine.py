"""The whole store as a state machine beside a small model: refs are a dictionary, events a list.

Pushes of every kind, races, crashes at every named step, reopening, exporting and collecting in any order.
A crash is real as far as the disk is concerned: at the step, the data folder is copied as it lies, and the
store goes on from the copy.
"""

import io
import itertools
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.folders import make_data_folder

from imprint.store.clock import CountingIds, ManualClock
from imprint.store.events import Event
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.git import write_pack
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.receive.collect import collect
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import STEPS, Push, Receipt, Receiver, RefCommand
from imprint.store.refs.export import RefExport
from imprint.store.types import ObjectId, RefName, RepositoryName

NAME = RepositoryName("acme", "app")
BRANCHES = st.sampled_from(
    [b"refs/heads/main", b"refs/heads/topic", b"refs/heads/agent/one", b"refs/tags/v1"]
)
WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)


def make_commit(number: int, parent: ObjectId | None) -> tuple[ObjectId, list[tuple[ObjectKind, bytes]]]:
    """A commit with one file of its own, and all objects that are new with it."""
    blob = f"number {number}\n".encode()
    tree = encode_tree([TreeEntry(b"number.txt", 0o100644, object_id(ObjectKind.BLOB, blob))])
    parents = (parent,) if parent else ()
    commit = encode_commit(object_id(ObjectKind.TREE, tree), parents, WHO, WHO, f"number {number}\n")
    objects = [(ObjectKind.BLOB, blob), (ObjectKind.TREE, tree), (ObjectKind.COMMIT, commit)]
    return object_id(ObjectKind.COMMIT, commit), objects


def make_pack(objects: list[tuple[ObjectKind, bytes]]) -> io.BytesIO:
    pack = io.BytesIO()
    write_pack(objects, pack)
    pack.seek(0)
    return pack


class StoreMachine(RuleBasedStateMachine):
    """The store under test, and the model that it must equal."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="imprint-machine-"))
        self.ids = CountingIds()
        self.clock = ManualClock()
        self.images = itertools.count()
        self.numbers = itertools.count()
        self.refs: dict[bytes, ObjectId] = {}
        self.events = 0
        self.open(make_data_folder(self.folder / "data", self.folder / "master.key"))

    # -- the store ------------------------------------------------------------------------------------

    def open(self, folder: DataFolder) -> None:
        self.root = folder.root
        self.hosting = Hosting.open(folder, self.clock, self.ids)

    def open_again(self, root: Path) -> None:
        self.open(DataFolder.create_or_open(root, self.folder / "master.key"))

    def close(self) -> None:
        self.hosting.close()

    @property
    def repository(self) -> Repository:
        return self.hosting.get(NAME)

    def push(self, *commands: RefCommand, pack: io.BytesIO | None, atomic: bool = False) -> Receipt:
        push = Push(None, commands, pack, atomic=atomic)
        return Receiver(self.hosting, ScopeJudge()).receive(push, self.repository)

    def new_commit(self, parent: ObjectId | None) -> tuple[ObjectId, io.BytesIO]:
        commit, objects = make_commit(next(self.numbers), parent)
        return commit, make_pack(objects)

    def landed(self, receipt: Receipt, changes: dict[bytes, ObjectId | None]) -> None:
        assert [result.error for result in receipt.results] == [None] * len(changes)
        self.take(changes)

    def take(self, changes: dict[bytes, ObjectId | None]) -> None:
        self.events += 1
        for name, target in changes.items():
            if target is None:
                del self.refs[name]
            else:
                self.refs[name] = target

    # -- rules ----------------------------------------------------------------------------------------

    @initialize()
    def create(self) -> None:
        self.hosting.create(NAME, None)
        self.events = 1

    @rule(name=BRANCHES, rooted=st.booleans())
    def push_a_commit(self, name: bytes, rooted: bool) -> None:
        """On top of what is there, or, as a force-push, beside it."""
        old = self.refs.get(name)
        commit, pack = self.new_commit(None if rooted else old)
        self.landed(self.push(RefCommand(name, old, commit), pack=pack), {name: commit})

    @precondition(lambda self: self.refs)
    @rule(data=st.data())
    def push_what_is_there_under_a_new_name(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(sorted(self.refs.values())))
        name = b"refs/heads/again"
        old = self.refs.get(name)
        self.landed(self.push(RefCommand(name, old, known), pack=None), {name: known})

    @rule(name=BRANCHES)
    def push_in_a_stale_belief(self, name: bytes) -> None:
        commit, pack = self.new_commit(None)
        receipt = self.push(RefCommand(name, commit, commit), pack=pack)
        assert receipt.event is None
        assert receipt.results[0].error

    @rule(name=BRANCHES)
    def push_a_commit_without_its_parent(self, name: bytes) -> None:
        ghost, _ = make_commit(next(self.numbers), None)
        commit, objects = make_commit(next(self.numbers), ghost)
        receipt = self.push(RefCommand(name, self.refs.get(name), commit), pack=make_pack(objects))
        assert receipt.event is None
        assert receipt.results[0].error

    @rule(atomic=st.booleans())
    def push_two_of_which_one_is_stale(self, atomic: bool) -> None:
        commit, pack = self.new_commit(None)
        good, bad = b"refs/heads/topic", b"refs/heads/main"
        commands = (RefCommand(good, self.refs.get(good), commit), RefCommand(bad, commit, commit))
        receipt = self.push(*commands, pack=pack, atomic=atomic)
        assert [result.error is None for result in receipt.results] == [not atomic, False]
        if not atomic:
            self.take({good: commit})

    @property
    def deletable(self) -> list[bytes]:
        """Refs that may go: all but the branch that HEAD names."""
        return sorted(self.refs.keys() - {bytes(self.repository.view.refs.snapshot().head)})

    @precondition(lambda self: self.deletable)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.deletable))
        self.landed(self.push(RefCommand(name, self.refs[name], None), pack=None), {name: None})

    @rule(name=BRANCHES)
    def race(self, name: bytes) -> None:
        """Three pushers who all saw the same: one lands, and is told so."""
        old = self.refs.get(name)
        wishes = [self.new_commit(old) for _ in range(3)]
        receipts: dict[ObjectId, Receipt] = {}

        def run(commit: ObjectId, pack: io.BytesIO) -> None:
            receipts[commit] = self.push(RefCommand(name, old, commit), pack=pack)

        threads = [threading.Thread(target=run, args=wish) for wish in wishes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [commit for commit, receipt in receipts.items() if receipt.results[0].error is None]
        assert len(winners) == 1
        self.take({name: winners[0]})

    @rule(name=BRANCHES, step=st.sampled_from(STEPS))
    def crash_during_a_push(self, name: bytes, step: str) -> None:
        old = self.refs.get(name)
        commit, pack = self.new_commit(old)
        image = self.folder / f"image-{next(self.images)}"

        def take_image(reached: str) -> None:
            if reached == step:
                shutil.copytree(self.root, image)

        push = Push(None, (RefCommand(name, old, commit),), pack)
        Receiver(self.hosting, ScopeJudge(), step=take_image).receive(push, self.repository)
        self.close()
        self.open_again(image)
        if STEPS.index(step) >= STEPS.index("admitted"):
            self.take({name: commit})

    @rule()
    def reopen(self) -> None:
        self.close()
        self.open_again(self.root)

    @rule()
    def collect(self) -> None:
        """Afterwards the disk holds what the rows say, and nothing else."""
        assert collect(self.repository, self.hosting).suspicious == ()
        folder = self.repository.git_dir
        on_disk = {path.stem for path in (folder / "objects" / "pack").iterdir()}
        assert on_disk == self.hosting.catalogue.list_packs(self.repository.record.id)
        assert list((folder / "imprint").glob("quarantine/*")) == []

    @precondition(lambda self: self.refs)
    @rule()
    def export(self) -> None:
        """Stock git sees the refs of the catalogue, and finds every object of them whole."""
        RefExport(self.hosting).follow(self.repository, self.list_events())
        git_dir = str(self.repository.git_dir)
        seen = subprocess.run(
            ["git", "-C", git_dir, "for-each-ref", "--format=%(refname) %(objectname)"],
            capture_output=True,
            check=True,
        )
        lines = [line.split(b" ") for line in seen.stdout.splitlines()]
        assert {name: text.decode() for name, text in lines} == self.refs
        fsck = ["git", "-C", git_dir, "fsck", "--full", "--strict", "--no-dangling"]
        assert subprocess.run(fsck, capture_output=True, check=False).returncode == 0

    # -- invariants -----------------------------------------------------------------------------------

    def list_events(self) -> list[Event]:
        return self.hosting.catalogue.list_events(self.repository.record.id)

    @invariant()
    def refs_equal_the_model(self) -> None:
        if self.events:
            snapshot = self.repository.view.refs.snapshot()
            assert {bytes(name): value.id for name, value in snapshot.refs.items()} == self.refs
            assert snapshot.generation == self.events

    @invariant()
    def events_are_gapless_and_fold_to_the_refs(self) -> None:
        if self.events:
            events = self.list_events()
            assert [event.sequence for event in events] == list(range(1, self.events + 1))
            folded: dict[RefName, ObjectId | None] = {}
            for event in events:
                for change in event.changes:
                    assert folded.get(change.name) == change.old
                    folded[change.name] = change.new
            assert {name: target for name, target in folded.items() if target} == self.refs

    def teardown(self) -> None:
        self.close()
        shutil.rmtree(self.folder)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(settings.get_profile("fast"), max_examples=12, stateful_step_count=20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
class TestStoreMachineForLonger(StoreMachine.TestCase):
    """The same, with many more and longer runs, differently seeded each time."""

    settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=False)
