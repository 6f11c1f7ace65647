"""Sessions are kept, grow, stay apart from each other, and are erased; over a real archive and real files."""

import hashlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imprint.store.catalog.database import Database
from imprint.store.catalog.migrate import upgrade
from imprint.store.catalog.ports import RepositoryRecord
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.clock import ManualClock
from imprint.store.errors import (
    BadInput,
    LimitExceeded,
    RepositoryMissing,
    SessionConflict,
    SessionMissing,
    SessionMoved,
    TranscriptErased,
    TranscriptMissing,
)
from imprint.store.events import Admission, EventKind
from imprint.store.limits import Limits
from imprint.store.redaction.engine import make_redactor
from imprint.store.redaction.ports import KeepAll, Redacted
from imprint.store.sessions.chunks import CHUNK_BYTES_MAX, cut
from imprint.store.sessions.keeping import GivenSession, Keeper
from imprint.store.sessions.model import Source
from imprint.store.sessions.sql import SqlArchive
from imprint.store.transcripts.files import FileTranscripts
from imprint.store.types import HashAlgorithm, RefName, RepositoryName

ROOM = "repo_1"
MASTER_KEY = bytes(range(32))


def prompt_line(text: str, session: str = "s1") -> dict:
    return {
        "type": "user",
        "sessionId": session,
        "cwd": "/srv/thing",
        "gitBranch": "main",
        "version": "1.0",
        "uuid": f"u {text[:20]}",
        "timestamp": "2026-01-02T03:04:05.000Z",
        "message": {"role": "user", "content": text},
    }


