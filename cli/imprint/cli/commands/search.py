"""`imprint search` and `imprint symbol`: find code by meaning and by name."""

from typing import Annotated

import typer

from imprint.cli.call import Call, reads
from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output, counted
from imprint.cli.ports import Document, SearchWish

LIMIT_MAX = 200
"""As `imprint.semantic.search.query` has it, which help does not wait for."""
_SHORT_ID = 10
_SHOWN_LINES = 6
"""Lines of a hit that people see; the whole chunk is in the JSON."""


@reads
def search(
    call: Call,
    text: Annotated[
        str, typer.Argument(metavar="QUERY", help="Words or identifiers, such as 'retry policy'.")
    ],
    *,
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="Hits at most.")] = 10,
    path: Annotated[
        str, typer.Option(metavar="PREFIX", help="Only below this path.", show_default=False)
    ] = "",
    language: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only in this language.", show_default=False)
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Say of each hit where most of its lines come from.")
    ] = False,
) -> None:
    """Search the code at a commit; the best hit comes first.

    Exit code 1 when nothing was found.
    """
    if not text.strip():
        raise UsageProblem("the question is empty", hint="give words or identifiers, such as 'retry policy'")
    with call.reading() as place:
        answer = place.search(SearchWish(text, limit, path, language, why), call.ref)
    if call.as_json:
        call.output.document(answer)
    else:
        for hit in answer["hits"]:
            _show_hit(call.output, hit)
    note_behind(call.output, answer)
    if not answer["hits"]:
        if call.as_json:
            raise typer.Exit(1)
        raise NothingFound(f"nothing found for {text!r}")


def _show_hit(output: Output, hit: Document) -> None:
    symbol = f"  {hit['symbol']}" if hit.get("symbol") else ""
    output.line(f"{hit['path']}:{hit['start_line']}-{hit['end_line']}{symbol}  ({hit['score']:.2f})")
    lines = str(hit.get("text") or "").rstrip("\n").split("\n")
    for line in lines[:_SHOWN_LINES]:
        output.line(f"    {line}")
    if len(lines) > _SHOWN_LINES:
        output.line(f"    ... {counted(len(lines) - _SHOWN_LINES, 'more line')}")
    if origin := hit.get("origin"):
        output.line(f"    why: {_tell_origin(origin)}")
    output.line()


def _tell_origin(origin: Document) -> str:
    """Where a hit comes from, in a line."""
    told = [origin["commit"][:_SHORT_ID], origin["evidence"]]
    told += [str(origin[part]) for part in ("agent", "model", "actor") if origin.get(part)]
    if origin.get("session"):
        told.append(f"session {origin['session']}")
    if origin.get("turn"):
        told.append(f"turn {origin['turn']}")
    return ", ".join(told) + (f": {origin['prompt']}" if origin.get("prompt") else "")


def note_behind(output: Output, answer: Document) -> None:
    """Say beside an answer that the index has not seen everything yet."""
    behind = answer.get("behind") or 0
    if behind:
        output.note(f"the index is {counted(behind, 'commit')} behind; the answer may miss what they changed")


@reads
def symbol(
    call: Call,
    name: Annotated[str, typer.Argument(help="A name, or a qualified one such as Client.retry.")],
    *,
    references: Annotated[bool, typer.Option("--references", help="Show where it is used instead.")] = False,
) -> None:
    """Show where a symbol is defined, or used.

    Exit code 1 when nothing was found.
    """
    with call.reading() as place:
        answer = place.references(name, call.ref) if references else place.symbols(name, call.ref)
    found = answer["references" if references else "symbols"]
    if call.as_json:
        call.output.document(answer)
    elif found:
        show = _show_references if references else _show_definitions
        show(call.output, found)
    note_behind(call.output, answer)
    if not found:
        if call.as_json:
            raise typer.Exit(1)
        raise NothingFound(f"no {'use' if references else 'definition'} of {name!r} found")


def _show_definitions(output: Output, found: list[Document]) -> None:
    rows = [
        [f"{one['path']}:{one['start_line']}", one["kind"], _qualified(one), one["signature"]]
        for one in found
    ]
    output.table(["where", "kind", "name", "signature"], rows)


def _show_references(output: Output, found: list[Document]) -> None:
    rows = [[f"{one['path']}:{one['line']}", one["kind"], one["container"] or None] for one in found]
    output.table(["where", "kind", "inside"], rows)


def _qualified(entity: Document) -> str:
    container = entity.get("container")
    return f"{container}.{entity['name']}" if container else str(entity["name"])
