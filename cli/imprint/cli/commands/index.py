"""`imprint index`: the state of the semantic index, and making it whole."""

import typer

from imprint.cli.call import Call, reads
from imprint.cli.output import counted

app = typer.Typer(help="Look at the semantic index, or complete it.", rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Look at the semantic index, or complete it."""


@app.command()
@reads
def status(call: Call) -> None:
    """Show how far behind the index is, and what is left to do."""
    with call.reading() as place:
        answer = place.index_status(call.ref)
    if call.as_json:
        call.output.document(answer)
        return
    done, total = answer["history"]["done"], answer["history"]["total"]
    told = [
        *((name, answer[name]) for name in ("ref", "head", "indexed")),
        ("behind", counted(answer["behind"], "commit")),
        ("blobs", answer["blobs"]),
        ("chunks", answer["chunks"]),
        ("history", f"{done} of {counted(total, 'content')}" if total else "not begun"),
    ]
    call.output.table(["what", "value"], told)
    if answer["behind"]:
        waiting = answer["waiting"]
        who = "a server indexes what was pushed by itself; elsewhere the next question does"
        left = f"{counted(waiting, 'content')} of {answer['ref']} still to index: " if waiting else ""
        call.output.note(left + who)


@app.command()
@reads
def history(call: Call) -> None:
    """Index everything that the repository ever held, so that code that is gone is found too.

    A server does this by itself. What was interrupted goes on where it stopped.
    """
    with call.reading() as place:
        answer = place.index_history()
    if call.as_json:
        call.output.document(answer)
        return
    call.output.line(f"{answer['done']} of {counted(answer['total'], 'content')} indexed")
