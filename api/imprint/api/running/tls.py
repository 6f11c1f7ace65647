"""TLS by certificate files: checked before anything listens, and loaded anew without dropping a connection.

Invariants:
    1. A certificate is used only if its key fits, others cannot read that key, and today is within its time.
    2. Loading anew replaces all or nothing: where the new files cannot be used, the old certificate stays.
    3. TLS 1.2 is the oldest version spoken.
"""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509

from imprint.api.errors import TlsFailed

if TYPE_CHECKING:
    from pathlib import Path

    from imprint.store.clock import Clock

_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    "NO_START_LINE": "it is not in PEM format",
    "PEM_LIB": "it is not in PEM format",
    "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    "CA_MD_TOO_WEAK": "it is signed in a way that is no longer safe",
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a certificate is.

    Attributes:
        certificate: PEM; the server's own first, then those that lead to the authority.
        key: PEM, without a password.
    """

    certificate: Path
    key: Path


class Certificate:
    """A certificate in use.

    Args:
        files: where it is.
        clock: says whether it is still good.

    Raises:
        TlsFailed: it cannot be used.
    """

    def __init__(self, files: TlsFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._current = _load(files, clock)
        # Every handshake asks for the context of the moment. Loading into a context that is in use would
        # leave the old certificate beside a new one with another kind of key.
        self.context = _load(files, clock)
        self.context.sni_callback = self._choose
        """What the event loop listens with; it stays the same."""

    def reload(self) -> None:
        """Read the files again; connections that are open go on as they are.

        Raises:
            TlsFailed: what is in them cannot be used; the certificate from before stays in use.
        """
        self._current = _load(self._files, self._clock)

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current


def _load(files: TlsFiles, clock: Clock) -> ssl.SSLContext:
    _verify_times(files.certificate, clock)
    _verify_private(files.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])

    def refuse_password() -> str:
        raise TlsFailed(
            f"{files.key}: the key has a password", hint="store it without one: openssl pkey -in KEY -out NEW"
        )

    try:
        context.load_cert_chain(files.certificate, files.key, password=refuse_password)
    except ssl.SSLError as failure:
        reason = _REASONS.get(failure.reason or "", failure.reason or "it cannot be read")
        raise TlsFailed(
            f"{files.certificate} with {files.key}: {reason}", hint="check --tls-cert and --tls-key"
        ) from failure
    except OSError as failure:
        raise TlsFailed(f"{files.certificate} with {files.key}: {failure.strerror}") from failure
    return context


def _verify_times(path: Path, clock: Clock) -> None:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as failure:
        raise TlsFailed(f"{path}: {failure.strerror}", hint="check --tls-cert") from failure
    except ValueError as failure:
        raise TlsFailed(
            f"{path}: there is no certificate in PEM format in it", hint="check --tls-cert"
        ) from failure
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    if now > chain[0].not_valid_after_utc:
        ended = chain[0].not_valid_after_utc.date()
        raise TlsFailed(f"{path}: the certificate ended on {ended}", hint="renew it")
    if now < chain[0].not_valid_before_utc:
        begins = chain[0].not_valid_before_utc.date()
        raise TlsFailed(f"{path}: the certificate begins on {begins}", hint="check this machine's clock")


def _verify_private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as failure:
        raise TlsFailed(f"{path}: {failure.strerror}", hint="check --tls-key") from failure
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise TlsFailed(f"{path}: everybody on this machine may read or write the key", hint="chmod 600 it")
