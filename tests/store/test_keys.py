"""SSH keys as credentials: which lines are taken, and whose token a key stands for."""

import base64
import subprocess
from pathlib import Path

import pytest

from imprint.store.actors import ActorKind, Verb
from imprint.store.clock import ManualClock
from imprint.store.errors import BadInput, Conflict, TokenExpired, TokenRevoked, Unauthenticated
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.keys import KEY_TYPES, SshKey, fingerprint_of
from imprint.store.hosting.repositories import Hosting

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYeCmaVjCQtHhlqnPYjYNTvD3jCGUPkNnV0y4kFkJYr ada@example.com"


def blob_of(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4) + field for field in fields)


def line_of(*fields: bytes, kind: str = "") -> str:
    return f"{kind or fields[0].decode()} {base64.b64encode(blob_of(*fields)).decode()}"


POINT = bytes.fromhex(  # the generator of P-256 (SEC 2, section 2.4.2)
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
SK_ED25519 = (b"sk-ssh-ed25519@openssh.com", bytes(range(32)), b"ssh:")
SK_ECDSA = (b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:work")


@pytest.fixture
def hosting(tmp_path: Path):
    opened = Hosting.open(DataFolder.create_or_open(tmp_path / "data"), clock=ManualClock())
    yield opened
    opened.close()


def issue(hosting: Hosting, line: str, actor: str = "ada", **more):
    return hosting.issue_token(
        actor=actor,
        kind=ActorKind.HUMAN,
        repositories=["*"],
        verbs=frozenset({Verb.READ}),
        ssh_key=line,
        **more,
    )


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048)],
)
def test_keys_that_ssh_keygen_makes_have_the_fingerprint_that_it_shows(
    tmp_path: Path, kind: str, bits: int | None
) -> None:
    made = tmp_path / "key"
    size = ["-b", str(bits)] if bits else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-f", made], check=True)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", made], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    key = SshKey.parse(made.with_suffix(".pub").read_text())
    assert key.fingerprint == shown
    assert key.type in KEY_TYPES


def test_keys_of_security_keys_are_taken() -> None:
    assert SshKey.parse(line_of(*SK_ED25519)).blob == blob_of(*SK_ED25519)
    assert SshKey.parse(line_of(*SK_ECDSA) + " ada's key").blob == blob_of(*SK_ECDSA)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "not one SSH public key"),
        ("ssh-ed25519", "not one SSH public key"),
        (f"{ED25519}\n{ED25519}", "not one SSH public key"),
        (ED25519.split()[1], "not one SSH public key"),
        ("ssh-ed25519 " + "A" * 20_000, "not one SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "a private key"),
        (f'command="id" {ED25519}', "no type of key"),
        (f"no-pty {ED25519}", "no type of key"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "no type of key"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "no type of key"),
        (f"# {ED25519}", "no type of key"),
        ("ssh-ed25519 AAAA!", "not Base64"),
        ("ssh-ed25519 AAAA", "damaged"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "damaged"),
        (line_of(b"ssh-ed25519", bytes(31)), "damaged"),
        (line_of(b"ssh-ed25519", bytes(32), b"more"), "damaged"),
        (line_of(b"ecdsa-sha2-nistp256", b"nistp256", POINT[:-1] + b"\0"), "damaged"),
        (line_of(b"ecdsa-sha2-nistp256", b"nistp384", POINT), "damaged"),
        (line_of(b"ssh-rsa", b"\1\0\1", b"\0" + b"\xc1" * 128), "1024 bits"),
        (line_of(b"ssh-rsa", b"\0\1\0\1", b"\0" + b"\xc1" * 256), "spelt"),
        (line_of(*SK_ED25519[:2]), "damaged"),
        (line_of(*SK_ED25519[:2], b"https://example.com"), "damaged"),
        (line_of(*SK_ED25519, b"more"), "damaged"),
        (line_of(*SK_ED25519) + "AAAA", "damaged|not Base64"),
        (line_of(SK_ECDSA[0], *SK_ED25519[1:], kind=SK_ECDSA[0].decode()), "damaged"),
    ],
)
def test_other_lines_are_refused_with_the_reason(line: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        SshKey.parse(line)
    assert refused.value.hint
    assert "AAAAC3" not in refused.value.message


def test_a_key_is_the_credential_of_its_token(hosting: Hosting) -> None:
    token, secret = issue(hosting, ED25519)
    key = SshKey.parse(ED25519)
    assert secret == ""
    assert token.ssh_fingerprint == key.fingerprint == fingerprint_of(key.blob)
    principal = hosting.authenticate_key(key.blob)
    assert (principal.actor.name, principal.token) == ("ada", token)
    with pytest.raises(Unauthenticated, match="nobody's key"):
        hosting.authenticate_key(key.blob + b"x")


def test_nothing_about_a_key_is_a_secret(hosting: Hosting) -> None:
    token, _ = issue(hosting, ED25519)
    key = SshKey.parse(ED25519)
    public = [
        ED25519,
        *ED25519.split(),
        key.fingerprint,
        token.secret_hash,
        token.id,
        "",
        key.blob.decode("latin-1"),
    ]
    for text in public:
        with pytest.raises(Unauthenticated):
            hosting.authenticate(text)


def test_a_secret_has_no_fingerprint(hosting: Hosting) -> None:
    token, secret = hosting.issue_token(
        actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=frozenset({Verb.READ})
    )
    assert token.ssh_fingerprint is None
    assert hosting.authenticate(secret).token == token


def test_a_key_has_one_good_token_at_a_time(hosting: Hosting) -> None:
    """However often it was given others before: what is looked up is always the newest."""
    blob = SshKey.parse(ED25519).blob
    for turn in range(1, 12):
        token, _ = issue(hosting, ED25519, actor=f"actor-{turn}")
        assert hosting.authenticate_key(blob).actor.name == f"actor-{turn}"
        with pytest.raises(Conflict, match=f"token {token.id} of actor-{turn}"):
            issue(hosting, ED25519, actor="late")
        hosting.catalogue.revoke_token(token.id, hosting.clock.now_ms())
        with pytest.raises(TokenRevoked, match=token.id):
            hosting.authenticate_key(blob)
    assert hosting.catalogue.find_actor("late") is None, "a refused wish leaves nothing behind"


def test_a_key_whose_token_has_expired_may_get_another(hosting: Hosting) -> None:
    blob = SshKey.parse(ED25519).blob
    issue(hosting, ED25519, expires_in_ms=1000)
    hosting.clock.advance(1000)
    with pytest.raises(TokenExpired):
        hosting.authenticate_key(blob)
    token, _ = issue(hosting, ED25519)
    assert hosting.authenticate_key(blob).token == token
