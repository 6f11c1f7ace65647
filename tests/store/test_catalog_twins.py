"""Two catalogues that are asked the same give the same answers: the one in SQLite and the one in memory."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from imprint.store.actors import ALL_REPOSITORIES, ActorKind, Session, Token, Verb
from imprint.store.catalog.memory import MemoryCatalogue
from imprint.store.catalog.migrate import upgrade
from imprint.store.catalog.ports import Catalogue, RepositoryRecord
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import StoreError
from imprint.store.events import Admission, EventKind, PackRecord, PackReplacement, SessionClaim
from imprint.store.types import (
    Anything,
    HashAlgorithm,
    MustBe,
    MustNotExist,
    ObjectId,
    RefName,
    RefUpdate,
    RepositoryName,
)

OBJECTS = st.sampled_from([ObjectId(digit * 40) for digit in "123"])
REPOSITORIES = st.sampled_from(["repo_1", "repo_2", "repo_3"])
NAMES = st.sampled_from(["acme/app", "Acme/App", "acme/tool", "b/x"]).map(RepositoryName.parse)
REFS = st.sampled_from(
    [
        RefName.parse(name)
        for name in (
            b"refs/heads/a",
            b"refs/heads/A",
            b"refs/heads/a/b",
            b"refs/heads/a/b/c",
            b"refs/heads/a-b",
            b"refs/heads/a0",
            b"refs/tags/\xff",
            "refs/tags/É".encode(),
            "refs/tags/é".encode(),
        )
    ]
)
EXPECTATIONS = st.one_of(st.just(Anything()), st.just(MustNotExist()), OBJECTS.map(MustBe))
UPDATES = st.lists(
    st.builds(RefUpdate, REFS, st.none() | OBJECTS, EXPECTATIONS, st.none() | OBJECTS), max_size=5
)
PEOPLE = st.sampled_from(["ada", "Ada", "bob"])
KINDS = st.sampled_from(ActorKind)
TEXTS = st.none() | st.sampled_from(["one", "two"])
PACKS = st.sampled_from(["one", "two"])
TIMES = st.integers(1, 5)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "catalogue.db"
    upgrade(path)
    return path


def test_both_catalogues_give_the_same_answers(template):
    class Twins(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = Path(tempfile.mkdtemp())
            shutil.copy(template, self.folder / "catalogue.db")
            self.sql = SqlCatalogue.open_sqlite(self.folder / "catalogue.db")
            self.memory = MemoryCatalogue()
            self.count = 0

        def teardown(self) -> None:
            self.sql.close()
            shutil.rmtree(self.folder)

        def both(self, ask: Callable[[Catalogue], object]) -> None:
            answers: list[object] = []
            for catalogue in (self.memory, self.sql):
                try:
                    answers.append(ask(catalogue))
                except StoreError as refused:
                    answers.append((type(refused), refused.message))
            assert answers[0] == answers[1]

        def admission(self, repository_id: str, *updates: RefUpdate, **more: object) -> Admission:
            self.count += 1
            plain = Admission(
                repository_id,
                f"evt_{self.count}",
                EventKind.PUSH,
                self.count,
                "ada",
                None,
                "allowed",
                updates,
            )
            return replace(plain, **more)

        @rule(repository_id=REPOSITORIES, name=NAMES, updates=UPDATES)
        def create(self, repository_id, name, updates):
            record = RepositoryRecord(repository_id, name, HashAlgorithm.SHA1, RefName(b"refs/heads/a"), 0, 1)
            admission = self.admission(repository_id, *updates)
            self.both(lambda catalogue: catalogue.create_repository(record, admission))

        @rule(repository_id=REPOSITORIES, many=st.lists(UPDATES, max_size=4), pack=st.none() | PACKS)
        def admit_all(self, repository_id, many, pack):
            record = PackRecord(pack, 3, 100) if pack else None
            admissions = [self.admission(repository_id, *updates, pack=record) for updates in many]
            self.both(lambda catalogue: catalogue.admit_all(admissions))

        @rule(repository_id=REPOSITORIES, name=NAMES)
        def rename(self, repository_id, name):
            admission = self.admission(repository_id)
            self.both(lambda catalogue: catalogue.rename_repository(name, admission))

        @rule(repository_id=REPOSITORIES, time=TIMES)
        def delete(self, repository_id, time):
            admission = self.admission(repository_id)
            self.both(lambda catalogue: catalogue.delete_repository(time, admission))

        @rule(repository_id=REPOSITORIES)
        def restore(self, repository_id):
            admission = self.admission(repository_id)
            self.both(lambda catalogue: catalogue.restore_repository(admission))

        @rule(repository_id=REPOSITORIES, time=TIMES)
        def purge(self, repository_id, time):
            self.both(lambda catalogue: catalogue.purge_repository(repository_id, time))

        @rule(repository_id=REPOSITORIES, updates=UPDATES, head=st.none() | REFS, pack=TEXTS, session=TEXTS)
        def admit(self, repository_id, updates, head, pack, session):
            admission = self.admission(
                repository_id,
                *updates,
                head=head,
                pack=PackRecord(pack, 1, 2) if pack else None,
                claim=SessionClaim(session, model=pack) if session else None,
                details={"note": session} if session else {},
            )
            since = self.memory.read_refs(repository_id) if self.is_known(repository_id) else None
            self.both(lambda catalogue: catalogue.admit(admission))
            self.both(lambda catalogue: catalogue.read_refs(repository_id, since=since))

        @rule(repository_id=REPOSITORIES, added=st.sets(PACKS), retired=st.sets(PACKS), time=TIMES)
        def replace_packs(self, repository_id, added, retired, time):
            packs = tuple(PackRecord(name, 1, 2) for name in sorted(added))
            replacement = PackReplacement(packs, frozenset(retired))
            self.both(lambda catalogue: catalogue.replace_packs(repository_id, replacement, time))
            admission = self.admission(repository_id, replacement=replacement)
            self.both(lambda catalogue: catalogue.admit(admission))

        @rule(repository_id=REPOSITORIES, names=st.sets(PACKS))
        def forget_packs(self, repository_id, names):
            self.both(lambda catalogue: catalogue.forget_packs(repository_id, names))

        @rule(repository_id=REPOSITORIES, key=PACKS, value=TEXTS)
        def change_settings(self, repository_id, key, value):
            admission = self.admission(repository_id, settings={key: value})
            self.both(lambda catalogue: catalogue.admit(admission))

        @rule(name=PEOPLE, kind=KINDS, emails=st.lists(st.sampled_from(["A@x.org", "a@x.org", "b@x.org"])))
        def ensure_actor(self, name, kind, emails):
            self.both(lambda catalogue: catalogue.ensure_actor(name, kind, emails))

        @rule(
            number=TIMES,
            actor=PEOPLE,
            scope=st.lists(NAMES.map(lambda name: name.key) | st.just(ALL_REPOSITORIES), unique=True),
            verbs=st.frozensets(st.sampled_from(Verb)),
            time=TIMES,
        )
        def add_token(self, number, actor, scope, verbs, time):
            token = Token(f"tok_{number}", f"hash {time}", actor, tuple(scope), verbs, time)
            self.both(lambda catalogue: catalogue.add_token(token))
            self.both(lambda catalogue: catalogue.find_token(f"hash {time}"))

        @rule(number=TIMES, time=TIMES)
        def revoke_token(self, number, time):
            self.both(lambda catalogue: catalogue.revoke_token(f"tok_{number}", time))

        @rule(repository_id=REPOSITORIES, number=TIMES, actor=PEOPLE, agent=TEXTS, model=TEXTS, time=TIMES)
        def open_session(self, repository_id, number, actor, agent, model, time):
            session = Session(f"s{number}", repository_id, actor, time, agent, model, base=agent)
            self.both(lambda catalogue: catalogue.open_session(session))

        @rule(repository_id=REPOSITORIES, number=TIMES, model=TEXTS, time=TIMES)
        def add_turn(self, repository_id, number, model, time):
            self.both(lambda catalogue: catalogue.add_turn(repository_id, f"s{number}", "text", model, time))
            self.both(lambda catalogue: catalogue.list_turns(repository_id, f"s{number}"))

        @rule()
        def reopen(self):
            self.sql.close()
            self.sql = SqlCatalogue.open_sqlite(self.folder / "catalogue.db")

        @invariant()
        def everything_is_equal(self):
            self.both(lambda catalogue: catalogue.list_repositories())
            self.both(lambda catalogue: catalogue.list_repositories(deleted=True))
            self.both(lambda catalogue: catalogue.list_actors())
            self.both(lambda catalogue: catalogue.list_tokens())
            for repository_id in ("repo_1", "repo_2", "repo_3"):
                for read in ("read_refs", "list_events", "list_packs", "list_retired_packs", "list_sessions"):
                    self.both(lambda catalogue, r=read, i=repository_id: getattr(catalogue, r)(i))

        def is_known(self, repository_id: str) -> bool:
            try:
                self.memory.get_repository(repository_id)
            except StoreError:
                return False
            return True

    # Shrinking a failure would take minutes of real SQLite; the steps that led to it are few enough.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(
        Twins, settings=settings(max_examples=20, stateful_step_count=30, phases=phases, deadline=None)
    )
