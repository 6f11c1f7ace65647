"""`imprint index`: the state of the semantic index."""

import typer

from imprint.cli.call import Call, reads

app = typer.Typer(help="Look at the semantic index.", rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Look at the semantic index."""


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
