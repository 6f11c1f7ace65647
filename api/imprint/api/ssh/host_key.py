"""The key by which clients know the server: made once, kept with the data, the same for every process.

Invariants:
    1. It is made by whoever holds the lock and finds none, and never made anew where one is.
    2. Only the owner of the data folder may read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncssh

from imprint.store.durable import write_durably
from imprint.store.errors import StorageFailed
from imprint.store.waiting.lock import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.hosting.data import DataFolder


def ensure_host_key(folder: DataFolder) -> asyncssh.SSHKey:
    """The server's Ed25519 key, made at the first call.

    Raises:
        StorageFailed: what is kept there is no key.
    """
    path = host_key_path(folder)
    with FileLock(path.with_name("ssh_host.lock")).hold():
        if not path.exists():
            made = asyncssh.generate_private_key("ssh-ed25519", comment="imprint")
            write_durably(path, made.export_private_key("openssh"))
        try:
            return asyncssh.import_private_key(path.read_bytes())
        except asyncssh.KeyImportError as damaged:
            raise StorageFailed(
                f"{path} is not an SSH key", hint="restore it from a backup; clients know the server by it"
            ) from damaged


def host_key_path(folder: DataFolder) -> Path:
    """Where the key is kept."""
    return folder.root / "ground" / "ssh_host_ed25519_key"
