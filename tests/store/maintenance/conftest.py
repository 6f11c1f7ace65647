"""Somebody who pushes to a bench, and knows what must stay readable."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imprint.store.maintenance.retired import grace_ms
from imprint.store.maintenance.work import Work
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.git import GitObjects, write_pack
from imprint.store.objects.ports import Identity, ObjectKind, TreeEntry
from imprint.store.plumbing import Plumbing
from imprint.store.receive import packs
from imprint.store.types import ObjectId

WHO = Identity("Ada", "ada@example.com", 1_767_322_800, 0)


class Yard:
    """Pushes small commits to a bench, and remembers every object that was accepted."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.accepted: set[ObjectId] = set()
        self.numbers = iter(range(10_000))

    @property
    def work(self) -> Work:
        return Work(self.bench.repository, self.bench.hosting)

    @property
    def pack_dir(self) -> Path:
        return self.bench.repository.git_dir / "objects" / "pack"

    def commit(self, ref: str = "refs/heads/main", *, rooted: bool = False) -> ObjectId:
        """A commit with one file of its own, on top of a ref; `rooted`: without a parent."""
        old = self.bench.refs.get(ref)
        number = next(self.numbers)
        blob = f"number {number}\n".encode() * 20
        tree = encode_tree([TreeEntry(b"number.txt", 0o100644, object_id(ObjectKind.BLOB, blob))])
        parents = (ObjectId(old),) if old and not rooted else ()
        commit = encode_commit(object_id(ObjectKind.TREE, tree), parents, WHO, WHO, f"number {number}\n")
        objects = [(ObjectKind.BLOB, blob), (ObjectKind.TREE, tree), (ObjectKind.COMMIT, commit)]
        pack = io.BytesIO()
        write_pack(objects, pack)
        new = object_id(ObjectKind.COMMIT, commit)
        receipt = self.bench.push({ref: (old, new)}, pack.getvalue())
        assert receipt.event, receipt
        self.accepted.update(object_id(kind, content) for kind, content in objects)
        return new

    def delete(self, ref: str) -> None:
        assert self.bench.push({ref: (self.bench.refs[ref], None)}, None).event

    def check(self) -> None:
        """Every accepted object is read by git and by a reader that has just come, and by one from before."""
        git_dir = self.bench.repository.git_dir
        questions = "".join(f"{each}\n" for each in sorted(self.accepted)).encode()
        answers = Plumbing(git_dir).run("cat-file", "--batch-check", stdin=questions)
        assert b"missing" not in answers
        for objects in (GitObjects(git_dir / "objects"), self.bench.repository.view.objects):
            for each in self.accepted:
                objects.read_raw(each)
        self.bench.fsck()
        on_disk = packs.list_packs(self.pack_dir)
        assert on_disk == self.work.list_live() | self.work.list_retired().keys()

    def wait(self) -> None:
        """Until a grace is over."""
        self.bench.hosting.clock.advance(grace_ms(self.bench.hosting.limits))


@pytest.fixture
def make_yard(make_bench: Callable[..., Any]) -> Callable[..., Yard]:
    """Makes a yard on a bench of its own, with the same arguments."""
    return lambda *arguments, **options: Yard(make_bench(*arguments, **options))


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    return make_yard()
