"""`imprint definition`, `references`, `callers`, `callees`, `impact`, `outline` and `map`."""

import re
from typing import Annotated, Any, Final

import typer

from imprint.cli.call import Call, reads
from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output, counted, note_behind
from imprint.cli.ports import Document

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A name, a qualified one such as Client.retry, or FILE:NAME."),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Answers at most.")]
_SURE = 0.995
_FILE_AND_NAME: Final = re.compile(r"""("[^"]+"|[^\s:"]*[./][^\s:"]*):([^\s:].*)\Z""")
"""What has a dot or slash before a single colon; routes have a blank before theirs."""


def answer(call: Call, question: str, given: dict[str, Any], member: str) -> Document:
    """Ask, print the document where a program wants it, and end with 1 where nothing was found."""
    with call.reading() as place:
        found = place.ask(question, given | {"ref": call.ref})
    if call.as_json:
        call.output.document(found)
    note_behind(call.output, found)
    if not found[member]:
        if call.as_json:
            raise typer.Exit(1)
        raise NothingFound(f"nothing found for {_tell(given) or question!r}", hint=_hint(given, found))
    return found


def _tell(given: dict[str, Any]) -> str:
    """What was asked about, as it was typed."""
    if given.get("name"):
        return str(given["name"])
    parts = (given.get("path"), given.get("line"), given.get("column"))
    return ":".join(str(part) for part in parts if part)


def _hint(given: dict[str, Any], found: Document) -> str:
    """Why nothing was found, or what else to try."""
    if missing := found.get("missing"):
        return "; ".join(map(str, missing))
    if given.get("line"):
        return "no name is used there; columns count bytes from 1, and without one the whole line is asked"
    name = str(given.get("name") or "")
    last = name.replace(":", ".").rpartition(".")[2]
    if "references" in found:
        return (
            "uses are calls, imports, bases and types; "
            f"""imprint search '"{last}"' finds where it is only read or passed on"""
        )
    return f"'imprint search {last}' looks in texts and parts of names too" if last else ""


@reads
def definition(
    call: Call,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A name, FILE:NAME, or FILE:LINE[:COLUMN] of a use.")
    ],
    *,
    path: Annotated[
        str | None, typer.Option(metavar="FILE", help="Only in this file.", show_default=False)
    ] = None,
) -> None:
    """Show where a name is defined, or what the names at a place lead to; locals and parameters too.

    Exit code 1 when nothing was found.
    """
    found = answer(call, "definition", _read_place(call, name, path), "definitions")
    if call.as_json:
        return
    rows = [[_where(one), one["kind"], _qualified(one), one["signature"]] for one in found["definitions"]]
    call.output.table(["where", "kind", "name", "signature"], rows)


def _read_place(call: Call, text: str, path: str | None) -> dict[str, Any]:
    """A name as it is, or a place with its line and column."""
    parts = text.split(":")
    numbers = [part for part in parts[1:] if part.isdecimal()]
    if path is None and len(parts) > 1 and len(numbers) == len(parts) - 1 and len(numbers) <= 2:  # noqa: PLR2004
        place = {"path": quoted(call, parts[0]), "line": int(numbers[0])}
        return place | ({"column": int(numbers[1])} if len(numbers) > 1 else {})
    if not text:
        raise UsageProblem("nothing was named", hint="give a name, or FILE:LINE")
    return {"name": rooted(call, text), "path": quoted(call, path) if path else None}


def quoted(call: Call, path: str) -> str:
    """A path argument as documents write it."""
    from imprint.store.paths import quote_path

    return quote_path(call.path(path))


def rooted(call: Call, name: str) -> str:
    """A name as questions take it: the file of FILE:NAME counts from the root of the tree there."""
    found = _FILE_AND_NAME.match(name)
    return f"{quoted(call, found[1])}:{found[2]}" if found else name


@reads
def references(call: Call, name: Name, *, limit: Limit = 100) -> None:
    """Show where a name is called, imported, inherited from or used as a type, and what each use reaches.

    What is only read or passed on, as constants are, an exact search finds: imprint search '"NAME"'.

    Exit code 1 when nothing was found.
    """
    _ask_for_edges(call, "references", name, limit)


@reads
def callers(call: Call, name: Name, *, limit: Limit = 100) -> None:
    """Show what calls a function, method or type, how sure that is, and why.

    Exit code 1 when nothing was found.
    """
    _ask_for_edges(call, "callers", name, limit)


@reads
def callees(call: Call, name: Name, *, limit: Limit = 100) -> None:
    """Show what a function, method or type calls.

    Exit code 1 when nothing was found.
    """
    _ask_for_edges(call, "callees", name, limit)


