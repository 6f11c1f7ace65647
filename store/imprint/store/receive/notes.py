"""Git notes written without a clone: each write a commit on the notes' ref, through the same door as a push.

Invariants:
    1. What is written here goes through `Receiver.receive`: same quarantine, checks, judge and commit point.
    2. Every version stays: a write is a commit whose parent is the notes' commit before it, made by the
       token's actor. A write that changes nothing makes none.
    3. Nobody's note is lost: a write that meets another is made anew on top of it.
    4. Git reads the tree: notes lie in folders of two hexadecimal digits, as deep as they were found, and a
       folder is divided when it holds more than `FOLDER_NOTES_MAX`. What is no note stays where it is.

A crash leaves what a crashed push leaves.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PushRefused, StaleUpdate
from imprint.store.objects.codec import FILE_MODE, TREE_MODE, encode_commit, encode_tree, object_id
from imprint.store.objects.git import write_pack
from imprint.store.objects.ports import ObjectKind, TreeEntry
from imprint.store.receive.commit import ATTEMPTS_MAX, make_identities, verify_caller
from imprint.store.receive.docket import is_stale
from imprint.store.receive.push import Push, RefCommand
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imprint.store.actors import Principal
    from imprint.store.events import Event
    from imprint.store.hosting.repositories import Repository
    from imprint.store.objects.ports import Objects
    from imprint.store.receive.receiver import Receiver
    from imprint.store.types import ObjectId, RefName
    from imprint.store.view import RepositoryView

FOLDER_NOTES_MAX: Final = 255
"""Notes in one folder; with more, git fast-import divides it too."""
_PREFIX: Final = 2
_HEXADECIMAL: Final = re.compile(rb"[0-9a-f]+\Z")


def write_notes(
    ref: RefName,
    notes: Mapping[ObjectId, bytes],
    repository: Repository,
    principal: Principal,
    receiver: Receiver,
) -> Event | None:
    """Write notes in one commit, and return when they are durable; None when all of them were there.

    Args:
        ref: the notes' ref; made if it is not there.
        notes: the annotated objects, which need not be there yet, and their notes.
        repository: where.
        principal: who writes.
        receiver: takes the commit in.

    Raises:
        Denied, PushRefused: the token or the judge does not allow it, or the ref is hidden.
        StaleUpdate: others wrote all the time.
        StoreFailure: the machine failed; nothing was written.
    """
    verify_caller(principal, repository, ref, None)
    work = _Work(ref, notes, repository, principal, receiver)
    # One writer after the other: only pushes can then come between, and few attempts are enough.
    with FileLock(repository.git_dir / "imprint" / "notes.lock").hold():
        for _ in range(ATTEMPTS_MAX):
            old = work.find_head()
            built = work.build(old)
            if built is None:
                return None
            event = work.deliver(old, *built)
            if event:
                return event
    raise StaleUpdate(ref, old, work.find_head())


def read_notes(view: RepositoryView, ref: RefName, wanted: list[ObjectId]) -> dict[ObjectId, bytes]:
    """The notes of objects that have one."""
    value = view.refs.snapshot().refs.get(ref)
    if value is None:
        return {}
    tree = NotesTree(view.objects, view.objects.read_commit(value.id).tree)
    found = ((each, tree.find(each)) for each in wanted)
    return {each: view.objects.read_blob(blob) for each, blob in found if blob}


@dataclass(slots=True)
class _Folder:
    """A folder of notes: its entries by name, the folders in it that were read, and whether it changed."""

    entries: dict[bytes, TreeEntry]
    folders: dict[bytes, _Folder] = field(default_factory=dict)
    is_changed: bool = False


class NotesTree:
    """The tree of a notes' commit, of which only the folders on the way are read. Used by one thread.

    Args:
        objects: where the tree is read from.
        tree: None for an empty one.
    """

    def __init__(self, objects: Objects, tree: ObjectId | None) -> None:
        self._objects = objects
        self._root = _Folder({entry.name: entry for entry in objects.read_tree(tree)} if tree else {})

    def find(self, annotated: ObjectId) -> ObjectId | None:
        """The blob of an object's note; None if it has none."""
        for folder, rest in self._walk(annotated):
            entry = folder.entries.get(rest)
            if entry is not None and not entry.is_tree:
                return entry.id
        return None

    def put(self, annotated: ObjectId, blob: ObjectId) -> None:
        """Set the note of an object, and take away what else stood for one."""
        if self.find(annotated) == blob:
            return
        *_, (folder, rest) = self._walk(annotated)
        for other, name in list(self._walk(annotated)):
            entry = other.entries.get(name)
            if entry is not None and not entry.is_tree:
                del other.entries[name]
                other.is_changed = True
        self._add(folder, rest, blob)

    def finish(self) -> tuple[ObjectId, list[tuple[ObjectKind, bytes]]]:
        """The tree, and the trees that are new."""
        new: list[tuple[ObjectKind, bytes]] = []
        return self._encode(self._root, new), new

    def _walk(self, annotated: ObjectId) -> Iterator[tuple[_Folder, bytes]]:
        """The folders in which an object's note can stand, from the root, and its name in each."""
        folder, rest = self._root, annotated.encode()
        while True:
            yield folder, rest
            inner = self._open(folder, rest[:_PREFIX]) if len(rest) > _PREFIX else None
            if inner is None:
                return
            folder, rest = inner, rest[_PREFIX:]

    def _open(self, folder: _Folder, name: bytes) -> _Folder | None:
        entry = folder.entries.get(name)
        if name not in folder.folders and entry is not None and entry.is_tree:
            read = self._objects.read_tree(entry.id)
            folder.folders[name] = _Folder({each.name: each for each in read})
        return folder.folders.get(name)

    def _add(self, folder: _Folder, name: bytes, blob: ObjectId) -> None:
        """Put a note into a folder, or into the one of its digits where the folder is divided."""
        is_divided = any(_is_folder(entry) for entry in folder.entries.values()) or folder.folders
        if is_divided and len(name) > _PREFIX:
            self._add(self._open_or_make(folder, name[:_PREFIX]), name[_PREFIX:], blob)
            folder.is_changed = True
            return
        folder.entries[name] = TreeEntry(name, FILE_MODE, blob)
        folder.is_changed = True
        here = [each for each in folder.entries.values() if _is_note(each, len(name))]
        if len(here) > FOLDER_NOTES_MAX and len(name) > _PREFIX:
            for each in here:
                del folder.entries[each.name]
                self._add(self._open_or_make(folder, each.name[:_PREFIX]), each.name[_PREFIX:], each.id)

    def _open_or_make(self, folder: _Folder, name: bytes) -> _Folder:
        return self._open(folder, name) or folder.folders.setdefault(name, _Folder({}, is_changed=True))

    def _encode(self, folder: _Folder, new: list[tuple[ObjectKind, bytes]]) -> ObjectId:
        for name, inner in folder.folders.items():
            if not _is_touched(inner):
                continue
            inner_tree = self._encode(inner, new)
            folder.entries.pop(name, None)
            if inner.entries:
                folder.entries[name] = TreeEntry(name, TREE_MODE, inner_tree)
            folder.is_changed = True
        content = encode_tree(folder.entries.values())
        if folder.is_changed:
            new.append((ObjectKind.TREE, content))
        return object_id(ObjectKind.TREE, content, self._objects.algorithm)


