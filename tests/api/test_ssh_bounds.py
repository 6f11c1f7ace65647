"""What a client of SSH may cost the server, and what becomes of its work at the server's end."""

import asyncio
import contextlib
import os
import shutil
import socket
import threading
import time

import asyncssh
import pytest

from imprint.api.settings import ApiSettings
from imprint.api.ssh.commands import parse_protocol_version
from imprint.api.ssh.streams import SENT_BYTES, WAITING_BYTES_MAX, Inlet, Outlet
from imprint.store.errors import ProtocolError
from imprint.store.types import RepositoryName

needs_ssh = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)
TIGHT = ApiSettings(
    ssh_connections_max=4,
    ssh_logins_max=2,
    ssh_sessions_max=2,
    ssh_login_seconds_max=3.0,
    ssh_idle_seconds_max=1.0,
    stall_seconds_max=3.0,
)


@pytest.fixture(scope="module")
def tight(tmp_path_factory, serve_module):
    """A server with little patience."""
    return serve_module(tmp_path_factory.mktemp("tight"), TIGHT)


@pytest.fixture(scope="module")
def ada(tight, keys):
    key = keys.make()
    keys.register(tight, key, "*")
    return key


def wait_until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def port_of(server) -> int:
    return int(server.ssh_url.rpartition(":")[2])


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=10)


@pytest.fixture
def alone(tight):
    """Nobody else is connected."""
    wait_until(lambda: tight.app.state.services.git_queue.held == 0)
    wait_until(lambda: not tight.process._ssh._connections)


# -- the streams ------------------------------------------------------------------------------------------


def test_a_reader_gets_what_came_and_then_the_end() -> None:
    inlet = Inlet(1.0, lambda: None, lambda: None)
    inlet.feed(b"abc")
    inlet.feed(b"defg")
    inlet.end()
    assert [inlet.read(2), inlet.read(4), inlet.read(4), inlet.read(4)] == [b"ab", b"cdef", b"g", b""]


