"""Entries of packs as clients push them, copied into packs that have not all of them."""

import hashlib
import random

import numpy as np
import pytest
from tests.store.packing.histories import Source

from imprint.store.packing.choosing.contents import Contents
from imprint.store.packing.files.pack import COMMIT, REF_DELTA
from imprint.store.packing.making.layout import Layout


@pytest.fixture
def whole(tmp_path) -> Source:
    """A file of which one line is changed again and again."""
    source = Source(tmp_path / "whole.git", 20)
    source.folder.mkdir()
    source.git("init", "-q", "--bare")
    lines = [random.Random(line).randbytes(20).hex() for line in range(60)]
    for number in range(9):
        lines[7 * number] = f"changed {number}"
        tree = source.git("hash-object", "-w", "--stdin", stdin="\n".join(lines).encode()).decode().strip()
        tree = source.git("mktree", stdin=f"100644 blob {tree}\tfile\n".encode()).decode().strip()
        parents = [f"-p{each}" for each in source.commits[-1:]]
        named = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        source.commits.append(source.git(*named, "commit-tree", tree, *parents, "-m", "m").decode().strip())
    return source


@pytest.fixture
def pushed(whole, tmp_path) -> Source:
    """A repository to push to."""
    source = Source(tmp_path / "pushed.git", 20)
    whole.git("init", "-q", "--bare", str(source.folder))
    return source


def leave_out_a_commit(source: Source, folder) -> np.ndarray:
    """Send all of the one pack but a commit, and have git read it; how far behind each named base lay."""
    stock = source.stock()
    (pack,) = stock.packs
    left_out = np.flatnonzero(pack.kinds == COMMIT)[-1]
    ranks = np.delete(np.arange(len(pack)), left_out)
    layout = Layout(Contents(stock), [(0, ranks)])
    sent = b"".join(layout.splices().blocks())
    assert len(sent) == layout.size_bytes
    source.git("init", "-q", "--bare", str(folder))
    source.git("index-pack", "--stdin", stdin=sent + hashlib.sha1(sent).digest(), folder=folder)
    listed = source.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", folder=folder)
    assert set(listed.decode().split()) == {pack.id_of(rank).hex() for rank in ranks.tolist()}
    named = np.flatnonzero(pack.kinds == REF_DELTA)
    return pack.bases[named] - named


def test_bases_that_were_added_to_a_thin_pack_lie_behind_their_deltas(whole, pushed, tmp_path) -> None:
    *_, old, tip = whole.commits
    pushed.git("index-pack", "--stdin", stdin=whole.pack([old]))
    first = set((pushed.folder / "objects" / "pack").iterdir())
    pushed.git("index-pack", "--stdin", "--fix-thin", stdin=whole.pack([tip], "--thin", haves=[old]))
    for path in first:
        path.unlink()
    behind = leave_out_a_commit(pushed, tmp_path / "client.git")
    assert (behind > 0).any()


def test_bases_that_were_named_are_found_by_their_distance(whole, pushed, tmp_path) -> None:
    pushed.git("index-pack", "--stdin", stdin=whole.pack(whole.commits, "--no-delta-base-offset"))
    behind = leave_out_a_commit(pushed, tmp_path / "client.git")
    assert len(behind)
    assert (behind < 0).all()
