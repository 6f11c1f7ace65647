r"""Prompts and transcripts in files: compressed, encrypted, and unreadable once their key is gone.

    keys/<k>                    the key of one session, wrapped by the master key; or the mark of an erasure
    texts/<k>/<address>         one text of that session

`k` is a keyed hash of the session key's id: names of files tell nothing without the master key.

    key file    b"imprint key 1\n" | nonce (12) | AES-256-GCM(wrapping key, session key, k)
                b"imprint key erased 1\n"
    text file   b"imprint text 1\n" | nonce (12) | AES-256-GCM(text key, zlib(text), address)

The wrapping and the hashing key are derived from the master key; the text and the address key of a session,
and the one by which its writers recognise chunks, from its session key; all by HMAC-SHA256 of a label. The
address is HMAC-SHA256(address key, text).

Invariants:
    1. A file has its name only when it is whole and synced; its name is synced before `write` returns, or the
       block of `writing` ends.
    2. A session's key is random, made once, and never replaced by another; erasing replaces it for ever.
    3. Writers hold the lock shared and an erasure exclusively: no text is written under a key that is gone,
       nor is one named that was written before the key went.

After a crash there may be hidden partial files beside the others; they are never read. Erasing overwrites
and unlinks the wrapped key here; a copy in a backup is opened by the master key only, which is in no backup.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imprint.store.durable import sync_files, sync_folder
from imprint.store.errors import LimitExceeded, StorageFailed, TranscriptErased, TranscriptMissing
from imprint.store.transcripts.ports import TRANSCRIPT_BYTES_MAX, Batch, Transcripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_KEY_MARK: Final = b"imprint key 1\n"
_ERASED_MARK: Final = b"imprint key erased 1\n"
_TEXT_MARK: Final = b"imprint text 1\n"
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, 8.2: 96 bits
_KEY_BYTES: Final = 32
_ADDRESS_LENGTH: Final = 64
_NO_TEXT: Final = "no text at this address in this session"


class FileTranscripts(Transcripts):
    """`Transcripts` below a folder, shared by threads and processes.

    Args:
        folder: where; made if missing.
        master_key: 32 bytes that wrap every session's key, kept outside the folder and its backups.
    """

    def __init__(self, folder: Path, master_key: bytes) -> None:
        self._keys = folder / "keys"
        self._texts = folder / "texts"
        self._lock_path = folder / "lock"
        self._wrapping = AESGCM(_derive(master_key, b"wrap"))
        self._hashing_key = _derive(master_key, b"name")
        with _failures_named():
            for each in (folder, self._keys, self._texts):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, session_key_id: str, text: bytes) -> str:
        """See `Transcripts.write`."""
        with self.writing(session_key_id) as batch:
            return batch.write(text)

    @contextmanager
    def writing(self, session_key_id: str) -> Iterator[Batch]:
        """See `Transcripts.writing`."""
        batch = _FileBatch(self._add, session_key_id)
        try:
            yield batch
            if batch.partials:
                with _failures_named():
                    self._settle(session_key_id, batch.partials)
        finally:
            for partial in filter(None, batch.partials.values()):
                with suppress(OSError):
                    partial.unlink(missing_ok=True)

    def _add(self, session_key_id: str, text: bytes, partials: dict[str, Path | None]) -> str:
        """Write a text under a name that is not its own yet, unless it is there; its address."""
        if len(text) > TRANSCRIPT_BYTES_MAX:
            raise LimitExceeded(f"the text has {len(text)} bytes", limit="TRANSCRIPT_BYTES_MAX")
        with _failures_named(), self._locked(fcntl.LOCK_SH):
            key = self._read_key(session_key_id) or self._make_key(session_key_id)
            address = _address(key, text)
            folder = self._texts / self._hashed(session_key_id)
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self._texts)
            if address in partials:
                return address
            if (folder / address).exists():
                partials[address] = None
                return address
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = AESGCM(_derive(key, b"text")).encrypt(nonce, zlib.compress(text), address.encode())
            partial = partials[address] = _partial_of(folder / address)
            with _opened_new(partial) as file:
                file.write(_TEXT_MARK + nonce + sealed)
        return address

    def _settle(self, session_key_id: str, partials: dict[str, Path | None]) -> None:
        """Make the texts of a batch durable, then give them their names, and make those durable."""
        with self._locked(fcntl.LOCK_SH):
            self._read_key(session_key_id)
            sync_files([partial for partial in partials.values() if partial is not None])
            folder = self._texts / self._hashed(session_key_id)
            for address, partial in partials.items():
                if partial is not None:
                    partial.replace(folder / address)
                elif not (folder / address).exists():
                    raise TranscriptMissing("a text was forgotten while it was written again")
            sync_folder(folder)  # also for names that somebody else gave a moment ago, and has not synced

    def read(self, session_key_id: str, address: str) -> bytes:
        """See `Transcripts.read`."""
        with _failures_named():
            key = self._read_key(session_key_id)
            if key is None or not _is_address(address):
                raise TranscriptMissing(_NO_TEXT)
            try:
                content = (self._texts / self._hashed(session_key_id) / address).read_bytes()
            except FileNotFoundError:
                self._read_key(session_key_id)  # says so where it was erased meanwhile
                raise TranscriptMissing(_NO_TEXT) from None
        return _unseal(AESGCM(_derive(key, b"text")), content, address)

    def hashing_key(self, session_key_id: str) -> bytes:
        """See `Transcripts.hashing_key`."""
        with _failures_named(), self._locked(fcntl.LOCK_SH):
            key = self._read_key(session_key_id) or self._make_key(session_key_id)
        return _derive(key, b"recognise")

    def forget(self, session_key_id: str, addresses: Iterable[str]) -> None:
        """See `Transcripts.forget`."""
        folder = self._texts / self._hashed(session_key_id)
        with _failures_named(), self._locked(fcntl.LOCK_EX):
            for address in filter(_is_address, addresses):
                (folder / address).unlink(missing_ok=True)

    def erase(self, session_key_id: str) -> None:
        """See `Transcripts.erase`."""
        path = self._keys / self._hashed(session_key_id)
        with _failures_named(), self._locked(fcntl.LOCK_EX):
            with _kept_open(path) as wrapped:
                _write(path, _ERASED_MARK)
                sync_folder(self._keys)
                if wrapped is not None:
                    _overwrite(wrapped)
            shutil.rmtree(self._texts / path.name, ignore_errors=True)

    # -- keys -----------------------------------------------------------------------------------------

    def _hashed(self, session_key_id: str) -> str:
        raw = session_key_id.encode("utf-8", "surrogatepass")
        return hmac.new(self._hashing_key, raw, hashlib.sha256).hexdigest()

    def _read_key(self, session_key_id: str) -> bytes | None:
        """The session's key; None if there is none yet.

        Raises:
            TranscriptErased: it was destroyed.
            StorageFailed: it is damaged, or wrapped by another master key.
        """
        path = self._keys / self._hashed(session_key_id)
        try:
            content = _read_unerased(path)
        except FileNotFoundError:
            return None
        try:
            return _open_sealed(self._wrapping, _KEY_MARK, content, path.name)
        except (InvalidTag, ValueError) as failure:
            _read_unerased(path)  # an erasure zeroes what it has replaced, which was perhaps what was read
            raise StorageFailed(
                "a session's key cannot be opened", hint="is this the master key of this data folder?"
            ) from failure

    def _make_key(self, session_key_id: str) -> bytes:
        """A new key, unless another process made one at the same time: then that one."""
        path = self._keys / self._hashed(session_key_id)
        key, nonce = secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
        content = _KEY_MARK + nonce + self._wrapping.encrypt(nonce, key, path.name.encode())
        partial = _partial_of(path)
        try:
            _write_new(partial, content)
            with suppress(FileExistsError):
                os.link(partial, path)  # unlike a rename, never replaces one that is there
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(self._keys)
        made = self._read_key(session_key_id)
        assert made is not None  # noqa: S101 - linked above, and erasures wait for our lock
        return made

    @contextmanager
    def _locked(self, mode: int) -> Iterator[None]:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, mode)
            yield
        finally:
            os.close(descriptor)


def _read_unerased(path: Path) -> bytes:
    """A key file as it is now.

    Raises:
        TranscriptErased: it is the mark of an erasure.
    """
    content = path.read_bytes()
    if content.startswith(_ERASED_MARK):
        raise TranscriptErased("the texts of this session were erased")
    return content


def _derive(key: bytes, label: bytes) -> bytes:
    return hmac.new(key, b"imprint transcripts 1: " + label, hashlib.sha256).digest()


def _address(key: bytes, text: bytes) -> str:
    return hmac.new(_derive(key, b"address"), text, hashlib.sha256).hexdigest()


def _is_address(address: str) -> bool:
    return len(address) == _ADDRESS_LENGTH and all(digit in "0123456789abcdef" for digit in address)


def _unseal(cipher: AESGCM, content: bytes, address: str) -> bytes:
    try:
        return zlib.decompress(_open_sealed(cipher, _TEXT_MARK, content, address))
    except (InvalidTag, ValueError, zlib.error) as failure:
        raise StorageFailed(f"the text at {address} is damaged", hint="restore it from a backup") from failure


def _open_sealed(cipher: AESGCM, mark: bytes, content: bytes, name: str) -> bytes:
    """What is sealed behind a mark and a nonce.

    Raises:
        ValueError, InvalidTag: the mark is another, or a byte of it was changed.
    """
    if not content.startswith(mark):
        raise ValueError("not a file of this format")
    nonce_end = len(mark) + _NONCE_BYTES
    return cipher.decrypt(content[len(mark) : nonce_end], content[nonce_end:], name.encode())


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise StorageFailed(f"transcripts: {failure.strerror}", hint="is the disk full or read-only?") from (
            failure
        )


class _FileBatch(Batch):
    """A batch: its addresses, each with the file that shall have that name; None where there is one."""

    def __init__(self, add: Callable[[str, bytes, dict[str, Path | None]], str], session_key_id: str) -> None:
        self._add = add
        self.session_key_id = session_key_id
        self.partials: dict[str, Path | None] = {}

    def write(self, text: bytes) -> str:
        """See `Batch.write`."""
        return self._add(self.session_key_id, text, self.partials)


def _partial_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _opened_new(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")


def _write_new(path: Path, content: bytes) -> None:
    with _opened_new(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, content: bytes) -> None:
    """Give the path this content; the folder is yet to be synced."""
    partial = _partial_of(path)
    try:
        _write_new(partial, content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _kept_open(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _overwrite(descriptor: int) -> None:
    """Zero what the file held, as far as the file system writes in place."""
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)