def _is_touched(folder: _Folder) -> bool:
    return folder.is_changed or any(_is_touched(inner) for inner in folder.folders.values())


def _is_folder(entry: TreeEntry) -> bool:
    return entry.is_tree and len(entry.name) == _PREFIX and bool(_HEXADECIMAL.match(entry.name))


def _is_note(entry: TreeEntry, length: int) -> bool:
    return not entry.is_tree and len(entry.name) == length and bool(_HEXADECIMAL.match(entry.name))


class _Work:
    """One write on its way."""

    def __init__(
        self,
        ref: RefName,
        notes: Mapping[ObjectId, bytes],
        repository: Repository,
        principal: Principal,
        receiver: Receiver,
    ) -> None:
        self._ref = ref
        self._notes = notes
        self._repository = repository
        self._principal = principal
        self._receiver = receiver
        self._objects = repository.view.objects

    def find_head(self) -> ObjectId | None:
        """The newest commit of the notes."""
        value = self._repository.view.refs.snapshot().refs.get(self._ref)
        return value.id if value else None

    def build(self, old: ObjectId | None) -> tuple[ObjectId, bytes] | None:
        """The commit on top of another, and the pack with it; None when it would change nothing."""
        algorithm = self._objects.algorithm
        old_tree = self._objects.read_commit(old).tree if old else None
        tree = NotesTree(self._objects, old_tree)
        blobs: dict[ObjectId, bytes] = {}
        for annotated, content in self._notes.items():
            blob = object_id(ObjectKind.BLOB, content, algorithm)
            if tree.find(annotated) != blob:
                blobs[blob] = content
                tree.put(annotated, blob)
        if not blobs:
            return None
        new_tree, trees = tree.finish()
        actor = self._principal.actor
        now_ms = self._receiver.hosting.clock.now_ms()
        author, committer = make_identities(actor, None, None, now_ms)
        message = (
            f"Notes of {len(self._notes)} commits, written by {actor.name}\n\n"
            f"Token: {self._principal.token.id}\n"
        )
        content = encode_commit(new_tree, (old,) if old else (), author, committer, message)
        objects = [(ObjectKind.BLOB, each) for each in blobs.values()]
        pack = io.BytesIO()
        write_pack([*objects, *trees, (ObjectKind.COMMIT, content)], pack, algorithm)
        return object_id(ObjectKind.COMMIT, content, algorithm), pack.getvalue()

    def deliver(self, old: ObjectId | None, commit: ObjectId, pack: bytes) -> Event | None:
        """Push the commit; None when the ref is not at `old` any more."""
        push = Push(self._principal, (RefCommand(self._ref, old, commit),), io.BytesIO(pack), atomic=True)
        receipt = self._receiver.receive(push, self._repository)
        if receipt.unpack_error:
            raise PushRefused(receipt.unpack_error, rule="object-check")
        error = receipt.results[0].error
        if receipt.event is None and not is_stale(error):
            raise PushRefused(error or "refused", rule="ref-check")
        return receipt.event
