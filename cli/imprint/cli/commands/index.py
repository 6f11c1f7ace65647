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
    """Show how far behind the index is."""
    with call.reading() as place:
        answer = place.index_status(call.ref)
    if call.as_json:
        call.output.document(answer)
        return
    rows = [[name, value] for name, value in answer.items() if not isinstance(value, dict | list)]
    call.output.table(["what", "value"], rows)


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
