"""What the archive promises, tested on every implementation."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from imprint.store.agents.model import Edit, EditKind, Problem, ToolCall, Usage
from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import (
    BadInput,
    Conflict,
    RepositoryMissing,
    SessionConflict,
    SessionMoved,
    TranscriptErased,
)
from imprint.store.events import Admission, EventKind
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.sessions.model import (
    Anchor,
    AnchorKind,
    ArchivedSession,
    ArchivedTurn,
    Record,
    RecordedLines,
    Redaction,
    Source,
)
from imprint.store.sessions.ports import Archive
from imprint.store.sessions.sql import SqlArchive
from imprint.store.types import HashAlgorithm, RefName, RepositoryName

ONE, TWO = "repo_1", "repo_2"


@pytest.fixture(scope="module")
def postgres_template(postgres) -> str:
    """A database with every table, to be copied."""
    name = postgres.make()
    database = PostgresDatabase(postgres.url(name))
    upgrade_database(database)
    database.close()
    return name


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def archive(request, tmp_path) -> Iterator[Archive]:
    if request.param == "memory":
        yield MemoryArchive({ONE, TWO}.__contains__)
        return
    databases: list[SqlDatabase]
    if request.param == "sqlite":
        upgrade(tmp_path / "catalogue.db")
        databases = [Database(tmp_path / "catalogue.db") for _ in range(2)]
    else:
        server = request.getfixturevalue("postgres")
        url = server.url(server.make(request.getfixturevalue("postgres_template")))
        databases = [PostgresDatabase(url) for _ in range(2)]
    catalogue, archive = SqlCatalogue.open(databases[0]), SqlArchive(databases[1])
    for repository_id in (ONE, TWO):
        record = RepositoryRecord(
            repository_id,
            RepositoryName("acme", repository_id),
            HashAlgorithm.SHA1,
            RefName.parse("refs/heads/main"),
            generation=0,
            created_at_ms=1,
        )
        admission = Admission(repository_id, f"evt {repository_id}", EventKind.CREATED, 1, "ada", None, "yes")
        catalogue.create_repository(record, admission)
    yield archive
    archive.close()
    catalogue.close()


def session(session_id: str = "s1", **changes) -> ArchivedSession:
    values = {
        "id": session_id,
        "root_id": session_id,
        "agent": "some-agent",
        "actor": "ada",
        "source": Source("capture"),
        "received_at_ms": 5,
        "content_hash": "ab" * 32,
        "line_count": 3,
        **changes,
    }
    return ArchivedSession(**values)


def turn(number: int = 1, **changes) -> ArchivedTurn:
    return ArchivedTurn(**{"number": number, "prompt": f"{number:064}", "end_line": number, **changes})


def record(record_id: str = "r1", value: str = "c" * 40, **changes) -> Record:
    values = {
        "id": record_id,
        "source": Source("entire", "1", "refs/x", "00"),
        "actor": "ada",
        "received_at_ms": 7,
        "anchors": (Anchor(AnchorKind.COMMIT, value),),
        **changes,
    }
    return Record(**values)


FULL_SESSION = session(
    parent_id="s0",
    root_id="s0",
    agent_version="1.2",
    source=Source("entire", "2", "refs/entire/x", "ff"),
    models=("model-a", "modèle \U0001f600"),
    cwd="/w/someone/\udcff\0",
    branch="main",
    started_at_ms=1,
    ended_at_ms=2**53,
    transcript="1" * 64,
    redaction=Redaction("engine 1", "22" * 32, {"key": 2}),
    problems=(Problem("line 3", "no JSON\0"),),
    extra={"x": [1, {"y": None}], "z": 1.5},
)
FULL_TURN = ArchivedTurn(
    1,
    None,
    at_ms=3,
    model="model-a",
    first_line=0,
    end_line=9,
    calls=(ToolCall("c1", "Edit", 4, ("a b", "ä"), (), ok=True, sub_session="s9"), ToolCall("", "Bash")),
    usage=(Usage("q1", "model-a", 1, 2, 3, 4, 5, 0.25), Usage()),
)
FULL_RECORD = record(
    anchors=(Anchor(AnchorKind.CHECKPOINT, "0a"), Anchor(AnchorKind.BASE, "d" * 40)),
    session_id="s1",
    part=(3, 8),
    human="Ada <ada@example.com>",
    agent="some-agent",
    model="model-a",
    lines=(RecordedLines("a%20b", 1, 2), RecordedLines("c", 3, 3, "human", "x", "m", "s", "stale")),
    problems=(Problem("field", "hash_mismatch"),),
    extra={"unknown": {"kept": True}},
)


def test_what_was_kept_is_given_back(archive):
    kept = archive.put_session(ONE, FULL_SESSION, [FULL_TURN])
    assert kept == replace(FULL_SESSION, serial=1)
    assert archive.find_session(ONE, "s1") == kept
    assert archive.list_turns(ONE, "s1") == [FULL_TURN]
    assert archive.add_records(ONE, [FULL_RECORD]) == [replace(FULL_RECORD, serial=2)]
    assert archive.list_records(ONE) == [replace(FULL_RECORD, serial=2)]


def test_turns_are_counted_and_given_in_parts(archive):
    archive.put_session(ONE, session(), [turn(number) for number in (1, 2, 4, 7)])
    archive.put_session(ONE, session("s2"), [turn()])
    archive.put_session(ONE, session("s3"), [])
    assert archive.count_turns(ONE, ["s1", "s2", "s3", "s4"]) == {"s1": 4, "s2": 1}
    assert archive.count_turns(TWO, ["s1"]) == archive.count_turns(ONE, []) == {}
    assert [each.number for each in archive.list_turns(ONE, "s1", after=1, limit=2)] == [2, 4]
    assert [each.number for each in archive.list_turns(ONE, "s1", after=4)] == [7]


def test_edits_stay_in_the_transcript(archive):
    call = ToolCall("c1", "Edit", paths=("a",), edits=(Edit("a", EditKind.WRITE, ("secret",)),))
    archive.put_session(ONE, session(), [turn(calls=(call,))])
    assert archive.list_turns(ONE, "s1")[0].calls == (replace(call, edits=()),)


def test_nothing_is_found_where_nothing_was_kept(archive):
    archive.put_session(ONE, session(), [turn()])
    assert archive.find_session(ONE, "s2") is None
    assert archive.list_turns(ONE, "s2") == []
    for repository_id in (TWO, "repo_9"):
        assert archive.find_session(repository_id, "s1") is None
        assert archive.list_sessions(repository_id) == []
        assert archive.list_records(repository_id) == []
        assert archive.last_serial(repository_id) == 0


def test_a_repository_must_be_there_to_write(archive):
    for call in (
        lambda: archive.put_session("repo_9", session(), []),
        lambda: archive.add_records("repo_9", [record()]),
        lambda: archive.mark_erased("repo_9", "s1", 1),
    ):
        with pytest.raises(RepositoryMissing):
            call()


def test_a_session_grows_in_place(archive):
    archive.put_session(ONE, session(), [turn(1), turn(2)])
    archive.put_session(ONE, session("s2"), [])
    grown = archive.put_session(ONE, session(content_hash="cd" * 32), [turn(1), turn(2, end_line=7), turn(3)])
    assert grown.serial == 3
    assert [each.end_line for each in archive.list_turns(ONE, "s1")] == [1, 7, 3]
    assert [each.id for each in archive.list_sessions(ONE)] == ["s2", "s1"]
    archive.put_session(ONE, session(content_hash="ef" * 32), [turn(1)])
    assert len(archive.list_turns(ONE, "s1")) == 1


def test_a_session_given_again_stays_as_it_is(archive):
    kept = archive.put_session(ONE, session(), [turn()])
    again = session(received_at_ms=99, source=Source("entire", ref="refs/other"))
    assert archive.put_session(ONE, again, [turn()]) == kept
    assert archive.last_serial(ONE) == 1
    assert archive.put_session(ONE, again, [turn(model="model-b")]).serial == 2


def test_a_session_of_another_actor_is_not_overwritten(archive):
    archive.put_session(ONE, session(actor="operator"), [])
    archive.put_session(ONE, session(actor="ada"), [])
    for actor in ("eve", "operator"):
        with pytest.raises(SessionConflict):
            archive.put_session(ONE, session(actor=actor, content_hash="00"), [turn()])
    assert archive.list_turns(ONE, "s1") == []


def test_a_session_that_somebody_wrote_meanwhile_stays(archive):
    kept = archive.put_session(ONE, session(), [], expected=0)
    grown = archive.put_session(ONE, session(line_count=9), [], expected=kept.serial)
    for expected in (0, kept.serial, 99):
        with pytest.raises(SessionMoved) as moved:
            archive.put_session(ONE, session(line_count=5), [turn()], expected=expected)
        assert moved.value.line_count == 9
    assert archive.find_session(ONE, "s1") == grown
    assert archive.list_turns(ONE, "s1") == []


def test_readers_go_on_from_the_serial_they_saw(archive):
    for number in range(5):
        archive.put_session(ONE, session(f"s{number}"), [])
        archive.add_records(ONE, [record(f"r{number}", f"{number:040}")])
    assert archive.last_serial(ONE) == 10
    assert [each.serial for each in archive.list_sessions(ONE, after_serial=3, limit=2)] == [5, 7]
    assert [each.serial for each in archive.list_records(ONE, after_serial=4, limit=2)] == [6, 8]
    assert [each.serial for each in archive.list_records(ONE, after_serial=10)] == []


def test_children_are_found_by_their_parent(archive):
    for name in ("b", "a"):
        archive.put_session(ONE, session(name, root_id="s1", parent_id="s1"), [])
    archive.put_session(ONE, session("c", root_id="s1", parent_id="a"), [])
    assert [each.id for each in archive.list_children(ONE, "s1")] == ["b", "a"]
    assert [each.id for each in archive.list_children(ONE, "a")] == ["c"]


def test_equal_records_are_one(archive):
    (kept,) = archive.add_records(ONE, [record("r1"), record("r2", received_at_ms=9, actor="bob")])
    assert kept.id == "r1"
    assert archive.add_records(ONE, [record("r3")]) == []
    (changed,) = archive.add_records(ONE, [record("r3", model="model-b")])
    assert changed.serial == 2
    assert archive.add_records(TWO, [record("r1")])


def test_records_are_kept_all_or_none(archive):
    archive.add_records(ONE, [record("r1")])
    with pytest.raises(Conflict):
        archive.add_records(ONE, [record("r2", "d" * 40), record("r1", "e" * 40)])
    with pytest.raises(BadInput):
        archive.add_records(ONE, [record("r2", "d" * 40), record("r3", anchors=())])
    assert [each.id for each in archive.list_records(ONE)] == ["r1"]
    assert archive.last_serial(ONE) == 1


def test_records_are_found_by_anchor_and_by_session(archive):
    both = (Anchor(AnchorKind.COMMIT, "d" * 40), Anchor(AnchorKind.TREE, "e" * 40))
    archive.add_records(
        ONE,
        [record("r1"), record("r2", anchors=both, session_id="s1"), record("r3", session_id="s1", model="m")],
    )
    commit, tree = Anchor(AnchorKind.COMMIT, "c" * 40), Anchor(AnchorKind.TREE, "c" * 40)
    assert [each.id for each in archive.find_records(ONE, [commit])] == ["r1", "r3"]
    assert archive.find_records(ONE, [tree]) == []
    assert archive.find_records(ONE, []) == []
    assert archive.find_records(TWO, [commit]) == []
    assert [each.id for each in archive.find_records(ONE, [both[1], commit, both[0]])] == ["r1", "r2", "r3"]
    many = [Anchor(AnchorKind.COMMIT, f"{number:040}") for number in range(1000)]
    assert [each.id for each in archive.find_records(ONE, [*many, *both])] == ["r2"]
    assert [each.id for each in archive.records_of_session(ONE, "s1")] == ["r2", "r3"]


def test_many_records_at_once(archive):
    given = [record(f"r{number}", f"{number:040}") for number in range(700)]
    assert len(archive.add_records(ONE, iter(given))) == 700
    assert archive.add_records(ONE, given) == []


def test_an_erased_tree_is_closed(archive):
    archive.put_session(ONE, session("s1"), [turn()])
    archive.put_session(ONE, session("sub", root_id="s1", parent_id="s1"), [turn()])
    archive.put_session(ONE, session("s2"), [])
    marked = archive.mark_erased(ONE, "sub", 42)
    assert [(each.id, each.erased_at_ms, each.serial) for each in marked] == [("s1", 42, 4), ("sub", 42, 5)]
    assert archive.mark_erased(ONE, "s1", 99) == marked
    assert archive.list_turns(ONE, "s1") == [turn()]
    assert archive.find_session(ONE, "s2").erased_at_ms is None
    late = session("late", root_id="s1", parent_id="s1")
    for given in (session("s1"), session("sub", content_hash="00"), late):
        with pytest.raises(TranscriptErased):
            archive.put_session(ONE, given, [])


def test_a_session_can_be_erased_before_it_is_kept(archive):
    assert archive.mark_erased(ONE, "s1", 42) == []
    assert archive.mark_erased(ONE, "s1", 43) == []
    assert archive.find_session(ONE, "s1") is None
    assert archive.list_sessions(ONE) == []
    with pytest.raises(TranscriptErased):
        archive.put_session(ONE, session("s1"), [])
    archive.put_session(TWO, session("s1"), [])


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 4097])
def test_a_name_that_no_database_keeps_is_refused(archive, name):
    for call in (
        lambda: archive.put_session(ONE, session(name), []),
        lambda: archive.add_records(ONE, [record(value=name)]),
        lambda: archive.add_records(ONE, [record(session_id=name)]),
        lambda: archive.mark_erased(ONE, name, 1),
    ):
        with pytest.raises(BadInput):
            call()


@pytest.mark.parametrize("name", ["a/../b", "\n", "x" * 4096, "' or 1=1 --", "é", "%", "\U0001f600"])
def test_names_may_hold_any_other_characters(archive, name):
    archive.put_session(ONE, session(name), [turn()])
    archive.put_session(ONE, session("other"), [])
    assert archive.find_session(ONE, name).id == name
    assert archive.list_turns(ONE, name) == [turn()]


def test_turns_must_be_in_order(archive):
    with pytest.raises(BadInput, match="order"):
        archive.put_session(ONE, session(), [turn(2), turn(1)])


def test_writers_side_by_side_get_serials_of_their_own(archive):
    barrier = threading.Barrier(4)

    def write(number: int) -> list[int]:
        barrier.wait()
        return [
            archive.put_session(ONE, session(f"{number} {count}"), [turn()]).serial
            if count % 2
            else archive.add_records(ONE, [record(f"{number} {count}", f"{number} {count}")])[0].serial
            for count in range(6)
        ]

    with ThreadPoolExecutor(4) as pool:
        serials = [serial for each in pool.map(write, range(4)) for serial in each]
    assert sorted(serials) == list(range(1, 25))
    assert archive.last_serial(ONE) == 24
