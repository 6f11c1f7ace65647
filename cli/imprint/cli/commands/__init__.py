"""The tree of commands, in the order in which help shows them."""

from typing import Annotated

import typer

from imprint.cli.asking import mcp, past, structure
from imprint.cli.commands import (
    actor,
    audit,
    doctor,
    export,
    hooks,
    importing,
    index,
    init,
    link,
    mirror,
    provenance,
    repo,
    search,
    serve,
    session,
    token,
    upkeep,
    verify,
)
from imprint.cli.errors import EXIT_USAGE

app = typer.Typer(
    name="imprint",
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer hands the flag over
    if wanted:
        from importlib.metadata import version

        typer.echo(f"imprint {version('imprint')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def imprint(
    context: typer.Context,
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """An agent-native, Git-compatible code store that remembers who wrote every line, and why.

    Inside any clone, search, symbol, blame, why and audit need no server. With --server URL --repo OWNER/NAME
    they ask a server, with --data DIR --repo OWNER/NAME a data folder. IMPRINT_SERVER stands in for --server;
    without --repo, a clone is then asked about there only if one of its remotes is that server's.

    Exit codes: 0 done, 1 refused or nothing found, 2 wrong usage.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


app.command()(serve.serve)
app.command()(init.init)
app.command("import")(importing.import_)
app.command()(search.search)
app.command()(search.symbol)
app.command()(structure.definition)
app.command()(structure.references)
app.command()(structure.callers)
app.command()(structure.callees)
app.command()(structure.impact)
app.command()(structure.outline)
app.command("map")(structure.map_)
app.command()(past.history)
app.command()(past.diff)
app.command()(provenance.blame)
app.command()(provenance.why)
app.command()(audit.audit)
app.command()(export.export)
app.command()(verify.verify)
repo.app.command()(upkeep.maintain)
repo.app.command()(upkeep.prune)
app.add_typer(repo.app, name="repo")
app.add_typer(token.app, name="token")
app.add_typer(actor.app, name="actor")
app.add_typer(session.app, name="session")
app.add_typer(index.app, name="index")
app.add_typer(mirror.app, name="mirror")
app.add_typer(link.app, name="link")
app.add_typer(hooks.app, name="hooks")
app.command()(mcp.mcp)
app.command()(doctor.doctor)
