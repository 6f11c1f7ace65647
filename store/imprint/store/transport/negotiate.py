"""What both sides of a fetch have: which wants may be given, what is common, and when enough is known.

Invariants:
    1. A want is allowed if a visible ref has it, or reaches it. Lying on disk is not enough: the object may
       be hidden, removed from every branch, or a crash's leftover.
    2. "Ready" is said only when every wanted commit reaches one that the client has. Not saying it costs
       a client another round, never an object.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from imprint.store.errors import RefMissing
from imprint.store.objects.ports import ObjectKind
from imprint.store.packing.facts import find_far_ready, find_present, list_lacking
from imprint.store.packing.shelf import Absent
from imprint.store.receive.connect import find_tips
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.refs.reached import list_unreached_commits, list_unreached_objects
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository
    from imprint.store.plumbing import Plumbing
    from imprint.store.receive.connect import Tip
    from imprint.store.refs.visible import VisibleRefs
    from imprint.store.types import RefValue

READY_COMMITS_MAX: Final = 50_000
"""How far behind a client may be for "ready" to be looked for; beyond, it says itself when it is done."""
MANY_TIPS: Final = 256
"""Above this many, git takes longer to read the tips than to walk what usually is asked for."""
_WANTS_AT_ONCE: Final = 1000


def visible_refs(repository: Repository, snapshot: RefSnapshot) -> VisibleRefs:
    """The refs that clients are shown."""
    return repository.serving.visible.of(snapshot, HiddenRefs.of(repository.record))


def find_ref(
    repository: Repository, snapshot: RefSnapshot, name: bytes, *, in_full: bool = False
) -> RefValue | None:
    """The visible ref that a name means, in the order of gitrevisions(7); None if there is none.

    Args:
        repository: whose.
        snapshot: its refs.
        name: `HEAD`, or a ref by its short or full name.
        in_full: only `HEAD` and full names count.
    """
    hides = HiddenRefs.of(repository.record).hides
    if name == b"HEAD":
        return None if hides(snapshot.head) else snapshot.refs.get(snapshot.head)
    for prefix in (b"",) if in_full else (b"", b"refs/", b"refs/tags/", b"refs/heads/"):
        value = snapshot.refs.get(RefName(prefix + name))
        if value and not hides(prefix + name):
            return value
    return None


def verify_wants(
    repository: Repository,
    snapshot: RefSnapshot,
    wants: Collection[ObjectId],
    recent_tips: Callable[[], frozenset[ObjectId]] = frozenset,
) -> None:
    """Check that the client may have what it wants.

    Args:
        repository: whose.
        snapshot: its refs.
        wants: what is asked for.
        recent_tips: gives ids that are allowed too, although no ref has them any more.

    Raises:
        RefMissing: no visible ref reaches it; it may not even exist.
    """
    doubtful = frozenset(wants) - visible_refs(repository, snapshot).ids
    if not doubtful:
        return
    tips = _find_wanted(repository.view.plumbing, doubtful)
    if not _find_unreachable(repository, snapshot, doubtful, tips):
        return
    if unreachable := _find_unreachable(repository, snapshot, doubtful - recent_tips(), tips):
        raise RefMissing(f"not our ref {unreachable}")  # git's words


def _find_wanted(plumbing: Plumbing, wants: Collection[ObjectId]) -> dict[ObjectId, Tip]:
    """What each of the wants is. The first one that is not there ends the search: asking must not be dear."""
    tips: dict[ObjectId, Tip] = {}
    ascending = sorted(wants)
    for begin in range(0, len(ascending), _WANTS_AT_ONCE):
        some = ascending[begin : begin + _WANTS_AT_ONCE]
        tips |= find_tips(plumbing, some)
        if absent := frozenset(some) - tips.keys():
            raise RefMissing(f"not our ref {min(absent)}")  # git's words
    return tips


def _find_unreachable(
    repository: Repository,
    snapshot: RefSnapshot,
    wants: Collection[ObjectId],
    tips: Mapping[ObjectId, Tip],
) -> ObjectId | None:
    """One of the wants that no visible ref reaches; None if all are fine."""
    plumbing = repository.view.plumbing
    visible = visible_refs(repository, snapshot).ids
    commits = frozenset(want for want in wants if tips[want].kind is ObjectKind.COMMIT)
    others = frozenset(wants) - commits
    if unreachable := list_unreached_commits(plumbing, commits, visible):
        return min(unreachable)
    return min(_find_unreachable_others(plumbing, snapshot, others, visible), default=None)


def find_visible(
    repository: Repository, snapshot: RefSnapshot, object_ids: Collection[ObjectId]
) -> frozenset[ObjectId]:
    """Those of the objects that are there and that visible refs reach."""
    plumbing = repository.view.plumbing
    visible = visible_refs(repository, snapshot).ids
    tips = find_tips(plumbing, frozenset(object_ids) - visible)
    commits = frozenset(each for each, tip in tips.items() if tip.kind is ObjectKind.COMMIT)
    unreachable = _find_unreachable_others(plumbing, snapshot, tips.keys() - commits, visible)
    unreachable |= list_unreached_commits(plumbing, commits, visible)
    return (visible & frozenset(object_ids)) | (tips.keys() - unreachable)


def find_common(repository: Repository, haves: Sequence[ObjectId]) -> list[ObjectId]:
    """Those of the client's objects that are here too, in its order."""
    if not haves:
        return []
    wanted = dict.fromkeys(haves)
    found: frozenset[ObjectId] = frozenset()
    with suppress(Absent):
        found = find_present(repository.serving.sender.stock(), wanted)
    find_kind = repository.view.objects.find_kind
    return [have for have in wanted if have in found or find_kind(have) is not None]


