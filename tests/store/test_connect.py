"""Connectivity: which tips are whole, and on whose word."""

import hashlib
import io
import struct
import subprocess
import zlib

import pytest

from imprint.store.catalog.ports import RefSnapshot
from imprint.store.limits import Limits
from imprint.store.objects.codec import encode_commit, encode_tree, object_id
from imprint.store.objects.ports import Identity, ObjectKind
from imprint.store.plumbing import Plumbing
from imprint.store.receive.connect import FLOOR_MAX, WALKS_MAX, Connectivity, Known, find_tips
from imprint.store.receive.quarantine import open_quarantine
from imprint.store.types import HashAlgorithm, ObjectId, RefName, RefValue


class Scene:
    """A bare repository, a quarantine beside it, and a stock repository to take objects from."""

    def __init__(self, bare, quarantine, git) -> None:
        self.bare = bare
        self.quarantine = quarantine
        self.git = git
        self.recorded: set[str] = set()

    def admit(self, *revisions: str) -> None:
        """Put a pack among the repository's own, with a row."""
        self.recorded.add(self.leave(*revisions))

    def leave(self, *revisions: str) -> str:
        """Put a pack among the repository's own, without a row."""
        said = Plumbing(self.bare).run("index-pack", "--stdin", stdin=self.pack(*revisions))
        return "pack-" + said.decode().split()[1]

    def pack(self, *revisions: str) -> bytes:
        return self.git.run(
            "pack-objects", "--revs", "--stdout", "-q", stdin="\n".join(revisions).encode()
        ).stdout

    def pack_exactly(self, *objects: str) -> bytes:
        return self.git.run("pack-objects", "--stdout", "-q", stdin="\n".join(objects).encode()).stdout

    def find_disconnected(
        self, *tips: str, known: tuple[str, ...] = (), near: tuple[str, ...] = (), pack: bytes | None = None
    ) -> set[str]:
        unpacked = self.quarantine.unpack(io.BytesIO(pack), Limits()) if pack else None
        refs = {RefName(b"refs/x/" + each.encode()): RefValue(ObjectId(each)) for each in known}
        snapshot = RefSnapshot(1, RefName(b"refs/heads/none"), refs)
        connectivity = Connectivity(
            self.quarantine,
            unpacked,
            Known(snapshot, [b"refs/x/" + each.encode() for each in near]),
            self.bare / "objects" / "pack",
            lambda: frozenset(self.recorded),
        )
        return set(connectivity.find_disconnected(ObjectId(tip) for tip in tips))


@pytest.fixture
def scene(tmp_path, git_client, work_tree):
    git_client(tmp_path)("init", "-q", "--bare", "bare.git")
    bare = tmp_path / "bare.git"
    with open_quarantine(bare, "q", Plumbing(bare), HashAlgorithm.SHA1) as quarantine:
        yield Scene(bare, quarantine, work_tree)


def test_a_whole_pack_is_connected(scene) -> None:
    scene.git.commit_file("a", "1")
    head = scene.git.commit_file("b", "2")
    assert scene.find_disconnected(head, pack=scene.pack(head)) == set()


def test_what_builds_on_a_known_ref_is_connected(scene) -> None:
    first = scene.git.commit_file("a", "1")
    scene.admit(first)
    second = scene.git.commit_file("b", "2")
    pack = scene.pack(second, f"^{first}")
    assert scene.find_disconnected(second, known=(first,), pack=pack) == set()


def test_the_same_without_the_ref_needs_the_row(scene) -> None:
    """Unreachable now, but admitted once: its pack has a row. Without the row it does not count."""
    first = scene.git.commit_file("a", "1")
    name = scene.leave(first)
    second = scene.git.commit_file("b", "2")
    pack = scene.pack(second, f"^{first}")
    assert scene.find_disconnected(second, pack=pack) == {second}
    scene.recorded.add(name)
    assert scene.find_disconnected(second) == set()


def test_a_base_that_completed_the_pack_is_not_vouched_for_by_it(scene) -> None:
    """A delta on a crash's leftover brings that commit into the pack, and nothing that it reaches."""
    leftover = scene.git.commit_file("a", "1")
    scene.leave(leftover)
    base = scene.git.run("cat-file", "commit", leftover).stdout
    pack, tip = pack_with_delta_on(leftover, base)
    assert scene.find_disconnected(leftover, tip, pack=pack) == {leftover}


def pack_with_delta_on(base_id: str, base: bytes) -> tuple[bytes, str]:
    """A thin pack of an empty tree, and of a commit of it that is a delta on another commit; and its id."""
    tree = encode_tree([])
    someone = Identity("Eve", "eve@example.com", 1, 0)
    commit = encode_commit(object_id(ObjectKind.TREE, tree), [], someone, someone, "new")
    pieces = [commit[at : at + 127] for at in range(0, len(commit), 127)]
    delta = varint(len(base)) + varint(len(commit)) + b"".join(bytes([len(each)]) + each for each in pieces)
    pack = struct.pack(">4sLL", b"PACK", 2, 2) + entry_header(2, len(tree)) + zlib.compress(tree)
    pack += entry_header(7, len(delta)) + bytes.fromhex(base_id) + zlib.compress(delta)
    return pack + hashlib.sha1(pack).digest(), object_id(ObjectKind.COMMIT, commit)


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def entry_header(kind: int, size: int) -> bytes:
    low, rest = kind << 4 | size & 0x0F, size >> 4
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def test_one_object_only_on_disk_is_enough_to_refuse(scene) -> None:
    head = scene.git.commit_file("a", "1")
    blob = scene.git("rev-parse", "HEAD:a")
    scene.leave(head)
    rest = scene.pack_exactly(head, scene.git("rev-parse", "HEAD^{tree}"))
    assert scene.find_disconnected(head, pack=rest) == {head}
    both = scene.pack_exactly(head, scene.git("rev-parse", "HEAD^{tree}"), blob)
    assert scene.find_disconnected(head, pack=both) == set()


