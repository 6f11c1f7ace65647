"""The catalogue in SQLite: several processes, kills at any instant, full disks, and its revisions."""

import itertools
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert

from imprint.store.catalog.database import Database
from imprint.store.catalog.migrate import is_current, upgrade
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.schema import REVISION, actor, metadata
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import BadInput, Conflict, DataFolderMismatch, StorageFailed, StoreError
from imprint.store.events import Admission, EventKind
from imprint.store.types import Anything, HashAlgorithm, MustBe, ObjectId, RefName, RefUpdate, RepositoryName

MAIN = RefName.parse("refs/heads/main")


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> bytes:
    """A new catalogue, to be copied: making one runs every migration."""
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
    upgrade(path)
    return path.read_bytes()


@pytest.fixture
def path(template, tmp_path) -> Path:
    (tmp_path / "catalogue.db").write_bytes(template)
    return tmp_path / "catalogue.db"


def admission(event_id: str, *updates: RefUpdate, repository_id="repo_1", **more) -> Admission:
    return Admission(repository_id, event_id, EventKind.PUSH, 1, "ada", "tok_1", "allowed", updates, **more)


def create(catalogue: SqlCatalogue, repository_id: str = "repo_1") -> None:
    record = RepositoryRecord(
        repository_id,
        RepositoryName("acme", repository_id),
        HashAlgorithm.SHA1,
        MAIN,
        generation=0,
        created_at_ms=1,
    )
    catalogue.create_repository(record, admission(f"created {repository_id}", repository_id=repository_id))


def verify_journal(catalogue: SqlCatalogue, repository_id: str = "repo_1") -> None:
    """Generations have no gap, and refs are the fold of the events."""
    events = catalogue.list_events(repository_id, limit=1_000_000)
    snapshot = catalogue.read_refs(repository_id)
    assert [event.sequence for event in events] == list(range(1, snapshot.generation + 1))
    refs: dict[RefName, ObjectId] = {}
    for change in itertools.chain.from_iterable(event.changes for event in events):
        assert refs.get(change.name) == change.old
        refs.pop(change.name, None)
        if change.new:
            refs[change.name] = change.new
    assert refs == {name: value.id for name, value in snapshot.refs.items()}
    assert {event.pack for event in events if event.pack} == catalogue.list_packs(repository_id)


# -- revisions ------------------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_statements_use(path):
    database = Database(path)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
    database.close()


def test_upgrading_what_is_current_changes_nothing(path):
    before = path.read_bytes()
    upgrade(path)
    assert is_current(path)
    assert path.read_bytes() == before


def test_packs_of_the_first_revision_are_live_after_the_upgrade(tmp_path):
    path = tmp_path / "catalogue.db"
    upgrade(path, "0001")
    assert not is_current(path)
    database = sqlite3.connect(path)
    database.execute(
        "INSERT INTO repository VALUES ('repo_1','a/b','a/b','sha1',X'726566732f68656164732f61',1,1,NULL)"
    )
    database.execute("INSERT INTO pack VALUES ('repo_1', 'pack-1', 3, 100, 1)")
    database.commit()
    database.close()
    upgrade(path)
    catalogue = SqlCatalogue.open_sqlite(path)
    assert catalogue.list_packs("repo_1") == {"pack-1"}
    assert catalogue.get_repository("repo_1").settings == {}
    catalogue.close()


