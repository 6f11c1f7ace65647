"""A server process on a data folder, as `imprint serve` starts it, with housekeeping made frequent.

    python tests/durability/serving.py DATA

The address is the first line of its output.
"""

import sys
from pathlib import Path

from imprint.api.server import serve
from imprint.api.settings import ApiSettings

HOUSEKEEPING_SECONDS = 2.0


def say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = ApiSettings(housekeeping_seconds=HOUSEKEEPING_SECONDS)
    sys.exit(serve(Path(sys.argv[1]), port=0, settings=settings, on_ready=say))
