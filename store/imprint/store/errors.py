"""Everything the store can refuse, as one tree.

    StoreError
    ├── BadInput                what was asked is malformed
    │   ├── BadObjectId, BadRefName, BadRepositoryName, BadPath, BadRevision, BadExpiry
    │   ├── BadLargeObject      an object's content is not what was said of it
    │   └── ProtocolError       a client spoke Git's protocol wrongly
    ├── Missing                 what was asked for is not there
    │   ├── RepositoryMissing, RefMissing, ObjectMissing, PathMissing, SessionMissing
    │   ├── TokenMissing, TranscriptMissing, LargeObjectMissing, LockMissing
    │   ├── NotIndexed          it will be there soon
    │   └── TranscriptErased    it was there, and was erased on purpose
    ├── Conflict                it would contradict what is there
    │   ├── RepositoryExists, ActorConflict, SessionConflict, SessionMoved
    │   ├── MergeConflict       two histories changed the same lines
    │   └── StaleUpdate         a ref moved since the client looked
    ├── Denied                  the caller may not do this
    │   ├── Unauthenticated, TokenExpired, TokenRevoked
    │   └── PushRefused         the judge, or a check of the content, said no
    ├── LimitExceeded           a configured bound was reached
    └── StoreFailure            the machine, not the caller, is at fault
        ├── PlumbingFailed      git ended badly where it should not
        ├── StorageFailed       disk full, read-only, or not writable
        ├── ObjectDamaged       an object is there and cannot be read
        ├── PluginFailed        the program of an external agent did not keep its protocol
        └── DataFolderMismatch  the data folder is newer, older, or in use

Each class has a stable `code` for programs, a message that says what and where, and, where one is known, a
`hint` that says what to do. Edges map classes to HTTP statuses and exit codes, in one table each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class StoreError(Exception):
    """The root: something was refused or failed, and nothing was lost."""

    code: ClassVar[str] = "store_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(StoreError):
    """What was asked is malformed."""

    code = "bad_input"


class BadObjectId(BadInput):
    """Not a full object id."""

    code = "bad_object_id"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not an object id",
            hint="an object id is 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits, not all zero",
        )


class BadRefName(BadInput):
    """Git would refuse this ref name."""

    code = "bad_ref_name"

    def __init__(self, name: bytes) -> None:
        super().__init__(
            f"{name[:200].decode('utf-8', 'backslashreplace')!r} is not a valid ref name",
            hint="see git-check-ref-format(1); a full name looks like refs/heads/main",
        )


class BadRepositoryName(BadInput):
    """Not usable as `owner/name`."""

    code = "bad_repository_name"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:200]!r} is not a repository name",
            hint="use owner/name, each of letters, digits, '.', '_' and '-', up to 100 characters, "
            "not beginning or ending with '.', and no '..'",
        )


class BadPath(BadInput):
    """A path that a tree must not hold."""

    code = "bad_path"


class BadRevision(BadInput):
    """A revision that cannot be read, or that means several things."""

    code = "bad_revision"


class BadExpiry(BadInput):
    """A duration that cannot be read."""

    code = "bad_expiry"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is not a duration", hint="write 30m, 24h, 7d or 'never'")


class BadLargeObject(BadInput):
    """A large object's id is malformed, or its content is not what was said of it."""

    code = "bad_large_object"


class ProtocolError(BadInput):
    """A client spoke Git's protocol wrongly."""

    code = "protocol_error"


class Missing(StoreError):
    """What was asked for is not there."""

    code = "missing"


class RepositoryMissing(Missing):
    """No repository of this name is visible to the caller."""

    code = "repository_missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"no repository {name!r} here", hint="'imprint repo list' shows those you may see")


class RefMissing(Missing):
    """No ref or commit by this name."""

    code = "ref_missing"


class ObjectMissing(Missing):
    """No object of this id in the repository."""

    code = "object_missing"

    def __init__(self, object_id: str) -> None:
        super().__init__(f"no object {object_id} in this repository")
        self.object_id = object_id


class PathMissing(Missing):
    """No such path in the commit's tree."""

    code = "path_missing"


class SessionMissing(Missing):
    """No such session in the repository."""

    code = "session_missing"


class TokenMissing(Missing):
    """No token of this id."""

    code = "token_missing"


class TranscriptMissing(Missing):
    """No transcript blob at this address."""

    code = "transcript_missing"


class LargeObjectMissing(Missing):
    """The repository does not have this large object."""

    code = "large_object_missing"

    def __init__(self, oid: str) -> None:
        super().__init__(
            f"no large object {oid} in this repository",
            hint="whoever has it delivers it with 'git lfs push --all'",
        )
        self.oid = oid


class LockMissing(Missing):
    """No lock of this id in the repository."""

    code = "lock_missing"


class NotIndexed(Missing):
    """Nothing of the commit's history is indexed yet; what was pushed is indexed without being asked."""

    code = "not_indexed"

    def __init__(self, repository: str, commit: str, done: int, total: int) -> None:
        super().__init__(
            f"{repository} is not indexed yet: {done} of {total} contents of {commit[:10]} are",
            hint="it is being done, HEAD's branch first; ask again in some seconds. 'imprint index status' "
            "says when it is done, and '/readyz' of the server whether something is wrong",
        )


class TranscriptErased(Missing):
    """The session's key was destroyed; what was written under it can never be read again."""

    code = "transcript_erased"


class Conflict(StoreError):
    """It would contradict what is there."""

    code = "conflict"


