"""Secrets of mirrors: sealed in the catalogue, or in files of the operator's; handed to git only.

    sealed      base64 of nonce (12) | AES-256-GCM(HMAC-SHA256(master key, label), secret, repository id)

Invariants:
    1. A secret is never an argument of a process, part of a URL, of a message, of a log or of an event.
    2. A sealed secret opens only with the data folder's key, and only for the repository that it is of.
    3. A file that others may read is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pwd
import secrets
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imprint.store.errors import BadInput
from imprint.store.mirror.model import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_USER: Final = "x-access-token"
"""What forges take as the name beside a token."""
SECRET_BYTES_MAX: Final = 16 * 1024
_LABEL: Final = b"imprint mirror secret 1"
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, 8.2: 96 bits
_ASKPASS: Final = """#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$IMPRINT_ASK_USER" ;;
*) printf '%s\\n' "$IMPRINT_ASK_SECRET" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What git is given to prove who asks.

    Attributes:
        environment: more of its environment.
        settings: more of its settings, none of them secret.
        secret: what must be struck out of whatever it says; empty for nothing.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    secret: str = ""

    def strike_out(self, text: str) -> str:
        """The text without the secret."""
        return text.replace(self.secret, "***") if self.secret else text


def seal(text: str, master_key: bytes, repository_id: str) -> Credential:
    """Keep a secret, `USER:SECRET` or only the secret, encrypted.

    Raises:
        BadInput: it is empty, too long, or has a line feed in it.
    """
    user, secret = _split(text)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_derive(master_key)).encrypt(nonce, secret.encode(), repository_id.encode())
    return Credential("sealed", base64.b64encode(nonce + sealed).decode("ascii"), user)


def verify_file(path: Path) -> None:
    """Check that a file of secrets is the caller's alone.

    Raises:
        BadInput: it is not there, no file, or others may read it.
    """
    try:
        found = path.stat()
    except OSError as failure:
        raise BadInput(f"{path}: {failure.strerror}", hint="the server must be able to read it") from failure
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
        raise BadInput(f"others may read {path}", hint=f"'chmod 600 {path}' keeps it to its owner")


def prove(credential: Credential | None, master_key: bytes, repository_id: str, folder: Path) -> Proof:
    """What git needs for a credential.

    Args:
        credential: which; None for none.
        master_key: the data folder's.
        repository_id: whose it is.
        folder: where the program that git asks may lie; nothing secret is written there.

    Raises:
        BadInput: a file cannot be used, or the secret was sealed with another key.
    """
    if credential is None:
        return Proof()
    if credential.kind == "helper":
        home = pwd.getpwuid(os.getuid()).pw_dir
        return Proof({"HOME": home}, ("-c", f"credential.helper={credential.value}"))
    if credential.kind == "key":
        verify_file(Path(credential.value))
        return Proof({"IMPRINT_SSH_KEY": shlex.quote(credential.value)})
    if credential.kind == "file":
        path = Path(credential.value)
        verify_file(path)
        user, secret = _split(path.read_text("utf-8", "replace")[: SECRET_BYTES_MAX + 1].strip("\n"))
    else:
        user, secret = credential.user, _open(credential, master_key, repository_id)
    asker = folder / "ask"
    asker.write_text(_ASKPASS, "ascii")
    asker.chmod(0o700)
    environment = {"GIT_ASKPASS": str(asker), "IMPRINT_ASK_USER": user, "IMPRINT_ASK_SECRET": secret}
    return Proof(environment, secret=secret)


def _split(text: str) -> tuple[str, str]:
    user, colon, secret = text.partition(":")
    if not colon:
        user, secret = DEFAULT_USER, text
    if not secret or len(text) > SECRET_BYTES_MAX or not text.isprintable():
        raise BadInput("the secret is empty, too long, or no single line of text")
    return user, secret


def _open(credential: Credential, master_key: bytes, repository_id: str) -> str:
    raw = base64.b64decode(credential.value)
    nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
    try:
        return AESGCM(_derive(master_key)).decrypt(nonce, sealed, repository_id.encode()).decode()
    except InvalidTag as wrong:
        raise BadInput(
            "the mirror's secret was sealed with another key", hint="add the mirror anew"
        ) from wrong


def _derive(master_key: bytes) -> bytes:
    return hmac.new(master_key, _LABEL, hashlib.sha256).digest()
