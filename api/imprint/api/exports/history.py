"""What is known of origins, in others' formats, as a stream of JSON lines."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from imprint.api.rest.access import Reader, Ref
from imprint.api.services import Access, require
from imprint.store.actors import ActorKind, Verb
from imprint.store.export.documents import FORMATS, HOLDING_TEXTS, Asked, iter_documents
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["provenance"])
Format = Annotated[str, Path(alias="format", description=f"one of {', '.join(FORMATS)}")]


@router.get(
    "/export/{format}",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/x-ndjson": {}}, "description": "a document a line, then an end"}
    },
)
def export_history(access: Reader, name: Format, ref: Ref = "HEAD") -> StreamingResponse:
    """What every commit reachable from the ref has as its origin, a JSON document a line.

    The last line is `{"end": true}`; without it the answer was cut off. Documents `{"loss": ...}` say what
    the format could not. `entire` holds prompts and transcripts, and needs the right to read them.
    """
    if name in HOLDING_TEXTS:
        require(access.principal, Verb.TRANSCRIPTS, access.repository.record.name)
    asked = Asked(
        view=access.view,
        claims=access.services.origins.claims,
        keeper=access.services.hosting.keeper,
        commit=resolve_commit(access.view, ref),
        people=_list_people(access),
        version=version("imprint"),
    )
    return StreamingResponse(_iter_lines(iter_documents(name, asked)), media_type="application/x-ndjson")


def _list_people(access: Access) -> frozenset[str]:
    actors = access.services.hosting.catalogue.list_actors()
    return frozenset(actor.name for actor in actors if actor.kind is ActorKind.HUMAN)


def _iter_lines(documents: Iterator[dict[str, Any]]) -> Iterator[str]:
    for document in documents:
        yield json.dumps(document, separators=(",", ":")) + "\n"
    yield '{"end":true}\n'
