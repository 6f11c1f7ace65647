"""Answers that a catalogue keeps: never older than what was told, whoever committed it."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imprint.store.actors import ActorKind, Token, Verb
from imprint.store.catalog.kept.answers import ANSWERS_MAX, KeptAnswers
from imprint.store.catalog.kept.at_hand import NotAtHand, one_moment, only_at_hand
from imprint.store.catalog.kept.moves import MOVES_MAX, Moves
from imprint.store.catalog.kept.watch import FileWatch
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import RefSnapshot, RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import RepositoryMissing, StaleUpdate
from imprint.store.events import Admission, Event, EventKind
from imprint.store.types import (
    HashAlgorithm,
    MustBe,
    MustNotExist,
    ObjectId,
    RefChange,
    RefName,
    RefUpdate,
    RepositoryName,
)

APP, TOOL = RepositoryName.parse("acme/app"), RepositoryName.parse("acme/tool")
RECORD = RepositoryRecord("repo_1", APP, HashAlgorithm.SHA1, RefName.parse("refs/heads/main"), 0, 1)
TOKEN = Token("tok_1", "f" * 64, "ada", (APP.key,), frozenset({Verb.READ}), 1)


def admission(number: int, kind: EventKind = EventKind.PUSH, **chosen) -> Admission:
    return replace(
        Admission("repo_1", f"evt_{number}", kind, 1, "ada", None, "allowed: token scope"), **chosen
    )


@pytest.fixture(params=["sqlite", "postgres"])
def two(request, tmp_path) -> Iterator[tuple[SqlCatalogue, SqlCatalogue]]:
    """The same catalogue opened twice, as by two processes."""
    if request.param == "sqlite":
        upgrade(tmp_path / "catalogue.db")
        opened = [SqlCatalogue.open_sqlite(tmp_path / "catalogue.db") for _ in range(2)]
    else:
        server = request.getfixturevalue("postgres")
        url = server.url(server.make())
        database = PostgresDatabase(url)
        upgrade_database(database)
        opened = [SqlCatalogue.open(database), SqlCatalogue.open(PostgresDatabase(url))]
    opened[0].create_repository(RECORD, admission(1, EventKind.CREATED))
    opened[0].ensure_actor("ada", ActorKind.AGENT)
    opened[0].add_token(TOKEN)
    yield opened[0], opened[1]
    for each in opened:
        each.close()


@pytest.mark.parametrize("by", [0, 1], ids=["here", "by another process"])
def test_what_was_committed_is_in_the_next_answer(two, by):
    asked, changed = two[0], two[by]
    for _ in range(3):
        assert asked.find_token(TOKEN.secret_hash).repositories == (APP.key,)
        assert asked.find_repository(APP).generation == asked.get_repository("repo_1").generation == 1
        assert asked.find_actor("ADA").emails == ()

    changed.revoke_token("tok_1", 7)
    assert asked.find_token(TOKEN.secret_hash).revoked_at_ms == 7
    changed.ensure_actor("ada", ActorKind.AGENT, ["ada@example.com"])
    assert asked.find_actor("ada").emails == ("ada@example.com",)
    changed.admit(admission(2, EventKind.SETTINGS, settings={"transfer.hideRefs": "refs/secret"}))
    assert asked.get_repository("repo_1").settings == {"transfer.hideRefs": "refs/secret"}
    changed.rename_repository(TOOL, admission(3, EventKind.RENAMED))
    assert asked.find_repository(APP) is None
    assert asked.find_token(TOKEN.secret_hash).repositories == (TOOL.key,)
    changed.delete_repository(1, admission(4, EventKind.DELETED))
    assert asked.find_repository(TOOL) is None
    assert asked.get_repository("repo_1").purge_after_ms == 1
    changed.purge_repository("repo_1", 2)
    with pytest.raises(RepositoryMissing):
        asked.get_repository("repo_1")
    assert asked.find_token(TOKEN.secret_hash).repositories == ()


def test_refs_that_move_here_let_other_answers_stand(tmp_path):
    upgrade(tmp_path / "catalogue.db")
    catalogue, other = (SqlCatalogue.open_sqlite(tmp_path / "catalogue.db") for _ in range(2))
    catalogue.create_repository(RECORD, admission(1, EventKind.CREATED))
    catalogue.ensure_actor("ada", ActorKind.AGENT)
    catalogue.add_token(TOKEN)

    def ask_at_hand() -> Token | None:
        with only_at_hand():
            return catalogue.find_token(TOKEN.secret_hash)

    assert catalogue.find_token(TOKEN.secret_hash)
    catalogue.admit(admission(2))
    assert ask_at_hand()
    assert catalogue.get_repository("repo_1").generation == 2
    catalogue.admit_all([admission(3), admission(4)])
    assert ask_at_hand()
    assert catalogue.find_repository(APP).generation == 4

    other.admit(admission(5))  # another process: what else it did is not known
    with pytest.raises(NotAtHand):
        ask_at_hand()
    assert catalogue.find_token(TOKEN.secret_hash)
    other.revoke_token("tok_1", 7)
    catalogue.admit(admission(6))
    with pytest.raises(NotAtHand):
        ask_at_hand()
    assert catalogue.find_token(TOKEN.secret_hash).revoked_at_ms == 7
    catalogue.close()
    other.close()


def test_a_revocation_beside_many_commits_counts_at_once(tmp_path):
    """Tokens are revoked from here and from there while refs move in both."""
    upgrade(tmp_path / "catalogue.db")
    both = [SqlCatalogue.open_sqlite(tmp_path / "catalogue.db") for _ in range(2)]
    both[0].create_repository(RECORD, admission(1, EventKind.CREATED))
    both[0].ensure_actor("ada", ActorKind.AGENT)
    stop, numbers = threading.Event(), itertools.count(2)

    def move(catalogue: SqlCatalogue) -> None:
        while not stop.is_set():
            catalogue.admit_all([admission(next(numbers)), admission(next(numbers))])

    movers = [threading.Thread(target=move, args=(each,)) for each in (*both, both[0])]
    for mover in movers:
        mover.start()
    try:
        for number in range(30):
            secret = f"{number:064x}"
            both[0].add_token(replace(TOKEN, id=f"tok_{number}", secret_hash=secret))
            assert all(each.find_token(secret).revoked_at_ms is None for each in both)
            both[number % 2].revoke_token(f"tok_{number}", 7)
            assert [each.find_token(secret).revoked_at_ms for each in both] == [7, 7]
    finally:
        stop.set()
        for mover in movers:
            mover.join()
        for each in both:
            each.close()


def test_nothing_is_waited_for_at_hand(tmp_path):
    upgrade(tmp_path / "catalogue.db")
    catalogue, other = (SqlCatalogue.open_sqlite(tmp_path / "catalogue.db") for _ in range(2))
    catalogue.create_repository(RECORD, admission(1, EventKind.CREATED))

    def ask_at_hand() -> RepositoryRecord | None:
        with only_at_hand():
            return catalogue.find_repository(APP)

    with pytest.raises(NotAtHand):
        ask_at_hand()
    with pytest.raises(NotAtHand), only_at_hand():
        catalogue.list_events("repo_1")
    assert catalogue.find_repository(APP) == ask_at_hand() == replace(RECORD, generation=1)
    other.admit(admission(2, EventKind.SETTINGS, settings={"receive.denyDeletes": "true"}))
    with pytest.raises(NotAtHand):
        ask_at_hand()
    catalogue.close()
    other.close()


def test_a_block_is_one_moment():
    versions = iter(range(100))
    kept = KeptAnswers(lambda: next(versions))
    kept.ask("a", lambda: "first")
    with only_at_hand(), pytest.raises(NotAtHand):
        kept.ask("a", lambda: "second")
    assert next(versions) == 3, "twice outside, as none was known, and once inside"


def test_without_a_version_nothing_is_kept():
    kept = KeptAnswers(lambda: None)
    assert [kept.ask("a", lambda: 1), kept.ask("a", lambda: 2)] == [1, 2]


def test_an_answer_that_came_late_is_not_kept_as_newer():
    """Read before a commit and finished after it, beside somebody who asks between."""
    state = {"version": 1, "value": "old"}
    kept = KeptAnswers(lambda: state["version"])

    def read_slowly() -> str:
        value = state["value"]
        state.update(version=2, value="new")
        assert kept.ask("a", lambda: state["value"]) == "new"
        return value

    assert kept.ask("a", read_slowly) == "old"
    assert kept.ask("a", lambda: state["value"]) == "new"


def test_what_is_asked_between_a_commit_and_its_being_told_costs_no_answer():
    """Whoever sees a commit before the writer says what it changed puts nothing of the others away."""
    state = {"version": 1}
    kept = KeptAnswers(lambda: state["version"])
    for question in ("token", "moved", "gone"):
        kept.ask(question, lambda question=question: f"{question} at 1")
    state["version"] = 2
    assert kept.ask("asked", lambda: "asked at 2") == "asked at 2"
    assert kept.ask("moved", lambda: "moved at 2, read") == "moved at 2, read"
    kept.carry(1, 2, [("moved", lambda old: f"{old}, followed"), ("gone", lambda _: None)])
    with only_at_hand():
        found = [kept.find(question) for question in ("token", "asked", "moved", "gone")]
    assert found == ["token at 1", "asked at 2", "moved at 2, read", None]

    state["version"] = 4  # another process made 3, and this one 4
    assert kept.ask("token", lambda: "token at 4") == "token at 4"
    kept.carry(3, 4, [])
    assert [kept.find("token"), kept.find("asked")] == ["token at 4", None]


def test_a_moment_that_is_past_puts_nothing_away():
    state = {"version": 1}
    kept = KeptAnswers(lambda: state["version"])
    kept.ask("a", lambda: "at 1")
    with only_at_hand():
        assert kept.find("a") == "at 1"
        kept.carry(1, 2, [])
        state["version"] = 2
        with pytest.raises(NotAtHand):
            kept.ask("a", lambda: "never")
    assert kept.find("a") == "at 1"


def test_answers_are_bounded_and_nothing_is_kept_of_what_is_not_there():
    kept = KeptAnswers(lambda: 1)
    for number in range(ANSWERS_MAX + 10):
        kept.ask(number, lambda: True)
        kept.ask(-number - 1, lambda: None)
    assert len(kept._newest[1]) <= ANSWERS_MAX


def test_a_file_that_cannot_be_watched_has_no_version(tmp_path: Path):
    watch = FileWatch(f"file:{tmp_path / 'none.db'}?mode=rw", 1)
    assert watch.version() is None
    watch.close()


def test_what_moves_here_is_known_without_reading(tmp_path):
    """Of each kind of change: the record and the refs are those that a fresh reader finds."""
    upgrade(tmp_path / "catalogue.db")
    catalogue = SqlCatalogue.open_sqlite(tmp_path / "catalogue.db")
    catalogue.create_repository(RECORD, admission(1, EventKind.CREATED))
    a, b, tag = (RefName.parse(f"refs/{each}") for each in ("heads/a", "heads/b", "tags/v1"))
    one, two = ObjectId("1" * 40), ObjectId("2" * 40)
    before = catalogue.read_refs("repo_1")
    catalogue.get_repository("repo_1")

    def verify() -> None:
        with only_at_hand():
            brought_up = catalogue.read_refs("repo_1", since=before)
            record = catalogue.get_repository("repo_1")
        fresh = SqlCatalogue.open_sqlite(tmp_path / "catalogue.db")
        assert (brought_up, record) == (fresh.read_refs("repo_1"), fresh.get_repository("repo_1"))
        assert list(brought_up.refs) == list(fresh.read_refs("repo_1").refs)
        fresh.close()

    catalogue.admit(admission(2, updates=(RefUpdate(b, one, MustNotExist()),), head=b))
    verify()
    catalogue.admit_all(
        [
            admission(
                3,
                updates=(RefUpdate(a, two, MustNotExist()), RefUpdate(tag, one, MustNotExist(), peeled=two)),
            ),
            admission(4, updates=(RefUpdate(b, two, MustBe(one)),)),
        ]
    )
    verify()
    catalogue.admit(admission(5, updates=(RefUpdate(a, None, MustBe(two)),)))
    verify()
    with pytest.raises(StaleUpdate):
        catalogue.admit(admission(6, updates=(RefUpdate(b, one, MustBe(one)),)))
    before = catalogue.read_refs("repo_1", since=before)  # what was refused is not followed
    assert (before.generation, catalogue.get_repository("repo_1").generation) == (5, 5)
    catalogue.admit(admission(7, EventKind.SETTINGS, settings={"transfer.hideRefs": "refs/secret"}))
    assert catalogue.get_repository("repo_1").settings == {"transfer.hideRefs": "refs/secret"}
    verify()
    catalogue.close()


def test_moves_are_forgotten_where_one_is_missing_and_their_number_is_bounded():
    refs = [RefName.parse(f"refs/heads/{at:03}") for at in range(MOVES_MAX // 2 + 1)]
    wished = admission(1, updates=tuple(RefUpdate(name, ObjectId("1" * 40), MustNotExist()) for name in refs))
    changes = tuple(RefChange(name, None, ObjectId("1" * 40)) for name in refs)

    def event(sequence: int) -> Event:
        return Event("evt", "repo_1", sequence, EventKind.PUSH, 1, "ada", None, "yes", changes)

    snapshots = [RefSnapshot(at, refs[0], {}) for at in range(4)]
    moves = Moves.begin(snapshots[0]).follow([wished], [event(1)])
    assert moves.bring_up(snapshots[0]).refs.keys() == set(refs)
    assert moves.follow([wished], [event(1)]) is None
    assert moves.follow([wished], [event(3)]) is None
    moves = moves.follow([wished], [event(2)])
    assert (moves.first, len(moves.moves)) == (1, len(refs))
    assert moves.bring_up(snapshots[0]) is None
    assert moves.bring_up(snapshots[1]).generation == 2
    assert moves.bring_up(snapshots[3]) is None
    assert moves.follow([wished] * 2, [event(3), event(4)]) is None


def test_kinds_of_events_since_the_refs_were_read_are_known_without_reading(tmp_path):
    upgrade(tmp_path / "catalogue.db")
    catalogue, other = (SqlCatalogue.open_sqlite(tmp_path / "catalogue.db") for _ in range(2))
    catalogue.create_repository(RECORD, admission(1, EventKind.CREATED))
    catalogue.admit(admission(2, EventKind.PRUNED))
    catalogue.read_refs("repo_1")
    catalogue.admit_all([admission(3), admission(4, EventKind.COMMIT)])
    catalogue.admit(admission(5, EventKind.PRUNED))
    catalogue.admit(admission(6))

    with only_at_hand():
        found = [catalogue.has_event("repo_1", EventKind.PRUNED, after=after) for after in (2, 4, 5, 6)]
        assert found == [True, True, False, False]
        assert not catalogue.has_event("repo_1", EventKind.COMMIT, after=4)
        with pytest.raises(NotAtHand):
            catalogue.has_event("repo_1", EventKind.PRUNED, after=1)  # before the refs were read
    assert catalogue.has_event("repo_1", EventKind.PRUNED, after=1)
    other.admit(admission(7, EventKind.PRUNED))  # by another process
    assert catalogue.has_event("repo_1", EventKind.PRUNED, after=6)
    catalogue.close()
    other.close()


def test_in_one_moment_is_looked_once_whether_anything_changed() -> None:
    now, looked = [1], []

    def find_version() -> int:
        looked.append(now[0])
        return now[0]

    kept = KeptAnswers(find_version)
    with one_moment():
        assert kept.ask("question", lambda: "first") == "first"
        count = len(looked)
        assert kept.ask("question", lambda: "second") == kept.find("question") == "first"
        assert len(looked) == count
        with only_at_hand(), pytest.raises(NotAtHand):
            kept.ask("another", lambda: "read")
    now[0] = 2
    assert kept.ask("question", lambda: "second") == "second"
    with one_moment():
        assert kept.ask("question", lambda: "third") == "second"
        now[0] = 3
        beside = threading.Thread(target=lambda: kept.ask("question", lambda: "third"))
        beside.start()
        beside.join()
        assert kept.ask("question", lambda: "fourth") == "third"  # what others have read since is as good
    now[0] = 4
    with one_moment():
        assert kept.ask("question", lambda: "fourth") == "fourth"  # never older than the block
