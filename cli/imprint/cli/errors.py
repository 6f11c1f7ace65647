"""From what went wrong to what a person reads and a program checks.

    CommandError
    ├── UsageProblem        the options contradict each other, or do not say enough
    ├── NothingFound        something was asked for and is not there
    ├── ExtraMissing        an optional part of Imprint is not installed
    ├── ImportRefused       a repository could not be taken over
    ├── ServeFailed         the server ended without having served
    ├── ServerUnreachable   nothing answers at the address
    └── ServerRefused       the server said no; carries the code that it gave

`EXIT_CODES` is the only place that decides an exit code.

Invariants:
    1. 0 is done, 1 refused, failed or not found, 2 usage; 130 is an interrupt, 141 a reader that went away.
    2. A refusal has the same exit code and words whether it comes from a data folder, a clone or a server.
"""

from __future__ import annotations

import errno
from typing import Final

from imprint.api import errors as api
from imprint.store import errors as store

EXIT_DONE: Final = 0
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""
EXIT_READER_GONE: Final = 141
"""128 + SIGPIPE, as shells report it for git and every other filter."""


class CommandError(Exception):
    """The root of what commands themselves refuse: a message, and a hint that says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageProblem(CommandError):
    """The options contradict each other, or do not say enough."""


class NothingFound(CommandError):
    """Something was asked for and is not there."""


class ExtraMissing(CommandError):
    """An optional part of Imprint is not installed."""


class ImportRefused(CommandError):
    """A repository could not be taken over; nothing of it was kept."""


class ServeFailed(CommandError):
    """The server ended without having served."""


class ServerUnreachable(CommandError):
    """Nothing answers at the address, or what answers is not Imprint."""


class ServerRefused(CommandError):
    """The server said no.

    Attributes:
        code: the stable code of the problem, which is the code of a store error where the store refused.
        status: the HTTP status.
    """

    def __init__(self, message: str, *, code: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status


EXIT_CODES: Final[dict[type[Exception], int]] = {
    CommandError: EXIT_REFUSED,
    UsageProblem: EXIT_USAGE,
    NothingFound: EXIT_REFUSED,
    ExtraMissing: EXIT_REFUSED,
    ImportRefused: EXIT_REFUSED,
    ServeFailed: EXIT_REFUSED,
    ServerUnreachable: EXIT_REFUSED,
    ServerRefused: EXIT_REFUSED,
    store.StoreError: EXIT_REFUSED,
    store.BadInput: EXIT_USAGE,
    store.BadObjectId: EXIT_USAGE,
    store.BadRefName: EXIT_USAGE,
    store.BadRepositoryName: EXIT_USAGE,
    store.BadPath: EXIT_USAGE,
    store.BadRevision: EXIT_USAGE,
    store.BadExpiry: EXIT_USAGE,
    store.BadLargeObject: EXIT_REFUSED,
    store.ProtocolError: EXIT_REFUSED,
    store.Missing: EXIT_REFUSED,
    store.RepositoryMissing: EXIT_REFUSED,
    store.RefMissing: EXIT_REFUSED,
    store.ObjectMissing: EXIT_REFUSED,
    store.PathMissing: EXIT_REFUSED,
    store.SessionMissing: EXIT_REFUSED,
    store.TokenMissing: EXIT_REFUSED,
    store.TranscriptMissing: EXIT_REFUSED,
    store.LargeObjectMissing: EXIT_REFUSED,
    store.LockMissing: EXIT_REFUSED,
    store.MirrorMissing: EXIT_REFUSED,
    store.NotIndexed: EXIT_REFUSED,
    store.TranscriptErased: EXIT_REFUSED,
    store.Conflict: EXIT_REFUSED,
    store.RepositoryExists: EXIT_REFUSED,
    store.MirrorExists: EXIT_REFUSED,
    store.MirrorBusy: EXIT_REFUSED,
    store.ActorConflict: EXIT_REFUSED,
    store.SessionConflict: EXIT_REFUSED,
    store.SessionMoved: EXIT_REFUSED,
    store.MergeConflict: EXIT_REFUSED,
    store.StaleUpdate: EXIT_REFUSED,
    store.Denied: EXIT_REFUSED,
    store.Unauthenticated: EXIT_REFUSED,
    store.TokenExpired: EXIT_REFUSED,
    store.TokenRevoked: EXIT_REFUSED,
    store.PushRefused: EXIT_REFUSED,
    store.LimitExceeded: EXIT_REFUSED,
    store.StoreFailure: EXIT_REFUSED,
    store.PlumbingFailed: EXIT_REFUSED,
    store.MirrorFailed: EXIT_REFUSED,
    store.PluginFailed: EXIT_REFUSED,
    store.StorageFailed: EXIT_REFUSED,
    store.OutcomeUnknown: EXIT_REFUSED,
    store.ObjectDamaged: EXIT_REFUSED,
    store.DataFolderMismatch: EXIT_REFUSED,
    api.BadRequest: EXIT_USAGE,
    api.TokenInUrl: EXIT_USAGE,
    api.WrongMediaType: EXIT_USAGE,
    api.ForeignOrigin: EXIT_REFUSED,
    api.ListenFailed: EXIT_REFUSED,
    api.TlsFailed: EXIT_REFUSED,
    api.WorkerFailed: EXIT_REFUSED,
    api.Busy: EXIT_REFUSED,
    api.DeliveryLate: EXIT_REFUSED,
}
"""Every class that a command may end with, and its exit code."""

_EXTRAS: Final = {
    "fastapi": "server",
    "uvicorn": "server",
    "starlette": "server",
    "pydantic": "server",
    "jinja2": "server",
    "lancedb": "semantic",
    "numpy": "semantic",
    "pyarrow": "semantic",
    "tree_sitter": "semantic",
}
"""Which extra of pyproject.toml brings a module."""

_BAD_REQUEST: Final = frozenset({400, 422})
"""HTTP statuses by which a server says that the request itself is malformed."""


def exit_code(error: BaseException) -> int:
    """The exit code for an error: of its own class, or of the nearest parent in the table."""
    if isinstance(error, ServerRefused):
        return _server_exit_code(error)
    for kind in type(error).__mro__:
        if kind in EXIT_CODES:
            return EXIT_CODES[kind]
    return EXIT_REFUSED


def _server_exit_code(error: ServerRefused) -> int:
    for kind, code in EXIT_CODES.items():
        if issubclass(kind, store.StoreError) and kind.code == error.code:
            return code
    return EXIT_USAGE if error.status in _BAD_REQUEST else EXIT_REFUSED


def describe(error: BaseException) -> CommandError | store.StoreError | None:
    """The error with a message and a hint for people; None for one that only a bug explains."""
    if isinstance(error, CommandError | store.StoreError):
        return error
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").partition(".")[0].removesuffix("_language")
        extra = _EXTRAS.get(module) or ("semantic" if module.startswith("tree_sitter") else None)
        if extra is None:
            return None
        return ExtraMissing(
            f"this command needs the {extra!r} part of Imprint, and {module} is not installed",
            hint=f"pip install 'imprint[{extra}]'",
        )
    if isinstance(error, OSError):
        return _describe_os_error(error)
    return None


def _describe_os_error(error: OSError) -> CommandError:
    what = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    hint = "free some space and try again" if error.errno == errno.ENOSPC else ""
    return CommandError(f"{where}{what}", hint=hint)