def answer_line(number: int, path: str = "a.py", content: str = "x = 1\n", session: str = "s1") -> dict:
    call = {
        "type": "tool_use",
        "id": f"call {number}",
        "name": "Write",
        "input": {"file_path": f"/srv/thing/{path}", "content": content},
    }
    return {
        "type": "assistant",
        "sessionId": session,
        "uuid": f"a {number}",
        "requestId": f"q{number}",
        "timestamp": "2026-01-02T03:04:06.000Z",
        "message": {
            "id": f"m{number}",
            "role": "assistant",
            "model": "model-a",
            "content": [call],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
    }


def transcript(*lines: dict) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@dataclass
class Room:
    """A place with one repository."""

    folder: Path
    limits: Limits
    clock: ManualClock
    redactor: object

    def open(self, redactor=None, **options) -> Keeper:
        archive = SqlArchive(Database(self.folder / "catalogue.db"))
        transcripts = FileTranscripts(self.folder / "transcripts", MASTER_KEY)
        return Keeper(archive, transcripts, redactor or self.redactor, self.clock, self.limits, **options)

    def files(self) -> dict[str, bytes]:
        texts = (self.folder / "transcripts" / "texts").rglob("*")
        return {path.name: path.read_bytes() for path in texts if path.is_file()}

    def everything(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def redactor():
    return make_redactor()


@pytest.fixture
def room(tmp_path, redactor) -> Iterator[Room]:
    upgrade(tmp_path / "catalogue.db")
    catalogue = SqlCatalogue.open(Database(tmp_path / "catalogue.db"))
    record = RepositoryRecord(
        ROOM,
        RepositoryName("acme", "thing"),
        HashAlgorithm.SHA1,
        RefName.parse("refs/heads/main"),
        generation=0,
        created_at_ms=1,
    )
    catalogue.create_repository(record, Admission(ROOM, "evt 1", EventKind.CREATED, 1, "ada", None, "yes"))
    yield Room(tmp_path, Limits(), ManualClock(), redactor)
    catalogue.close()


@pytest.fixture
def keeper(room) -> Iterator[Keeper]:
    with room.open() as opened:
        yield opened


def given(content: bytes = b"", **changes) -> GivenSession:
    values = {"agent": "claude-code", "content": content, "source": Source("capture"), **changes}
    return GivenSession(**values)


def story(count: int, seed: int = 1, size: int = 400) -> list[bytes]:
    """Lines of a made transcript: prompts, and answers that write files."""
    chance = random.Random(seed)
    words = [f"word{number}" for number in range(500)]
    made = []
    for number in range(count):
        text = " ".join(chance.choices(words, k=size // 8))
        line = answer_line(number, f"f{number}.py", text) if number % 40 else prompt_line(f"{number} {text}")
        made.append(transcript(line))
    return made


# -- keeping --------------------------------------------------------------------------------------------


def test_a_session_is_read_into_turns_without_its_edits(keeper):
    content = transcript(
        prompt_line("make it so"), answer_line(1), prompt_line("and more"), answer_line(2, "b.py")
    )
    kept = keeper.keep(ROOM, given(content), "ada")
    assert (kept.id, kept.root_id, kept.agent, kept.actor) == ("s1", "s1", "claude-code", "ada")
    assert (kept.cwd, kept.branch, kept.models, kept.line_count) == ("/srv/thing", "main", ("model-a",), 4)
    assert kept.content_hash == hashlib.sha256(content).hexdigest()
    turns = keeper.archive.list_turns(ROOM, "s1")
    assert [keeper.read_prompt(ROOM, kept, turn.prompt) for turn in turns] == ["make it so", "and more"]
    assert [call.paths for turn in turns for call in turn.calls] == [("a.py",), ("b.py",)]
    assert not any(call.edits for turn in turns for call in turn.calls)
    assert sum(usage.input_tokens for turn in turns for usage in turn.usage) == 20
    assert keeper.read_transcript(ROOM, kept) == content


@pytest.mark.parametrize("content", [b"no LF at the end", b"\n\n\n", b"\xff\xfe\n\x00\n", b"one\r\ntwo\r"])
def test_any_bytes_come_back(keeper, content):
    kept = keeper.keep(ROOM, given(content, agent=None, session_id="s1"), "ada")
    assert keeper.read_transcript(ROOM, kept) == content


def test_facts_alone_are_kept_and_a_transcript_may_follow(keeper):
    facts = given(session_id="s1", extra={"seen": 1})
    kept = keeper.keep(ROOM, facts, "ada")
    assert (kept.transcript, kept.extra, kept.line_count) == (None, {"seen": 1}, 0)
    with pytest.raises(TranscriptMissing):
        keeper.read_transcript(ROOM, kept)
    assert keeper.keep(ROOM, facts, "ada") == kept
    assert keeper.keep(ROOM, given(transcript(prompt_line("x"))), "ada").line_count == 1
    assert keeper.keep(ROOM, facts, "ada").line_count == 1


def test_a_session_needs_an_id_that_can_be_shown(keeper):
    for name in ("", "a\nb", "\x1b[0m", "x" * 201, "\ud800"):
        with pytest.raises(BadInput):
            keeper.keep(ROOM, given(b"x\n", agent=None, session_id=name), "ada")
    with pytest.raises(RepositoryMissing):
        keeper.keep("repo_9", given(b"x\n", session_id="s1"), "ada")


# -- growing --------------------------------------------------------------------------------------------


def test_whole_and_appended_transcripts_come_to_the_same(room, keeper):
    lines = story(800)
    for end in (1, 3, 100, 101, 500, 800):
        start = keeper.archive.find_session(ROOM, "s1")
        first = start.line_count if start else 0
        keeper.keep(ROOM, given(b"".join(lines[first:end]), session_id="s1", first_line=first), "ada")
    whole = keeper.keep(ROOM, given(b"".join(lines), session_id="s2"), "ada")
    grown = keeper.archive.find_session(ROOM, "s1")
    assert grown.content_hash == whole.content_hash
    assert keeper.read_transcript(ROOM, grown) == b"".join(lines)
    one, two = (keeper.archive.list_turns(ROOM, name) for name in ("s1", "s2"))
    assert [replace(turn, prompt=None) for turn in one] == [replace(turn, prompt=None) for turn in two]
    serial = keeper.archive.last_serial(ROOM)
    keeper.keep(ROOM, given(b"".join(lines), session_id="s1"), "ada")
    assert keeper.archive.last_serial(ROOM) == serial


def test_an_older_state_of_a_session_changes_nothing(keeper):
    lines = story(600)
    kept = keeper.keep(ROOM, given(b"".join(lines)), "ada")
    for older in (b"".join(lines[:1]), b"".join(lines[:599]), b"".join(lines)[:-10], b""):
        assert keeper.keep(ROOM, given(older, session_id="s1"), "ada") == kept


def test_a_rewritten_session_replaces_what_was_kept(keeper, room):
    lines = story(600)
    keeper.keep(ROOM, given(b"".join(lines)), "ada")
    rewritten = b"".join([*lines[:50], *story(2, seed=9), *lines[300:]])
    kept = keeper.keep(ROOM, given(rewritten), "ada")
    assert keeper.read_transcript(ROOM, kept) == rewritten


def test_lines_must_go_on_from_what_is_there(keeper):
    lines = story(20)
    with pytest.raises(SessionMoved):
        keeper.keep(ROOM, given(lines[5], session_id="s1", first_line=5), "ada")
    keeper.keep(ROOM, given(b"".join(lines[:10])), "ada")
    for first, content in ((11, lines[11]), (9, b"other\n"), (5, b"".join(lines[5:9]) + b"other\n")):
        with pytest.raises(SessionMoved) as moved:
            keeper.keep(ROOM, given(content, session_id="s1", first_line=first), "ada")
        assert moved.value.line_count == 10
    overlapping = given(b"".join(lines[5:15]), session_id="s1", first_line=5)
    assert keeper.keep(ROOM, overlapping, "ada").line_count == 15
    assert keeper.keep(ROOM, overlapping, "ada").line_count == 15
    with pytest.raises(BadInput):
        keeper.keep(ROOM, given(b"", session_id="s1", first_line=-1), "ada")


def test_lines_after_one_that_was_cut_off_begin_a_new_one(keeper):
    keeper.keep(ROOM, given(b"one\ntw", agent="x", session_id="s1"), "ada")
    kept = keeper.keep(ROOM, given(b"three\n", agent="x", session_id="s1", first_line=2), "ada")
    assert keeper.read_transcript(ROOM, kept) == b"one\ntw\nthree\n"
    kept = keeper.keep(ROOM, given(b"one\ntwo\nthree\n", agent="x", session_id="s1"), "ada")
    assert keeper.read_transcript(ROOM, kept) == b"one\ntwo\nthree\n"


def test_a_grown_session_costs_its_new_part_and_leaves_nothing_behind(room):
    lines = story(2000, size=800)
    written: dict[str, int] = {}
    whole_copies = 0
    with room.open(KeepAll()) as keeper:
        for step in range(1, 11):
            first = 200 * (step - 1)
            content = b"".join(lines[first : 200 * step])
            keeper.keep(ROOM, given(content, session_id="s1", first_line=first), "ada")
            written |= {name: len(sealed) for name, sealed in room.files().items()}
            whole_copies += sum(len(sealed) for sealed in room.files().values())
        turns = len(keeper.archive.list_turns(ROOM, "s1"))
    there = sum(len(sealed) for sealed in room.files().values())
    assert sum(written.values()) < 2.5 * there
    assert whole_copies > 5 * there
    chunks = sum(1 for _ in cut(b"".join(lines), bytes(32), Limits()))
    assert len(room.files()) <= 2 * chunks + 3 + turns


def test_two_processes_that_grow_one_session_lose_nothing(room):
    lines = story(40)
    with room.open() as keeper:
        keeper.keep(ROOM, given(b"".join(lines[:4])), "ada")
    barrier = threading.Barrier(4)

    def grow(number: int) -> None:
        with room.open() as own:
            barrier.wait()
            for count in range(5):
                line = transcript(prompt_line(f"{number} {count}"))
                while True:
                    first = own.archive.find_session(ROOM, "s1").line_count
                    try:
                        own.keep(ROOM, given(line, session_id="s1", first_line=first), "ada")
                        break
                    except SessionMoved:
                        pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(grow, range(4)))
    with room.open() as keeper:
        kept = keeper.archive.find_session(ROOM, "s1")
        assert kept.line_count == 24
        text = keeper.read_transcript(ROOM, kept)
    assert all(transcript(prompt_line(f"{one} {two}")) in text for one in range(4) for two in range(5))


def test_reasoning_that_nobody_can_open_is_left_out(keeper):
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA" * 500}
    quoted = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": str(sealed)}]}
    nested = {"type": "function_call_output", "call_id": "c", "output": json.dumps(sealed)[:90]}
    meta = {"type": "session_meta", "payload": {"id": "c1", "cwd": "/w"}}
    items = [{"type": "response_item", "payload": each} for each in (sealed, quoted, nested)]
    content = transcript(meta, *items)
    kept = keeper.keep(ROOM, GivenSession(None, content, Source("capture")), "ada")
    more = transcript({"type": "response_item", "payload": sealed})
    grown = keeper.keep(ROOM, GivenSession(None, more, Source("capture"), "c1", first_line=4), "ada")
    assert (kept.agent, kept.line_count, grown.line_count) == ("codex", 4, 5)
    said = [json.loads(line) for line in keeper.read_transcript(ROOM, grown).splitlines()]
    empty = {"type": "response_item", "payload": {**sealed, "encrypted_content": None}}
    assert said == [meta, empty, *items[1:], empty]
    assert keeper.keep(ROOM, GivenSession(None, content + more, Source("capture")), "ada") == grown
    foreign = transcript({"encrypted_content": "of another tool"})
    other = keeper.keep(ROOM, given(foreign, agent="odd", session_id="other"), "ada")
    assert keeper.read_transcript(ROOM, other) == foreign


def test_a_keeping_that_the_archive_refuses_leaves_no_name_for_its_texts(room):
    with room.open() as keeper, pytest.raises(RepositoryMissing):
        keeper.keep("repo_9", given(b"".join(story(50))), "ada")
    with room.open() as keeper:
        keeper.keep(ROOM, given(b"".join(story(50))), "ada")
        assert not any(name.startswith(".") for name in room.files())


def test_a_long_session_is_named_by_its_first_lines(keeper):
    named = transcript({"type": "session_meta", "payload": {"id": "c2", "forked_from_id": "c1"}})
    idle = transcript({"type": "event_msg", "payload": {"type": "other", "text": "x" * 900}}) * 400
    kept = keeper.keep(ROOM, GivenSession(None, named + idle, Source("capture")), "ada")
    assert (kept.id, kept.parent_id, kept.line_count) == ("c2", "c1", 401)
    late = GivenSession("codex", idle + named.replace(b"c2", b"c3"), Source("capture"))
    assert keeper.keep(ROOM, late, "ada").id == "c3"


# -- redaction ------------------------------------------------------------------------------------------

TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"


def test_nothing_is_written_before_it_was_redacted(room, keeper):
    content = transcript(prompt_line(f"use {TOKEN} here"), answer_line(1, content=f"key = '{TOKEN}'\n"))
    kept = keeper.keep(ROOM, given(content, extra={"note": f"has {TOKEN}"}), "ada")
    assert TOKEN.encode() not in keeper.read_transcript(ROOM, kept)
    assert TOKEN not in keeper.read_prompt(ROOM, kept, keeper.archive.list_turns(ROOM, "s1")[0].prompt)
    assert sum(kept.redaction.counts.values()) >= 2
    assert kept.redaction.policy_hash == room.redactor.policy_hash
    assert TOKEN not in str(kept)
    assert TOKEN.encode() not in room.everything()


def test_the_counts_are_those_of_the_marks_in_what_is_kept_whoever_wrote_them(room, keeper):
    mark = "[redacted:github-token]"
    lines = [transcript(prompt_line(f"{TOKEN} and {mark} and [redacted:nobody-s-{n}]")) for n in range(3)]
    first = keeper.keep(ROOM, given(b"".join(lines[:2])), "ada")
    counts = dict(first.redaction.counts)
    assert counts == {"github-token": 4, "other": 2}
    assert first.redaction.policy_hash == room.redactor.policy_hash
    grown = keeper.keep(ROOM, given(lines[2], session_id="s1", first_line=2), "ada")
    assert dict(grown.redaction.counts) == {"github-token": 6, "other": 3}
    assert dict(keeper.keep(ROOM, given(b"".join(lines)), "ada").redaction.counts) == grown.redaction.counts
    with room.open(Strict()) as other:
        assert dict(other.redact_again(ROOM, "s1").redaction.counts) == {"other": 9}
    assert dict(keeper.redact_again(ROOM, "s1").redaction.counts) == grown.redaction.counts


class Strict(KeepAll):
    """A later policy, that takes out one more word."""

    engine, policy_hash, kinds = "strict", "11" * 32, frozenset({"word"})

    def redact(self, text: str) -> Redacted:
        count = text.count("word7 ")
        return Redacted(text.replace("word7 ", "[redacted:word] "), {"word": count} if count else {})


@pytest.mark.parametrize("how", ["by hand", "by growing", "by the whole"])
def test_another_policy_redacts_anew_and_drops_what_it_replaces(room, how):
    # the word is in every line, so that no piece of the transcript, however it is cut, stays as it is
    lines = [line.replace(b" word", b" word7 word", 1) for line in story(300)]
    with room.open(KeepAll()) as keeper:
        before = keeper.keep(ROOM, given(b"".join(lines)), "ada")
        assert b"word7 " in keeper.read_transcript(ROOM, before)
        turns = keeper.archive.list_turns(ROOM, "s1")
        texts = {turn.prompt: keeper.read_prompt(ROOM, before, turn.prompt) for turn in turns}
        old = {address for address, text in texts.items() if "word7 " in text}
        old |= set(room.files()) - set(texts)
    with room.open(Strict()) as keeper:
        if how == "by hand":
            after = keeper.redact_again(ROOM, "s1")
        elif how == "by growing":
            more = given(story(1, 5)[0], session_id="s1", first_line=300)
            after = keeper.keep(ROOM, more, "ada")
        else:
            after = keeper.keep(ROOM, given(b"".join(lines)), "ada")
        assert b"word7 " not in keeper.read_transcript(ROOM, after)
        assert after.redaction.engine == "strict"
        assert after.redaction.counts["word"] > 0
        turns = keeper.archive.list_turns(ROOM, "s1")
        assert not any("word7 " in keeper.read_prompt(ROOM, after, turn.prompt) for turn in turns)
        assert not old & set(room.files())
        assert keeper.redact_again(ROOM, "s1") == after
        with pytest.raises(SessionMissing):
            keeper.redact_again(ROOM, "none")


# -- trees and actors -----------------------------------------------------------------------------------


def test_a_tree_of_one_actor_has_one_key(keeper):
    keeper.keep(ROOM, given(transcript(prompt_line("top")), session_id="top"), "ada")
    child = keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="c", parent_id="top"), "ada")
    grand = keeper.keep(ROOM, given(transcript(prompt_line("y")), session_id="g", parent_id="c"), "ada")
    assert (child.root_id, grand.root_id) == ("top", "top")
    assert {each.id for each in keeper.list_tree(ROOM, "c")} == {"top", "c", "g"}


def test_a_foreign_child_has_a_key_of_its_own(keeper):
    top = keeper.keep(ROOM, given(transcript(prompt_line("top")), session_id="top"), "ada")
    child = keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="c", parent_id="top"), "eve")
    early = keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="e", parent_id="later"), "eve")
    assert (child.root_id, child.parent_id, early.root_id) == ("c", "top", "e")
    keeper.erase(ROOM, "c")
    keeper.erase(ROOM, "e")
    assert keeper.read_transcript(ROOM, top)
    assert keeper.keep(ROOM, given(transcript(prompt_line("z")), session_id="later"), "ada")
    with pytest.raises(SessionConflict):
        keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="top"), "eve")


