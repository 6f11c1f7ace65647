"""Envelopes: what was signed verifies, and nothing else does; OpenSSL is the oracle."""

import base64
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from imprint.store.errors import BadInput
from imprint.store.export.dsse import PAYLOAD_TYPE, key_id, read_private_key, read_public_key, sign, verify


def render(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def keys():
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return render(key), public


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
def test_what_was_signed_verifies_here_and_by_openssl(keys, tmp_path):
    private, public = keys
    statement = {"_type": "x", "text": "é"}
    envelope = json.loads(json.dumps(sign(statement, read_private_key(private))))
    assert verify(envelope, read_public_key(public)) == statement
    assert envelope["signatures"][0]["keyid"] == key_id(read_public_key(public))
    payload = base64.b64decode(envelope["payload"])
    kind = PAYLOAD_TYPE.encode()
    signed = (
        b"DSSEv1 "
        + str(len(kind)).encode()
        + b" "
        + kind
        + b" "
        + str(len(payload)).encode()
        + b" "
        + payload
    )
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "public.pem").write_bytes(public)
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public.pem"]
    done = subprocess.run([*command, "-in", "signed", "-sigfile", "sig"], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_changed_byte_anywhere_is_found(keys):
    private, public = keys
    envelope = sign({"a": 1}, read_private_key(private))
    key = read_public_key(public)
    other = base64.b64encode(b'{"a":2}').decode()
    for changed in (
        {**envelope, "payload": other},
        {**envelope, "payloadType": "text/plain"},
        {**envelope, "signatures": []},
        {**envelope, "signatures": [{"sig": base64.b64encode(bytes(64)).decode()}]},
    ):
        with pytest.raises(BadInput, match="no signature"):
            verify(changed, key)


@pytest.mark.parametrize(
    "bad", [{}, {"payload": 5}, {"payload": "!", "payloadType": "x", "signatures": []}, []]
)
def test_what_is_no_envelope_is_refused(keys, bad):
    with pytest.raises(BadInput, match="not a DSSE envelope"):
        verify(bad, read_public_key(keys[1]))


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff"])
def test_what_is_no_key_is_refused_with_how_to_make_one(pem):
    for read in (read_private_key, read_public_key):
        with pytest.raises(BadInput) as refused:
            read(pem)
        assert "openssl genpkey" in (refused.value.hint or "")


def test_a_key_of_another_kind_is_refused():
    with pytest.raises(BadInput, match="Ed25519"):
        read_private_key(render(ec.generate_private_key(ec.SECP256R1())))
