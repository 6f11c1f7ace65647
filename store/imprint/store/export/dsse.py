"""DSSE envelopes, signed and verified with Ed25519 (secure-systems-lab/dsse, protocol v1.0.2).

What is signed is the pre-authentication encoding `DSSEv1 LEN(type) type LEN(payload) payload`. The key's id
is the SHA-256 of its SubjectPublicKeyInfo in DER, hexadecimal: anybody who has the key can compute it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = dict[str, Any]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""Of in-toto statements (in-toto attestation framework, envelope)."""
_HINT = (
    "'openssl genpkey -algorithm ed25519 -out KEY.pem' makes a key, "
    "'openssl pkey -in KEY.pem -pubout' prints its public half"
)


def read_private_key(pem: bytes) -> Ed25519PrivateKey:
    """An Ed25519 private key in PEM, without a passphrase.

    Raises:
        BadInput: it is none.
    """
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as bad:
        raise BadInput(f"not a private key in PEM: {bad}", hint=_HINT) from bad
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput("the private key is not of the kind Ed25519", hint=_HINT)
    return key


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """An Ed25519 public key in PEM.

    Raises:
        BadInput: it is none.
    """
    try:
        key = load_pem_public_key(pem)
    except ValueError as bad:
        raise BadInput(f"not a public key in PEM: {bad}", hint=_HINT) from bad
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput("the public key is not of the kind Ed25519", hint=_HINT)
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """How envelopes name a key."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def sign(statement: Mapping[str, object], key: Ed25519PrivateKey) -> Json:
    """The envelope of a statement."""
    payload = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    signature = key.sign(_encode(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()},
        ],
    }


def verify(envelope: Mapping[str, Any], key: Ed25519PublicKey) -> Json:
    """The statement in an envelope that the key has signed.

    Raises:
        BadInput: it is no envelope, or no signature in it is the key's.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"]
        signatures = [base64.b64decode(each["sig"], validate=True) for each in envelope["signatures"]]
        signed = _encode(kind, payload)
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as bad:
        raise BadInput(f"not a DSSE envelope: {bad!r}") from bad
    if not any(_is_signature(key, signature, signed) for signature in signatures):
        raise BadInput(
            f"no signature is that of key {key_id(key)}", hint="it was changed, or signed with another key"
        )
    if kind != PAYLOAD_TYPE:
        raise BadInput(f"the payload is {kind!r}, not {PAYLOAD_TYPE!r}")
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError) as bad:
        raise BadInput("the payload is no JSON document") from bad
    if not isinstance(statement, dict):
        raise BadInput("the payload is no statement")
    return statement


def _encode(kind: str, payload: bytes) -> bytes:
    raw = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(raw), raw, len(payload), payload)


def _is_signature(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
