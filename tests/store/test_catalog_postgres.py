"""The catalogue in PostgreSQL: races, a server that goes and comes back, and commits that break off."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from imprint.store.catalog import postgres as postgres_module
from imprint.store.catalog.migrate import upgrade_database
from imprint.store.catalog.ports import Catalogue, RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import BadInput, DataFolderMismatch, OutcomeUnknown, StaleUpdate, StorageFailed
from imprint.store.events import Admission, EventKind, PackRecord
from imprint.store.types import HashAlgorithm, MustNotExist, ObjectId, RefName, RefUpdate, RepositoryName

MAIN = RefName.parse("refs/heads/main")
ONE = ObjectId("1" * 40)


pytestmark = [
    pytest.mark.usefixtures("sockets_of_the_driver"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def template(postgres) -> str:
    name = postgres.make()
    database = PostgresDatabase(postgres.url(name))
    upgrade_database(database)
    database.close()
    return name


@pytest.fixture
def url(postgres, template) -> str:
    return postgres.url(postgres.make(template))


@pytest.fixture
def catalogue(url) -> Iterator[SqlCatalogue]:
    opened = SqlCatalogue.open(PostgresDatabase(url))
    create(opened, "repo_1")
    yield opened
    opened.close()


@pytest.fixture
def proxy(url, proxied):
    return proxied(urlsplit(url).port)


@pytest.fixture
def behind_proxy(catalogue, url, proxy) -> Iterator[SqlCatalogue]:
    """The same catalogue over connections that can be cut."""
    parts = urlsplit(url)
    through = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
    opened = SqlCatalogue.open(PostgresDatabase(through))
    yield opened
    opened.close()


def create(catalogue: Catalogue, repository_id: str) -> None:
    name = RepositoryName("acme", repository_id)
    record = RepositoryRecord(repository_id, name, HashAlgorithm.SHA1, MAIN, 0, 1)
    catalogue.create_repository(record, admission(f"made {repository_id}", repository_id=repository_id))


def admission(event_id: str, *updates: RefUpdate, repository_id: str = "repo_1", **more) -> Admission:
    return Admission(repository_id, event_id, EventKind.PUSH, 1, "ada", None, "allowed", updates, **more)


def birth(target: ObjectId = ONE) -> RefUpdate:
    return RefUpdate(MAIN, target, MustNotExist())


# -- racing ---------------------------------------------------------------------------------------------


def test_of_many_who_race_for_one_ref_one_is_told_that_it_won(catalogue, url):
    others = [SqlCatalogue.open(PostgresDatabase(url)) for _ in range(4)]

    def push(number: int) -> bool:
        try:
            others[number % 4].admit(admission(f"evt_{number}", birth(ObjectId(f"{number + 1:040x}"))))
        except StaleUpdate:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(push, range(32)))
    assert told.count(True) == 1
    assert catalogue.read_refs("repo_1").refs[MAIN].id == f"{told.index(True) + 1:040x}"
    assert [event.sequence for event in catalogue.list_events("repo_1")] == [1, 2]
    for other in others:
        other.close()


def test_repositories_do_not_wait_for_each_other(catalogue, url):
    create(catalogue, "repo_2")
    blocker = PostgresDatabase(url)
    with blocker._beginning(alone=False) as connection:
        connection.exec_driver_sql("UPDATE repository SET generation = generation + 1 WHERE id = 'repo_1'")
        assert catalogue.admit(admission("evt_2", birth(), repository_id="repo_2")).sequence == 2
        waiting = threading.Thread(target=catalogue.admit, args=(admission("evt_1", birth()),))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        connection.exec_driver_sql("UPDATE repository SET generation = generation - 1 WHERE id = 'repo_1'")
    waiting.join()
    assert catalogue.read_refs("repo_1").generation == 2
    blocker.close()


# -- commits that break off -----------------------------------------------------------------------------


def test_a_commit_that_arrived_is_told_though_its_answer_was_lost(behind_proxy, catalogue, proxy):
    proxy.cut = "after"
    event = behind_proxy.admit(admission("evt_1", birth(), pack=PackRecord("pack-1", 1, 1)))
    assert event == catalogue.list_events("repo_1")[-1]
    assert catalogue.list_packs("repo_1") == {"pack-1"}


def test_a_commit_that_did_not_arrive_changed_nothing_and_the_next_one_works(behind_proxy, catalogue, proxy):
    proxy.cut = "before"
    with pytest.raises(StorageFailed) as lost:
        behind_proxy.admit(admission("evt_1", birth()))
    assert not isinstance(lost.value, OutcomeUnknown)
    assert catalogue.read_refs("repo_1").refs == {}
    assert behind_proxy.admit(admission("evt_1", birth())).sequence == 2


def test_where_nobody_can_be_asked_the_outcome_is_called_unknown(behind_proxy, catalogue, proxy, monkeypatch):
    monkeypatch.setattr(postgres_module, "SETTLE_SECONDS_MAX", 1.0)
    proxy.cut, proxy.is_closed_to_new = "after", True
    with pytest.raises(OutcomeUnknown, match="broke during a commit"):
        behind_proxy.admit(admission("evt_1", birth()))
    assert catalogue.read_refs("repo_1").refs[MAIN].id == ONE


# -- a server that goes and comes back --------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_database_that_is_away_is_told_and_used_again_when_it_is_back(catalogue, postgres, how):
    catalogue.admit(admission("evt_1", birth()))
    postgres.stop(how)
    try:
        for _ in range(2):
            with pytest.raises(StorageFailed, match="the database ") as away:
                catalogue.read_refs("repo_1")
            assert "PostgreSQL runs" in away.value.hint
            with pytest.raises(StorageFailed):
                catalogue.admit(admission("evt_2"))
    finally:
        postgres.start()
    assert catalogue.read_refs("repo_1").refs[MAIN].id == ONE
    assert catalogue.admit(admission("evt_2")).sequence == 3


# -- addresses and tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["", "nonsense", "sqlite:///x", "postgresql://host", "mysql://a/b", "http://x/y"]
)
def test_what_is_no_address_of_a_database_is_refused_without_repeating_it(bad):
    with pytest.raises(BadInput) as refused:
        PostgresDatabase(bad)
    assert "postgresql://" in refused.value.hint
    assert not bad or bad not in refused.value.message


def test_a_database_without_tables_is_not_opened(postgres):
    with pytest.raises(DataFolderMismatch, match="revision none"):
        SqlCatalogue.open(PostgresDatabase(postgres.url(postgres.make())))


def test_a_password_is_in_no_message(url):
    secret = url.replace("imprint@", "imprint:hunter2@").replace("127.0.0.1:", "127.0.0.1:1")
    with pytest.raises(StorageFailed) as away:
        SqlCatalogue.open(PostgresDatabase(secret))
    assert "hunter2" not in f"{away.value.message} {away.value.hint}"


def test_a_text_that_the_database_cannot_hold_is_the_callers_fault(catalogue):
    with pytest.raises(BadInput, match="NUL"):
        catalogue.admit(Admission("repo_1", "evt\0", EventKind.PUSH, 1, "ada", None, "allowed"))


def test_a_commit_is_durable_even_where_the_server_was_told_otherwise(postgres, template):
    name = postgres.make(template)
    postgres.ask("postgres", f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = PostgresDatabase(postgres.url(name))
    with database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()