def test_sessions_that_name_each_other_are_a_tree_like_any(keeper):
    keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="a", parent_id="b"), "ada")
    keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="b", parent_id="a"), "ada")
    keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="c", parent_id="c"), "ada")
    assert {each.id for each in keeper.list_tree(ROOM, "a")} == {"a", "b"}
    assert {each.id for each in keeper.erase(ROOM, "b")} == {"a", "b"}


def test_what_the_operator_brought_is_taken_over_by_who_has_it_whole(keeper):
    lines = story(10)
    keeper.keep(ROOM, given(b"".join(lines)), "operator")
    for content, first in ((lines[0], 0), (b"guess\n", 0), (lines[9], 10), (b"", 0)):
        asked = given(content, session_id="s1", first_line=first)
        with pytest.raises(SessionConflict):
            keeper.keep(ROOM, asked, "ada")
    assert keeper.keep(ROOM, given(b"".join([*lines, *story(1, 3)])), "ada").actor == "ada"


def test_a_session_opened_with_a_token_is_its_actors(room):
    with room.open(find_owner=lambda _room, name: "ada" if name == "opened" else None) as keeper:
        with pytest.raises(SessionConflict):
            keeper.keep(ROOM, given(transcript(prompt_line("x")), session_id="opened"), "eve")
        kept = keeper.keep(
            ROOM, given(transcript(prompt_line("x")), session_id="s", parent_id="opened"), "ada"
        )
        assert kept.root_id == "opened"
        other = keeper.keep(
            ROOM, given(transcript(prompt_line("x")), session_id="t", parent_id="opened"), "eve"
        )
        assert other.root_id == "t"
        assert [each.id for each in keeper.erase(ROOM, "opened")] == ["s"]
        assert keeper.read_transcript(ROOM, other)


