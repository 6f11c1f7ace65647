"""Whether the large objects that a push names are here: cheap, bounded, and never a reason to fail.

Only blobs that have the length of a pointer are read, `CANDIDATES_MAX` at most. Pointers with extension lines
are longer, and those in a huge push may be more: both are missed, since this is for a friendly word only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from imprint.store.errors import StoreFailure
from imprint.store.lfs.pointer import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imprint.store.lfs.custody import Custody
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId

CANDIDATES_MAX: Final = 1000
"""Blobs of one push that are looked at."""
_log = logging.getLogger("imprint.store")


def warn_of_absent(custody: Custody, repository_id: str, contents: Iterable[bytes]) -> tuple[str, ...]:
    """What to tell somebody who pushed pointers to objects that the repository does not have.

    Args:
        custody: who knows which objects it has.
        repository_id: the repository.
        contents: of blobs that may be pointers; see `read_contents`.
    """
    try:
        pointers = {pointer for content in contents if (pointer := Pointer.read(content))}
        here = custody.find(repository_id, {pointer.oid for pointer in pointers})
    except StoreFailure as failure:
        _log.warning("%s: pointers were not looked at: %s", repository_id, failure)
        return ()
    absent = sum(pointer.size_bytes > 0 and pointer.oid not in here for pointer in pointers)
    if not absent:
        return ()
    objects = "1 large object" if absent == 1 else f"{absent} large objects"
    return (f"{objects} (Git LFS) that this push names did not come: git lfs push --all REMOTE",)


def read_contents(plumbing: Plumbing, blobs: Sequence[ObjectId]) -> Iterator[bytes]:
    """The contents of the first `CANDIDATES_MAX` blobs, from git."""
    if not blobs:
        return
    questions = "".join(f"{blob}\n" for blob in blobs[:CANDIDATES_MAX]).encode()
    answers = plumbing.run("cat-file", "--batch", "--buffer", stdin=questions)
    at = 0
    while at < len(answers):
        end = answers.index(b"\n", at)
        size = int(answers[at:end].split()[2])
        at = end + 1 + size + 1
        yield answers[end + 1 : at - 1]
