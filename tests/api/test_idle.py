"""Clients that connect and then say nothing, or almost nothing: they cost no place, and are hung up on."""

import asyncio
import contextlib
import shutil
import socket
import time

import asyncssh
import pytest

from imprint.api.settings import ApiSettings

OID = "ab" * 32
needs_ssh = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)
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
def tight(tmp_path_factory, serve_module):
    """A server with few places and little patience."""
    return serve_module(tmp_path_factory.mktemp("tight"), TIGHT)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory, serve_module):
    """A server with no patience for heads."""
    settings = ApiSettings(header_seconds_max=1.0, http_connections_max=4)
    return serve_module(tmp_path_factory.mktemp("hasty"), settings)


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


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"\r\n" + HEAD], ids=["nothing", "half", "half a second"])
def test_a_connection_without_a_whole_head_is_closed(hasty, said: bytes) -> None:
    with connect(hasty) as client:
        client.sendall(said)
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for number in range(100):  # a byte now and then does not prolong it
                client.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if not client.recv(65_536):
                        break
                if said:
                    client.sendall(b"X: %d\r\n" % number)
        assert 0.5 < time.monotonic() - begun < 8


def test_a_connection_that_has_served_may_rest_and_go_on(hasty) -> None:
    with connect(hasty) as client:
        for _ in range(2):
            client.sendall(HEAD + b"\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65_536)
            assert b" 200 " in answer
            time.sleep(1.5)


def test_connections_beyond_the_bound_are_closed_and_others_go_on(hasty) -> None:
    assert until(lambda: not hasty.process.server_state.connections)
    with contextlib.ExitStack() as stack:
        first = [stack.enter_context(connect(hasty)) for _ in range(4)]
        assert until(lambda: len(hasty.process.server_state.connections) == 4)
        with contextlib.suppress(ConnectionResetError):
            assert stack.enter_context(connect(hasty)).recv(1000) == b""
        first[0].sendall(HEAD + b"\r\n")
        assert b" 200 " in first[0].recv(65_536)
    assert until(lambda: not hasty.process.server_state.connections)
    with connect(hasty) as later:
        later.sendall(HEAD + b"\r\n")
        assert b" 200 " in later.recv(65_536)


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


@needs_ssh
@pytest.mark.parametrize("protocol", ["version=2", ""])
def test_channels_of_ssh_that_say_nothing_hold_no_slot_and_end(tight, keys, protocol: str) -> None:
    name, _ = tight.pushed({"a": "1"})
    key = keys.make()
    keys.register(tight, key, "*")
    services = tight.app.state.services

    async def work() -> list[str]:
        async with asyncssh.connect(
            "127.0.0.1",
            int(tight.ssh_url.rpartition(":")[2]),
            client_keys=[str(key)],
            known_hosts=None,
            config=None,
            username="git",
        ) as connection:
            channels = [
                await connection.create_process(
                    f"git-upload-pack '{name}'", env={"GIT_PROTOCOL": protocol}, encoding=None
                )
                for _ in range(10)
            ]
            if protocol:  # a command is answered, and then nothing more is said
                for each in channels[:3]:
                    each.stdin.write(b"0014command=ls-refs\n0000")
                    await each.stdout.readuntil(b" HEAD")
            else:
                for each in channels:
                    await each.stdout.readexactly(8)
            await asyncio.to_thread(until, lambda: not services.git_queue.held)
            assert services.git_queue.held == services.git_queue.waiting == 0
            assert services.git_limiter.borrowed_tokens == 0
            refs = await asyncio.to_thread(
                tight.client(tight.admin).get, f"/{name}/info/refs?service=git-upload-pack"
            )
            assert refs.status_code == 200
            told = [(await each.wait()).stderr for each in channels[3:]]
        return [text.decode() for text in told]

    assert {"sent nothing for 1.5 s" in text for text in asyncio.run(work())} == {True}


@needs_ssh
def test_commands_that_come_together_are_answered_in_turn(tight, keys) -> None:
    """No client of git's does that; each is worked on by itself, and none is waited for that is here."""
    name, _ = tight.pushed({"a": "1"})
    key = keys.make()
    keys.register(tight, key, "*")
    ran = keys.run(
        tight,
        key,
        f"git-upload-pack '{name}'",
        options=("-oSetEnv=GIT_PROTOCOL=version=2",),
        stdin=b"0014command=ls-refs\n0000" * 3 + b"0000",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(b" refs/heads/main") == 3
