"""What crashes leave, and that collecting it touches nothing else. Here processes really die."""

import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import threading
import time

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.plumbing import Plumbing
from imprint.store.receive.collect import collect
from imprint.store.receive.packs import promotion_lock
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.quarantine import open_quarantine, quarantines_dir
from imprint.store.receive.receiver import STEPS, Push, Receiver, RefCommand
from imprint.store.types import HashAlgorithm, ObjectId, RepositoryName

MAIN = "refs/heads/main"
NAME = RepositoryName("acme", "app")


class Fork:
    """Pushes in processes of their own, which may be killed; and looks at what is left."""

    def __init__(self, root) -> None:
        self.root = root
        with self.opened() as hosting:
            hosting.create(NAME, None)
            _, self.secret = hosting.issue_token(
                actor="ada", kind=ActorKind.HUMAN, repositories=["acme/app"], verbs=frozenset({Verb.WRITE})
            )

    def opened(self):
        return Opened(self.root)

    def start(self, commands, pack, die_at=None):
        """Begin a push; it leaves the file `told` when it is answered."""
        (self.root.parent / "told").unlink(missing_ok=True)
        process = multiprocessing.get_context("fork").Process(
            target=self._push, args=(commands, pack, die_at)
        )
        process.start()
        return process

    def _push(self, commands, pack, die_at) -> None:
        def step(name: str) -> None:
            if name == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        with self.opened() as hosting:
            receiver = Receiver(hosting, ScopeJudge(), step=step)
            stream = None
            if pack is not None:
                reading, writing = os.pipe()
                stream = os.fdopen(reading, "rb")
                if os.fork() == 0:  # somebody else sends, so that the receiver may die at any byte
                    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as sender:
                        sender.write(pack)
                    os._exit(0)
                os.close(writing)
            parsed = tuple(
                RefCommand(name.encode(), old and ObjectId(old), new and ObjectId(new))
                for name, (old, new) in commands.items()
            )
            push = Push(hosting.authenticate(self.secret), parsed, stream, atomic=True)
            receipt = receiver.receive(push, hosting.get(NAME))
            if receipt.event:
                (self.root.parent / "told").write_text("admitted")

    @property
    def was_told(self) -> bool:
        return (self.root.parent / "told").exists()

    def check(self):
        """The refs, after fsck from every one of them, and after collecting twice."""
        with self.opened() as hosting:
            repository = hosting.get(NAME)
            refs = {name.text: value.id for name, value in repository.view.refs.snapshot().refs.items()}
            fsck = Plumbing(repository.git_dir)
            fsck.run("fsck", "--full", "--strict", "--no-dangling", *refs.values())
            deadline = time.monotonic() + 10
            while collect(repository, hosting).quarantines or any(
                quarantines_dir(repository.git_dir).glob("*")
            ):
                assert time.monotonic() < deadline, "a dead push's quarantine stays"
                time.sleep(0.05)
            fsck.run("fsck", "--full", "--strict", "--no-dangling", *refs.values())
            pack_dir = repository.git_dir / "objects" / "pack"
            on_disk = {path.stem for path in pack_dir.iterdir()}
            assert on_disk == hosting.catalogue.list_packs(repository.record.id)
            return refs


class Opened:
    def __init__(self, root) -> None:
        self.root = root

    def __enter__(self):
        self.hosting = Hosting.open(DataFolder.create_or_open(self.root))
        return self.hosting

    def __exit__(self, *_):
        self.hosting.close()


@pytest.fixture
def fork(tmp_path) -> Fork:
    return Fork(tmp_path / "data")


def pack_of(git, *revisions) -> bytes:
    return git.run(
        "pack-objects", "--revs", "--stdout", "-q", "--thin", stdin="\n".join(revisions).encode()
    ).stdout


@pytest.mark.parametrize("step", STEPS)
def test_a_push_killed_at_any_step_happened_whole_or_not_at_all(fork, work_tree, step) -> None:
    text = "".join(f"line {n}\n" for n in range(500))
    first = work_tree.commit_file("a.txt", text)
    created = {MAIN: (None, first), "refs/heads/old": (None, first)}
    process = fork.start(created, pack_of(work_tree, first), die_at=step)
    process.join()
    assert (process.exitcode, fork.was_told) == (-signal.SIGKILL, False)
    wanted = dict.fromkeys(created, first)
    assert fork.check() == (wanted if step in {"admitted", "released"} else {})
    if step not in {"admitted", "released"}:
        fork.start(created, pack_of(work_tree, first)).join()
        assert fork.was_told

    second = work_tree.commit_file("a.txt", text + "more\n")
    changes = {MAIN: (first, second), "refs/heads/old": (first, None), "refs/heads/older": (None, first)}
    fork.start(changes, pack_of(work_tree, second, f"^{first}"), die_at=step).join()
    moved = {MAIN: second, "refs/heads/older": first}
    assert fork.check() == (moved if step in {"admitted", "released"} else wanted)


