"""What transcripts promise, tested on every implementation; then what only files can show."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imprint.store.errors import LimitExceeded, StorageFailed, TranscriptErased, TranscriptMissing
from imprint.store.transcripts.files import FileTranscripts
from imprint.store.transcripts.memory import MemoryTranscripts
from imprint.store.transcripts.ports import TRANSCRIPT_BYTES_MAX, Transcripts

MASTER_KEY = bytes(range(32))
ONE, TWO = "repo_1/session one", "repo_1/session two"


@pytest.fixture(params=["memory", "files"])
def transcripts(request, tmp_path) -> Iterator[Transcripts]:
    if request.param == "memory":
        yield MemoryTranscripts()
    else:
        yield FileTranscripts(tmp_path / "transcripts", MASTER_KEY)


@pytest.mark.parametrize("text", [b"", b"make it fast", bytes(range(256)) * 500, "né\n".encode()])
def test_a_text_is_read_back_at_its_address(transcripts, text):
    assert transcripts.read(ONE, transcripts.write(ONE, text)) == text


def test_equal_texts_share_an_address_within_a_session_only(transcripts):
    first = transcripts.write(ONE, b"hello")
    assert transcripts.write(ONE, b"hello") == first
    assert transcripts.write(ONE, b"hello!") != first
    assert transcripts.write(TWO, b"hello") != first


def test_an_address_is_good_in_its_own_session_only(transcripts):
    address = transcripts.write(ONE, b"hello")
    transcripts.write(TWO, b"something")
    for session in (TWO, "repo_1/never written"):
        with pytest.raises(TranscriptMissing):
            transcripts.read(session, address)


@pytest.mark.parametrize("address", ["", "0" * 64, "../../lock", "x" * 64, "é" * 64])
def test_nothing_is_at_an_unknown_address(transcripts, address):
    transcripts.write(ONE, b"hello")
    with pytest.raises(TranscriptMissing):
        transcripts.read(ONE, address)


def test_session_ids_may_hold_any_characters(transcripts):
    names = ["repo_1/../../x", "repo_1/a/b", "repo_1/\u00e9 \U0001f600", "repo_1/" + "x" * 500, "repo_1/\n"]
    addresses = {name: transcripts.write(name, name.encode()) for name in names}
    assert len(set(addresses.values())) == len(names)
    assert all(transcripts.read(name, addresses[name]) == name.encode() for name in names)


def test_an_erased_session_is_gone_for_ever_and_closed_to_writing(transcripts):
    address = transcripts.write(ONE, b"a secret")
    kept = transcripts.write(TWO, b"not erased")
    for _ in range(2):
        transcripts.erase(ONE)
        with pytest.raises(TranscriptErased):
            transcripts.read(ONE, address)
        with pytest.raises(TranscriptErased):
            transcripts.write(ONE, b"a secret")
    assert transcripts.read(TWO, kept) == b"not erased"


def test_a_session_can_be_closed_before_anything_is_written(transcripts):
    transcripts.erase(ONE)
    with pytest.raises(TranscriptErased):
        transcripts.write(ONE, b"too late")
    with pytest.raises(TranscriptErased):
        transcripts.read(ONE, "0" * 64)


def test_a_session_has_one_hashing_key_until_it_is_erased(transcripts):
    key = transcripts.hashing_key(ONE)
    assert len(key) == 32
    transcripts.write(ONE, b"hello")
    assert transcripts.hashing_key(ONE) == key
    assert transcripts.hashing_key(TWO) != key
    transcripts.erase(ONE)
    with pytest.raises(TranscriptErased):
        transcripts.hashing_key(ONE)


def test_forgotten_texts_are_gone_and_can_be_written_again(transcripts):
    address, other = transcripts.write(ONE, b"hello"), transcripts.write(ONE, b"kept")
    transcripts.forget(TWO, [address])
    assert transcripts.read(ONE, address) == b"hello"
    transcripts.forget(ONE, iter([address, "0" * 64, "../../lock"]))
    with pytest.raises(TranscriptMissing):
        transcripts.read(ONE, address)
    assert transcripts.read(ONE, other) == b"kept"
    assert transcripts.write(ONE, b"hello") == address
    assert transcripts.read(ONE, address) == b"hello"


def test_a_text_above_the_limit_is_refused(transcripts):
    with pytest.raises(LimitExceeded):
        transcripts.write(ONE, bytes(TRANSCRIPT_BYTES_MAX + 1))


def test_threads_that_open_one_session_together_agree_on_its_key(transcripts):
    barrier = threading.Barrier(8)

    def write(number: int) -> str:
        barrier.wait()
        return transcripts.write(ONE, b"text %d" % (number % 2))

    with ThreadPoolExecutor(8) as pool:
        addresses = list(pool.map(write, range(8)))
    assert len(set(addresses)) == 2
    assert transcripts.read(ONE, addresses[3]) == b"text 1"


def test_texts_of_a_batch_are_there_when_it_has_ended(transcripts):
    before = transcripts.write(ONE, b"before")
    with transcripts.writing(ONE) as batch:
        addresses = [batch.write(b"text %d" % (number % 20)) for number in range(30)]
        assert batch.write(b"before") == before
    assert [transcripts.read(ONE, each) for each in addresses] == [b"text %d" % (n % 20) for n in range(30)]
    assert transcripts.write(ONE, b"text 3") == addresses[3]


def test_a_batch_that_fails_keeps_nothing_and_leaves_what_was_there(transcripts):
    before = transcripts.write(ONE, b"before")

    def fail() -> str:
        with transcripts.writing(ONE) as batch:
            batch.write(b"before")
            told.append(batch.write(b"new"))
            raise InterruptedError

    told: list[str] = []
    with pytest.raises(InterruptedError):
        fail()
    with pytest.raises(TranscriptMissing):
        transcripts.read(ONE, told[0])
    assert transcripts.read(ONE, before) == b"before"


def test_a_batch_takes_no_text_above_the_limit(transcripts):
    with transcripts.writing(ONE) as batch, pytest.raises(LimitExceeded):
        batch.write(bytes(TRANSCRIPT_BYTES_MAX + 1))


@pytest.mark.parametrize("is_more_written", [False, True])
def test_a_session_that_is_erased_within_a_batch_keeps_nothing(transcripts, is_more_written):
    def write() -> None:
        with transcripts.writing(ONE) as batch:
            batch.write(b"a secret")
            transcripts.erase(ONE)
            if is_more_written:
                batch.write(b"another")

    with pytest.raises(TranscriptErased):
        write()
    with pytest.raises(TranscriptErased):
        transcripts.read(ONE, "0" * 64)


def test_an_empty_batch_is_nothing(transcripts):
    transcripts.erase(ONE)
    with transcripts.writing(ONE):
        pass


# -- files ----------------------------------------------------------------------------------------------


def test_a_crash_within_a_batch_names_no_text_and_an_erasure_takes_what_it_left(tmp_path):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    block = transcripts.writing(ONE)
    batch = block.__enter__()
    address = batch.write(b"half")
    (partial,) = (tmp_path / "texts").rglob(f".{address}.*")
    with pytest.raises(TranscriptMissing):
        FileTranscripts(tmp_path, MASTER_KEY).read(ONE, address)
    transcripts.erase(ONE)
    assert not partial.exists()
    with pytest.raises(TranscriptErased):
        block.__exit__(None, None, None)


def test_a_batch_leaves_no_partial_files(tmp_path):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    with transcripts.writing(ONE) as batch:
        addresses = {batch.write(b"%d" % number) for number in range(40)}
    there = {path.name for path in (tmp_path / "texts").rglob("*") if path.is_file()}
    assert there == addresses


def test_a_text_that_is_forgotten_while_it_is_written_again_is_told(tmp_path):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"hello")

    def write() -> None:
        with transcripts.writing(ONE) as batch:
            batch.write(b"hello")
            transcripts.forget(ONE, [address])

    with pytest.raises(TranscriptMissing):
        write()


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def names(folder: Path) -> str:
    return " ".join(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_texts_survive_reopening_with_the_same_key_only(tmp_path):
    address = FileTranscripts(tmp_path, MASTER_KEY).write(ONE, b"hello")
    assert FileTranscripts(tmp_path, MASTER_KEY).read(ONE, address) == b"hello"
    other = FileTranscripts(tmp_path, bytes(32))
    with pytest.raises(TranscriptMissing):
        other.read(ONE, address)


def test_neither_files_nor_their_names_tell_the_text_or_the_session(tmp_path):
    text = b"the very secret prompt " * 20
    FileTranscripts(tmp_path, MASTER_KEY).write(ONE, text)
    for secret in (b"secret", b"session one", b"repo_1"):
        assert secret not in all_bytes(tmp_path)
        assert secret.decode() not in names(tmp_path)


def test_files_are_for_the_owner_alone(tmp_path):
    FileTranscripts(tmp_path / "t", MASTER_KEY).write(ONE, b"hello")
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "t").rglob("*")}
    assert modes == {0}


def test_after_an_erasure_even_the_old_files_tell_nothing_without_the_old_key_file(tmp_path):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"a secret")
    (text_file,) = (tmp_path / "texts").rglob(address)
    kept = text_file.read_bytes()
    transcripts.erase(ONE)
    assert not text_file.exists()
    text_file.parent.mkdir()
    text_file.write_bytes(kept)  # somebody had a copy
    with pytest.raises(TranscriptErased):
        FileTranscripts(tmp_path, MASTER_KEY).read(ONE, address)


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_damaged_text_is_told_and_never_given_back(tmp_path, at):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"hello")
    (text_file,) = (tmp_path / "texts").rglob(address)
    content = bytearray(text_file.read_bytes())
    content[at] ^= 1
    text_file.write_bytes(content)
    with pytest.raises(StorageFailed, match="damaged"):
        transcripts.read(ONE, address)


def test_a_damaged_key_is_told(tmp_path):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"hello")
    (key_file,) = (tmp_path / "keys").iterdir()
    key_file.write_bytes(key_file.read_bytes()[:-1])
    for call in (lambda: transcripts.read(ONE, address), lambda: transcripts.write(ONE, b"more")):
        with pytest.raises(StorageFailed, match="key"):
            call()


def test_a_key_read_while_it_is_erased_is_said_to_be_erased(tmp_path, monkeypatch):
    """An erasure replaces the key's file and zeroes the old one, which a reader may have open."""
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"hello")
    waiting = [True]

    def read_slowly(path: Path) -> bytes:
        with path.open("rb", buffering=0) as file:
            if waiting and path.parent.name == "keys":
                waiting.clear()
                transcripts.erase(ONE)
            return file.read()

    monkeypatch.setattr(Path, "read_bytes", read_slowly)
    with pytest.raises(TranscriptErased):
        transcripts.read(ONE, address)


