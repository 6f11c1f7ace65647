"""Git AI notes: what is read, what is claimed, and what is reported."""

import json

import pytest

from imprint.store.errors import BadPath
from imprint.store.evidence.claims import LineRange
from imprint.store.formats.gitai import Attestation, Note, note_claims, parse_note, render_note
from imprint.store.types import ObjectId

COMMIT = ObjectId("7" * 40)
METADATA = {
    "schema_version": "authorship/3.0.0",
    "prompts": {
        "0123456789abcdef": {
            "agent_id": {"tool": "claude", "id": "conv-1", "model": "claude-opus-4"},
            "human_author": "Ada <ada@example.com>",
            "messages": [{"type": "user", "text": "do it"}],
        }
    },
    "sessions": {"s_c9883b05a2487d": {"agent_id": {"tool": "cursor", "id": "6ef2", "model": "unknown"}}},
    "humans": {"h_31dce776f88375": {"author": "Grace <grace@example.com>"}},
}


def note(attestations: str, metadata: object = METADATA) -> bytes:
    return attestations.encode() + b"---\n" + json.dumps(metadata).encode()


def test_sessions_people_and_legacy_prompts_each_claim_their_lines():
    raw = note(
        "src/main.rs\n"
        "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15\n"
        "  h_31dce776f88375 35-40\n"
        '"a b.txt"\n'
        "  0123456789abcdef 1\n"
    )
    read = parse_note(raw)
    assert read.problems == ()
    claims, problems = note_claims(COMMIT, read, {b"src/main.rs": ((1, 100),), b"a b.txt": ((1, 1),)})
    assert problems == []
    said = {(claim.actor, claim.agent, claim.model, claim.session): claim.lines for claim in claims}
    assert said == {
        (None, "cursor", None, "6ef2"): (
            LineRange(b"src/main.rs", 1, 10),
            LineRange(b"src/main.rs", 15, 15),
        ),
        ("Grace <grace@example.com>", None, None, None): (LineRange(b"src/main.rs", 35, 40),),
        ("Ada <ada@example.com>", "claude-code", "claude-opus-4", "conv-1"): (LineRange(b"a b.txt", 1, 1),),
    }


def test_lines_that_the_commit_did_not_add_are_clipped_away():
    read = parse_note(note("f\n  s_c9883b05a2487d 1-10,5-30\n"))
    (claim,), problems = note_claims(COMMIT, read, {b"f": ((3, 4), (9, 12), (40, 50))})
    assert claim.lines == (LineRange(b"f", 3, 4), LineRange(b"f", 9, 12))
    assert problems == []


def test_an_attestation_outside_of_the_commit_claims_nothing_and_is_reported():
    read = parse_note(note("f\n  s_c9883b05a2487d 1-10\ng\n  s_c9883b05a2487d 1\n"))
    claims, problems = note_claims(COMMIT, read, {b"g": ((1, 1),)})
    assert [claim.lines for claim in claims] == [(LineRange(b"g", 1, 1),)]
    assert [problem.text for problem in problems] == [
        "f s_c9883b05a2487d: the commit added none of these lines"
    ]


def test_a_key_without_an_entry_claims_nothing_and_is_reported():
    claims, problems = note_claims(COMMIT, parse_note(note("f\n  s_00000000000000 1\n")), {b"f": ((1, 9),)})
    assert claims == []
    assert [problem.text for problem in problems] == [
        "f s_00000000000000: the JSON has no entry of this name"
    ]


def test_a_note_of_metadata_alone_is_legal_and_claims_no_line():
    read = parse_note(note(""))
    assert read.problems == ()
    assert note_claims(COMMIT, read, {b"f": ((1, 9),)}) == ([], [])