@pytest.mark.parametrize("step", ["placed .pack", "placed .idx", "placed", "admitted"])
def test_pushes_that_land_together_are_killed_together(fork, work_tree, step) -> None:
    """One was landed alone; of those that waited behind it, all happened or none, and who was told did."""
    root = work_tree.commit_file("a.txt", "1")
    fork.start({MAIN: (None, root)}, pack_of(work_tree, root)).join()
    pushes = []
    for at in range(4):
        work_tree("checkout", "-q", "-B", f"b{at}", root)
        tip = work_tree.commit_file("b.txt", f"{at}")
        pushes.append((f"refs/heads/b{at}", tip, pack_of(work_tree, tip, f"^{root}")))
    process = multiprocessing.get_context("fork").Process(target=push_together, args=(fork, pushes, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    refs = fork.check()
    first = {MAIN: root, pushes[0][0]: pushes[0][1]}
    assert refs == (first | {name: tip for name, tip, _ in pushes} if step == "admitted" else first)
    for name, tip, pack in pushes:
        if name not in refs:
            fork.start({name: (None, tip)}, pack).join()
    assert fork.check() == first | {name: tip for name, tip, _ in pushes}


def push_together(fork, pushes, die_at) -> None:
    """The first takes the turn, the others wait behind it; dies where those reach the step."""
    reached: list[str] = []

    def step(name: str) -> None:
        reached.append(name)
        if reached.count("locked") + reached.count("admitted") >= 2 and name == die_at != "admitted":
            os.kill(os.getpid(), signal.SIGKILL)
        if reached.count("admitted") == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    with fork.opened() as hosting:
        receiver, repository = Receiver(hosting, ScopeJudge(), step=step), hosting.get(NAME)
        principal = hosting.authenticate(fork.secret)

        def push(name, tip, pack) -> None:
            command = RefCommand(name.encode(), None, ObjectId(tip))
            receiver.receive(Push(principal, (command,), io.BytesIO(pack)), repository)

        with promotion_lock(repository.git_dir).hold():
            threads = [threading.Thread(target=push, args=each) for each in pushes]
            for at, thread in enumerate(threads):
                thread.start()
                while at >= len(receiver._landing._queues.get(repository.record.id, ())):
                    time.sleep(0.002)
        for thread in threads:
            thread.join()


def test_a_push_killed_at_any_moment_happened_whole_or_not_at_all(fork, work_tree) -> None:
    """Not only between the steps: also while git is at work, or SQLite."""
    old = work_tree.commit_file("a.txt", os.urandom(20_000))
    fork.start({MAIN: (None, old)}, pack_of(work_tree, old)).join()
    new = work_tree.commit_file("a.txt", os.urandom(20_000))
    pack, began = pack_of(work_tree, new, f"^{old}"), time.monotonic()
    fork.start({MAIN: (old, new)}, pack).join()
    seconds = time.monotonic() - began
    assert fork.was_told
    old = new
    killed = 0
    for number in range(20):
        new = work_tree.commit_file("a.txt", os.urandom(20_000))
        process = fork.start({MAIN: (old, new)}, pack_of(work_tree, new, f"^{old}"))
        process.join(seconds * (number + 1) / 20)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        refs = fork.check()
        assert refs in ({MAIN: new}, {MAIN: old})
        if fork.was_told:
            assert refs == {MAIN: new}, "told means durable"
        old = refs[MAIN]
        work_tree("reset", "-q", "--hard", old)
    assert killed > 5, "the first ones had too little time"


def test_collect_leaves_alone_what_is_admitted_or_under_way(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    bench.push({"refs/heads/x": (None, head)}, None)
    bench.push({"refs/heads/x": (head, None)}, None)
    repository = bench.repository
    before = bench.files
    with open_quarantine(repository.git_dir, "live", repository.view.plumbing, HashAlgorithm.SHA1) as alive:
        report = collect(repository, bench.hosting)
        assert (report.quarantines, report.packs, report.suspicious) == (0, (), ())
        assert alive.folder.exists()
    assert bench.files == before


def test_a_pack_that_a_ref_needs_is_kept_even_without_a_row(make_bench, work_tree) -> None:
    """As after an older catalogue was restored beside newer objects."""
    bench, other = make_bench(), make_bench()
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    other.push({MAIN: (None, head)}, other.pack(work_tree.folder, "HEAD"))
    shutil.copytree(
        bench.repository.git_dir / "objects", other.repository.git_dir / "objects", dirs_exist_ok=True
    )
    other.hosting.catalogue._repositories[other.repository.record.id].packs.clear()
    report = collect(other.repository, other.hosting)
    assert (report.packs, report.suspicious) == ((), (receipt.event.pack,))
    other.fsck()


def test_halves_of_packs_and_files_of_an_interrupted_git_go(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({MAIN: (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    before = bench.files
    pack_dir = bench.repository.git_dir / "objects" / "pack"
    half = f"pack-{'a' * 40}"
    (pack_dir / f"{half}.pack").write_bytes(b"PACK")
    (pack_dir / f"{half}.rev").write_bytes(b"")
    (pack_dir / "tmp_pack_X1").write_bytes(b"")
    dead = quarantines_dir(bench.repository.git_dir) / "dead"
    (dead / "objects").mkdir(parents=True)
    (dead / "lock").touch()
    report = collect(bench.repository, bench.hosting)
    assert (report.quarantines, report.packs) == (1, (half,))
    assert bench.files == before