def test_a_catalogue_that_was_never_made_is_not_opened(tmp_path):
    assert not is_current(tmp_path / "none.db")
    with pytest.raises(StorageFailed):
        SqlCatalogue.open_sqlite(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(DataFolderMismatch, match="revision none"):
        SqlCatalogue.open_sqlite(tmp_path / "empty.db")


def test_a_file_of_something_else_is_told(tmp_path):
    (tmp_path / "catalogue.db").write_bytes(b"this is a letter, not a database. " * 200)
    with pytest.raises(StorageFailed) as refused:
        SqlCatalogue.open_sqlite(tmp_path / "catalogue.db")
    assert "backup" in refused.value.hint


@pytest.mark.parametrize("name", ["a b", "per%20cent", "quest?ion", "ha#sh", "é"])
def test_a_path_may_hold_any_characters(template, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "catalogue.db").write_bytes(template)
    catalogue = SqlCatalogue.open_sqlite(tmp_path / name / "catalogue.db")
    create(catalogue)
    catalogue.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_transactions_are_durable_and_checked(path):
    database = Database(path)
    with database.writing() as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_the_catalogue_is_there_after_closing(path):
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    catalogue.admit(admission("evt_1", RefUpdate(MAIN, ObjectId("1" * 40), Anything())))
    catalogue.close()
    catalogue = SqlCatalogue.open_sqlite(path)
    assert catalogue.read_refs("repo_1").head_id == "1" * 40
    catalogue.close()


def test_a_text_that_is_no_unicode_is_refused_whole(path):
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    with pytest.raises(BadInput, match="Unicode"):
        catalogue.admit(admission("evt_\ud800", RefUpdate(MAIN, ObjectId("1" * 40), Anything())))
    catalogue.admit(admission("evt_1", details={"option": "\ud800"}))
    assert catalogue.list_events("repo_1", after=1)[0].details == {"option": "\ud800"}
    verify_journal(catalogue)
    catalogue.close()


# -- the machine fails ----------------------------------------------------------------------------------


def test_a_full_disk_refuses_the_admission_whole_and_the_next_one_is_fine(path):
    """RLIMIT_FSIZE stands in for the disk: SQLite's write fails where a full disk would make it fail."""
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    many = [
        RefUpdate(RefName.parse(f"refs/heads/{number:05d}"), ObjectId("1" * 40), Anything())
        for number in range(3000)
    ]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 4096, limits[1]))
    try:
        with pytest.raises(StorageFailed, match=r"catalogue\.db"):
            catalogue.admit(admission("evt_1", *many))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert catalogue.read_refs("repo_1").refs == {}
    assert catalogue.admit(admission("evt_1", *many)).sequence == 2
    verify_journal(catalogue)
    catalogue.close()


ADMIT = """
import os, sys
from pathlib import Path
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.events import Admission, EventKind, PackRecord
from imprint.store.errors import StaleUpdate
from imprint.store.types import MustBe, MustNotExist, ObjectId, RefName, RefUpdate

catalogue = SqlCatalogue.open_sqlite(Path(sys.argv[1]))
who, count = sys.argv[2], int(sys.argv[3])
refs = [RefName.parse("refs/heads/main"), RefName.parse(f"refs/heads/only/{who}")]
won = 0
print("ready", flush=True)
sys.stdin.readline()
while won < count:
    values = catalogue.read_refs("repo_1").refs
    target = ObjectId(f"{os.getpid():08x}{won + 1:032x}")
    expected = [MustBe(values[name].id) if name in values else MustNotExist() for name in refs]
    updates = tuple(RefUpdate(name, target, each) for name, each in zip(refs, expected))
    try:
        event = catalogue.admit(Admission(
            "repo_1", f"evt_{who}_{won}", EventKind.PUSH, 1, who, None, "allowed", updates,
            pack=PackRecord(f"pack-{who}-{won}", 1, 1),
        ))
    except StaleUpdate:
        continue
    won += 1
    os.write(1, f"{event.sequence} {target}\\n".encode())
catalogue.close()
"""