def test_a_text_that_is_erased_before_it_is_read_is_said_to_be_erased(tmp_path, monkeypatch):
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    address = transcripts.write(ONE, b"hello")
    read_bytes = Path.read_bytes

    def read_late(path: Path) -> bytes:
        if path.name == address:
            transcripts.erase(ONE)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_late)
    with pytest.raises(TranscriptErased):
        transcripts.read(ONE, address)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        FileTranscripts(tmp_path / "file" / "transcripts", MASTER_KEY)


WRITER = """
import sys
from pathlib import Path
from imprint.store.transcripts.files import FileTranscripts
transcripts = FileTranscripts(Path(sys.argv[1]), bytes(range(32)))
for number in range(1_000_000):
    text = b"prompt %d" % (number % 50)
    print(number % 50, transcripts.write("repo_1/session %d" % (number % 7), text), flush=True)
"""


def test_what_was_told_survives_processes_that_are_killed(tmp_path):
    """Three processes race on the same sessions and are killed; every address they told is readable."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [[writer.stdout.readline().split() for _ in range(30)] for writer in writers]
    for writer in writers:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    transcripts = FileTranscripts(tmp_path, MASTER_KEY)
    addresses = {}
    for lines in told:
        for number, (text, address) in enumerate(lines):
            assert transcripts.read(f"repo_1/session {number % 7}", address) == f"prompt {text}".encode()
            assert addresses.setdefault((number % 7, text), address) == address
    assert len(list((tmp_path / "texts").iterdir())) == 7
