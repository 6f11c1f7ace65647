"""What a crashing process does: seeded operations on one data folder, through the store's own classes.

Everything an operation is about to change is told before it begins, and what was acknowledged after it has
returned, so that whoever listens knows what must be there when the process dies in between.
"""

import io
import random
import time
from collections.abc import Callable
from pathlib import Path

from imprint.store.actors import ActorKind, Verb
from imprint.store.errors import StoreError
from imprint.store.events import Event
from imprint.store.hosting.access import SessionSeed
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.limits import Limits
from imprint.store.maintenance.prune import prune
from imprint.store.maintenance.rounds import maintain
from imprint.store.maintenance.work import Work
from imprint.store.objects.codec import encode_commit, encode_tag, object_id
from imprint.store.objects.edit import TreeEditor
from imprint.store.objects.git import write_pack
from imprint.store.objects.ports import Identity, ObjectKind
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger
from imprint.store.receive.branch import create_branch, delete_branch
from imprint.store.receive.collect import collect
from imprint.store.receive.commit import CommitRequest, FileChange, commit
from imprint.store.receive.merge import MergeRequest, Strategy, merge
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.receiver import Receiver
from imprint.store.refs.export import RefExport
from imprint.store.types import Anything, ObjectId, RefName, RepositoryName

NAME = RepositoryName("acme", "app")
MAIN = RefName(b"refs/heads/main")
BRANCHES = tuple(RefName(b"refs/heads/%b" % name) for name in (b"one", b"two", b"agent/three"))
WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)
UNKNOWN = "?"
"""In a wish: a value that the store is going to choose."""
SECRET_FILE = "secret"
"""Beside the data folder: the token of whoever commits and merges."""

SPEED = 1000

Tell = Callable[[dict[str, object]], None]
Reach = Callable[[str], None]


def make_folder(root: Path, tell: Tell, limits: Limits | None = None) -> None:
    """A data folder with one repository, some branches in it, and a token; tells its events."""
    hosting = Hosting.open(DataFolder.create_or_open(root))
    made = hosting.create(NAME, None)
    _, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=[str(NAME)], verbs=frozenset({Verb.READ, Verb.WRITE})
    )
    root.with_name(SECRET_FILE).write_text(secret)
    hosting.close()
    acting = Acting(root, "first", tell, lambda _: None, limits)
    for name in (MAIN, *BRANCHES):
        commit, objects = acting.make(acting.refs.get(MAIN))
        acting.send({name: (None, commit)}, objects)
    tell({"events": [describe(each) for each in acting.hosting.catalogue.list_events(made.record.id)]})
    acting.close()


class QuickClock:
    """A clock that runs `SPEED` times as fast since the folder was made: an hour passes soon."""

    def __init__(self, root: Path) -> None:
        self._began_s = root.with_name(SECRET_FILE).stat().st_mtime

    def now_ms(self) -> int:
        return int(1000 * (self._began_s + SPEED * (time.time() - self._began_s)))