@pytest.mark.parametrize(
    ("raw", "line", "text"),
    [
        (b"  s_c9883b05a2487d 1\n---\n{}", 1, "an attestation before the first path"),
        (b"f\n  nonsense 1\n---\n{}", 2, "'nonsense' is not a key of an author"),
        (b"f\n  s_c9883b05a2487d 5-2\n---\n{}", 2, "'5-2' is not a range of lines"),
        (b"f\n  s_c9883b05a2487d 0\n---\n{}", 2, "'0' is not a range of lines"),
        (b"f\n  s_c9883b05a2487d 99999999999999\n---\n{}", 2, "'99999999999999' is not a range of lines"),
        (b"f\n  s_c9883b05a2487d\n---\n{}", 2, "'' is not a range of lines"),
        (b"f\n", 2, "no line '---' and no JSON after it"),
        (b"---\n{\n oops", 3, "the JSON cannot be read"),
        (b"---\n\xff\xfe{", 2, "the JSON cannot be read"),
        (b"---\n[]", 2, "the JSON is not an object"),
    ],
)
def test_a_malformed_record_is_reported_with_its_line(raw, line, text):
    (problem,) = parse_note(raw).problems
    assert (problem.line, problem.text) == (line, text)


def test_what_surrounds_a_malformed_record_still_counts():
    read = parse_note(note("f\n  broken\n  s_c9883b05a2487d 2\n"))
    assert read.attestations == (Attestation(b"f", "s_c9883b05a2487d", ((2, 2),)),)
    assert len(read.problems) == 1


def test_a_note_that_is_garbage_gives_a_bounded_number_of_problems():
    assert len(parse_note(b"f\n" + b"  x\n" * 10_000).problems) == 100


def test_unknown_fields_survive():
    metadata = METADATA | {"future": {"deep": [1, None, "\u00e9"]}}
    assert parse_note(render_note(parse_note(note("", metadata)))).metadata == metadata


def test_a_path_that_the_format_cannot_express_is_refused():
    with pytest.raises(BadPath):
        render_note(Note((Attestation(b"a\nb", "0123456789abcdef", ((1, 1),)),)))


def test_overlapping_ranges_of_a_hostile_note_are_clipped_quickly():
    many = ",".join(f"{start}-900000000" for start in range(1, 50_000))
    added = tuple((start, start) for start in range(1, 200_000, 2))
    (claim,), _ = note_claims(COMMIT, parse_note(note(f"f\n  s_c9883b05a2487d {many}\n")), {b"f": added})
    assert len(claim.lines) == len(added)


OLDEST = {
    "files": {
        "src/main.rs": {
            "file": "src/main.rs",
            "authors": [
                {"author": "Claude Code", "lines": [[1, 4], 9, 9], "agent_metadata": None},
                {"author": "Ada Lovelace", "lines": [5]},
            ],
        },
        "broken": {"authors": [{"lines": [1]}, {"author": "Ada Lovelace", "lines": ["x", [4, 2], True]}, 7]},
    },
    "schema_version": "authorship/0.0.1",
}


def test_the_oldest_notes_are_json_alone_and_claim_too():
    read = parse_note(json.dumps(OLDEST).encode())
    assert [problem.text for problem in read.problems] == [
        "broken: an author without name or lines",
        "broken: lines that are no numbers",
        "broken: an author without name or lines",
    ]
    assert read.metadata["files"] == OLDEST["files"]
    claims, unused = note_claims(COMMIT, read, {b"src/main.rs": [(1, 2), (5, 9)]})
    assert unused == []
    assert {(claim.agent, claim.actor, claim.lines) for claim in claims} == {
        ("claude-code", None, (LineRange(b"src/main.rs", 1, 2), LineRange(b"src/main.rs", 9, 9))),
        (None, "Ada Lovelace", (LineRange(b"src/main.rs", 5, 5),)),
    }
    assert parse_note(render_note(read)).attestations == read.attestations


@pytest.mark.parametrize(
    "raw", [b"{}", b"{", b'{"files": 1}', b'{"files": {"a": 1}}', b'{"files": {"a": {"authors": 2}}}']
)
def test_json_that_is_no_note_claims_nothing(raw):
    assert parse_note(raw).attestations == ()


def test_a_note_with_megabytes_of_messages_is_read_and_kept():
    metadata = {**METADATA, "prompts": {"0123456789abcdef": {"messages": [{"text": "x" * 1000}] * 3000}}}
    read = parse_note(note("a\n  0123456789abcdef 1\n", metadata))
    assert read.problems == ()
    assert read.metadata == metadata
