"""What is kept of objects stays within its bound, and within its repository."""

import hashlib

from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.recent import RecentObjects
from imprint.store.types import ObjectId


def make(number: int, size: int = 1000) -> tuple[ObjectId, ObjectKind, bytes]:
    content = bytes([number]) * size
    return ObjectId(hashlib.sha1(content).hexdigest()), ObjectKind.TREE, content


def test_what_was_not_used_for_longest_goes_first() -> None:
    recent = RecentObjects(bytes_max=24_000)
    kept = [make(number) for number in range(20)]
    recent.keep("repo_1", kept[:18])
    assert recent.find("repo_1", kept[0][0]) == kept[0][1:]
    recent.keep("repo_1", kept[18:])
    found = [each for each in kept if recent.find("repo_1", each[0])]
    assert kept[0] in found
    assert kept[1] not in found
    assert sum(len(content) for _, _, content in found) <= 24_000


def test_what_is_too_large_to_keep_pushes_nothing_out() -> None:
    recent = RecentObjects(bytes_max=24_000)
    small, large = make(1), make(2, 20_000)
    recent.keep("repo_1", [small, large])
    assert recent.find("repo_1", small[0])
    assert recent.find("repo_1", large[0]) is None


def test_a_repository_is_told_nothing_of_another() -> None:
    recent = RecentObjects()
    recent.keep("repo_1", [make(1)])
    assert recent.find("repo_2", make(1)[0]) is None


def test_blobs_are_not_kept() -> None:
    recent = RecentObjects()
    object_id, _, content = make(1)
    recent.keep("repo_1", [(object_id, ObjectKind.BLOB, content)])
    assert recent.find("repo_1", object_id) is None