class Acting:
    """One process at work on a data folder.

    Args:
        root: the data folder.
        seed: decides what is done.
        tell: told before and after each operation.
        reach: told each step of the store that is reached.
        limits: of the store.
    """

    def __init__(self, root: Path, seed: str, tell: Tell, reach: Reach, limits: Limits | None = None) -> None:
        self.random = random.Random(seed)
        self.tell = tell
        self.reach = reach
        self.hosting = Hosting.open(DataFolder.create_or_open(root), QuickClock(root), limits=limits)
        self.ledger = Ledger.open(self.hosting.folder.derived_path)
        self.receiver = Receiver(self.hosting, ScopeJudge(), step=reach)
        self.principal = self.hosting.authenticate(root.with_name(SECRET_FILE).read_text())
        self.operations: dict[str, Callable[[], object]] = {
            "push": self.push,
            "force push": self.push_by_force,
            "atomic push": self.push_atomically,
            "tag": self.push_a_tag,
            "delete": self.push_a_deletion,
            "commit": self.commit,
            "merge": self.merge,
            "branch": self.create_a_branch,
            "branch delete": self.delete_a_branch,
            "export": self.export,
            "provenance": self.follow_provenance,
            "collect": self.collect,
            "maintain": self.maintain,
            "repack all": self.repack_all,
            "prune": self.prune,
        }

    @property
    def repository(self) -> Repository:
        return self.hosting.get(NAME)

    @property
    def refs(self) -> dict[RefName, ObjectId]:
        return {name: value.id for name, value in self.repository.view.refs.snapshot().refs.items()}

    def do(self, name: str) -> None:
        """One operation, told before and after."""
        self.tell({"begin": name})
        try:
            done = self.operations[name]()
        except StoreError as refused:
            self.tell({"refused": f"{type(refused).__name__}: {refused.message}"})
        else:
            self.tell({"done": describe(done) if isinstance(done, Event) else None})

    def close(self) -> None:
        self.ledger.close()
        self.hosting.close()

    # -- pushes -----------------------------------------------------------------------------------------

    def make(self, parent: ObjectId | None) -> tuple[ObjectId, list[tuple[ObjectKind, bytes]]]:
        """A commit with one file more than its parent, and all objects that are new with it."""
        number = self.random.getrandbits(64)
        objects = self.repository.view.objects
        editor = TreeEditor(objects, objects.read_commit(parent).tree if parent else None)
        folder = self.random.choice([b"", b"src/", b"src/deep/"])
        editor.put(folder + b"file-%x" % number, b"number %d\n" % number, 0o100644)
        tree, new = editor.finish()
        made = [(kind, each) for _, kind, each in new]
        content = encode_commit(tree, (parent,) if parent else (), WHO, WHO, f"number {number}")
        made.append((ObjectKind.COMMIT, content))
        return object_id(ObjectKind.COMMIT, content), made

    def send(
        self,
        commands: dict[RefName, tuple[ObjectId | None, ObjectId | None]],
        objects: list[tuple[ObjectKind, bytes]],
        *,
        atomic: bool = False,
    ) -> Event | None:
        pack = None
        if objects:
            pack = io.BytesIO()
            write_pack(objects, pack)
            pack.seek(0)
        self.tell({"wish": {name.text: list(values) for name, values in commands.items()}})
        pushed = tuple(RefCommand(name, old, new) for name, (old, new) in commands.items())
        receipt = self.receiver.receive(Push(self.principal, pushed, pack, atomic), self.repository)
        return receipt.event

    def push(self) -> Event | None:
        """One commit on main or on another branch, which is made if need be."""
        name = self.random.choice((MAIN, MAIN, *BRANCHES))
        old = self.refs.get(name)
        new, objects = self.make(old or self.refs.get(MAIN))
        return self.send({name: (old, new)}, objects)

    def push_by_force(self) -> Event | None:
        """A commit beside what is there."""
        name = self.random.choice(BRANCHES)
        new, objects = self.make(None)
        return self.send({name: (self.refs.get(name), new)}, objects)

    def push_atomically(self) -> Event | None:
        """Several refs at once: moved, made and deleted."""
        refs = self.refs
        commands: dict[RefName, tuple[ObjectId | None, ObjectId | None]] = {}
        objects: list[tuple[ObjectKind, bytes]] = []
        for name in self.random.sample(BRANCHES, 2):
            if name in refs and self.random.random() < 0.3:
                commands[name] = (refs[name], None)
                continue
            new, made = self.make(refs.get(name))
            commands[name] = (refs.get(name), new)
            objects += made
        new, made = self.make(refs.get(MAIN))
        return self.send({**commands, MAIN: (refs.get(MAIN), new)}, objects + made, atomic=True)

    def push_a_tag(self) -> Event | None:
        """An annotated tag of main, under a name of its own."""
        head = self.refs.get(MAIN)
        if head is None:
            return self.push()
        number = self.random.getrandbits(32)
        content = encode_tag(head, ObjectKind.COMMIT, f"v{number:x}", WHO, "tagged")
        tag = object_id(ObjectKind.TAG, content)
        return self.send({RefName(b"refs/tags/v%x" % number): (None, tag)}, [(ObjectKind.TAG, content)])

    def push_a_deletion(self) -> Event | None:
        """A branch or tag goes."""
        refs = self.refs
        names = sorted(refs.keys() - {MAIN})
        if not names:
            return self.push()
        name = self.random.choice(names)
        return self.send({name: (refs[name], None)}, [])

    # -- without a clone --------------------------------------------------------------------------------

    def commit(self) -> Event:
        """A commit by API, at times in a session."""
        number = self.random.getrandbits(64)
        seed = SessionSeed(f"session-{number % 7}", agent="codex", prompt=f"prompt {number}")
        request = CommitRequest(
            branch=self.random.choice((MAIN, *BRANCHES)),
            message=f"number {number}",
            files=(FileChange(b"api/file-%x" % number, b"%d\n" % number),),
            session=seed if number % 2 else None,
        )
        self.tell({"wish": {request.branch.text: [UNKNOWN, UNKNOWN]}})
        return commit(request, self.repository, self.principal, self.receiver, self.reach).event

    def merge(self) -> Event | None:
        """Two branches are joined; one is made to differ first if need be."""
        refs = self.refs
        source = next((name for name in BRANCHES if name in refs), None)
        if source is None or MAIN not in refs:
            return self.push()
        strategy = self.random.choice(list(Strategy))
        squash = strategy is not Strategy.FF_ONLY and self.random.random() < 0.3
        request = MergeRequest(MAIN, source, strategy, squash=squash, allow_unrelated=True)
        self.tell({"wish": {MAIN.text: [UNKNOWN, UNKNOWN]}})
        return merge(request, self.repository, self.principal, self.receiver, self.reach).event

    def create_a_branch(self) -> Event | None:
        head = self.refs.get(MAIN)
        if head is None:
            return self.push()
        name = RefName(b"refs/heads/made-%x" % self.random.getrandbits(32))
        self.tell({"wish": {name.text: [None, head]}})
        return create_branch(name, head, self.repository, self.principal, self.receiver)

    def delete_a_branch(self) -> Event | None:
        refs = self.refs
        names = sorted(name for name in refs if name.startswith(b"refs/heads/") and name != MAIN)
        if not names:
            return self.create_a_branch()
        name = self.random.choice(names)
        self.tell({"wish": {name.text: [UNKNOWN, None]}})
        return delete_branch(name, Anything(), self.repository, self.principal, self.receiver)

    # -- what happens besides -----------------------------------------------------------------------------

    def export(self) -> None:
        self._follow(RefExport(self.hosting))

    def follow_provenance(self) -> None:
        self._follow(ProvenanceFollower(self.ledger, self.hosting))

    def _follow(self, follower: RefExport | ProvenanceFollower) -> None:
        repository = self.repository
        after = follower.position(repository.record.id)
        if events := self.hosting.catalogue.list_events(repository.record.id, after=after):
            follower.follow(repository, events)

    def export_anew(self) -> None:
        """As after a loss of the exported files' position."""
        follower = RefExport(self.hosting)
        follower.follow(self.repository, [])

    def collect_only(self) -> None:
        collect(self.repository, self.hosting)

    def work(self) -> Work:
        return Work(self.repository, self.hosting, step=self.reach)

    def maintain(self) -> None:
        maintain(self.work())

    def repack_all(self) -> None:
        maintain(self.work(), everything=True)

    def prune(self) -> Event | None:
        """What no ref reaches now goes."""
        self.tell({"wish": {}})
        return prune(self.work(), 0).event

    def collect(self) -> None:
        """Dead pushes have left a quarantine and a pack without a row."""
        git_dir = self.repository.git_dir
        number = self.random.getrandbits(160)
        made = git_dir / "imprint" / f"{number:x}"
        (made / "objects" / "pack").mkdir(parents=True)
        (made / "lock").touch()
        (git_dir / "imprint" / "quarantine").mkdir(exist_ok=True)
        made.rename(git_dir / "imprint" / "quarantine" / made.name)
        for suffix in (".pack", ".rev"):
            (git_dir / "objects" / "pack" / f"pack-{number:040x}{suffix}").write_bytes(b"cut short")
        collect(self.repository, self.hosting)


def describe(event: Event) -> dict[str, object]:
    """An event as it is compared: where it stands, what it is called, and what it changed."""
    return {
        "sequence": event.sequence,
        "id": event.id,
        "changes": {change.name.text: [change.old, change.new] for change in event.changes},
    }
