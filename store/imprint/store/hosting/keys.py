"""SSH public keys as credentials: what `ssh-keygen` writes, read strictly.

A line is that of a `.pub` file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"), without options. Its blob is that of
RFC 4253 6.6 (RSA), RFC 5656 3.1 (ECDSA), RFC 8709 4 (Ed25519) or OpenSSH's PROTOCOL.u2f (security keys).

Invariants:
    1. A key has one spelling: other bytes that would be read as the same key are refused.
    2. What is kept of a key begins with `KEY_PREFIX`, which no hash of a secret does. A key is no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from imprint.store.actors import KEY_PREFIX
from imprint.store.errors import BadInput

KEY_BYTES_MAX: Final = 16_384
"""A line longer than this is no key: RSA of 16,384 bits takes 2,800."""
RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 16_384
KEY_TYPES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_HINT: Final = "give the one line of a .pub file, as ssh-keygen writes it: TYPE BASE64 COMMENT"
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class SshKey:
    """A public key.

    Attributes:
        type: one of `KEY_TYPES`.
        blob: the key as SSH sends it.
    """

    type: str
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> SshKey:
        """Read the line of a `.pub` file.

        Raises:
            BadInput: it is none, or its key is of a kind or size that is not taken.
        """
        text = line.strip()
        if "PRIVATE KEY" in text[:100]:
            raise BadInput("that is a private key, which nobody else should see", hint=_HINT)
        parts = text.split(None, 2)
        if len(text) > KEY_BYTES_MAX or len(text.splitlines()) != 1 or len(parts) == 1:
            raise BadInput("that is not one SSH public key", hint=_HINT)
        if parts[0] not in KEY_TYPES:
            raise BadInput(
                f"the line begins with {parts[0][:40]!r}, which is no type of key that is taken",
                hint=f"types are {', '.join(KEY_TYPES)}; options and certificates are not taken",
            )
        try:
            blob = base64.b64decode(parts[1], validate=True)
        except (binascii.Error, ValueError) as broken:
            raise BadInput("the key's text is not Base64", hint=_HINT) from broken
        key = cls(parts[0], blob)
        _verify(key)
        return key

    @property
    def fingerprint(self) -> str:
        """How ssh shows the key, such as `SHA256:47DEQpj8HBSa`."""
        return fingerprint_of(self.blob)


def fingerprint_of(blob: bytes) -> str:
    """SHA-256 of a key as SSH sends it, in the form of ssh-keygen(1), `-l`."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii")
    return f"SHA256:{digest.rstrip('=')}"


def hash_key(fingerprint: str, number: int) -> str:
    """What stands for a key in `Token.secret_hash`.

    Args:
        fingerprint: of the key.
        number: counts the tokens that the key was given one after the other, from 1.
    """
    return f"{KEY_PREFIX}{fingerprint}#{number}"


def _verify(key: SshKey) -> None:
    """Check a key in all its bytes.

    Raises:
        BadInput: it is damaged, spelt unusually, or too small or too large.
    """
    plain = _without_application(key)
    try:
        line = b"%s %s" % (plain.type.encode(), base64.b64encode(plain.blob))
        public = load_ssh_public_key(line)
        written = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (ValueError, UnsupportedAlgorithm) as broken:
        raise BadInput(f"the {key.type} key is damaged", hint=_HINT) from broken
    if written != line:
        raise BadInput(f"the {key.type} key is not spelt as ssh-keygen does", hint=_HINT)
    if isinstance(public, RSAPublicKey) and not RSA_BITS_MIN <= public.key_size <= RSA_BITS_MAX:
        raise BadInput(
            f"an RSA key of {public.key_size} bits is not taken",
            hint=f"use {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, or 'ssh-keygen -t ed25519'",
        )


def _without_application(key: SshKey) -> SshKey:
    """The ordinary key inside the key of a security key, which adds whom it is for; any other key itself."""
    match key.type:
        case "sk-ssh-ed25519@openssh.com":
            plain_type, field_count = "ssh-ed25519", 3
        case "sk-ecdsa-sha2-nistp256@openssh.com":
            plain_type, field_count = "ecdsa-sha2-nistp256", 4
        case _:
            return key
    fields = _split(key.blob)
    if len(fields) != field_count or fields[0] != key.type.encode() or not fields[-1].startswith(b"ssh:"):
        raise BadInput(f"the {key.type} key is damaged", hint=_HINT)
    return SshKey(plain_type, _join([plain_type.encode(), *fields[1:-1]]))


def _split(blob: bytes) -> list[bytes]:
    """The strings (RFC 4251 5) that a blob is made of; none if it is not made of whole ones."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:_LENGTH_BYTES])
        field, blob = blob[_LENGTH_BYTES : _LENGTH_BYTES + length], blob[_LENGTH_BYTES + length :]
        if len(field) != length:
            return []
        fields.append(field)
    return fields


def _join(fields: list[bytes]) -> bytes:
    return b"".join(len(field).to_bytes(_LENGTH_BYTES) + field for field in fields)