def _ask_for_edges(call: Call, question: str, name: str, limit: int) -> None:
    """Ask a question whose answers are uses, listed under the question's own name."""
    found = answer(call, question, {"name": rooted(call, name), "limit": limit}, question)
    if not call.as_json:
        _show_edges(call.output, found, found[question])


def _show_edges(output: Output, found: Document, edges: list[Document]) -> None:
    rows = []
    for edge in edges:
        target = edge["target"]
        leads = f"{target['name']}  {target['path']}:{target['line']}" if target else edge.get("missing")
        sure = f"{edge['confidence']:.2f} {edge.get('reason', '')}" if target else "unresolved"
        inside = edge["container"] or "(module)"
        rows.append([f"{edge['path']}:{edge['line']}", inside, edge["name"], leads, sure])
    output.table(["where", "inside", "use", "leads to", "confidence"], rows)
    output.note(f"{found['resolved']} of {counted(found['considered'], 'use')} resolved")
    if found["left_out"]:
        output.note(f"{found['left_out']} more left out; raise --limit")
    if passed_over := found["files_passed_over"]:
        output.note(f"{counted(passed_over, 'file')} that use the name were not looked at")


@reads
def impact(
    call: Call,
    name: Name,
    *,
    distance: Annotated[int, typer.Option(min=1, max=5, help="Calls apart at most.")] = 3,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Callers at most.")] = 100,
) -> None:
    """Show what a change of a symbol can reach: callers, subtypes, files that change with it, tests.

    Exit code 1 when nothing was found.
    """
    asked = {"name": rooted(call, name), "distance": distance, "limit": limit}
    found = answer(call, "impact", asked, "definitions")
    if call.as_json:
        return
    output = call.output
    for one in found["definitions"]:
        output.line(f"{one['kind']} {_qualified(one)}  {_where(one)}")
    parts = (
        ("callers", ["caller", "where", "calls", "by"], _caller),
        ("subtypes", ["subtype", "where"], lambda it: [it["container"], f"{it['path']}:{it['line']}"]),
        ("tests", ["test", "where", "as it"], _test),
        ("together", ["changes with", "times", "share"], _together),
    )
    for member, headers, row in parts:
        if found[member]:
            output.line()
            output.table(headers, [row(each) for each in found[member]])
    output.note(f"{found['resolved']} of {counted(found['considered'], 'use')} resolved")
    if not found["is_whole"]:
        output.note("there is more than is looked at or listed; raise --limit, or name a container")


def _caller(one: Document) -> list[Any]:
    by = f"{one['confidence']:.2f} {one['reason']}"
    return [one["name"] or "(module)", f"{one['path']}:{one['line']}", one["distance"], by]


def _test(one: Document) -> list[Any]:
    return [one["name"] or None, f"{one['path']}:{one['line']}", one["reason"]]


def _together(one: Document) -> list[Any]:
    return [one["path"], one["times"], f"{100 * one['share']:.0f} %"]


@reads
def outline(call: Call, path: Annotated[str, typer.Argument(metavar="FILE", help="A file.")]) -> None:
    """Show what a file defines, nested as it stands there.

    Exit code 1 when it defines nothing.
    """
    found = answer(call, "outline", {"path": quoted(call, path)}, "entities")
    if call.as_json:
        return
    rows = [
        [
            f"{one['start_line']}-{one['end_line']}",
            one["kind"],
            "  " * one["depth"] + one["name"],
            one["signature"],
        ]
        for one in found["entities"]
    ]
    call.output.table(["lines", "kind", "name", "signature"], rows)


@reads
def map_(
    call: Call,
    *,
    tokens: Annotated[int, typer.Option(min=50, max=20_000, help="What it may take, in tokens.")] = 1000,
    focus: Annotated[
        str | None,
        typer.Option(metavar="PATH|WORDS", help="A folder or file, or words of paths.", show_default=False),
    ] = None,
) -> None:
    """Show the most important files and definitions of a commit, within a number of tokens.

    Exit code 1 when nothing was found.
    """
    found = answer(call, "map", {"tokens": tokens, "focus": focus}, "files")
    if call.as_json:
        return
    call.output.text(found["text"])
    files = counted(found["files_in_all"], "file")
    call.output.note(f"{len(found['files'])} of {files} in {counted(found['tokens'], 'token')}")
    if found["left_out"]:
        call.output.note(f"{counted(found['left_out'], 'file')} were not looked at")


def _where(one: Document) -> str:
    return f"{one['path']}:{one['start_line']}"


def _qualified(one: Document) -> str:
    return f"{one['container']}.{one['name']}" if one["container"] else str(one["name"])
