"""The `ls-refs` command of protocol version 2. Refs come from the catalogue, never from files.

Source: gitprotocol-v2(5), section "ls-refs".

Invariants:
    1. Hidden refs are not shown, and neither is HEAD while it names one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.transport.negotiate import visible_refs
from imprint.store.transport.pktline import Mark, render_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imprint.store.hosting.repositories import Repository
    from imprint.store.refs.visible import VisibleRefs
    from imprint.store.types import RefName, RefValue

_PREFIXES_MAX: Final = 65_536
"""With more prefixes than this a client gets all refs, as from git (ls-refs.c)."""
_LINE_BYTES: Final = 6
"""Of a line, beside id and name: its length, a space and a line feed."""


@dataclass(frozen=True, slots=True)
class LsRefsRequest:
    """What a client wants to know of the refs."""

    prefixes: tuple[bytes, ...]
    peel: bool
    symrefs: bool
    unborn: bool


def parse_ls_refs(lines: Iterable[bytes]) -> LsRefsRequest:
    """Read the arguments of `ls-refs`; unknown ones are passed over, as by git."""
    arguments = list(lines)
    prefix = b"ref-prefix "
    prefixes = tuple(line.removeprefix(prefix) for line in arguments if line.startswith(prefix))
    return LsRefsRequest(
        prefixes=prefixes if len(prefixes) < _PREFIXES_MAX else (),
        peel=b"peel" in arguments,
        symrefs=b"symrefs" in arguments,
        unborn=b"unborn" in arguments,
    )


def render_refs(repository: Repository, request: LsRefsRequest) -> Iterator[bytes]:
    """The answer to `ls-refs`: HEAD first, then the refs by name; kept for the next who asks the same."""
    visible = visible_refs(repository, repository.view.refs.snapshot())
    yield visible.find_rendered(request) or render_answer(visible, request)


def render_answer(visible: VisibleRefs, request: LsRefsRequest) -> bytes:
    """The same of given refs, kept too."""
    answer = b"".join(_iter_refs(visible, request)) + Mark.FLUSH.value
    visible.keep_rendered(request, answer)
    return answer


def _iter_refs(visible: VisibleRefs, request: LsRefsRequest) -> Iterator[bytes]:
    head = visible.head
    if head and (not request.prefixes or b"HEAD".startswith(request.prefixes)):
        if value := visible.refs.get(head):
            yield _render_ref(b"HEAD", value, request, symbolic_target=head)
        elif request.unborn:
            target = b" symref-target:" + head if request.symrefs else b""
            yield render_frame(b"unborn HEAD" + target + b"\n")
    refs = visible.refs
    for name in visible.list_names(request.prefixes):
        value = refs[name]
        if value.peeled:
            yield _render_ref(name, value, request)
        else:  # the same in one step: there may be 100,000 of them
            yield b"%04x%b %b\n" % (len(value.id) + len(name) + _LINE_BYTES, value.id.encode(), name)


def _render_ref(
    name: bytes, value: RefValue, request: LsRefsRequest, symbolic_target: RefName | None = None
) -> bytes:
    line = value.id.encode() + b" " + name
    if symbolic_target and request.symrefs:
        line += b" symref-target:" + symbolic_target
    if value.peeled and request.peel:
        line += b" peeled:" + value.peeled.encode()
    return render_frame(line + b"\n")
