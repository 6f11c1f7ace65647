"""A server that knows only answers recorded before: what answering costs where nothing has to be found out.

    python bench/replay.py uvicorn|sockets PORT FILE

FILE holds a pickled dictionary from (method, path, body) to (content type, body). `uvicorn` is the event loop
and parser that the server of this project runs on, `sockets` a loop over the socket with no library at all.
"""

from __future__ import annotations

import pickle
import socketserver
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Known = dict[tuple[str, str, bytes], tuple[str, bytes]]

KNOWN: Known = {}


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer from the dictionary."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    path = scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
    kind, answer = KNOWN[scope["method"], path, body]
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Connection(socketserver.StreamRequestHandler):
    """One client's requests, one after the other."""

    def handle(self) -> None:
        """Answer from the dictionary until the client hangs up."""
        while line := self.rfile.readline():
            method, path, _ = line.decode().split(" ")
            size_bytes = 0
            while (header := self.rfile.readline().strip().lower()) != b"":
                name, _, value = header.partition(b":")
                if name == b"content-length":
                    size_bytes = int(value)
            kind, answer = KNOWN[method, path, self.rfile.read(size_bytes)]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n\r\n"
            self.wfile.write(head.encode() + answer)


def main() -> int:
    kind, port, file = sys.argv[1:]
    KNOWN.update(pickle.loads(Path(file).read_bytes()))  # this bench has just written it
    if kind == "uvicorn":
        uvicorn.run(
            app, host="127.0.0.1", port=int(port), http="httptools", log_level="error", access_log=False
        )
        return 0
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(port)), Connection) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
