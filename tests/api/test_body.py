"""Bodies as files for code that blocks: every byte once, in order, within bounds, or an error."""

import asyncio
import functools
import io
import threading
import zlib
from collections.abc import Callable

import anyio
import pytest
from anyio import to_thread
from hypothesis import given
from hypothesis import strategies as st

from imprint.api.body import BULK_BYTES, QUEUE_BYTES, BodyFeed, Chunks, open_body
from imprint.api.errors import WrongMediaType
from imprint.store.errors import LimitExceeded, ProtocolError, StoreError


def receive_body(
    chunks: list[bytes],
    read: Callable[[io.BufferedReader], object],
    *,
    encoding: str = "",
    bytes_max: int = 10**6,
    is_cut_off: bool = False,
    stands_still: bool = False,
    stall_seconds: float = 5.0,
) -> object:
    """Play a client that sends these chunks; what the reader makes of them, in a thread of its own."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if not stands_still:
        end = {"type": "http.disconnect"} if is_cut_off else {"type": "http.request", "body": b""}
        messages.append(end)

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def main() -> object:
        feed = BodyFeed(receive, stall_seconds)
        outcome: list[object] = []

        def work() -> None:
            try:
                outcome.append(read(open_body(feed, encoding, bytes_max)))
            except StoreError as failed:
                outcome.append(failed)

        async with anyio.create_task_group() as group:
            group.start_soon(feed.run)
            await to_thread.run_sync(work)
            feed.close()
            group.cancel_scope.cancel()
        return outcome[0]

    outcome = anyio.run(main)
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


def read_all(body: io.BufferedReader) -> bytes:
    return body.read()


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(1, 97))
def test_every_byte_comes_once_and_in_order(chunks: list[bytes], size: int) -> None:
    def read(body: io.BufferedReader) -> bytes:
        return b"".join(iter(functools.partial(body.read, size), b""))

    assert receive_body(chunks, read) == b"".join(chunks)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_gzip_in_any_cut_inflates_to_the_same(content: bytes, size: int) -> None:
    packed = zlib.compress(content, wbits=31)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert receive_body(chunks, read_all, encoding="gzip") == content


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_may_have_its_bound_and_not_a_byte_more(encoding: str) -> None:
    def pack(content: bytes) -> list[bytes]:
        return [zlib.compress(content, wbits=31) if encoding else content]

    assert receive_body(pack(b"x" * 1000), read_all, encoding=encoding, bytes_max=1000) == b"x" * 1000
    with pytest.raises(LimitExceeded):
        receive_body(pack(b"x" * 1001), read_all, encoding=encoding, bytes_max=1000)


def test_a_body_that_is_cut_off_does_not_look_whole() -> None:
    with pytest.raises(ProtocolError, match="went away"):
        receive_body([b"half"], read_all, is_cut_off=True)


def test_a_gzip_stream_that_is_cut_off_does_not_look_whole() -> None:
    with pytest.raises(ProtocolError, match="cut off"):
        receive_body([zlib.compress(b"content", wbits=31)[:-4]], read_all, encoding="gzip")


def test_a_body_that_stands_still_ends_in_an_error() -> None:
    """The feed waits for ever; the reader does not."""
    with pytest.raises(ProtocolError, match="stood still"):
        receive_body([b"some"], read_all, stands_still=True, stall_seconds=0.05)


def test_a_thread_that_nobody_started_through_the_loop_may_read_too() -> None:
    """The store reads a pack on a thread of its own."""

    def read(body: io.BufferedReader) -> bytes:
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(body.read()))
        thread.start()
        thread.join(5)
        return got[0]

    assert receive_body([b"one", b"two"], read) == b"onetwo"


def test_a_reader_is_told_when_the_loop_has_stopped() -> None:
    """It comes for more after the last step of a loop that is not closed yet: nobody will answer it there."""

    async def begin() -> BodyFeed:
        feed = BodyFeed(anyio.sleep_forever, 30.0)
        feed.close()
        return feed

    def read() -> None:
        with pytest.raises(ProtocolError, match="went away"):
            feed.read_some()
        told.set()

    told = threading.Event()
    loop = asyncio.new_event_loop()
    feed = loop.run_until_complete(begin())
    threading.Thread(target=read, daemon=True).start()
    try:
        assert told.wait(5)
    finally:
        loop.close()


@pytest.mark.parametrize("chunk_bytes", [700, 60_000])
def test_a_slow_reader_slows_the_client(chunk_bytes: int) -> None:
    """No more than the queue holds is taken from the client before somebody reads."""
    given = 0

    async def receive() -> dict[str, object]:
        nonlocal given
        if given >= 2 * QUEUE_BYTES:
            await anyio.sleep_forever()
        given += chunk_bytes
        return {"type": "http.request", "body": b"x" * chunk_bytes, "more_body": given < 2 * QUEUE_BYTES}

    async def main() -> None:
        feed = BodyFeed(receive, 5.0)
        async with anyio.create_task_group() as group:
            group.start_soon(feed.run)
            await feed.arrive(QUEUE_BYTES, 5.0)
            await anyio.sleep(0.01)
            assert QUEUE_BYTES <= given < QUEUE_BYTES + chunk_bytes
            body = open_body(feed, "", 10 * QUEUE_BYTES)
            assert len(await to_thread.run_sync(body.read)) == given >= 2 * QUEUE_BYTES
            group.cancel_scope.cancel()

    anyio.run(main)


def test_closing_waits_for_work_that_was_left_to_itself() -> None:
    """Whoever waited for a piece was cancelled: its thread goes on, until told that nothing more comes."""
    no_more, begun = threading.Event(), threading.Event()
    ended = []

    def work():
        try:
            begun.set()
            assert no_more.wait(5)
            yield b"x"
        finally:
            ended.append(True)

    chunks = Chunks(work, no_more.set)
    left = threading.Thread(target=chunks.gather)
    left.start()
    assert begun.wait(5)
    chunks.close()
    assert ended == [True]
    left.join()


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_encodings_that_git_does_not_use_are_refused(encoding: str) -> None:
    with pytest.raises(WrongMediaType):
        receive_body([b""], read_all, encoding=encoding)


def test_small_chunks_go_at_once_and_large_ones_together() -> None:
    bulk = b"x" * BULK_BYTES
    chunks = Chunks(lambda: iter([b"message", bulk, bulk, b"end", b"", bulk]))
    assert [chunks.gather() for _ in range(4)] == [b"message", bulk + bulk + b"end", bulk, b""]


def test_closing_ends_the_work() -> None:
    ended = []

    def work():
        try:
            yield b"x"
            yield b"y"
        finally:
            ended.append(True)

    chunks = Chunks(work)
    chunks.gather()
    chunks.close()
    assert ended == [True]
    Chunks(work).close()  # nothing was begun
