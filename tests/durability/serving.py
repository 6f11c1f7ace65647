"""A server process as `imprint serve` starts one, with maintenance and housekeeping made frequent.

    python tests/durability/serving.py DATA

The address is the first line of its output.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from imprint.api.app import create_app
from imprint.api.server import Ending, Server, listen
from imprint.api.settings import ApiSettings
from imprint.semantic.library import Library
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.limits import Limits
from imprint.store.origins.sources import Origins

SETTINGS = ApiSettings(housekeeping_seconds=2.0)
LIMITS = Limits(maintain_packs_min=6, retired_seconds_min=30, plumbing_seconds_max=60)
"""Packs are joined after a few pushes, and the files of joined ones go after two minutes: as soon as the time
that git may take allows."""


def say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


def serve(data: Path) -> int:
    """Serve until a signal comes."""
    with ExitStack() as opened, Ending(SETTINGS.stop_seconds, lambda _: None) as ending:
        listener = opened.enter_context(listen("127.0.0.1", 0))
        hosting = Hosting.open(DataFolder.create_or_open(data), limits=LIMITS)
        opened.callback(hosting.close)
        hosting.ensure_admin_token()
        origins = Origins.of_hosting(hosting)
        opened.callback(origins.close)
        library = Library.open(hosting.folder.index_path, apart=True)
        opened.callback(library.close)
        return Server(create_app(hosting, origins, library, SETTINGS), SETTINGS, ending, say).run_on(listener)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
