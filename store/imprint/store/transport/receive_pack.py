"""The receiving side of push: `git-receive-pack`, versions 0 and 1.

Source: gitprotocol-pack(5), gitprotocol-http(5), gitprotocol-capabilities(5). A request is read to the end
of its commands before anything is answered; the pack behind them is streamed.

Invariants:
    1. What a client names is data: it is neither an option nor part of a line that somebody else parses.
    2. Every command gets exactly one line in the report, in order.
    3. Hidden refs are not shown.
    4. A session that the push options name is the actor's own, or the push is refused before its pack is
       looked at.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final

from imprint.store.errors import (
    BadInput,
    LimitExceeded,
    ProtocolError,
    PushRefused,
    SessionConflict,
    StoreError,
    StoreFailure,
)
from imprint.store.receive.push import Push, Receipt, RefCommand, UpdateResult
from imprint.store.receive.quarantine import drain
from imprint.store.refs.hidden import HiddenRefs
from imprint.store.transport.capabilities import AGENT, verify_object_format
from imprint.store.transport.keepalive import SECONDS, SlowWork
from imprint.store.transport.options import explain_unbound, read_session
from imprint.store.transport.pktline import (
    KEEP_ALIVE,
    Band,
    FrameReader,
    Mark,
    render_band,
    render_frame,
)
from imprint.store.types import HashAlgorithm, ObjectId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.store.actors import Principal
    from imprint.store.events import SessionClaim
    from imprint.store.hosting.repositories import Repository
    from imprint.store.limits import Limits
    from imprint.store.receive.receiver import Receiver

SERVICE: Final = render_frame("# service=git-receive-pack\n") + Mark.FLUSH.value
"""Precedes an advertisement over HTTP (gitprotocol-http(5))."""
_CAPABILITIES: Final = (
    "report-status",
    "report-status-v2",
    "delete-refs",
    "side-band-64k",
    "quiet",
    "atomic",
    "ofs-delta",
)
_COMMAND: Final = re.compile(
    rb"([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}) ([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}) ([^\0]{1,32768})\Z"
)
_ID_LENGTHS: Final = frozenset(each.hex_length for each in HashAlgorithm)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")
_PLACE: Final = re.compile(r"(?<![^\s'\"(])/[^\s:,'\")]+")
"""The name of a file or folder: where data lies on the machine is for its log."""
_UNPACKER_ERROR: Final = "unpacker error"

_log = logging.getLogger("imprint.store")


@dataclass(frozen=True, slots=True)
class ReceiveRequest:
    """What precedes the pack."""

    commands: tuple[RefCommand, ...]
    capabilities: frozenset[bytes]
    shallow: tuple[ObjectId, ...]
    options: tuple[str, ...]

    @property
    def has_pack(self) -> bool:
        """Whether a pack follows: always, except after nothing but deletions."""
        return any(command.new for command in self.commands)


def advertise_receive(
    repository: Repository, limits: Limits, protocol: int = 0, *, over_http: bool = True
) -> bytes:
    """What the server says first: the refs, and what it can do.

    Args:
        repository: whose.
        limits: what a push may have.
        protocol: the version that the client asks for; receive-pack has 0 and 1.
        over_http: as the whole answer to `GET info/refs?service=git-receive-pack`.
    """
    algorithm = repository.record.algorithm
    options = ("push-options",) if limits.push_options_max else ()
    capabilities = " ".join((*_CAPABILITIES, *options, f"object-format={algorithm.value}", AGENT)).encode()
    hides = HiddenRefs.of(repository.record).hides
    lines = [
        value.id.encode() + b" " + name
        for name, value in repository.view.refs.snapshot().refs.items()
        if not hides(name)
    ]
    first, *others = lines or [algorithm.zero.encode() + b" capabilities^{}"]
    frames = [SERVICE] if over_http else []
    if protocol == 1:
        frames.append(render_frame("version 1\n"))
    frames.append(render_frame(first + b"\0" + capabilities + b"\n"))
    frames += [render_frame(line + b"\n") for line in others]
    return b"".join(frames) + Mark.FLUSH.value


def parse_receive(body: BinaryIO, limits: Limits, algorithm: HashAlgorithm) -> ReceiveRequest | None:
    """Read up to where the pack begins; None for a request that asks nothing, as git sends to try its token.

    Raises:
        ProtocolError: it is not what a client may send.
        LimitExceeded: it is more than a client may send.
    """
    reader = FrameReader(body, bytes_max=limits.command_bytes_max, limit="command_bytes_max")
    commands: list[RefCommand] = []
    shallow: list[ObjectId] = []
    capabilities: frozenset[bytes] = frozenset()
    while isinstance(line := reader.read(), bytes):
        line = line.removesuffix(b"\n")
        if line.startswith(b"shallow "):
            if end := _parse_id(line.removeprefix(b"shallow ")):
                shallow.append(end)
            continue
        command, zero, after = line.partition(b"\0")
        if zero:
            capabilities |= frozenset(after.partition(b"\0")[0].split())
            verify_object_format(capabilities, algorithm)
        commands.append(_parse_command(command, algorithm))
        if len(commands) > limits.commands_max:
            raise LimitExceeded(
                f"more than {limits.commands_max} ref updates in one push", limit="commands_max"
            )
    if line is None and (commands or shallow):
        raise ProtocolError("the commands of a push end with a flush packet")
    if not commands:
        return None
    options = _parse_options(reader, limits) if b"push-options" in capabilities else ()
    return ReceiveRequest(tuple(commands), capabilities, tuple(shallow), options)


def serve_receive(
    repository: Repository,
    principal: Principal,
    body: BinaryIO,
    receiver: Receiver,
    keep_alive_seconds: float = SECONDS,
) -> Iterator[bytes]:
    """Answer `POST git-receive-pack`.

    Args:
        repository: where to.
        principal: who pushes.
        body: the request, no longer compressed. It is read on another thread until the answer ends.
        receiver: what receives.
        keep_alive_seconds: after how much silence a sign of life is sent.

    Raises:
        ProtocolError, LimitExceeded: at once, before the first byte of the answer: the commands cannot be
            read. Everything that happens later is told in the answer.
    """
    request = parse_receive(body, receiver.hosting.limits, repository.record.algorithm)
    if request is None:
        return iter(())
    return answer_push(request, repository, principal, receiver, body, keep_alive_seconds)


def answer_push(
    request: ReceiveRequest,
    repository: Repository,
    principal: Principal,
    receiver: Receiver,
    pack: BinaryIO | None,
    keep_alive_seconds: float = SECONDS,
) -> Iterator[bytes]:
    """The answer to a push whose commands were read.

    Args:
        request: the commands.
        repository: where to.
        principal: who pushes.
        receiver: what receives.
        pack: what follows the commands, to its end; it is read on another thread. None where nothing may.
        keep_alive_seconds: after how much silence a sign of life is sent.
    """
    return _Answer(request, repository, principal, receiver).stream(pack, keep_alive_seconds)


class _Answer:
    """The answer to one push."""

    def __init__(
        self, request: ReceiveRequest, repository: Repository, principal: Principal, receiver: Receiver
    ) -> None:
        self._request = request
        self._repository = repository
        self._principal = principal
        self._receiver = receiver
        self._side_band = b"side-band-64k" in request.capabilities
        self._quiet = b"quiet" in request.capabilities

    def stream(self, body: BinaryIO | None, keep_alive_seconds: float) -> Iterator[bytes]:
        work = SlowWork(lambda: self._receive(body), keep_alive_seconds)
        for waited in work:
            if self._side_band:
                yield KEEP_ALIVE if self._quiet else self._say(f"still checking the push, {waited:.0f} s")
        yield from self._render(work.outcome())

    def _receive(self, body: BinaryIO | None) -> Receipt:
        """Receive; refusals of the whole push become a receipt, because only the report can tell them."""
        if body and not self._request.has_pack:
            drain(body)  # as git receive-pack does, what follows nothing but deletions is not looked at
        try:
            claim = self._open_session()
        except (BadInput, SessionConflict, LimitExceeded) as refusal:
            if body and self._request.has_pack:
                drain(body)
            return self._refuse_all(refusal.message, is_pack_at_fault=False, hint=refusal.hint)
        push = Push(
            self._principal,
            self._request.commands,
            body if self._request.has_pack else None,
            atomic=b"atomic" in self._request.capabilities,
            options=self._request.options,
            claim=claim,
            shallow=self._request.shallow,
        )
        before = [value.id for value in self._repository.view.refs.snapshot().refs.values()] if claim else []
        try:
            receipt = self._receiver.receive(push, self._repository)
            return self._tell_unbound(receipt, before, claim) if claim else receipt
        except PushRefused as refusal:
            return self._refuse_all(refusal.message, is_pack_at_fault=False)
        except StoreFailure as failure:
            _log.warning("push to %s refused: %s", self._repository.record.id, _one_line(failure.message))
            reason = _PLACE.sub("a folder of the server", failure.message)
            return self._refuse_all(reason, is_pack_at_fault=True, hint=failure.hint)
        except StoreError as refusal:
            return self._refuse_all(refusal.message, is_pack_at_fault=True, hint=refusal.hint)

    def _open_session(self) -> SessionClaim | None:
        """The claim of the session that the push options name; None leaves it to the token."""
        seed = read_session(self._request.options, self._principal)
        if seed is None or not self._request.has_pack:
            return None
        return self._receiver.hosting.open_session(self._repository, self._principal.actor.name, seed)

    def _tell_unbound(self, receipt: Receipt, before: Sequence[ObjectId], claim: SessionClaim) -> Receipt:
        """The receipt with a line about commits that the session, though named, does not bind."""
        if receipt.event is None:
            return receipt
        view, actor = self._repository.view, self._principal.actor
        try:
            line = explain_unbound(view, receipt.event, before, actor, claim)
        except StoreError as failure:  # the push is durable: whoever cannot explain it says that
            line = (
                f"whether its commits are bound to session {claim.session} is not known yet: {failure.code}"
            )
        return replace(receipt, warnings=(*receipt.warnings, line)) if line else receipt

    def _refuse_all(self, reason: str, *, is_pack_at_fault: bool, hint: str = "") -> Receipt:
        error = _UNPACKER_ERROR if is_pack_at_fault else reason
        results = tuple(UpdateResult(command.name, error) for command in self._request.commands)
        return Receipt(results, None, reason if is_pack_at_fault else None, (hint,) if hint else ())

    def _render(self, receipt: Receipt) -> Iterator[bytes]:
        if self._side_band:
            for warning in receipt.warnings:
                yield self._say(warning)
            if receipt.event and not self._quiet:
                yield self._say(f"admitted as event {receipt.event.sequence}")
        if (
            b"report-status" in self._request.capabilities
            or b"report-status-v2" in self._request.capabilities
        ):
            report = b"".join(_render_report(receipt)) + Mark.FLUSH.value
            yield render_band(Band.DATA, report) if self._side_band else report
        if self._side_band:
            yield Mark.FLUSH.value

    @staticmethod
    def _say(text: str) -> bytes:
        return render_band(Band.PROGRESS, f"imprint: {_one_line(text)}\n".encode())


def _parse_command(line: bytes, algorithm: HashAlgorithm) -> RefCommand:
    match = _COMMAND.match(line)
    if not match:
        kind = "a signed push" if line.startswith(b"push-cert") else repr(line[:200])
        raise ProtocolError(f"{kind} is not understood", hint="a command is: old id, new id, ref name")
    old, new, name = match.groups()
    if len(old) != algorithm.hex_length or len(new) != algorithm.hex_length:
        raise ProtocolError(f"this repository's object format is {algorithm.value}")
    return RefCommand(name, _parse_id(old), _parse_id(new))


def _parse_id(text: bytes) -> ObjectId | None:
    """As git reads it: capitals are taken too, and zeros mean "none"."""
    is_zero = len(text) in _ID_LENGTHS and not text.strip(b"0")
    return None if is_zero else ObjectId.parse(text.lower())


def _parse_options(reader: FrameReader, limits: Limits) -> tuple[str, ...]:
    options: list[str] = []
    for line in reader.iter_section():
        options.append(line.decode("utf-8", "backslashreplace"))
        if len(options) > limits.push_options_max:
            raise LimitExceeded(f"more than {limits.push_options_max} push options", limit="push_options_max")
    return tuple(options)


def _render_report(receipt: Receipt) -> Iterator[bytes]:
    yield render_frame(f"unpack {_one_line(receipt.unpack_error) if receipt.unpack_error else 'ok'}\n")
    for result in receipt.results:
        if result.error is None:
            yield render_frame(b"ok " + result.name + b"\n")
        else:
            yield render_frame(b"ng " + result.name + b" " + _one_line(result.error).encode() + b"\n")


def _one_line(text: str) -> str:
    """The text without what would end its line or drive a terminal."""
    return _UNPRINTABLE.sub(" ", text)[:2000].encode("utf-8", "backslashreplace").decode()
