"""A note that nothing foresaw costs that note."""

import pytest

from imprint.store.errors import StorageFailed
from imprint.store.formats.gitai import NoteProblem, parse_note
from imprint.store.provenance import notes
from imprint.store.types import ObjectId

COMMIT, BLOB = ObjectId("1" * 40), ObjectId("2" * 40)


def surprise(*_arguments):
    raise KeyError("surprise")


def test_a_note_that_cannot_be_read_is_a_problem(monkeypatch):
    monkeypatch.setattr(notes, "parse_note", surprise)
    note = notes.read_note(COMMIT, b"any")
    assert note.attestations == ()
    assert note.problems == (NoteProblem(0, "unreadable: KeyError; it was passed over"),)


def test_a_note_whose_claims_cannot_be_made_keeps_its_place(monkeypatch):
    monkeypatch.setattr(notes, "note_claims", surprise)
    record = notes.make_note_record(COMMIT, BLOB, parse_note(b"---\n{}"), {})
    assert (record.commit, record.blob, record.claims) == (COMMIT, BLOB, ())
    assert record.problems[-1].text == "unreadable: KeyError; it was passed over"


def test_a_failure_of_the_machine_is_no_problem_of_a_note(monkeypatch):
    def fail(*_arguments):
        raise StorageFailed("disk full")

    monkeypatch.setattr(notes, "note_claims", fail)
    with pytest.raises(StorageFailed):
        notes.make_note_record(COMMIT, BLOB, parse_note(b"---\n{}"), {})
