"""Files that are too large to be held: refused politely, streamed, or looked at by their size only."""

import random
import re
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from imprint.api.settings import ApiSettings

MEGABYTES = 32


def resident_mb() -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


class Peak(threading.Thread):
    """The largest resident memory of this process while the block runs, above that of its start."""

    def __enter__(self) -> Self:
        self.over = threading.Event()
        self.before = resident_mb()
        self.grown = 0
        self.start()
        return self

    def run(self) -> None:
        while not self.over.wait(0.01):
            self.grown = max(self.grown, resident_mb() - self.before)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


@pytest.fixture(scope="module")
def large(serve_module, tmp_path_factory):
    """A server with small bounds, a repository with a large file, and that file.

    Last comes how much memory the push took with all that followed it, in a server that is warm.
    """
    server = serve_module(
        tmp_path_factory.mktemp("large"), ApiSettings(file_bytes_max=1_000_000, shown_bytes_max=100_000)
    )
    server.pushed({"warm.py": "def warm(): ...\n"})
    server.settle()
    noise = random.Random(5).randbytes(MEGABYTES * 1024**2)
    with Peak() as peak:
        name, _ = server.pushed({"noise.bin": noise, "small.txt": "small\n", "README.md": "x" * 200_000})
        server.settle()
    return server, name, noise, peak.grown


def test_rest_refuses_a_file_that_is_too_large_and_says_what_to_do(large) -> None:
    server, name, _, _ = large
    client = server.client(server.token(name))
    answer = client.get(f"/api/repos/{name}/file", params={"path": "noise.bin"})
    assert answer.status_code == 413
    assert answer.json()["limit"] == "file_bytes_max"
    assert "clone" in answer.json()["hint"]
    assert client.get(f"/api/repos/{name}/file", params={"path": "small.txt"}).json()["content"] == "small\n"


def test_the_raw_page_streams_it_in_little_memory(large) -> None:
    server, name, noise, _ = large
    client = server.client(server.token(name))
    position = 0
    with Peak() as peak, client.stream("GET", f"/{name}/raw/main/noise.bin") as answer:
        assert answer.headers["content-length"] == str(len(noise))
        for piece in answer.iter_raw():
            assert noise.startswith(piece, position)
            position += len(piece)
    assert position == len(noise)
    assert peak.grown < MEGABYTES / 2


def test_pages_show_its_size_and_read_no_more(large) -> None:
    server, name, _, _ = large
    client = server.client(server.token(name))
    with Peak() as peak:
        page = client.get(f"/{name}/blob/main/noise.bin", headers={"Accept": "text/html"})
        assert page.status_code == 200
        front = client.get(f"/{name}", headers={"Accept": "text/html"})
        assert front.status_code == 200
        assert "xxxx" not in front.text
    assert peak.grown < MEGABYTES / 2


def test_neither_the_push_nor_followers_nor_the_audit_read_it_whole(large) -> None:
    server, name, _, grown = large
    assert grown < MEGABYTES  # buffers, and what followers load; a blob that is held costs this and more
    with Peak() as peak:
        audit = server.client(server.token(name)).get(f"/api/repos/{name}/audit").json()
        time.sleep(0.05)
    assert audit["lines"]["total"] == 2
    assert peak.grown < MEGABYTES / 2
    status = server.client(server.token(name)).get(f"/api/repos/{name}/index").json()
    assert status["behind"] == 0
