"""Bytes that are no requests, or too much of one: refused before anything is asked."""

import re
import socket

import pytest

from imprint.api.running.connections import HEAD_BYTES_MAX

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEAD + b"\r\n"
POST = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"
FIELD = b"X-%d: " + b"v" * 1000 + b"\r\n"


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20)


def say(server, *pieces: bytes, ends: bool = False) -> list[int]:
    """The statuses of all answers until the server hangs up."""
    with connect(server) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
            if not ends:
                client.sendall(HEAD + b"Connection: close\r\n\r\n")
            told = b"".join(iter(lambda: client.recv(65_536), b""))
        except OSError:  # it hung up while more was sent
            return [0]
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", told)]


def test_requests_that_follow_one_another_are_answered_in_order(server) -> None:
    missing = b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
    assert say(server, WHOLE + missing + WHOLE) == [200, 401, 200, 200]
    assert say(server, *(bytes((byte,)) for byte in WHOLE)) == [200, 200]
    assert say(server, b"GET /healthz HTTP/1.0\r\n\r\n", ends=True) == [200]


@pytest.mark.parametrize(
    "said",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        WHOLE[:-2] + b"Host: y\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    ],
    ids=["no host", "two hosts", "two hosts, old"],
)
def test_one_host_is_named(server, said: bytes) -> None:
    assert say(server, said, ends=True) == [400]


@pytest.mark.parametrize(
    "said",
    [
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: +1\r\n\r\na",
        POST + b"Content-Length : 1\r\n\r\na",
        POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n Folded: y\r\nX\r\n\r\n",
        b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_two_readers_could_take_for_different_things_is_refused(server, said: bytes) -> None:
    statuses = say(server, said, ends=True)
    assert set(statuses[-1:]) <= {400}, statuses
    assert set(statuses[:-1]) <= {401}, "what came before the fault may have been answered"


MANY = HEAD + b"".join(FIELD % number for number in range(HEAD_BYTES_MAX // 1000 + 2))


@pytest.mark.parametrize(
    "said",
    [
        [MANY],
        [HEAD + b"X: ", *[b"v" * 9000] * 60],
        [HEAD, *[b"v" * 9000] * 60],
        [b"GET /", *[b"v" * 9000] * 60],
        [POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", *[FIELD % 1] * 400],
        [POST + b"Transfer-Encoding: chunked\r\n\r\n1;", *[b"v" * 9000] * 60],
    ],
    ids=["fields", "a value", "a name", "an address", "behind a body", "an extension"],
)
def test_a_head_has_an_end(server, said: list[bytes]) -> None:
    assert say(server, *said, ends=True)[-1] in {0, 400, 401}  # 0: it hung up in the middle


def test_a_long_head_is_taken_and_the_next_one_too(server) -> None:
    some = HEAD + b"".join(FIELD % number for number in range(40)) + b"\r\n"
    assert say(server, some, some, some) == [200] * 4


def test_another_protocol_is_not_taken_up(server) -> None:
    upgrade = (
        HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    with connect(server) as client:
        for asked in (upgrade, WHOLE, upgrade):
            client.sendall(asked)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