def test_an_old_file_that_comes_back_is_found_in_the_admitted_packs(scene) -> None:
    """The walk stops at the newest known commit, not at every object below it."""
    scene.git.commit_file("a", "old content")
    scene.git.commit_file("a", "new content")
    known = scene.git("rev-parse", "HEAD")
    scene.admit(known)
    revert = scene.git.commit_file("a", "old content")
    commit = scene.git("rev-parse", "HEAD")
    pack = scene.pack_exactly(commit)
    assert scene.find_disconnected(revert, known=(known,), pack=pack) == set()


def test_the_ones_at_fault_are_found_among_many(scene) -> None:
    good = [scene.git.commit_file("a", str(number)) for number in range(12)]
    scene.git("checkout", "-q", "--orphan", "bad")
    bad = scene.git.commit_file("lost", "lost")
    tree = scene.git("rev-parse", "HEAD^{tree}")
    listed = scene.git("rev-list", "--objects", "--no-object-names", good[-1]).split()
    scene.recorded.add(scene.leave(bad))
    scene.recorded.clear()
    pack = scene.pack_exactly(*listed, bad, tree)
    assert scene.find_disconnected(*good, bad, pack=pack) == {bad}


def test_walks_are_bounded_and_what_is_left_is_refused(scene) -> None:
    good = scene.git.commit_file("a", "1")
    ghosts = [f"{number:040x}" for number in range(1, 2 * WALKS_MAX)]
    scene.admit(good)
    found = scene.find_disconnected(*ghosts, good)
    assert set(ghosts) <= found


def test_known_tips_need_no_walk(scene) -> None:
    assert scene.find_disconnected("1" * 40, known=("1" * 40,)) == set()


def test_tips_are_found_with_kind_and_peeled(scene) -> None:
    head = ObjectId(scene.git.commit_file("a", "1"))
    scene.git("tag", "-a", "v1", "-m", "x")
    tag = ObjectId(scene.git("rev-parse", "v1"))
    blob = ObjectId(scene.git("rev-parse", "HEAD:a"))
    scene.quarantine.unpack(io.BytesIO(scene.pack("v1")), Limits())
    ghost = ObjectId("1" * 40)
    tips = find_tips(scene.quarantine.beside, [head, tag, blob, ghost])
    assert {each: (tip.kind, tip.peeled) for each, tip in tips.items()} == {
        head: (ObjectKind.COMMIT, None),
        tag: (ObjectKind.TAG, head),
        blob: (ObjectKind.BLOB, None),
    }
    assert find_tips(scene.quarantine.beside, []) == {}


def test_with_many_known_refs_the_near_ones_are_enough_and_change_no_answer(scene) -> None:
    """The tips may build on a near ref, on another one, or on nothing."""
    base = scene.git.commit_file("a", "1")
    tree = scene.git("rev-parse", "HEAD^{tree}")
    known = [
        scene.git("commit-tree", tree, "-p", base, "-m", str(number)) for number in range(FLOOR_MAX + 10)
    ]
    scene.admit(base, *known)
    for parent, near in ((known[3], known[3]), (known[5], known[4]), (known[5], "1" * 40)):
        new = scene.git("commit-tree", tree, "-p", parent, "-m", "new")
        pack = scene.pack_exactly(new)
        assert scene.find_disconnected(new, known=tuple(known), near=(near,), pack=pack) == set()
    ghost = scene.git("commit-tree", tree, "-p", known[0], "-m", "ghost")
    assert scene.find_disconnected(ghost, known=tuple(known), near=(known[0],)) == {ghost}


def test_an_id_of_another_format_is_nothing_though_git_would_find_something_by_it(tmp_path, work_tree):
    bare = tmp_path / "bare.git"
    work_tree("init", "-q", "--bare", str(bare))
    tip = work_tree.commit_file("a.txt", "one\n")
    name = "a" * 64
    work_tree("push", "-q", str(bare), f"{tip}:refs/heads/{name}")
    assert find_tips(Plumbing(bare), [ObjectId(name)]) == {}
    assert find_tips(Plumbing(bare), [ObjectId(tip)]).keys() == {tip}


def test_what_came_in_a_small_pack_is_told_from_the_rest_without_asking_git(scene, monkeypatch) -> None:
    """One walk; what it meets that came in no pack is looked for in recorded packs."""
    first = scene.git.commit_file("a", "1")
    scene.admit(first)
    second = scene.git.commit_file("b", "2")
    content, started = scene.pack(second, f"^{first}"), []
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **how: started.append(words) or start(words, **how)
    )
    assert scene.find_disconnected(second, known=(first,), pack=content) == set()
    assert sum("rev-list" in words for words in started) == 1
    assert not any("cat-file" in words for words in started)
