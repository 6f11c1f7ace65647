"""The ledger as a file: what it keeps, what it forgets, and how it comes back."""

import sqlite3
import threading

import pytest

from imprint.store.errors import StorageFailed
from imprint.store.events import Event, EventKind
from imprint.store.evidence.claims import Claim, Evidence, LineRange
from imprint.store.formats.gitai import NOTES_REF, NoteProblem
from imprint.store.provenance.ledger import SCHEMA_VERSION, Ledger
from imprint.store.provenance.rows import CachedOrigins, Expansion, NoteRecord, NotesChange
from imprint.store.types import ObjectId

ONE, TWO, THREE = (ObjectId(digit * 40) for digit in "123")


def event(sequence: int, actor: str = "ada") -> Event:
    return Event(
        f"evt_{sequence}", "repo", sequence, EventKind.PUSH, 1000 + sequence, actor, "tok", "allowed"
    )


def declared(commit: ObjectId, agent: str = "codex", *lines: LineRange) -> Claim:
    return Claim(commit, Evidence.DECLARED, agent=agent, method="m", lines=lines)


def test_an_expansion_is_kept_with_its_position_claims_and_deliveries(ledger):
    path = b"na\xffme \xe9\n"
    claims = [declared(ONE, "codex", LineRange(path, 1, 2)), declared(ONE), declared(TWO)]
    ledger.record("repo", Expansion(event(3), [ONE, TWO], [TWO], claims))
    assert ledger.position("repo") == 3
    assert ledger.claims("repo", ONE) == claims[:2]
    assert ledger.claims("other", ONE) == []
    delivery = ledger.delivery("repo", TWO)
    assert (delivery.actor, delivery.token_id, delivery.event_id, delivery.sequence, delivery.at_ms) == (
        "ada", "tok", "evt_3", 3, 1003,
    )  # fmt: skip
    assert ledger.recent_heads("repo", 5) == [TWO]
    assert ledger.find_known("repo", [ONE, THREE]) == {ONE}


def test_an_event_that_was_expanded_is_not_expanded_again(ledger):
    ledger.record("repo", Expansion(event(3), [ONE], [ONE], [declared(ONE)]))
    ledger.record("repo", Expansion(event(3, "eve"), [ONE, TWO], [TWO], [declared(ONE, "other")]))
    assert ledger.delivery("repo", ONE).actor == "ada"
    assert ledger.delivery("repo", TWO) is None
    assert [claim.agent for claim in ledger.claims("repo", ONE)] == ["codex"]


def test_the_first_delivery_of_a_commit_stays(ledger):
    ledger.record("repo", Expansion(event(1), [ONE]))
    ledger.record("repo", Expansion(event(2, "eve"), [ONE]))
    assert ledger.delivery("repo", ONE).actor == "ada"


def test_a_changed_note_replaces_what_the_old_one_claimed_and_nothing_else(ledger):
    own = declared(ONE, "cursor")
    noted = declared(ONE, "codex", LineRange(b"f", 1, 1))
    record = NoteRecord(ONE, TWO, names_agent=True, claims=(noted,), problems=(NoteProblem(2, "bad"),))
    ledger.record("repo", Expansion(event(1), [ONE], [ONE], [own], NotesChange({NOTES_REF: THREE}, [record])))
    assert ledger.claims("repo", ONE) == [noted, own]
    assert (ledger.note_sources("repo"), ledger.notes("repo")) == ({NOTES_REF: THREE}, {ONE: TWO})
    assert ledger.agent_notes("repo") == {ONE}
    assert ledger.problems("repo") == [(ONE, 2, "bad")]
    ledger.record("repo", Expansion(event(2), notes=NotesChange({}, gone=[ONE])))
    assert ledger.claims("repo", ONE) == [own]
    assert (ledger.note_sources("repo"), ledger.notes("repo")) == ({}, {})
    assert ledger.problems("repo") == []


def test_commits_are_counted_by_their_best_evidence(ledger):
    bound = Claim(ONE, Evidence.BOUND, actor="a", method="session push")
    ledger.record("repo", Expansion(event(1), [ONE, TWO, THREE], [], [declared(ONE), bound, declared(TWO)]))
    counts = ledger.commits_by_class("repo")
    assert {evidence.value: count for evidence, count in counts.items() if count} == {
        "bound": 1, "declared": 1, "unknown": 1,
    }  # fmt: skip


def test_forgetting_a_repository_leaves_the_others(ledger):
    for repository in ("repo", "other"):
        ledger.record(repository, Expansion(event(1), [ONE], [ONE], [declared(ONE)]))
        ledger.start_origins(repository, CachedOrigins(ONE, {b"f": (TWO, b"x")}))
    ledger.forget("repo")
    ledger.forget("never heard of")
    assert (ledger.position("repo"), ledger.claims("repo", ONE), ledger.load_origins("repo")) == (0, [], None)
    assert ledger.position("other") == 1
    assert ledger.load_origins("other") == CachedOrigins(ONE, {b"f": (TWO, b"x")})


def test_origins_of_another_commit_are_not_mixed_in(ledger):
    ledger.start_origins("repo", CachedOrigins(ONE, {b"f": (TWO, b"x")}))
    ledger.add_origins("repo", CachedOrigins(ONE, {b"g": (TWO, b"y")}))
    ledger.add_origins("repo", CachedOrigins(THREE, {b"h": (TWO, b"z")}))
    assert ledger.load_origins("repo").files == {b"f": (TWO, b"x"), b"g": (TWO, b"y")}


def test_text_that_is_no_unicode_is_kept_as_far_as_it_goes(ledger):
    claim = Claim(ONE, Evidence.BOUND, actor="\ud800x", method="m")
    ledger.record("repo", Expansion(event(1), [ONE], claims=[claim]))
    assert ledger.claims("repo", ONE)[0].actor == "?x"


def test_what_was_written_is_there_after_reopening(ledger, tmp_path):
    ledger.record("repo", Expansion(event(1), [ONE], [], [declared(ONE)]))
    ledger.close()
    again = Ledger.open(tmp_path / "ledger" / "provenance.db")
    assert again.claims("repo", ONE) == [declared(ONE)]
    again.close()


def test_a_file_of_another_version_is_begun_again(tmp_path):
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE claim (something TEXT)")
        old.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    old.close()
    ledger = Ledger.open(path)
    ledger.record("repo", Expansion(event(1), [ONE], [], [declared(ONE)]))
    assert ledger.claims("repo", ONE) == [declared(ONE)]
    ledger.close()


def test_a_file_that_is_no_database_is_begun_again(tmp_path):
    path = tmp_path / "broken.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    ledger = Ledger.open(path)
    assert ledger.position("repo") == 0
    ledger.close()


def test_a_folder_that_cannot_be_written_is_a_storage_failure(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed):
        Ledger.open(tmp_path / "file" / "ledger.db")


def test_many_threads_read_while_one_writes(ledger):
    failures = []

    def read() -> None:
        try:
            for _ in range(50):
                position = ledger.position("repo")
                assert (
                    len(ledger.find_known("repo", [ObjectId(f"{at:040x}") for at in range(1, position + 1)]))
                    >= position
                )
        except BaseException as failure:  # noqa: BLE001 - it is handed to the test
            failures.append(failure)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for sequence in range(1, 60):
        ledger.record("repo", Expansion(event(sequence), [ObjectId(f"{sequence:040x}")]))
    for reader in readers:
        reader.join()
    assert failures == []
