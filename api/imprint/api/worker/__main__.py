"""One of several server processes on one listening socket; started by `imprint.api.running.crew`.

    python -m imprint.api.worker

The first line of its input says what to serve, as JSON. It writes `ready` when it answers, and `waits` with a
reason when its end takes long. At the end of its input, which is the end of its parent, it ends in order.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

from imprint.api.running.sockets import Sockets
from imprint.api.running.tls import TlsFiles
from imprint.api.server import serve_on
from imprint.api.settings import ApiSettings
from imprint.store.errors import StoreError

READY: Final = "ready"
WAITS: Final = "waits "


def main() -> int:
    """Serve until told to stop; the exit code."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ssh = order["ssh"]
    sockets = Sockets(
        socket.socket(fileno=order["http"]),
        None if ssh is None else socket.socket(fileno=ssh),
        TlsFiles(*map(Path, order["tls"])) if order["tls"] else None,
    )
    key_file = order["key_file"]
    try:
        return serve_on(
            Path(order["data"]),
            sockets,
            key_file=None if key_file is None else Path(key_file),
            settings=ApiSettings(**order["settings"]),
            on_ready=lambda _: _say(READY),
            on_wait=lambda rest: _say(WAITS + rest),
        )
    except StoreError as failure:
        sys.stderr.write(f"imprint: error: {failure.message}\n")
        return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
