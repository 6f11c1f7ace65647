"""Frames: what is rendered is read back, and anything else is refused."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import LimitExceeded, ProtocolError
from imprint.store.transport.pktline import (
    BAND_BYTES_MAX,
    FRAME_BYTES_MAX,
    Band,
    FrameReader,
    Mark,
    read_exactly,
    render_band,
    render_frame,
)


def reader(content: bytes, bytes_max: int = 10**9) -> FrameReader:
    return FrameReader(io.BytesIO(content), bytes_max=bytes_max, limit="command_bytes_max")


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from(list(Mark)))))
def test_frames_are_read_back_as_they_were_rendered(frames) -> None:
    content = b"".join(frame.value if isinstance(frame, Mark) else render_frame(frame) for frame in frames)
    source = reader(content)
    assert [source.read() for _ in frames] == frames
    assert source.read() is None


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_protocol_error(content) -> None:
    source = reader(content)
    try:
        while source.read() is not None:
            pass
    except ProtocolError:
        pass


@given(st.binary(max_size=3 * BAND_BYTES_MAX), st.sampled_from(list(Band)))
def test_a_band_carries_its_content_whole(content, band) -> None:
    source = reader(render_band(band, content))
    pieces = []
    while (frame := source.read()) is not None:
        assert frame[0] == band
        pieces.append(frame[1:])
    assert b"".join(pieces) == content


@pytest.mark.parametrize(
    "content",
    [b"0003", b"zzzz", b"-001", b"00", b"0009ab", b" 123", b"fff1", b"+00a12345", b"\xef\xbc\x90\x30"],
)
def test_what_is_no_frame_is_refused(content) -> None:
    with pytest.raises(ProtocolError):
        reader(content).read()


def test_reading_stops_where_the_frame_ends() -> None:
    stream = io.BytesIO(render_frame("a") + b"PACK")
    FrameReader(stream, bytes_max=100, limit="command_bytes_max").read()
    assert stream.read() == b"PACK"


def test_reading_is_bounded() -> None:
    source = reader(render_frame("x" * 50) * 3, bytes_max=120)
    source.read()
    source.read()
    with pytest.raises(LimitExceeded) as bound:
        source.read()
    assert bound.value.limit == "command_bytes_max"


def test_a_frame_has_a_longest_length() -> None:
    longest = b"x" * (FRAME_BYTES_MAX - 4)
    assert reader(render_frame(longest)).read() == longest
    with pytest.raises(ValueError, match="do not fit"):
        render_frame(longest + b"x")


def test_a_stream_that_gives_little_at_a_time_is_read_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 2))

    assert read_exactly(Slow(b"abcdefg"), 5) == b"abcde"
    assert read_exactly(Slow(b"abc"), 5) == b"abc"
