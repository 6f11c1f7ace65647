"""Maintenance by hand, and what the doctor says of packs."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def pack_dir(imprint, work_tree, tmp_path: Path) -> Path:
    """Where the packs of `acme/app` are; it has three, and a commit that no ref reaches any more."""
    work_tree.commit_file("a.txt", "one\n")
    assert imprint("import", str(work_tree.folder), "acme/app", "--data", "data").code == 0
    work_tree.commit_file("a.txt", "two\n")
    assert imprint("import", str(work_tree.folder), "acme/app", "--data", "data").code == 0
    work_tree("reset", "-q", "--hard", "HEAD~1")
    work_tree.commit_file("a.txt", "three\n")
    assert imprint("import", str(work_tree.folder), "acme/app", "--data", "data").code == 0
    (bare,) = (tmp_path / "data" / "ground" / "repositories").glob("*.git")
    return bare / "objects" / "pack"


def test_a_repository_is_maintained_by_hand(imprint, pack_dir) -> None:
    ended = imprint("repo", "maintain", "acme/app", "--data", "data", "--json")
    assert ended.document["round"]["packs_before"] == 3
    assert ended.document["survey"]["packs"] < 3
    assert ended.document["survey"]["bitmap"] is True
    ended = imprint("repo", "maintain", "acme/app", "--all", "--data", "data")
    assert ended.code == 0
    assert "now; " in ended.stdout
    assert list(pack_dir.glob("multi-pack-index"))


def test_pruning_says_what_would_go_and_then_drops_it(imprint, pack_dir) -> None:
    ask = ("repo", "prune", "acme/app", "--older-than", "0s", "--data", "data")
    would = imprint(*ask, "--dry-run", "--json").document
    assert (would["dry_run"], would["event"]) == (True, None)
    done = imprint(*ask, "--json").document
    assert done["objects"] == would["objects"] > 0
    assert done["event"] > 0
    assert imprint(*ask).stdout == "dropped 0 objects, 0 bytes\n"


def test_a_prune_names_a_duration(imprint, pack_dir) -> None:
    assert imprint("repo", "prune", "acme/app", "--older-than", "never", "--data", "data").code == 2
    assert imprint("repo", "prune", "acme/app", "--data", "data").code == 2


def test_the_doctor_sees_packs_that_have_vanished(imprint, pack_dir, tmp_path: Path) -> None:
    def look():
        ended = imprint("doctor", "--data", "data", "--json")
        (check,) = [each for each in ended.document["checks"] if each["what"] == "packs of acme/app"]
        return ended.code, check["ok"], check["found"]

    code, is_well, found = look()
    assert (code, is_well) == (0, True)
    assert found.startswith("3 packs, 3 not indexed, no bitmaps, no commit-graph")
    imprint("repo", "maintain", "acme/app", "--all", "--data", "data")
    assert "0 not indexed, bitmaps, commit-graph 0 events behind, " in look()[2]
    for path in list(pack_dir.glob("*.pack")):
        shutil.move(path, tmp_path)
    code, is_well, found = look()
    assert (code, is_well) == (1, False)
    assert "is missing" in found
    ended = imprint("repo", "maintain", "acme/app", "--data", "data")
    assert ended.code == 1
    assert "objects are lost" in ended.stderr


def test_a_damaged_pack_is_found_and_named(imprint, pack_dir) -> None:
    damaged = min(pack_dir.glob("*.pack"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.chmod(0o600)
    damaged.write_bytes(content)
    looked = imprint("doctor", "--data", "data", "--json")
    assert (looked.code, looked.document["ok"]) == (1, False)
    (check,) = [each for each in looked.document["checks"] if each["what"] == "packs of acme/app"]
    assert not check["ok"]
    assert f"{damaged.stem} is damaged: restore {damaged}" in check["found"]


@pytest.mark.parametrize("kind", ["commit", "tree"])
def test_a_round_on_a_damaged_pack_names_it_and_fails(imprint, work_tree, tmp_path: Path, kind) -> None:
    """The commit-graph cannot be made without the commit; without the tree only the bitmaps cannot."""
    work_tree.commit_file("a.txt", "one\n")
    assert imprint("import", str(work_tree.folder), "acme/app", "--data", "data").code == 0
    (damaged,) = (tmp_path / "data" / "ground" / "repositories").glob("*.git/objects/pack/*.pack")
    content = bytearray(damaged.read_bytes())
    listed = [line.split() for line in work_tree("verify-pack", "-v", str(damaged)).splitlines()]
    (offset,) = [int(each[4]) for each in listed if each[1] == kind]
    content[offset + 4] ^= 0xFF
    damaged.chmod(0o600)
    damaged.write_bytes(content)
    ended = imprint("repo", "maintain", "acme/app", "--data", "data")
    assert ended.code == 1
    assert f"{damaged.stem} is damaged" in ended.stderr
