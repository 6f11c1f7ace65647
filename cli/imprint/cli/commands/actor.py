"""`imprint actor`: the people, agents and services that act."""

import typer

from imprint.cli.call import Call, administers

app = typer.Typer(help="List the actors.", rich_markup_mode=None)


@app.callback()
def group() -> None:
    """List the people, agents and services that act."""


@app.command("list")
@administers
def list_(call: Call) -> None:
    """List all actors."""
    with call.administration() as place:
        found = place.list_actors()
    if call.as_json:
        call.output.document({"actors": found})
        return
    rows = [[one["name"], one["kind"], ", ".join(one["emails"]) or None] for one in found]
    call.output.table(["name", "kind", "addresses"], rows)
