"""`imprint repo`: the repositories of a data folder or a server."""

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.cli.call import Call, administers, operates
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted

if TYPE_CHECKING:
    from imprint.cli.ports import Document

app = typer.Typer(help="Create, list, rename, delete and restore repositories.", rich_markup_mode=None)


class ObjectFormat(enum.Enum):
    """Git's object formats."""

    SHA1 = "sha1"
    SHA256 = "sha256"


Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository.")]


@app.command()
@administers
def create(
    call: Call,
    name: Name,
    *,
    default_branch: Annotated[
        str, typer.Option(help="The branch that HEAD names; it may be unborn.")
    ] = "main",
    object_format: Annotated[
        ObjectFormat, typer.Option(help="Git's object format; it cannot be changed later.")
    ] = ObjectFormat.SHA1,
) -> None:
    """Create an empty repository."""
    with call.administration(create=True) as place:
        made = place.create_repository(name, default_branch, object_format.value)
    if call.as_json:
        call.output.document(made)
        return
    call.output.line(f"created {made['name']}")
    call.output.line(f"clone it from {made['git_url']} with a token as password")
    if made.get("ssh_url"):
        call.output.line(f"or from {made['ssh_url']} with an SSH key")


@app.command("list")
@administers
def list_(
    call: Call,
    *,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those deleted that can still be restored.")
    ] = False,
) -> None:
    """List the repositories that you may see."""
    with call.administration() as place:
        found = place.list_repositories(deleted=deleted)
    if call.as_json:
        call.output.document({"repos": found})
    elif found:
        columns = {"name": "name", "default branch": "default_branch", "clone URL": "git_url"}
        if any(one.get("ssh_url") for one in found):
            columns["SSH"] = "ssh_url"
        rows = [[one.get(member) for member in columns.values()] for one in found]
        call.output.table(list(columns), rows)
    else:
        call.output.note("no repositories; 'imprint repo create OWNER/NAME' makes one")


@app.command()
@administers
def rename(
    call: Call,
    name: Name,
    new_name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The new name.")],
) -> None:
    """Give a repository another name."""
    with call.administration() as place:
        changed = place.rename_repository(name, new_name)
    if call.as_json:
        call.output.document(changed)
    else:
        call.output.line(f"renamed {name} to {changed['name']}")


@app.command()
@administers
def delete(
    call: Call,
    name: Name,
    *,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="How long it can be restored: 30m, 24h, 7d.")
    ] = "7d",
) -> None:
    """Delete a repository: hidden at once, destroyed after a grace period."""
    with call.administration() as place:
        gone = place.delete_repository(name, grace)
    if call.as_json:
        call.output.document(gone)
    else:
        call.output.line(f"deleted {name}; 'imprint repo restore {name}' takes it back within {grace}")


@app.command()
@administers
def restore(call: Call, name: Name) -> None:
    """Take back a deletion within its grace period."""
    with call.administration() as place:
        back = place.restore_repository(name)
    if call.as_json:
        call.output.document(back)
    else:
        call.output.line(f"restored {back['name']}")


@app.command("set-head")
@administers
def set_head(
    call: Call,
    name: Name,
    branch: Annotated[str, typer.Argument(help="The branch, which need not exist yet.")],
) -> None:
    """Set the default branch, which HEAD names."""
    with call.administration() as place:
        changed = place.set_head(name, branch)
    if call.as_json:
        call.output.document(changed)
    else:
        call.output.line(f"HEAD of {changed['name']} is {changed['default_branch']}")


@app.command()
@administers
def settings(
    call: Call,
    name: Name,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Choose; git-config(1) has the names.")
    ] = None,
    *,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Go back to the default; may be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show what was not chosen.")] = False,
) -> None:
    """Show or choose what the repository asks of a push: severities of findings, denials, hidden refs."""
    wished: dict[str, str | None] = dict.fromkeys(unset or ())
    for change in changes or ():
        key, equals, value = change.partition("=")
        if not equals or key in wished:
            raise UsageProblem(
                f"{change!r} {'sets a key twice' if equals else 'has no value'}",
                hint="write KEY=VALUE, once for each key, or --unset KEY",
            )
        wished[key] = value
    with call.administration() as place:
        document = place.change_settings(name, wished)
    if call.as_json:
        call.output.document(document)
        return
    shown = document["settings"]
    if everything:
        shown = {key: shown.get(key, default) for key, default in document["defaults"].items()}
    if shown:
        rows = [[key, value.replace("\n", " ")] for key, value in shown.items()]
        call.output.table(["setting", "value"], rows)
    else:
        call.output.note("nothing is chosen; --all shows the defaults")


@app.command()
@operates
def collect(call: Call) -> None:
    """Remove what crashes left behind, deleted repositories whose grace period is over, and replaced packs.

    Where packs have vanished, others that hold the same objects stand in for them. A server on the same data
    folder may go on meanwhile.
    """
    from imprint.cli.hosted import open_hosting
    from imprint.store.maintenance.rounds import clean_up
    from imprint.store.maintenance.work import Work

    with open_hosting(call.data_folder(), call.key_path) as hosting:
        purged = hosting.purge_due()
        reports = [(str(one.record.name), clean_up(Work(one, hosting))) for one in hosting.list()]
    documents: list[Document] = [
        {
            "name": name,
            "quarantines": report.collected.quarantines,
            "packs": list(report.collected.packs),
            "suspicious": list(report.collected.suspicious),
            "retired": list(report.retired),
            "missing": list(report.adoption.missing),
            "lost": report.adoption.lost,
        }
        for name, report in reports
    ]
    if call.as_json:
        call.output.document({"purged": purged, "repos": documents})
        return
    quarantines = sum(one["quarantines"] for one in documents)
    packs = sum(len(one["packs"]) for one in documents)
    call.output.line(
        f"purged {counted(purged, 'repository', 'repositories')}, "
        f"removed {counted(quarantines, 'quarantine')} and {counted(packs, 'pack')}"
    )
    for one in documents:
        if one["missing"]:
            what = "objects are lost" if one["lost"] else "nothing is lost"
            call.output.note(f"{one['name']}: {counted(len(one['missing']), 'pack')} had vanished: {what}")
    for one in documents:
        for pack in one["suspicious"]:
            call.output.note(f"{one['name']}: {pack} was never admitted, and a ref needs it: it was kept")