class RepositoryExists(Conflict):
    """The name is taken, perhaps in other letter case or by one that is being deleted."""

    code = "repository_exists"


class ActorConflict(Conflict):
    """The actor exists with another kind."""

    code = "actor_conflict"


class SessionConflict(Conflict):
    """The session exists and belongs to another actor."""

    code = "session_conflict"


class SessionMoved(Conflict):
    """What was sent of a session does not go on where the kept transcript ends.

    Attributes:
        line_count: lines that are kept of it; 0 for none.
    """

    code = "session_moved"

    def __init__(self, session_id: str, line_count: int) -> None:
        super().__init__(
            f"session {session_id!r} has {line_count} lines here; what was sent does not go on from there",
            hint=f"send the lines from {line_count} on, or the whole transcript from line 0",
        )
        self.line_count = line_count


class MergeConflict(Conflict):
    """Both sides changed the same places; nothing was merged.

    Attributes:
        paths: the files in which they did.
    """

    code = "merge_conflict"

    def __init__(self, paths: tuple[bytes, ...]) -> None:
        shown = ", ".join(path.decode("utf-8", "backslashreplace") for path in paths[:5])
        more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""  # noqa: PLR2004 - as many as are shown
        super().__init__(
            f"both sides changed {shown}{more}",
            hint="merge in a clone, settle the conflicts there, and push the result",
        )
        self.paths = paths


class StaleUpdate(Conflict):
    """A ref moved since the client looked.

    Attributes:
        name: the ref.
        expected: what the client believed, None for "absent".
        actual: what the ref is, None for "absent".
    """

    code = "stale_update"

    def __init__(self, name: bytes, expected: str | None, actual: str | None) -> None:
        text = name.decode("utf-8", "backslashreplace")
        message = f"{text} is at {actual or 'nothing'}, not at {expected or 'nothing'}"
        hint = "fetch, take in what happened meanwhile, and try again"
        if expected is None and actual is not None:
            branch = text.removeprefix("refs/heads/")
            what = text if branch == text else f"branch {branch}"
            message, hint = f"{what} exists already, at {actual}", "choose another name, or go on from there"
        super().__init__(message, hint=hint)
        self.name = name
        self.expected = expected
        self.actual = actual


class Denied(StoreError):
    """The caller may not do this."""

    code = "denied"


class Unauthenticated(Denied):
    """No token, or none that the store knows."""

    code = "unauthenticated"


class TokenExpired(Unauthenticated):
    """The token was good once."""

    code = "token_expired"


class TokenRevoked(Unauthenticated):
    """The token was withdrawn."""

    code = "token_revoked"


class PushRefused(Denied):
    """The judge, or a check of the pushed content, said no; `rule` names what said it."""

    code = "push_refused"

    def __init__(self, message: str, *, rule: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class LimitExceeded(StoreError):
    """A configured bound was reached; `limit` names it as in docs/limits.md."""

    code = "limit_exceeded"

    def __init__(self, message: str, *, limit: str, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"the limit is {limit!r}; see docs/limits.md")
        self.limit = limit


class StoreFailure(StoreError):
    """The machine, not the caller, is at fault."""

    code = "store_failure"


class PlumbingFailed(StoreFailure):
    """Git ended badly where it should not; `stderr` holds its last words."""

    code = "plumbing_failed"

    def __init__(self, command: str, status: int, stderr: str) -> None:
        super().__init__(f"git {command} ended with status {status}: {stderr.strip()[-2000:]}")
        self.status = status
        self.stderr = stderr


class StorageFailed(StoreFailure):
    """The disk is full, read-only, or the folder is not writable; or the database cannot be reached."""

    code = "storage_failed"


class OutcomeUnknown(StorageFailed):
    """The database broke off during a commit: what was asked may have happened, or not."""

    code = "outcome_unknown"


class ObjectDamaged(StoreFailure):
    """An object is there, and its bytes are not what its id promises."""

    code = "object_damaged"

    def __init__(self, object_id: str, fault: str) -> None:
        super().__init__(
            f"object {object_id} is damaged: {fault}",
            hint="'git fsck --full' in the repository says more; restore the object from a clone or backup",
        )
        self.object_id = object_id


class PluginFailed(StoreFailure):
    """The program of an external agent failed, took too long, or answered what its protocol does not have."""

    code = "plugin_failed"

    def __init__(self, program: Path | str, command: str, fault: str) -> None:
        super().__init__(
            f"{program} {command}: {fault}",
            hint="try it by hand; its maker documents it, or take it off the PATH",
        )


class DataFolderMismatch(StoreFailure):
    """The data folder is of another version, or is not Imprint's."""

    code = "data_folder_mismatch"

    def __init__(self, place: Path | str, message: str, *, hint: str) -> None:
        super().__init__(f"{place}: {message}", hint=hint)


class MirrorMissing(Missing):
    """A repository is no mirror."""

    code = "mirror_missing"

    def __init__(self) -> None:
        super().__init__(
            "the repository is no mirror", hint="'imprint mirror add URL OWNER/NAME' makes it one"
        )


class MirrorExists(Conflict):
    """A repository is a mirror already."""

    code = "mirror_exists"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the repository is a mirror of {url} already", hint="'imprint mirror remove' ends that"
        )


class MirrorBusy(Conflict):
    """Another round works on the repository."""

    code = "mirror_busy"


class MirrorFailed(StoreFailure):
    """The place could not be reached, or did not give what was asked for."""

    code = "mirror_failed"
