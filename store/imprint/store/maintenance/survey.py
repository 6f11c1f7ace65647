"""What state a repository's files are in, for whoever looks after it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.errors import PlumbingFailed
from imprint.store.maintenance.adopt import list_missing
from imprint.store.maintenance.graph import list_layers
from imprint.store.maintenance.lookup import has_bitmap, list_stale, read_covered
from imprint.store.maintenance.state import read_state
from imprint.store.receive import packs

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.maintenance.work import Work

_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Survey:
    """The files of one repository.

    Attributes:
        packs: live ones.
        size_bytes: of their data.
        aside: how many of them hold only what no ref reached.
        uncovered: how many of them the multi-pack-index does not name; all, where there is none.
        stale: packs that it names and that are not live; they wait to be removed.
        bitmap: whether it has bitmaps.
        graph_layers: of the commit-graph; 0 where there is none.
        graph_behind: events since it was written.
        retired: packs whose files wait until nobody reads them.
        leftovers: packs without a row, which a crash left or somebody made by hand.
        loose: loose objects, which only somebody by hand can have made.
        missing: names of live packs whose files are not there.
    """

    packs: int
    size_bytes: int
    aside: int
    uncovered: int
    stale: int
    bitmap: bool
    graph_layers: int
    graph_behind: int
    retired: int
    leftovers: int
    loose: int
    missing: tuple[str, ...]


def survey(work: Work) -> Survey:
    """Look at a repository.

    Raises:
        StoreFailure: the catalogue or the folder cannot be read.
    """
    live, retired = work.list_live(), work.list_retired()
    state, layers = read_state(work.git_dir), list_layers(work.git_dir)
    covered = read_covered(work.pack_dir)
    behind = work.snapshot().generation - state.graphed
    sizes = ((work.pack_dir / f"{name}.pack") for name in live)
    return Survey(
        packs=len(live),
        size_bytes=sum(path.stat().st_size for path in sizes if path.exists()),
        aside=len(live & state.aside),
        uncovered=len(live - covered),
        stale=len(list_stale(work.pack_dir, live)),
        bitmap=has_bitmap(work.pack_dir),
        graph_layers=len(layers),
        graph_behind=behind if layers else work.snapshot().generation,
        retired=len(retired),
        leftovers=len(packs.list_packs(work.pack_dir) - live - retired.keys()),
        loose=_count_loose(work),
        missing=tuple(sorted(list_missing(work))),
    )


def find_damaged(
    work: Work, report: Callable[[int, int], None] = lambda _done, _total: None
) -> dict[str, str]:
    """The live packs that are there and not whole, with what git says of each; every byte of all is read.

    Args:
        work: where.
        report: told how many packs are done, of how many.

    Raises:
        Stopped: it was time to stop.
        StoreFailure: the catalogue cannot be read.
    """
    found: dict[str, str] = {}
    names = sorted(name for name in work.list_live() if packs.is_whole(name, work.pack_dir))
    for done, name in enumerate(names):
        report(done, len(names))
        path = (work.pack_dir / f"{name}.pack").absolute()
        try:
            work.run(work.repository.view.plumbing, "index-pack", "--verify", "--threads=1", str(path))
        except PlumbingFailed as failure:
            found[name] = " ".join(str(failure).split())
    report(len(names), len(names))
    return found


def _count_loose(work: Work) -> int:
    folders = (each for each in (work.git_dir / "objects").iterdir() if len(each.name) == 2)  # noqa: PLR2004
    return sum(sum(1 for _ in each.iterdir()) for each in folders if _HEX.issuperset(each.name))
