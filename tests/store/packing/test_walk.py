"""Walks over commits beside `git rev-list`, where clocks went wrong too."""

import random

import pytest
from tests.store.packing.histories import Source

from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.choosing.reach import Floor
from imprint.store.packing.choosing.walk import Commits, sort_parents_first, walk_new

COMMITS = 60


def make_skewed(folder, seed: int) -> Source:
    """A history with merges, whose commits have any time."""
    chance = random.Random(seed)
    source = Source(folder, 20)
    folder.mkdir()
    source.git("init", "-q", "--bare")
    made = []
    for number in range(1, COMMITS + 1):
        parents = sorted(chance.sample(range(1, number), min(number - 1, chance.choice((1, 1, 1, 2, 3)))))
        made.append(f"commit refs/heads/c{number}\nmark :{number}")
        made.append(f"committer A <a@example.com> {10**9 + chance.randrange(10**6)} +0000\ndata 1\nm")
        kinds = ["from", *["merge"] * COMMITS]
        made += [f"{kind} :{parent}" for kind, parent in zip(kinds, parents, strict=False)]
        made.append(f"M 644 inline file{number % 7}\ndata 4\n{number:4}\n")
    source.git("fast-import", "--quiet", stdin="\n".join(made).encode() + b"\n")
    source.git("repack", "-adq")
    source.commits = [
        source.git("rev-parse", f"c{number}").decode().strip() for number in range(1, COMMITS + 1)
    ]
    return source


def list_reached(source: Source, wants, haves, *options: str) -> set[str]:
    listed = source.git("rev-list", *options, *wants, "--not", *haves).decode().split("\n")
    return {line.partition(" ")[0] for line in listed if line}


def verify_parents_first(source: Source, ordered: list[bytes]) -> None:
    places = {raw_id.hex(): place for place, raw_id in enumerate(ordered)}
    for raw_id, place in places.items():
        for parent in source.git("rev-parse", f"{raw_id}^@").decode().split():
            assert places.get(parent, -1) < place


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_graph", [True, False])
def test_new_commits_are_those_of_git(tmp_path, seed: int, with_graph: bool) -> None:
    source = make_skewed(tmp_path / "skewed.git", seed)
    if with_graph:
        source.look_up()
    chance = random.Random(seed)
    commits = Commits(Contents(source.stock()))
    for _ in range(8):
        wants, haves = chance.sample(source.commits, 2), chance.sample(source.commits, 3)
        walked = walk_new(commits, map(bytes.fromhex, wants), map(bytes.fromhex, haves))
        new = {raw_id.hex() for raw_id in walked.new}
        expected = list_reached(source, wants, haves)
        assert new == expected if with_graph else new >= expected
        assert list(walked.parents) == walked.new
        verify_parents_first(source, walked.new)
        for raw_id, tree in walked.trees.items():
            assert source.git("rev-parse", f"{raw_id.hex()}^{{tree}}").decode().strip() == tree.hex()


def test_parents_come_first_whatever_the_order_was(tmp_path) -> None:
    source = make_skewed(tmp_path / "skewed.git", 5)
    commits = Commits(Contents(source.stock()))
    raw_ids = [bytes.fromhex(each) for each in source.commits]
    for seed in range(5):
        given = random.Random(seed).sample(raw_ids, COMMITS // 2)
        ordered = sort_parents_first(given, commits)
        assert sorted(ordered) == sorted(given)
        verify_parents_first(source, ordered)
    assert sort_parents_first(raw_ids[::-1], commits) == raw_ids


@pytest.mark.parametrize("seed", range(3))
def test_a_floor_holds_only_what_a_client_has(tmp_path, seed: int) -> None:
    source = make_skewed(tmp_path / "skewed.git", seed)
    source.look_up()
    stock = source.stock()
    contents = Contents(stock)
    tips = random.Random(seed).sample(source.commits, 4)
    floor = Floor(contents, map(bytes.fromhex, tips), Commits(contents))
    all_ids = list_reached(source, ["--all"], [], "--objects", "--no-object-names")
    held = {each for each in all_ids if floor.holds(bytes.fromhex(each))}
    assert held <= list_reached(source, tips, [], "--objects", "--no-object-names")
    assert held & set(source.commits)
