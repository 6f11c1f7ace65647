"""What both sides of a fetch have: which wants may be given, what is common, and when enough is known.

Invariants:
    1. A want is allowed if a visible ref has it, or reaches it. Lying on disk is not enough: the object may
       be hidden, removed from every branch, or a crash's leftover.
    2. "Ready" is said only when every wanted commit reaches one that the client has. Not saying it costs
       a client another round, never an object.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final

from imprint.store.connect import find_tips
from imprint.store.errors import RefMissing
from imprint.store.objects.ports import ObjectKind
from imprint.store.policy import is_hidden
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting import Repository
    from imprint.store.plumbing import Plumbing

READY_COMMITS_MAX: Final = 50_000
"""How far behind a client may be for "ready" to be looked for; beyond, it says itself when it is done."""
_CHUNK_BYTES: Final = 256 * 1024


def visible_ids(snapshot: RefSnapshot) -> frozenset[ObjectId]:
    """The ids that clients are shown: of refs, and of what their tags peel to."""
    return frozenset(
        each
        for name, value in snapshot.refs.items()
        if not is_hidden(name)
        for each in (value.id, value.peeled)
        if each
    )


def verify_wants(repository: Repository, snapshot: RefSnapshot, wants: Collection[ObjectId]) -> None:
    """Check that the client may have what it wants.

    Raises:
        RefMissing: no visible ref reaches it; it may not even exist.
    """
    visible = visible_ids(snapshot)
    doubtful = frozenset(wants) - visible
    if not doubtful:
        return
    plumbing = repository.view.plumbing
    tips = find_tips(plumbing, doubtful)
    for want in sorted(doubtful - tips.keys()):
        raise _not_ours(want)
    commits = frozenset(want for want in doubtful if tips[want].kind is ObjectKind.COMMIT)
    unreachable = _find_unreachable_commit(plumbing, commits, visible) or _find_unreachable_object(
        plumbing, doubtful - commits, visible
    )
    if unreachable:
        raise _not_ours(unreachable)


def find_common(repository: Repository, haves: Sequence[ObjectId]) -> list[ObjectId]:
    """Those of the client's objects that are here too, in its order."""
    if not haves:
        return []
    answers = repository.view.plumbing.run(
        "cat-file",
        "--buffer",
        "--batch-check=%(objectname)",
        stdin="".join(f"{have}\n" for have in haves).encode(),
    )
    found = frozenset(answers.decode().splitlines())
    return [have for have in dict.fromkeys(haves) if have in found]


def is_ready(repository: Repository, wants: Collection[ObjectId], common: Collection[ObjectId]) -> bool:
    """Whether every wanted commit reaches one that the client has, or is reached by one."""
    if not common:
        return False
    plumbing = repository.view.plumbing
    tips = find_tips(plumbing, wants)
    ends = [tip.peeled or tip.id for tip in tips.values() if tip.kind in {ObjectKind.COMMIT, ObjectKind.TAG}]
    listed = plumbing.run(
        "rev-list",
        "--parents",
        f"--max-count={READY_COMMITS_MAX + 1}",
        "--stdin",
        stdin="".join([*(f"{end}\n" for end in ends), *(f"^{have}\n" for have in common)]).encode(),
    )
    lines = [line.split() for line in listed.decode("ascii").splitlines()]
    if len(lines) > READY_COMMITS_MAX:
        return False
    lacking = {line[0] for line in lines}
    return not lacking.intersection(ends) - _descendants(lines, frozenset[str](common))


def find_tags_along(
    repository: Repository,
    snapshot: RefSnapshot,
    wants: Collection[ObjectId],
    common: Collection[ObjectId],
    boundary: Collection[ObjectId],
) -> tuple[ObjectId, ...]:
    """Annotated tags of commits that are about to be sent: what `include-tag` asks for.

    git's own option would read ref files, which here may be behind the catalogue.

    Args:
        repository: whose.
        snapshot: its refs.
        wants: what is sent, with everything it reaches,
        common: less these, with everything they reach.
        boundary: commits to be taken for ones without parents.
    """
    wanted = frozenset(wants)
    tags = {
        value.peeled.encode(): value.id
        for name, value in snapshot.refs.items()
        if value.peeled and name.startswith(b"refs/tags/") and value.id not in wanted
    }
    if not tags:
        return ()
    questions = "".join([*(f"{each}\n" for each in wants), *(f"^{each}\n" for each in common)])
    command = ["rev-list", "--stdin"]
    with tempfile.NamedTemporaryFile("w", suffix=".shallow") as shallow_file:
        if boundary:
            shallow_file.write("".join(f"{each}\n" for each in boundary))
            shallow_file.flush()
            command[:0] = ["--shallow-file", shallow_file.name]
        sent = repository.view.plumbing.run(*command, stdin=questions.encode()).split(b"\n")
    return tuple(tags[commit] for commit in sent if commit in tags)


def _descendants(lines: Sequence[Sequence[str]], common: frozenset[str]) -> set[str]:
    """Commits that reach a common one, of lines that each name a commit and its parents."""
    children: dict[str, list[str]] = {}
    reached: set[str] = set()
    for commit, *parents in lines:
        if common.intersection(parents):
            reached.add(commit)
        for parent in parents:
            children.setdefault(parent, []).append(commit)
    waiting = list(reached)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in reached:
                reached.add(child)
                waiting.append(child)
    return reached


def _not_ours(want: ObjectId) -> RefMissing:
    """Git's words, so that clients which look for them find them."""
    return RefMissing(f"not our ref {want}")


def _find_unreachable_commit(
    plumbing: Plumbing, commits: Collection[ObjectId], tips: Collection[ObjectId]
) -> ObjectId | None:
    if not commits:
        return None
    questions = "".join([*(f"{each}\n" for each in sorted(commits)), *(f"^{each}\n" for each in tips)])
    listed = plumbing.run("rev-list", "--max-count=1", "--stdin", stdin=questions.encode())
    return ObjectId.parse(listed.strip()) if listed else None


def _find_unreachable_object(
    plumbing: Plumbing, object_ids: Collection[ObjectId], tips: Collection[ObjectId]
) -> ObjectId | None:
    """Walk from the newest commits down, with what each of them added, until everything was seen."""
    left = {each.encode() for each in object_ids}
    if not left:
        return None
    with plumbing.stream(
        "rev-list", "--objects", "--in-commit-order", "--no-object-names", "--stdin"
    ) as process:
        process.stdin.write("".join(f"{each}\n" for each in tips).encode())
        process.stdin.close()
        rest = b""
        while left and (piece := process.stdout.read(_CHUNK_BYTES)):
            lines, _, rest = (rest + piece).rpartition(b"\n")
            left.difference_update(lines.split(b"\n"))
        if left:
            process.finish()
    return ObjectId.parse(min(left)) if left else None
