"""What refusals of links promise, tested on every implementation."""

from collections.abc import Iterator

import pytest

from imprint.store.catalog.database import Database, SqlDatabase
from imprint.store.catalog.migrate import upgrade, upgrade_database
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.postgres import PostgresDatabase
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.errors import BadInput, Missing, RepositoryMissing
from imprint.store.events import Admission, EventKind
from imprint.store.links.model import Refusal
from imprint.store.links.refusals import (
    REASON_LENGTH_MAX,
    FileRefusals,
    NoRefusals,
    Refusals,
    SqlRefusals,
    verify_reason,
)
from imprint.store.types import HashAlgorithm, ObjectId, RefName, RepositoryName

HERE = "repo_1"
LATER, EARLIER, OTHER = (ObjectId(digit * 40) for digit in "abc")


@pytest.fixture(params=["file", "sqlite", "postgres"])
def refusals(request, tmp_path) -> Iterator[Refusals]:
    if request.param == "file":
        yield FileRefusals(tmp_path / "refusals.jsonl")
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
    record = RepositoryRecord(
        HERE,
        RepositoryName("acme", "app"),
        HashAlgorithm.SHA1,
        RefName.parse("refs/heads/main"),
        generation=0,
        created_at_ms=1,
    )
    catalogue.create_repository(record, Admission(HERE, "evt", EventKind.CREATED, 1, "ada", None, "yes"))
    yield SqlRefusals(database)
    catalogue.close()


def refusal(origin: ObjectId = EARLIER, at_ms: int = 5, reason: str = "another task") -> Refusal:
    return Refusal(LATER, origin, "ada", at_ms, reason)


def test_a_refusal_is_kept_as_it_was_said(refusals):
    assert refusals.list_refusals(HERE) == []
    assert refusals.refuse(HERE, refusal()) == refusal()
    refusals.refuse(HERE, refusal(OTHER, at_ms=6, reason="größer, not the same"))
    assert refusals.list_refusals(HERE) == [refusal(), refusal(OTHER, at_ms=6, reason="größer, not the same")]


def test_the_first_word_stands(refusals):
    refusals.refuse(HERE, refusal())
    assert refusals.refuse(HERE, refusal(at_ms=9, reason="again")) == refusal()
    assert refusals.list_refusals(HERE) == [refusal()]


def test_what_is_taken_back_can_be_refused_anew(refusals):
    refusals.refuse(HERE, refusal())
    assert refusals.restore(HERE, LATER, EARLIER) == refusal()
    assert refusals.list_refusals(HERE) == []
    assert refusals.refuse(HERE, refusal(at_ms=9)) == refusal(at_ms=9)


def test_nothing_can_be_taken_back_that_was_not_refused(refusals):
    refusals.refuse(HERE, refusal())
    with pytest.raises(Missing):
        refusals.restore(HERE, EARLIER, LATER)
    with pytest.raises(Missing):
        NoRefusals().restore(HERE, LATER, EARLIER)


def test_an_unknown_repository_has_no_refusals(refusals):
    if isinstance(refusals, FileRefusals):
        pytest.skip("a clone has one file of its own")
    with pytest.raises(RepositoryMissing):
        refusals.refuse("repo_9", refusal())
    assert refusals.list_refusals("repo_9") == []


@pytest.mark.parametrize("reason", ["", "  ", "x" * (REASON_LENGTH_MAX + 1), "bell \x07"])
def test_a_reason_is_asked_for(reason):
    with pytest.raises(BadInput):
        verify_reason(reason)