def is_ready(repository: Repository, wants: Collection[ObjectId], common: Collection[ObjectId]) -> bool:
    """Whether every wanted commit reaches one that the client has, or is reached by one."""
    if not common:
        return False
    sender = repository.serving.sender
    try:
        if (known := find_far_ready(sender.stock(), sender.memory, wants, common)) is not None:
            return known
        lacking, ends = list_lacking(sender.stock(), sender.memory, wants, common)
    except Absent:
        lacking, ends = _list_lacking(repository.view.plumbing, wants, common)
    if len(lacking) > READY_COMMITS_MAX:
        return False
    return not lacking.keys() & set(ends) - _descendants(lacking, frozenset(map(bytes.fromhex, common)))


def _list_lacking(
    plumbing: Plumbing, wants: Collection[ObjectId], common: Collection[ObjectId]
) -> tuple[Mapping[bytes, tuple[bytes, ...]], list[bytes]]:
    """As `list_lacking`, by git."""
    tips = find_tips(plumbing, wants)
    kinds = {ObjectKind.COMMIT, ObjectKind.TAG}
    ends = [str(tip.peeled or tip.id) for tip in tips.values() if tip.kind in kinds]
    listed = plumbing.run(
        "rev-list",
        "--parents",
        "--topo-order",
        "--reverse",
        f"--max-count={READY_COMMITS_MAX + 1}",
        "--stdin",
        stdin="".join([*(f"{end}\n" for end in ends), *(f"^{have}\n" for have in common)]).encode(),
    )
    lines = [[bytes.fromhex(each) for each in line.split()] for line in listed.decode("ascii").splitlines()]
    return {line[0]: tuple(line[1:]) for line in lines}, [bytes.fromhex(end) for end in ends]


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
    visible = visible_refs(repository, snapshot)
    if wanted >= visible.tag_ids:
        return ()
    tags = visible.tags
    sender = repository.serving.sender
    try:
        sent = sender.sent.find(sender.stock(), sender.memory, wants, common, boundary, tags)
    except Absent:
        sent = _find_sent(repository.view.plumbing, wants, common, boundary)
    along = (tag for commit, each in tags.items() if commit in sent for tag in each)
    return tuple(tag for tag in dict.fromkeys(along) if tag not in wanted)


def _find_sent(
    plumbing: Plumbing,
    wants: Collection[ObjectId],
    common: Collection[ObjectId],
    boundary: Collection[ObjectId],
) -> frozenset[ObjectId]:
    """The commits that a fetch brings, by git."""
    questions = "".join([*(f"{each}\n" for each in wants), *(f"^{each}\n" for each in common)])
    command = ["rev-list", "--stdin"]
    with tempfile.NamedTemporaryFile("w", suffix=".shallow") as shallow_file:
        if boundary:
            shallow_file.write("".join(f"{each}\n" for each in boundary))
            shallow_file.flush()
            command[:0] = ["--shallow-file", shallow_file.name]
        sent = plumbing.run(*command, stdin=questions.encode()).decode("ascii")
    return frozenset(ObjectId(line) for line in sent.split())


def _descendants(lacking: Mapping[bytes, tuple[bytes, ...]], common: frozenset[bytes]) -> set[bytes]:
    """Commits that reach a common one, of those whose parents are given, parents first; all by raw id."""
    reached: set[bytes] = set()
    for commit, parents in lacking.items():
        if not (common.isdisjoint(parents) and reached.isdisjoint(parents)):
            reached.add(commit)
    return reached


def _find_unreachable_others(
    plumbing: Plumbing,
    snapshot: RefSnapshot,
    object_ids: Collection[ObjectId],
    visible: Collection[ObjectId],
) -> frozenset[ObjectId]:
    """Those trees, blobs and tags that no visible ref reaches."""
    head_id = snapshot.head_id
    if object_ids and head_id and head_id in visible and len(visible) > MANY_TIPS:
        # Lazy fetches ask for what a checkout shows. Looking below HEAD first spares reading every tip.
        object_ids = list_unreached_objects(plumbing, object_ids, (head_id,))
    return list_unreached_objects(plumbing, object_ids, visible)
