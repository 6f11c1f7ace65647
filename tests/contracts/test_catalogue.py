"""What every catalogue promises, tested on every implementation."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from imprint.store.actors import ALL_REPOSITORIES, ActorKind, Session, Token, Verb
from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import Catalogue, RefSnapshot, RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import (
    ActorConflict,
    BadInput,
    Conflict,
    Missing,
    RepositoryExists,
    RepositoryMissing,
    SessionConflict,
    SessionMissing,
    StaleUpdate,
    TokenMissing,
)
from imprint.store.events import Admission, Event, EventKind, PackRecord, PackReplacement, SessionClaim
from imprint.store.types import (
    Anything,
    HashAlgorithm,
    MustBe,
    MustNotExist,
    ObjectId,
    RefChange,
    RefName,
    RefUpdate,
    RefValue,
    RepositoryName,
)

ONE, TWO, THREE = (ObjectId(digit * 40) for digit in "123")
MAIN = RefName.parse("refs/heads/main")
NOW_MS = 1_700_000_000_000
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> bytes:
    """A new catalogue's file, to be copied: making one runs every migration."""
    path = tmp_path_factory.mktemp("template") / "catalogue.db"
    upgrade(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def postgres_template(postgres) -> str:
    """The same in PostgreSQL: the name of a database."""
    name = postgres.make()
    database = PostgresDatabase(postgres.url(name))
    upgrade_database(database)
    database.close()
    return name


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def catalogue(request, tmp_path, template) -> Iterator[Catalogue]:
    opened: Catalogue = MemoryCatalogue()
    if request.param == "sqlite":
        (tmp_path / "catalogue.db").write_bytes(template)
        opened = SqlCatalogue.open_sqlite(tmp_path / "catalogue.db")
    elif request.param == "postgres":
        server = request.getfixturevalue("postgres")
        name = server.make(request.getfixturevalue("postgres_template"))
        opened = SqlCatalogue.open(PostgresDatabase(server.url(name)))
    yield opened
    opened.close()


def record(name: str = "acme/app", repository_id: str = "repo_1") -> RepositoryRecord:
    return RepositoryRecord(
        id=repository_id,
        name=RepositoryName.parse(name),
        algorithm=HashAlgorithm.SHA1,
        head=MAIN,
        generation=0,
        created_at_ms=NOW_MS,
    )


def admission(*updates: RefUpdate, kind: EventKind = EventKind.PUSH, repository_id="repo_1") -> Admission:
    return Admission(
        repository_id=repository_id,
        event_id=f"evt_{next(numbers):08d}",
        kind=kind,
        at_ms=NOW_MS,
        actor="ada",
        token_id="tok_1",
        verdict="allowed: token scope",
        updates=updates,
    )


def create(catalogue: Catalogue, name: str = "acme/app", repository_id: str = "repo_1") -> Event:
    return catalogue.create_repository(
        record(name, repository_id), admission(kind=EventKind.CREATED, repository_id=repository_id)
    )


def put(name: str | RefName, target: ObjectId | None = ONE, expectation=Anything()) -> RefUpdate:  # noqa: B008
    return RefUpdate(RefName.parse(name), target, expectation)


def values(snapshot: RefSnapshot) -> dict[str, str]:
    return {name.text: value.id for name, value in snapshot.refs.items()}


def folded(events: list[Event]) -> dict[RefName, ObjectId]:
    """Refs as the fold of events: invariant 2 of the journal."""
    refs: dict[RefName, ObjectId] = {}
    for change in itertools.chain.from_iterable(event.changes for event in events):
        assert refs.get(change.name) == change.old
        refs.pop(change.name, None)
        if change.new:
            refs[change.name] = change.new
    return refs


def all_events(catalogue: Catalogue, repository_id: str = "repo_1") -> list[Event]:
    return catalogue.list_events(repository_id, limit=1_000_000)


# -- repositories ---------------------------------------------------------------------------------------


def test_a_created_repository_is_found_by_name_in_any_letter_case(catalogue):
    create(catalogue)
    found = catalogue.find_repository(RepositoryName.parse("ACME/App"))
    assert found == replace(record(), generation=1)
    assert catalogue.get_repository("repo_1") == found
    assert catalogue.find_repository(RepositoryName.parse("acme/other")) is None


def test_creation_is_the_first_event(catalogue):
    event = create(catalogue)
    assert (event.sequence, event.kind, event.changes) == (1, EventKind.CREATED, ())
    assert catalogue.list_events("repo_1") == [event]


def test_a_repository_can_begin_with_refs(catalogue):
    catalogue.create_repository(record(), admission(put(MAIN, ONE), kind=EventKind.IMPORT))
    assert catalogue.read_refs("repo_1") == RefSnapshot(1, MAIN, {MAIN: RefValue(ONE)})


def test_a_sha256_repository_keeps_its_format_and_ids(catalogue):
    catalogue.create_repository(
        replace(record(), algorithm=HashAlgorithm.SHA256), admission(put(MAIN, ObjectId("4" * 64)))
    )
    assert catalogue.get_repository("repo_1").algorithm is HashAlgorithm.SHA256
    assert catalogue.read_refs("repo_1").head_id == ObjectId("4" * 64)


def test_a_taken_name_is_refused_in_any_letter_case_and_nothing_is_left(catalogue):
    create(catalogue)
    with pytest.raises(RepositoryExists, match="ACME/app"):
        create(catalogue, "ACME/app", "repo_2")
    with pytest.raises(RepositoryMissing):
        catalogue.get_repository("repo_2")
    assert catalogue.list_events("repo_2") == []


def test_an_id_is_never_used_twice(catalogue):
    create(catalogue)
    with pytest.raises(Conflict):
        create(catalogue, "acme/other")
    assert catalogue.find_repository(RepositoryName.parse("acme/other")) is None


def test_an_unknown_id_is_missing_everywhere(catalogue):
    for call in (
        lambda: catalogue.get_repository("repo_x"),
        lambda: catalogue.read_refs("repo_x"),
        lambda: catalogue.admit(admission(repository_id="repo_x")),
        lambda: catalogue.rename_repository(record().name, admission(repository_id="repo_x")),
        lambda: catalogue.delete_repository(NOW_MS, admission(repository_id="repo_x")),
        lambda: catalogue.restore_repository(admission(repository_id="repo_x")),
        lambda: catalogue.open_session(Session("s", "repo_x", "ada", NOW_MS)),
    ):
        with pytest.raises(RepositoryMissing):
            call()
    assert catalogue.list_events("repo_x") == []
    assert catalogue.list_packs("repo_x") == frozenset()
    assert catalogue.list_sessions("repo_x") == []
    assert catalogue.list_turns("repo_x", "s") == []
    assert catalogue.find_session("repo_x", "s") is None
    assert catalogue.purge_repository("repo_x", NOW_MS) is False


def test_repositories_are_listed_by_name(catalogue):
    for number, name in enumerate(["b/x", "A/z", "a/y"]):
        create(catalogue, name, f"repo_{number}")
    assert [str(each.name) for each in catalogue.list_repositories()] == ["a/y", "A/z", "b/x"]
    assert catalogue.list_repositories(deleted=True) == []


def test_a_rename_frees_the_old_name_and_is_an_event(catalogue):
    create(catalogue)
    new = RepositoryName.parse("acme/tool")
    event = catalogue.rename_repository(
        new, replace(admission(kind=EventKind.RENAMED), details={"old": "acme/app"})
    )
    assert (event.sequence, event.kind, event.details) == (2, EventKind.RENAMED, {"old": "acme/app"})
    assert catalogue.find_repository(record().name) is None
    assert catalogue.find_repository(new) == replace(record(), name=new, generation=2)
    create(catalogue, "acme/app", "repo_2")


def test_a_rename_may_change_letter_case_only(catalogue):
    create(catalogue)
    catalogue.rename_repository(RepositoryName.parse("Acme/APP"), admission())
    assert str(catalogue.get_repository("repo_1").name) == "Acme/APP"


def test_a_rename_to_a_taken_name_changes_nothing(catalogue):
    create(catalogue)
    create(catalogue, "acme/other", "repo_2")
    with pytest.raises(RepositoryExists):
        catalogue.rename_repository(RepositoryName.parse("acme/OTHER"), admission())
    assert catalogue.get_repository("repo_1") == replace(record(), generation=1)
    assert len(catalogue.list_events("repo_1")) == 1


def test_a_deleted_repository_is_hidden_but_keeps_its_name_refs_and_events(catalogue):
    create(catalogue)
    catalogue.admit(admission(put(MAIN)))
    event = catalogue.delete_repository(NOW_MS + 10, admission(kind=EventKind.DELETED))
    assert event.sequence == 3
    assert catalogue.find_repository(record().name) is None
    assert catalogue.list_repositories() == []
    assert catalogue.list_repositories(deleted=True) == [
        replace(record(), generation=3, purge_after_ms=NOW_MS + 10)
    ]
    assert catalogue.read_refs("repo_1").head_id == ONE
    assert [each.sequence for each in catalogue.list_events("repo_1")] == [1, 2, 3]
    with pytest.raises(RepositoryExists):
        create(catalogue, "acme/app", "repo_2")


def test_a_deleted_repository_takes_no_change(catalogue):
    create(catalogue)
    catalogue.delete_repository(NOW_MS + 10, admission())
    for call in (
        lambda: catalogue.admit(admission(put(MAIN))),
        lambda: catalogue.rename_repository(RepositoryName.parse("a/b"), admission()),
        lambda: catalogue.delete_repository(NOW_MS, admission()),
    ):
        with pytest.raises(RepositoryMissing):
            call()
    assert catalogue.get_repository("repo_1").generation == 2


def test_a_deletion_can_be_taken_back_once(catalogue):
    create(catalogue)
    catalogue.delete_repository(NOW_MS + 10, admission())
    assert catalogue.restore_repository(admission(kind=EventKind.RESTORED)).sequence == 3
    assert catalogue.find_repository(record().name) == replace(record(), generation=3)
    with pytest.raises(RepositoryMissing):
        catalogue.restore_repository(admission())


def test_a_purge_waits_for_the_grace_period_and_takes_every_row(catalogue):
    create(catalogue)
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    catalogue.admit(replace(admission(put(MAIN)), pack=PackRecord("pack-1", 3, 100)))
    catalogue.open_session(Session("s", "repo_1", "ada", NOW_MS))
    catalogue.add_turn("repo_1", "s", "address", None, NOW_MS)
    assert catalogue.purge_repository("repo_1", NOW_MS) is False  # it lives
    catalogue.delete_repository(NOW_MS + 10, admission())
    assert catalogue.purge_repository("repo_1", NOW_MS + 9) is False
    assert catalogue.purge_repository("repo_1", NOW_MS + 10) is True
    assert catalogue.purge_repository("repo_1", NOW_MS + 10) is False
    assert catalogue.list_events("repo_1") == []
    assert catalogue.list_packs("repo_1") == frozenset()
    assert catalogue.list_sessions("repo_1") == []
    assert catalogue.list_turns("repo_1", "s") == []
    with pytest.raises(RepositoryMissing):
        catalogue.get_repository("repo_1")
    create(catalogue, "acme/app", "repo_2")


# -- refs and the commit point --------------------------------------------------------------------------


def test_a_new_repository_has_an_unborn_head(catalogue):
    create(catalogue)
    snapshot = catalogue.read_refs("repo_1")
    assert snapshot == RefSnapshot(1, MAIN, {})
    assert snapshot.head_id is None


def test_an_admission_is_told_in_full_by_its_event(catalogue):
    create(catalogue)
    claim = SessionClaim("s1", "coder", "model-9", "address", THREE)
    asked = replace(
        admission(put(MAIN, ONE, MustNotExist())),
        pack=PackRecord("pack-1", 3, 100),
        claim=claim,
        details={"options": "a=b"},
    )
    event = catalogue.admit(asked)
    assert event == Event(
        id=asked.event_id,
        repository_id="repo_1",
        sequence=2,
        kind=EventKind.PUSH,
        at_ms=NOW_MS,
        actor="ada",
        token_id="tok_1",
        verdict="allowed: token scope",
        changes=(RefChange(MAIN, None, ONE),),
        pack="pack-1",
        claim=claim,
        details={"options": "a=b"},
    )
    assert catalogue.list_events("repo_1", after=1) == [event]
    assert catalogue.list_packs("repo_1") == {"pack-1"}


def test_a_claim_may_know_only_its_session(catalogue):
    create(catalogue)
    catalogue.admit(replace(admission(), claim=SessionClaim("s"), token_id=None))
    (event,) = catalogue.list_events("repo_1", after=1)
    assert (event.claim, event.token_id) == (SessionClaim("s"), None)


def test_refs_are_created_moved_and_deleted(catalogue):
    create(catalogue)
    catalogue.admit(admission(put(MAIN, ONE, MustNotExist()), put("refs/heads/dev", TWO)))
    event = catalogue.admit(admission(put(MAIN, TWO, MustBe(ONE)), put("refs/heads/dev", None, MustBe(TWO))))
    assert event.changes == (
        RefChange(MAIN, ONE, TWO),
        RefChange(RefName.parse("refs/heads/dev"), TWO, None),
    )
    assert values(catalogue.read_refs("repo_1")) == {"refs/heads/main": TWO}
    assert folded(all_events(catalogue)) == {MAIN: TWO}


def test_a_change_that_changes_nothing_is_recorded(catalogue):
    create(catalogue)
    catalogue.admit(admission(put(MAIN)))
    same = catalogue.admit(admission(put(MAIN, ONE, MustBe(ONE)), put("refs/heads/x", None, MustNotExist())))
    assert same.changes == (
        RefChange(MAIN, ONE, ONE),
        RefChange(RefName.parse("refs/heads/x"), None, None),
    )
    assert values(catalogue.read_refs("repo_1")) == {"refs/heads/main": ONE}


def test_tags_carry_what_they_peel_to_until_they_move(catalogue):
    create(catalogue)
    tag = RefName.parse("refs/tags/v1")
    catalogue.admit(admission(RefUpdate(tag, ONE, Anything(), peeled=TWO)))
    assert catalogue.read_refs("repo_1").refs == {tag: RefValue(ONE, TWO)}
    catalogue.admit(admission(put(tag, THREE)))
    assert catalogue.read_refs("repo_1").refs == {tag: RefValue(THREE, None)}


def test_refs_are_sorted_by_byte_and_may_be_no_utf8(catalogue):
    create(catalogue)
    names = [
        b"refs/heads/a/b",
        b"refs/heads/a-b",
        b"refs/heads/\xff\xfe",
        "refs/heads/é".encode(),
        b"refs/zz/a",
    ]
    catalogue.admit(admission(*(put(RefName.parse(name)) for name in names)))
    assert list(catalogue.read_refs("repo_1").refs) == sorted(names)


def test_head_moves_with_an_admission_also_to_an_unborn_branch(catalogue):
    create(catalogue)
    branch = RefName.parse("refs/heads/trunk")
    event = catalogue.admit(replace(admission(kind=EventKind.HEAD), head=branch))
    assert event.head == branch
    assert catalogue.read_refs("repo_1") == RefSnapshot(2, branch, {})
    assert catalogue.get_repository("repo_1").head == branch
    assert catalogue.admit(admission(put(branch))).head is None
    assert catalogue.read_refs("repo_1").head_id == ONE


@pytest.mark.parametrize(
    ("before", "expectation", "expected", "actual"),
    [
        (None, MustBe(ONE), ONE, None),
        (ONE, MustNotExist(), None, ONE),
        (ONE, MustBe(TWO), TWO, ONE),
    ],
)
@pytest.mark.parametrize("target", [THREE, None])
def test_a_failed_expectation_is_told_with_both_values(
    catalogue, before, expectation, expected, actual, target
):
    create(catalogue)
    catalogue.admit(admission(*([put(MAIN, before)] if before else [])))
    with pytest.raises(StaleUpdate) as refused:
        catalogue.admit(admission(put(MAIN, target, expectation)))
    assert (refused.value.name, refused.value.expected, refused.value.actual) == (MAIN, expected, actual)


def test_a_refused_admission_leaves_nothing(catalogue):
    create(catalogue)
    catalogue.admit(admission(put(MAIN, ONE)))
    before = (catalogue.read_refs("repo_1"), all_events(catalogue), catalogue.list_packs("repo_1"))
    asked = admission(
        put("refs/heads/new"),
        put(MAIN, TWO, MustBe(THREE)),
        put("refs/heads/other", TWO, MustBe(TWO)),
    )
    with pytest.raises(StaleUpdate) as refused:
        catalogue.admit(replace(asked, pack=PackRecord("pack-1", 1, 1), head=RefName.parse("refs/heads/new")))
    assert refused.value.name == MAIN, "the first that fails, in order"
    assert (catalogue.read_refs("repo_1"), all_events(catalogue), catalogue.list_packs("repo_1")) == before
    assert catalogue.get_repository("repo_1").head == MAIN


def test_a_ref_named_twice_is_refused(catalogue):
    create(catalogue)
    with pytest.raises(BadInput, match="twice"):
        catalogue.admit(admission(put(MAIN, ONE), put(MAIN, TWO)))
    assert catalogue.get_repository("repo_1").generation == 1


@pytest.mark.parametrize(
    ("kept", "created"),
    [
        ("refs/heads/a", "refs/heads/a/b"),
        ("refs/heads/a", "refs/heads/a/b/c"),
        ("refs/heads/a/b/c", "refs/heads/a"),
        ("refs/heads/a/b/c", "refs/heads/a/b"),
    ],
)
def test_refs_that_could_not_be_files_beside_each_other_are_refused(catalogue, kept, created):
    create(catalogue)
    catalogue.admit(admission(put(kept)))
    with pytest.raises(Conflict, match="refs/heads"):
        catalogue.admit(admission(put("refs/heads/fine"), put(created, TWO)))
    assert values(catalogue.read_refs("repo_1")) == {kept: ONE}
    with pytest.raises(Conflict):  # and within one admission
        catalogue.admit(admission(put("refs/heads/q/" + kept), put("refs/heads/q/" + created)))
    catalogue.admit(admission(put(kept, None), put(created, TWO)))
    assert values(catalogue.read_refs("repo_1")) == {created: TWO}
    assert {name.text for name in folded(all_events(catalogue))} == {created}


@pytest.mark.parametrize("count", [3, 700])
def test_names_that_only_look_alike_live_together(catalogue, count):
    """Few and many names take different ways through a catalogue that keeps them in tables."""
    create(catalogue)
    near = ["refs/heads/A/x", "refs/heads/a", "refs/heads/a-b", "refs/heads/a.b", "refs/heads/a0"]
    near += ["refs/heads/ab/c"]
    catalogue.admit(admission(*(put(name) for name in near)))
    more = [f"refs/heads/a{number:04d}/x" for number in range(count)]
    catalogue.admit(admission(*(put(name, TWO, MustNotExist()) for name in more)))
    assert sorted(values(catalogue.read_refs("repo_1"))) == sorted(near + more)
    with pytest.raises(Conflict):
        catalogue.admit(admission(*(put(f"refs/heads/b{n}") for n in range(count)), put("refs/heads/a/x")))
    with pytest.raises(Conflict):
        catalogue.admit(admission(*(put(f"refs/heads/b{n}") for n in range(count)), put("refs/heads/ab")))
    with pytest.raises(StaleUpdate):
        catalogue.admit(admission(*(put(name, THREE, MustBe(TWO)) for name in [*more, "refs/heads/none"])))
    catalogue.admit(admission(*(put(name, None, MustBe(TWO)) for name in more), put("refs/heads/ab/c", None)))
    assert sorted(values(catalogue.read_refs("repo_1"))) == near[:5]


def test_an_earlier_snapshot_makes_no_difference_to_what_is_read(catalogue):
    create(catalogue)
    chance = random.Random(7)
    earlier = [catalogue.read_refs("repo_1")]
    names = [f"refs/heads/{letter}" for letter in "abcdefgh"]
    for step in range(40):
        chosen = chance.sample(names, chance.randint(0, 4))
        targets = [chance.choice([None, ObjectId(f"{step + 1:040x}")]) for _ in chosen]
        updates = [
            RefUpdate(
                RefName.parse(name), target, Anything(), chance.choice([None, THREE]) if target else None
            )
            for name, target in zip(chosen, targets, strict=True)
        ]
        head = RefName.parse(chance.choice(names)) if step % 9 == 0 else None
        catalogue.admit(replace(admission(*updates), head=head))
        now = catalogue.read_refs("repo_1")
        for since in (earlier[-1], chance.choice(earlier), now):
            again = catalogue.read_refs("repo_1", since=since)
            assert again == now
            assert list(again.refs) == sorted(now.refs)
        earlier.append(now)


def test_an_admitted_event_id_cannot_be_used_again(catalogue):
    create(catalogue)
    asked = admission(put(MAIN))
    catalogue.admit(asked)
    with pytest.raises(Conflict):
        catalogue.admit(asked)
    assert catalogue.get_repository("repo_1").generation == 2


def test_admissions_together_are_those_one_after_the_other(catalogue):
    create(catalogue)
    pack = PackRecord("pack-1", 3, 100)
    events = catalogue.admit_all(
        [
            replace(admission(put(MAIN)), pack=pack),
            admission(RefUpdate(MAIN, TWO, MustBe(ONE))),
            replace(admission(put("refs/heads/next")), pack=pack),
        ]
    )
    assert [event.sequence for event in events] == [2, 3, 4]
    assert catalogue.list_events("repo_1", after=1) == events
    assert {name.text: value.id for name, value in catalogue.read_refs("repo_1").refs.items()} == {
        "refs/heads/main": TWO,
        "refs/heads/next": ONE,
    }
    assert catalogue.list_packs("repo_1") == {"pack-1"}
    assert catalogue.admit_all([]) == []


def test_of_admissions_together_one_that_fails_leaves_nothing_of_any(catalogue):
    create(catalogue)
    before = catalogue.read_refs("repo_1")
    good, stale = admission(put(MAIN)), admission(RefUpdate(MAIN, TWO, MustBe(THREE)))
    with pytest.raises(StaleUpdate):
        catalogue.admit_all([replace(good, pack=PackRecord("pack-1", 3, 100)), stale])
    assert catalogue.read_refs("repo_1") == before
    assert catalogue.list_packs("repo_1") == frozenset()
    assert catalogue.admit(good).sequence == 2


def test_admissions_together_are_for_one_repository(catalogue):
    create(catalogue)
    create(catalogue, "acme/other", "repo_2")
    with pytest.raises(BadInput):
        catalogue.admit_all([admission(put(MAIN)), admission(put(MAIN), repository_id="repo_2")])
    assert catalogue.read_refs("repo_1").refs == catalogue.read_refs("repo_2").refs == {}


def test_a_pack_admitted_twice_is_known_once(catalogue):
    create(catalogue)
    for _ in range(2):
        catalogue.admit(replace(admission(), pack=PackRecord("pack-1", 3, 100)))
    assert catalogue.list_packs("repo_1") == {"pack-1"}
    assert [event.pack for event in catalogue.list_events("repo_1", after=1)] == ["pack-1", "pack-1"]


def test_repositories_share_nothing(catalogue):
    create(catalogue)
    create(catalogue, "acme/other", "repo_2")
    catalogue.admit(replace(admission(put(MAIN)), pack=PackRecord("pack-1", 3, 100)))
    assert catalogue.read_refs("repo_2") == RefSnapshot(1, MAIN, {})
    assert catalogue.list_packs("repo_2") == frozenset()
    assert catalogue.admit(admission(put("refs/heads/MAIN"), repository_id="repo_2")).sequence == 2


def test_an_event_of_a_kind_is_found_above_a_sequence(catalogue):
    create(catalogue)
    catalogue.admit(replace(admission(), kind=EventKind.PRUNED))
    catalogue.admit(admission(put(MAIN)))
    found = [catalogue.has_event("repo_1", EventKind.PRUNED, after=after) for after in (0, 1, 2, 3)]
    assert found == [True, True, False, False]
    assert not catalogue.has_event("repo_1", EventKind.IMPORT, after=0)
    assert not catalogue.has_event("repo_9", EventKind.PRUNED, after=0)


def test_events_are_read_in_pages(catalogue):
    create(catalogue)
    for number in range(6):
        catalogue.admit(admission(put(MAIN, ObjectId(f"{number + 1:040x}")), put(f"refs/heads/b{number}")))
    everything = all_events(catalogue)
    assert [event.sequence for event in everything] == [1, 2, 3, 4, 5, 6, 7]
    assert catalogue.list_events("repo_1", after=2, limit=3) == everything[2:5]
    assert catalogue.list_events("repo_1", after=7) == []
    assert catalogue.list_events("repo_1", limit=0) == []
    assert folded(everything) == {
        name: value.id for name, value in catalogue.read_refs("repo_1").refs.items()
    }


# -- actors, tokens, sessions ---------------------------------------------------------------------------


def test_an_actor_is_made_once_and_collects_addresses(catalogue):
    catalogue.ensure_actor("Ada", ActorKind.HUMAN, ["Ada@Example.com"])
    actor = catalogue.ensure_actor("ADA", ActorKind.HUMAN, ["b@example.com", "ada@example.com"])
    assert (actor.name, actor.kind, actor.emails) == (
        "Ada",
        ActorKind.HUMAN,
        ("ada@example.com", "b@example.com"),
    )
    assert catalogue.find_actor("ada") == actor
    assert catalogue.find_actor("bob") is None
    catalogue.ensure_actor("Zed", ActorKind.SERVICE)
    catalogue.ensure_actor("bob", ActorKind.AGENT)
    assert [each.name for each in catalogue.list_actors()] == ["Ada", "bob", "Zed"]
    assert catalogue.list_actors()[0] == actor


def test_an_actor_never_changes_its_kind(catalogue):
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    with pytest.raises(ActorConflict, match="human"):
        catalogue.ensure_actor("Ada", ActorKind.AGENT, ["x@example.com"])
    assert catalogue.find_actor("ada").emails == ()


def make_token(token_id: str, *repositories: str, actor="ada", created_at_ms=NOW_MS, **more) -> Token:
    return Token(
        token_id, f"hash of {token_id}", actor, repositories, frozenset({Verb.READ}), created_at_ms, **more
    )


def test_a_token_is_found_by_the_hash_of_its_secret(catalogue):
    create(catalogue)
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    token = replace(
        make_token("tok_1", "acme/app", session="s", expires_at_ms=NOW_MS + 5),
        verbs=frozenset({Verb.READ, Verb.WRITE}),
    )
    catalogue.add_token(token)
    assert catalogue.find_token("hash of tok_1") == token
    assert catalogue.find_token("hash of tok_2") is None
    everywhere = make_token("tok_2", ALL_REPOSITORIES)
    catalogue.add_token(everywhere)
    assert catalogue.find_token("hash of tok_2") == everywhere


def test_a_token_needs_its_actor_and_its_repositories(catalogue):
    create(catalogue)
    with pytest.raises(Missing, match="nobody"):
        catalogue.add_token(make_token("tok_1", actor="nobody"))
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    with pytest.raises(RepositoryMissing, match="acme/none"):
        catalogue.add_token(make_token("tok_1", "acme/app", "acme/none"))
    assert catalogue.list_tokens() == []


def test_a_token_is_added_once(catalogue):
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    catalogue.add_token(make_token("tok_1"))
    with pytest.raises(Conflict):
        catalogue.add_token(replace(make_token("tok_1"), secret_hash="other"))
    with pytest.raises(Conflict):
        catalogue.add_token(replace(make_token("tok_2"), secret_hash="hash of tok_1"))
    assert catalogue.list_tokens() == [make_token("tok_1")]


def test_a_scope_follows_the_repository_not_the_name(catalogue):
    """A new repository that takes an old name must not inherit access from the one that had it."""
    create(catalogue)
    create(catalogue, "acme/more", "repo_2")
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    catalogue.add_token(make_token("tok_1", "acme/app", "acme/more"))
    catalogue.rename_repository(RepositoryName.parse("acme/Moved"), admission())
    create(catalogue, "acme/app", "repo_3")
    assert catalogue.find_token("hash of tok_1").repositories == ("acme/more", "acme/moved")
    catalogue.delete_repository(NOW_MS, admission())
    catalogue.purge_repository("repo_1", NOW_MS)
    assert catalogue.find_token("hash of tok_1").repositories == ("acme/more",)
    assert catalogue.list_tokens()[0].repositories == ("acme/more",)


def test_tokens_are_listed_oldest_first(catalogue):
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    for token_id, created in (("tok_c", 1), ("tok_a", 3), ("tok_b", 1)):
        catalogue.add_token(make_token(token_id, created_at_ms=created))
    assert [token.id for token in catalogue.list_tokens()] == ["tok_b", "tok_c", "tok_a"]


def test_a_revoked_token_is_kept_with_its_first_time(catalogue):
    catalogue.ensure_actor("ada", ActorKind.HUMAN)
    catalogue.add_token(make_token("tok_1", ALL_REPOSITORIES))
    revoked = replace(make_token("tok_1", ALL_REPOSITORIES), revoked_at_ms=5)
    assert catalogue.revoke_token("tok_1", 5) == revoked
    assert catalogue.revoke_token("tok_1", 9) == revoked
    assert catalogue.find_token("hash of tok_1") == revoked
    assert catalogue.list_tokens() == [revoked]
    with pytest.raises(TokenMissing):
        catalogue.revoke_token("tok_2", 5)


def test_a_session_keeps_its_beginning_and_learns_agent_and_model(catalogue):
    create(catalogue)
    first = Session("s1", "repo_1", "Ada", NOW_MS, agent="coder", base=ONE)
    assert catalogue.open_session(first) == first
    again = catalogue.open_session(Session("s1", "repo_1", "ada", NOW_MS + 9, model="m1", base=TWO))
    assert again == replace(first, model="m1")
    assert catalogue.open_session(Session("s1", "repo_1", "ada", NOW_MS, model="m2")).model == "m2"
    assert catalogue.find_session("repo_1", "s1") == replace(first, model="m2")
    assert catalogue.find_session("repo_1", "s2") is None


def test_a_session_belongs_to_one_actor_in_one_repository(catalogue):
    create(catalogue)
    create(catalogue, "acme/other", "repo_2")
    catalogue.open_session(Session("s1", "repo_1", "ada", NOW_MS))
    with pytest.raises(SessionConflict, match="s1"):
        catalogue.open_session(Session("s1", "repo_1", "bob", NOW_MS, model="m"))
    assert catalogue.find_session("repo_1", "s1").model is None
    catalogue.open_session(Session("s1", "repo_2", "bob", NOW_MS))
    assert [each.actor for each in catalogue.list_sessions("repo_1")] == ["ada"]


def test_sessions_are_listed_oldest_first(catalogue):
    create(catalogue)
    for session_id, opened in (("c", 1), ("a", 3), ("b", 1)):
        catalogue.open_session(Session(session_id, "repo_1", "ada", opened))
    assert [session.id for session in catalogue.list_sessions("repo_1")] == ["b", "c", "a"]


def test_turns_count_from_one_and_name_the_newest_model(catalogue):
    create(catalogue)
    catalogue.open_session(Session("s", "repo_1", "ada", NOW_MS, model="m0"))
    one = catalogue.add_turn("repo_1", "s", "address 1", None, 5)
    two = catalogue.add_turn("repo_1", "s", "address 2", "m1", 6)
    assert [(turn.number, turn.prompt, turn.model, turn.at_ms) for turn in (one, two)] == [
        (1, "address 1", None, 5),
        (2, "address 2", "m1", 6),
    ]
    assert catalogue.list_turns("repo_1", "s") == [one, two]
    assert catalogue.find_session("repo_1", "s").model == "m1"
    with pytest.raises(SessionMissing):
        catalogue.add_turn("repo_1", "none", "address", None, 5)
    with pytest.raises(SessionMissing):
        catalogue.add_turn("repo_x", "s", "address", None, 5)


# -- many at once ---------------------------------------------------------------------------------------


def race(workers: int, work: Callable[[int], object]) -> list[object]:
    """Run `work(0)` to `work(workers - 1)` in threads that start together; results in order."""
    barrier = threading.Barrier(workers)

    def begin(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(begin, range(workers)))


def test_of_racing_pushes_to_one_ref_each_round_has_one_winner(catalogue):
    create(catalogue)
    catalogue.admit(admission(put(MAIN, ObjectId("f" * 40))))
    rounds, workers = 5, 8

    def push(number: int) -> int:
        won = 0
        for _ in range(rounds):
            seen = catalogue.read_refs("repo_1").head_id
            target = ObjectId(f"{number + 1:08x}{won + 1:032x}")
            try:
                catalogue.admit(admission(put(MAIN, target, MustBe(seen))))
                won += 1
            except StaleUpdate:
                continue
        return won

    wins = race(workers, push)
    events = all_events(catalogue)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert len(events) == 2 + sum(wins), "told = landed"
    assert sum(wins) >= rounds
    assert folded(events) == {MAIN: catalogue.read_refs("repo_1").head_id}


def test_racing_names_never_end_as_folder_and_file(catalogue):
    create(catalogue)

    def push(number: int) -> bool:
        try:
            catalogue.admit(admission(put("refs/heads/a" + "/b" * (number % 3), ONE, MustNotExist())))
        except Conflict:
            return False
        return True

    assert sum(race(6, push)) == 1
    assert len(catalogue.read_refs("repo_1").refs) == 1


def test_racing_creations_of_one_name_have_one_winner(catalogue):
    def begin(number: int) -> bool:
        try:
            create(catalogue, "acme/APP" if number % 2 else "acme/app", f"repo_{number}")
        except RepositoryExists:
            return False
        return True

    assert sum(race(6, begin)) == 1
    assert len(catalogue.list_repositories()) == 1


def test_readers_see_whole_admissions_only(catalogue):
    create(catalogue)
    names = [f"refs/heads/b{number}" for number in range(20)]
    stop = threading.Event()
    torn = []

    def read() -> None:
        while not stop.is_set():
            snapshot = catalogue.read_refs("repo_1")
            if len(set(values(snapshot).values())) > 1 or len(snapshot.refs) not in {0, len(names)}:
                torn.append(snapshot)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(20):
        catalogue.admit(admission(*(put(name, ObjectId(f"{number + 1:040x}")) for name in names)))
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_racing_turns_are_numbered_without_gaps(catalogue):
    create(catalogue)
    catalogue.open_session(Session("s", "repo_1", "ada", NOW_MS))
    race(6, lambda number: [catalogue.add_turn("repo_1", "s", f"{number}", None, 1) for _ in range(4)])
    assert [turn.number for turn in catalogue.list_turns("repo_1", "s")] == list(range(1, 25))


# -- packs that take the place of others ----------------------------------------------------------------


@pytest.fixture
def packed(catalogue) -> Catalogue:
    """A repository with three live packs."""
    create(catalogue)
    for number in (1, 2, 3):
        catalogue.admit(replace(admission(), pack=PackRecord(f"pack-{number}", number, 10)))
    return catalogue


def test_packs_are_replaced_without_an_event(packed):
    events = all_events(packed)
    packed.replace_packs(
        "repo_1", PackReplacement((PackRecord("pack-12", 3, 20),), frozenset({"pack-1", "pack-2"})), 77
    )
    assert packed.list_packs("repo_1") == {"pack-12", "pack-3"}
    assert packed.list_retired_packs("repo_1") == {"pack-1": 77, "pack-2": 77}
    assert all_events(packed) == events


@pytest.mark.parametrize(
    "wrong",
    [
        PackReplacement((PackRecord("pack-9", 1, 1),), frozenset({"pack-1", "pack-8"})),
        PackReplacement((PackRecord("pack-1", 1, 1),), frozenset({"pack-1"})),
    ],
)
def test_only_live_packs_are_replaced_and_never_by_themselves(packed, wrong):
    with pytest.raises(Conflict):
        packed.replace_packs("repo_1", wrong, 77)
    with pytest.raises(Conflict):
        packed.admit(replace(admission(put(MAIN)), replacement=wrong))
    assert packed.list_packs("repo_1") == {"pack-1", "pack-2", "pack-3"}
    assert packed.list_retired_packs("repo_1") == {}
    assert packed.read_refs("repo_1").refs == {}


def test_a_retired_pack_is_live_again_when_it_comes_again(packed):
    packed.replace_packs("repo_1", PackReplacement((), frozenset({"pack-1", "pack-2"})), 77)
    packed.admit(replace(admission(), pack=PackRecord("pack-1", 1, 10)))
    packed.replace_packs("repo_1", PackReplacement((PackRecord("pack-2", 2, 10),)), 78)
    assert packed.list_packs("repo_1") == {"pack-1", "pack-2", "pack-3"}
    assert packed.list_retired_packs("repo_1") == {}


def test_only_retired_packs_are_forgotten(packed):
    packed.replace_packs("repo_1", PackReplacement((), frozenset({"pack-1"})), 77)
    assert packed.forget_packs("repo_1", ["pack-1", "pack-2", "pack-9"]) == {"pack-1"}
    assert packed.forget_packs("repo_1", ["pack-1"]) == frozenset()
    assert packed.list_packs("repo_1") == {"pack-2", "pack-3"}
    assert packed.list_retired_packs("repo_1") == {}


def test_an_event_may_replace_packs(packed):
    replacement = PackReplacement((PackRecord("pack-4", 1, 1),), frozenset({"pack-1"}))
    event = packed.admit(replace(admission(kind=EventKind.PRUNED), replacement=replacement))
    assert event.kind is EventKind.PRUNED
    assert packed.list_packs("repo_1") == {"pack-2", "pack-3", "pack-4"}
    assert packed.list_retired_packs("repo_1") == {"pack-1": event.at_ms}


def test_replacing_packs_of_no_repository_is_refused(catalogue):
    with pytest.raises(RepositoryMissing):
        catalogue.replace_packs("repo_x", PackReplacement(), 1)
    assert catalogue.list_retired_packs("repo_x") == {}
    assert catalogue.forget_packs("repo_x", ["pack-1"]) == frozenset()


# -- settings ---------------------------------------------------------------------------------------------


def test_settings_change_with_their_event(catalogue):
    create(catalogue)
    assert catalogue.get_repository("repo_1").settings == {}
    chosen = {"receive.denyDeletes": "true", "receive.fsck.missingEmail": "ignore"}
    catalogue.admit(replace(admission(kind=EventKind.SETTINGS), settings=chosen, details=chosen))
    assert catalogue.get_repository("repo_1").settings == chosen
    other = {"receive.denyDeletes": None, "receive.fsck.missingEmail": "warn"}
    catalogue.admit(replace(admission(kind=EventKind.SETTINGS), settings=other))
    for record in (
        catalogue.find_repository(RepositoryName.parse("acme/app")),
        *catalogue.list_repositories(),
    ):
        assert record.settings == {"receive.fsck.missingEmail": "warn"}


def test_settings_of_a_refused_admission_stay_as_they_were(catalogue):
    create(catalogue)
    refused = replace(
        admission(RefUpdate(MAIN, TWO, MustBe(ONE)), kind=EventKind.SETTINGS), settings={"a.b": "c"}
    )
    with pytest.raises(StaleUpdate):
        catalogue.admit(refused)
    assert catalogue.get_repository("repo_1").settings == {}


@pytest.mark.parametrize("peeled", [None, ObjectId("2" * 64)])
def test_an_id_of_another_object_format_is_refused(catalogue, peeled):
    create(catalogue)
    target = ONE if peeled else ObjectId("1" * 64)
    with pytest.raises(BadInput, match="object format is sha1"):
        catalogue.admit(admission(replace(put(MAIN, target), peeled=peeled)))
    assert catalogue.read_refs("repo_1").refs == {}
