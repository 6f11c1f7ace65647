"""What refs promise to readers, wherever they live: rows of a catalogue, or files of a clone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.catalog.migrate import upgrade
from imprint.store.catalog.ports import Catalogue, RepositoryRecord
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import RepositoryMissing
from imprint.store.events import Admission, EventKind
from imprint.store.objects.git import GitObjects
from imprint.store.plumbing import Plumbing
from imprint.store.refs.catalogued import CataloguedRefs
from imprint.store.refs.clone import CloneRefs
from imprint.store.refs.ports import Refs
from imprint.store.types import (
    Anything,
    HashAlgorithm,
    ObjectId,
    RefName,
    RefUpdate,
    RefValue,
    RepositoryName,
)

MAIN = RefName.parse("refs/heads/main")
NOW_MS = 1_700_000_000_000


@dataclass
class Case:
    """An implementation, with ways to change what it reads and two commits and a tag to point at.

    Attributes:
        refs: the port.
        put: set a ref (a tag with what it peels to), or delete it with None.
        set_head: make HEAD name a ref.
        ids: two commits, an annotated tag, and the commit that it peels to.
    """

    refs: Refs
    put: Callable[..., None]
    set_head: Callable[[str], None]
    ids: tuple[ObjectId, ObjectId, ObjectId, ObjectId]


def catalogued(catalogue: Catalogue) -> Case:
    count = 0

    def admission(*updates: RefUpdate, head: RefName | None = None) -> Admission:
        nonlocal count
        count += 1
        return Admission(
            "repo_1", f"evt_{count}", EventKind.PUSH, NOW_MS, "ada", None, "allowed", updates, head
        )

    def put(name: str | bytes, target: ObjectId | None, peeled: ObjectId | None = None) -> None:
        catalogue.admit(admission(RefUpdate(RefName.parse(name), target, Anything(), peeled)))

    record = RepositoryRecord(
        "repo_1", RepositoryName("acme", "app"), HashAlgorithm.SHA1, MAIN, generation=0, created_at_ms=NOW_MS
    )
    catalogue.create_repository(record, admission())
    one, two, tag = (ObjectId(digit * 40) for digit in "123")
    return Case(
        CataloguedRefs(catalogue, "repo_1"),
        put,
        lambda name: catalogue.admit(admission(head=RefName.parse(name))) and None,
        (one, two, tag, one),
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> bytes:
    """A new catalogue's file, to be copied: making one runs every migration."""
    path = tmp_path_factory.mktemp("template") / "catalogue.db"
    upgrade(path)
    return path.read_bytes()


@pytest.fixture(params=["memory", "sqlite"])
def catalogue(request, tmp_path, template) -> Iterator[Catalogue]:
    opened: Catalogue = MemoryCatalogue()
    if request.param == "sqlite":
        (tmp_path / "catalogue.db").write_bytes(template)
        opened = SqlCatalogue.open_sqlite(tmp_path / "catalogue.db")
    yield opened
    opened.close()


def cloned(work_tree) -> Case:
    """A clone's own refs, changed by stock git."""
    one, two = (work_tree.commit_file("a", str(number)) for number in (1, 2))
    work_tree("tag", "-a", "-m", "one", "made", one)
    tag = ObjectId.parse(work_tree("rev-parse", "made"))
    work_tree("tag", "-d", "made")
    work_tree("update-ref", "-d", "refs/heads/main")

    def put(name: str | bytes, target: ObjectId | None, peeled: ObjectId | None = None) -> None:
        del peeled  # git finds it by itself
        text = name.decode() if isinstance(name, bytes) else name
        work_tree("update-ref", *([text, target] if target else ["-d", text]))

    git_dir = work_tree.folder / ".git"
    return Case(
        CloneRefs(Plumbing(git_dir), GitObjects(git_dir / "objects")),
        put,
        lambda name: work_tree("symbolic-ref", "HEAD", name) and None,
        (ObjectId.parse(one), ObjectId.parse(two), tag, ObjectId.parse(one)),
    )


@pytest.fixture(params=["memory", "sqlite", "clone"])
def case(request) -> Iterator[Case]:
    if request.param == "clone":
        opened = cloned(request.getfixturevalue("work_tree"))
        yield opened
        opened.refs._objects.close()
        return
    catalogue: Catalogue = MemoryCatalogue()
    if request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "catalogue.db"
        path.write_bytes(request.getfixturevalue("template"))
        catalogue = SqlCatalogue.open_sqlite(path)
    yield catalogued(catalogue)
    catalogue.close()


def test_an_empty_repository_has_an_unborn_head(case):
    snapshot = case.refs.snapshot()
    assert (snapshot.head, snapshot.refs, snapshot.head_id) == (MAIN, {}, None)


def test_a_snapshot_shows_each_change_made_before_it(case):
    one, two, _, _ = case.ids
    case.put("refs/heads/main", one)
    assert case.refs.snapshot().head_id == one
    case.put("refs/heads/main", two)
    case.put("refs/heads/dev", one)
    assert case.refs.snapshot().refs == {RefName.parse("refs/heads/dev"): RefValue(one), MAIN: RefValue(two)}
    case.put("refs/heads/dev", None)
    assert case.refs.snapshot().refs == {MAIN: RefValue(two)}


def test_a_snapshot_never_changes_once_given(case):
    one, two, _, _ = case.ids
    case.put("refs/heads/main", one)
    before = case.refs.snapshot()
    case.put("refs/heads/main", two)
    case.put("refs/heads/new", two)
    case.refs.snapshot()
    assert before.refs == {MAIN: RefValue(one)}


def test_refs_are_sorted_by_byte(case):
    names = [b"refs/tags/a", b"refs/heads/a/b", b"refs/heads/a-b", "refs/heads/é".encode(), b"refs/heads/Z"]
    for name in names:
        case.put(name, case.ids[0])
        assert list(case.refs.snapshot().refs) == sorted(case.refs.snapshot().refs)
    assert list(case.refs.snapshot().refs) == sorted(names)


def test_an_annotated_tag_carries_what_it_peels_to(case):
    one, _, tag, peeled = case.ids
    case.put("refs/tags/v1", tag, peeled)
    case.put("refs/tags/light", one)
    assert case.refs.snapshot().refs == {
        RefName.parse("refs/tags/light"): RefValue(one),
        RefName.parse("refs/tags/v1"): RefValue(tag, peeled),
    }


def test_head_follows_the_branch_it_names(case):
    one, two, _, _ = case.ids
    case.put("refs/heads/main", one)
    case.put("refs/heads/dev", two)
    case.set_head("refs/heads/dev")
    assert (case.refs.snapshot().head, case.refs.snapshot().head_id) == (RefName.parse("refs/heads/dev"), two)
    case.set_head("refs/heads/unborn")
    assert case.refs.snapshot().head_id is None


# -- refs of a catalogue --------------------------------------------------------------------------------


def test_snapshots_of_a_catalogue_name_their_generation(catalogue):
    case = catalogued(catalogue)
    assert case.refs.snapshot().generation == 1
    case.put("refs/heads/main", case.ids[0])
    assert case.refs.snapshot().generation == 2


def test_a_snapshot_is_kept_while_nothing_happens(catalogue):
    case = catalogued(catalogue)
    case.put("refs/heads/main", case.ids[0])
    assert case.refs.snapshot() is case.refs.snapshot()


def test_refs_of_a_purged_repository_are_missing(catalogue):
    with pytest.raises(RepositoryMissing):
        CataloguedRefs(catalogue, "repo_none").snapshot()