def start(path: Path, who: str, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", ADMIT, str(path), who, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def release(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_that_race_for_one_branch_lose_nothing(path):
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    racers = [start(path, f"p{number}", 10) for number in range(4)]
    for racer in racers:
        release(racer)
    told = [line.split() for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    assert [racer.returncode for racer in racers] == [0] * 4
    by_sequence = {int(sequence): target for sequence, target in told}
    assert sorted(by_sequence) == list(range(2, 42)), "told = landed"
    landed = {
        event.sequence: event.changes[0].new for event in catalogue.list_events("repo_1", after=1, limit=100)
    }
    assert landed == by_sequence
    verify_journal(catalogue)
    catalogue.close()


@pytest.mark.parametrize("delay_ms", [0, 30, 110])
def test_what_was_told_survives_a_kill_and_the_journal_is_whole(path, delay_ms):
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    racers = [start(path, f"p{number}", 1_000_000) for number in range(2)]
    for racer in racers:
        release(racer)
    first = racers[0].stdout.readline()
    time.sleep(delay_ms / 1000)
    for racer in racers:
        racer.kill()
    told = [first, *(line for racer in racers for line in racer.stdout.read().splitlines(keepends=True))]
    for racer in racers:
        racer.wait()
        racer.stdin.close()
        racer.stdout.close()
    reopened = SqlCatalogue.open_sqlite(path)
    verify_journal(reopened)
    events = reopened.list_events("repo_1", after=1, limit=100_000)
    landed = {event.sequence: event.changes[0].new for event in events}
    for line in told:
        if line.endswith("\n"):
            sequence, target = line.split()
            assert landed[int(sequence)] == target
    new = RefUpdate(MAIN, ObjectId("1" * 40), MustBe(reopened.read_refs("repo_1").head_id))
    reopened.admit(admission("evt_after", new))
    verify_journal(reopened)
    assert catalogue.read_refs("repo_1") == reopened.read_refs("repo_1"), "one that was open sees it too"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    for each in (catalogue, reopened):
        each.close()


def test_a_stopped_writer_blocks_writers_but_no_reader(path):
    """A process stopped within a transaction: others read what was before."""
    catalogue = SqlCatalogue.open_sqlite(path)
    create(catalogue)
    other = SqlCatalogue.open_sqlite(path)
    with other._database.writing() as connection:
        connection.exec_driver_sql("UPDATE repository SET generation = 99")
        assert catalogue.read_refs("repo_1").generation == 1
        assert catalogue.find_repository(RepositoryName("acme", "repo_1")).generation == 1
    assert catalogue.read_refs("repo_1").generation == 99
    for each in (catalogue, other):
        each.close()


# -- work that is committed together --------------------------------------------------------------------


def together(path: Path, works: list) -> list[object]:
    """Run pieces of work in threads while another process' worth of lock keeps them waiting; the outcomes."""
    database, other = Database(path), Database(path)
    outcomes: list[object] = [None] * len(works)

    def run(number: int) -> None:
        try:
            outcomes[number] = database.write(works[number])
        except StoreError as failure:
            outcomes[number] = failure

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    with other.writing():
        for thread in threads:
            thread.start()
        while (
            len(database._jobs._waiting) < len(works) - 1
        ):  # the first is with the one that waits for the lock
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    for each in (database, other):
        each.close()
    return outcomes


def add_actor(connection: Connection, key: str) -> str:
    connection.execute(insert(actor).values(key=key, name=key, kind="human"))
    return key


def refuse(connection: Connection) -> None:
    add_actor(connection, "refused")
    raise Conflict("refused on purpose")


def break_sql(connection: Connection) -> None:
    add_actor(connection, "broken")
    connection.exec_driver_sql("SELECT * FROM nothing")


def test_a_refusal_undoes_its_own_work_and_no_other(path):
    works = [lambda connection, key=f"a{number}": add_actor(connection, key) for number in range(6)]
    outcomes = together(path, [*works[:3], refuse, *works[3:], refuse])
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [f"a{n}" for n in range(6)]
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
    catalogue = SqlCatalogue.open_sqlite(path)
    assert [each.name for each in catalogue.list_actors()] == [f"a{number}" for number in range(6)]
    catalogue.close()


def test_work_that_breaks_the_transaction_breaks_no_other(path):
    works = [lambda connection, key=f"a{number}": add_actor(connection, key) for number in range(6)]
    outcomes = together(path, [*works[:3], break_sql, *works[3:]])
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [f"a{n}" for n in range(6)]
    assert isinstance(outcomes[3], StorageFailed)
    catalogue = SqlCatalogue.open_sqlite(path)
    assert [each.name for each in catalogue.list_actors()] == [f"a{number}" for number in range(6)]
    catalogue.close()
