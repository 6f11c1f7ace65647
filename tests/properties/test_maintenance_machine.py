"""Maintenance between pushes of every kind, as a state machine: nothing accepted is ever lost.

The model knows each commit with its objects and its parent, where refs were at what time, and which objects
may be gone because a prune said so. A crash is real as far as the disk is concerned: at the step, the data
folder is copied as it lies, and the store goes on from the copy.
"""

import io
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.folders import make_data_folder

from imprint.store.actors import ActorKind, Verb
from imprint.store.clock import CountingIds, ManualClock
from imprint.store.events import EventKind
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.limits import Limits
from imprint.store.maintenance.lookup import read_covered
from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.retired import grace_ms
from imprint.store.maintenance.rounds import clean_up, maintain
from imprint.store.maintenance.work import STEPS, Work
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.git import GitObjects, write_pack
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.plumbing import Plumbing
from imprint.store.receive import packs
from imprint.store.receive.commit import CommitRequest, FileChange, commit
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import Push, Receipt, Receiver, RefCommand
from imprint.store.refs.export import RefExport
from imprint.store.types import ObjectId, RefName, RepositoryName

NAME = RepositoryName("acme", "app")
MAIN = b"refs/heads/main"
REFS = st.sampled_from([MAIN, b"refs/heads/topic", b"refs/heads/agent/one", b"refs/tags/v1"])
WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)
HOUR_MS = 3_600_000
COMMANDS = (
    ("gc", "--prune=now"),
    ("repack", "-ad"),
    ("prune", "--expire=now"),
    ("commit-graph", "write"),
    ("multi-pack-index", "write"),
    ("multi-pack-index", "repack", "--batch-size=0"),
    ("multi-pack-index", "expire"),
)


