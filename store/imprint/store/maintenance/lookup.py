"""What lets git find objects soon: a multi-pack-index with bitmaps, over the live packs and from SQL's refs.

Invariants:
    1. It is made in a workshop, over hard links of the live packs, and moved into place when it is whole: a
       crash leaves the old one, and never a lock of git's.
    2. It names live packs only. No pack's file goes while the index in place names it.
    3. It is derived: git works without it, only slower; packs that it does not name are found too.

Format: gitformat-pack(5), "multi-pack-index (MIDX) files have the following format".
"""

from __future__ import annotations

import itertools
import logging
import struct
from typing import TYPE_CHECKING, Final

from imprint.store.durable import sync_folder
from imprint.store.errors import PlumbingFailed, StorageFailed
from imprint.store.maintenance.state import read_state
from imprint.store.maintenance.work import render_tips
from imprint.store.receive import packs
from imprint.store.receive.packs import promotion_lock

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from imprint.store.maintenance.work import Work
    from imprint.store.receive.quarantine import Quarantine

_NAME: Final = "multi-pack-index"
_HEADER: Final = struct.Struct(">4sBBBBL")
_CHUNK: Final = struct.Struct(">4sQ")
_NAMES_CHUNK: Final = b"PNAM"
_LOOKUP_BYTES_MAX: Final = 64 * 1024**2
"""How much of a list of names is read: more packs than anybody has."""

_log = logging.getLogger("imprint.store")


def read_covered(pack_dir: Path) -> frozenset[str]:
    """Names of the packs that the multi-pack-index in place names; none if there is none, or no good one."""
    try:
        with (pack_dir / _NAME).open("rb") as file:
            magic, version, _, chunk_count, _, _ = _HEADER.unpack(file.read(_HEADER.size))
            if magic != b"MIDX" or version != 1:
                return frozenset()
            table = file.read(_CHUNK.size * (chunk_count + 1))
            chunks = list(_CHUNK.iter_unpack(table))
            for (kind, begin), (_, end) in itertools.pairwise(chunks):
                if kind == _NAMES_CHUNK:
                    file.seek(begin)
                    content = file.read(min(end - begin, _LOOKUP_BYTES_MAX))
                    names = (name.decode("ascii", "replace") for name in content.split(b"\0") if name)
                    return frozenset(name.removesuffix(".idx") for name in names)
    except (FileNotFoundError, struct.error):
        pass
    return frozenset()


def has_bitmap(pack_dir: Path) -> bool:
    """Whether the multi-pack-index in place has bitmaps."""
    return any(pack_dir.glob(f"{_NAME}-*.bitmap"))


def drop_lookup(pack_dir: Path) -> None:
    """Remove the multi-pack-index: git does not look for an object beside a pack that it names and has not.

    May raise `OSError`.
    """
    (pack_dir / _NAME).unlink(missing_ok=True)
    for path in pack_dir.glob(f"{_NAME}-*"):
        path.unlink(missing_ok=True)


def write_lookup(work: Work) -> bool:
    """Index the live packs anew, with bitmaps from SQL's refs; False if one of them has gone meanwhile.

    Raises:
        Stopped: it was time to stop.
        PlumbingFailed, StorageFailed: the machine failed; the old index stays.
    """
    tips = render_tips(work.snapshot())  # first: what comes after it is in no pack that is listed now
    live = work.list_live()
    with work.workshop() as shop:
        try:
            for name in live:
                for suffix in packs.SUFFIXES:
                    source = work.pack_dir / f"{name}{suffix}"
                    if suffix != ".rev" or source.exists():
                        (shop.pack_dir / source.name).hardlink_to(source)
        except OSError as failure:
            raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
        if live:
            _write(work, shop, tips)
        with promotion_lock(work.git_dir).hold():
            if not live <= work.list_live():
                return False
            try:
                _place(work, shop)
            except OSError as failure:
                raise StorageFailed(f"{failure.filename}: {failure.strerror}") from failure
    work.step("indexed")
    return True


def _write(work: Work, shop: Quarantine, tips: bytes) -> None:
    command = ["multi-pack-index", "write", "--no-progress"]
    command.append(f"--preferred-pack={_choose_preferred(shop.pack_dir, read_state(work.git_dir).aside)}")
    if not tips:
        work.run(shop.alone, *command)
        return
    snapshot = shop.folder.absolute() / "tips"
    snapshot.write_bytes(tips)
    try:
        work.run(shop.alone, *command, "--bitmap", f"--refs-snapshot={snapshot}")
    except PlumbingFailed as failure:
        _log.warning("%s: no bitmaps: %s", work.repository.record.id, failure)
        work.run(shop.alone, *command)


def _choose_preferred(pack_dir: Path, aside: frozenset[str]) -> str:
    """The largest pack of what refs reach: whole stretches of it are copied into answers as they are."""
    return max(
        pack_dir.glob("*.pack"),
        key=lambda path: (path.stem not in aside, path.stat().st_size, path.name),
    ).name


def _place(work: Work, shop: Quarantine) -> None:
    """Bitmaps first: whoever reads the new index finds them. The old ones go when nothing names them."""
    fresh = {path.name for path in shop.pack_dir.glob(f"{_NAME}-*")}
    for name in sorted(fresh):
        (shop.pack_dir / name).rename(work.pack_dir / name)
    work.step("placed bitmap")
    index = shop.pack_dir / _NAME
    if index.exists():
        index.rename(work.pack_dir / _NAME)
    else:
        (work.pack_dir / _NAME).unlink(missing_ok=True)
    for path in work.pack_dir.glob(f"{_NAME}-*"):
        if path.name not in fresh:
            path.unlink(missing_ok=True)
    sync_folder(work.pack_dir)


def list_stale(pack_dir: Path, live: Collection[str]) -> frozenset[str]:
    """Names in the multi-pack-index in place that are no live packs."""
    return read_covered(pack_dir) - frozenset(live)