# -- erasing --------------------------------------------------------------------------------------------


def test_an_erased_tree_leaves_no_word_in_any_file(room, keeper):
    words = "nobody may know of the purple heron"
    top = keeper.keep(ROOM, given(transcript(prompt_line(words), answer_line(1, content=words))), "ada")
    keeper.keep(ROOM, given(transcript(prompt_line(words)), session_id="sub", parent_id="s1"), "ada")
    (address,) = {turn.prompt for turn in keeper.archive.list_turns(ROOM, "s1")}
    assert sorted(each.id for each in keeper.erase(ROOM, "sub")) == ["s1", "sub"]
    assert sorted(each.id for each in keeper.erase(ROOM, "s1")) == ["s1", "sub"]
    assert keeper.read_prompt(ROOM, top, address) is None
    with pytest.raises(TranscriptErased):
        keeper.read_transcript(ROOM, top)
    for session in ("s1", "sub"):
        with pytest.raises(TranscriptErased):
            keeper.keep(ROOM, given(transcript(prompt_line("more")), session_id=session), "ada")
    late = given(transcript(prompt_line("late")), session_id="late", parent_id="s1")
    with pytest.raises(TranscriptErased):
        keeper.keep(ROOM, late, "ada")
    everything = room.everything()
    assert b"purple heron" not in everything
    assert address.encode() in everything
    assert [turn.prompt for turn in keeper.archive.list_turns(ROOM, "s1")] == [address]
    assert not room.files()