class MaintenanceMachine(RuleBasedStateMachine):
    """The store under test, and what must be readable in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="imprint-maintenance-"))
        self.ids, self.clock = CountingIds(), ManualClock()
        self.images, self.numbers = itertools.count(), itertools.count()
        self.refs: dict[bytes, ObjectId] = {}
        self.past: list[tuple[int, ObjectId]] = []  # when a ref left a commit, and which
        self.objects: dict[ObjectId, frozenset[ObjectId]] = {}  # of each commit, without its parent's
        self.parents: dict[ObjectId, ObjectId | None] = {}
        self.accepted: set[ObjectId] = set()
        self.open(make_data_folder(self.folder / "data", self.folder / "master.key"))

    # -- the store ------------------------------------------------------------------------------------

    def open(self, folder: DataFolder) -> None:
        self.root = folder.root
        self.hosting = Hosting.open(folder, self.clock, self.ids, Limits(plumbing_seconds_max=3600))

    def open_again(self, root: Path) -> None:
        self.open(DataFolder.create_or_open(root, self.folder / "master.key"))

    @property
    def repository(self) -> Repository:
        return self.hosting.get(NAME)

    @property
    def git_dir(self) -> Path:
        return self.repository.git_dir

    @property
    def work(self) -> Work:
        return Work(self.repository, self.hosting)

    def imaging(self, step: str):
        """A callback that copies the data folder when a step is first reached; and where the copy is."""
        image = self.folder / f"image-{next(self.images)}"

        def take_image(reached: str) -> None:
            if reached == step and not image.exists():
                shutil.copytree(self.root, image)

        return take_image, image

    def go_on_from(self, image: Path) -> bool:
        """Open the copy; False if the step was never reached."""
        if not image.exists():
            return False
        self.hosting.close()
        self.open_again(image)
        return True

    def push(self, name: bytes, new: ObjectId | None, pack: io.BytesIO | None) -> Receipt:
        command = RefCommand(name, self.refs.get(name), new)
        return Receiver(self.hosting, ScopeJudge()).receive(Push(None, (command,), pack), self.repository)

    def make_commit(self, parent: ObjectId | None) -> tuple[ObjectId, io.BytesIO]:
        number = next(self.numbers)
        blob = f"number {number}\n".encode()
        tree = encode_tree([TreeEntry(b"number.txt", 0o100644, object_id(ObjectKind.BLOB, blob))])
        parents = (parent,) if parent else ()
        content = encode_commit(object_id(ObjectKind.TREE, tree), parents, WHO, WHO, f"number {number}\n")
        objects = [(ObjectKind.BLOB, blob), (ObjectKind.TREE, tree), (ObjectKind.COMMIT, content)]
        pack = io.BytesIO()
        write_pack(objects, pack)
        pack.seek(0)
        made = object_id(ObjectKind.COMMIT, content)
        self.objects[made] = frozenset(object_id(kind, each) for kind, each in objects)
        self.parents[made] = parent
        return made, pack

    # -- the model ------------------------------------------------------------------------------------

    def below(self, tips: set[ObjectId]) -> set[ObjectId]:
        """Every object that these commits reach."""
        found: set[ObjectId] = set()
        for tip in tips:
            each: ObjectId | None = tip
            while each is not None and each not in found:
                found |= self.objects[each]
                each = self.parents[each]
        return found

    def take(self, name: bytes, new: ObjectId | None) -> None:
        if name in self.refs:
            self.past.append((self.clock.now_ms(), self.refs[name]))
        if new is None:
            del self.refs[name]
        else:
            self.refs[name] = new
            self.accepted |= self.objects[new]

    def forgive(self, older_than_ms: int) -> None:
        """What a prune may have dropped need not be readable any more."""
        cutoff = self.clock.now_ms() - older_than_ms
        tips = {*self.refs.values(), *(old for at_ms, old in self.past if at_ms >= cutoff)}
        self.accepted &= self.below({tip for tip in tips if self.objects[tip] <= self.accepted})

    # -- rules: writing -------------------------------------------------------------------------------

    @initialize()
    def create(self) -> None:
        self.hosting.create(NAME, None)
        _, secret = self.hosting.issue_token(
            actor="ada", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=frozenset({Verb.WRITE})
        )
        self.secret = secret
        for _ in range(3):
            self.push_a_commit(MAIN, rooted=False)

    @rule(name=REFS, rooted=st.booleans())
    def push_a_commit(self, name: bytes, rooted: bool) -> None:
        """On top of what is there, or, as a force-push, beside it."""
        made, pack = self.make_commit(None if rooted else self.refs.get(name))
        assert self.push(name, made, pack).event
        self.take(name, made)

    @rule(name=REFS, count=st.integers(3, 6))
    def push_several(self, name: bytes, count: int) -> None:
        for _ in range(count):
            self.push_a_commit(name, rooted=False)

    @rule()
    def commit_without_a_clone(self) -> None:
        number = next(self.numbers)
        content = f"number {number}\n".encode()
        request = CommitRequest(RefName(MAIN), "by API\n", (FileChange(b"number.txt", content),))
        principal = self.hosting.authenticate(self.secret)
        receiver = Receiver(self.hosting, ScopeJudge())
        made = commit(request, self.repository, principal, receiver)
        self.objects[made.commit] = frozenset({made.commit, made.tree, object_id(ObjectKind.BLOB, content)})
        self.parents[made.commit] = self.refs.get(MAIN)
        self.take(MAIN, made.commit)

    @precondition(lambda self: self.refs.keys() - {MAIN})
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.refs.keys() - {MAIN})))
        assert self.push(name, None, None).event
        self.take(name, None)

    @rule(data=st.data(), name=REFS)
    def push_back_what_was_accepted_once(self, data: st.DataObject, name: bytes) -> None:
        """Without sending anything: what is accepted counts, wherever maintenance has put it."""
        whole = [each for each in self.objects if self.below({each}) <= self.accepted]
        made = data.draw(st.sampled_from(sorted(whole)))
        assert self.push(name, made, None).event, "an accepted commit was not found"
        self.take(name, made)

    # -- rules: maintenance ---------------------------------------------------------------------------

    @rule(everything=st.booleans())
    def maintain(self, everything: bool) -> None:
        report = maintain(self.work, everything=everything)
        assert not report.adoption.missing

    @rule(hours=st.sampled_from([1, 2, 50]))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours * HOUR_MS)

    @rule()
    def let_retired_packs_go(self) -> None:
        for _ in range(2):
            self.clock.advance(grace_ms(self.hosting.limits))
            clean_up(self.work)
        assert not self.work.list_retired()

    @rule(hours=st.sampled_from([0, 3, 40]))
    def prune(self, hours: int) -> None:
        prune(self.work, hours * HOUR_MS)
        self.forgive(hours * HOUR_MS)

    @rule(step=st.sampled_from(STEPS), everything=st.booleans())
    def crash_during_a_round(self, step: str, everything: bool) -> None:
        take_image, image = self.imaging(step)
        maintain(Work(self.repository, self.hosting, step=take_image), everything=everything)
        self.go_on_from(image)

    @rule(step=st.sampled_from(["packed", "placed .idx", "placed", "replaced", "released", "indexed"]))
    def crash_during_a_prune(self, step: str) -> None:
        take_image, image = self.imaging(step)
        prune(Work(self.repository, self.hosting, step=take_image), HOUR_MS)
        if not self.go_on_from(image) or self.list_kinds()[-1:] == [EventKind.PRUNED]:
            self.forgive(HOUR_MS)

    @rule(name=REFS, step=st.sampled_from(["unpacked", "judged", "placed .idx", "placed", "admitted"]))
    def crash_during_a_push(self, name: bytes, step: str) -> None:
        made, pack = self.make_commit(self.refs.get(name))
        take_image, image = self.imaging(step)
        command = RefCommand(name, self.refs.get(name), made)
        receiver = Receiver(self.hosting, ScopeJudge(), step=take_image)
        assert receiver.receive(Push(None, (command,), pack), self.repository).event
        assert self.go_on_from(image)
        if step == "admitted":
            self.take(name, made)

    @rule(name=REFS, step=st.sampled_from(["judged", "unpacked"]), everything=st.booleans())
    def maintain_under_a_push(self, name: bytes, step: str, everything: bool) -> None:
        made, pack = self.make_commit(self.refs.get(name))

        def upset(reached: str) -> None:
            if reached == step:
                maintain(self.work, everything=everything)

        command = RefCommand(name, self.refs.get(name), made)
        receiver = Receiver(self.hosting, ScopeJudge(), step=upset)
        assert receiver.receive(Push(None, (command,), pack), self.repository).event
        self.take(name, made)

    @rule()
    def collect(self) -> None:
        report = clean_up(self.work)
        assert (report.collected.suspicious, report.adoption.missing) == ((), ())
        live, retired = self.work.list_live(), self.work.list_retired().keys()
        assert packs.list_packs(self.git_dir / "objects" / "pack") == live | retired

    # -- rules: others --------------------------------------------------------------------------------

    @rule()
    def export_and_fetch(self) -> None:
        """A stock client that clones from the folder gets every ref."""
        RefExport(self.hosting).follow(self.repository, self.list_events())
        target = self.folder / f"clone-{next(self.images)}"
        url = f"file://{self.git_dir}"
        subprocess.run(["git", "clone", "-q", "--mirror", url, str(target)], check=True)
        seen = subprocess.run(
            ["git", "-C", str(target), "for-each-ref", "--format=%(refname) %(objectname)"],
            capture_output=True,
            check=True,
        ).stdout
        assert dict(line.split(b" ") for line in seen.splitlines()) == {
            name: each.encode() for name, each in self.refs.items()
        }
        shutil.rmtree(target)

    @rule(command=st.sampled_from(COMMANDS))
    def stock_git_by_hand(self, command: tuple[str, ...]) -> None:
        subprocess.run(["git", "-C", str(self.git_dir), *command], capture_output=True, check=False)

    @rule()
    def reopen(self) -> None:
        self.hosting.close()
        self.open_again(self.root)

    def list_events(self):
        return self.hosting.catalogue.list_events(self.repository.record.id)

    def list_kinds(self) -> list[EventKind]:
        return [event.kind for event in self.list_events()]

    # -- invariants -----------------------------------------------------------------------------------

    @invariant()
    def refs_equal_the_model(self) -> None:
        if self.refs:
            found = self.repository.view.refs.snapshot().refs
            assert {bytes(name): value.id for name, value in found.items()} == self.refs

    @invariant()
    def git_reads_every_accepted_object(self) -> None:
        if self.refs:
            questions = "".join(f"{each}\n" for each in sorted(self.accepted)).encode()
            answers = Plumbing(self.git_dir).run("cat-file", "--batch-check", stdin=questions)
            assert b"missing" not in answers

    @invariant()
    def the_port_reads_every_accepted_object(self) -> None:
        if self.refs:
            fresh = GitObjects(self.git_dir / "objects")
            for each in self.accepted:
                assert fresh.find_kind(each) is not None
                self.repository.view.objects.read_raw(each)
            fresh.close()

    @invariant()
    def git_finds_the_repository_whole(self) -> None:
        if self.refs:
            fsck = ("fsck", "--full", "--strict", "--no-dangling", *self.refs.values())
            Plumbing(self.git_dir).run(*fsck)

    @invariant()
    def every_live_pack_is_there_and_lookups_name_no_other_that_is_gone(self) -> None:
        if self.refs:
            pack_dir = self.git_dir / "objects" / "pack"
            assert all(packs.is_whole(name, pack_dir) for name in self.work.list_live())
            assert all((pack_dir / f"{name}.pack").exists() for name in read_covered(pack_dir))

    def teardown(self) -> None:
        self.hosting.close()
        shutil.rmtree(self.folder)


TestMaintenanceMachine = MaintenanceMachine.TestCase
TestMaintenanceMachine.settings = settings(
    settings.get_profile("fast"), max_examples=6, stateful_step_count=14
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestMaintenanceMachineForLonger(MaintenanceMachine.TestCase):
    """The same, with many more and longer runs, differently seeded each time."""

    settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=False)
