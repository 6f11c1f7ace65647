"""Whatever is asked for: a client ends with exactly the objects that git would have sent it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.packing.histories import PATHS, TEXTS, Source, as_ids, make_source

from imprint.store.packing.choosing import apart
from imprint.store.packing.choosing.memory import PackMemory
from imprint.store.packing.plan import WITHOUT_BLOBS, make_plan
from imprint.store.packing.request import PackRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.store.packing.shelf import Stock

History = list[tuple[tuple[int, ...], dict[str, int | None]]]


@dataclass(frozen=True)
class Asked:
    """A request by numbers: of commits, or of tags behind them."""

    wants: tuple[int, ...]
    haves: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    tags: bool = False
    blobs: bool = True
    thin: bool = True


@st.composite
def histories(draw: st.DrawFn) -> History:
    history: History = []
    for number in range(draw(st.integers(2, 10))):
        below = st.integers(max(0, number - 4), number - 1)
        parents = draw(st.lists(below, max_size=min(3, number), unique=True)) if number else []
        texts = st.one_of(st.none(), st.integers(0, len(TEXTS) - 1))
        history.append((tuple(parents), draw(st.dictionaries(st.sampled_from(PATHS), texts, max_size=4))))
    return history


MADE = PackMemory(10**6)
"""Shared by all examples, as by all repositories of a server."""


def requests(count: int) -> st.SearchStrategy[Asked]:
    numbers = st.sets(st.integers(0, count - 1), max_size=min(3, count)).map(lambda each: tuple(sorted(each)))
    return st.builds(
        Asked,
        wants=numbers.filter(bool),
        haves=numbers,
        cut=st.one_of(st.just(()), numbers),
        tags=st.booleans(),
        blobs=st.sampled_from([True, True, False]),
        thin=st.booleans(),
    )


def send(stock: Stock, request: PackRequest, algorithm: str) -> bytes:
    """The whole pack."""
    layout = make_plan(stock, request, MADE)
    pack = b"".join(layout.splices().blocks())
    assert len(pack) == layout.size_bytes
    return pack + hashlib.new(algorithm, pack).digest()


class Client:
    """A repository that takes packs."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source, self._folder = source, folder
        name = {20: "sha1", 32: "sha256"}[source.id_bytes]
        source.git("init", "-q", "--bare", f"--object-format={name}", str(folder))

    def take(self, pack: bytes) -> None:
        self._source.git("index-pack", "--stdin", "--fix-thin", stdin=pack, folder=self._folder)

    def list_objects(self) -> list[str]:
        listed = self._source.git(
            "cat-file", "--batch-all-objects", "--batch-check=%(objectname)", folder=self._folder
        )
        return listed.decode().split()


def compare(source: Source, stock: Stock, asked: Asked, folder: Path) -> None:
    """Serve a request here and by git, and compare what clients have then."""
    wants = [source.commits[each] for each in asked.wants] + (source.tags if asked.tags else [])
    haves = [source.commits[each] for each in asked.haves]
    cut = [source.commits[each] for each in asked.cut]
    before = source.pack(haves, cut=cut) if haves else None
    options = ["--thin"] * asked.thin + [f"--filter={WITHOUT_BLOBS}"] * (not asked.blobs)
    request = PackRequest(
        as_ids(wants), as_ids(haves), shallow=as_ids(cut), thin=asked.thin, ofs_delta=True,
        filter="" if asked.blobs else WITHOUT_BLOBS,
    )  # fmt: skip
    ours = send(stock, request, "sha1" if source.id_bytes == 20 else "sha256")
    outcomes = []
    for name, pack in (("ours", ours), ("git", source.pack(wants, *options, haves=haves, cut=cut))):
        client = Client(source, folder / name)
        if before:
            client.take(before)
        client.take(pack)
        outcomes.append(client.list_objects())
    assert outcomes[0] == outcomes[1]


def check_history(history: History, chosen: st.DataObject, algorithm: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tags = chosen.draw(st.lists(st.integers(0, len(history) - 1), max_size=2, unique=True))
        whole = make_source(folder / "whole.git", history, tags, algorithm)
        source = Source(folder / "source.git", whole.id_bytes, whole.commits, whole.tags)
        whole.git("clone", "-q", "--bare", str(whole.folder), str(source.folder))
        for path in (source.folder / "objects" / "pack").iterdir():
            path.unlink()
        held: list[str] = []
        for end in sorted({*chosen.draw(st.lists(st.integers(1, len(history)), max_size=2)), len(history)}):
            fresh = whole.commits[len(held) : end]
            tagged = whole.tags if end == len(history) else []
            named = ["--no-delta-base-offset"] * chosen.draw(st.booleans())
            pack = whole.pack([*fresh, *tagged], "--thin", *named, haves=held)
            source.git("index-pack", "--stdin", "--fix-thin", stdin=pack)
            held += fresh
            if chosen.draw(st.booleans()):
                source.git("multi-pack-index", "write", "--bitmap", f"--refs-snapshot={_tips(folder, held)}")
                tips = "".join(f"{each}\n" for each in held).encode()
                source.git("commit-graph", "write", "--stdin-commits", "--split", stdin=tips)
        stock = source.stock()
        for number in range(rounds):
            asked = chosen.draw(requests(len(history)))
            (folder / str(number)).mkdir()
            compare(source, stock, asked, folder / str(number))


def _tips(folder: Path, tips: Sequence[str]) -> Path:
    path = folder / "tips"
    path.write_text("".join(f"{each}\n" for each in tips))
    return path


@settings(max_examples=12, deadline=None)
@given(history=histories(), chosen=st.data())
def test_random_requests_on_random_histories(history, chosen) -> None:
    check_history(history, chosen, "sha1", 4)


@settings(max_examples=3, deadline=None)
@given(history=histories(), chosen=st.data())
def test_likewise_with_long_ids(history, chosen) -> None:
    check_history(history, chosen, "sha256", 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=400, deadline=None)
@given(history=histories(), chosen=st.data())
def test_many_more(history, chosen) -> None:
    check_history(history, chosen, "sha1", 8)


@settings(max_examples=12, deadline=None)
@given(history=histories(), chosen=st.data())
def test_likewise_where_every_distance_is_far(history, chosen) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "FAR_COMMITS", 0)
        check_history(history, chosen, "sha1", 4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=400, deadline=None)
@given(history=histories(), chosen=st.data())
def test_many_more_that_are_far(history, chosen) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "FAR_COMMITS", 0)
        check_history(history, chosen, "sha1", 8)
