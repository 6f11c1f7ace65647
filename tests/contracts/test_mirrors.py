"""What the keeping of mirrors promises, tested on every implementation."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import MirrorExists, MirrorMissing, RepositoryMissing
from imprint.store.events import Admission, EventKind
from imprint.store.mirror.model import Credential, Mirror, MirrorState
from imprint.store.mirror.ports import MemoryMirrors, Mirrors
from imprint.store.mirror.sql import SqlMirrors
from imprint.store.types import HashAlgorithm, RefName, RepositoryName

HERE, THERE = "repo_1", "repo_2"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def mirrors(request, tmp_path) -> Iterator[Mirrors]:
    if request.param == "memory":
        yield MemoryMirrors({HERE, THERE}.__contains__)
        return
    database: SqlDatabase
    if request.param == "sqlite":
        upgrade(tmp_path / "catalogue.db")
        database = Database(tmp_path / "catalogue.db")
    else:
        server = request.getfixturevalue("postgres")
        database = PostgresDatabase(server.url(server.make()))
        upgrade_database(database)
    catalogue = SqlCatalogue.open(database)
    for at, repository in enumerate((HERE, THERE)):
        name, head = RepositoryName("acme", f"app{at}"), RefName.parse("refs/heads/main")
        record = RepositoryRecord(repository, name, HashAlgorithm.SHA1, head, generation=0, created_at_ms=1)
        made = Admission(repository, f"evt{at}", EventKind.CREATED, 1, "ada", None, "yes")
        catalogue.create_repository(record, made)
    yield SqlMirrors(database, catalogue.kept)
    catalogue.close()


FULL = Mirror(
    HERE,
    "https://example.com/a",
    patterns=("refs/heads/*",),
    every_ms=60_000,
    is_paused=True,
    is_public_only=True,
    credential=Credential("sealed", "abc", "ada"),
    state=MirrorState(
        5, 4, 3, "no \udcff", ("refs/heads/\udcff",), ("refs/heads/x: why",), ("refs/y 1",), 2, 1
    ),
)


def test_a_mirror_is_kept_as_it_was_given(mirrors):
    assert mirrors.find(HERE) is None
    mirrors.add(FULL)
    mirrors.add(Mirror(THERE, "/srv/a"))
    assert mirrors.find(HERE) == FULL
    assert mirrors.list() == [FULL, Mirror(THERE, "/srv/a")]


def test_a_repository_has_one_mirror_at_most_and_must_be_known(mirrors):
    mirrors.add(FULL)
    with pytest.raises(MirrorExists, match=r"https://example\.com/a"):
        mirrors.add(Mirror(HERE, "/srv/b"))
    with pytest.raises(RepositoryMissing):
        mirrors.add(Mirror("repo_none", "/srv/b"))


def test_what_is_removed_is_gone_and_can_be_added_anew(mirrors):
    mirrors.add(FULL)
    mirrors.remove(HERE)
    mirrors.remove(HERE)
    assert (mirrors.find(HERE), mirrors.list()) == (None, [])
    with pytest.raises(MirrorMissing):
        mirrors.change(HERE, lambda mirror: mirror)
    mirrors.add(Mirror(HERE, "/srv/b"))


def test_changes_made_at_once_are_all_made(mirrors):
    mirrors.add(Mirror(HERE, "/srv/a"))

    def count_up(mirror: Mirror) -> Mirror:
        return replace(mirror, state=replace(mirror.state, changed=mirror.state.changed + 1))

    def work() -> None:
        for _ in range(5):
            mirrors.change(HERE, count_up)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mirrors.find(HERE).state.changed == 20


def test_what_another_changed_is_seen_at_once(mirrors):
    assert mirrors.find(HERE) is None
    mirrors.add(FULL)
    assert mirrors.find(HERE) == mirrors.find(HERE) == FULL
    mirrors.change(HERE, lambda found: replace(found, is_paused=False))
    assert mirrors.find(HERE) == replace(FULL, is_paused=False)
    assert mirrors.find(THERE) is None
    mirrors.remove(HERE)
    assert mirrors.find(HERE) is None
