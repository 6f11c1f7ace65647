"""The least that a commit over HTTP can cost in Python: a request, a thread, a transaction that is synced.

    python bench/commit_floor.py PORT DATABASE

A server that takes any POST, parses its JSON, writes four rows of 200 bytes in a SQLite transaction of its
own (write-ahead log, `synchronous=FULL`) in a thread, and answers 201. uvicorn, uvloop and llhttp serve, as
for Imprint; there is no routing, no token, no git. `bench/writers.py` measures it beside the real one.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROWS = 4


class Floor:
    """An ASGI application."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, content TEXT)")

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Take a request, write, answer."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = await to_thread.run_sync(self._write, body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _write(self, body: bytes) -> bytes:
        wish = json.loads(body)
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            for _ in range(ROWS):
                self._connection.execute("INSERT INTO row (content) VALUES (?)", ("x" * 200,))
            self._connection.execute("COMMIT")
        return json.dumps({"target_branch": wish["target_branch"], "content": "x" * 300}).encode()


def main() -> None:
    """Serve until ended."""
    port, path = int(sys.argv[1]), sys.argv[2]
    uvicorn.run(Floor(path), host="127.0.0.1", port=port, log_level="error", lifespan="off", access_log=False)


if __name__ == "__main__":
    main()
