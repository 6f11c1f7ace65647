"""The one table from what went wrong to an HTTP status, and the problem document that says so.

Every class below `StoreError` has an entry of its own: a test walks the tree and demands it. Problem
documents are RFC 9457 with our stable `code`, a `hint`, and the facts that the error carries.

Invariants:
    1. A failure of the machine (status 500 and above) never tells a client what git or the disk said: that
       may name folders of the server. It is logged instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store import errors as store
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
"""RFC 9457, section 3."""
_MACHINE_AT_FAULT: Final = 500


class BadRequest(store.BadInput):
    """The request itself, not what it asks for, is malformed."""

    code = "bad_request"


class TokenInUrl(BadRequest):
    """A token in an address would end up in logs and histories."""

    code = "token_in_url"

    def __init__(self) -> None:
        super().__init__(
            "a token in the address is refused",
            hint="send it as 'Authorization: Bearer ...' or as the password; revoke it, it may be in logs",
        )


class WrongMediaType(BadRequest):
    """The body is not of the content type, or not in the encoding, that this address takes."""

    code = "wrong_media_type"


class ForeignOrigin(store.Denied):
    """A browser sent the request on behalf of another site."""

    code = "foreign_origin"


class ListenFailed(store.StoreFailure):
    """The server cannot listen at its address."""

    code = "listen_failed"


class TlsFailed(store.StoreFailure):
    """The certificate or its key cannot be used."""

    code = "tls_failed"


class WorkerFailed(store.StoreFailure):
    """A server process did not start."""

    code = "worker_failed"


class Busy(store.StoreFailure):
    """The server has as much to do as it may; try again in a moment."""

    code = "busy"

    def __init__(self, retry_seconds: float, what: str = "too many requests wait already") -> None:
        super().__init__(what, hint=f"try again in {retry_seconds:.0f} seconds")
        self.retry_seconds = retry_seconds


class DeliveryLate(Busy):
    """The session was not kept in the time that a delivery has, and nothing of it is; try again later."""

    code = "delivery_late"

    def __init__(self, retry_seconds: float) -> None:
        super().__init__(retry_seconds, "keeping the session took too long")


STATUSES: Final[Mapping[type[store.StoreError], int]] = {
    store.StoreError: 500,
    store.BadInput: 400,
    store.BadObjectId: 400,
    store.BadRefName: 400,
    store.BadRepositoryName: 400,
    store.BadPath: 400,
    store.BadRevision: 400,
    store.BadExpiry: 400,
    store.BadLargeObject: 422,
    store.ProtocolError: 400,
    BadRequest: 400,
    TokenInUrl: 400,
    WrongMediaType: 415,
    store.Missing: 404,
    store.RepositoryMissing: 404,
    store.RefMissing: 404,
    store.ObjectMissing: 404,
    store.PathMissing: 404,
    store.SessionMissing: 404,
    store.TokenMissing: 404,
    store.TranscriptMissing: 404,
    store.LargeObjectMissing: 404,
    store.LockMissing: 404,
    store.MirrorMissing: 404,
    store.NotIndexed: 409,
    store.TranscriptErased: 410,
    store.Conflict: 409,
    store.RepositoryExists: 409,
    store.ActorConflict: 409,
    store.SessionConflict: 409,
    store.SessionMoved: 409,
    store.MergeConflict: 409,
    store.StaleUpdate: 409,
    store.MirrorExists: 409,
    store.MirrorBusy: 409,
    store.Denied: 403,
    store.Unauthenticated: 401,
    store.TokenExpired: 401,
    store.TokenRevoked: 401,
    store.PushRefused: 403,
    ForeignOrigin: 403,
    store.LimitExceeded: 413,
    store.StoreFailure: 500,
    store.PlumbingFailed: 500,
    store.OutcomeUnknown: 500,
    store.StorageFailed: 507,
    store.ObjectDamaged: 500,
    store.DataFolderMismatch: 503,
    ListenFailed: 500,
    TlsFailed: 500,
    WorkerFailed: 500,
    store.MirrorFailed: 502,
    store.PluginFailed: 502,
    Busy: 503,
    DeliveryLate: 503,
}


def status_of(error: store.StoreError) -> int:
    """The HTTP status of an error: its own entry, or that of the nearest class above it."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def is_machine_at_fault(error: store.StoreError) -> bool:
    """Whether the server, not the caller, is to blame."""
    return status_of(error) >= _MACHINE_AT_FAULT


def message_of(error: store.StoreError) -> str:
    """What the caller may read of the error's message."""
    return _title_of(error) if is_machine_at_fault(error) else error.message


def render_problem(error: store.StoreError) -> dict[str, object]:
    """The problem document of an error."""
    problem: dict[str, object] = {
        "type": f"urn:imprint:problem:{error.code}",
        "title": _title_of(error),
        "status": status_of(error),
        "detail": message_of(error),
        "code": error.code,
    }
    if error.hint and not is_machine_at_fault(error):
        problem["hint"] = error.hint
    return problem | _facts_of(error)


def _title_of(error: store.StoreError) -> str:
    return (type(error).__doc__ or type(error).__name__).strip().split("\n", 1)[0]


def _facts_of(error: store.StoreError) -> dict[str, object]:
    match error:
        case store.StaleUpdate():
            name = error.name.decode("utf-8", "backslashreplace")
            return {"ref": name, "expected": error.expected, "actual": error.actual}
        case store.MergeConflict():
            return {"conflict_paths": [quote_path(path) for path in error.paths]}
        case store.PushRefused():
            return {"rule": error.rule}
        case store.SessionMoved():
            return {"line_count": error.line_count}
        case store.LimitExceeded():
            return {"limit": error.limit}
        case _:
            return {}
