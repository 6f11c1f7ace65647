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
    from imprint.store.types import RepositoryName


@administers
def import_(
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
) -> None:
    """Take over a repository with all its branches, tags, notes and other refs.

    What is allowed becomes a setting of the repository: `imprint repo settings` shows it and takes it back.
    Refs of the same name are overwritten, others stay. Exit code 1 when a ref did not come along.
    """
    from imprint.cli.importing.findings import Allowance
    from imprint.cli.importing.importer import describe_left, open_source, without_credentials
    from imprint.store.types import RepositoryName

    parsed = RepositoryName.parse(name)
    allowance = Allowance(tuple(allow or ()), skip_list_from_report)
    surroundings = call.surroundings
    server = call.chosen_server()
    with (
        _telling_programs(call, parsed),
        call.output.stage(f"importing {without_credentials(source)} into {parsed}"),
        open_source(source, surroundings.directory, surroundings.environment) as found,
    ):
        if server is None:
            document, refused = _into_folder(call, found, parsed, allowance)
        else:
            document, refused = _into_server(call, server, found, parsed, allowance)
    left = [f"{ref}: it has no namespace" for ref in found.nameless] + refused
    document |= {"refs": len(found.refs) - len(refused), "left": left}
    _show(call, document)
    if left:
        raise ImportRefused(
            f"{counted(len(left), 'ref')} did not come along: {describe_left(left)}", hint="all others did"
        )


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
    call: Call, source: "Source", name: "RepositoryName", allowance: "Allowance"
) -> tuple[Document, list[str]]:
    from imprint.cli.hosted import describe_repository, open_hosting, read_address, read_ssh_address
    from imprint.cli.importing.importer import import_into_folder

    with open_hosting(call.data_folder(create=True), call.key_path) as hosting:
        refused = import_into_folder(source, name, hosting, call.output, allowance)
        addresses = read_address(hosting.folder), read_ssh_address(hosting.folder)
        return describe_repository(hosting.get(name).record, *addresses), refused


def _into_server(
    call: Call, server: str, source: "Source", name: "RepositoryName", allowance: "Allowance"
) -> tuple[Document, list[str]]:
    from imprint.cli.importing.importer import import_into_server

    with call.client(server) as client:
        import_into_server(source, name, client, call, allowance)
        return client.get(f"/api/repos/{name}"), []


def _show(call: Call, document: Document) -> None:
    if call.as_json:
        call.output.document(document)
    else:
        call.output.line(f"imported {counted(document['refs'], 'ref')} into {document['name']}")
        call.output.line(f"clone it from {document['git_url']} with a token as password")
