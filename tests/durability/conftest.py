"""The tests of this folder share its modules, which are also commands: `make race`, `crash` and `soak`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
