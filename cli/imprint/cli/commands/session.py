"""`imprint session`: the recorded stretches of work."""

import typer

from imprint.cli.call import Call, reads
from imprint.cli.output import render_time

app = typer.Typer(help="Look at recorded sessions.", rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Look at recorded sessions."""


@app.command("list")
@reads
def list_(call: Call) -> None:
    """List the sessions of a repository, oldest first."""
    with call.reading() as place:
        found = place.sessions()
    if call.as_json:
        call.output.document({"sessions": found})
        return
    rows = [
        [
            one["id"],
            one["actor"],
            one["agent"],
            one["model"],
            render_time(one["opened_at_ms"]),
            len(one["turns"]),
        ]
        for one in found
    ]
    call.output.table(["id", "actor", "agent", "model", "opened", "prompts"], rows, numbers="prompts")
