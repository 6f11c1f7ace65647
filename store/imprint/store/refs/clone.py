"""The refs of somebody's clone, as its own git sees them: loose, packed or in a reftable."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.errors import BadRefName, ObjectMissing, PlumbingFailed
from imprint.store.objects.ports import ObjectKind
from imprint.store.types import ObjectId, RefName, RefValue

if TYPE_CHECKING:
    from imprint.store.objects.ports import Objects
    from imprint.store.plumbing import Plumbing

DETACHED: Final = RefName(b"HEAD")
"""Stands for a HEAD that names a commit and no branch; it is then among the refs, under this name."""

# git lets only commits stand there (refs.c), so that the objects need not be asked.
_COMMITS_ONLY: Final = (b"refs/heads/", b"refs/remotes/")


class CloneRefs:
    """Reads a clone's refs anew with every snapshot. Safe to share between threads.

    Left out are refs that Imprint has no name for, such as `refs/stash`: a full name has a namespace.

    Args:
        plumbing: git on the clone; for a linked worktree on the worktree's own folder, whose HEAD it is.
        objects: the clone's objects.
    """

    def __init__(self, plumbing: Plumbing, objects: Objects) -> None:
        self._plumbing = plumbing
        self._objects = objects

    def snapshot(self) -> RefSnapshot:
        """HEAD and every ref, sorted by name.

        A clone has no generations: the number changes when a ref does, and says nothing else. Git reads loose
        refs one by one, so that refs which move at this moment may be of slightly different moments.
        """
        listed = self._plumbing.run("for-each-ref", "--format=%(objectname) %(refname)")
        refs = dict(filter(None, map(self._read_line, listed.splitlines())))
        head, detached_id = self._read_head()
        if detached_id:
            refs[head] = RefValue(detached_id)
        digest = hashlib.sha256(b"%s\0%s" % (head, listed)).digest()
        generation = int.from_bytes(digest[:7], "big")  # 56 bits fit every integer column
        return RefSnapshot(generation, head, dict(sorted(refs.items())))

    def _read_line(self, line: bytes) -> tuple[RefName, RefValue] | None:
        text, _, name = line.partition(b" ")
        try:
            parsed = RefName.parse(name)
        except BadRefName:
            return None
        target = ObjectId.parse(text)
        return parsed, RefValue(target, None if name.startswith(_COMMITS_ONLY) else self._find_peeled(target))

    def _find_peeled(self, target: ObjectId) -> ObjectId | None:
        """What a tag finally points at; None for anything else, also for a tag that is not here."""
        peeled = None
        try:
            while self._objects.find_kind(target) is ObjectKind.TAG:
                peeled = target = self._objects.read_tag(target).target
        except ObjectMissing:
            return None
        return peeled

    def _read_head(self) -> tuple[RefName, ObjectId | None]:
        """The branch that HEAD names; or, when it names none, the stand-in and the commit."""
        try:
            name = self._plumbing.run("symbolic-ref", "--quiet", "HEAD").rstrip(b"\n")
            return RefName.parse(name), None
        except (PlumbingFailed, BadRefName):
            found = self._plumbing.run("rev-parse", "--verify", "--quiet", "HEAD")
            return DETACHED, ObjectId.parse(found.strip())
