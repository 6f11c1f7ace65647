"""Clients that connect and then say nothing, or almost nothing: they cost no place, and are hung up on."""

import contextlib
import socket
import time

import pytest

from imprint.api.settings import ApiSettings

OID = "ab" * 32
TIGHT = ApiSettings(
    git_requests_max=4, git_wait_seconds_max=5.0, first_byte_seconds_max=1.5, http_connections_max=40
)


def until(holds, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def read_all(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.fixture(scope="module")
def tight(tmp_path_factory, serve_at):
    """A server with few places and little patience."""
    return serve_at(tmp_path_factory.mktemp("tight"), TIGHT)


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20)


def begin(server, token: str, method: str, path: str, kind: str, body: bytes) -> socket.socket:
    """Send the head of a request with a thousand bytes, and so much of the body."""
    client = connect(server)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n"
        "Content-Length: 1000\r\nConnection: close\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


@pytest.mark.parametrize(
    ("method", "path", "kind", "body"),
    [
        ("POST", "git-upload-pack", "application/x-git-upload-pack-request", b""),
        ("POST", "git-upload-pack", "application/x-git-upload-pack-request", b"0011command=ls"),
        ("POST", "git-receive-pack", "application/x-git-receive-pack-request", b""),
        ("PUT", f"info/lfs/objects/{OID}", "application/octet-stream", b""),
    ],
)
def test_a_body_that_does_not_come_holds_no_slot_and_ends(
    tight, method: str, path: str, kind: str, body: bytes
) -> None:
    name, _ = tight.pushed({"a": "1"})
    services = tight.app.state.services
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(begin(tight, tight.token(name), method, f"/{name}/{path}", kind, body))
            for _ in range(12)
        ]
        time.sleep(0.3)
        assert services.git_queue.held == services.git_queue.waiting == 0
        assert services.git_limiter.borrowed_tokens == 0
        refs = tight.client(tight.admin).get(f"/{name}/info/refs?service=git-upload-pack")
        assert refs.status_code == 200
        for each in silent:
            assert b"stood still for 1.5 s" in read_all(each)
    assert until(lambda: services.git_queue.held == 0)
