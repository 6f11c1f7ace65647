"""The transport behind a small HTTP server on the loopback, for stock git clients."""

import gzip
import io
import socketserver
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.transport.connection import serve_receive_connection, serve_upload_connection
from imprint.store.transport.pktline import FrameReader
from imprint.store.transport.receive_pack import advertise_receive, serve_receive
from imprint.store.transport.upload_pack import advertise_upload, serve_upload


class ChunkedBody(io.RawIOBase):
    """A request body in HTTP/1.1 chunks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self._ended:
            self._left = int(self._stream.readline(), 16)
            self._ended = self._left == 0
        if self._ended:
            return 0
        piece = self._stream.read(min(len(buffer), self._left))
        self._left -= len(piece)
        if not self._left:
            self._stream.readline()
        buffer[: len(piece)] = piece
        return len(piece)


@dataclass
class Site:
    """A served bench: its address, and what it was asked."""

    bench: Any
    url: str
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def make_handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Tests do not chat."""

        @property
        def protocol(self) -> int:
            return int((self.headers.get("Git-Protocol") or "version=0").removeprefix("version="))

        def body(self) -> Any:
            if self.headers.get("Transfer-Encoding") == "chunked":
                raw: Any = io.BufferedReader(ChunkedBody(self.rfile))
            else:
                raw = io.BytesIO(self.rfile.read(int(self.headers["Content-Length"])))
            return gzip.GzipFile(fileobj=raw) if self.headers.get("Content-Encoding") == "gzip" else raw

        def answer(self, status: int, kind: str, pieces: Any) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def do_GET(self) -> None:
            site.requests.append(self.path)
            service = self.path.partition("service=")[2]
            repository = site.bench.repository
            if service == "git-upload-pack":
                content = advertise_upload(repository, self.protocol)
            else:
                content = advertise_receive(repository, site.bench.hosting.limits, self.protocol)
            self.answer(200, f"application/x-{service}-advertisement", [content])

        def do_POST(self) -> None:
            site.requests.append(self.path)
            service = self.path.rpartition("/")[2]
            bench = site.bench
            try:
                body = self.body()
                if service == "git-upload-pack":
                    limits = bench.hosting.limits
                    pieces = serve_upload(bench.repository, body, limits, protocol=self.protocol)
                else:
                    pieces = serve_receive(bench.repository, bench.principal, body, bench.receiver)
                self.answer(200, f"application/x-{service}-result", pieces)
            except (BadInput, LimitExceeded) as refusal:
                self.answer(400, "text/plain", [refusal.message.encode()])
            except ConnectionError:
                raise
            except Exception:
                site.failures.append(traceback.format_exc())
                raise

    return Handler


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Failures are kept in `Site.failures`."""


@pytest.fixture
def serve() -> Iterator[Callable[[Any], Site]]:
    """Serves a bench; the servers stop with the test, which fails if one of them failed in itself."""
    servers: list[tuple[ThreadingHTTPServer, Site]] = []

    def start(bench: Any) -> Site:
        site = Site(bench, "")
        server = QuietServer(("127.0.0.1", 0), make_handler(site))
        site.url = f"http://127.0.0.1:{server.server_address[1]}/acme/app.git"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append((server, site))
        return site

    yield start
    for server, site in servers:
        server.shutdown()
        server.server_close()
        assert site.failures == []


class Conversation(socketserver.StreamRequestHandler):
    """One connection of Git's own protocol (gitprotocol-pack(5)); it stays open both ways."""

    timeout = 30

    def handle(self) -> None:
        site = self.server.site  # type: ignore[attr-defined]
        bench = site.bench
        line = FrameReader(self.rfile, bytes_max=10**5, limit="").read()
        assert isinstance(line, bytes)
        service, *words = line.replace(b"\0", b" ").split()
        protocol = next((int(word[-1:]) for word in words if word.startswith(b"version=")), 0)
        site.requests.append(f"{service.decode()} {protocol}")
        try:
            if service == b"git-upload-pack":
                serve_upload_connection(
                    bench.repository, protocol, self.rfile, self.wfile.write, bench.hosting.limits
                )
            else:
                serve_receive_connection(
                    bench.repository, bench.principal, protocol, self.rfile, self.wfile.write, bench.receiver
                )
        except (BadInput, LimitExceeded, ConnectionError) as refusal:
            site.requests.append(f"{type(refusal).__name__}: {refusal}")
        except Exception:
            site.failures.append(traceback.format_exc())
            raise


class QuietDaemon(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Failures are kept in `Site.failures`."""


@pytest.fixture
def connect() -> Iterator[Callable[[Any], Site]]:
    """Serves a bench on connections that stay open; the servers stop with the test."""
    servers: list[tuple[QuietDaemon, Site]] = []

    def start(bench: Any) -> Site:
        server = QuietDaemon(("127.0.0.1", 0), Conversation)
        site = Site(bench, f"git://127.0.0.1:{server.server_address[1]}/acme/app.git")
        server.site = site  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append((server, site))
        return site

    yield start
    for server, site in servers:
        server.shutdown()
        server.server_close()
        assert site.failures == []


@pytest.fixture
def site(serve: Callable[[Any], Site], bench: Any) -> Site:
    return serve(bench)


@pytest.fixture
def clone(git_client: Any, tmp_path: Path, site: Site) -> Callable[..., Any]:
    """Clones the site with a stock client: `clone("name", "--depth=1")`."""

    def run(name: str, *options: str) -> Any:
        git_client(tmp_path)("clone", "-q", *options, site.url, name)
        return git_client(tmp_path / name)

    return run
