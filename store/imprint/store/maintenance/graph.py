"""The commit-graph: commits with their parents, generations and changed paths, from SQL's refs.

It is made in a workshop, over hard links of the layers in place, and moved when it is whole. Layers that
nothing names any more stay until the next change, for readers that have just looked.

Format: gitformat-commit-graph(5).
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.durable import sync_folder
from imprint.store.errors import StorageFailed
from imprint.store.maintenance.state import read_state, write_state
from imprint.store.maintenance.work import render_tips

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.maintenance.work import Work

_CHAIN: Final = "commit-graph-chain"
_FILTERS_MAX: Final = 100_000
"""Commits whose changed paths are computed in one round; the others follow in later ones."""


def write_graph(work: Work, *, anew: bool = False) -> None:
    """Bring the commit-graph to SQL's refs as they are now.

    Args:
        work: where.
        anew: forget the commits that are in it; otherwise what is new becomes a layer on top.

    Raises:
        Stopped: it was time to stop.
        PlumbingFailed, StorageFailed: the machine failed; the old graph stays.
    """
    snapshot = work.snapshot()
    tips = render_tips(snapshot)
    with work.workshop() as shop:
        made = shop.folder / "objects" / "info" / "commit-graphs"
        try:
            made.mkdir()
            if not anew:
                _link_layers(work, made)
            if tips:
                split = "--split=replace" if anew else "--split"
                filters = ("--changed-paths", f"--max-new-filters={_FILTERS_MAX}")
                command = ("commit-graph", "write", "--stdin-commits", split, *filters, "--no-progress")
                work.run(shop.beside, *command, stdin=tips)
            _place(work, made)
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
    write_state(work.git_dir, replace(read_state(work.git_dir), graphed=snapshot.generation))
    work.step("graphed")


def remove_graph(git_dir: Path) -> None:
    """Take the commit-graph away, before commits that may be in it go: readers without it are only slower.

    Raises:
        StorageFailed: the file system refuses.
    """
    folder = git_dir / "objects" / "info" / "commit-graphs"
    try:
        (folder.parent / "commit-graph").unlink(missing_ok=True)
        (folder / _CHAIN).unlink(missing_ok=True)
        sync_folder(folder if folder.is_dir() else folder.parent)
    except OSError as failure:
        raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure


def list_layers(git_dir: Path) -> list[str]:
    """Hashes of the layers in place, the oldest first."""
    try:
        return (git_dir / "objects" / "info" / "commit-graphs" / _CHAIN).read_text("ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return []


def _link_layers(work: Work, made: Path) -> None:
    source = work.git_dir / "objects" / "info" / "commit-graphs"
    layers = list_layers(work.git_dir)
    if all((source / _file(layer)).exists() for layer in layers):
        for layer in layers:
            (made / _file(layer)).hardlink_to(source / _file(layer))
        (made / _CHAIN).write_text("".join(f"{layer}\n" for layer in layers))


def _place(work: Work, made: Path) -> None:
    """Layers first, then the chain that names them."""
    target = work.git_dir / "objects" / "info" / "commit-graphs"
    target.mkdir(exist_ok=True)
    before = frozenset(list_layers(work.git_dir))
    for path in made.glob("*.graph"):
        if not (target / path.name).exists():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.rename(target / path.name)
    sync_folder(target)
    work.step("placed graph")
    if (made / _CHAIN).exists():
        (made / _CHAIN).rename(target / _CHAIN)
    else:
        (target / _CHAIN).unlink(missing_ok=True)
    sync_folder(target)
    (target.parent / "commit-graph").unlink(missing_ok=True)  # one of stock git's would be read instead
    wanted = {_file(layer) for layer in (*before, *list_layers(work.git_dir))}
    for path in target.glob("*.graph"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def _file(layer: str) -> str:
    return f"graph-{layer}.graph"
