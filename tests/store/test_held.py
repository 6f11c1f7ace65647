"""Packs in memory become the files that git writes of the same packs."""

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.store.objects.codec import object_id
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive import packs
from imprint.store.receive.small.held import HeldEntry, HeldPack, hold, join, render
from imprint.store.types import HashAlgorithm

BLOBS = st.lists(st.binary(max_size=300), max_size=12)


def held(contents: list[bytes], algorithm: HashAlgorithm = HashAlgorithm.SHA1) -> HeldPack:
    kind = ObjectKind.BLOB
    return hold([(object_id(kind, each, algorithm), kind, each) for each in contents], algorithm)


def write(pack: HeldPack, folder: Path) -> Path:
    """Its files; the path of its index."""
    files = render(pack)
    for suffix, content in files.contents.items():
        (folder / f"{files.name}{suffix}").write_bytes(content)
    return folder / f"{files.name}.idx"


@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_the_files_are_those_that_git_writes(tmp_path, algorithm) -> None:
    pack = held([b"%d" % number * number for number in range(300)], algorithm)
    index = write(pack, tmp_path)
    command = ["git", "index-pack", f"--object-format={algorithm.value}", "-o", "git.idx"]
    done = subprocess.run(
        [*command, str(index.with_suffix(".pack"))], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"pack-{done.stdout.strip()}" == index.stem
    assert (tmp_path / "git.idx").read_bytes() == index.read_bytes()
    assert sorted(render(pack).contents) == [".idx", ".pack"]  # a file less to be synced
    assert len(render(pack).contents[".pack"]) == pack.size_bytes


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(BLOBS, min_size=1, max_size=4))
def test_packs_joined_have_each_object_once(tmp_path_factory, parts) -> None:
    folder = tmp_path_factory.mktemp("joined")
    pack = join([held(contents) for contents in parts])
    index = write(pack, folder)
    wanted = {object_id(ObjectKind.BLOB, each) for contents in parts for each in contents}
    if not wanted:
        return
    done = subprocess.run(
        ["git", "verify-pack", "-v", str(index)], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert sorted(line[0] for line in lines if len(line) > 3 and line[1] == "blob") == sorted(wanted)


def test_a_pack_with_deltas_is_joined_as_it_lies_or_not_at_all() -> None:
    whole = held([b"a", b"b"])
    other = HeldPack(HashAlgorithm.SHA1, b"12345", (HeldEntry(b"x" * 20, 5, 0),), is_whole=False)
    same = HeldPack(HashAlgorithm.SHA1, b"12345", (whole.entries[0],), is_whole=False)
    both = join([whole, other])
    assert both.body == whole.body + other.body
    assert not both.is_whole
    assert join([whole, same]) is None


def test_what_protects_packs_is_a_name_more_where_that_can_be(tmp_path):
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    (tmp_path / "imprint").mkdir()
    with packs.promotion_lock(tmp_path).hold():
        for name in ("pack-1", "pack-2", "pack-1"):
            packs.protect(name, folder)
    lock = tmp_path / "imprint" / "promote.lock"
    assert sorted(path.name for path in folder.iterdir()) == ["pack-1.keep", "pack-2.keep"]
    assert all(path.samefile(lock) for path in folder.iterdir())

    packs.remove("pack-1", folder)
    assert [path.name for path in folder.iterdir()] == ["pack-2.keep"]
    lock.unlink()  # as where names cannot be shared
    packs.protect("pack-3", folder)
    assert (folder / "pack-3.keep").stat().st_nlink == 1


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 70_000])
def test_git_reads_back_contents_of_any_length(tmp_path, size) -> None:
    """Up to 8 KiB they are packed with a narrow window."""
    contents = {bytes(size), random.Random(size).randbytes(size), (b"line of text\n" * size)[:size]}
    made = [(object_id(ObjectKind.BLOB, each), ObjectKind.BLOB, each) for each in contents]
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    packs.write([render(hold(made, HashAlgorithm.SHA1))], tmp_path / "objects" / "pack")
    subprocess.run(["git", "fsck", "--strict", "--no-dangling"], cwd=tmp_path, check=True)
    for each, _, content in made:
        read = subprocess.run(
            ["git", "cat-file", "blob", each], cwd=tmp_path, capture_output=True, check=True
        )
        assert read.stdout == content
