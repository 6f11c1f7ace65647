"""`imprint import`: take over an existing repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.cli.call import Call, administers
from imprint.cli.errors import CommandError, ImportRefused
from imprint.cli.output import counted
from imprint.cli.ports import Document
from imprint.store.errors import StoreError

if TYPE_CHECKING:
    from imprint.cli.importing.findings import Allowance
    from imprint.cli.importing.importer import Source
    from imprint.cli.importing.provenance import Holes
    from imprint.store.types import RepositoryName


@administers
def import_(  # noqa: PLR0913 - the options of the command
    call: Call,
    source: Annotated[
        str, typer.Argument(metavar="PATH_OR_URL", help="A repository on disk, or what git can clone.")
    ],
    name: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="What it will be; made if it is not there.")
    ],
    *,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MESSAGE_ID", help="Take what git's checks find so, from now on; may be repeated."
        ),
    ] = None,
    skip_list_from_report: Annotated[
        bool, typer.Option(help="Take the objects that git's checks refuse now, and no others like them.")
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option(help="Leave refs behind whose history lacks objects; read what is there of them."),
    ] = False,
    agent_trace: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A file of Agent Trace records to be kept too; may be repeated."),
    ] = None,
) -> None:
    """Take over a repository with all its branches, tags, notes and other refs.

    What is allowed becomes a setting of the repository: `imprint repo settings` shows it and takes it back.
    Refs of the same name are overwritten, others stay. Exit code 1 when a ref did not come along, unless
    --allow-missing left it behind. At a data folder, checkpoints, notes and Agent Trace records are read at
    once; a server reads them after the push.
    """
    from imprint.cli.importing.findings import Allowance
    from imprint.cli.importing.importer import open_source, without_credentials
    from imprint.cli.importing.provenance import Holes, find_holes
    from imprint.store.types import RepositoryName

    parsed = RepositoryName.parse(name)
    allowance = Allowance(tuple(allow or ()), skip_list_from_report)
    surroundings, server = call.surroundings, call.chosen_server()
    if server is not None and agent_trace:
        raise _no_files()
    with (
        _telling_programs(call, parsed),
        call.output.stage(f"importing {without_credentials(source)} into {parsed}"),
        open_source(source, surroundings.directory, surroundings.environment) as found,
    ):
        holes = find_holes(found) if allow_missing else Holes()
        whole = found.without(holes.refs)
        if server is None:
            document, refused = _into_folder(call, whole, parsed, allowance, holes, agent_trace or [])
        else:
            document, refused = _into_server(call, server, whole, parsed, allowance)
    left = [f"{ref}: it has no namespace" for ref in found.nameless] + refused
    document |= {"refs": len(whole.refs) - len(refused), "left": [*left, *holes.describe()]}
    _show(call, document, holes.describe())
    if left:
        raise _not_all(left)


@contextmanager
def _telling_programs(call: Call, name: "RepositoryName") -> Iterator[None]:
    """With `--json`, a refusal is a document too."""
    try:
        yield
    except (CommandError, StoreError) as refused:
        if call.as_json:
            told = {"name": str(name), "imported": False, "error": refused.message, "hint": refused.hint}
            call.output.document(told)
        raise


def _into_folder(
    call: Call,
    source: "Source",
    name: "RepositoryName",
    allowance: "Allowance",
    holes: "Holes",
    traces: list[str],
) -> tuple[Document, list[str]]:
    from imprint.cli.hosted import describe_repository, open_hosting, read_address, read_ssh_address
    from imprint.cli.importing.importer import import_into_folder
    from imprint.cli.importing.provenance import keep_records

    with open_hosting(call.data_folder(create=True), call.key_path) as hosting:
        refused = import_into_folder(source, name, hosting, call.output, allowance)
        provenance = keep_records(source, holes, traces, hosting.get(name), hosting, call.output)
        addresses = read_address(hosting.folder), read_ssh_address(hosting.folder)
        document = describe_repository(hosting.get(name).record, *addresses)
        return document | {"provenance": provenance}, refused


def _into_server(
    call: Call, server: str, source: "Source", name: "RepositoryName", allowance: "Allowance"
) -> tuple[Document, list[str]]:
    from imprint.cli.importing.importer import import_into_server

    with call.client(server) as client:
        import_into_server(source, name, client, call, allowance)
        return client.get(f"/api/repos/{name}"), []


def _not_all(left: list[str]) -> ImportRefused:
    from imprint.cli.importing.importer import describe_left

    told = f"{counted(len(left), 'ref')} did not come along: {describe_left(left)}"
    return ImportRefused(told, hint="all others did")


def _no_files() -> ImportRefused:
    return ImportRefused(
        "a server takes no files of Agent Trace records",
        hint="import at its data folder, or commit them as .agent-trace/traces.jsonl",
    )


def _show(call: Call, document: Document, behind: list[str]) -> None:
    from imprint.cli.importing.importer import describe_left

    if behind:
        call.output.note(f"left behind {counted(len(behind), 'ref')}: {describe_left(behind)}")
    if call.as_json:
        call.output.document(document)
    else:
        from imprint.cli.importing.provenance import show_records

        call.output.line(f"imported {counted(document['refs'], 'ref')} into {document['name']}")
        if "provenance" in document:
            show_records(document["provenance"], call.output)
        call.output.line(f"clone it from {document['git_url']} with a token as password")
