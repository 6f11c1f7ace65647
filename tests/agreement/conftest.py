"""The corpus is a package: `python -m agreement` runs all of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
