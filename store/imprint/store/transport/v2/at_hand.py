"""`ls-refs` answered from what is at hand, for callers that may not wait.

Invariant: the answer is the one that `refs.render_refs` gives at the same moment.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from imprint.store.catalog.kept.at_hand import NotAtHand
from imprint.store.errors import ProtocolError
from imprint.store.transport.negotiate import visible_refs
from imprint.store.transport.pktline import FrameReader
from imprint.store.transport.v2.commands import parse_command
from imprint.store.transport.v2.refs import parse_ls_refs, render_answer

if TYPE_CHECKING:
    from imprint.store.hosting.repositories import Repository
    from imprint.store.transport.v2.refs import LsRefsRequest
    from imprint.store.types import HashAlgorithm

COMMAND_BYTES_MAX: Final = 2048
"""Longer commands, which name many prefixes, are not looked at here."""
_COMMANDS_KEPT: Final = 1024


def find_refs_answer(repository: Repository, body: bytes, names_max: int) -> bytes | None:
    """The answer to a command of version 2, if it is `ls-refs`; None otherwise.

    Args:
        repository: whose refs.
        body: the whole request.
        names_max: how many lines may be made now; an answer that is kept may have more.

    Raises:
        NotAtHand: something has to be waited for, or to be made of many refs.
    """
    if len(body) > COMMAND_BYTES_MAX:
        return None
    request = _parse(body, repository.record.algorithm)
    if request is None:
        return None
    visible = visible_refs(repository, repository.view.refs.snapshot())
    if answer := visible.find_rendered(request):
        return answer
    if not visible.is_at_hand or visible.count_names(request.prefixes) > names_max:
        raise NotAtHand
    return render_answer(visible, request)


@lru_cache(maxsize=_COMMANDS_KEPT)
def _parse(body: bytes, algorithm: HashAlgorithm) -> LsRefsRequest | None:
    """What a command asks of refs: clients ask the same in the same words."""
    reader = FrameReader(io.BytesIO(body), bytes_max=COMMAND_BYTES_MAX, limit="haves_max")
    try:
        command, has_arguments = parse_command(reader, algorithm)
        if command != b"ls-refs":
            return None
        return parse_ls_refs(reader.iter_section() if has_arguments else iter(()))
    except ProtocolError:
        return None
