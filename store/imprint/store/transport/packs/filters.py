"""Filters of partial clones: which objects a client can do without.

Source: git-rev-list(1), `--filter`. A specification is taken apart and put together anew, so that git gets
only what is understood here.

Invariants:
    1. A filter that names an object is resolved here, to one that visible refs reach.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Final

from imprint.store.errors import ObjectMissing, ProtocolError, RefMissing
from imprint.store.objects.ports import ObjectKind
from imprint.store.objects.trees import find_entry
from imprint.store.transport.negotiate import find_ref, verify_wants
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from imprint.store.catalog.ports import RefSnapshot
    from imprint.store.hosting.repositories import Repository

_SIMPLE: Final = re.compile(
    r"blob:none|blob:limit=\d{1,18}[kKmMgG]?|tree:\d{1,9}|object:type=(?:tag|commit|tree|blob)"
)
_SPARSE: Final = re.compile(r"sparse:oid=(?P<name>[^\x00-\x1f\x7f]{1,4096})")
_COMBINED: Final = "combine:"
_PARTS_MAX: Final = 100
_DEPTH_MAX: Final = 8
_CHARACTERS_MAX: Final = 16_384
_SUFFIXES: Final = {"k": 1024, "m": 1024**2, "g": 1024**3}
_LIMIT: Final = re.compile(r"blob:limit=(\d+)([kmg]?)", re.IGNORECASE)
_LIMIT_MAX: Final = 2**63 - 1
"""Beyond it git's own number overflows."""
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def parse_filter(specification: str) -> tuple[str, ...]:
    """The filters that all must let an object pass.

    Raises:
        ProtocolError: it is none of git's, or one that a server does not take.
    """
    parts: list[str] = []
    waiting = [(specification, 0)]
    if len(specification) > _CHARACTERS_MAX:
        raise ProtocolError(f"a filter of more than {_CHARACTERS_MAX} characters is not supported")
    while waiting:
        part, depth = waiting.pop(0)
        if part.startswith(_COMBINED) and depth < _DEPTH_MAX:
            inner = part.removeprefix(_COMBINED).split("+")
            waiting[:0] = [(urllib.parse.unquote(each), depth + 1) for each in inner]
        elif (_SIMPLE.fullmatch(part) and _is_countable(part)) or _SPARSE.fullmatch(part):
            parts.append(part)
        else:
            raise ProtocolError(f"filter {specification[:200]!r} is not supported")
        if len(parts) + len(waiting) > _PARTS_MAX:
            raise ProtocolError(f"a filter of more than {_PARTS_MAX} parts is not supported")
    return tuple(parts)


def _is_countable(part: str) -> bool:
    """Whether the size in it, if there is one, is a number to git."""
    limit = _LIMIT.fullmatch(part)
    return not limit or int(limit[1]) * _SUFFIXES.get(limit[2].lower(), 1) <= _LIMIT_MAX


def resolve_filter(repository: Repository, snapshot: RefSnapshot, specification: str) -> str:
    """A specification that names objects by nothing but their ids; empty for none.

    Raises:
        ProtocolError: it cannot be read.
        RefMissing: it names no blob that a client may have.
    """
    if not specification:
        return ""
    parts = [_resolve(repository, snapshot, part) for part in parse_filter(specification)]
    if len(parts) == 1:
        return parts[0]
    return _COMBINED + "+".join(urllib.parse.quote(part, safe=":=") for part in parts)


def _resolve(repository: Repository, snapshot: RefSnapshot, part: str) -> str:
    sparse = _SPARSE.fullmatch(part)
    if not sparse:
        return part
    try:
        found = _find_blob(repository, snapshot, sparse["name"])
    except ObjectMissing:
        found = None
    if found is None:
        raise RefMissing(f"{part[:200]!r} names no blob")
    return f"sparse:oid={found}"


def _find_blob(repository: Repository, snapshot: RefSnapshot, name: str) -> ObjectId | None:
    """The blob that `ID`, `REF`, `ID:PATH` or `REF:PATH` names (gitrevisions(7))."""
    objects = repository.view.objects
    start, colon, path = name.partition(":")
    if _ID.fullmatch(start):
        found = ObjectId.parse(start)
        verify_wants(repository, snapshot, (found,))
    else:
        value = find_ref(repository, snapshot, start.encode("utf-8", "surrogateescape"))
        if value is None:
            return None
        found = (value.peeled or value.id) if colon else value.id
    if colon:
        kind = objects.find_kind(found)
        tree = objects.read_commit(found).tree if kind is ObjectKind.COMMIT else found
        entry = find_entry(objects, tree, path.encode("utf-8", "surrogateescape"))
        if entry is None:
            return None
        found = entry.id
    return found if objects.find_kind(found) is ObjectKind.BLOB else None