def test_what_a_crash_left_half_erased_is_finished_by_erasing_again(room, keeper):
    kept = keeper.keep(ROOM, given(transcript(prompt_line("x"))), "ada")
    FileTranscripts(room.folder / "transcripts", MASTER_KEY).erase(f"{ROOM}/s1")
    with pytest.raises(TranscriptErased):
        keeper.read_transcript(ROOM, kept)
    with pytest.raises(TranscriptErased):
        keeper.keep(ROOM, given(transcript(prompt_line("x"), prompt_line("y"))), "ada")
    assert [each.erased_at_ms for each in keeper.erase(ROOM, "s1")] == [room.clock.now_ms()]


def test_a_session_can_be_closed_before_it_comes(keeper):
    assert keeper.erase(ROOM, "s1") == []
    with pytest.raises(TranscriptErased):
        keeper.keep(ROOM, given(transcript(prompt_line("x"))), "ada")


KEEPER = """
import sys
from pathlib import Path
from imprint.store.catalog.database import Database
from imprint.store.clock import SystemClock
from imprint.store.redaction.ports import KeepAll
from imprint.store.sessions.keeping import GivenSession, Keeper
from imprint.store.sessions.model import Source
from imprint.store.sessions.sql import SqlArchive
from imprint.store.transcripts.files import FileTranscripts
folder = Path(sys.argv[1])
archive = SqlArchive(Database(folder / "catalogue.db"))
keeper = Keeper(archive, FileTranscripts(folder / "transcripts", bytes(range(32))), KeepAll(), SystemClock())
count = 0
while True:
    line = b"%d %s\\n" % (count, b"x" * 3000)
    kept = keeper.keep("repo_1", GivenSession("a", line, Source("x"), "s1", None, count), "ada")
    count = kept.line_count
    print(count, flush=True)
"""


