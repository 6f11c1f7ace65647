"""Git AI notes round-trip, trailers agree with git on any message, and nothing raises on any bytes."""

import subprocess

from hypothesis import example, given
from hypothesis import strategies as st

from imprint.store.evidence.claims import Evidence
from imprint.store.formats.gitai import (
    Attestation,
    Note,
    note_claims,
    parse_note,
    render_note,
)
from imprint.store.formats.identities import identity_claims
from imprint.store.formats.trailers import message_claims, parse_trailers
from imprint.store.history.blame import Span, pack_spans, unpack_spans
from imprint.store.objects.ports import Commit, Identity
from imprint.store.types import ObjectId

HEX = "0123456789abcdef"
COMMIT = ObjectId("1" * 40)

keys = st.one_of(
    st.tuples(st.text(HEX, min_size=14, max_size=14), st.text(HEX, min_size=14, max_size=14)).map(
        lambda pair: f"s_{pair[0]}::t_{pair[1]}"
    ),
    st.text(HEX, min_size=14, max_size=14).map(lambda text: f"h_{text}"),
    st.text(HEX, min_size=16, max_size=16),
)
paths = st.binary(min_size=1, max_size=20).filter(lambda path: b"\n" not in path)
ranges = st.lists(
    st.tuples(st.integers(1, 999_999), st.integers(0, 50)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
    max_size=5,
).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
notes = st.builds(
    Note,
    attestations=st.lists(st.builds(Attestation, path=paths, key=keys, ranges=ranges), max_size=6).map(tuple),
    metadata=st.dictionaries(st.text(max_size=8), json_values, max_size=4),
)


@given(notes)
@example(Note((Attestation(b"---", "0123456789abcdef", ((1, 1),)),)))
@example(Note((Attestation(b'"quoted"', "0123456789abcdef", ((1, 1),)),)))
@example(Note((Attestation(b"  a b\r", "0123456789abcdef", ((1, 2), (1, 1))),)))
def test_a_note_that_was_rendered_reads_back_the_same(note):
    assert parse_note(render_note(note)) == note


@given(st.binary(max_size=300) | notes.map(render_note).flatmap(lambda raw: st.integers(0, len(raw)).map(
    lambda cut: raw[:cut] + b"\xff" + raw[cut + 1 :]
)))  # fmt: skip
@example(b"---\n" + b"[" * 100_000)
@example(b"---\n" + b"1" * 5_000)
@example(b'a\n  s_00000000000000 1\n---\n{"sessions": {"s_00000000000000": {"agent_id": {"tool": 5}}}}')
def test_any_bytes_give_a_note_and_only_claims_of_added_lines(raw):
    note = parse_note(raw)
    claims, _ = note_claims(COMMIT, note, {b"a": ((2, 4), (8, 8))})
    for claim in claims:
        assert claim.evidence is Evidence.DECLARED
        assert claim.lines
        assert {line for part in claim.lines for line in range(part.start, part.end + 1)} <= {2, 3, 4, 8}


line_sets = st.sets(st.integers(1, 30))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), min_size=1, max_size=6), line_sets)
def test_a_note_claims_exactly_the_attested_lines_that_were_added(attested, added):
    wanted = tuple((start, start + more) for start, more in attested)
    session = {"sessions": {"s_00000000000000": {"agent_id": {"tool": "codex"}}}}
    note = Note((Attestation(b"a", "s_00000000000000", wanted),), session)
    claims, problems = note_claims(COMMIT, note, {b"a": as_ranges(added)})
    claimed = [line for claim in claims for part in claim.lines for line in range(part.start, part.end + 1)]
    expected = {line for start, end in wanted for line in range(start, end + 1)} & added
    assert sorted(claimed) == sorted(expected)
    assert bool(problems) == (not expected)


def as_ranges(lines):
    """Ascending ranges that do not touch, as the diff of a commit gives them."""
    starts = sorted(line for line in lines if line - 1 not in lines)
    ends = sorted(line for line in lines if line + 1 not in lines)
    return tuple(zip(starts, ends, strict=True))


message_lines = st.one_of(
    st.sampled_from(
        [
            "", " ", "\t", "Key: value", "Signed-off-by: A <a@b>", "plain text", "  folded", "# comment",
            "(cherry picked from commit 12)", "Conflicts:", "\tfile", "A b: c", ":", "Key:", "Key :x", "k\r",
            "# ------------------------ >8 ------------------------",
        ]
    ),
    st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=12),
)  # fmt: skip


@given(st.lists(st.lists(message_lines, max_size=12), min_size=8, max_size=8))
def test_trailers_are_those_that_git_reads(tmp_path_factory, many):
    """Several messages per example, because each example starts git."""
    messages = ["\n".join(lines) for lines in many]
    expected = read_with_git(tmp_path_factory.mktemp("trailers"), messages)
    for message, wanted in zip(messages, expected, strict=True):
        found = [f"{trailer.key}: {trailer.value}" for trailer in parse_trailers(message)]
        assert found == wanted, repr(message)


def read_with_git(folder, messages):
    def git(*arguments, stdin=b""):
        command = ["git", "-c", "core.quotePath=false", *arguments]
        return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=True).stdout

    git("init", "-q", "--bare")
    stream = b""
    for number, message in enumerate(messages):
        raw = message.encode()
        stream += b"commit refs/heads/m%d\ncommitter A <a@b> %d +0000\ndata %d\n%s\n" % (
            number,
            number,
            len(raw),
            raw,
        )
    git("fast-import", "--quiet", stdin=stream)
    refs = [f"refs/heads/m{number}" for number in range(len(messages))]
    out = git(
        "log",
        "--no-walk=unsorted",
        "--encoding=UTF-8",
        "-z",
        "--format=%H%x01%(trailers:only,unfold,separator=%x01)",
        *refs,
    )
    records = out.split(b"\0")[: len(messages)]
    return [[line for line in record.decode().split("\x01")[1:] if line] for record in records]


@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_any_message_and_identity_give_claims_that_are_only_declared(message, name, email):
    somebody = Identity(name, email, 0, 0)
    commit = Commit(COMMIT, COMMIT, (), somebody, somebody, message)
    for claim in (*message_claims(commit), *identity_claims(commit)):
        assert claim.evidence is Evidence.DECLARED
        assert claim.agent or claim.actor


@given(
    st.lists(
        st.builds(
            Span,
            commit=st.sampled_from([COMMIT, ObjectId("2" * 40)]),
            path=st.binary(max_size=8),
            original_line=st.integers(1, 10**6),
            count=st.integers(1, 10**6),
        ),
        max_size=10,
    )
)
def test_packed_spans_unpack_to_the_same(spans):
    assert unpack_spans(pack_spans(spans)) == spans
