"""What stock git can do to a repository on the server's disk: everything that SQL knows stays readable.

Each command runs while the exported refs are absent, and again while they are old: git then takes almost
everything for unreachable.
"""

import threading

import pytest

from imprint.store.maintenance.adopt import list_missing
from imprint.store.maintenance.lookup import read_covered
from imprint.store.maintenance.rounds import clean_up, maintain
from imprint.store.maintenance.work import Work
from imprint.store.refs.export import export_refs

COMMANDS = (
    ("gc",),
    ("gc", "--prune=now", "--aggressive"),
    ("gc", "--auto"),
    ("repack", "-ad"),
    ("repack", "-adf", "--geometric=2"),
    ("repack", "-d", "--geometric=2"),
    ("repack", "--cruft", "-d"),
    ("repack", "-A", "-d", "--unpack-unreachable=now"),
    ("prune", "--expire=now"),
    ("prune-packed",),
    ("pack-refs", "--all", "--prune"),
    ("reflog", "expire", "--all", "--expire=now"),
    ("commit-graph", "write"),
    ("multi-pack-index", "write"),
    ("multi-pack-index", "write", "--bitmap"),
    ("multi-pack-index", "repack", "--batch-size=0"),
    ("multi-pack-index", "expire"),
    ("maintenance", "run"),
    ("maintenance", "run", "--task=incremental-repack", "--task=loose-objects", "--task=gc"),
)


@pytest.fixture
def stocked(yard, git_client):
    """Packs of every sort: live, retired, aside, and new ones; and stock git on the repository."""
    for _ in range(3):
        yard.commit()
    yard.commit("refs/heads/topic")
    yard.delete("refs/heads/topic")
    maintain(yard.work)
    for _ in range(2):
        yard.commit()
    yard.commit("refs/heads/topic")
    return yard, git_client(yard.bench.repository.git_dir)


def run_all(git) -> None:
    for command in COMMANDS:
        git.run(*command, check=False)


@pytest.mark.parametrize("refs", ["absent", "old", "new"])
def test_no_command_loses_anything(stocked, refs) -> None:
    yard, git = stocked
    old = yard.work.snapshot()
    yard.commit()
    if refs != "absent":
        export_refs(old if refs == "old" else yard.work.snapshot(), yard.work.git_dir)
    run_all(git)
    assert list_missing(yard.work) == frozenset()
    for _ in range(3):
        clean_up(yard.work)
        maintain(yard.work)
        yard.wait()
    maintain(yard.work)
    run_all(git)
    clean_up(yard.work)
    yard.check()
    assert read_covered(yard.pack_dir) >= yard.work.list_live()


def test_no_command_disturbs_pushes_that_run_meanwhile(stocked) -> None:
    yard, git = stocked
    busy = threading.Thread(target=run_all, args=(git,))
    busy.start()
    while busy.is_alive():
        yard.commit()
    busy.join()
    clean_up(yard.work)
    yard.check()


def test_a_pack_that_was_expired_in_favour_of_another_is_stood_in_for(stocked) -> None:
    """With the `.keep` files gone, git joins live packs into one of its own and deletes them."""
    yard, git = stocked
    for path in yard.pack_dir.glob("*.keep"):
        path.unlink()
    git("multi-pack-index", "write")
    git("multi-pack-index", "repack", "--batch-size=0")
    git("multi-pack-index", "expire")
    missing = list_missing(yard.work)
    assert missing
    report = clean_up(yard.work)
    assert set(report.adoption.missing) == missing
    assert not report.adoption.lost
    assert list_missing(yard.work) == frozenset()
    yard.commit()
    for _ in range(3):
        yard.wait()
        maintain(yard.work)
    yard.check()


def test_an_index_that_was_removed_is_made_again(stocked) -> None:
    yard, _ = stocked
    for name in yard.work.list_live():
        (yard.pack_dir / f"{name}.idx").unlink()
    clean_up(yard.work)
    assert list_missing(yard.work) == frozenset()
    yard.check()


def test_what_is_lost_is_said_and_nothing_more_goes(stocked) -> None:
    yard, _ = stocked
    yard.commit("refs/heads/other")
    newest = yard.bench.hosting.catalogue.list_events(yard.work.repository.record.id)[-1].pack
    for path in yard.pack_dir.glob(f"{newest}.*"):
        path.unlink()
    before = {path.name for path in yard.pack_dir.iterdir() if path.suffix == ".pack"}
    for _ in range(3):
        yard.wait()
        report = clean_up(yard.work)
    assert report.adoption.lost
    assert newest in yard.work.list_live()
    assert {path.name for path in yard.pack_dir.iterdir() if path.suffix == ".pack"} == before


def test_a_lookup_that_names_a_vanished_pack_is_dropped(stocked) -> None:
    """Git does not look for an object elsewhere when the index names a pack that it cannot find."""
    yard, _ = stocked
    maintain(yard.work, everything=True)
    (name, *_) = sorted(yard.work.list_live() & read_covered(yard.pack_dir))
    for path in yard.pack_dir.glob(f"{name}.*"):
        path.unlink()
    clean_up(yard.work)
    assert name not in read_covered(yard.pack_dir)
    yard.check()


def test_leftovers_of_an_interrupted_git_are_no_hindrance(stocked) -> None:
    """Locks that a killed git leaves would stop git's own maintenance for ever."""
    yard, _ = stocked
    (yard.pack_dir / "multi-pack-index.lock").touch()
    (yard.work.git_dir / "objects" / "info").mkdir(exist_ok=True)
    graphs = yard.work.git_dir / "objects" / "info" / "commit-graphs"
    graphs.mkdir(exist_ok=True)
    (graphs / "commit-graph-chain.lock").touch()
    report = maintain(Work(yard.bench.repository, yard.bench.hosting), everything=True)
    assert report.indexed
    yard.check()
