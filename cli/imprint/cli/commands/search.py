"""`imprint search` and `imprint symbol`: find code by meaning and by name."""

from typing import Annotated

import typer

from imprint.cli.asking.structure import rooted
from imprint.cli.call import Call, reads
from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output, counted, note_behind
from imprint.cli.ports import Document

LIMIT_MAX = 200
"""As `imprint.semantic.search.query` has it, which help does not wait for."""
_SHORT_ID = 10
_SHOWN_LINES = 6
"""Lines of a hit that people see; the whole chunk is in the JSON."""
_ELSEWHERE = "--removed looks in code that is gone; --what messages, diffs or prompts in what was said of it"

Language = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only in this language.", show_default=False)
]
Glob = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Only files such as '*.py' or 'src/**/test_*'.")
]
Kind = Annotated[
    str | None, typer.Option(metavar="KIND", help="Only passages such as function, class or test.")
]
Since = Annotated[str | None, typer.Option(metavar="DATE", help="Only what commits since then touched.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="Only what commits before then touched.")]
Author = Annotated[str | None, typer.Option(metavar="NAME", help="Only what commits by this author touched.")]
Agent = Annotated[str | None, typer.Option(metavar="NAME", help="Only what this agent's commits touched.")]
Session = Annotated[str | None, typer.Option(metavar="ID", help="Only what this session's commits touched.")]
Tokens = Annotated[int | None, typer.Option(help="What the texts may take together, in tokens.")]
Text = Annotated[
    str,
    typer.Argument(metavar="QUERY", help="Words or identifiers; a text in double quotes; /an expression/."),
]


@reads
def search(  # noqa: PLR0913 - one parameter for each filter
    call: Call,
    text: Text,
    *,
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="Hits at most.")] = 10,
    path: Annotated[
        str, typer.Option(metavar="PREFIX", help="Only below this path.", show_default=False)
    ] = "",
    glob: Glob = None,
    language: Language = None,
    kind: Kind = None,
    mode: Annotated[str, typer.Option(help="auto, words, exact or regex.")] = "auto",
    what: Annotated[str, typer.Option(help="code, messages, diffs or prompts.")] = "code",
    removed: Annotated[bool, typer.Option("--removed", help="Search code that is gone.")] = False,
    since: Since = None,
    until: Until = None,
    author: Author = None,
    agent: Agent = None,
    session: Session = None,
    tokens: Tokens = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each score is made of.")] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say of each hit where most of its lines come from.")
    ] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="In all repositories of the server that you may read.")
    ] = False,
) -> None:
    """Search the code at a commit; the best hit comes first. Also messages, differences and removed code.

    Exit code 1 when nothing was found.
    """
    if not text.strip():
        raise UsageProblem("the question is empty", hint="give words or identifiers, such as 'retry policy'")
    asked = {
        "q": text, "limit": limit, "path": path, "glob": glob, "language": language, "kind": kind,
        "mode": mode, "what": what, "removed": removed, "since": since, "until": until, "author": author,
        "agent": agent, "session": session, "tokens": tokens, "explain": explain, "why": why,
        "ref": call.ref,
    }  # fmt: skip
    if everywhere:
        answer = _search_everywhere(call, asked)
    else:
        with call.reading() as place:
            answer = place.ask("search", asked)
    if call.as_json:
        call.output.document(answer)
    else:
        for hit in answer["hits"]:
            _show_hit(call.output, hit, f"{hit['repo']}:" if everywhere else "")
    for note in answer["notes"]:
        call.output.note(note)
    note_behind(call.output, answer)
    if not answer["hits"]:
        if call.as_json:
            raise typer.Exit(1)
        is_plain = what == "code" and not removed
        raise NothingFound(f"nothing found for {text!r}", hint=_ELSEWHERE if is_plain else "")


def _search_everywhere(call: Call, asked: Document) -> Document:
    server = call.chosen_server()
    if server is None:
        raise UsageProblem("--everywhere asks a server", hint="name it with --server URL")
    if call.repo is not None:
        raise UsageProblem("--everywhere and --repo do not go together", hint="leave one of them out")
    with call.client(server) as client:
        told = {name: value for name, value in asked.items() if value not in (None, "", False)}
        return client.get("/api/search", **told)


def _show_hit(output: Output, hit: Document, before: str = "") -> None:
    symbol = f"  {hit['symbol']}" if hit.get("symbol") else ""
    lines_of_it = f":{hit['start_line']}-{hit['end_line']}" if hit["start_line"] else ""
    where = f"{hit['path']}{lines_of_it}" if hit["path"] else f"commit {hit.get('commit')}"
    output.line(f"{before}{where}{symbol}  ({hit['score']:.2f})")
    if hit.get("subject"):
        said = "removed by" if hit.get("removed") else "in"
        output.line(f"    {said} {str(hit['commit'])[:_SHORT_ID]} {hit['subject']} ({hit['author']})")
    if hit.get("parts"):
        output.line("    " + ", ".join(f"{name} {worth}" for name, worth in hit["parts"].items()))
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


@reads
def symbol(
    call: Call,
    name: Annotated[str, typer.Argument(help="A name, a qualified one such as Client.retry, or FILE:NAME.")],
    *,
    references: Annotated[bool, typer.Option("--references", help="Show where it is used instead.")] = False,
) -> None:
    """Show where a symbol is defined, or used.

    Exit code 1 when nothing was found.
    """
    name = rooted(call, name)
    with call.reading() as place:
        if references:
            answer = place.ask("references", {"name": name, "limit": 1000, "ref": call.ref})
        else:
            answer = place.symbols(name, call.ref)
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
