"""New data folders for tests, without the migrations that make the tables of each.

A folder is laid out once in a process as `DataFolder.create_or_open` makes it, and is kept in memory; the
others are written from there and opened by the same call. All of them have one key, and nothing else that
tells one from another. How a folder is made is tested where that is the subject: tests/store/test_data.py.
"""

import functools
import tempfile
from pathlib import Path

from imprint.store.hosting.data import DataFolder


@functools.cache
def _laid_out() -> dict[str, bytes | None]:
    """What a new folder named `data` and its key consist of: paths and contents, None for a folder."""
    with tempfile.TemporaryDirectory(prefix="imprint-template-") as place:
        DataFolder.create_or_open(Path(place) / "data").close()
        found = sorted(Path(place).rglob("*"))
        return {str(path.relative_to(place)): None if path.is_dir() else path.read_bytes() for path in found}


def make_data_folder(root: Path, key_file: Path | None = None) -> DataFolder:
    """A new data folder at `root`, where there is none, and its key, by default beside it; opened."""
    key_file = key_file or root.with_name(f"{root.name}.key")
    for name, content in _laid_out().items():
        path = key_file if name == "data.key" else root / Path(name).relative_to("data")
        if content is None:
            path.mkdir(mode=0o700, parents=path == root)
        else:
            path.touch(mode=0o644 if path.name == "format" else 0o600)
            path.write_bytes(content)
    return DataFolder.create_or_open(root, key_file)