def test_what_was_told_survives_a_process_that_is_killed(room):
    told = 0
    for _ in range(2):
        code = KEEPER.replace("count = 0\n", f"count = {told}\n")
        command = [sys.executable, "-c", code, str(room.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(6):
                told = int(process.stdout.readline())
            process.kill()
            told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
        with room.open(KeepAll()) as keeper:
            kept = keeper.archive.find_session(ROOM, "s1")
            assert kept.line_count >= told
            text = keeper.read_transcript(ROOM, kept)
        assert text.count(b"\n") == kept.line_count
        assert [int(line.split()[0]) for line in text.splitlines()] == list(range(kept.line_count))
        told = kept.line_count


# -- bounds ---------------------------------------------------------------------------------------------


def test_bombs_are_refused_before_they_are_written(room):
    limits = Limits(transcript_bytes_max=5000, transcript_line_bytes_max=1000, transcript_lines_max=50)
    room.limits = limits
    with room.open(KeepAll()) as keeper:
        for content, limit in (
            (b"x" * 1001, "transcript_line_bytes_max"),
            (b"x\n" * 51, "transcript_lines_max"),
            ((b"x" * 999 + b"\n") * 6, "transcript_bytes_max"),
        ):
            with pytest.raises(LimitExceeded) as refused:
                keeper.keep(ROOM, given(content, agent="x", session_id="s1"), "ada")
            assert refused.value.limit == limit
        assert keeper.archive.find_session(ROOM, "s1") is None
        keeper.keep(ROOM, given((b"x" * 99 + b"\n") * 40, agent="x", session_id="s1"), "ada")
        for content in (b"x\n" * 11, (b"x" * 900 + b"\n") * 2):
            with pytest.raises(LimitExceeded):
                keeper.keep(ROOM, given(content, agent="x", session_id="s1", first_line=40), "ada")
        assert keeper.archive.find_session(ROOM, "s1").line_count == 40


def test_only_the_part_that_may_be_parsed_is_read_into_turns(room):
    room.limits = Limits(transcript_parse_bytes_max=300_000)
    lines = story(2000)
    with room.open(KeepAll()) as keeper:
        kept = keeper.keep(ROOM, given(b"".join(lines)), "ada")
        assert keeper.read_transcript(ROOM, kept) == b"".join(lines)
        assert 0 < len(keeper.archive.list_turns(ROOM, "s1")) < 40
        assert "transcript_parse_bytes_max" in kept.problems[-1].text


def test_chunks_join_to_the_content_and_fall_into_step_again():
    lines = story(4000)
    content = b"".join(lines)
    chunks = list(cut(content, bytes(32), Limits()))
    assert b"".join(content[chunk.start : chunk.end] for chunk in chunks) == content
    assert all(chunk.raw_bytes <= CHUNK_BYTES_MAX + 1000 for chunk in chunks)
    changed = b"".join([lines[0], b"new\n", *lines[1:]])
    others = {chunk.key for chunk in cut(changed, bytes(32), Limits())}
    assert len([chunk for chunk in chunks if chunk.key not in others]) <= 3
    assert {chunk.key for chunk in chunks}.isdisjoint(
        chunk.key for chunk in cut(content, bytes(31) + b"x", Limits())
    )


def test_a_key_over_several_lines_is_not_cut():
    body = b"".join(b"%060d\n" % number for number in range(9000))
    content = b"-----BEGIN RSA PRIVATE KEY-----\n" + body + b"-----END RSA PRIVATE KEY-----\n"
    (chunk,) = cut(content, bytes(32), Limits())
    assert chunk.end == len(content)


def test_turns_beyond_their_number_are_in_the_transcript_alone(room):
    room.limits = Limits(turns_max=2)
    with room.open() as keeper:
        text = transcript(*(prompt_line(f"words {number}") for number in range(3)))
        kept = keeper.keep(ROOM, GivenSession("claude-code", text, Source("test")), "ada")
        assert len(keeper.archive.list_turns(ROOM, "s1")) == 2
        assert [problem.place for problem in kept.problems] == ["line 2"]
        assert "turns_max" in kept.problems[0].text
        more = transcript(*(prompt_line(f"words {number}") for number in range(3, 5)))
        grown = keeper.keep(ROOM, GivenSession("claude-code", more, Source("test"), "s1", None, 3), "ada")
        assert (grown.line_count, len(grown.problems)) == (5, 1)
        assert keeper.read_transcript(ROOM, grown) == text + more
