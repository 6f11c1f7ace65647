"""Running a server as a process: how it starts, why it does not, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from imprint.api.errors import ListenFailed
from imprint.api.server import address_of, listen, serve
from imprint.store.errors import DataFolderMismatch, StorageFailed
from imprint.store.hosting.data import DataFolder

PROGRAM = """
import sys
from pathlib import Path
from imprint.api.server import serve
from imprint.api.settings import ApiSettings
def on_ready(url):
    print(url, file=sys.stderr, flush=True)
def on_wait(rest):
    print(rest.split(" and ")[0], flush=True)
sys.exit(serve(Path(sys.argv[1]), port=0, settings=eval(sys.argv[2]), on_ready=on_ready, on_wait=on_wait))
"""


class Process:
    """A server in a process of its own."""

    def __init__(self, data: Path, settings: str = "None") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(data), settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        self.url = self.process.stderr.readline().strip()

    def stop(self, number: int) -> tuple[int, str, str]:
        """Signal it; exit code, and what it printed on both streams after its address."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; exit code, and what it printed on both streams since."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def connect_halfway(running: Process, folder: Path) -> socket.socket:
    """A connection with a request that the server has begun to answer, and whose body never ends."""
    token = (folder / "data" / "admin-token").read_text().strip()
    host, port = running.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        f"POST /api/repos HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    time.sleep(0.3)
    return connection


def test_a_signal_ends_it_cleanly_and_a_second_start_finds_everything(tmp_path: Path) -> None:
    """It prints nothing, an idle connection does not hold up the end, and the folder is free afterwards."""
    first = Process(tmp_path / "data")
    assert first.url.startswith("http://127.0.0.1:")
    token = (tmp_path / "data" / "admin-token").read_text().strip()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.post(f"{first.url}/api/repos", json={"name": "a/b"}).status_code == 201
        begun = time.monotonic()
        assert first.stop(signal.SIGINT) == (0, "", "")
        assert time.monotonic() - begun < 10
        DataFolder.create_or_open(tmp_path / "data").close()
        second = Process(tmp_path / "data")
        assert client.get(f"{second.url}/api/repos/a/b").status_code == 200
        assert second.stop(signal.SIGTERM) == (0, "", "")


def test_it_takes_as_many_descriptors_as_it_may_have(tmp_path: Path) -> None:
    at_first = "__import__('resource').setrlimit(7, (200, 5000))"
    running = Process(tmp_path / "data", f"{at_first} or ApiSettings()")
    limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    assert "Max open files            5000                 5000" in limits
    assert running.stop(signal.SIGTERM) == (0, "", "")


def test_a_request_that_runs_is_finished_before_the_end(tmp_path: Path) -> None:
    """The body is half sent when the signal comes, and the rest after it."""
    running = Process(tmp_path / "data")
    token = (tmp_path / "data" / "admin-token").read_text().strip()
    host, port = running.url.removeprefix("http://").split(":")
    body = b'{"name": "a/late"}'
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /api/repos HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:5]
        )
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body[5:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 201")
    assert running.end() == (0, "", "")


def test_requests_that_do_not_end_are_cut_off_without_a_word(tmp_path: Path) -> None:
    """The client never sends the rest; what is waited for is told, and the whole end takes its bound."""
    running = Process(tmp_path / "data", "ApiSettings(drain_seconds=2, stop_seconds=20)")
    with connect_halfway(running, tmp_path):
        running.process.send_signal(signal.SIGTERM)
        assert running.end() == (0, "1 request\n", "")


def test_an_end_that_takes_too_long_is_cut_off(tmp_path: Path) -> None:
    running = Process(tmp_path / "data", "ApiSettings(drain_seconds=60, stop_seconds=1.5)")
    with connect_halfway(running, tmp_path):
        begun = time.monotonic()
        assert running.stop(signal.SIGTERM)[::2] == (0, "")
        assert time.monotonic() - begun < 15


def test_a_thread_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    hang = "__import__('threading').Thread(target=__import__('time').sleep, args=(60,)).start()"
    running = Process(tmp_path / "data", f"{hang} or ApiSettings(stop_seconds=1.2)")
    assert running.stop(signal.SIGTERM) == (0, "work that runs in the background\n", "")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, second: signal.Signals) -> None:
    running = Process(tmp_path / "data", "ApiSettings(drain_seconds=60, stop_seconds=60)")
    with connect_halfway(running, tmp_path):
        running.process.send_signal(signal.SIGTERM)
        assert running.process.stdout
        running.process.stdout.readline()  # it is ending: it has said what it waits for
        assert running.stop(second) == (128 + second, "", "")


def test_a_port_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenFailed, match=f"cannot listen at 127.0.0.1:{port}") as refused:
            serve(tmp_path / "data", port=port)
    assert "--port" in refused.value.hint
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListenFailed):
        serve(tmp_path / "data", host="192.0.2.1", port=0)


def test_a_name_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListenFailed):
        serve(tmp_path / "data", host="no.such.host.invalid", port=0)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises((StorageFailed, DataFolderMismatch)):
        serve(file / "data", port=0)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for the superuser")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageFailed):
        serve(tmp_path / "locked" / "data", port=0)


def test_somebody_elses_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(DataFolderMismatch):
        serve(tmp_path / "photos", port=0)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize(
    ("host", "beginning"),
    [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")],
)
def test_the_address_is_one_that_a_client_can_use(host: str, beginning: str) -> None:
    try:
        listener = listen(host, 0)
    except ListenFailed:
        pytest.skip(f"this machine has no {host}")
    with listener:
        assert address_of(listener).startswith(beginning)


def test_connections_send_small_answers_at_once() -> None:
    """Nagle's algorithm would hold the last piece of an answer back for 40 ms."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