def test_a_reader_that_is_slow_stops_the_client_and_lets_it_go_on() -> None:
    said: list[str] = []
    inlet = Inlet(1.0, lambda: said.append("pause"), lambda: said.append("resume"))
    for _ in range(5):
        inlet.feed(bytes(WAITING_BYTES_MAX // 4))
    assert said == ["pause"]
    inlet.read(WAITING_BYTES_MAX // 4)
    assert said == ["pause"], "not after every piece"
    inlet.read(WAITING_BYTES_MAX)
    assert said == ["pause", "resume"]


def test_a_reader_hears_of_a_client_that_went_away_after_what_it_said() -> None:
    inlet = Inlet(1.0, lambda: None, lambda: None)
    inlet.feed(b"abc")
    inlet.cut_off()
    assert inlet.read(10) == b"abc"
    with pytest.raises(ProtocolError, match="went away"):
        inlet.read(1)


def test_a_reader_does_not_wait_for_ever() -> None:
    with pytest.raises(ProtocolError, match=r"sent nothing for 0\.05 s"):
        Inlet(0.05, lambda: None, lambda: None).read(1)


class Client:
    """Takes what an outlet sends, as long as it is willing."""

    def __init__(self, stall_seconds_max: float = 5.0) -> None:
        self.taken: list[bytes] = []
        self.is_willing = True
        self.outlet = Outlet(stall_seconds_max, self._flush, self.taken.append, lambda: not self.is_willing)

    def flush(self) -> None:
        self.outlet.flush()

    def _flush(self) -> None:
        threading.Timer(0, self.flush).start()


def test_what_is_written_arrives_in_order_and_in_small_pieces() -> None:
    client = Client()
    content = os.urandom(3 * WAITING_BYTES_MAX)
    for start in range(0, len(content), 700_001):
        client.outlet.write(content[start : start + 700_001])
    client.outlet.finish()
    assert b"".join(client.taken) == content
    assert max(map(len, client.taken)) <= SENT_BYTES


def test_a_writer_waits_for_a_client_that_takes_nothing_and_gives_up() -> None:
    client = Client(0.1)
    client.is_willing = False
    client.outlet.write(bytes(WAITING_BYTES_MAX))
    for act in (lambda: client.outlet.write(b"more"), client.outlet.finish):
        with pytest.raises(ProtocolError, match=r"took nothing for 0\.1 s"):
            act()
    client.is_willing = True
    client.outlet.flush()
    client.outlet.finish()
    assert sum(map(len, client.taken)) == WAITING_BYTES_MAX


def test_asking_a_blocked_client_again_and_again_does_not_prolong_the_wait() -> None:
    client = Client(0.2)
    client.is_willing = False
    client.outlet.write(bytes(WAITING_BYTES_MAX))
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.02):
            client.outlet.flush()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with pytest.raises(ProtocolError, match="took nothing"):
            client.outlet.write(b"more")
    finally:
        ended.set()
        asking.join()


def test_a_writer_hears_of_a_client_that_went_away() -> None:
    client = Client(60.0)
    client.is_willing = False
    client.outlet.write(bytes(WAITING_BYTES_MAX))
    threading.Timer(0.1, client.outlet.cut_off).start()
    with pytest.raises(ProtocolError, match="went away"):
        client.outlet.write(b"more")


@pytest.mark.parametrize(
    ("text", "version"),
    [("", 0), ("version=2", 2), ("version=1:version=2", 2), ("a:version=1", 1), ("version=3", 0), ("x=2", 0)],
)
def test_the_newest_version_that_is_known_is_spoken(text: str, version: int) -> None:
    assert parse_protocol_version(text) == version


# -- strangers --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
def test_whoever_proves_no_key_in_time_is_hung_up_on(tight) -> None:
    begun = time.monotonic()
    with connect(tight) as stranger:
        while stranger.recv(1000):
            pass
    assert 2.0 < time.monotonic() - begun < 20.0


@pytest.mark.usefixtures("alone")
def test_strangers_leave_room_for_others(tight) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(tight)).recv(1000)
        turned_away = stack.enter_context(connect(tight))
        assert turned_away.recv(1000).startswith(b"imprint: too many connections")
        assert turned_away.recv(1000) == b""


@pytest.mark.usefixtures("alone")
def test_a_flood_before_the_key_is_cut_off(tight) -> None:
    with connect(tight) as stranger:
        stranger.recv(1000)
        stranger.sendall(b"SSH-2.0-Flood\r\n")
        with pytest.raises(OSError):  # noqa: PT012 - which write it hits is the machine's affair
            for _ in range(200):
                stranger.sendall(b"\0" * 65_536)
                time.sleep(0.001)


# -- clients with a key -----------------------------------------------------------------------------------


def as_client(server, key, work):
    """Do something as a client that does what no stock client does."""

    async def run() -> object:
        async with asyncssh.connect(
            "127.0.0.1",
            port_of(server),
            client_keys=[str(key)],
            known_hosts=None,
            config=None,
            username="git",
        ) as connection:
            return await asyncio.wait_for(work(connection), 30)

    return asyncio.run(run())


@needs_ssh
@pytest.mark.usefixtures("alone")
def test_only_one_variable_may_be_set(tight, ada) -> None:
    name = tight.repository()

    async def work(connection):
        await connection.create_session(
            asyncssh.SSHClientSession,
            f"git-upload-pack '{name}'",
            env={f"FLOOD_{number}": "x" * 1000 for number in range(100)} | {"GIT_PROTOCOL": "version=2"},
            encoding=None,
        )
        (session,) = next(iter(tight.process._ssh._connections)).sessions
        return dict(session._channel.get_environment())

    assert as_client(tight, ada, work) == {"GIT_PROTOCOL": "version=2"}


@needs_ssh
@pytest.mark.usefixtures("alone")
def test_one_connection_runs_so_many_commands_and_no_more(tight, ada) -> None:
    name = tight.repository()

    async def work(connection):
        for _ in range(2):
            await connection.create_session(
                asyncssh.SSHClientSession, f"git-upload-pack '{name}'", encoding=None
            )
        with pytest.raises(asyncssh.ChannelOpenError, match="too many commands"):
            await connection.create_session(
                asyncssh.SSHClientSession, f"git-upload-pack '{name}'", encoding=None
            )

    as_client(tight, ada, work)


@needs_ssh
@pytest.mark.usefixtures("alone")
def test_a_connection_without_a_command_is_closed(tight, keys, ada) -> None:
    with keys.ask(tight, ada, options=("-N",)) as idle:
        begun = time.monotonic()
        idle.wait(20)
    assert time.monotonic() - begun > 0.5


@needs_ssh
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("trick", ["stand still", "ask for new keys and stand still"])
def test_a_client_that_promises_to_take_much_and_takes_nothing_costs_little(tight, ada, trick: str) -> None:
    """Its window is a gigabyte, its socket stands still: the writer waits, and gives up."""
    name, git = tight.pushed({f"{number}.bin": os.urandom(1024**2) for number in range(6)})
    request = f"0011command=fetch0001000fno-progress0032want {git('rev-parse', 'HEAD')}\n0009done\n0000"
    queue = tight.app.state.services.git_queue

    async def until(holds) -> None:
        for _ in range(1000):
            if holds():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not come about")

    async def work(connection):
        channel, _ = await connection.create_session(
            asyncssh.SSHClientSession,
            f"git-upload-pack '{name}'",
            env={"GIT_PROTOCOL": "version=2"},
            encoding=None,
            window=1024**3,
        )
        (served,) = tight.process._ssh._connections
        (session,) = served.sessions
        channel.write(request.encode())
        if trick != "stand still":
            connection._send_kexinit()
        connection._transport.pause_reading()
        await until(lambda: session._outlet._waiting_bytes >= WAITING_BYTES_MAX)
        deferred = sum(len(part) for _, parts in served._deferred_packets for part in parts)
        waiting = session._outlet._waiting_bytes, served._transport.get_write_buffer_size() + deferred
        await until(lambda: not queue.held)
        connection.abort()
        return waiting

    written, beyond = as_client(tight, ada, work)
    assert written < 2 * WAITING_BYTES_MAX
    assert beyond < WAITING_BYTES_MAX


@needs_ssh
def test_keys_are_renewed_in_the_middle_of_a_clone_and_of_a_push(server, keys) -> None:
    key = keys.make()
    keys.register(server, key, "*")
    name = server.repository()
    git = keys.client(server, key)
    git.environment["GIT_SSH_COMMAND"] += " -oRekeyLimit=256K"
    head = git.commit({"a.bin": os.urandom(3 * 1024**2)}, "Large")
    git("push", "-q", keys.url(server, name), "HEAD:refs/heads/main")
    git("clone", "-q", keys.url(server, name), "clone")
    assert git("-C", "clone", "rev-parse", "HEAD") == head


SLOW = """
import os, sys, time
slow = int(sys.argv[1])
passed = 0
while piece := os.read(0, 65536):
    for start in range(0, len(piece), 4096):
        os.write(1, piece[start:start + 4096])
        passed += 4096
        if passed > slow:
            time.sleep(0.02)
"""


@needs_ssh
def test_a_push_that_runs_when_the_server_is_told_to_stop_lands(tmp_path, serve_at, keys) -> None:
    served = serve_at(tmp_path / "stopping")
    key = keys.make()
    keys.register(served, key, "*")
    name = served.repository()
    git = keys.client(served, key)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "slow.sh").write_text(
        f'#!/bin/sh\npython3 {tmp_path / "slow.py"} 4096 | {" ".join(keys.command(key))} "$@"\n'
    )
    (tmp_path / "slow.sh").chmod(0o755)
    git.environment |= {"GIT_SSH": str(tmp_path / "slow.sh"), "GIT_SSH_VARIANT": "ssh"}
    del git.environment["GIT_SSH_COMMAND"]
    head = git.commit({"a.bin": os.urandom(400_000)}, "Large")
    ended: list[str] = []
    push = threading.Thread(
        target=lambda: ended.append(git("push", "-q", keys.url(served, name), "HEAD:refs/heads/main"))
    )
    push.start()
    wait_until(lambda: served.app.state.services.git_queue.held == 1)
    time.sleep(0.3)
    assert not ended
    served.process.should_exit = True
    wait_until(lambda: not is_open(served))
    assert not ended, "it still runs"
    push.join(30)
    assert ended == [""]
    refs = served.hosting.get(RepositoryName.parse(name)).view.refs.snapshot().refs
    assert [str(value.id) for value in refs.values()] == [head]


def is_open(server) -> bool:
    try:
        connect(server).close()
    except OSError:
        return False
    return True
