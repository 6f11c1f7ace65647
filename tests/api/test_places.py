"""Addresses of pages and back: every ref and every path survives the trip."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.api.web.places import place_address, read_place, resolve_head, revision_of
from imprint.store.catalog.ports import RefSnapshot
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import ObjectKind
from imprint.store.plumbing import Plumbing
from imprint.store.types import ObjectId, RefName, RefValue
from imprint.store.view import RepositoryView


class FixedRefs:
    """Refs that a test names."""

    def __init__(self, refs: dict[RefName, RefValue]) -> None:
        self._refs = refs

    def snapshot(self) -> RefSnapshot:
        return RefSnapshot(1, RefName(b"refs/heads/main"), self._refs)


def view_of(*names: bytes) -> tuple[RepositoryView, dict[RefName, ObjectId]]:
    """A repository with these refs, each at a commit of its own."""
    objects = MemoryObjects()
    tree = objects.add(ObjectKind.TREE, b"")
    commits = {}
    for number, name in enumerate(names):
        text = f"tree {tree}\nauthor A <a@b> {number} +0000\ncommitter A <a@b> {number} +0000\n\nx\n"
        commits[RefName.parse(name)] = objects.add(ObjectKind.COMMIT, text.encode())
    refs = FixedRefs({name: RefValue(commit) for name, commit in sorted(commits.items())})
    return RepositoryView("repo", "acme/app", objects, refs, Plumbing(Path("/nonexistent"))), commits


CLASHING = (
    b"refs/heads/main",
    b"refs/heads/feature/deep",
    b"refs/heads/v1",
    b"refs/tags/v1",
    b"refs/heads/HEAD",
    b"refs/heads/tags/v1",
    b"refs/notes/ai",
    b"refs/heads/caf\xe9",
    "refs/heads/größe".encode(),
    b"refs/heads/100%",
    b"refs/heads/a#b",
    b'refs/heads/"quoted"',
)


@pytest.mark.parametrize("name", CLASHING)
def test_every_ref_is_found_again_under_its_revision(name: bytes) -> None:
    view, commits = view_of(*CLASHING)
    snapshot = view.refs.snapshot()
    ref = RefName.parse(name)
    address = place_address("acme/app", "tree", revision_of(snapshot, ref), b"src/a.py")
    place = read_place(view, unquote(address.removeprefix("/acme/app/tree/")))
    assert (place.commit, place.path) == (commits[ref], b"src/a.py")


@given(st.binary(min_size=1).filter(lambda raw: not raw.startswith(b"/") and not raw.endswith(b"/")))
def test_every_path_of_bytes_comes_back(path: bytes) -> None:
    view, _ = view_of(b"refs/heads/main")
    address = place_address("acme/app", "blob", "main", path)
    assert address.isascii()
    assert read_place(view, unquote(address.removeprefix("/acme/app/blob/"))).path == path


def test_the_longest_ref_wins_over_a_folder_of_the_same_name() -> None:
    view, commits = view_of(b"refs/heads/main", b"refs/tags/main/next")
    place = read_place(view, "main/next/a.py")
    assert (place.commit, place.path) == (commits[RefName(b"refs/tags/main/next")], b"a.py")


def test_a_commit_id_is_a_revision() -> None:
    view, commits = view_of(b"refs/heads/main")
    commit = commits[RefName(b"refs/heads/main")]
    place = read_place(view, f"{commit}/a/b")
    assert (place.revision, place.path) == (commit, b"a/b")


def test_head_is_shown_under_its_branch() -> None:
    view, _ = view_of(b"refs/heads/main", b"refs/tags/main")
    place = resolve_head(view)
    assert place is not None
    assert place.revision == "refs/heads/main"


def test_an_unborn_head_is_nowhere() -> None:
    assert resolve_head(view_of(b"refs/heads/other")[0]) is None
