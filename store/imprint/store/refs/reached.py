"""Which objects some tips do not reach.

Invariant: the answer does not depend on the times of commits. `git rev-list` goes by them, and may list what
an excluded tip reaches where clocks went wrong; it never leaves out what none reaches. So commits that it
lists are looked for below the tips once more, in a walk from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Collection

    from imprint.store.plumbing import Plumbing

_CHUNK_BYTES: Final = 64 * 1024


def list_unreached_commits(
    plumbing: Plumbing, commits: Collection[ObjectId], tips: Collection[ObjectId]
) -> frozenset[ObjectId]:
    """Those of the commits that none of the tips reaches."""
    if not commits:
        return frozenset()
    questions = "".join([*(f"{each}\n" for each in sorted(commits)), *(f"^{each}\n" for each in tips)])
    if not plumbing.run("rev-list", "--max-count=1", "--stdin", stdin=questions.encode()):
        return frozenset()
    return _walk_down(plumbing, commits, tips)


def list_unreached_objects(
    plumbing: Plumbing, object_ids: Collection[ObjectId], tips: Collection[ObjectId]
) -> frozenset[ObjectId]:
    """Those of the trees, blobs and tags that none of the tips reaches."""
    return _walk_down(plumbing, object_ids, tips, "--objects", "--in-commit-order", "--no-object-names")


def _walk_down(
    plumbing: Plumbing, object_ids: Collection[ObjectId], tips: Collection[ObjectId], *options: str
) -> frozenset[ObjectId]:
    """Those that are not below the tips. The walk goes from the newest commits down, and ends when it can."""
    left = {each.encode() for each in object_ids}
    if not left:
        return frozenset()
    with plumbing.stream("rev-list", *options, "--stdin") as process:
        process.give("".join(f"{each}\n" for each in tips).encode())
        rest = b""
        while left and (piece := process.stdout.read(_CHUNK_BYTES)):
            lines, _, rest = (rest + piece).rpartition(b"\n")
            left.difference_update(lines.split(b"\n"))
        if left:
            process.finish()
    return frozenset(ObjectId.parse(each) for each in left)
